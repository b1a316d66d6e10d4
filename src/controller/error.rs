//! Causes for the end of a term. Returned by `shell` to the controller, which then waits to lead again.

/// Cause for the end of a term.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lease is lost. Another replica may lead now, so nothing more is written.
    #[error("the leader lease is lost; another replica may lead")]
    LeaseLost,
    /// All watches have ended.
    #[error("all watches have ended")]
    WatchesEnded,
}
