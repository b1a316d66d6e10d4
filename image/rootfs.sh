#!/usr/bin/env bash
# rootfs.sh DIRECTORY: builds everything that is in the image into an empty folder. Used by scripts/image.sh and by
# Containerfile, so that both make the same files. SOURCE_DATE_EPOCH must be set.
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
: "${SOURCE_DATE_EPOCH:?seconds since 1970 that the image is dated by}"
out=${1:?the folder to fill}
target=$(image_target)
tools=$(image/tools.sh)
export PATH=$tools:$PATH

# Nothing of this machine in the binary: what is built here is built anywhere.
cargo_home=${CARGO_HOME:-${HOME:?is not set}/.cargo}
variable=${target//-/_}
declare -x "CARGO_TARGET_${variable^^}_RUSTFLAGS=--remap-path-prefix=$PWD=/src --remap-path-prefix=$cargo_home=/cargo"
declare -x "CFLAGS_$variable=-ffile-prefix-map=$PWD=/src -ffile-prefix-map=$cargo_home=/cargo"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS

# A date of its own, always the same: the commit's would compile all parts in C anew for each commit.
SOURCE_DATE_EPOCH=0 cargo build --quiet --release --locked --target "$target" --bin roster
binary=${CARGO_TARGET_DIR:-target}/$target/release/roster

# What is not Rust, and what comes with the toolchain: no lock file names it.
locked=$(cargo metadata --locked --format-version 1 --filter-platform "$target")
crate() { jq -r --arg name "$1" '.packages[] | select(.name == $name).manifest_path | rtrimstr("/Cargo.toml")' <<<"$locked"; }
sqlite=$(sed -n 's/^#define SQLITE_VERSION *"\(.*\)"/\1/p' "$(crate libsqlite3-sys)/sqlite3/sqlite3.h")
musl=$(strings "$(rustc --print sysroot)/lib/rustlib/$target/lib/self-contained/libc.a" | grep -xE '[0-9]+\.[0-9]+\.[0-9]+')
rust=$(rustc --version | cut -d ' ' -f 2)

# cargo-cyclonedx knows licences and checksums, cargo tree knows what is linked. The former writes beside each Cargo.toml of
# the workspace.
linked=$(cargo tree --locked --target "$target" --edges normal,no-proc-macro --prefix none --format '{p}')
name=roster.$target.$$
trap 'rm -f "$name.json" crates/*/"$name.json"' EXIT
cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" --override-filename "$name"
install -d -m 0755 "$out"/{etc/ssl/certs,usr/share/doc/roster,var/lib}
jq --arg linked "$linked" --arg target "$target" --arg sqlite "$sqlite" --arg musl "$musl" \
  --arg rust "$rust" --from-file image/sbom.jq "$name.json" >"$out/usr/share/doc/roster/roster.cdx.json"

install -m 0755 "$binary" "$out/roster"
roots >"$out/etc/ssl/certs/ca-certificates.crt"
install -m 0644 LICENSE "$out/usr/share/doc/roster/LICENSE"
# For embedded stores; the chart mounts a volume over it.
install -d -m 0700 "$out/var/lib/roster"
if ((EUID == 0)); then chown 65532:65532 "$out/var/lib/roster"; fi
chmod 0644 "$out"/{etc/ssl/certs/ca-certificates.crt,usr/share/doc/roster/roster.cdx.json}
find "$out" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
