#!/usr/bin/env bash
# Fetches and builds what the image, its bill of materials and the release are checked with, unless that is done, and prints
# the folder it is in. By the Go proxy and npm only, pinned by go.sum and package-lock.json in lint/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/once.sh
source "$here/../../scripts/once.sh"
folder=$(cached "tools/image-lint-$(digest "${BASH_SOURCE[0]}" "$here"/lint/{go.mod,go.sum,containerfile/main.go,.npmrc,package.json,package-lock.json,sbom.js})")

build() {
  echo "image: building actionlint and BuildKit's parser, fetching CycloneDX's schema (once)" >&2
  (cd "$here/lint" && CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/" \
    github.com/rhysd/actionlint/cmd/actionlint ./containerfile) >&2
  cp "$here"/lint/{.npmrc,package.json,package-lock.json,sbom.js} "$folder/"
  (cd "$folder" && npm ci) >&2
}
once image "$folder" build go npm
echo "$folder"
