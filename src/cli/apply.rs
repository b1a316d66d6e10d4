//! `roster apply`.

/// Make an identity store say what manifests say, without a cluster
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
