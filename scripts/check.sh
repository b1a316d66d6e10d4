#!/usr/bin/env bash
# What can be checked in minutes, and with nothing but Rust: format, lints, the core, the command line, and some seconds of
# the simulator.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
stop_if_missing

judge_sources

step "core, reference model, simulator"
cargo test --quiet --locked -p roster-core -p roster-reference -p roster-testkit --all-features

step "command line"
cargo test --quiet --locked --all-features --lib --test cli

step "simulated clusters"
cargo run --quiet --locked --all-features -p roster-testkit --bin sim -- --seeds 10

echo
echo "make check: all passed in $SECONDS s; make test does the rest, on real servers"
