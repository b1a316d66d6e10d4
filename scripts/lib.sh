# What the scripts share; sourced with the repository as the working directory.
# shellcheck shell=bash

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

# Format and lints of all that cargo takes by itself.
judge_sources() {
  step "format"
  cargo fmt --check
  step "lints"
  cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
}

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
# The tests start a real PostgreSQL server of their own. Debian keeps its programs outside of PATH.
need_postgres() {
  have_postgres && return
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    step "PostgreSQL"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null || true
    have_postgres && return
  fi
  missing+=("  initdb: PostgreSQL 15 or newer, its server's programs (Debian: apt-get install postgresql), or ROSTER_POSTGRES_BIN")
}
# need_package COMMAND PACKAGE WHAT_FOR: as need, but installed where that can be done without asking: as root on Debian.
need_package() {
  command -v "$1" >/dev/null && return
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    step "$2"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null || true
  fi
  need "$1" "$3 (Debian: apt-get install $2)"
}
have_postgres() {
  [[ -n ${ROSTER_POSTGRES_BIN:-} ]] || command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
need_rust() {
  need cargo "Rust; with rustup the version of rust-toolchain.toml is installed by itself"
}
# What the image is built with, beside Rust and Go.
need_image() {
  need_package musl-gcc musl-tools "the C compiler for musl; SQLite, mimalloc and ring are built by it"
  need_package jq jq "jq; it writes the bill of materials"
  need_package strings binutils "strings; it reads which musl is linked"
}
# The image is for this machine's architecture, and linked statically.
image_target() { echo "$(uname -m)-unknown-linux-musl"; }
# Rust's own part of that: by rustup, if it is not there yet.
have_image_target() {
  [[ -e $(rustc --print sysroot)/lib/rustlib/$(image_target)/lib ]] && return
  command -v rustup >/dev/null && rustup target add "$(image_target)" >&2
}
