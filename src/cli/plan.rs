//! `roster plan`.

/// Show what would change in the identity store, and what each person gains and loses
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
