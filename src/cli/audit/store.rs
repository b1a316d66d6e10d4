//! Opens the store whose audit is asked for. Called by `query`, `export` and `verify`.

use anyhow::Context as _;
use std::sync::Arc;

use crate::{
    cli::target::absent,
    store::{NoSecrets, Store, StoreLocation},
};

/// Opens the named store; fails if it does not exist.
pub(super) async fn open(place: &StoreLocation) -> anyhow::Result<Arc<dyn Store>> {
    let store = place.open_if_there(&NoSecrets).await?;
    store.with_context(|| absent(place))
}
