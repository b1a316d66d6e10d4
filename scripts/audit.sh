#!/usr/bin/env bash
# Licences, sources, duplicates and known vulnerabilities of the dependencies, by deny.toml. Not part of `make test`:
# it fetches the list of vulnerabilities, and building cargo-deny takes minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
need cargo-deny "install it by: cargo install --locked cargo-deny"
stop_if_missing
cargo deny --all-features check
