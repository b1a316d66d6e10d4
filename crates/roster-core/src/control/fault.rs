//! Failed requests to the API server, as data. The driver of the loop creates them from responses.

use std::fmt;

/// Message used when the API server does not respond.
pub const NO_ANSWER: &str = "the API server does not respond";

/// Failure of a request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiFault {
    /// Status code of the response; absent if there was none.
    pub code: Option<u16>,
    /// Message of the error, in one sentence.
    pub message: String,
    /// Message with its remedy, if credentials or a right are missing.
    pub lacks_right: Option<String>,
}

impl ApiFault {
    /// Returns whether someone else changed the object first (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == Some(409)
    }

    /// Returns whether the object, or its kind, does not exist (404).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.code == Some(404)
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
