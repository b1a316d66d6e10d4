#!/usr/bin/env bash
# Everything CI checks, from a fresh clone: its own set-up, the lints, the tests on one shared control plane.
# Nothing but the package registries of Rust, Go and Maven is asked for, by cargo, go and mvn.
#   scripts/test.sh [--image]   with --image also the image is built, in the release profile, and run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
image=""
case ${1:-} in
  "") ;;
  --image) image=1 ;;
  *) echo "usage: scripts/test.sh [--image]" >&2 && exit 2 ;;
esac
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
need_package jq jq "jq; it reads what cargo built"
if [[ -n $image ]]; then
  need npm "npm; it fetches the schema that the image's bill of materials is checked against"
  need_image
  need_package runc runc "runc; it runs the image"
fi
stop_if_missing

# A fixed folder: what a killed run left behind is found and stopped.
data=$PWD/target/controlplane-ci
binary=""
# Process groups in the background; empty while there is none.
builder=""
behind=()
cleanup() {
  local group
  [[ -n $builder ]] && kill -- "-$builder" 2>/dev/null
  for group in "${behind[@]}"; do kill -- "-$group" 2>/dev/null || true; done
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
    tests/gitops/build.sh >target/gitops-path &&
    { [[ -z $image ]] || { image/tools.sh >/dev/null && tests/image/build.sh >/dev/null; }; }
} </dev/null &
builder=$!
set +m

step "build of the tests"
cargo test --locked --workspace --all-features --no-run --message-format=json-render-diagnostics |
  jq -r 'select(.profile.test? and .executable) | [.target.name, .executable, .manifest_path] | @tsv' >target/test-binaries
# The same binary that the tests run: nothing is built twice.
ROSTER_BINARY=$(realpath "${CARGO_TARGET_DIR:-target}/debug/roster")
export ROSTER_BINARY
scripts/lint.sh
unset ROSTER_BINARY

step "control plane, Keycloak, helm, Flux, tools of the image"
wait "$builder"
builder=""
binary=$(<target/controlplane-path)
ROSTER_HELM=$(<target/helm-path)
ROSTER_GITOPS=$(<target/gitops-path)
export ROSTER_HELM ROSTER_GITOPS
(cd tests/controlplane && go vet ./internal/... && go test ./internal/...)
(cd image && go vet ./roots)
(cd tests/image/lint && go vet ./containerfile)
[[ -e $data ]] && "$binary" down --data "$data" --purge
"$binary" up --data "$data"

untested=""
if [[ -n $image ]]; then
  if ! have_image_target; then
    untested="the image was neither built nor tested: Rust's target $(image_target) is not installed, and rustup cannot fetch it here"
  elif ((EUID != 0)); then
    untested="the image was not tested: that takes root, to run it as the user that it names"
  else
    step "image"
    scripts/image.sh
  fi
fi

step "tests"
# A scenario that comes to something else fails; nothing is written beside it.
export INSTA_UPDATE=no ROSTER_CONTROLPLANE=$binary ROSTER_TEST_DATA=$data
# Programs written in Go (Kubernetes, kubectl, helm, Flux) are short-lived or small here: a tenth of their work is to collect
# garbage that nobody minds.
export GOGC=400
failed=0
output=$PWD/target/test-output
: >"$output"
# Two cores are to be busy all the time: what waits runs beside what computes, in three chains.
#   in front: `helm`, which waits for rollouts, and `rules`; they have the shared control plane one after the other.
#   behind:   `gitops`, which waits for Flux on control planes of its own.
#   behind:   what only computes, and the simulator; their lower priority lets them have what the others leave.
# Then `it` runs by itself: Roster gives a request to Keycloak four seconds, and that must not depend on what else runs.
computing=()
while read -r name; do
  case $name in
    gitops | helm | it | rules) ;;
    *) computing+=("$name") ;;
  esac
done < <(cut -f1 target/test-binaries | sort -u)
gitops() { scripts/run-tests.sh /dev/null gitops; }
computing() {
  local result=0
  nice scripts/run-tests.sh /dev/null "${computing[@]}" || result=1
  step "simulator"
  # The same seeds everywhere; `make sim` runs others.
  nice "${CARGO_TARGET_DIR:-target}/debug/sim" --seeds 80 2>&1 || result=1
  return "$result"
}
chains=(gitops computing)
set -m
for chain in "${chains[@]}"; do
  "$chain" >"$output-$chain" 2>&1 </dev/null &
  behind+=("$!")
done
set +m
scripts/run-tests.sh "$output" helm rules || failed=1
for index in "${!chains[@]}"; do
  step "${chains[index]}, which ran at the same time"
  wait "${behind[index]}" || failed=1
  tee -a "$output" <"$output-${chains[index]}"
done
behind=()
scripts/run-tests.sh "$output" it || failed=1
if [[ -n $image && -z $untested ]]; then
  step "the image"
  ROSTER_IMAGE=$PWD/target/image cargo test --locked --all-features --test image --no-fail-fast 2>&1 | tee -a "$output" || failed=1
fi
echo
echo "== the slowest ten"
sed -n 's/^test \(.*\) \.\.\. .*<\([0-9.]*\)s>$/\2 s\t\1/p' "$output" | sort -rn | sed -n 1,10p
if ((failed)); then
  scripts/failures.sh "$output"
  exit 1
fi

echo
[[ -n $untested ]] && echo "make test: $untested"
echo "make test: all passed in $SECONDS s"
