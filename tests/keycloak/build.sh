#!/usr/bin/env bash
# Fetches Keycloak and prepares it to start fast; prints the folder it is in. Done once a version: the result is kept in
# the user's cache, outside of the tree.
set -euo pipefail
version=26.4.0
root=${ROSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/roster}/keycloak
home=$root/keycloak-$version

if [[ ! -e $home/.prepared ]]; then
  mkdir -p "$root"
  # Two at once prepare it one after the other.
  exec 9>"$root/lock"
  flock 9
fi
if [[ ! -e $home/.prepared ]]; then
  for program in java mvn; do
    command -v "$program" >/dev/null || {
      echo "$program is missing: Keycloak is fetched by Maven and runs on Java 17 or newer" >&2
      exit 2
    }
  done
  work=$(mktemp -d "$root/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "Keycloak $version: fetching (160 MB, once)" >&2
  mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$work" >&2
  (cd "$work" && jar xf "keycloak-quarkus-dist-$version.zip")
  chmod +x "$work/keycloak-$version"/bin/*.sh
  echo "Keycloak $version: preparing" >&2
  "$work/keycloak-$version/bin/kc.sh" build --db=dev-mem --health-enabled=false >&2
  touch "$work/keycloak-$version/.prepared"
  rm -rf "$home"
  mv "$work/keycloak-$version" "$home"
fi
echo "$home"
