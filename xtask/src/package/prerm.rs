//! What runs before the files are removed.

/// `DPKG_ROOT` is empty on a real system and the scratch root when the package is proven.
pub const SCRIPT: &str = r#"#!/bin/sh
# On removal, running programs are asked to end (they finish what they are at). An upgrade leaves them running: the next
# start takes over from them. What people have stored in their homes is never touched.
set -e
if [ "$1" = remove ]; then
    for exe in /proc/[0-9]*/exe; do
        case "$(readlink "$exe" 2>/dev/null || true)" in
            "$DPKG_ROOT/usr/bin/tocsin" | "$DPKG_ROOT/usr/bin/tocsin (deleted)" | \
            "$DPKG_ROOT/usr/bin/tocsin-desktop" | "$DPKG_ROOT/usr/bin/tocsin-desktop (deleted)")
                pid=${exe#/proc/}
                kill -TERM "${pid%/exe}" 2>/dev/null || true
                ;;
        esac
    done
fi
"#;
