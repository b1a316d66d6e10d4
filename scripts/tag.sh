#!/usr/bin/env bash
# tag.sh TAG: fails unless the tag is v and the version of the binary, of both charts, and of the image that the chart names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tag=${1:?the tag}
wrong=0
check() { # WHERE VERSION
  [[ $tag == "v$2" ]] || {
    echo "tag $tag, but $1 says $2" >&2
    wrong=1
  }
}
check Cargo.toml "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
for chart in charts/*/Chart.yaml; do
  check "$chart" "$(sed -n 's/^version: //p' "$chart")"
  check "$chart (appVersion)" "$(sed -n 's/^appVersion: //p' "$chart")"
done
exit "$wrong"
