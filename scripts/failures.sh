#!/usr/bin/env bash
# Prints what failed in the output of `cargo test` that a file holds: each test with the first lines of its panic, then a list
# of their names. It comes last, since a CI system may keep the end of a log only.
#   scripts/failures.sh FILE
set -euo pipefail

echo
echo "== what failed"
awk '
  /^---- .* stdout ----$/ { name = $2; lines = 0; next }
  /^failures:$/ || /^test result:/ { name = "" }
  name != "" && / panicked at / { lines = 8; printf "\n%s\n", name }
  name != "" && lines > 0 { print "  " substr($0, 1, 400); lines-- }
' "$1"
echo
grep -aE '^test .* FAILED( <.*>)?$|^error: test failed|^error: [0-9]+ targets? failed|^seed [0-9]+: |could not compile' "$1" || tail -n 20 "$1"
