#!/usr/bin/env bash
# Fetches Keycloak by Maven and prepares it to start fast, unless that is done; prints the folder it is in.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/once.sh
source "$here/../../scripts/once.sh"
version=26.4.0
folder=$(cached "keycloak/$version")

build() {
  echo "keycloak: fetching $version (160 MB, once)" >&2
  rm -rf "${folder:?}"/*
  mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$folder" >&2
  (cd "$folder" && jar xf "keycloak-quarkus-dist-$version.zip")
  rm "$folder/keycloak-quarkus-dist-$version.zip"
  mv "$folder/keycloak-$version"/* "$folder/"
  rmdir "$folder/keycloak-$version"
  chmod +x "$folder"/bin/*.sh
  echo "keycloak: preparing" >&2
  "$folder/bin/kc.sh" build --db=dev-mem --health-enabled=false >&2
}
# Of two at a time, one would take away what the other has begun to run.
once keycloak "$folder" build flock java jar mvn
echo "$folder"
