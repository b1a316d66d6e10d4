//! Errors of stores.

/// Error of a store. Its kind decides the status, and when the store is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or used at all right now; tried again with backoff.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Somebody else changed it, or leads now; observed and tried again.
    #[error("conflict in the store: {0}")]
    Conflict(String),
    /// The store refuses this controller.
    #[error("the store denies it: {0}")]
    Denied(String),
    /// The store refuses this change.
    #[error("the store refuses it: {0}")]
    Invalid(String),
    /// The form of the store has no room for this; only another store or another object helps.
    #[error("this store cannot hold it: {0}")]
    Unsupported(String),
}

impl StoreError {
    /// Returns whether the store fails as a whole, and not at one change.
    #[must_use]
    pub const fn is_of_store(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Denied(_))
    }

    /// Returns the word used in metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Conflict(_) => "conflict",
            Self::Denied(_) => "denied",
            Self::Invalid(_) => "invalid",
            Self::Unsupported(_) => "unsupported",
        }
    }
}

/// Result of one change.
pub type Outcome = Result<(), StoreError>;
