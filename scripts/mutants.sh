#!/usr/bin/env bash
# Mutates the parts of the engine that decide levels, and tells which mutants the comparison with the reference model does
# not notice. Usage: scripts/mutants.sh [SHARD [OPTIONS OF CARGO-MUTANTS]], where SHARD is a part of all mutants, such as 0/8.
# Not part of `make test`: all of them take hours. The result is in target/mutants.out/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
need cargo-mutants "install it by: cargo install --locked cargo-mutants"
stop_if_missing

core=crates/roster-core/src
files=()
for file in resolve/{admission,catalog,definitions,desired,holders,invitation,member,potential,role} plan/{diff,guard,judge,members} \
  model/{catalog,compile,potential,ranks} state/facts; do
  # cargo-mutants passes over a file that is not there.
  [[ -f $core/$file.rs ]] || { echo "mutants: there is no $core/$file.rs" >&2; exit 2; }
  files+=(--file "$core/$file.rs")
done
# What is left out decides no level: texts, titles and origins; advice; what stands in a Debug.
texts='advise|advice|fmt|Debug|Display|message|_text|category|title|changes\b|CatalogFacts::finding|Catalog::level|section_name|unmet|says'
# Each change is found by fewer cases than `make test` runs, and need not be shrunk.
export PROPTEST_CASES=${PROPTEST_CASES:-1500} PROPTEST_MAX_SHRINK_ITERS=0
step "the comparison, without mutants"
cargo test --locked --package roster-reference --test compare
step "mutants"
cargo mutants --package roster-core "${files[@]}" --exclude-re "$texts" --test-package roster-reference --baseline skip \
  --sharding round-robin --shard "${1:-0/1}" --timeout 300 --output target "${@:2}" \
  --cargo-arg=--test=compare
