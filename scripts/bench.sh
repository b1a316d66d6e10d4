#!/usr/bin/env bash
# Measures against the targets of docs/architecture.md "Speed"; the table is printed, and written as JSON to bench-results/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
need go "Go; it builds the control plane that is measured against"
need java "Java 17 or newer; Keycloak runs on it"
need mvn "Maven; it fetches Keycloak"
stop_if_missing
ROSTER_CONTROLPLANE=$(tests/controlplane/build.sh)
export ROSTER_CONTROLPLANE ROSTER_BENCH_SIZE=${1:-full}
cargo bench --locked --all-features --bench cluster
