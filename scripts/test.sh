#!/usr/bin/env bash
# Everything CI checks, from a fresh clone: its own set-up, the lints, the tests on one shared control plane.
# Nothing but the package registries of Rust, Go and Maven is asked for, by cargo, go and mvn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
need go "Go; it builds the control plane the tests run on"
need make "make"
need git "git; it serves the repository that Flux reads"
need setpriv "setpriv (util-linux); it ends PostgreSQL, Keycloak and Flux with the tests"
need_postgres
need java "Java 17 or newer; Keycloak runs on it"
need mvn "Maven; it fetches Keycloak, once"
need node "Node 20 or newer; it runs what the tutorials give to portals"
need curl "curl; the tutorials' commands use it"
stop_if_missing

# A fixed folder: what a killed run left behind is found and stopped.
data=$PWD/target/controlplane-ci
binary=""
builder=""
cleanup() {
  [[ -n $builder ]] && kill -- "-$builder" 2>/dev/null
  [[ -n $binary && -e $data ]] && "$binary" down --data "$data" --purge >/dev/null
  return 0
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Kubernetes and our own dependencies build side by side; Keycloak, helm and Flux come behind it. It is a process group of its
# own (set -m), so that stopping it stops its compilers, too.
mkdir -p target
set -m
{
  tests/controlplane/build.sh >target/controlplane-path &&
    tests/keycloak/build.sh >target/keycloak-path &&
    tests/helm/build.sh >target/helm-path &&
    tests/gitops/build.sh >target/gitops-path
} </dev/null &
builder=$!
set +m

scripts/lint.sh

step "build of the tests"
cargo test --locked --all-features --no-run

step "control plane, Keycloak, helm, Flux"
wait "$builder"
builder=""
binary=$(<target/controlplane-path)
ROSTER_HELM=$(<target/helm-path)
ROSTER_GITOPS=$(<target/gitops-path)
export ROSTER_HELM ROSTER_GITOPS
(cd tests/controlplane && go vet ./internal/... && go test ./internal/...)
[[ -e $data ]] && "$binary" down --data "$data" --purge
"$binary" up --data "$data"

step "tests"
# A scenario that comes to something else fails; nothing is written beside it.
INSTA_UPDATE=no ROSTER_CONTROLPLANE=$binary ROSTER_TEST_DATA=$data cargo test --locked --all-features --no-fail-fast

echo
echo "make test: all passed in $SECONDS s"
