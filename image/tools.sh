#!/usr/bin/env bash
# Builds what makes images if it is not built yet, and prints the folder it is in. By crates.io and the Go proxy only; the
# first time takes about 5 minutes. The Go programs are pinned by go.mod and go.sum beside this file.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${ROSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/roster}/tools
cyclonedx=0.5.9
hash=$(cat "${BASH_SOURCE[0]}" "$here"/go.{mod,sum} "$here"/roots/main.go | sha256sum | cut -c1-16)
folder=$root/image-$hash
if [[ ! -e $folder/.built ]]; then
  for command in go cargo; do
    command -v "$command" >/dev/null || {
      echo "image: the command '$command' is missing; it is needed once, to build the tools" >&2
      exit 2
    }
  done
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  command -v flock >/dev/null && flock 9
fi
if [[ ! -e $folder/.built ]]; then
  echo "image: building umoci, crane and cargo-cyclonedx $cyclonedx (once)" >&2
  (
    cd "$here"
    CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "-s -w" -o "$folder/" \
      github.com/opencontainers/umoci/cmd/umoci github.com/google/go-containerregistry/cmd/crane ./roots
  ) >&2
  CARGO_TARGET_DIR=$folder/build cargo install --quiet --locked --root "$folder/cargo" "cargo-cyclonedx@$cyclonedx" >&2
  ln -sf cargo/bin/cargo-cyclonedx "$folder/"
  rm -rf "$folder/build"
  touch "$folder/.built"
fi
echo "$folder"
