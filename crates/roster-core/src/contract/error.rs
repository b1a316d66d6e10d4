//! Errors of stores. Backends return them, and the loop and its reports decide by their kind.

/// Error of a store. Its kind decides the status, and when the store is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store is unavailable or cannot be used at present; retried with backoff.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Someone else changed the content, or another leader has taken over; observed again and retried.
    #[error("conflict in the store: {0}")]
    Conflict(String),
    /// The store refuses this controller.
    #[error("access to the store denied: {0}")]
    Denied(String),
    /// The store refuses this change.
    #[error("rejected by the store: {0}")]
    Invalid(String),
    /// The store cannot represent this content; only another store or another object helps.
    #[error("not supported by this store: {0}")]
    Unsupported(String),
}

impl StoreError {
    /// Returns whether the store as a whole fails, and not one change.
    #[must_use]
    pub const fn is_of_store(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Denied(_))
    }

    /// Returns the label used in metrics.
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
