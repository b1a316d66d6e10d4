//! Finds which differences of objects are already reported as changes in accounts. Called by
//! `change::revisions::others`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::{AccountChanges, Action, Step};
use crate::{
    manifests::{LoadedObjects, ObjectId},
    model::{Email, RoleName},
};

/// Changes in accounts, to be looked up by what they are about.
pub(super) struct ReportedChanges<'a> {
    to: &'a LoadedObjects,
    accounts: BTreeMap<&'a str, &'a AccountChanges>,
    steps: BTreeMap<(&'a str, &'static str, &'a str), &'a Step>,
}

impl<'a> ReportedChanges<'a> {
    pub(super) fn new(to: &'a LoadedObjects, accounts: &'a [AccountChanges]) -> Self {
        let by_name = accounts.iter().map(|account| (account.account.as_str(), account)).collect();
        let steps = accounts.iter().flat_map(|account| {
            account.changes.iter().map(|step| ((account.account.as_str(), step.kind, step.name.as_str()), step))
        });
        Self { to, accounts: by_name, steps: steps.collect() }
    }

    /// Returns whether an added or removed object is already reported.
    pub(super) fn of_object(&self, id: &ObjectId, object: &Value) -> bool {
        let Some(account) = account_of(id, object) else { return false };
        let orphaned = self.accounts.get(account.as_str()).is_some_and(|account| account.orphaned.is_some());
        if orphaned {
            return id.kind != "Invitation";
        }
        let Some((kind, name)) = target(id, object) else { return false };
        let held = format!("{kind} {name}");
        let is_held = |account: &&AccountChanges| account.holds.iter().any(|one| one.object == held);
        if self.accounts.get(account.as_str()).is_some_and(is_held) {
            return true;
        }
        let is_override = !object["spec"]["overrides"].is_null();
        let step = self.steps.get(&(account.as_str(), kind, name.as_str()));
        step.is_some_and(|step| is_override || matches!(step.action, Action::Add | Action::Remove | Action::Adopt))
    }

    /// Returns whether a changed field is already reported.
    pub(super) fn of_field(&self, id: &ObjectId, object: &Value, field: &str) -> bool {
        if id.kind == "PermissionCatalog" {
            return self.of_catalog(id, field);
        }
        let Some(account) = account_of(id, object) else { return false };
        let of_member = |email: &str, field: &str| {
            let email = canonical(email);
            self.steps.get(&(account.as_str(), "member", email.as_str())).is_some_and(|step| tells(step, field))
        };
        let spec = &object["spec"];
        match (id.kind.as_str(), field) {
            ("Account", "spec.owner.displayName") => {
                of_member(spec["owner"]["email"].as_str().unwrap_or_default(), "displayName")
            }
            ("Account", "spec.suspended") => {
                let mut steps = self.accounts.get(account.as_str()).into_iter().flat_map(|account| &account.changes);
                steps.any(|step| tells(step, "ended"))
            }
            (_, field) => {
                let Some(content) = content_field(id, field) else { return false };
                let Some((kind, name)) = target(id, object) else { return false };
                let step = self.steps.get(&(account.as_str(), kind, name.as_str()));
                step.is_some_and(|step| tells(step, content))
            }
        }
    }

    /// Returns whether a changed field of a catalog is already reported in the accounts that use it.
    fn of_catalog(&self, id: &ObjectId, field: &str) -> bool {
        let accounts = self.to.objects.accounts.iter().filter(|(_, entry)| {
            entry.account.as_ref().is_some_and(|account| account.spec.catalog_ref.name == id.name.as_str())
        });
        let mut accounts = accounts.map(|(key, _)| key.to_string());
        let step = |account: &str, kind, name: &str| self.steps.get(&(account, kind, name)).copied();
        if let Some(role) = field.strip_prefix("spec.roles[") {
            let Some((role, rest)) = role.split_once(']') else { return false };
            let rest = match rest {
                "" => "object",
                ".allPermissions" => "permissions",
                rest => rest.trim_start_matches('.'),
            };
            return accounts.any(|account| step(&account, "role", role).is_some_and(|step| tells(step, rest)));
        }
        field.strip_prefix("spec.sections").is_some_and(is_of_layout)
            && accounts.any(|account| step(&account, "account", "").is_some_and(|step| tells(step, "sections")))
    }
}

/// Returns whether a part of `spec.sections` is reported as a layout change: the order, a whole section, or its levels.
fn is_of_layout(part: &str) -> bool {
    let after = part.strip_prefix('[').and_then(|part| part.split_once(']')).map(|(_, after)| after);
    part.is_empty() || matches!(after, Some("" | ".levels"))
}

/// Returns whether a change contains a field or a field below it. An added or removed object contains all fields.
fn tells(step: &Step, field: &str) -> bool {
    let is_within = |one: &str| one.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match step.action {
        Action::Add | Action::Remove => true,
        Action::Change | Action::Adopt => step.fields.iter().any(|change| is_within(&change.field)),
    }
}

/// Returns the account of an object, as `namespace/name`.
fn account_of(id: &ObjectId, object: &Value) -> Option<String> {
    let name = match id.kind.as_str() {
        "Account" => id.name.as_str(),
        "Role" | "UserGroup" | "Membership" | "Invitation" => object["spec"]["accountRef"]["name"].as_str()?,
        _ => return None,
    };
    Some(format!("{}/{name}", id.namespace))
}

/// Returns the kind and name of an object in a store.
fn target(id: &ObjectId, object: &Value) -> Option<(&'static str, String)> {
    let spec = &object["spec"];
    Some(match id.kind.as_str() {
        "Account" => ("account", String::new()),
        "Role" => {
            let overridden = spec["overrides"].as_str().map(RoleName::predefined);
            ("role", overridden.unwrap_or_else(|| RoleName::custom(&id.name)).to_string())
        }
        "UserGroup" => ("group", id.name.to_string()),
        "Membership" => ("member", canonical(spec["user"]["email"].as_str()?)),
        _ => return None,
    })
}

/// Returns the field in a store for a field of an object.
fn content_field<'a>(id: &ObjectId, field: &'a str) -> Option<&'a str> {
    Some(match (id.kind.as_str(), field) {
        ("Account", "spec.displayName") => "displayName",
        ("Account", "spec.catalogRef.name") => "catalog",
        ("Account", "spec.owner.email") => "owner",
        ("Role" | "UserGroup", "spec.title") => "title",
        ("UserGroup", field) if field.starts_with("spec.roleRefs") => "permissions",
        ("Role" | "UserGroup", field) => field.strip_prefix("spec.").filter(|rest| rest.starts_with("permissions."))?,
        ("Membership", "spec.user.displayName") => "displayName",
        ("Membership", "spec.user.externalId") => "externalId",
        ("Membership", "spec.startsAt") => "startsAt",
        ("Membership", "spec.expiresAt") => "expiresAt",
        ("Membership", "spec.suspended") => "ended",
        ("Membership", field) if field.starts_with("spec.roleRef.") => "role",
        ("Membership", field) if field.starts_with("spec.groupRefs[") => "groups",
        _ => return None,
    })
}

fn canonical(email: &str) -> String {
    Email::parse(email).map_or_else(|_| email.to_owned(), |email| email.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_reports_only_the_levels_of_a_section() {
        for field in ["", "[orders]", "[orders].levels"] {
            assert!(is_of_layout(field), "{field}");
        }
        for other in ["[orders].title", "[orders].advisories[View]", "[orders].requires[Edit/billing]", "[a].levels[b]"]
        {
            assert!(!is_of_layout(other), "{other}");
        }
    }
}
