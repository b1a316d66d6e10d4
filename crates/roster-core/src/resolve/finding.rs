//! What is to be said of one object: faults, which make it `Valid=False`, and advice, which never does.

use crate::{api::InvalidReason, model::AccountKey};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The reason of `Valid=False`.
    pub reason: InvalidReason,
    /// Which field, what is wrong, what would be right.
    pub message: String,
}

/// What is to be said of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// What makes it invalid; empty when it is valid.
    pub faults: Vec<Fault>,
    /// Advice.
    pub advice: Vec<String>,
}

impl Finding {
    /// What is to be said of an object whose account does not exist.
    #[must_use]
    pub fn account_not_found(account: &AccountKey) -> Self {
        let mut finding = Self::default();
        let AccountKey { namespace, name } = account;
        let message = format!("spec.accountRef: there is no Account {name:?} in namespace {namespace:?}");
        finding.fault(InvalidReason::AccountNotFound, message);
        finding
    }

    /// Adds a fault.
    pub fn fault(&mut self, reason: InvalidReason, message: impl Into<String>) {
        self.faults.push(Fault { reason, message: message.into() });
    }

    /// Adds advice.
    pub fn advise(&mut self, message: impl Into<String>) {
        self.advice.push(message.into());
    }

    /// Whether there is no fault.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    /// The reason shown: the first that applies in the order of design/api.md "Status".
    #[must_use]
    pub fn reason(&self) -> Option<InvalidReason> {
        self.faults.iter().map(|fault| fault.reason).min()
    }

    /// A message that names all faults, the one whose reason is shown first.
    #[must_use]
    pub fn message(&self) -> String {
        let mut faults: Vec<&Fault> = self.faults.iter().collect();
        faults.sort_by_key(|fault| fault.reason);
        let shown = faults.first().map(|fault| fault.reason);
        faults
            .into_iter()
            .map(|fault| {
                if Some(fault.reason) == shown {
                    fault.message.clone()
                } else {
                    format!("{}: {}", fault.reason, fault.message)
                }
            })
            .collect::<Vec<_>>()
            .join("; ")
    }
}
