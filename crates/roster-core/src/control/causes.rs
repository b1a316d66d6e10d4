//! Finds the cause of each change of a pass, for the audit: the object whose edit triggered it. If several edits make
//! one pass, each change gets the edit that affects it most closely. Called by `reconcile`.

use std::{
    cell::LazyCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Reconcile,
    triggers::{ChangedObject, Reach, Triggers},
};
use crate::{
    model::{Email, Name, RoleName},
    plan::{Cause, Change, Content, Hold, ObjectKey, Observed},
    report::AppliedPlan,
    resolve::{MemberContent, Origin, RevocationReason},
    state::{GroupFacts, MemberFacts, ObjectsInScope, Snapshot},
};

/// Maximum number of people per account whose cause is kept while their change is held or refused.
pub(super) const MOST_WITHHELD: usize = 1_000;

/// Sets each change's cause to the object that triggered it, or keeps the object that declares the desired state.
pub(super) fn name(changes: &mut [Change], work: &Reconcile, observed: &Observed) {
    let is_new =
        |change: &Change| change.object == ObjectKey::Account && change.put.is_some() && change.expected.is_none();
    if changes.iter().any(is_new) {
        // All entries of a new account are new: their cause is the object that declares them.
        return;
    }
    let known = Known::new(work);
    let definitions = Definitions::of(changes, &work.objects, observed);
    let by_spec = |change: &&mut Change| matches!(change.cause, Cause::Spec | Cause::Unwanted);
    for change in changes.iter_mut().filter(by_spec) {
        if let Some(cause) = known.cause(change, &definitions, observed) {
            change.origin = Some(cause);
        }
        if let Some(origin) = change.origin.as_mut().filter(|_| change.approved) {
            let why = origin.why.as_deref().map_or_else(|| "approved".to_owned(), |why| format!("{why}; approved"));
            origin.why = Some(Name::from(why));
        }
    }
}

/// Returns the causes of held and refused changes of people, so that the audit can name them when the changes are
/// made later.
pub(super) fn withheld(applied: &AppliedPlan, work: &Reconcile) -> BTreeMap<Email, Origin> {
    // Most passes hold nothing back.
    let known = LazyCell::new(|| Known::new(work));
    let held = applied.plan.holds.iter().filter(|(_, hold)| **hold == Hold::Guarded || hold.is_pause());
    let held = held.filter_map(|(object, _)| object.person());
    let held = held.filter_map(|email| Some((email.clone(), known.of_person(email)?)));
    let refused = std::iter::zip(&applied.plan.changes, &applied.outcomes).filter(|(_, outcome)| outcome.is_err());
    let refused = refused.filter_map(|(change, _)| Some((change.object.person()?.clone(), change.origin.clone()?)));
    held.chain(refused).take(MOST_WITHHELD).collect()
}

struct Known<'a> {
    triggers: &'a Triggers,
    withheld: &'a BTreeMap<Email, Origin>,
    objects: &'a ObjectsInScope,
    /// Part of the account that each whole-account trigger affects.
    concerned: Vec<Affected>,
}

/// Changed roles, groups and layout of a plan, with their causes.
struct Definitions {
    roles: BTreeMap<RoleName, Origin>,
    groups: BTreeMap<Name, Origin>,
    /// Catalog, if the layout changes.
    catalog: Option<Origin>,
}

impl Definitions {
    fn of(changes: &[Change], objects: &ObjectsInScope, observed: &Observed) -> Self {
        let (mut roles, mut groups, mut is_other_layout) = (BTreeMap::new(), BTreeMap::new(), false);
        for change in changes {
            let ranks = match &change.put {
                Some((Content::Role(content), _)) => Some(&content.ranks),
                Some((Content::Group(content), _)) => Some(&content.ranks),
                _ => None,
            };
            match (&change.object, &change.put, &change.origin) {
                (ObjectKey::Role(role), _, Some(origin)) => {
                    let before = observed.roles.get(role).and_then(|existing| existing.content.as_ref());
                    if before.map(|before| &before.ranks) != ranks {
                        roles.insert(role.clone(), origin.clone());
                    }
                }
                (ObjectKey::Group(group), _, Some(origin)) => {
                    let before = observed.groups.get(group).and_then(|existing| existing.content.as_ref());
                    if before.map(|before| &before.ranks) != ranks {
                        groups.insert(group.clone(), origin.clone());
                    }
                }
                (ObjectKey::Account, Some((Content::Account(content), _)), _) => {
                    is_other_layout = content.layout != observed.layout;
                }
                _ => {}
            }
        }
        let catalog = objects.snapshot.catalog.as_ref().filter(|_| is_other_layout);
        let catalog = catalog.map(|catalog| Origin::new("PermissionCatalog", catalog.name.clone(), catalog.generation));
        Self { roles, groups, catalog }
    }

    /// Returns the cause of a change of a member's levels, if the member's own entry is otherwise unchanged.
    fn of_levels(&self, content: &MemberContent, before: &MemberContent) -> Option<Origin> {
        let is_same = (&content.role, &content.groups, content.window, content.ended)
            == (&before.role, &before.groups, before.window, before.ended);
        if !is_same {
            return None;
        }
        let by_role = content.role.as_ref().and_then(|role| self.roles.get(role));
        let by_group = || content.groups.iter().find_map(|group| self.groups.get(group));
        by_role.or_else(by_group).or(self.catalog.as_ref()).cloned()
    }
}

/// Part of an account that a changed object affects.
enum Affected {
    /// The whole account.
    Everything,
    /// The account's row in the store, and people without a Membership.
    Account,
    /// People whom the store blocked.
    Store,
    /// These roles and groups, and the members that have one of them.
    Some { roles: BTreeSet<RoleName>, default_role: bool, groups: BTreeSet<Name> },
    /// The person who came by this invitation.
    Invited,
}

impl Affected {
    fn new(object: &ChangedObject, snapshot: &Snapshot) -> Self {
        match (object.origin.kind, &object.reach) {
            ("Role", reach) => Self::of_role(&object.origin.name, reach, snapshot),
            ("UserGroup", _) => Self::Some {
                roles: BTreeSet::new(),
                default_role: false,
                groups: BTreeSet::from([object.origin.name.clone()]),
            },
            ("Invitation", _) => Self::Invited,
            ("IdentityStore", _) => Self::Store,
            (_, Reach::Account { access: false, .. }) => Self::Account,
            _ => Self::Everything,
        }
    }

    /// Returns the part that a Role affects: itself, or the predefined role that it overrides, the roles based on
    /// that, and the groups that have any of them.
    fn of_role(name: &Name, reach: &Reach, snapshot: &Snapshot) -> Self {
        let role = snapshot.roles.iter().find(|role| role.name == *name);
        let overridden = match (role, reach) {
            (Some(role), _) => role.spec.overrides.as_deref(),
            (None, Reach::GoneRole(overrode)) => overrode.as_deref(),
            (None, _) => None,
        };
        let mut roles = BTreeSet::from([RoleName::custom(name)]);
        if let Some(overridden) = overridden {
            roles.insert(RoleName::predefined(overridden));
            let based = snapshot.roles.iter().filter(|role| role.spec.based_on.as_deref() == Some(overridden));
            roles.extend(based.map(|role| RoleName::custom(&role.name)));
        }
        let has =
            |group: &&Arc<GroupFacts>| group.spec.role_refs.iter().any(|role| roles.contains(&RoleName::from(role)));
        let groups = snapshot.groups.iter().filter(has).map(|group| group.name.clone()).collect();
        let default = snapshot.catalog.as_ref().and_then(|catalog| catalog.spec.default_role.as_deref());
        Self::Some { roles, default_role: overridden.is_some() && overridden == default, groups }
    }

    fn concerns(&self, origin: &Origin, facts: &MemberFacts) -> bool {
        match self {
            Self::Everything => true,
            Self::Account | Self::Store => false,
            Self::Invited => facts.invitation.as_ref() == Some(&origin.name),
            Self::Some { roles, default_role, groups } => {
                facts.role.as_deref().map_or(*default_role, |role| roles.contains(&RoleName::from(role)))
                    || facts.groups.iter().any(|group| groups.contains(group))
            }
        }
    }
}

impl<'a> Known<'a> {
    fn new(work: &'a Reconcile) -> Self {
        let Reconcile { triggers, objects, withheld, .. } = work;
        let concerned = triggers.objects.iter().map(|object| Affected::new(object, &objects.snapshot)).collect();
        Self { triggers, withheld, objects, concerned }
    }

    fn cause(&self, change: &Change, definitions: &Definitions, observed: &Observed) -> Option<Origin> {
        match &change.object {
            ObjectKey::Account => {
                let of_layout = definitions.catalog.as_ref().filter(|catalog| {
                    let is_known = self.triggers.objects.iter().any(|object| object.origin.kind == catalog.kind);
                    is_known || self.triggers.objects.is_empty()
                });
                let any = |_: &_, concerned: &_| matches!(concerned, Affected::Everything | Affected::Account);
                of_layout.cloned().or_else(|| self.nearest(any))
            }
            // The cause of a new entry is the object that declares it.
            _ if change.expected.is_none() && change.put.is_some() => match &change.object {
                ObjectKey::Member(email) => self.triggers.people.get(email).cloned(),
                _ => None,
            },
            ObjectKey::Role(role) => self.nearest(|_, concerned| match concerned {
                Affected::Some { roles, .. } => roles.contains(role),
                other => matches!(other, Affected::Everything),
            }),
            ObjectKey::Group(group) => self.nearest(|_, concerned| match concerned {
                Affected::Some { groups, .. } => groups.contains(group),
                other => matches!(other, Affected::Everything),
            }),
            ObjectKey::Member(email) => self.of_member(email, change, definitions, observed),
        }
    }

    fn of_member(
        &self,
        email: &Email,
        change: &Change,
        definitions: &Definitions,
        observed: &Observed,
    ) -> Option<Origin> {
        let before = observed.members.get(email).and_then(|existing| existing.content.as_ref());
        let content = change.put.as_ref().and_then(|(content, _)| match content {
            Content::Member(content) => Some(content.as_ref()),
            _ => None,
        });
        // The plan knows the cause of an explicit revocation, and of the end of a time window. It cannot rule out
        // that the window had begun before.
        let ended = content.and_then(|content| content.ended);
        let is_known = content.is_none() && change.origin.is_some();
        let is_out = |content: &MemberContent| !content.window.contains(self.objects.now);
        if is_known
            || matches!(
                ended,
                Some(RevocationReason::Blocked | RevocationReason::AccountSuspended | RevocationReason::NotApproved)
            )
            || change.is_by_time() && content.is_some_and(is_out)
        {
            return None;
        }
        let lifted = before.and_then(|before| before.ended).filter(|_| content.is_some() && ended.is_none());
        let of_levels = || definitions.of_levels(content?, before?).filter(|_| !change.is_by_time());
        self.that_lifted(lifted).or_else(|| self.of_person(email)).or_else(of_levels)
    }

    /// Returns the object that lifted a revocation.
    fn that_lifted(&self, end: Option<RevocationReason>) -> Option<Origin> {
        let kind = match end? {
            RevocationReason::Blocked => "IdentityStore",
            RevocationReason::AccountSuspended | RevocationReason::NotApproved => "Account",
            RevocationReason::Suspended => return None,
        };
        let lifted = self.triggers.objects.iter().find(|object| object.origin.kind == kind);
        lifted.map(|object| object.origin.clone())
    }

    /// Returns the object that affects a person most closely.
    fn of_person(&self, email: &Email) -> Option<Origin> {
        if let Some(own) = self.triggers.people.get(email) {
            return Some(own.clone());
        }
        let nearest = self.nearest(|origin, concerned| match self.objects.memberships_of(email) {
            [] => matches!(concerned, Affected::Everything | Affected::Account),
            records => records.iter().any(|record| concerned.concerns(origin, &record.facts)),
        });
        nearest.or_else(|| self.withheld.get(email).cloned())
    }

    /// Returns the closest of the objects that affect an entry.
    fn nearest(&self, concerns: impl Fn(&Origin, &Affected) -> bool) -> Option<Origin> {
        let distance = |origin: &&Origin| match origin.kind {
            "Account" => 1,
            "PermissionCatalog" => 2,
            "Namespace" => 3,
            _ => 0,
        };
        let all = std::iter::zip(&self.triggers.objects, &self.concerned);
        all.map(|(object, concerned)| (&object.origin, concerned))
            .filter(|(origin, concerned)| concerns(origin, concerned))
            .map(|(origin, _)| origin)
            .min_by_key(distance)
            .cloned()
    }
}
