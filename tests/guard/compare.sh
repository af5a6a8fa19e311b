#!/usr/bin/env bash
# Compares a number of instructions with the one recorded in tests/guard/NAME.count: more than a tenth over it is
# an error. RECORD=1 records it.
#
#     tests/guard/compare.sh NAME COUNT
set -euo pipefail
name=$1 count=$2
recorded=$(dirname "$0")/$name.count

if [ -n "${RECORD:-}" ]; then
  echo "$count" >"$recorded"
fi
before=$(cat "$recorded")
echo "$name: $count instructions, $((100 * count / before)) % of the recorded $before"
if [ $((10 * count)) -gt $((11 * before)) ]; then
  echo "that is more than a tenth over them; where it is worth it: make guard RECORD=1"
  exit 1
fi
