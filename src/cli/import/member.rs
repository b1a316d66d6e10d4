//! Writes the Memberships of an account, with a restriction or a separate group where role and groups do not give the
//! stored access. Called by `import::account`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Manifests, StoredAccount,
    catalog::{Found, permissions},
    metadata, object,
};
use crate::{
    api::RoleRefKind,
    model::{AccountKey, Email, Name, Ranks, RoleName},
    plan::Observed,
    resolve::{AccountContent, MemberContent, RevocationReason},
};

/// Unique names of Memberships.
pub(super) struct Names(BTreeMap<(Name, String), usize>);

impl Names {
    pub(super) fn of(taken: &[StoredAccount]) -> Self {
        let mut names = BTreeMap::new();
        for one in taken {
            for email in one.observed.members.keys() {
                *names.entry((one.key.namespace.clone(), plain(&one.key, email))).or_default() += 1;
            }
        }
        Self(names)
    }

    /// Returns a name from the account and the part of the address before `@`, made unique if needed.
    fn name(&self, key: &AccountKey, email: &Email) -> String {
        let name = plain(key, email);
        match self.0.get(&(key.namespace.clone(), name.clone())) {
            Some(1) => name,
            _ => format!("{name}-{}", short_hash(&format!("{key} {email}"))),
        }
    }
}

fn plain(key: &AccountKey, email: &Email) -> String {
    let local = email.as_str().split('@').next().unwrap_or_default();
    let local: String = local.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    format!("{}-{}", key.name, local.to_ascii_lowercase()).trim_end_matches('-').to_owned()
}

fn short_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Adds the members of an account; its owner needs no Membership.
pub(super) fn add(
    out: &mut Manifests,
    folder: &str,
    one: &StoredAccount,
    account: &AccountContent,
    catalog: &mut Found,
    names: &mut Names,
    notes: &mut Vec<String>,
) {
    let key = &one.key;
    for (email, existing) in &one.observed.members {
        let Some(content) = &existing.content else {
            notes.push(format!("account {key}: member {email} has only a mark left; omitted"));
            continue;
        };
        if account.owner.as_ref() == Some(email) && catalog.owner_role.is_some() {
            continue;
        }
        if Email::parse(email.as_str()).as_ref() != Ok(email) {
            notes.push(format!("account {key}: member {email:?} does not have a valid address; omitted"));
            continue;
        }
        let name = names.name(key, email);
        let Written { spec, comment, group } = membership(one, email, content, catalog, &name);
        if let Some((group, ranks)) = group {
            let spec = json!({
                "accountRef": {"name": key.name},
                "permissions": permissions(&catalog.layout, &ranks),
            });
            let comment = format!("Access of {email} beyond role and groups; the store does not have the reason.");
            let object = object("UserGroup", &metadata(key, &group), &spec);
            out.add(format!("{folder}/groups.yaml"), Some(comment), object);
        }
        out.add(format!("{folder}/members.yaml"), comment, object("Membership", &metadata(key, &name), &spec));
    }
}

/// A Membership, and what it takes besides.
struct Written {
    spec: Value,
    comment: Option<String>,
    group: Option<(String, Ranks)>,
}

fn membership(one: &StoredAccount, email: &Email, content: &MemberContent, catalog: &mut Found, name: &str) -> Written {
    let mut user = json!({"email": email});
    if let Some(name) = &content.display_name {
        user["displayName"] = json!(name);
    }
    if let Some(id) = &content.external_id {
        user["externalId"] = json!(id);
    }
    let mut spec = json!({"accountRef": {"name": one.key.name}, "user": user});
    if let Some(role) = &content.role {
        spec["roleRef"] = json!({"name": role.name});
        if role.kind == RoleRefKind::Role {
            spec["roleRef"]["kind"] = json!("Role");
        }
    }
    let mut groups: Vec<String> = content.groups.iter().map(ToString::to_string).collect();
    if content.ended == Some(RevocationReason::Suspended) {
        spec["suspended"] = true.into();
    }
    for (field, time) in [("startsAt", content.window.starts_at), ("expiresAt", content.window.expires_at)] {
        if let Some(time) = time {
            spec[field] = json!(time);
        }
    }
    let (mut comment, mut group) = (None, None);
    if content.ended.is_some() {
        comment = restrict_ended(&mut spec, one, email, content, catalog);
    } else {
        let granted = granted(&one.observed, content);
        let has = content.ranks.clone().fitted(catalog.layout.len());
        let owners = catalog.owner_role.clone().map(|role| RoleName::predefined(&role));
        let owners = owners.and_then(|role| Some(&one.observed.roles.get(&role)?.content.as_ref()?.ranks));
        if has == granted {
        } else if !has.is_at_most(&granted) && owners == Some(&has) {
            let restriction = catalog.like_owner();
            spec["restrictions"] = json!({"lift": [restriction]});
            comment = Some("Equal to the owner.".to_owned());
        } else {
            let mut beyond = Ranks::none(catalog.layout.len());
            let places = beyond.as_mut_slice().iter_mut().zip(std::iter::zip(has.as_slice(), granted.as_slice()));
            places.filter(|(_, (has, granted))| has > granted).for_each(|(place, (has, _))| *place = *has);
            if !beyond.is_none() {
                let own = format!("imported-{name}");
                groups.push(own.clone());
                group = Some((own, beyond));
            }
            let less = std::iter::zip(has.as_slice(), granted.as_slice()).any(|(has, granted)| has < granted);
            if less {
                spec["restrictions"] = json!({"apply": [catalog.capped(&has, &granted)]});
            }
            comment = Some(match (less, group.is_some()) {
                (true, false) => {
                    "Less than role and groups grant, because of a restriction or a prerequisite.".to_owned()
                }
                (_, true) => "Differs from what role and groups grant; a separate group grants it.".to_owned(),
                (false, false) => String::new(),
            });
        }
    }
    if !groups.is_empty() {
        let unique: BTreeSet<String> = groups.into_iter().collect();
        spec["groupRefs"] = unique.into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>().into();
    }
    Written { spec, comment, group }
}

/// Restricts a member whose access has ended to the permissions from before, so that nothing rises beyond them when the
/// access is given back. Returns the comment.
fn restrict_ended(
    spec: &mut Value,
    one: &StoredAccount,
    email: &Email,
    content: &MemberContent,
    catalog: &mut Found,
) -> Option<String> {
    let granted = granted(&one.observed, content);
    let had = one.before_end(email);
    let is_known = had.is_some();
    // Role and groups may have changed since, and never give more than now.
    let mut left = had.unwrap_or_else(|| Ranks::none(catalog.layout.len()));
    left.lower_to(granted.as_slice());
    if left == granted {
        return None;
    }
    spec["restrictions"] = json!({"apply": [catalog.capped(&left, &granted)]});
    let comment = if is_known {
        "Less than role and groups grant, because of a restriction or a prerequisite before the access ended."
    } else {
        "The store does not have the levels from before the access ended, so the restriction leaves none. Before you give \
         the access back, replace it with the right ones."
    };
    Some(comment.to_owned())
}

/// Returns the permissions that role and groups grant, by the store.
fn granted(observed: &Observed, content: &MemberContent) -> Ranks {
    let mut granted = Ranks::none(observed.layout.len());
    let role = content.role.as_ref().and_then(|role| observed.roles.get(role)?.content.as_ref());
    if let Some(role) = role {
        granted.raise_to(role.ranks.as_slice());
    }
    for group in content.groups.iter().filter_map(|group| observed.groups.get(group)?.content.as_ref()) {
        granted.raise_to(group.ranks.as_slice());
    }
    granted
}
