//! Limits what an account desires to what was authorised. `authority::settle` makes the limits; `evaluate` applies them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::prepared::Prepared;
use crate::{
    model::{Email, Finding, KindName, Name},
    plan::{AuthorisedObjects, ObjectKey, limited},
    resolve::{Access, Desired, DesiredDefinitions, DesiredMember, MemberContent, ResolvedMember},
    state::Members,
};

/// What the controller knows about who may change access in an account.
#[derive(Clone, Debug, Default)]
pub enum Authority {
    /// Nobody asked: a command, or a pass that only revokes. Nothing is limited, and stores keep what they know.
    #[default]
    Unknown,
    /// The account does not enforce who may change access.
    NotEnforced,
    /// What was authorised.
    Judged(Arc<Authorised>),
}

impl Authority {
    /// Returns the objects that stores keep as authorised.
    pub(super) fn objects(&self) -> AuthorisedObjects {
        match self {
            Self::Unknown => AuthorisedObjects::Unknown,
            Self::NotEnforced => AuthorisedObjects::NotEnforced,
            Self::Judged(authorised) => AuthorisedObjects::Of(authorised.objects.clone()),
        }
    }

    /// Returns what was authorised, if anybody judged it.
    pub(super) const fn judged(&self) -> Option<&Arc<Authorised>> {
        match self {
            Self::Judged(authorised) => Some(authorised),
            Self::Unknown | Self::NotEnforced => None,
        }
    }
}

/// What of an account's objects was authorised, within the scope of a pass.
#[derive(Debug, Default)]
pub struct Authorised {
    /// Objects behind each entry in scope, as they were authorised, as text.
    pub objects: Arc<HashMap<ObjectKey, Arc<str>>>,
    /// The account's definitions with the Account as it was authorised, if it was changed without authority.
    pub prepared: Option<Prepared>,
    /// Whether the Account was changed without authority so that the one before cannot be resolved: everything but revocations
    /// waits.
    pub account_waits: bool,
    /// Limit of roles and groups; `None` if none of them was changed without authority.
    pub definitions: Option<Arc<DesiredDefinitions>>,
    /// Limits of the people whom a change without authority concerns.
    pub members: BTreeMap<Email, MemberLimit>,
    /// Faults of the objects that were changed without authority; on the Account for those that are gone.
    pub findings: Vec<Finding>,
    /// Hash that lets all of these changes pass; `None` if there are none.
    pub hash: Option<String>,
}

/// Limit of one person's access.
#[derive(Clone, Debug)]
pub enum MemberLimit {
    /// Nothing was authorised.
    Nothing,
    /// At most what the store holds: what was authorised is not known.
    AsStored,
    /// At most this.
    AtMost(Box<DesiredMember>),
}

impl Authorised {
    /// Limits what is desired, of definitions and of each address; `resolved` is in the order of the addresses.
    pub(super) fn limit(&self, desired: &mut Desired, resolved: &mut [ResolvedMember], members: &Members<'_>) {
        self.limit_definitions(desired);
        let faults = self.findings.iter().filter(|finding| finding.object.kind == KindName::Membership);
        let faults: HashMap<&Name, &Finding> = faults.map(|finding| (&finding.object.name, finding)).collect();
        if self.members.is_empty() && faults.is_empty() {
            return;
        }
        for ((email, facts), resolved) in std::iter::zip(&members.addresses, resolved) {
            if let (Some(limit), Some(now)) = (self.members.get(*email), resolved.desired.take()) {
                resolved.desired = limit_of(now, limit);
                match resolved.desired.clone() {
                    Some(limited) => drop(desired.members.insert((*email).clone(), limited)),
                    None => drop(desired.members.remove(*email)),
                }
            }
            for (one, view) in std::iter::zip(facts, &mut resolved.views) {
                if let Some(fault) = faults.get(&one.name) {
                    view.findings.push((*fault).clone());
                }
            }
        }
    }

    fn limit_definitions(&self, desired: &mut Desired) {
        if let (Some(limit), Some(now)) = (&self.definitions, &desired.definitions) {
            desired.definitions = Some(Arc::new(definitions(now, limit)));
        }
    }
}

fn definitions(now: &DesiredDefinitions, limit: &DesiredDefinitions) -> DesiredDefinitions {
    let mut limited = now.clone();
    limited.roles.retain(|name, _| limit.roles.contains_key(name));
    for (name, (content, _)) in &mut limited.roles {
        if let Some((limit, _)) = limit.roles.get(name) {
            content.ranks.lower_to(limit.ranks.as_slice());
        }
    }
    limited.groups.retain(|name, _| limit.groups.contains_key(name));
    for (name, (content, _)) in &mut limited.groups {
        if let Some((limit, _)) = limit.groups.get(name) {
            content.ranks.lower_to(limit.ranks.as_slice());
        }
    }
    limited
}

/// Returns what is left of somebody's access; `None` if nothing was authorised. Revocations and times of the present
/// objects count, whoever made them.
fn limit_of(now: DesiredMember, limit: &MemberLimit) -> Option<DesiredMember> {
    let (Access::Exactly(content) | Access::AtMost(content)) = &now.access else { return Some(now) };
    let limit = match limit {
        MemberLimit::Nothing => return None,
        MemberLimit::AsStored => None,
        MemberLimit::AtMost(limit) => match &limit.access {
            Access::Exactly(limit) => Some((limit, true)),
            Access::AtMost(limit) => Some((limit, false)),
            Access::Kept | Access::KeptWithin(_) | Access::Revoked(_) => None,
        },
    };
    let is_exact = matches!(now.access, Access::Exactly(_));
    let access = match limit {
        None => Access::AtMost(content.clone()),
        Some((limit, is_limit_exact)) => {
            let content = Arc::new(limited_content(content, limit));
            if is_exact && is_limit_exact { Access::Exactly(content) } else { Access::AtMost(content) }
        }
    };
    Some(DesiredMember { access, ..now })
}

fn limited_content(now: &MemberContent, limit: &MemberContent) -> MemberContent {
    // Whoever gets a role or group without authority does not show it, either.
    let role = match &now.role {
        role if *role == limit.role => role.clone(),
        _ if limit.ranks.is_at_most(&now.ranks) => limit.role.clone(),
        _ => None,
    };
    let groups = now.groups.iter().filter(|group| limit.groups.contains(group)).cloned().collect();
    let mut content = limited(now.clone(), limit);
    content.ended = content.ended.or(limit.ended);
    MemberContent { role, groups, external_id: limit.external_id.clone(), ..content }
}
