//! Determines a member's current access, its word in the status, and the event when it changes. Called by
//! `report::outcome` and `report::outcome_revocations`.

use jiff::Timestamp;

use super::{AccessReport, NoticeReason};
use crate::{
    api::MemberAccess,
    resolve::{MemberContent, RevocationReason},
    state::{Seconds, StatusDigest},
};

/// Facts about a member that the store does not hold.
#[derive(Clone, Copy)]
pub(super) struct Circumstances {
    /// Whether the Membership has no fault.
    pub(super) is_valid: bool,
    /// Whether the removal guard holds the member's removal back.
    pub(super) is_held: bool,
    /// Time at which the access is determined.
    pub(super) now: Timestamp,
}

impl AccessReport {
    /// Returns the access of the earlier status, for a member whose change the store did not make.
    pub(super) fn as_before(was: &StatusDigest) -> Self {
        Self { access: was.access, until: was.access_until.map(Seconds::timestamp), role: None }
    }

    /// Returns the access that `content` gives at present. Without content, an invalid Membership has the access
    /// `Invalid`; for a valid one the access is unknown.
    pub(super) fn new(content: Option<&MemberContent>, circumstances: Circumstances) -> Self {
        let Some(content) = content else {
            let access = (!circumstances.is_valid).then_some(MemberAccess::Invalid);
            return Self { access, ..Self::default() };
        };
        let access = word(content, circumstances);
        Self { access: Some(access), until: content.window.expires_at, role: content.role.clone() }
    }

    /// Returns the event to publish if access began or ended; `None` if the access was unknown before, or neither began
    /// nor ended.
    pub(super) fn turn(
        &self,
        was: Option<MemberAccess>,
        content: Option<&MemberContent>,
    ) -> Option<(NoticeReason, String)> {
        let (was, is) = (was?, self.access?);
        // The Account has an event for a removal that is held back.
        if was == is || was.is_in_force() && is.is_in_force() {
            return None;
        }
        let reason = if is.is_in_force() { NoticeReason::AccessBegan } else { NoticeReason::AccessEnded };
        Some((reason, sentence(is, content, was)))
    }
}

fn word(content: &MemberContent, Circumstances { is_valid, is_held, now }: Circumstances) -> MemberAccess {
    let window = content.window;
    match content.ended {
        Some(RevocationReason::Blocked) => MemberAccess::Blocked,
        Some(RevocationReason::AccountSuspended | RevocationReason::Suspended) => MemberAccess::Suspended,
        Some(RevocationReason::NotApproved) => MemberAccess::Unapproved,
        None if window.is_over(now) => MemberAccess::Expired,
        None if !window.contains(now) => MemberAccess::NotStarted,
        None if is_held => MemberAccess::Held,
        None if content.ranks.is_none() && !is_valid => MemberAccess::Invalid,
        None => MemberAccess::Active,
    }
}

fn sentence(is: MemberAccess, content: Option<&MemberContent>, was: MemberAccess) -> String {
    let window = content.map(|content| content.window).unwrap_or_default();
    let at = |time: Option<Timestamp>| time.map_or_else(String::new, |time| format!(" {time}"));
    let why = match (is, content.and_then(|content| content.ended)) {
        (_, Some(end)) => end.in_words().to_owned(),
        (MemberAccess::NotStarted, _) => format!("access begins at{}", at(window.starts_at)),
        (MemberAccess::Expired, _) => format!("access expired at{}", at(window.expires_at)),
        (MemberAccess::Invalid, _) => "the Membership is invalid and grants nothing".to_owned(),
        _ if window.expires_at.is_some() => format!("access is active until{}", at(window.expires_at)),
        _ => "access is active".to_owned(),
    };
    format!("{why}; it was {} before", was.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Ranks, resolve::Window};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn content(window: Window, ended: Option<RevocationReason>, levels: &[u8]) -> MemberContent {
        let mut ranks = Ranks::none(levels.len());
        ranks.as_mut_slice().copy_from_slice(levels);
        MemberContent { ranks, window, ended, ..MemberContent::default() }
    }

    fn of(content: &MemberContent) -> MemberAccess {
        word(content, Circumstances { is_valid: true, is_held: false, now: NOW })
    }

    #[test]
    fn an_explicit_revocation_takes_precedence_over_time_and_guard() {
        let over = Window { starts_at: None, expires_at: Some(at(-1)) };
        let words = [
            (Some(RevocationReason::Blocked), MemberAccess::Blocked),
            (Some(RevocationReason::AccountSuspended), MemberAccess::Suspended),
            (Some(RevocationReason::Suspended), MemberAccess::Suspended),
            (Some(RevocationReason::NotApproved), MemberAccess::Unapproved),
            (None, MemberAccess::Expired),
        ];
        for (ended, access) in words {
            let held = Circumstances { is_valid: false, is_held: true, now: NOW };
            assert_eq!(word(&content(over, ended, &[1]), held), access);
        }
    }

    #[test]
    fn a_window_includes_its_start_and_excludes_its_end() {
        let window = |starts, expires| {
            content(Window { starts_at: Some(at(starts)), expires_at: Some(at(expires)) }, None, &[1])
        };
        assert_eq!(of(&window(0, 1)), MemberAccess::Active);
        assert_eq!(of(&window(1, 2)), MemberAccess::NotStarted);
        assert_eq!(of(&window(-1, 0)), MemberAccess::Expired);
    }

    #[test]
    fn an_invalid_member_with_access_is_active() {
        let invalid = Circumstances { is_valid: false, is_held: false, now: NOW };
        assert_eq!(word(&content(Window::default(), None, &[0, 1]), invalid), MemberAccess::Active);
        assert_eq!(word(&content(Window::default(), None, &[0, 0]), invalid), MemberAccess::Invalid);
        // A role may grant nothing.
        assert_eq!(of(&content(Window::default(), None, &[0, 0])), MemberAccess::Active);
        assert_eq!(AccessReport::new(None, invalid).access, Some(MemberAccess::Invalid));
        let valid = Circumstances { is_valid: true, ..invalid };
        assert_eq!(AccessReport::new(None, valid).access, None);
    }

    #[test]
    fn only_changed_access_is_reported() {
        let active = content(Window { starts_at: None, expires_at: Some(at(60)) }, None, &[1]);
        let blocked = content(Window::default(), Some(RevocationReason::Blocked), &[0]);
        let circumstances = Circumstances { is_valid: true, is_held: false, now: NOW };
        let turn = |content: &MemberContent, was| {
            let (reason, note) = AccessReport::new(Some(content), circumstances).turn(was, Some(content))?;
            Some(format!("{reason:?}: {note}"))
        };
        assert_eq!(turn(&active, None), None);
        assert_eq!(turn(&active, Some(MemberAccess::Held)), None);
        assert_eq!(turn(&active, Some(MemberAccess::Active)), None);
        let began = "AccessBegan: access is active until 1970-01-01T00:01:00Z; it was Suspended before";
        assert_eq!(turn(&active, Some(MemberAccess::Suspended)).as_deref(), Some(began));
        let ended = "AccessEnded: blocked in the store; it was Active before";
        assert_eq!(turn(&blocked, Some(MemberAccess::Active)).as_deref(), Some(ended));
    }
}
