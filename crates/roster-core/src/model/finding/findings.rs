//! Methods of [`Findings`]: all findings of one object, its faults and its advice. Read by reports for conditions, and by
//! the CLI.

use std::fmt::Write as _;

use super::{Finding, FindingKind, Findings, shorten::MOST};
use crate::api::InvalidReason;

impl Findings {
    /// Adds a fault or advice.
    pub fn push(&mut self, finding: Finding) {
        if self.0.is_empty() {
            // Most objects with findings have one, and there may be very many objects.
            self.0.reserve_exact(1);
        }
        self.0.push(finding);
    }

    /// Adds all findings of another list.
    pub fn extend(&mut self, findings: Self) {
        if self.0.is_empty() {
            self.0 = findings.0;
        } else {
            self.0.extend(findings.0);
        }
    }

    /// Keeps only the findings for which `keep` returns true.
    pub fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.0.retain(keep);
    }

    /// Replaces the advice and keeps the faults; faults in `advice` are ignored. Returns whether the advice changed.
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

    /// Returns faults and advice, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// Returns the faults, each of which makes the object invalid.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| !finding.kind.is_advice())
    }

    /// Returns the advice, in the order in which it was found.
    pub fn advice(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.kind.is_advice())
    }

    /// Returns the reason of `Valid=False`: the first that applies, in the order of [`InvalidReason`]; `None` for a
    /// valid object.
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        self.0.iter().filter_map(|finding| finding.kind.reason()).min()
    }

    /// Returns a message on all faults. Faults with the reason of [`Self::reason`] come first; the others are preceded
    /// by their own reason. Five faults of each reason are listed and the others counted. Empty for a valid object.
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

    /// Returns a message on all advice: five of each kind are listed and the others counted. Empty if there is none.
    #[must_use]
    pub fn advice_message(&self) -> String {
        let mut counts: Vec<(std::mem::Discriminant<FindingKind>, usize)> = Vec::new();
        let mut shown: Vec<String> = Vec::new();
        for finding in self.advice() {
            let kind = std::mem::discriminant(&finding.kind);
            let index = counts.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
                counts.push((kind, 0));
                counts.len() - 1
            });
            counts[index].1 += 1;
            if counts[index].1 <= MOST {
                shown.push(finding.to_string());
            }
        }
        let more: usize = counts.iter().map(|(_, count)| count.saturating_sub(MOST)).sum();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        shown.join("; ")
    }
}

impl Finding {
    /// Returns the reason of `Valid=False` that a fault causes; `None` for advice.
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        self.kind.reason()
    }

    /// Returns whether the object has the finding only because of its Account.
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
