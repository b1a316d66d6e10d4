//! Writes the manifests of one account: the Account, roles, groups and members. Called by `roster import`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Manifests, StoredAccount,
    catalog::{Catalogs, Found, permissions},
    member::{self, Names},
    metadata, object,
};
use crate::{
    api::RoleRefKind,
    model::{AccountKey, Name},
    plan::Existing,
    resolve::{AccountContent, MemberContent, RevocationReason},
};

/// Adds everything of one account.
pub(super) fn add(
    out: &mut Manifests,
    one: &StoredAccount,
    all: &[StoredAccount],
    catalogs: &mut Catalogs,
    names: &mut Names,
    notes: &mut Vec<String>,
) {
    let Some(content) = one.observed.account.as_ref().and_then(|existing| existing.content.as_ref()) else { return };
    let key = &one.key;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.namespace}});
    let path = format!("{}/00-namespace.yaml", key.namespace);
    if !out.has(&path) {
        out.add(path, None, namespace);
    }
    let (spec, comment) = account(one, content, all);
    let folder = format!("{}/{}", key.namespace, key.name);
    out.add(format!("{folder}/account.yaml"), comment, object("Account", &metadata(key, &key.name), &spec));
    let Some(catalog) = catalogs.get(&content.catalog).filter(|catalog| catalog.layout == one.observed.layout) else {
        return;
    };
    definitions(out, &folder, one, catalog);
    member::add(out, &folder, one, content, catalog, names, notes);
}

fn account(one: &StoredAccount, content: &AccountContent, all: &[StoredAccount]) -> (Value, Option<String>) {
    let mut spec = json!({});
    let mut comment = None;
    if content.display_name != one.key.name {
        spec["displayName"] = json!(content.display_name);
    }
    spec["catalogRef"] = json!({"name": content.catalog});
    if let Some(owner) = &content.owner {
        spec["owner"] = json!({"email": owner});
        let name =
            one.observed.members.get(owner).and_then(|existing| existing.content.as_ref()?.display_name.as_deref());
        if let Some(name) = name {
            spec["owner"]["displayName"] = json!(name);
        }
    }
    if let Some(parent) = &content.parent {
        spec["parentRef"] = json!({"name": parent.name, "namespace": parent.namespace});
        if !all.iter().any(|other| other.key == *parent) {
            comment = Some(format!("The store has no account {parent}: without it this account grants nothing new."));
        }
    }
    let children: Vec<(&AccountKey, &StoredAccount, &Name)> = all
        .iter()
        .filter_map(|other| {
            let content = other.observed.account.as_ref()?.content.as_ref()?;
            (content.parent.as_ref() == Some(&one.key)).then_some((&other.key, other, &content.catalog))
        })
        .collect();
    if !children.is_empty() {
        spec["partner"] = true.into();
        let catalogs: BTreeSet<&Name> = children.iter().map(|(_, _, catalog)| *catalog).collect();
        let mut managed = json!({"catalogs": catalogs});
        if children.iter().any(|(key, ..)| key.namespace != one.key.namespace) {
            managed["allowedNamespaces"] = json!({"from": "All"});
        }
        if children.iter().any(|(_, child, _)| has(child, RevocationReason::NotApproved)) {
            managed["needApproval"] = true.into();
            let approved = children.iter().filter(|(_, child, _)| is_approved(child));
            let approved: Vec<Value> =
                approved.map(|(key, ..)| json!({"name": key.name, "namespace": key.namespace})).collect();
            managed["approved"] = approved.into();
        }
        spec["managedAccounts"] = managed;
    }
    if has(one, RevocationReason::AccountSuspended) {
        spec["suspended"] = true.into();
    }
    (spec, comment)
}

fn contents(one: &StoredAccount) -> impl Iterator<Item = &MemberContent> {
    one.observed.members.values().filter_map(|existing: &Existing<MemberContent>| existing.content.as_ref())
}

/// Returns whether a member's access is revoked for this reason.
fn has(one: &StoredAccount, end: RevocationReason) -> bool {
    contents(one).any(|content| content.ended == Some(end))
}

/// Returns whether a member's access shows that the account is approved.
fn is_approved(one: &StoredAccount) -> bool {
    contents(one)
        .any(|content| !matches!(content.ended, Some(RevocationReason::NotApproved | RevocationReason::Blocked)))
}

fn definitions(out: &mut Manifests, folder: &str, one: &StoredAccount, catalog: &Found) {
    let key = &one.key;
    let reference = json!({"name": key.name});
    for (name, existing) in &one.observed.roles {
        let Some(content) = &existing.content else { continue };
        let path = format!("{folder}/roles.yaml");
        if name.kind == RoleRefKind::Role {
            let mut spec = json!({"accountRef": reference});
            if content.title != name.name {
                spec["title"] = json!(content.title);
            }
            spec["permissions"] = permissions(&catalog.layout, &content.ranks).into();
            out.add(path, None, object("Role", &metadata(key, &name.name), &spec));
        } else if let Some(cells) = catalog.overrides(name, content) {
            let comment = format!("What {} means in this account.", name.name);
            let spec = json!({"accountRef": reference, "overrides": name.name, "permissions": cells});
            let object_name = format!("{}-overrides-{}", key.name, name.name);
            out.add(path, Some(comment), object("Role", &metadata(key, &object_name), &spec));
        }
    }
    for (name, existing) in &one.observed.groups {
        let Some(content) = &existing.content else { continue };
        let mut spec = json!({"accountRef": reference});
        if content.title != *name {
            spec["title"] = json!(content.title);
        }
        spec["permissions"] = permissions(&catalog.layout, &content.ranks).into();
        out.add(format!("{folder}/groups.yaml"), None, object("UserGroup", &metadata(key, name), &spec));
    }
}
