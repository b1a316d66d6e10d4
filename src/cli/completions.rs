//! `roster completions`.

use clap_complete::Shell;

use super::{OK, output};

/// Print the completions of a shell
///
/// Shells differ in where they look for them; the examples are the usual places.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster completions bash > ~/.local/share/bash-completion/completions/roster\n  \
                  roster completions zsh > ~/.zfunc/_roster\n  \
                  roster completions fish > ~/.config/fish/completions/roster.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "roster", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(OK)
}
