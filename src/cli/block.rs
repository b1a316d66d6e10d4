//! `roster block`.

/// Cut one person off everywhere in a store, at once
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
