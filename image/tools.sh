#!/usr/bin/env bash
# Builds what makes images, unless that is done, and prints the folder it is in. By crates.io and the Go proxy only; the
# first time takes about 5 minutes. The Go programs are pinned by go.mod and go.sum beside this file.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/once.sh
source "$here/../scripts/once.sh"
cyclonedx=0.5.9
folder=$(cached "tools/image-$(digest "${BASH_SOURCE[0]}" "$here"/go.{mod,sum} "$here"/roots/main.go)")

build() {
  echo "image: building umoci, crane and cargo-cyclonedx $cyclonedx (once)" >&2
  (
    cd "$here"
    CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/" \
      github.com/opencontainers/umoci/cmd/umoci github.com/google/go-containerregistry/cmd/crane ./roots
  ) >&2
  CARGO_TARGET_DIR=$folder/build cargo install --quiet --locked --root "$folder/cargo" "cargo-cyclonedx@$cyclonedx" >&2
  ln -sf cargo/bin/cargo-cyclonedx "$folder/"
  rm -rf "$folder/build"
}
once image "$folder" build go cargo
echo "$folder"
