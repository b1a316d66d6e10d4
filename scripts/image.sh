#!/usr/bin/env bash
# Builds the image without a container engine, and prints what came out of it. The same commit gives the same digest.
# ROSTER_IMAGE_SOURCE: where the sources are, for the label. SOURCE_DATE_EPOCH: the commit's time by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
need_rust
need go "Go; it builds the tools that make the image"
need_image
stop_if_missing
have_image_target || {
  echo "image: Rust's target $(image_target) is not installed and rustup cannot fetch it here" >&2
  exit 3
}
case $(uname -m) in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*)
  echo "image: there is none for $(uname -m)" >&2
  exit 2
  ;;
esac

about=$(cargo metadata --locked --no-deps --format-version 1 | jq '.packages[] | select(.name == "roster")')
said() { jq -r "$1" <<<"$about"; }
version=$(said .version)
revision=${ROSTER_IMAGE_REVISION:-$(git rev-parse HEAD)$(git diff --quiet HEAD || echo -dirty)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

tools=$(image/tools.sh)
export PATH=$tools:$PATH
out=${ROSTER_IMAGE_OUT:-target/image}
name=roster-$version-$architecture
mkdir -p "$out"
work=$(mktemp -d "$out/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
started=$SECONDS
image/rootfs.sh "$work/rootfs"
built=$((SECONDS - started))

# One layer. Only the folder of embedded stores is the user's.
pack() { tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner --directory "$work/rootfs" "$@"; }
pack --create --file "$work/layer.tar" --owner=0 --group=0 --exclude=var/lib/roster etc roster usr var
pack --append --file "$work/layer.tar" --owner=65532 --group=65532 var/lib/roster

labels=(
  "org.opencontainers.image.title=$(said .name)"
  "org.opencontainers.image.description=$(said .description)"
  "org.opencontainers.image.version=$version"
  "org.opencontainers.image.revision=$revision"
  "org.opencontainers.image.licenses=$(said .license)"
  "org.opencontainers.image.created=$created"
)
[[ -n ${ROSTER_IMAGE_SOURCE:-} ]] && labels+=("org.opencontainers.image.source=$ROSTER_IMAGE_SOURCE")
image=$work/oci:$version
umoci --log=warn init --layout "$work/oci"
umoci --log=warn new --image "$image"
umoci --log=warn raw add-layer --image "$image" --compress gzip --history.created "$created" \
  --history.created_by "image/rootfs.sh" "$work/layer.tar"
umoci --log=warn config --image "$image" --no-history --created "$created" \
  --os linux --architecture "$architecture" --config.user 65532:65532 --config.entrypoint /roster \
  --config.workingdir / "${labels[@]/#/--config.label=}" "${labels[@]/#/--manifest.annotation=}"
umoci --log=warn gc --layout "$work/oci"

# A name to be loaded by, for containerd and podman; and what older engines read.
index=$(jq -c --arg name "localhost/roster:$version" '.manifests[0].annotations["io.containerd.image.name"] = $name' "$work/oci/index.json")
printf '%s\n' "$index" >"$work/oci/index.json"
digest=$(jq -r '.manifests[0].digest' <<<"$index")
jq -c --arg name "localhost/roster:$version" 'def blob: .digest | "blobs/" + sub(":"; "/");
  [{Config: (.config | blob), RepoTags: [$name], Layers: [.layers[] | blob]}]' \
  "$work/oci/blobs/${digest/://}" >"$work/oci/manifest.json"
chmod -R u=rwX,go=rX "$work/oci"
tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner --owner=0 --group=0 \
  --directory "$work/oci" --create --file "$work/oci.tar" blobs index.json manifest.json oci-layout

rm -rf "${out:?}/$name"
mv "$work/oci" "$out/$name"
mv "$work/oci.tar" "$out/$name.oci.tar"
install -m 0644 "$work/rootfs/usr/share/doc/roster/roster.cdx.json" "$out/$name.cdx.json"
size() { numfmt --to=iec-i --suffix=B --format=%.1f "$(stat -c %s "$1")"; }
cat <<SAID
image      $out/$name.oci.tar ($(size "$out/$name.oci.tar") compressed)
layout     $out/$name, for crane push
binary     $(size "$work/rootfs/roster"), built in $built s
materials  $out/$name.cdx.json ($(jq '.components | length' "$out/$name.cdx.json") components), also in the image
digest     $digest
SAID
