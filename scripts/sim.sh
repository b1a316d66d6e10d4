#!/usr/bin/env bash
# Runs the simulator of the controller's loop: random seeds for MINUTES, or the transcript of one SEED. FROM is the first
# seed.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=(--from "${FROM:-0}")
if [[ -n "${SEED:-}" ]]; then
  arguments=(--seed "$SEED")
elif [[ -n "${MINUTES:-}" ]]; then
  arguments+=(--minutes "$MINUTES")
fi
exec cargo run --quiet --locked -p roster-testkit --bin sim -- "${arguments[@]}"
