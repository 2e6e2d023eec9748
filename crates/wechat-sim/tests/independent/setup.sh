#!/bin/sh
# Installs the independent clients that the simulator is checked with, pinned, into target/wechat-independent:
# `wechatpy` (Python) and `@wecom/crypto` (Node.js). A second run with the same lockfiles does nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${TOCSIN_TARGET:-$(cd "$here/../../../.." && pwd)/target}/wechat-independent
wanted=$(cat "$here/requirements.txt" "$here/package-lock.json" | cksum)
if [ "$(cat "$target/stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$target"
mkdir -p "$target"
python3 -m venv "$target/venv"
"$target/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
cp "$here/package.json" "$here/package-lock.json" "$target/"
npm --prefix "$target" ci --silent --no-audit --no-fund
printf '%s' "$wanted" > "$target/stamp"
