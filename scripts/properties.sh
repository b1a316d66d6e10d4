#!/usr/bin/env bash
# Runs the property tests of the engine, and those against the reference model, on inputs that nobody has tried: for
# MINUTES, CASES of each test at a time. `make test` has the same inputs every time; what is found here becomes a test.
set -euo pipefail
cd "$(dirname "$0")/.."

end=$((SECONDS + 60 * ${MINUTES:-1}))
export PROPTEST_CASES=${CASES:-2000}
while ((SECONDS < end)); do
  PROPTEST_RNG_SEED=${SEED:-$((RANDOM << 15 | RANDOM))}
  export PROPTEST_RNG_SEED
  if ! cargo test --quiet --locked -p roster-core -p roster-reference --test pure --test compare -- ${TEST:-}; then
    echo "make properties: SEED=$PROPTEST_RNG_SEED CASES=$PROPTEST_CASES finds this again" >&2
    exit 1
  fi
  [[ -z ${SEED:-} ]] || break
done
