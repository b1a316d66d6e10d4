#!/usr/bin/env bash
# Stops control planes that tests or a killed demo left running, and removes what was built in this folder. The built
# control plane stays in its cache for other checkouts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for data in target/controlplane-* target/demo/controlplane; do
  if [[ -d $data ]]; then
    "$(tests/controlplane/build.sh)" down --data "$data" --purge
  fi
done
cargo clean
