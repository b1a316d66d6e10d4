//! Compares the time in which somebody's Memberships give access, before and after a change. Called by
//! `authority::rise`.

use jiff::Timestamp;

use crate::{resolve::Window, state::MemberFacts};

/// Time in which Memberships of one person give access, all of them together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    is_suspended: bool,
    window: Window,
}

impl Times {
    pub(super) fn of<'a>(facts: impl IntoIterator<Item = &'a MemberFacts>) -> Self {
        let all = Self { is_suspended: false, window: Window::default() };
        facts.into_iter().fold(all, |all, one| Self {
            is_suspended: all.is_suspended || one.suspended,
            window: all.window.intersection(&one.window()),
        })
    }

    /// Returns whether it includes an instant from `now` on.
    pub(super) fn has_access(self, now: Timestamp) -> bool {
        !self.is_suspended && !self.window.is_empty() && !self.window.is_over(now)
    }

    /// Returns whether the other one includes an instant from `now` on that this one does not.
    pub(super) fn is_extended_by(self, other: Self, now: Timestamp) -> bool {
        if !other.has_access(now) {
            return false;
        }
        let starts = |window: Window| window.starts_at.unwrap_or(Timestamp::MIN).max(now);
        let ends = |window: Window| window.expires_at.unwrap_or(Timestamp::MAX);
        !self.has_access(now) || starts(other.window) < starts(self.window) || ends(other.window) > ends(self.window)
    }
}
