#!/usr/bin/env bash
# Counts the instructions of a program under valgrind's callgrind, and compares them with those recorded in
# tests/guard/NAME.count: more than a tenth over them is an error. RECORD=1 records them.
#
#     tests/guard/count.sh NAME PROGRAM
#
# The program prints the argument that it is to be run with. What is counted are calls of `Plugin::run` and
# all that they call.
set -euo pipefail
name=$1 program=$2
recorded=$(dirname "$0")/$name.count
export TMPDIR
TMPDIR=$(mktemp --directory)
trap 'rm -rf "$TMPDIR"' EXIT

argument=$("$program")
valgrind --quiet --tool=callgrind --callgrind-out-file="$TMPDIR/out" --collect-atstart=no \
  --toggle-collect='*sandbox::plugin::Plugin*::run' "$program" "$argument" >"$TMPDIR/log" 2>&1 || { cat "$TMPDIR/log"; exit 1; }
count=$(sed -n 's/^totals: //p' "$TMPDIR/out")
[ "${count:-0}" -gt 0 ] || { echo "nothing was counted: has the function that is counted another name?"; exit 1; }

if [ -n "${RECORD:-}" ]; then
  echo "$count" >"$recorded"
fi
before=$(cat "$recorded")
echo "$name: $count instructions, $((100 * count / before)) % of the recorded $before"
if [ $((10 * count)) -gt $((11 * before)) ]; then
  echo "that is more than a tenth over them; where it is worth it: make guard RECORD=1"
  exit 1
fi
