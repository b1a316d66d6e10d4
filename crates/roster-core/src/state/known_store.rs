//! Identity of a backing store: distinguishes the store in use from another or empty one that answers in its place.
//! `evaluate` and the refresh of a store judge answers with it.

use crate::{
    api::{APPROVE_STORE_ANNOTATION, STORE_ID_ANNOTATION, limits::MAX_LABEL},
    model::Name,
};

/// Identity of an IdentityStore's backing store, from the annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownStore {
    /// Id of the store in use; absent before the first use.
    pub id: Option<Name>,
    /// Id of the store that a user has approved as a replacement.
    pub approved: Option<Name>,
    /// Whether the id's annotation was removed from the same object. A replace of the whole object easily drops it,
    /// and does not mean that another store shall be used.
    pub is_lost: bool,
}

/// Relation of the answering store to the known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// The store in use; or it has no id and none is known.
    Known,
    /// No store was used before.
    First,
    /// Another store, which a user has approved.
    Approved,
    /// Another store, or one without an id although one is known: no access is granted in it.
    Replaced,
}

impl KnownStore {
    /// Reads the identity from the annotations of an IdentityStore; `annotation` looks up the value of a key.
    pub fn read<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Self {
        let id = |key: &str| annotation(key).filter(|id| !id.is_empty() && id.len() <= MAX_LABEL).map(Name::new);
        Self { id: id(STORE_ID_ANNOTATION), approved: id(APPROVE_STORE_ANNOTATION), is_lost: false }
    }

    /// Returns the identity with the id from `before`, if the annotation is gone.
    #[must_use]
    pub(super) fn keeping(&self, before: &Self) -> Self {
        match (&self.id, &before.id) {
            (None, Some(id)) => Self { id: Some(id.clone()), is_lost: true, ..self.clone() },
            _ => self.clone(),
        }
    }

    /// Returns whether both have equal ids, whether or not the annotation is lost.
    #[must_use]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.approved == other.approved
    }

    /// Compares the id of the answering store with the known one.
    #[must_use]
    pub fn judge(&self, answers: Option<&Name>) -> StoreAnswer {
        match (&self.id, answers) {
            (known, answers) if known.as_ref() == answers => StoreAnswer::Known,
            (None, _) => StoreAnswer::First,
            (Some(_), Some(answers)) if self.approved.as_ref() == Some(answers) => StoreAnswer::Approved,
            (Some(_), _) => StoreAnswer::Replaced,
        }
    }

    /// Returns the id to write into the annotation, if it is not there.
    #[must_use]
    pub fn to_remember<'a>(&'a self, answers: Option<&'a Name>) -> Option<&'a Name> {
        match self.judge(answers) {
            StoreAnswer::First | StoreAnswer::Approved => answers,
            StoreAnswer::Known | StoreAnswer::Replaced => self.id.as_ref().filter(|_| self.is_lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_store_is_used_only_if_none_is_known_or_it_is_approved() {
        let name = |text: &str| (!text.is_empty()).then(|| Name::new(text));
        for (id, approved, answers, judged) in [
            ("", "", "", StoreAnswer::Known),
            ("", "", "a", StoreAnswer::First),
            ("", "b", "a", StoreAnswer::First),
            ("a", "", "a", StoreAnswer::Known),
            ("a", "b", "a", StoreAnswer::Known),
            ("a", "", "b", StoreAnswer::Replaced),
            ("a", "b", "b", StoreAnswer::Approved),
            ("a", "c", "b", StoreAnswer::Replaced),
            ("a", "", "", StoreAnswer::Replaced),
            ("a", "b", "", StoreAnswer::Replaced),
        ] {
            let known = KnownStore { id: name(id), approved: name(approved), is_lost: false };
            let answers = name(answers);
            assert_eq!(known.judge(answers.as_ref()), judged, "{known:?} {answers:?}");
            let remembered = matches!(judged, StoreAnswer::First | StoreAnswer::Approved);
            assert_eq!(known.to_remember(answers.as_ref()), answers.as_ref().filter(|_| remembered));
        }
    }

    #[test]
    fn an_id_that_an_object_no_longer_has_is_kept_and_written_again() {
        let before = KnownStore { id: Some("a".into()), ..KnownStore::default() };
        let kept = KnownStore { approved: Some("c".into()), ..KnownStore::default() }.keeping(&before);
        let (a, b, c) = (Name::new("a"), Name::new("b"), Name::new("c"));
        assert_eq!((kept.judge(Some(&a)), kept.to_remember(Some(&a))), (StoreAnswer::Known, Some(&a)));
        assert_eq!((kept.judge(Some(&b)), kept.to_remember(Some(&b))), (StoreAnswer::Replaced, Some(&a)));
        assert_eq!((kept.judge(Some(&c)), kept.to_remember(Some(&c))), (StoreAnswer::Approved, Some(&c)));
        assert_eq!(kept.keeping(&before), kept);
        assert_eq!(before.keeping(&KnownStore::default()), before);
    }
}
