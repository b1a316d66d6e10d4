#!/usr/bin/env bash
# Runs test binaries that are built already, in order, and prints how long each took; the time of each test stands in its line.
#   scripts/run-tests.sh OUTPUT NAME…   NAME: a target as cargo calls it (it, cli, pure, …), looked up in target/test-binaries
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
output=$1
shift

# Most tests wait, for servers, leases and each other's commits: twice as many as there are cores.
threads=${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}
failed=0
for name in "$@"; do
  found=0
  while IFS=$'\t' read -r target executable manifest; do
    [[ $target == "$name" ]] || continue
    found=1
    printf '\n== %s\n' "$name"
    began=$SECONDS
    # The harness tells the time of a test only to whom it takes for a nightly toolchain.
    (cd "$(dirname "$manifest")" && CARGO_MANIFEST_DIR=$PWD RUSTC_BOOTSTRAP=1 \
      "$executable" -Zunstable-options --report-time --test-threads "$threads" </dev/null) 2>&1 | tee -a "$output" || failed=1
    echo "== $name: $((SECONDS - began)) s"
  done <target/test-binaries
  if ((!found)); then
    echo "no test binary is called $name: target/test-binaries has those that there are" | tee -a "$output" >&2
    failed=1
  fi
done
exit "$failed"
