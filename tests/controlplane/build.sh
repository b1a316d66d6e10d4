#!/usr/bin/env bash
# Builds the control plane if it is not built yet, and prints the path of the
# binary. A symlink named kubectl lies beside it. Progress goes to standard error.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ROSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/roster}/controlplane

say() { echo "controlplane: $*" >&2; }
fail() { say "$*"; exit 1; }

# The name of the folder tells what the binary was built from, so a change of
# any source builds a new one and two checkouts share one cache.
sources() {
  cd "$here"
  find . -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum -o -name build.sh | LC_ALL=C sort
}
digest() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}
hash=$(sources | while read -r file; do echo "$file"; cat "$here/$file"; done | digest | cut -c1-16)
folder=$cache/$hash
binary=$folder/controlplane

finish() { echo "$binary"; exit 0; }
[[ -x $binary ]] && finish

command -v go >/dev/null || fail "the Go toolchain (command 'go') is missing; it is needed once, to build the control plane"
# What go.mod asks for is what the oldest usable toolchain is.
needed=$(awk '$1 == "go" { print $2 }' "$here/go.mod")
present=$(cd "$here" && go env GOVERSION | sed 's/^go//; s/[^0-9.].*//') || fail "the command 'go' does not work; see above"
oldest=$(printf '%s\n%s\n' "$needed" "$present" | sort -V | head -n 1)
[[ $oldest == "$needed" ]] || fail "Go $present is too old; the control plane needs Go $needed or newer"

# One builds, the others wait. The lock goes with the process that holds it.
mkdir -p "$folder"
if command -v flock >/dev/null; then
  exec 9>"$folder/lock"
  if ! flock --nonblock 9; then
    say "another build is under way; waiting for it"
    flock 9
  fi
  [[ -x $binary ]] && finish
fi

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/go.mod") # v1.35.4
IFS=. read -r major minor _ <<<"${kubernetes#v}"
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  flags+=" -X $package.gitTreeState=clean"
done

say "building Kubernetes $kubernetes into one binary; the first build takes about 5 minutes"
started=$SECONDS
(
  # Its output closed, so that nobody who reads ours to the end waits for a last sleep.
  while sleep 15 2>/dev/null; do say "still building, $((SECONDS - started)) s"; done
) 9>&- >/dev/null &
ticker=$!
temporary=$folder/controlplane.$$
trap 'kill "$ticker" 2>/dev/null || true; rm -f "$temporary"' EXIT

# -p bounds the memory: each of the compilers may take a gigabyte.
if ! (cd "$here" && CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "$flags" -o "$temporary" . >&2 9>&-); then
  fail "the build failed; see above"
fi
ln -sf controlplane "$folder/kubectl"
mv "$temporary" "$binary" # in one step: who sees the binary sees all of it
say "built in $((SECONDS - started)) s"
finish
