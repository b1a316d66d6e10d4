//! Findings of one object, together.

use std::fmt::Write as _;

use super::{FieldPath, Finding, FindingKind, shorten::MOST};
use crate::{
    api::InvalidReason,
    model::{AccountKey, KindName, ObjectRef},
};

/// Faults and advice of one object, in the order in which they were found. Allocates nothing while it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Findings of an object whose Account does not exist.
    #[must_use]
    pub fn account_missing(kind: KindName, name: &str, account: &AccountKey) -> Self {
        let mut builder = super::FindingsBuilder::new(kind, &account.namespace, name);
        builder.add("spec.accountRef", FindingKind::AccountMissing(account.clone()));
        builder.finish()
    }

    /// Findings of an object whose spec cannot be read, in this field.
    #[must_use]
    pub fn unreadable(object: &ObjectRef, field: FieldPath, how: &str) -> Self {
        let mut builder = super::FindingsBuilder::new(object.kind, &object.namespace, &object.name);
        builder.add(field, FindingKind::Unreadable(how.into()));
        builder.finish()
    }

    /// Adds a fault or advice.
    pub fn push(&mut self, finding: Finding) {
        if self.0.is_empty() {
            // One is the usual case, and there may be very many objects.
            self.0.reserve_exact(1);
        }
        self.0.push(finding);
    }

    /// Adds all of these.
    pub fn extend(&mut self, findings: Self) {
        if self.0.is_empty() {
            self.0 = findings.0;
        } else {
            self.0.extend(findings.0);
        }
    }

    /// Keeps those for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.0.retain(keep);
    }

    /// Puts this advice in the place of the advice there is, and keeps the faults; returns whether that changed anything.
    /// Faults in `advice` are left out.
    pub fn set_advice(&mut self, mut advice: Self) -> bool {
        advice.retain(|finding| finding.kind.is_advice());
        let changed = !self.advice().eq(advice.iter());
        if changed {
            self.retain(|finding| !finding.kind.is_advice());
            self.extend(advice);
        }
        changed
    }

    /// Returns whether there is neither fault nor advice.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether there is no fault.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.faults().next().is_none()
    }

    /// Faults and advice.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// Faults, for each of which the object is invalid.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| !finding.kind.is_advice())
    }

    /// Advice.
    pub fn advice(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.kind.is_advice())
    }

    /// Returns the reason shown: the first that applies, in the order of [`InvalidReason`]; nothing for a valid object.
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        self.0.iter().filter_map(|finding| finding.kind.reason()).min()
    }

    /// Returns the first fault of the reason shown; nothing for a valid object.
    pub(super) fn first_fault(&self) -> Option<&Finding> {
        self.faults().min_by_key(|fault| fault.reason())
    }

    /// Returns a message on all faults: those of the reason shown come first, and the others have theirs before them. Of
    /// each reason five are told and the others counted. Empty for a valid object.
    #[must_use]
    pub fn message(&self) -> String {
        let with_reason = |finding| Some((Finding::reason(finding)?, finding));
        let mut faults: Vec<(InvalidReason, &Finding)> = self.0.iter().filter_map(with_reason).collect();
        faults.sort_by_key(|(reason, _)| *reason);
        let shown = faults.first().map(|(reason, _)| *reason);
        let mut message = String::new();
        for of_reason in faults.chunk_by(|(one, _), (other, _)| one == other) {
            for (reason, fault) in of_reason.iter().take(MOST) {
                let semicolon = if message.is_empty() { "" } else { "; " };
                // Writing to a string cannot fail.
                let _ = if Some(*reason) == shown {
                    write!(message, "{semicolon}{fault}")
                } else {
                    write!(message, "{semicolon}{reason}: {fault}")
                };
            }
            if let (Some((reason, _)), more @ 1..) = (of_reason.first(), of_reason.len().saturating_sub(MOST)) {
                let _ = write!(message, "; and {more} more of {reason}");
            }
        }
        message
    }

    /// Returns the advice as one message: of each kind five are told, and the others counted. Empty where there is none.
    #[must_use]
    pub fn advice_message(&self) -> String {
        let mut told: Vec<(std::mem::Discriminant<FindingKind>, usize)> = Vec::new();
        let mut shown: Vec<String> = Vec::new();
        for finding in self.advice() {
            let kind = std::mem::discriminant(&finding.kind);
            let place = told.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
                told.push((kind, 0));
                told.len() - 1
            });
            told[place].1 += 1;
            if told[place].1 <= MOST {
                shown.push(finding.to_string());
            }
        }
        let more: usize = told.iter().map(|(_, count)| count.saturating_sub(MOST)).sum();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        shown.join("; ")
    }
}

impl Finding {
    /// Returns the reason of `Valid=False` that a fault gives; nothing for advice.
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        self.kind.reason()
    }

    /// Returns whether it is said of the object only because of its Account.
    #[must_use]
    pub fn is_of_account(&self) -> bool {
        matches!(self.kind, FindingKind::Account(_))
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Self {
        Self(findings.into_iter().collect())
    }
}
