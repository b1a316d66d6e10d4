//! A small portal that has one of everything. Used by the tests.

/// Catalog `portal`, account `acme` with owner `olga@acme.example`.
pub const PORTAL: &str = "
kind: PermissionCatalog
metadata: {name: portal}
spec:
  sections:
  - {name: docs, levels: [None, View, Edit, Delete], advisories: [{above: Edit, message: Gone is gone.}]}
  - {name: billing}
  - {name: keys, levels: [None, View, Edit], requires: [{from: Edit, section: docs, level: View}]}
  restrictions:
  - {name: no-billing, caps: {billing: Denied}}
  - {name: few-keys, caps: {keys: View}}
  - name: not-equal
    caps: {keys: None}
    appliedByDefault: true
    lifting: {grantsOwnerAccess: true, needsConfirmation: true}
  - {name: read-only, caps: {docs: View}, appliedByDefault: true}
  roles:
  - {name: owner, allPermissions: true, heldBy: AccountOwner}
  - {name: editor, permissions: {docs: Edit, billing: Allowed}, overridable: true, notApplicable: [keys]}
  - {name: admin, permissions: {docs: Delete, billing: Allowed, keys: Edit}, advice: {minimumHolders: 1, maximumHolders: 2, message: Enough.}}
  - {name: partner-only, permissions: {billing: Allowed}, availableIn: [Partner, Managed]}
  ownerRole: owner
  customRoles: {notApplicable: [keys]}
---
kind: Account
metadata: {name: acme, generation: 3}
spec: {catalogRef: {name: portal}, owner: {email: olga@acme.example, displayName: Olga}}
";

/// Returns the portal without restrictions, and with a ladder for each of two sections.
pub const PLAIN: &str = "
kind: PermissionCatalog
metadata: {name: plain}
spec:
  sections:
  - {name: docs, levels: [None, View, Edit]}
  - {name: billing}
  roles:
  - {name: editor, permissions: {docs: Edit, billing: Allowed}, overridable: true}
  - {name: viewer, permissions: {docs: View}}
---
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: plain}}
";

/// A Membership of `acme`; the spec after the address is YAML in flow style.
pub fn membership(name: &str, rest: &str) -> String {
    format!(
        "---\nkind: Membership\nmetadata: {{name: {name}}}\nspec: {{accountRef: {{name: acme}}, user: {{email: {name}@acme.example}}, {rest}}}\n"
    )
}

/// Memberships `m0@…`, `m1@…`, … with one role.
pub fn crowd(count: usize, role: &str) -> String {
    (0..count).map(|place| membership(&format!("m{place}"), &format!("roleRef: {{name: {role}}}"))).collect()
}
