//! Recreated definitions of Roster's kinds: their objects were deleted with the former definitions. The fresh read of
//! a pass finds them.

use jiff::Timestamp;

use crate::model::KindName;

/// Definitions that were recreated after an Account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecreatedDefinitions {
    /// Kinds of the definitions.
    pub kinds: [Option<KindName>; 3],
    /// Creation time of the latest of them.
    pub at: Timestamp,
}

impl RecreatedDefinitions {
    /// Kinds whose objects grant or restrict access, so that their loss would change it.
    pub const KINDS: [KindName; 3] = [KindName::Role, KindName::UserGroup, KindName::Membership];

    /// Finds the definitions that were created after an Account, by kind and time. Returns `None` if `approved` is the
    /// time of the latest one, which confirms that all objects exist again (`roster.dev/approve-definition`).
    #[must_use]
    pub fn find(
        made: impl Fn(KindName) -> Option<Timestamp>,
        account: Timestamp,
        approved: Option<&str>,
    ) -> Option<Self> {
        let made = Self::KINDS.map(|kind| Some(kind).zip(made(kind).filter(|at| *at > account)));
        let at = made.iter().flatten().map(|(_, at)| *at).max()?;
        let is_said = approved.and_then(|text| text.parse::<Timestamp>().ok()) == Some(at);
        (!is_said).then(|| Self { kinds: made.map(|one| one.map(|(kind, _)| kind)), at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_younger_than_the_account_counts_as_recreated_until_it_is_approved() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let made = |kind| match kind {
            KindName::Role => Some(at(20)),
            KindName::Membership => Some(at(30)),
            _ => None,
        };
        let find = |account, approved: Option<&str>| RecreatedDefinitions::find(made, at(account), approved);
        let of = |role: bool| {
            Some(RecreatedDefinitions {
                kinds: [role.then_some(KindName::Role), None, Some(KindName::Membership)],
                at: at(30),
            })
        };
        assert_eq!(find(30, None), None, "all of one installation");
        assert_eq!(find(29, None), of(false));
        assert_eq!(find(10, None), of(true));
        assert_eq!(find(10, Some(&at(30).to_string())), None);
        for other in ["", "soon", "30", &at(20).to_string(), &at(31).to_string(), "2999-01-01T00:00:00Z"] {
            assert_eq!(find(10, Some(other)), of(true), "{other:?} names another time, or none");
        }
        assert_eq!(RecreatedDefinitions::find(|_| None, at(0), None), None);
    }
}
