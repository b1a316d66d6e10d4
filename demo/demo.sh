#!/usr/bin/env bash
# Shows one portal on a real control plane: from YAML to an identity store, and what happens when somebody changes the
# store behind Roster's back. `demo/demo.sh --help` lists the options.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
source scripts/lib.sh
source demo/portals.sh
source demo/stage.sh

usage() {
  cat <<'TEXT'
Usage: make demo [PORTAL=NAME]      or      demo/demo.sh [NAME] [--keep]

NAME is one of the portals in examples/: secondary-users (the default), service-provider, partner-accounts,
developer-platform, field-operations. With --keep everything stays up at the end until Ctrl-C.

Environment:
  ROSTER_DEMO_KUBECONFIG   use this cluster instead of an own control plane; the demo removes what it creates there
  ROSTER_DEMO_KEEP=1       same as --keep
  NO_COLOR=1               no colours
TEXT
}

portal=secondary-users
keep=${ROSTER_DEMO_KEEP:-}
for argument in "$@"; do
  case $argument in
    -h | --help) usage && exit 0 ;;
    --keep) keep=1 ;;
    *) portal=$argument ;;
  esac
done
describe_portal "$portal" || { usage >&2 && exit 2; }

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
build
stage_cluster
story_began=$SECONDS

heading "1. A controller, and a portal written as objects"
say "The definitions of the seven kinds are installed, and the controller runs with an embedded SQLite store."
run roster crds "|" kubectl apply --server-side -f -
start_controller
say "$portal_about"
run kubectl apply -f examples/store.yaml -f "examples/$portal/"
say "kubectl waits for it as for any other object:"
run kubectl wait -n "$namespace" --for=condition=Ready --timeout=30s "${accounts[@]/#/account/}"
run kubectl get roster -n "$namespace"

heading "2. What the portal reads"
say "The store has one view: a row for each member and section. This shows $account, with a column for each person."
matrix

heading "3. Mistakes"
say "The API server rejects a mistake that is visible in one object:"
refused "$(impossible_membership)"
say "A mistake that involves a second object is reported in the object's status. Nobody else loses anything by it:"
apply "$invalid_yaml"
wait_for_reason "$invalid_object" Valid
run kubectl get -n "$namespace" "$invalid_object" -o "jsonpath={range .status.conditions[?(@.type==\"Valid\")]}{.type}={.status} {.reason}: {.message}{\"\\n\"}{end}"
run kubectl delete -n "$namespace" "$invalid_object"

heading "4. Somebody changes the store behind Roster's back"
say "First, Roster is set to report only. Then an UPDATE gives $victim what nobody ever granted:"
drift_policy Report
query "UPDATE members SET ranks = replace(ranks, '0', '1') WHERE email = '$victim'"
access_of "$victim"
say "Roster would find it within five minutes. An annotation requests a check now:"
check_now report
wait_for_reason "membership/$victim_object" Drifted DriftReported
run kubectl get -n "$namespace" "account/$account" "membership/$victim_object"
run kubectl get -n "$namespace" "membership/$victim_object" -o "jsonpath={range .status.drift.entries[*]}{.object}: {.field} is {.observed}, should be {.desired}{\"\\n\"}{end}"
say "Now Roster is set to correct it, which is the default:"
drift_policy Correct
wait_for_reason "membership/$victim_object" Drifted Corrected
access_of "$victim"
wait_until "an event reports the correction" has_event DriftCorrected
run kubectl get events -n "$namespace" --sort-by=.lastTimestamp -o "custom-columns=TYPE:.type,REASON:.reason,KIND:.involvedObject.kind,NAME:.involvedObject.name"

heading "5. Somebody leaves"
run kubectl delete -n "$namespace" "membership/$leaver_object"
wait_until "the access of $leaver is gone" no_rows "SELECT 1 FROM members WHERE email = '$leaver'"
query "SELECT count(*) AS rows_left FROM effective_permissions WHERE account = '$namespace/$account' AND email = '$leaver'"

heading "6. Who did what, and when"
query "SELECT seq, datetime(at / 1000000, 'unixepoch') AS at, kind, name, cause FROM audit WHERE name IN ('$victim', '$leaver') ORDER BY seq"
say "The audit is a chain of hashes. The database refuses to change it, and a check would detect a change:"
refused_sql "DELETE FROM audit"
run roster audit verify "$(short "$database")"

heading "What to do next"
cat <<TEXT
  The demo took $((SECONDS - story_began)) seconds. Other portals: make demo PORTAL=$next_portal
  On a cluster of your own:
    cargo build --release
    target/release/roster crds | kubectl apply --server-side -f -
    kubectl create namespace roster-system
    target/release/roster controller --sqlite-dir roster-data
    kubectl apply -f examples/store.yaml -f examples/$portal/
  A portal of your own: target/release/roster init, and docs/tutorials/first-portal.md
  The meaning of every condition, and what to do: docs/runbook.md
TEXT
if [[ -n $keep ]]; then stay; fi
