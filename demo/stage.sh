# Functions of the demo: building, the cluster, the controller, and how output is shown; sourced by demo.sh.
# shellcheck shell=bash disable=SC2154 # what demo.sh sets

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' blue=$'\e[34m' red=$'\e[31m' plain=$'\e[0m'
else
  bold="" dim="" blue="" red="" plain=""
fi

heading() { printf '\n%s== %s%s\n' "$bold$blue" "$1" "$plain"; }
say() { printf '\n%s# %s%s\n' "$dim" "$1" "$plain"; }
prompt() { printf '%s%s%s\n' "$bold" "$1" "$plain"; }
fail() {
  printf '%serror: %s%s\n' "$red" "$1" "$plain" >&2
  exit 1
}

# shown WORDS...: the command as a person would type it.
shown() {
  local text="" word simple='^[A-Za-z0-9_./:=@,+-]+$|^[|&]$'
  for word in "$@"; do
    if [[ $word =~ $simple ]]; then text+=" $word"; else text+=" '$word'"; fi
  done
  prompt "\$${text}"
}

# run WORDS...: shows a command and runs it. One "|" among the words is a pipe.
run() {
  shown "$@"
  local left=() index
  for index in $(seq 1 $#); do
    if [[ ${!index} == "|" ]]; then
      "${left[@]}" | "${@:index+1}"
      return
    fi
    left+=("${!index}")
  done
  "$@"
}

# --- Building -----------------------------------------------------------------------------------------------------

# The control plane is built at the same time as Roster: each takes minutes the first time.
build() {
  need_rust
  if [[ -z ${ROSTER_DEMO_KUBECONFIG:-} ]]; then
    need go "Go; it builds the control plane the demo runs on (or set ROSTER_DEMO_KUBECONFIG)"
  else
    need kubectl "kubectl, for the cluster of ROSTER_DEMO_KUBECONFIG"
  fi
  stop_if_missing
  heading "Building (the first time takes 5 to 10 minutes)"
  mkdir -p target
  local debug=${CARGO_TARGET_DIR:-$PWD/target}/debug
  if [[ -z ${ROSTER_DEMO_KUBECONFIG:-} ]]; then
    # A process group of its own, so that stopping it stops its compilers, too.
    set -m
    tests/controlplane/build.sh >target/controlplane-path </dev/null &
    builder=$!
    set +m
  fi
  cargo build --locked --bin roster --example sql
  PATH=$debug:$debug/examples:$PATH
  if [[ -n $builder ]]; then
    still_building && meanwhile "$debug"
    wait "$builder" || fail "the control plane could not be built; see above"
    builder=""
    controlplane=$(<target/controlplane-path)
    PATH=$(dirname "$controlplane"):$PATH
  fi
}

# still_building: whether the control plane takes longer than a moment after Roster.
still_building() {
  local moment
  for moment in {1..20}; do
    kill -0 "$builder" 2>/dev/null || return 1
    sleep 0.1
  done
}

# meanwhile FOLDER: prints what can be tried without a cluster, with the binary in FOLDER.
meanwhile() {
  say "Roster is built; the control plane is still being built. The main commands do not need it. In another terminal, run"
  cat <<TEXT
  export PATH=$1:\$PATH
  roster init access
  roster validate -f access
  roster matrix -f access --account acme --rows people
  roster plan -f access --store try.db
TEXT
}

# --- The cluster and the controller -------------------------------------------------------------------------------

stage=""
controller=""
builder=""
made_namespace=""
made_crds=""

stage_cluster() {
  mkdir -p target
  stage=$(mktemp -d "$PWD/target/demo.XXXXXX")
  database=$stage/stores/roster.db
  if [[ -n ${ROSTER_DEMO_KUBECONFIG:-} ]]; then
    export KUBECONFIG=$ROSTER_DEMO_KUBECONFIG
    kubectl version >/dev/null || fail "the cluster of $KUBECONFIG does not answer"
    if kubectl get identitystore default >/dev/null 2>&1; then
      fail "this cluster has an IdentityStore \"default\" already; the demo would change it"
    fi
    kubectl get crd accounts.roster.dev >/dev/null 2>&1 || made_crds=1
  else
    heading "Starting a control plane: etcd, kube-apiserver, kube-controller-manager"
    KUBECONFIG=$("$controlplane" up --data "$stage/controlplane")
    export KUBECONFIG
  fi
  local wanted
  for wanted in "$namespace" "${further_namespaces[@]}"; do
    if kubectl get namespace "$wanted" >/dev/null 2>&1; then
      fail "this cluster has a namespace \"$wanted\" already; the demo would change what is in it"
    fi
  done
}

start_controller() {
  if ! kubectl get namespace roster-system >/dev/null 2>&1; then
    run kubectl create namespace roster-system
    made_namespace=1
  fi
  # kubectl takes a definition without a status yet for an error.
  for _ in {1..30}; do
    kubectl wait --for=condition=Established --timeout=30s -f crds/ &>/dev/null && break
    sleep 1
  done
  kubectl wait --for=condition=Established --timeout=30s -f crds/ >/dev/null
  mkdir -p "$stage/stores"
  shown roster controller --sqlite-dir "$(short "$stage/stores")" "&"
  # In a process group of its own (set -m): Ctrl-C stops the demo, and the demo stops the controller after cleaning up.
  set -m
  roster controller --sqlite-dir "$stage/stores" --http 127.0.0.1:0 </dev/null 2>"$stage/controller.log" &
  controller=$!
  set +m
}

# short PATH: as seen from the repository.
short() { printf '%s' "${1#"$PWD/"}"; }

controller_lives() {
  if ! kill -0 "$controller" 2>/dev/null; then
    tail -n 20 "$stage/controller.log" >&2
    fail "the controller has ended; its last words are above"
  fi
}

stop_controller() {
  if [[ -n $controller ]]; then
    kill "$controller" 2>/dev/null || true
    wait "$controller" 2>/dev/null || true
    controller=""
  fi
}

# Objects in a cluster of somebody else are removed while the controller still runs and can finish their deletion.
clean_up() {
  local code=$?
  trap - EXIT
  trap '' INT TERM
  if [[ -n $builder ]]; then kill -- "-$builder" 2>/dev/null || true; fi
  if [[ -n $stage ]]; then
    if [[ $code != 0 && $code != 130 && $code != 143 && -s $stage/controller.log ]]; then
      printf '\nThe last lines of the controller log:\n' >&2
      tail -n 20 "$stage/controller.log" >&2
    fi
    if [[ -z ${ROSTER_DEMO_KUBECONFIG:-} ]]; then
      stop_controller
      "$controlplane" down --data "$stage/controlplane" --purge >/dev/null 2>&1 || true
    elif [[ -n $controller ]]; then
      printf '\nRemoving the objects that the demo created in the cluster\n'
      {
        # The guard would hold the deletion of an account with many people; the demo removes the store anyway.
        kubectl patch --type=merge -p '{"spec":{"deletionPolicy":"Orphan"}}' -f "examples/$portal/account.yaml"
        kubectl delete --ignore-not-found --timeout=60s -f "examples/$portal/" -f examples/store.yaml
        stop_controller
        [[ -n $made_crds ]] && kubectl delete --ignore-not-found --timeout=60s -f crds/
        [[ -n $made_namespace ]] && kubectl delete --timeout=60s namespace roster-system
      } >/dev/null 2>&1 || true
      stop_controller
    fi
    rm -rf "$stage"
  fi
  exit "$code"
}

stay() {
  say "Everything stays up until Ctrl-C. In another terminal:"
  echo "  export KUBECONFIG=$KUBECONFIG PATH=$(dirname "$(command -v kubectl)"):\$PATH"
  echo "  kubectl get roster -A"
  echo "  less $stage/controller.log"
  wait "$controller" || true
}

# --- Objects ------------------------------------------------------------------------------------------------------

# apply YAML: shows an object and applies it.
apply() {
  shown kubectl apply -f -
  printf '%s\n' "$1" | sed 's/^/  /'
  kubectl apply -f - <<<"$1"
}

# refused YAML: like apply, but it must fail, and the answer is shown.
refused() {
  local answer
  shown kubectl apply -f -
  printf '%s\n' "$1" | sed 's/^/  /'
  if answer=$(kubectl apply -f - <<<"$1" 2>&1); then fail "it was accepted"; fi
  printf '%s%s%s\n' "$red" "$answer" "$plain"
}

# wait_for_reason OBJECT CONDITION [REASON]: waits until the condition exists, with this reason if one is given.
wait_for_reason() {
  wait_until "$1 says $2 ${3:-}" has_reason "$@"
}
has_reason() {
  local reason
  reason=$(kubectl get -n "$namespace" "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")].reason}" 2>/dev/null) || return 1
  [[ -n $reason && ( -z ${3:-} || $reason == "$3" ) ]]
}

# has_event REASON: on any object of the portal; events come a moment after the status.
has_event() {
  [[ -n $(kubectl get events -n "$namespace" --field-selector "reason=$1" -o name 2>/dev/null) ]]
}

check_now() {
  run kubectl annotate --overwrite -n "$namespace" "account/$account" "roster.dev/reconcile-at=$(date +%s)-$1"
}

drift_policy() {
  run kubectl patch identitystore default --type merge -p "{\"spec\":{\"accountDefaults\":{\"drift\":{\"policy\":\"$1\"}}}}"
}

# wait_until WHAT COMMAND...: repeats the command until it succeeds.
wait_until() {
  local what=$1 deadline=$((SECONDS + 30))
  shift
  until "$@"; do
    controller_lives
    if ((SECONDS > deadline)); then fail "waited 30 s in vain until $what"; fi
    sleep 0.1
  done
}

# --- The store ----------------------------------------------------------------------------------------------------

query() {
  prompt "sql> $1"
  sql "$database" "$1"
}
access_of() { query "SELECT section, level FROM effective_permissions WHERE account = '$namespace/$account' AND email = '$1'"; }
refused_sql() {
  local answer
  prompt "sql> $1"
  if answer=$(sql "$database" "$1" 2>&1); then fail "it was accepted"; fi
  printf '%s%s%s\n' "$red" "$answer" "$plain"
}
no_rows() { [[ -z $(sql "$database" "$1" --plain) ]]; }

# matrix: effective permissions of the account, a column for each member.
matrix() {
  local columns="" email name
  while read -r email; do
    name=${email%%@*}
    columns+=", max(level) FILTER (WHERE email = '$email') AS \"$name\""
  done < <(sql "$database" "SELECT DISTINCT email FROM effective_permissions WHERE account = '$namespace/$account' ORDER BY email" --plain)
  prompt "sql> SELECT … FROM effective_permissions WHERE account = '$namespace/$account' GROUP BY section"
  sql "$database" "SELECT section$columns FROM effective_permissions WHERE account = '$namespace/$account' GROUP BY section"
}
