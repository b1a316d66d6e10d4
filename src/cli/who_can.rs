//! Implements `roster who-can`: lists the people who have a permission. Called by `cli::run`.

use std::fmt::Write as _;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    ask::{Held, Lookup, Question, STORED, Subject, reach, through, time_note, why_not, withheld},
    input::Input,
    output::{
        BOLD, DIM, Format, Table, WARN, complain, counted, formats, paint, print, print_data, print_names, tame, wrap,
    },
    people::Person,
    target::OrphanedAccount,
};
use crate::{
    manifests::LoadedObjects,
    model::{AccountKey, Email, Ranks, Scope},
    resolve::MemberContent,
};

/// List the people who have a permission
///
/// Lists everybody whose level in the section is at least the given one, with the roles and groups that grant it. To
/// revoke the permission, remove all of them. Exit code: 0 somebody has it; 1 nobody has it. Accounts whose catalog
/// does not have the section are skipped, unless --account names one. With --store or --sqlite-dir, lists the people to
/// whom the store grants it, also in accounts that only the store has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster who-can Edit settings -f examples/\n  \
                  roster who-can Allowed payments --account secondary-users/tidewater -f examples/ --all\n  \
                  roster who-can View reports -f examples/ -o csv")]
pub struct Args {
    /// Minimum level …
    level: String,

    /// … in this section
    section: String,

    /// Check only this account
    #[arg(long, value_name = "NS/NAME")]
    account: Option<String>,

    /// Also list people whose access is withheld now: suspended, blocked, expired or not started; in CSV and Markdown
    /// without a level
    #[arg(long)]
    all: bool,

    /// Output format. `wide` adds people's names, and `name` lists only addresses
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    #[command(flatten)]
    lookup: Lookup,

    #[command(flatten)]
    input: Input,
}

const FORMATS: &[Format] =
    &[Format::Text, Format::Wide, Format::Name, Format::Markdown, Format::Csv, Format::Json, Format::Yaml];

/// People with a permission, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoCan {
    api_version: &'static str,
    kind: &'static str,
    /// The section …
    section: String,
    /// … and the minimum level.
    level: String,
    /// People with the permission, by account and address.
    users: Vec<Holder>,
    /// People whose access is withheld; printed only with --all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withheld: Vec<Holder>,
    /// People to whom the objects grant it, but not the store.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_given: Vec<Holder>,
    /// People for whom only a store has the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<Holder>,
}

/// Person in one account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The account, `namespace/name`.
    account: String,
    /// The address.
    user: String,
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// The level held.
    level: String,
    /// Source of the level: roles, groups.
    #[serde(skip_serializing_if = "String::is_empty")]
    through: String,
    /// End of access, or why it is withheld or unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let mut input = args.input.clone();
    reach(&mut input, args.account.as_deref(), &args.lookup);
    let loaded = input.read_valid().await?;
    let mut found = gather(&args, &loaded, now).await?;
    let hidden = if args.all { 0 } else { std::mem::take(&mut found.withheld).len() };
    match args.output {
        Format::Json | Format::Yaml => print_data(args.output, &found)?,
        Format::Name => print_names(found.users.iter().map(|user| user.user.as_str()))?,
        Format::Csv => print(&tables(&found).csv())?,
        Format::Markdown => print(&tables(&found).markdown())?,
        format => print(&text(&found, hidden, format == Format::Wide))?,
    }
    Ok(if found.users.is_empty() { super::NO } else { super::OK })
}

async fn gather(args: &Args, loaded: &LoadedObjects, now: Timestamp) -> anyhow::Result<WhoCan> {
    let named = match args.account.as_deref() {
        Some(account) => args.lookup.orphaned_account(loaded, account, &Scope::Account, now).await?,
        None => None,
    };
    let one: Option<AccountKey> = match args.account.as_deref().filter(|_| named.is_none()) {
        Some(account) => Some(loaded.account(account).await?),
        None => None,
    };
    let keys = match &one {
        Some(key) => vec![key.clone()],
        None if named.is_some() => Vec::new(),
        None => loaded.accounts.clone(),
    };
    let orphaned_accounts = match named {
        Some(one) => vec![one],
        None if one.is_none() => args.lookup.orphaned_accounts(loaded, &Scope::Account, now).await?,
        None => Vec::new(),
    };
    anyhow::ensure!(!keys.is_empty() || !orphaned_accounts.is_empty(), "there are no accounts to ask about");
    let (section, level) = (args.section.clone(), args.level.clone());
    let (api_version, kind) = (super::output::API_VERSION, "WhoCan");
    let (users, withheld, not_given, unknown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut found = WhoCan { api_version, kind, section, level, users, withheld, not_given, unknown };
    let mut refused = None;
    let mut asked = false;
    let mut unasked = Vec::new();
    for key in keys {
        let subject = Subject::new(loaded, key, &args.lookup, now).await?;
        match subject.question(&args.level, &args.section) {
            Ok(question) => {
                asked = true;
                if subject.stored.is_none() {
                    unasked.push(subject.key.clone());
                }
                for person in &subject.people {
                    add(&subject, person, &question, now, &mut found);
                }
            }
            // Only its store knows its sections, so access in it is unknown.
            Err(error) if subject.layout.is_empty() && one.is_none() => {
                let (account, note) = (subject.key.to_string(), error.to_string());
                let (user, level, through) = (String::new(), String::new(), String::new());
                found.unknown.push(Holder { account, user, display_name: None, level, through, note });
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if !unasked.is_empty()
        && let Some(note) = loaded.out_of_sync(&unasked, None).await
    {
        complain(note);
    }
    for orphaned_account in orphaned_accounts {
        let whose = format!("account {}", orphaned_account.key);
        match Question::parse(&orphaned_account.observed.layout, &whose, &args.level, &args.section) {
            Ok(question) => {
                asked = true;
                found.users.extend(stored_holders(&orphaned_account, &question, now));
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) if !asked => Err(error),
        _ => Ok(found),
    }
}

/// Returns the people with the permission in an account that only the store has.
fn stored_holders(orphaned_account: &OrphanedAccount, question: &Question, now: Timestamp) -> Vec<Holder> {
    let holders = orphaned_account.members().filter(|(_, content)| question.is_met(&content.ranks_at(now)));
    let holder = |(email, content): (&Email, &MemberContent)| Holder {
        account: orphaned_account.key.to_string(),
        user: email.to_string(),
        display_name: content.display_name.as_deref().map(ToOwned::to_owned),
        level: question.level(&orphaned_account.observed.layout, &content.ranks),
        through: STORED.to_owned(),
        note: orphaned_account.note(),
    };
    holders.map(holder).collect()
}

fn add(subject: &Subject<'_>, person: &Person, question: &Question, now: Timestamp, found: &mut WhoCan) {
    let level = |ranks: &Ranks| question.level(&subject.layout, ranks);
    let content = person.content.as_ref();
    let user = |level: String, through: String, note: String| Holder {
        account: subject.key.to_string(),
        user: person.email.to_string(),
        display_name: content.and_then(|content| content.display_name.as_deref()).map(ToOwned::to_owned),
        level,
        through,
        note,
    };
    let through = || through(subject, person, question, now);
    let difference = subject.difference(person, Some(question.section), now);
    match subject.held(person, now) {
        Held::Exactly(ranks) if question.is_met(&ranks) => {
            let notes = [time_note(person, now), difference.unwrap_or_default()];
            let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
            found.users.push(user(level(&ranks), through(), notes.join("; ")));
        }
        held => {
            if let Some(why) = person.withheld(now) {
                if let Some(ranks) = subject.without_withholding(person).filter(|ranks| question.is_met(ranks)) {
                    found.withheld.push(user(level(&ranks), through(), withheld(subject, person, why)));
                }
                return;
            }
            match held {
                // The objects do not give this person the level, so there is no difference to report.
                Held::Exactly(_) if !subject.wanted_ranks(person, now).is_some_and(|ranks| question.is_met(&ranks)) => {
                }
                Held::Exactly(ranks) => {
                    found.not_given.extend(difference.map(|difference| user(level(&ranks), through(), difference)));
                }
                Held::AtMost(ranks) if !question.is_met(&ranks) => {}
                Held::AtMost(_) | Held::Unknown => {
                    let why = why_not(subject, &person.email, question, now);
                    found.unknown.push(user(String::new(), String::new(), why));
                }
            }
        }
    }
}

fn table(users: &[Holder], wide: bool) -> Table {
    let name = wide.then_some("name");
    let headings = ["account", "user"].into_iter().chain(name).chain(["level", "through", "note"]);
    let mut table = Table::new(headings).whole(&[0, 1]);
    for user in users {
        let name = wide.then(|| user.display_name.as_deref().map(tame).unwrap_or_default());
        let (first, last) = ([&user.account, &user.user], [&user.level, &user.through, &user.note]);
        table.row(first.into_iter().chain(&name).chain(last));
    }
    table
}

/// Returns one table of all people, for CSV and Markdown.
fn tables(found: &WhoCan) -> Table {
    let mut one = table(&found.users, false);
    for user in &found.withheld {
        one.row([&user.account, &user.user, "", &user.through, &user.note]);
    }
    for user in &found.not_given {
        one.row([&user.account, &user.user, &user.level, &user.through, &user.note]);
    }
    for user in &found.unknown {
        one.row([&user.account, &user.user, "?", &user.through, &user.note]);
    }
    one
}

fn text(found: &WhoCan, hidden: usize, wide: bool) -> String {
    let WhoCan { section, level, .. } = found;
    let mut text = match found.users.as_slice() {
        [] => format!("Nobody has {level} of {section}.\n"),
        users => table(users, wide).text(),
    };
    for (users, title) in [
        (&found.withheld, "Withheld now, with the level they would have:"),
        (&found.not_given, "Granted by the objects, but not by the store:"),
    ] {
        if !users.is_empty() {
            let _ = writeln!(text, "\n{}", paint(BOLD, title));
            text += &table(users, wide).text();
        }
    }
    if hidden > 0 {
        let would = format!(
            "{} would have it, but access is withheld now; pass --all to list them.",
            counted(hidden, "more user")
        );
        let _ = writeln!(text, "\n{}", paint(DIM, would));
    }
    if !found.unknown.is_empty() {
        let count = found.unknown.len();
        let _ = writeln!(text, "\n{}", paint(WARN, format!("Only the store has {count} more; treated as no:")));
        for user in &found.unknown {
            text += &wrap("  ", 2, &user.note);
        }
    }
    text
}
