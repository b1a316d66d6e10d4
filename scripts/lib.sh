# What the scripts share; sourced with the repository as the working directory.
# shellcheck shell=bash

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

# need COMMAND WHAT_FOR: says plainly what is missing, all at once at the end.
missing=()
need() { command -v "$1" >/dev/null || missing+=("  $1: $2"); }
stop_if_missing() {
  ((${#missing[@]} == 0)) && return
  {
    echo "Some programs are missing on this machine:"
    printf '%s\n' "${missing[@]}"
  } >&2
  exit 2
}
need_rust() {
  need cargo "Rust; with rustup the version of rust-toolchain.toml is installed by itself"
}
