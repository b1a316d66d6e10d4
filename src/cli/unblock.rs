//! `roster unblock`.

/// Give a blocked person back what the objects say
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: Args) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
