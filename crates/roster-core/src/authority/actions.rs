//! Determines which actions of a catalog's `administration` a change consists of. Called by `authority::judge`.

use std::collections::BTreeSet;

use crate::{
    api::AdministrationAction as Action,
    model::{Email, Name, RoleName},
    state::{InvitationFacts, MemberFacts, RoleFacts},
};

use super::{Change, Edit};

/// Action that a change consists of, and the field that shows it.
pub(super) type Needed = (&'static str, Action);

/// Returns the actions that a change in an account consists of, for a given actor. Empty for a change of nothing that
/// counts, and for kinds that only administrators change.
pub(super) fn needed(change: &Change, actor: &Email) -> Vec<Needed> {
    match change {
        Change::Membership(_, edit) => membership(edit, actor),
        Change::Invitation(_, edit) => invitation(edit),
        Change::Role(_, edit) => role(edit),
        Change::Group(_, edit) => {
            let action = of_verb(edit, [Action::CreateGroups, Action::EditGroups, Action::DeleteGroups]);
            vec![("spec", action)]
        }
        Change::Account(..) | Change::Catalog(_) | Change::Store(_) => Vec::new(),
    }
}

fn of_verb<F>(edit: &Edit<F>, [create, change, delete]: [Action; 3]) -> Action {
    match (&edit.before, &edit.after) {
        (None, _) => create,
        (Some(_), Some(_)) => change,
        (Some(_), None) => delete,
    }
}

/// Returns the action on a Role. An override is part of the role that it changes: creating or deleting it edits that role.
fn role(edit: &Edit<RoleFacts>) -> Vec<Needed> {
    let overrides = edit.latest().is_some_and(|role| role.spec.overrides.is_some());
    let of_verb = of_verb(edit, [Action::CreateRoles, Action::EditRoles, Action::DeleteRoles]);
    vec![("spec", if overrides { Action::EditRoles } else { of_verb })]
}

fn membership(edit: &Edit<MemberFacts>, actor: &Email) -> Vec<Needed> {
    match (edit.before.as_deref(), edit.after.as_deref()) {
        (None, Some(after)) => {
            let mut needed = vec![("spec", Action::CreateMembers)];
            needed.extend(assigned(&Choices::default(), &Choices::of(after)));
            needed
        }
        (Some(before), Some(after)) => {
            let mut needed: Vec<Needed> = assigned(&Choices::of(before), &Choices::of(after)).into_iter().collect();
            let times = (before.starts_at, before.expires_at) != (after.starts_at, after.expires_at);
            if before.suspended != after.suspended {
                needed.push(("spec.suspended", Action::EditMembers));
            } else if times {
                needed.push(("spec.startsAt, spec.expiresAt", Action::EditMembers));
            }
            if before.display_name != after.display_name {
                let is_own = after.email.as_ref() == Ok(actor);
                let action = if is_own { Action::EditOwnDetails } else { Action::EditMembers };
                needed.push(("spec.user.displayName", action));
            }
            needed
        }
        _ => vec![("spec", Action::DeleteMembers)],
    }
}

fn invitation(edit: &Edit<InvitationFacts>) -> Vec<Needed> {
    let is_new = edit.before.is_none();
    let of = |facts: Option<&InvitationFacts>| facts.map(Choices::of_invitation).unwrap_or_default();
    let assigned = assigned(&of(edit.before.as_deref()), &of(edit.after.as_deref()));
    match (is_new, &edit.after) {
        (true, _) => std::iter::once(("spec", Action::Invite)).chain(assigned).collect(),
        // Whoever accepted is a member, and loses the access with the Invitation.
        (false, None) if edit.before.as_ref().is_some_and(|facts| facts.accepted) => {
            vec![("spec", Action::DeleteMembers)]
        }
        (false, None) => vec![("spec", Action::Invite)],
        (false, Some(_)) => assigned.or(Some(("spec", Action::Invite))).into_iter().collect(),
    }
}

/// What gives somebody permissions: role, groups, and restrictions.
#[derive(Clone, Debug, Default, PartialEq)]
struct Choices {
    role: Option<RoleName>,
    groups: BTreeSet<Name>,
    restrictions: [BTreeSet<Name>; 3],
}

impl Choices {
    fn of(facts: &MemberFacts) -> Self {
        Self {
            role: facts.role_name(),
            groups: facts.groups.iter().cloned().collect(),
            restrictions: [&facts.apply, &facts.lift, &facts.acknowledge].map(|names| names.iter().cloned().collect()),
        }
    }

    fn of_invitation(facts: &InvitationFacts) -> Self {
        let names = |names: &[Name]| names.iter().cloned().collect();
        Self {
            role: facts.role.as_ref().map(RoleName::from),
            groups: names(&facts.groups),
            restrictions: [names(&facts.apply), names(&facts.lift), BTreeSet::new()],
        }
    }
}

/// Returns the action of giving somebody other permissions, if they differ.
fn assigned(before: &Choices, after: &Choices) -> Option<Needed> {
    let field = if before.role != after.role {
        "spec.roleRef"
    } else if before.groups != after.groups {
        "spec.groupRefs"
    } else if before.restrictions != after.restrictions {
        "spec.restrictions"
    } else {
        return None;
    };
    Some((field, Action::AssignRoles))
}
