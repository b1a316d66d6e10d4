//! Collects the people of an account and their access as far as the objects determine it. Called by `ask`, `explain`
//! and `review`.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    evaluate::Judged,
    manifests::AccountObjects,
    model::{Email, Findings, Name, Ranks},
    resolve::{Access, Holder, MemberContent, RevocationReason, Window},
};

/// Person in an account.
pub struct Person {
    /// The address.
    pub email: Email,
    /// Names of its Memberships; none for the owner.
    pub memberships: Vec<Name>,
    /// Whether the person is the owner.
    pub is_owner: bool,
    /// Desired content of a store; `None` if only the store has it (see [`Known`]), or if nothing counts.
    pub content: Option<Arc<MemberContent>>,
    /// How much of the access the objects determine.
    pub known: Known,
    /// Time window; known even if only the store has the rest.
    pub window: Window,
    /// Potential permissions; `None` if the objects do not determine them.
    pub potential: Option<Ranks>,
    /// Findings of each Membership, in the order of `memberships`.
    pub findings: Vec<Findings>,
}

/// How much of a person's access the objects determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    All,
    /// At most `content`; the store may have less, because an unknown object could only lower it.
    AtMost,
    /// Nothing: the account does not resolve, so the store's content is kept.
    OnlyStore,
    /// Revoked, regardless of the store.
    Ended(RevocationReason),
}

/// Reason why granted access is withheld now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Revoked.
    Ended(RevocationReason),
    /// Not started.
    StartsAt(Timestamp),
    /// Expired.
    ExpiredAt(Timestamp),
}

impl Withheld {
    /// Returns why the content of a store withholds access at `now`; `None` if it does not.
    #[must_use]
    pub fn in_store(content: &MemberContent, now: Timestamp) -> Option<Self> {
        Self::of(content.ended, content.window, now)
    }

    fn of(ended: Option<RevocationReason>, window: Window, now: Timestamp) -> Option<Self> {
        match (ended, window.starts_at, window.expires_at) {
            (Some(end), ..) => Some(Self::Ended(end)),
            (None, Some(start), _) if now < start => Some(Self::StartsAt(start)),
            (None, _, Some(end)) if now >= end => Some(Self::ExpiredAt(end)),
            _ => None,
        }
    }
}

impl Person {
    /// Returns why access is withheld at `now`; `None` if it is not.
    #[must_use]
    pub fn withheld(&self, now: Timestamp) -> Option<Withheld> {
        if let Known::Ended(end) = self.known {
            return Some(Withheld::Ended(end));
        }
        let ended = self.content.as_ref().and_then(|content| content.ended);
        Withheld::of(ended, self.window, now)
    }

    /// Returns a person that no object names.
    #[must_use]
    pub fn stray(email: Email) -> Self {
        Self {
            email,
            memberships: Vec::new(),
            is_owner: false,
            content: None,
            known: Known::All,
            window: Window::default(),
            potential: None,
            findings: Vec::new(),
        }
    }

    /// Returns whether an object names the person.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.is_owner || !self.memberships.is_empty()
    }

    /// Returns the effective permissions at `now`; `None` if only the store has them.
    #[must_use]
    pub fn ranks(&self, now: Timestamp, sections: usize) -> Option<Ranks> {
        if self.withheld(now).is_some() {
            return Some(Ranks::none(sections));
        }
        match self.known {
            Known::OnlyStore => None,
            _ => Some(self.content.as_ref().map_or_else(|| Ranks::none(sections), |content| content.ranks.clone())),
        }
    }
}

/// Parses an address for clap.
pub fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| error.to_string())
}

/// Returns the people of an account, including the owner, by address.
#[must_use]
pub fn people(resolved: &Judged, objects: &AccountObjects) -> Vec<Person> {
    let person = |email: &Email, access: Option<&Access>| {
        let window = match access {
            Some(Access::Exactly(content) | Access::AtMost(content)) => content.window,
            Some(Access::KeptWithin(window)) => *window,
            _ => Window::default(),
        };
        let (content, known) = match access {
            None => (None, Known::All),
            Some(Access::Exactly(content)) => (Some(content.clone()), Known::All),
            Some(Access::AtMost(content)) => (Some(content.clone()), Known::AtMost),
            Some(Access::Kept | Access::KeptWithin(_)) => (None, Known::OnlyStore),
            Some(Access::Revoked(end)) => (None, Known::Ended(*end)),
        };
        let (email, memberships, findings) = (email.clone(), Vec::new(), Vec::new());
        Person { email, memberships, is_owner: false, content, known, window, potential: None, findings }
    };
    let wanted = &resolved.desired.members;
    let access = |email: &Email| wanted.get(email).map(|desired| &desired.access);
    let mut all: Vec<Person> = std::iter::zip(objects.addresses(), &resolved.members)
        .map(|((email, facts), member)| Person {
            memberships: facts.iter().map(|one| one.name.clone()).collect(),
            findings: member.views.iter().map(|view| view.findings.clone()).collect(),
            potential: member.potential.clone(),
            ..person(email, access(email))
        })
        .collect();
    if let Some((email, _)) = resolved.definitions.owner_member() {
        let potential = resolved.definitions.potential(Holder::Owner).map(|potential| potential.ranks);
        match all.iter_mut().find(|person| person.email == email) {
            Some(person) => (person.is_owner, person.potential) = (true, potential),
            None => all.push(Person { is_owner: true, potential, ..person(&email, access(&email)) }),
        }
    }
    all.sort_by(|one, other| one.email.cmp(&other.email));
    all
}
