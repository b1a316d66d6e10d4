//! What caused each change of a pass, for the audit: of the objects that changed since the last one, that which the entry is
//! made of. Several that arrive together make one pass, and none of them stands for all of it.

use std::collections::BTreeMap;

use crate::{
    api::RoleRefKind,
    evaluate::Judged,
    model::{Email, Name},
    plan::{Cause, Change, Content, ObjectKey},
    resolve::{End, Origin},
    state::{MemberFacts, ObjectsInScope},
};

/// Objects of an account, each told once; more than these are not told apart.
const MOST: usize = 64;

/// The objects that brought a pass about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Those that concern the whole account, in the order in which they arrived.
    objects: Vec<Origin>,
    /// By address, the last one that concerns this person.
    people: BTreeMap<Email, Origin>,
}

impl Triggers {
    /// Returns those that consist of one object, which concerns one person or the whole account.
    pub(super) fn of(origin: Option<&Origin>, email: Option<&Email>) -> Self {
        let mut triggers = Self::default();
        match (origin, email) {
            (Some(origin), Some(email)) => drop(triggers.people.insert(email.clone(), origin.clone())),
            (Some(origin), None) => triggers.objects.push(origin.clone()),
            (None, _) => {}
        }
        triggers
    }

    /// Takes in others that arrived later.
    pub(super) fn merge(&mut self, later: Self) {
        for origin in later.objects {
            self.objects.retain(|known| (known.kind, &known.name) != (origin.kind, &origin.name));
            if self.objects.len() < MOST {
                self.objects.push(origin);
            }
        }
        self.people.extend(later.people);
    }

    /// Returns one of them, for whoever shows only one.
    #[must_use]
    pub fn first(&self) -> Option<&Origin> {
        self.objects.first().or_else(|| self.people.values().next())
    }
}

/// Names the cause of each change: where no object that changed is known to be it, the object that says how it should be
/// stays named.
pub(super) fn name(changes: &mut [Change], triggers: &Triggers, objects: &ObjectsInScope, judged: &Judged) {
    let known = Known { triggers, objects, judged };
    for change in changes.iter_mut().filter(|change| !matches!(change.cause, Cause::Drift | Cause::Unmanaged)) {
        if let Some(cause) = known.cause(change) {
            change.origin = Some(cause);
        }
    }
}

struct Known<'a> {
    triggers: &'a Triggers,
    objects: &'a ObjectsInScope,
    judged: &'a Judged,
}

impl Known<'_> {
    fn cause(&self, change: &Change) -> Option<Origin> {
        match &change.object {
            ObjectKey::Account => self.nearest(|origin| origin.kind != "Role" && origin.kind != "UserGroup"),
            ObjectKey::Role(role) => self.nearest(|origin| match origin.kind {
                "Role" => origin.name == role.name || self.overrides(&origin.name, &role.name),
                kind => kind != "UserGroup",
            }),
            ObjectKey::Group(group) => self.nearest(|origin| match origin.kind {
                "UserGroup" => origin.name == *group,
                "Role" => self.roles_of(group).any(|(kind, role)| self.is_role(origin, kind, role)),
                _ => true,
            }),
            ObjectKey::Member(email) => self.of_member(email, change),
        }
    }

    fn of_member(&self, email: &Email, change: &Change) -> Option<Origin> {
        let ended = change.put.as_ref().and_then(|(content, _)| match content {
            Content::Member(content) => content.ended,
            _ => None,
        });
        if let Some(end @ (End::Blocked | End::AccountSuspended)) = ended {
            return Some(self.judged.desired.ends.origin(&self.objects.key, Some(end)));
        }
        if let Some(own) = self.triggers.people.get(email) {
            return Some(own.clone());
        }
        let place = self.objects.members.binary_search_by(|(other, _)| other.cmp(email)).ok();
        let records = place.and_then(|place| self.objects.members.get(place)).map(|(_, records)| records);
        let concerns = |facts: &MemberFacts, origin: &Origin| match origin.kind {
            "Role" => self.has_role(facts, origin),
            "UserGroup" => facts.groups.contains(&origin.name),
            "Invitation" => facts.invitation.as_ref() == Some(&origin.name),
            _ => true,
        };
        self.nearest(|origin| match records {
            Some(records) if !records.is_empty() => records.iter().any(|record| concerns(&record.facts, origin)),
            // The owner, or somebody of whom no object is left.
            _ => !matches!(origin.kind, "Role" | "UserGroup" | "Invitation"),
        })
    }

    /// The nearest of the objects that concern an entry.
    fn nearest(&self, concerns: impl Fn(&Origin) -> bool) -> Option<Origin> {
        let distance = |origin: &&Origin| match origin.kind {
            "Account" => 1,
            "PermissionCatalog" => 2,
            "IdentityStore" => 3,
            "Namespace" => 4,
            _ => 0,
        };
        self.triggers.objects.iter().filter(|origin| concerns(origin)).min_by_key(distance).cloned()
    }

    /// Whether a member holds a role, by itself or by a group.
    fn has_role(&self, facts: &MemberFacts, origin: &Origin) -> bool {
        let own = match &facts.role {
            Some(role) => self.is_role(origin, role.kind, &role.name),
            // The catalog's default role, which may be overridden.
            None => {
                self.objects.snapshot.roles.iter().any(|role| role.name == origin.name && role.spec.overrides.is_some())
            }
        };
        let by_group = |group: &Name| self.roles_of(group).any(|(kind, role)| self.is_role(origin, kind, role));
        own || facts.groups.iter().any(by_group)
    }

    fn roles_of(&self, group: &str) -> impl Iterator<Item = (RoleRefKind, &str)> {
        let groups = self.objects.snapshot.groups.iter().filter(move |other| *other.name == *group);
        groups.flat_map(|group| &group.spec.role_refs).map(|role| (role.kind, role.name.as_str()))
    }

    /// Whether a reference leads to what this object says: the Role itself, or what it overrides or is based on.
    fn is_role(&self, origin: &Origin, kind: RoleRefKind, name: &str) -> bool {
        match kind {
            RoleRefKind::Role => *origin.name == *name,
            // One that is gone by now may have overridden anything.
            RoleRefKind::PredefinedRole => {
                self.overrides(&origin.name, name)
                    || self.objects.snapshot.roles.iter().all(|role| role.name != origin.name)
            }
        }
    }

    fn overrides(&self, role: &str, predefined: &str) -> bool {
        let mut roles = self.objects.snapshot.roles.iter();
        roles.any(|other| *other.name == *role && other.spec.overrides.as_deref() == Some(predefined))
    }
}
