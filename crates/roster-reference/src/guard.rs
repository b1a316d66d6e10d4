//! The removal guard and the last holder of a role. Called by the comparison tests.

use std::collections::{BTreeMap, BTreeSet};

/// Members before and after a change, and the settings of the guard.
///
/// Members are named by canonical address. The state before is read from the store, the state after from the model.
#[derive(Clone, Debug, Default)]
pub struct GuardQuestion {
    /// Members in the store, and whether they have access.
    pub before: BTreeMap<String, bool>,
    /// Members that would be in the store afterwards, and whether they would have access.
    pub after: BTreeMap<String, bool>,
    /// Members with an explicit revocation: suspended, expired, blocked, approval withdrawn.
    pub explicit: BTreeSet<String>,
    /// Number of members at the beginning of the ten minutes, with and without access.
    pub members: usize,
    /// Number of counted removals in the last ten minutes, without those in question.
    pub recent: usize,
    /// Members who hold each role with `minimumHolders` in effect before the change; see
    /// [`crate::AccountAnswer::holders`].
    pub holders_before: BTreeMap<String, BTreeSet<String>>,
    /// Members who would hold each role with `minimumHolders` in effect afterwards.
    pub holders_after: BTreeMap<String, BTreeSet<String>>,
    /// `maximumPercent` in force, 0 to 100.
    pub maximum_percent: u8,
    /// `minimumCount` in force.
    pub minimum_count: u32,
}

impl GuardQuestion {
    /// Returns the members whose loss counts: they would be removed or left without access, without an explicit
    /// revocation.
    #[must_use]
    pub fn lost(&self) -> BTreeSet<String> {
        let lost = self.before.iter().filter(|(member, had_access)| match self.after.get(*member) {
            None => true,
            Some(has_access) => **had_access && !has_access,
        });
        lost.map(|(member, _)| member.clone()).filter(|member| !self.explicit.contains(member)).collect()
    }
}

/// Returns whether the removal guard holds the counted losses.
///
/// The guard fires in two cases. First, the losses of ten minutes reach `minimumCount` and exceed `maximumPercent` of
/// the members at the beginning of the ten minutes. Second, a loss removes the last member who holds a role in effect.
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
