#!/usr/bin/env bash
# publish.sh REPOSITORY CHARTS [helm's options]: pushes what `make image` built, for each architecture that is there, and
# the charts to a registry that the caller is logged in to, and prints their digests.
#   REPOSITORY  of the image, without a tag
#   CHARTS      where charts go, without oci://
# Layouts are in ROSTER_IMAGE_OUT, `target/image` by default; helm is in PATH. ROSTER_HOME and ROSTER_IMAGE_SOURCE are the
# project's home page and sources, for the charts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
repository=${1:?the repository of the image}
charts=${2:?the repository of the charts}
shift 2
need_rust
need go "Go; it builds the tools that push the image"
need jq "jq"
need helm "helm; it pushes the charts"
stop_if_missing
tools=$(image/tools.sh)
export PATH=$tools:$PATH
version=$(cargo metadata --locked --no-deps --format-version 1 | jq -r '.packages[] | select(.name == "roster").version')
out=${ROSTER_IMAGE_OUT:-target/image}

images=()
for layout in "$out/roster-$version"-{amd64,arm64}; do
  [[ -d $layout ]] || continue
  # By digest only: the version is a tag of all architectures together.
  digest=$(jq -r '.manifests[0].digest' "$layout/index.json")
  crane push "$layout" "$repository@$digest" >/dev/null
  images+=(--manifest "$repository@$digest")
done
((${#images[@]} > 0)) || {
  echo "publish: there is no image of $version in $out: run 'make image'" >&2
  exit 1
}
image=$(crane index append --docker-empty-base=false "${images[@]}" --tag "$repository:$version")
echo "image ${image/:$version@/@}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r charts/roster charts/roster-access "$work/"
# A released chart names the image that was released with it.
sed -i "s#^  repository: roster\$#  repository: $repository#; s#^  digest: \"\"\$#  digest: \"${image#*@}\"#" "$work/roster/values.yaml"
# Who looks at the chart in a registry finds its home.
home=${ROSTER_HOME:-https://roster.example} source=${ROSTER_IMAGE_SOURCE:-https://git.roster.example/roster}
sed -i "s#https://git[.]roster[.]example/roster#$source#; s#https://roster[.]example#$home#" "$work"/roster{,-access}/Chart.yaml
for chart in roster roster-access; do
  helm package --destination "$work" "$work/$chart" >/dev/null
  package=$work/$chart-$(sed -n 's/^version: //p' "$work/$chart/Chart.yaml").tgz
  pushed=$(helm push "$package" "oci://$charts" "$@" 2>&1) || {
    echo "$pushed" >&2
    exit 1
  }
  echo "chart $charts/$chart@$(sed -n 's/^Digest: //p' <<<"$pushed")"
done
