//! The removal guard and the last holder of a role.

use std::collections::{BTreeMap, BTreeSet};

/// Members with access before and after a change, and the settings that judge the difference.
///
/// Members are named by canonical address. `before` is read from the store, `after` from the model.
#[derive(Clone, Debug, Default)]
pub struct GuardQuestion {
    /// Members who have access.
    pub before: BTreeSet<String>,
    /// Members who would have access afterwards.
    pub after: BTreeSet<String>,
    /// Members whose access somebody ended in writing: suspended, expired, blocked, approval withdrawn.
    pub explicit: BTreeSet<String>,
    /// Members that the account had when the ten minutes began, with and without access.
    pub members: usize,
    /// Counted removals of the last ten minutes, other than those in question.
    pub recent: usize,
    /// For each role with `minimumHolders`, those who hold it in effect, before; see [`crate::AccountAnswer::holders`].
    pub holders_before: BTreeMap<String, BTreeSet<String>>,
    /// The same, afterwards.
    pub holders_after: BTreeMap<String, BTreeSet<String>>,
    /// `maximumPercent` in force, 0 to 100.
    pub maximum_percent: u8,
    /// `minimumCount` in force.
    pub minimum_count: u32,
}

impl GuardQuestion {
    /// Returns the members whose loss counts: they have access, would have none, and nobody wrote that down.
    #[must_use]
    pub fn lost(&self) -> BTreeSet<String> {
        let lost =
            self.before.iter().filter(|member| !self.after.contains(*member) && !self.explicit.contains(*member));
        lost.cloned().collect()
    }
}

/// Returns whether the removal guard holds the counted losses back.
///
/// It fires where something is lost and either the losses of ten minutes reach `minimumCount` and exceed `maximumPercent` of
/// the members that there were when the ten minutes began, or with a loss goes the last one who holds a role in effect.
#[must_use]
pub fn guard_fires(question: &GuardQuestion) -> bool {
    let lost = question.lost();
    if lost.is_empty() {
        return false;
    }
    let counted = lost.len() + question.recent;
    let many = counted >= question.minimum_count as usize;
    let large = counted * 100 > question.members * usize::from(question.maximum_percent);
    let last = question.holders_before.iter().any(|(role, before)| {
        let after = question.holders_after.get(role).is_some_and(|after| !after.is_empty());
        !after && before.iter().any(|holder| lost.contains(holder))
    });
    (many && large) || last
}
