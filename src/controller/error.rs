//! Errors that end the leadership of this process. Returned by `shell` to the controller, which then waits to lead again.

/// Error that ends the leadership of this process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lease is lost. Another replica may lead now, so nothing more is written.
    #[error("the leader lease is lost; another replica may lead")]
    LeaseLost,
    /// All watches have ended.
    #[error("all watches have ended")]
    WatchesEnded,
}
