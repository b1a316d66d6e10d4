# What builds the programs that tests use shares: each is built once a version, in the user's cache, outside of the tree.
# shellcheck shell=bash

# cached NAME: the folder of that name in the cache.
cached() { echo "${ROSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/roster}/$1"; }

# digest FILE…: what tells whether any of them changed.
digest() {
  local sum=sha256sum
  command -v sha256sum >/dev/null || sum="shasum -a 256"
  cat -- "$@" | $sum | cut -c1-16
}

# once WHAT FOLDER BUILD COMMAND…: calls the function BUILD to fill FOLDER, unless that is done already. It needs the
# commands. Of several who ask at a time one builds, and the others wait, where there is flock; a build that broke off is
# begun anew.
once() {
  local what=$1 folder=$2 build=$3 command
  shift 3
  [[ -e $folder/.built ]] && return
  for command in "$@"; do
    command -v "$command" >/dev/null || {
      echo "$what: the command '$command' is missing; it is needed once, to build what is tested with" >&2
      exit 2
    }
  done
  mkdir -p "$folder"
  # The lock goes with the process that holds it.
  if command -v flock >/dev/null; then
    exec 9>"$folder/.lock"
    flock --nonblock 9 || {
      echo "$what: another build is under way; waiting for it" >&2
      flock 9
    }
  fi
  if [[ ! -e $folder/.built ]]; then
    "$build"
    touch "$folder/.built"
  fi
  exec 9>&-
}
