#!/usr/bin/env bash
# Builds Flux's source-controller and kustomize-controller, and Argo CD's engine (argocd/), unless that is done; prints the
# folder they are in, with their definitions in crds/ and argocd-crds/. By the Go proxy only; the first time takes about 10
# minutes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/once.sh
source "$here/../../scripts/once.sh"
source=v1.7.3 kustomize=v1.7.3
# What is in argocd/ is ours and says its own versions.
argocd=$(digest "$here"/argocd/{go.mod,go.sum,main.go})
folder=$(cached "tools/flux-source-$source-kustomize-$kustomize-argocd-$argocd")

# A copy of what is published, built as it is: its own replacements and sums count. Only its API, which it has in a folder
# beside it, is published apart.
flux() {
  local name=$1 version=$2 module=github.com/fluxcd/$1 published
  echo "gitops: building $name $version (once)" >&2
  published=$(cd "$work" && go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  cp -r "$published" "$work/$name"
  chmod -R u+w "$work/$name"
  (
    cd "$work/$name"
    go mod edit -dropreplace "$module/api"
    go build -mod=mod -p 2 -trimpath -ldflags "-s -w" -o "$folder/$name" .
  ) >&2
  cp "$work/$name"/config/crd/bases/*.yaml "$folder/crds/"
}

build() {
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  export CGO_ENABLED=0
  mkdir -p "$folder/crds" "$folder/argocd-crds"
  flux source-controller "$source"
  flux kustomize-controller "$kustomize"
  echo "gitops: building Argo CD's engine (once)" >&2
  cd "$here/argocd"
  go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/argocd" . >&2
  published=$(go list -m -f '{{.Dir}}' github.com/argoproj/argo-cd/v3)
  cp "$published/manifests/crds/application-crd.yaml" "$folder/argocd-crds/"
}
once gitops "$folder" build go
echo "$folder"
