#!/usr/bin/env bash
# Runs the simulator of the controller's loop: random seeds for MINUTES, or the story of one SEED. KNOWN=1 includes whatever
# shows known defects; FROM is the first seed.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=(--from "${FROM:-0}")
if [[ -n "${SEED:-}" ]]; then
  arguments=(--seed "$SEED")
elif [[ -n "${MINUTES:-}" ]]; then
  arguments+=(--minutes "$MINUTES")
fi
if [[ -n "${KNOWN:-}" ]]; then
  arguments+=(--with-known)
fi
exec cargo run --quiet --locked -p roster-testkit --bin sim -- "${arguments[@]}"
