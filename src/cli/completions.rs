//! Implements `roster completions`. Called by `cli::run`.

use clap_complete::Shell;

use super::{OK, output};

/// Print the completions for a shell
///
/// The folder for completions depends on the shell; the examples use the usual ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster completions bash > ~/.local/share/bash-completion/completions/roster\n  \
                  roster completions zsh > ~/.zfunc/_roster\n  \
                  roster completions fish > ~/.config/fish/completions/roster.fish")]
pub struct Args {
    /// Name of the shell
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "roster", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(OK)
}
