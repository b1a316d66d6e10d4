#!/usr/bin/env bash
# Builds helm, promtool and kube-score if they are not built yet, and prints the folder they are in. By the Go proxy only;
# the first time takes about 8 minutes, mostly promtool.
set -euo pipefail
root=${ROSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/roster}/tools
helm=v4.3.1 promtool=v0.305.0 score=v1.20.0
folder=$root/helm-$helm-promtool-$promtool-score-$score
if [[ ! -e $folder/.built ]]; then
  command -v go >/dev/null || {
    echo "helm: the Go toolchain (command 'go') is missing; it is needed once, to build helm and promtool" >&2
    exit 2
  }
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  command -v flock >/dev/null && flock 9
fi
if [[ ! -e $folder/.built ]]; then
  echo "helm: building helm $helm, promtool $promtool and kube-score $score (once)" >&2
  export GOBIN=$folder CGO_ENABLED=0
  go install -p 2 -trimpath -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$helm" \
    "helm.sh/helm/v4/cmd/helm@$helm" >&2
  go install -p 2 -trimpath -ldflags "-s -w" "github.com/zegl/kube-score/cmd/kube-score@$score" >&2
  # Its go.mod has replacements, which `go install` refuses; as a dependency it builds without them.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (
    cd "$work"
    go mod init tools
    go get "github.com/prometheus/prometheus/cmd/promtool@$promtool"
    go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/promtool" github.com/prometheus/prometheus/cmd/promtool
  ) >&2
  touch "$folder/.built"
fi
echo "$folder"
