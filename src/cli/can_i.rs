//! `roster can-i`.

use anyhow::Context as _;

use super::{
    ask::{Held, Lookup, Subject, reach, why_not},
    input::Input,
    output::print,
};
use crate::model::Email;

/// Ask whether somebody may do something
///
/// Prints yes or no, and with no one line that says why; exit code 0 for yes, 1 for no. A level counts if it is held or
/// a higher one on the section's ladder is. What only the store knows, since the account does not resolve as a whole or
/// something in the Membership does not, is answered no, unless --store or --sqlite-dir says where to look.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        roster can-i Edit settings --as sven@acme.example --account acme-direct -f examples/\n  \
        roster can-i Allowed payments --as paul@tidewater.example --account tidewater -f examples/\n  \
        roster can-i View reports --as vera@northline.example --account northline -f examples/ -q")]
pub struct Args {
    /// At least this level …
    level: String,

    /// … in this section
    section: String,

    /// Whose access is asked about
    #[arg(long = "as", value_name = "EMAIL")]
    who: String,

    /// In which account
    #[arg(long, value_name = "NS/NAME")]
    account: String,

    /// Print nothing; the exit code says it
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    lookup: Lookup,

    #[command(flatten)]
    input: Input,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let email = Email::parse(&args.who).context("--as")?;
    let mut input = args.input;
    reach(&mut input, Some(&args.account), &args.lookup);
    let loaded = input.read_valid().await?;
    let subject = Subject::new(&loaded, loaded.account(&args.account)?, &args.lookup, now).await?;
    let question = subject.question(&args.level, &args.section)?;
    let held = subject.person(&email).map(|person| subject.held(person, now));
    let allowed = matches!(held, Some(Held::Exactly(ranks)) if question.is_met(&ranks));
    if !args.quiet {
        let why = if allowed { String::new() } else { why_not(&subject, &email, &question, now) + "\n" };
        print(&format!("{}\n{why}", if allowed { "yes" } else { "no" }))?;
    }
    Ok(if allowed { super::OK } else { super::NO })
}
