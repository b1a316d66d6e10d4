//! The removal guard and the last holder of a role.

use std::collections::{BTreeMap, BTreeSet};

/// Members before and after a change, and the settings that judge the difference.
///
/// Members are named by canonical address. The state before is read from the store, the state after from the model.
#[derive(Clone, Debug, Default)]
pub struct GuardQuestion {
    /// Members in the store, and whether they have access.
    pub before: BTreeMap<String, bool>,
    /// Members that would be in the store afterwards, and whether they would have access.
    pub after: BTreeMap<String, bool>,
    /// Members whose access somebody ended in writing: suspended, expired, blocked, approval withdrawn.
    pub explicit: BTreeSet<String>,
    /// Members that the account had when the ten minutes began, with and without access.
    pub members: usize,
    /// Counted removals of the last ten minutes, other than those in question.
    pub recent: usize,
    /// For each role that has `minimumHolders` now, those who hold it in effect, before; see
    /// [`crate::AccountAnswer::holders`].
    pub holders_before: BTreeMap<String, BTreeSet<String>>,
    /// For each role with `minimumHolders`, those who would hold it in effect afterwards.
    pub holders_after: BTreeMap<String, BTreeSet<String>>,
    /// `maximumPercent` in force, 0 to 100.
    pub maximum_percent: u8,
    /// `minimumCount` in force.
    pub minimum_count: u32,
}

impl GuardQuestion {
    /// Returns the members whose loss counts: they would be removed or left without access, and nobody wrote that down.
    #[must_use]
    pub fn lost(&self) -> BTreeSet<String> {
        let lost = self.before.iter().filter(|(member, had_access)| match self.after.get(*member) {
            None => true,
            Some(has_access) => **had_access && !has_access,
        });
        lost.map(|(member, _)| member.clone()).filter(|member| !self.explicit.contains(member)).collect()
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
