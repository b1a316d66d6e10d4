//! A small portal, whose parts the tests replace.
#![allow(dead_code, reason = "each test crate uses a part")]

use roster_reference::World;

use super::{add, world};

/// Catalog, store and account `acme/portal`.
pub const BASE: &str = "
kind: Namespace
metadata: {name: acme, labels: {tier: gold}}
---
kind: PermissionCatalog
metadata: {name: portal}
spec:
  sections:
  - {name: users, levels: [Hide, View, Edit, Delete]}
  - {name: bulk, levels: [Hide, View, Edit], requires: [{from: Edit, section: users, level: View}]}
  - {name: chain, requires: [{from: Allowed, section: bulk, level: Edit}]}
  - {name: billing}
  restrictions:
  - {name: no-billing, caps: {billing: Denied}}
  - {name: view-only, caps: {users: View, bulk: View}}
  - name: no-users
    caps: {users: Hide}
    appliedByDefault: true
    lifting: {grantsOwnerAccess: true, needsConfirmation: true}
  - {name: no-chain, caps: {chain: Denied}, appliedByDefault: true}
  roles:
  - {name: owner, allPermissions: true, heldBy: AccountOwner}
  - {name: admin, allPermissions: true, overridable: true, advice: {minimumHolders: 1}}
  - {name: reader, permissions: {users: View, bulk: View}, notApplicable: [billing], overridable: true}
  - {name: clerk, permissions: {billing: Allowed}}
  - {name: partner-admin, permissions: {users: Delete}, availableIn: [Partner]}
  ownerRole: owner
---
kind: IdentityStore
metadata: {name: default}
spec: {sqlite: {file: roster.db}}
---
kind: Account
metadata: {name: portal}
spec: {catalogRef: {name: portal}, owner: {email: olga@acme.example}}
";

/// The base without restrictions that are on by default, with more objects.
#[track_caller]
pub fn plain(yaml: &str) -> World {
    with(&BASE.replace("appliedByDefault: true", "appliedByDefault: false"), yaml)
}

/// The base with more objects.
#[track_caller]
pub fn base(yaml: &str) -> World {
    with(BASE, yaml)
}

/// Some objects, and more, of which those of the same name replace the former.
#[track_caller]
pub fn with(first: &str, yaml: &str) -> World {
    let mut world = world(first);
    add(&mut world, yaml);
    world
}

/// A Membership of `acme/portal` for `NAME@acme.example`; `rest` is the rest of its spec.
pub fn membership(name: &str, rest: &str) -> String {
    let user = format!("user: {{email: {name}@acme.example}}");
    format!(
        "---\nkind: Membership\nmetadata: {{name: {name}}}\nspec: {{accountRef: {{name: portal}}, {user}, {rest}}}\n"
    )
}

/// A tenant's object of `acme/portal`.
pub fn object(kind: &str, name: &str, rest: &str) -> String {
    format!("---\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{accountRef: {{name: portal}}, {rest}}}\n")
}
