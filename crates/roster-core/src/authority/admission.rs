//! Answers an admission review: refuses a change, or allows it with warnings, depending on how authority is enforced.
//! Called by the admission webhook.

use super::{Actor, Effect, Verdict};
use crate::api::Enforcement;

/// Maximum number of people whose access a change affects that one answer lists.
const EFFECTS: usize = 5;

/// Answer to an admission review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Why the change is refused, in one sentence; `None` if it is allowed.
    pub refusal: Option<String>,
    /// Warnings for whoever makes the change, one sentence each.
    pub warnings: Vec<String>,
}

impl Admission {
    /// Returns the answer to a change.
    ///
    /// A pipeline is never refused: tools that apply a whole repository apply nothing of it if one object is refused,
    /// revocations included. The controller holds back what exceeds its grants.
    #[must_use]
    pub fn of(verdict: &Verdict, actor: &Actor, enforcement: Enforcement) -> Self {
        let mut warnings = Vec::new();
        let mut refusal = None;
        match enforcement {
            Enforcement::Off => return Self { refusal, warnings },
            Enforcement::Enforce if matches!(actor, Actor::Pipeline(_)) => {
                let exceeds = verdict.violations.iter();
                warnings.extend(exceeds.map(|violation| format!("{violation}; it is admitted, and held until then")));
            }
            Enforcement::Enforce => refusal = one_sentence(verdict),
            Enforcement::Warn => {
                let refused = verdict.violations.iter();
                warnings
                    .extend(refused.map(|violation| format!("{violation}; with enforcement: Enforce this is refused")));
            }
        }
        if refusal.is_none() {
            warnings.extend(effects(&verdict.effects));
        }
        Self { refusal, warnings }
    }
}

/// Returns all rules that a change breaks as one sentence.
fn one_sentence(verdict: &Verdict) -> Option<String> {
    let (first, others) = verdict.violations.split_first()?;
    Some(match others {
        [] => first.to_string(),
        [_] => format!("{first} (and one more rule is broken)"),
        _ => format!("{first} (and {} more rules are broken)", others.len()),
    })
}

fn effects(effects: &[Effect]) -> impl Iterator<Item = String> {
    let more = effects.len().saturating_sub(EFFECTS);
    let count = |changes: fn(&Effect) -> bool| effects.iter().filter(|effect| changes(effect)).count();
    let rest = (more > 0).then(|| {
        let (gain, lose) = (count(|effect| !effect.gains.is_empty()), count(|effect| !effect.loses.is_empty()));
        format!("in all, access of {} people changes: {gain} gain something, {lose} lose something", effects.len())
    });
    effects.iter().take(EFFECTS).map(|effect| format!("account {}: {effect}", effect.account)).chain(rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        authority::Violation,
        model::{AccountKey, Email, Name},
    };

    fn verdict(violations: usize, people: usize) -> Verdict {
        let violation = |_| Violation::OnlyAdministrators { field: "spec.plan".to_owned(), widens: true };
        let effect = |number| Effect {
            account: AccountKey::new("shop", "acme"),
            email: Email::as_stored(&format!("p{number}@acme.example")),
            gains: vec![(Name::new("reports"), Name::new("View"))],
            loses: Vec::new(),
        };
        Verdict { violations: (0..violations).map(violation).collect(), effects: (0..people).map(effect).collect() }
    }

    #[test]
    fn a_person_is_refused_where_authority_is_enforced() {
        let person = Actor::Member(Email::as_stored("dana@acme.example"));
        let refusal = |verdict: &Verdict| Admission::of(verdict, &person, Enforcement::Enforce);
        let answer = refusal(&verdict(1, 1));
        assert_eq!(
            answer.refusal.unwrap(),
            "spec.plan: only an administrator may change this (verb administer on accounts/authority)"
        );
        assert!(answer.warnings.is_empty());
        assert!(refusal(&verdict(3, 0)).refusal.unwrap().ends_with(" (and 2 more rules are broken)"));
        assert_eq!(
            refusal(&verdict(0, 1)),
            Admission {
                refusal: None,
                warnings: vec!["account shop/acme: p0@acme.example gains reports: View".to_owned()],
            }
        );
    }

    #[test]
    fn a_pipeline_is_warned_and_never_refused() {
        for roles in [BTreeSet::new(), BTreeSet::from([Name::new("finance")])] {
            let answer = Admission::of(&verdict(2, 0), &Actor::Pipeline(roles), Enforcement::Enforce);
            assert_eq!(answer.refusal, None);
            assert_eq!(answer.warnings.len(), 2);
            assert!(answer.warnings[0].contains("it is admitted, and held until then"), "{answer:?}");
        }
    }

    #[test]
    fn warn_refuses_nobody_and_without_enforcement_nothing_is_said() {
        let person = Actor::Unknown("dana".to_owned());
        let warned = Admission::of(&verdict(1, 0), &person, Enforcement::Warn);
        assert_eq!((warned.refusal, warned.warnings.len()), (None, 1));
        let off = Admission::of(&verdict(1, 1), &person, Enforcement::Off);
        assert_eq!(off, Admission { refusal: None, warnings: Vec::new() });
    }

    #[test]
    fn many_people_are_counted() {
        let pipeline = Actor::Administrator;
        let answer = Admission::of(&verdict(0, 3_000), &pipeline, Enforcement::Warn);
        assert_eq!(answer.warnings.len(), 6);
        let all = "in all, access of 3000 people changes: 3000 gain something, 0 lose something";
        assert_eq!(answer.warnings[5], all);
    }
}
