#!/usr/bin/env bash
# The instructions of a few runs of a plugin under valgrind's callgrind: of calls of `Plugin::run`, and all that
# they call. The program prints the argument that it is to be run with.
#
#     tests/guard/sandbox.sh target/debug/one-run
set -euo pipefail
program=$1
export TMPDIR
TMPDIR=$(mktemp --directory)
trap 'rm -rf "$TMPDIR"' EXIT

argument=$("$program")
valgrind --quiet --tool=callgrind --callgrind-out-file="$TMPDIR/out" --collect-atstart=no \
  --toggle-collect='*sandbox::plugin::Plugin*::run' "$program" "$argument" >"$TMPDIR/log" 2>&1 || { cat "$TMPDIR/log" >&2; exit 1; }
count=$(sed -n 's/^totals: //p' "$TMPDIR/out")
[ "${count:-0}" -gt 0 ] || { echo "nothing was counted: has the function that is counted another name?" >&2; exit 1; }
echo "$count"
