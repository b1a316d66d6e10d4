# Names and objects that the demo uses for each portal in examples/; sourced by demo.sh.
# shellcheck shell=bash disable=SC2034 # read by demo.sh

portals=(secondary-users service-provider partner-accounts developer-platform field-operations)

# describe_portal NAME sets: portal_about, namespace, further_namespaces, accounts (those that become ready), account
# (the one that is shown), victim and victim_object (whose rank is raised), leaver and leaver_object, invalid_object,
# invalid_yaml, next_portal.
describe_portal() {
  namespace=$1
  further_namespaces=()
  case $1 in
    secondary-users)
      portal_about="secondary-users: one primary user, and secondary users whose access is restricted individually."
      accounts=(tidewater) account=tidewater
      victim_object=nadia leaver_object=sam domain=tidewater.example
      invalid_object=membership/otto
      invalid_yaml=$(membership otto "restrictions: {lift: [secondary-user-management]}")
      ;;
    service-provider)
      portal_about="service-provider: rights come from groups, each with one level for each section."
      accounts=(northline) account=northline
      victim_object=vera leaver_object=liam domain=northline.example
      invalid_object=usergroup/night-shift
      invalid_yaml=$(group night-shift "{reports: Edit}")
      ;;
    partner-accounts)
      portal_about="partner-accounts: a partner, and managed accounts under it."
      further_namespaces=(partner-accounts-logistics)
      accounts=(interlink interlink-retail) account=interlink
      victim_object=rita leaver_object=felix domain=interlink.example
      invalid_object=membership/otto
      invalid_yaml=$(membership otto "roleRef: {name: managed-company-admin}")
      ;;
    developer-platform)
      portal_about="developer-platform: five predefined roles, one for each user, and an owner who never changes."
      accounts=(acme acme-direct) account=acme-direct
      victim_object=acme-direct-sven leaver_object=acme-direct-farah domain=acme.example
      invalid_object=membership/otto
      invalid_yaml=$(membership otto "roleRef: {name: owner}")
      ;;
    field-operations)
      portal_about="field-operations: a matrix of roles and permissions that an account can change and reset."
      accounts=(longhaul meridian meridian-east) account=meridian
      victim_object=arne leaver_object=toby domain=meridian.example
      invalid_object=accessrole/night-shift
      invalid_yaml=$(role night-shift "{create-roles: Allowed}")
      ;;
    *)
      echo "There is no portal $1." >&2
      return 1
      ;;
  esac
  victim=${victim_object##*-}@$domain
  leaver=${leaver_object##*-}@$domain
  local index
  for index in "${!portals[@]}"; do
    if [[ ${portals[index]} == "$1" ]]; then next_portal=${portals[(index + 1) % ${#portals[@]}]}; fi
  done
}

# object KIND NAME: the head of an object in the account that is shown, up to its spec.
object() {
  cat <<YAML
apiVersion: roster.dev/v1alpha1
kind: $1
metadata: {name: $2, namespace: $namespace}
spec:
  accountRef: {name: $account}
YAML
}

membership() { # NAME FIELD
  object Membership "$1"
  cat <<YAML
  user: {email: $1@$domain}
  $2
YAML
}

group() { # NAME PERMISSIONS
  object UserGroup "$1"
  echo "  permissions: $2"
}

role() { # NAME PERMISSIONS
  object Role "$1"
  echo "  permissions: $2"
}

impossible_membership() {
  membership otto "startsAt: 2026-12-31T00:00:00Z"
  echo "  expiresAt: 2026-01-01T00:00:00Z"
}
