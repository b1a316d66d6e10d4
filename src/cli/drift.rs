//! `roster drift`.

/// Show where identity stores differ from what was applied
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
