#!/bin/sh
# Installs the library that webhooks are checked with, pinned, into target/webhook-independent: `standardwebhooks`
# (Python), of the authors of the standard. A second run with the same requirements does nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${TOCSIN_TARGET:-$(cd "$here/../../../.." && pwd)/target}/webhook-independent
wanted=$(cksum < "$here/requirements.txt")
if [ "$(cat "$target/stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$target"
mkdir -p "$target"
python3 -m venv "$target/venv"
"$target/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
printf '%s' "$wanted" > "$target/stamp"
