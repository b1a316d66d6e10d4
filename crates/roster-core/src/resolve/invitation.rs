//! Returns the findings of an Invitation, which becomes a Membership only when it is accepted. Called by reports and by
//! the CLI.

use super::{AccountResolution, Definitions, member::local, member_parts::Choices};
use crate::{
    model::{FindingKind, Findings, KindName, Name},
    state::{InvitationFacts, MemberFacts},
};

impl Definitions {
    /// Checks an invitation. `memberships` are those of its address.
    #[must_use]
    pub fn invitation(&self, facts: &InvitationFacts, memberships: &[&MemberFacts]) -> Findings {
        let mut findings = self.findings_of(KindName::Invitation, &facts.name);
        findings.add_whole(FindingKind::InvitationWithoutEffect);
        if let Some(other) = memberships.iter().find(|one| one.invitation.as_ref() != Some(&facts.name)) {
            findings.add("spec.email", FindingKind::MemberIsInvited(other.name.clone()));
        }
        match &facts.email {
            Err(error) => findings.add("spec.email", FindingKind::AddressInvalid(error.clone())),
            Ok(email) if self.is_owner(email) => {
                findings.add("spec.email", FindingKind::OwnerIsInvited(email.clone()));
            }
            Ok(email) => findings.add_all("spec.email", local(Some(email))),
        }
        let AccountResolution::Resolved(whole) = &self.resolution else { return findings.finish() };
        if let Some(feature) = &whole.facts.spec.invitations.requires_plan_feature
            && !self.features.contains(feature)
        {
            let (feature, account) = (Name::new(feature), self.account.name.clone());
            findings.add_whole(FindingKind::PlanNotEligible { feature, account });
        }
        self.parts(whole, &facts.choices(), &mut findings);
        findings.finish()
    }
}

impl InvitationFacts {
    pub(super) fn choices(&self) -> Choices<'_> {
        Choices {
            role: self.role.as_ref(),
            groups: &self.groups,
            apply: &self.apply,
            lift: &self.lift,
            // Only a Membership can confirm a lift. For an invitation, the editor of the later Membership confirms it.
            acknowledge: &self.lift,
        }
    }
}
