//! One account, resolved as far as a scope goes: what every caller of this room ends up with.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{Definitions, Desired, DesiredMember, ResolvedMember};
use crate::{
    model::{Email, Name, Scope},
    state::MemberFacts,
};

/// What resolving an account comes to.
#[derive(Debug)]
pub struct ResolvedAccount {
    /// What its catalog, roles and groups mean.
    pub definitions: Arc<Definitions>,
    /// What the store should hold.
    pub desired: Desired,
    /// Each address with the findings of its memberships, in the order given.
    pub members: Vec<ResolvedMember>,
}

impl ResolvedAccount {
    /// Resolves the addresses of a scope, each with its memberships; an address nobody has any more comes without any.
    /// `accepted` says whether an invitation lives and was accepted.
    #[must_use]
    pub fn new<'a>(
        definitions: Arc<Definitions>,
        scope: Scope,
        addresses: impl Iterator<Item = (&'a Email, SmallVec<[&'a MemberFacts; 1]>)> + Clone,
        accepted: &dyn Fn(&Name) -> bool,
    ) -> Self {
        let members: Vec<ResolvedMember> =
            addresses.clone().map(|(email, facts)| definitions.member(email, &facts, accepted)).collect();
        let mut wanted: BTreeMap<Email, DesiredMember> = std::iter::zip(addresses, &members)
            .filter_map(|((email, _), member)| Some((email.clone(), member.desired.clone()?)))
            .collect();
        if let Some((email, owner)) = definitions.owner_member().filter(|(email, _)| scope.contains(email)) {
            wanted.insert(email, owner);
        }
        let desired = definitions.desired(scope, wanted);
        Self { definitions, desired, members }
    }
}
