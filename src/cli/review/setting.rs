//! Setting of a review, the same for all accounts. Made by `roster review`; read by `account` and `stored`.

use jiff::{SignedDuration, Timestamp};

use crate::{cli::target::Target, manifests::LoadedObjects};

/// Setting of a review, the same for all accounts.
pub(super) struct Setting<'a> {
    pub(super) loaded: &'a LoadedObjects,
    pub(super) earlier: Option<&'a LoadedObjects>,
    pub(super) target: &'a Target,
    pub(super) since: Option<Timestamp>,
    pub(super) within: SignedDuration,
    pub(super) now: Timestamp,
}
