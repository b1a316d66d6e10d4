//! What is to be said of an Invitation; it becomes a Membership only once it is accepted.

use super::{Definitions, Finding, Outlook, member::Choices};
use crate::{api::InvalidReason, state::InvitationFacts};

impl Definitions {
    /// Checks an invitation.
    #[must_use]
    pub fn invitation(&self, facts: &InvitationFacts) -> Finding {
        let mut finding = Finding { faults: self.shared_fault.iter().cloned().collect(), advice: Vec::new() };
        match &facts.email {
            Err(error) => finding.fault(InvalidReason::AddressInvalid, format!("spec.email: {error}")),
            Ok(email) if self.is_owner(email) => {
                let message = format!("spec.email: {email} is the account's owner and needs no Invitation");
                finding.fault(InvalidReason::OwnerImmutable, message);
            }
            Ok(_) => {}
        }
        let Outlook::Whole(whole) = &self.outlook else { return finding };
        if let Some(feature) = &whole.facts.spec.invitations.requires_plan_feature
            && !self.features.contains(feature)
        {
            let message = format!("invitations need a plan with {feature:?}; account {:?} has none", self.account.name);
            finding.fault(InvalidReason::PlanNotEligible, message);
        }
        self.parts(whole, &facts.choices(), &mut finding);
        finding
    }
}

impl InvitationFacts {
    pub(super) fn choices(&self) -> Choices<'_> {
        Choices {
            role: self.role.as_ref(),
            groups: &self.groups,
            apply: &self.apply,
            lift: &self.lift,
            // Only a Membership can confirm; an invitation that lifts is confirmed by whoever edits the Membership.
            acknowledge: &self.lift,
        }
    }
}
