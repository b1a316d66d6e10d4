//! Answers of the API server that are no success, as data.

use std::fmt;

/// Message used when the API server does not respond.
pub const NO_ANSWER: &str = "the API server does not answer";

/// Failure of a request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiFault {
    /// Status code of the answer; absent where there was none.
    pub code: Option<u16>,
    /// What was said, in one sentence.
    pub said: String,
    /// Message with its remedy, if credentials or a right are missing.
    pub lacks_right: Option<String>,
}

impl ApiFault {
    /// Returns whether somebody else changed the object first.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == Some(409)
    }

    /// Returns whether the object, or its kind, is not there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.code == Some(404)
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}
