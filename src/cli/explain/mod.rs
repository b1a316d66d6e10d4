//! `roster explain`.

mod report;
mod text;

use anyhow::Context as _;
use clap::ValueEnum;

use self::report::report;
use super::{
    ask::{Lookup, Subject, nobody, reach, section_of},
    input::Input,
    output::{print, print_json},
};
use crate::model::Email;

/// Say why somebody may do what they may
///
/// For each section the level, and the chain of roles, groups, restrictions and prerequisites behind it; then whatever
/// withholds all of it, what is wrong with the Membership, and advice. Works for members, the owner, and people who are
/// invited and have not accepted. Exit code 1 when there is no such person.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  roster explain olivia@tidewater.example --account tidewater -f examples/\n  \
                  roster explain rob@northline.example --account northline --section account -f examples/\n  \
                  roster explain dana@acme.example --account developer-platform/acme -f examples/ -o json")]
pub struct Args {
    /// Whose access is explained
    email: String,

    /// In which account
    #[arg(long, value_name = "NS/NAME")]
    account: String,

    /// Only this section
    #[arg(long, value_name = "SECTION")]
    section: Option<String>,

    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    lookup: Lookup,

    #[command(flatten)]
    input: Input,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let email = Email::parse(&args.email).context("EMAIL")?;
    let mut input = args.input;
    reach(&mut input, Some(&args.account), &args.lookup);
    let loaded = input.read_valid().await?;
    let subject = Subject::new(&loaded, loaded.account(&args.account)?, &args.lookup, now).await?;
    let account = format!("account {}", subject.key);
    let section = args.section.as_deref().map(|section| section_of(&subject.layout, &account, section)).transpose()?;
    let Some(report) = report(&subject, &email, section, now) else {
        print(&(nobody(&subject, &email) + "\n"))?;
        return Ok(super::NO);
    };
    match args.output {
        Format::Json => print_json(&report)?,
        Format::Text => print(&text::text(&report))?,
    }
    Ok(super::OK)
}
