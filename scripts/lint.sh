#!/usr/bin/env bash
# Everything that can be judged without running a test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
stop_if_missing

judge_sources
# Not among the targets that cargo takes by itself; see Cargo.toml.
cargo clippy --locked --all-features --test image -- -D warnings

step "documentation of the code"
make --no-print-directory doc

step "generated files"
generated=$(mktemp -d)
trap 'rm -rf "$generated"' EXIT
# ROSTER_BINARY: one that is built already.
roster() { if [[ -n ${ROSTER_BINARY:-} ]]; then "$ROSTER_BINARY" "$@"; else cargo run --quiet --locked -- "$@"; fi; }
roster crds --output "$generated/crds"
roster crds --markdown --output "$generated/reference"
roster man --markdown >"$generated/cli.md"
if ! diff -r -u crds "$generated/crds" || ! diff -r -u charts/roster/files/crds "$generated/crds" ||
  ! diff -r -u docs/reference "$generated/reference" || ! diff -u docs/cli.md "$generated/cli.md"; then
  echo "crds/, charts/roster/files/crds/, docs/reference/ or docs/cli.md is not what the code says: run 'make generate' and commit the result" >&2
  exit 1
fi

# Not everywhere; nothing is downloaded for it.
if command -v shellcheck >/dev/null; then
  step "scripts"
  shellcheck -x .ci/run demo/*.sh scripts/*.sh image/*.sh tests/*/build.sh
fi
