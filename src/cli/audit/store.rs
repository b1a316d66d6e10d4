//! Opens the store whose audit is asked for. Called by `query`, `export` and `verify`.

use anyhow::Context as _;
use std::sync::Arc;

use crate::{
    cli::target::absent,
    store::{NoSecrets, Store, StoreLocation},
};

/// The store that somebody named, which must be there.
pub(super) async fn open(place: &StoreLocation) -> anyhow::Result<Arc<dyn Store>> {
    let store = place.open_if_there(&NoSecrets).await?;
    store.with_context(|| absent(place))
}
