#!/usr/bin/env bash
# Builds helm and what charts are checked with, unless that is done, and prints the folder they are in, with the Prometheus
# operator's definitions in crds/. By the Go proxy only; the first time takes about 8 minutes, mostly promtool.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/once.sh
source "$here/../../scripts/once.sh"
helm=v4.3.1 promtool=v0.305.0 score=v1.20.0 conform=v0.7.0 operator=v0.85.0
folder=$(cached "tools/helm-$helm-promtool-$promtool-score-$score-conform-$conform-operator-$operator")

build() {
  echo "helm: building helm $helm, promtool $promtool, kube-score $score and kubeconform $conform (once)" >&2
  export GOBIN=$folder CGO_ENABLED=0
  go install -p 2 -trimpath -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$helm" \
    "helm.sh/helm/v4/cmd/helm@$helm" >&2
  go install -p 2 -trimpath -ldflags "-s -w" "github.com/zegl/kube-score/cmd/kube-score@$score" >&2
  go install -p 2 -trimpath -ldflags "-s -w" "github.com/yannh/kubeconform/cmd/kubeconform@$conform" >&2
  # Its go.mod has replacements, which `go install` refuses; as a dependency it builds without them.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (
    cd "$work"
    go mod init tools
    go get "github.com/prometheus/prometheus/cmd/promtool@$promtool"
    go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/promtool" github.com/prometheus/prometheus/cmd/promtool
  ) >&2
  local published
  published=$(cd "$work" && go mod download -json "github.com/prometheus-operator/prometheus-operator@$operator" |
    sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  mkdir -p "$folder/crds"
  cp "$published"/example/prometheus-operator-crd/*_{servicemonitors,prometheusrules}.yaml "$folder/crds/"
}
once helm "$folder" build go
echo "$folder"
