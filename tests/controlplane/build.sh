#!/usr/bin/env bash
# Builds the control plane, unless that is done, and prints the path of the binary. A symlink named kubectl lies beside it.
# By the Go proxy only; the first time takes about 5 minutes. Progress goes to standard error.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/once.sh
source "$here/../../scripts/once.sh"

say() { echo "controlplane: $*" >&2; }
fail() { say "$*"; exit 1; }

# What it is built from: a change of any source builds a new one.
sources=()
while IFS= read -r file; do sources+=("$file"); done < <(
  find "$here" -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum -o -name build.sh | LC_ALL=C sort
)
folder=$(cached "controlplane/$(digest "${sources[@]}")")

build() {
  # What go.mod asks for is what the oldest usable toolchain is.
  local needed present oldest
  needed=$(awk '$1 == "go" { print $2 }' "$here/go.mod")
  present=$(cd "$here" && go env GOVERSION | sed 's/^go//; s/[^0-9.].*//') || fail "the command 'go' does not work; see above"
  oldest=$(printf '%s\n%s\n' "$needed" "$present" | sort -V | head -n 1)
  [[ $oldest == "$needed" ]] || fail "Go $present is too old; the control plane needs Go $needed or newer"

  local kubernetes major minor package flags="-s -w"
  kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/go.mod") # v1.35.4
  IFS=. read -r major minor _ <<<"${kubernetes#v}"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
    flags+=" -X $package.gitTreeState=clean"
  done

  say "building Kubernetes $kubernetes into one binary; the first build takes about 5 minutes"
  local started=$SECONDS
  (
    # Its output closed, so that nobody who reads ours to the end waits for a last sleep.
    while sleep 15 2>/dev/null; do say "still building, $((SECONDS - started)) s"; done
  ) 9>&- >/dev/null &
  ticker=$!
  trap 'kill "$ticker" 2>/dev/null || true' EXIT
  # -p bounds the memory: each of the compilers may take a gigabyte.
  (cd "$here" && CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "$flags" -o "$folder/controlplane.$$" . >&2 9>&-) ||
    fail "the build failed; see above"
  mv "$folder/controlplane.$$" "$folder/controlplane" # in one step: who sees the binary sees all of it
  ln -sf controlplane "$folder/kubectl"
  say "built in $((SECONDS - started)) s"
}
once controlplane "$folder" build go
echo "$folder/controlplane"
