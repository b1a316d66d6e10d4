#!/usr/bin/env bash
# Fetches and builds what the image, its bill of materials and the release are checked with, if that is not done yet, and
# prints the folder it is in. By the Go proxy and npm only, pinned by go.sum and package-lock.json in lint/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${ROSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/roster}/tools
hash=$(cat "${BASH_SOURCE[0]}" "$here"/lint/{go.mod,go.sum,containerfile/main.go,.npmrc,package.json,package-lock.json,sbom.js} | sha256sum | cut -c1-16)
folder=$root/image-lint-$hash
if [[ ! -e $folder/.built ]]; then
  for command in go npm; do
    command -v "$command" >/dev/null || {
      echo "image: the command '$command' is missing; it is needed once, for what the image is checked with" >&2
      exit 2
    }
  done
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  command -v flock >/dev/null && flock 9
fi
if [[ ! -e $folder/.built ]]; then
  echo "image: building actionlint and BuildKit's parser, fetching CycloneDX's schema (once)" >&2
  (cd "$here/lint" && CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/" \
    github.com/rhysd/actionlint/cmd/actionlint ./containerfile) >&2
  cp "$here"/lint/{.npmrc,package.json,package-lock.json,sbom.js} "$folder/"
  (cd "$folder" && npm ci) >&2
  touch "$folder/.built"
fi
echo "$folder"
