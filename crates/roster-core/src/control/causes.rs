//! What caused each change of a pass, for the audit: of the objects that changed since the last one, that which the entry is
//! made of. Several that arrive together make one pass, and none of them stands for all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    model::{Email, Name, RoleName},
    plan::{Cause, Change, Content, ObjectKey},
    resolve::{End, Origin},
    state::{GroupFacts, MemberFacts, ObjectsInScope, Snapshot},
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
            let mut known = self.objects.iter_mut();
            if let Some(known) = known.find(|known| (known.kind, &known.name) == (origin.kind, &origin.name)) {
                *known = origin;
            } else if self.objects.len() < MOST {
                self.objects.push(origin);
            }
        }
        self.people.extend(later.people);
    }

    /// Takes out those that concern just these people.
    pub(super) fn take(&mut self, people: &BTreeSet<Email>) -> Self {
        let taken = people.iter().filter_map(|email| self.people.remove_entry(email)).collect();
        Self { objects: Vec::new(), people: taken }
    }

    /// Returns one of them, for whoever shows only one.
    #[must_use]
    pub fn first(&self) -> Option<&Origin> {
        self.objects.first().or_else(|| self.people.values().next())
    }
}

/// Names the cause of each change: where no object that changed is known to be it, the object that says how it should be
/// stays named.
pub(super) fn name(changes: &mut [Change], triggers: &Triggers, objects: &ObjectsInScope) {
    let is_new = |change: &Change| change.object == ObjectKey::Account && change.put.is_some() && change.seen.is_none();
    if changes.iter().any(is_new) {
        // With the account all of it is new: each entry is there because of the object that says how it should be.
        return;
    }
    let known = Known {
        triggers,
        objects,
        concerned: triggers.objects.iter().map(|origin| Concerned::new(origin, &objects.snapshot)).collect(),
    };
    for change in changes.iter_mut().filter(|change| !matches!(change.cause, Cause::Drift | Cause::Unmanaged)) {
        if let Some(cause) = known.cause(change) {
            change.origin = Some(cause);
        }
    }
}

struct Known<'a> {
    triggers: &'a Triggers,
    objects: &'a ObjectsInScope,
    /// What each of the objects that concern the whole account concerns.
    concerned: Vec<Concerned>,
}

/// What an object concerns in an account.
enum Concerned {
    /// All of it.
    Everything,
    /// These roles and groups, and whoever has one of them.
    Some { roles: BTreeSet<RoleName>, default_role: bool, groups: BTreeSet<Name> },
    /// Whoever came by this invitation.
    Invited,
}

impl Concerned {
    fn new(origin: &Origin, snapshot: &Snapshot) -> Self {
        let (mut roles, mut default_role, mut groups) = (BTreeSet::new(), false, BTreeSet::new());
        match origin.kind {
            "Role" => {
                roles.insert(RoleName::custom(&origin.name));
                if let Some(role) = snapshot.roles.iter().find(|role| role.name == origin.name) {
                    roles.extend(role.spec.overrides.as_deref().map(RoleName::predefined));
                    default_role = role.spec.overrides.is_some();
                } else {
                    // It is gone, and may have overridden any.
                    let predefined = snapshot.catalog.iter().flat_map(|catalog| &catalog.spec.roles);
                    roles.extend(predefined.map(|role| RoleName::predefined(&role.name)));
                    default_role = true;
                }
                let has = |group: &&Arc<GroupFacts>| {
                    group.spec.role_refs.iter().any(|role| roles.contains(&RoleName::from(role)))
                };
                groups.extend(snapshot.groups.iter().filter(has).map(|group| group.name.clone()));
            }
            "UserGroup" => drop(groups.insert(origin.name.clone())),
            "Invitation" => return Self::Invited,
            _ => return Self::Everything,
        }
        Self::Some { roles, default_role, groups }
    }

    fn concerns(&self, origin: &Origin, facts: &MemberFacts) -> bool {
        match self {
            Self::Everything => true,
            Self::Invited => facts.invitation.as_ref() == Some(&origin.name),
            Self::Some { roles, default_role, groups } => {
                facts.role.as_deref().map_or(*default_role, |role| roles.contains(&RoleName::from(role)))
                    || facts.groups.iter().any(|group| groups.contains(group))
            }
        }
    }
}

impl Known<'_> {
    fn cause(&self, change: &Change) -> Option<Origin> {
        match &change.object {
            ObjectKey::Account => self.nearest(|_, concerned| matches!(concerned, Concerned::Everything)),
            ObjectKey::Role(role) => self.nearest(|_, concerned| match concerned {
                Concerned::Some { roles, .. } => roles.contains(role),
                other => matches!(other, Concerned::Everything),
            }),
            ObjectKey::Group(group) => self.nearest(|_, concerned| match concerned {
                Concerned::Some { groups, .. } => groups.contains(group),
                other => matches!(other, Concerned::Everything),
            }),
            ObjectKey::Member(email) => self.of_member(email, change),
        }
    }

    fn of_member(&self, email: &Email, change: &Change) -> Option<Origin> {
        let ended = change.put.as_ref().and_then(|(content, _)| match content {
            Content::Member(content) => content.ended,
            _ => None,
        });
        // Whose word that was, and that somebody's time has come, the plan knows.
        if matches!(ended, Some(End::Blocked | End::AccountSuspended | End::NotApproved)) || change.is_by_time() {
            return None;
        }
        if let Some(own) = self.triggers.people.get(email) {
            return Some(own.clone());
        }
        self.nearest(|origin, concerned| match self.objects.memberships_of(email) {
            [] => matches!(concerned, Concerned::Everything),
            records => records.iter().any(|record| concerned.concerns(origin, &record.facts)),
        })
    }

    /// The nearest of the objects that concern an entry.
    fn nearest(&self, concerns: impl Fn(&Origin, &Concerned) -> bool) -> Option<Origin> {
        let distance = |origin: &&Origin| match origin.kind {
            "Account" => 1,
            "PermissionCatalog" => 2,
            "IdentityStore" => 3,
            "Namespace" => 4,
            _ => 0,
        };
        let all = std::iter::zip(&self.triggers.objects, &self.concerned);
        all.filter(|(origin, concerned)| concerns(origin, concerned))
            .map(|(origin, _)| origin)
            .min_by_key(distance)
            .cloned()
    }
}
