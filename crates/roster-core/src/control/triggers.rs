//! Objects whose edits trigger a pass. The loop notes each changed object with the work that it queues, and a pass names
//! them as the causes of its changes (`causes`).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{AccountKey, Email, Name},
    resolve::Origin,
    state::{AccountFacts, RoleFacts},
};

/// Maximum number of changed objects remembered per account; the causes of further ones are not distinguished.
const MOST: usize = 512;

/// Object that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct ChangedObject {
    pub(in crate::control) origin: Origin,
    pub(in crate::control) reach: Reach,
}

/// Part of an account that a changed object may affect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Reach {
    /// The part that objects of this kind affect.
    Kind,
    /// An Account. If it is this account: its row in the store, and members' access if `access` is set. If it is the
    /// parent of this account: members' access.
    Account { key: AccountKey, access: bool },
    /// A deleted Role, and the predefined role that it overrode, if any.
    GoneRole(Option<Name>),
}

impl ChangedObject {
    pub(in crate::control) const fn new(origin: Origin) -> Self {
        Self { origin, reach: Reach::Kind }
    }

    /// Creates the record of a changed Account, compared with its former version.
    pub(in crate::control) fn account(origin: Origin, before: Option<&AccountFacts>, now: &AccountFacts) -> Self {
        let access = before.is_none_or(|before| changes_access(before, now));
        Self { origin, reach: Reach::Account { key: now.key(), access } }
    }

    /// Creates the record of a deleted Role.
    pub(in crate::control) fn gone_role(origin: Origin, role: &RoleFacts) -> Self {
        Self { origin, reach: Reach::GoneRole(role.spec.overrides.as_deref().map(Name::new)) }
    }

    /// Returns the object under the name that an account's audit uses: an Account of another namespace includes it.
    fn named_for(&self, key: &AccountKey) -> Self {
        let mut named = self.clone();
        if let Reach::Account { key: account, access } = &mut named.reach
            && account != key
        {
            *access = true;
            named.origin.name = account.seen_from(&key.namespace);
        }
        named
    }

    /// Records that the object changed again.
    fn take_in(&mut self, later: Self) {
        let changed_access = matches!(self.reach, Reach::Account { access: true, .. });
        *self = later;
        if let Reach::Account { access, .. } = &mut self.reach {
            *access |= changed_access;
        }
    }
}

/// Returns whether an edit of an Account may change the access that its Memberships give. Suspension and a change of
/// owner are determined elsewhere.
fn changes_access(before: &AccountFacts, now: &AccountFacts) -> bool {
    let (before, now) = (&before.spec, &now.spec);
    (&before.catalog_ref, &before.store_ref, &before.parent_ref, &before.plan, before.partner)
        != (&now.catalog_ref, &now.store_ref, &now.parent_ref, &now.plan, now.partner)
}

/// Changed objects that triggered a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Objects that affect the whole account, in the order in which they arrived.
    pub(super) objects: Vec<ChangedObject>,
    /// Last object that affects one person only, by address.
    pub(super) people: BTreeMap<Email, Origin>,
}

impl Triggers {
    /// Creates the triggers of one object, which affects one person of an account, or all of it.
    pub(super) fn of(object: Option<&ChangedObject>, key: &AccountKey, email: Option<&Email>) -> Self {
        let mut triggers = Self::default();
        match (object.map(|object| object.named_for(key)), email) {
            (Some(object), Some(email)) => drop(triggers.people.insert(email.clone(), object.origin)),
            (Some(object), None) => triggers.objects.push(object),
            (None, _) => {}
        }
        triggers
    }

    /// Adds triggers that arrived later.
    pub(super) fn merge(&mut self, later: Self) {
        for later in later.objects {
            let is_same = |known: &&mut ChangedObject| {
                (known.origin.kind, &known.origin.name) == (later.origin.kind, &later.origin.name)
            };
            if let Some(known) = self.objects.iter_mut().find(is_same) {
                known.take_in(later);
            } else if self.objects.len() < MOST {
                self.objects.push(later);
            }
        }
        self.people.extend(later.people);
    }

    /// Removes and returns the triggers that affect only these people.
    pub(super) fn take(&mut self, people: &BTreeSet<Email>) -> Self {
        let taken = people.iter().filter_map(|email| self.people.remove_entry(email)).collect();
        Self { objects: Vec::new(), people: taken }
    }

    /// Returns one of them, for a display of a single cause.
    #[must_use]
    pub fn first(&self) -> Option<&Origin> {
        self.objects.first().map(|object| &object.origin).or_else(|| self.people.values().next())
    }
}
