//! Implements `roster explain`: explains a person's permissions in one account or all. Called by `cli::run`.

mod overview;
mod report;
mod text;

use anyhow::Context as _;

use jiff::Timestamp;

use self::{overview::PersonAccess, report::report};
use super::{
    ask::{
        Lookup, StoredAccess, Subject, nobody, nobody_anywhere, not_asked, note_out_of_sync, reach, reach_all,
        section_of, subjects,
    },
    input::Input,
    output::{Format, complain, formats, print, print_data, print_names, wrap},
};
use crate::model::{Email, Scope};

/// Explain a person's permissions
///
/// Shows the level in each section and the chain of roles, groups, restrictions and prerequisites behind it, then the
/// reason why access is withheld, faults of the Membership, and advice. Works for members, owners and invited people.
/// Without --account, the command reads all accounts (of a cluster: in all namespaces, or the one given by -n) and
/// prints one line for each that has the person; if there is only one, it prints all details. With --store or
/// --sqlite-dir, it shows the levels in the store and where the objects differ, and also lists accounts that only a
/// store has. With --store but without files or a cluster, it reads only the store. Exit code: 1 if nobody has this
/// address.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  roster explain hector@west.example -f examples/\n  \
                  roster explain olivia@tidewater.example --account tidewater -f examples/\n  \
                  roster explain rob@northline.example --account northline --section account -f examples/\n  \
                  roster explain dana@acme.example --account developer-platform/acme -f examples/ -o json")]
pub struct Args {
    /// Address of the person
    email: String,

    /// Explain only this account
    #[arg(long, value_name = "NS/NAME")]
    account: Option<String>,

    /// Explain only this section
    #[arg(long, value_name = "SECTION")]
    section: Option<String>,

    /// Output format. `name` lists only the accounts, and `wide` adds the groups and the objects
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    #[command(flatten)]
    lookup: Lookup,

    #[command(flatten)]
    input: Input,
}

const FORMATS: &[Format] = &[Format::Text, Format::Wide, Format::Name, Format::Json, Format::Yaml];

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let email = Email::parse(&args.email).context("EMAIL")?;
    match args.account.clone() {
        Some(account) => in_account(args, &account, &email, now).await,
        None => everywhere(args, &email, now).await,
    }
}

async fn in_account(args: Args, account: &str, email: &Email, now: Timestamp) -> anyhow::Result<u8> {
    let mut input = args.input;
    reach(&mut input, Some(account), &args.lookup);
    let loaded = if args.lookup.is_one_store() { input.read_if_there().await? } else { input.read_valid().await? };
    let scope = Scope::Members([email.clone()].into());
    if let Some(orphaned_account) = args.lookup.orphaned_account(&loaded, account, &scope, now).await? {
        let Some(stored) = StoredAccess::new(&orphaned_account, email, now) else {
            let absent = format!("{email} is not in account {}; {}", orphaned_account.key, orphaned_account.note());
            print(&wrap("", 0, &absent))?;
            return Ok(super::NO);
        };
        return show(args.output, &PersonAccess::new(email, 0, Vec::new(), vec![stored]));
    }
    let subject = Subject::new(&loaded, loaded.account(account).await?, &args.lookup, now).await?;
    let account = format!("account {}", subject.key);
    let section = args.section.as_deref().map(|section| section_of(&subject.layout, &account, section)).transpose()?;
    let Some(report) = report(&subject, email, section, now) else {
        print(&(nobody(&loaded, &subject, email).await + "\n"))?;
        return Ok(super::NO);
    };
    note_out_of_sync(&loaded, &[&subject], Some(email)).await;
    match args.output {
        Format::Json | Format::Yaml => print_data(args.output, &report)?,
        Format::Name => print_names([report.account.as_str()])?,
        _ => print(&text::text(&report))?,
    }
    Ok(super::OK)
}

/// Explains a person's access in every account, including those that only the store has.
async fn everywhere(args: Args, email: &Email, now: Timestamp) -> anyhow::Result<u8> {
    let mut input = args.input;
    reach_all(&mut input, &args.lookup);
    let loaded = if args.lookup.is_one_store() { input.read_if_there().await? } else { input.read_valid().await? };
    let subjects = subjects(&loaded, &args.lookup, now).await?;
    let mut accounts = Vec::new();
    let (mut refused, mut asked) = (None, false);
    for subject in &subjects {
        // Without the catalog, the sections of the account are unknown.
        if args.section.is_some() && subject.layout.is_empty() {
            continue;
        }
        let whose = format!("account {}", subject.key);
        match args.section.as_deref().map(|section| section_of(&subject.layout, &whose, section)).transpose() {
            Ok(section) => {
                asked = true;
                accounts.extend(report(subject, email, section, now));
            }
            Err(error) => {
                let is_of_them = subject.person(email).is_some();
                refused = refused.filter(|(known, _)| *known || !is_of_them).or(Some((is_of_them, error)));
            }
        }
    }
    let orphaned_accounts =
        args.lookup.orphaned_accounts(&loaded, &Scope::Members([email.clone()].into()), now).await?;
    let stored = orphaned_accounts.iter().filter_map(|one| StoredAccess::new(one, email, now)).collect();
    let person = PersonAccess::new(email, subjects.len(), accounts, stored);
    if let Some((_, error)) = refused.filter(|(is_of_them, _)| person.is_empty() && (*is_of_them || !asked)) {
        return Err(error);
    }
    if let Some(note) = not_asked(&subjects).filter(|_| args.section.is_some()) {
        complain(note);
    }
    note_out_of_sync(&loaded, &subjects.iter().collect::<Vec<_>>(), Some(email)).await;
    if person.is_empty() && !matches!(args.output, Format::Json | Format::Yaml | Format::Name) {
        print(&(nobody_anywhere(&loaded, &subjects, email).await + "\n"))?;
        return Ok(super::NO);
    }
    show(args.output, &person)
}

/// Prints a person's access in several accounts, and returns the exit code.
fn show(format: Format, person: &PersonAccess) -> anyhow::Result<u8> {
    match (format, person.accounts.as_slice()) {
        (Format::Json | Format::Yaml, _) => print_data(format, person)?,
        (Format::Name, _) => print_names(person.names())?,
        // A single account is printed in full.
        (Format::Text, [one]) if person.in_store_only.is_empty() => print(&text::text(one))?,
        (format, _) => print(&person.text(format == Format::Wide))?,
    }
    Ok(if person.is_empty() { super::NO } else { super::OK })
}
