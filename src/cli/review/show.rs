//! Writes a review as text, Markdown and CSV. Called by `roster review`; an empty section is shown in one line, so that
//! readers see that it was checked.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::{AccountReview, Expiring, Review, Since};
use crate::{
    cli::output::{BOLD, DIM, Table, WARN, counted, escape_markdown, paint, width, wrap},
    report::drift_sentence,
};

/// Section of an account's review.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// Text if the section is empty.
    none: &'static str,
    pub(super) table: Table,
}

/// Note on an account that only a store has.
const ORPHANED: &str = "No object here describes the account; only the store has it.";

/// Note on stores that were not read.
pub(super) const UNREAD: &str =
    "For these accounts the report covers only the objects, not drift and not undeclared members.";

/// Returns CSV with one line for each person in each account.
pub fn csv(review: &Review) -> String {
    let mut table = Table::new([
        "account",
        "email",
        "displayName",
        "role",
        "groups",
        "sectionsWithAccess",
        "sectionsAtTop",
        "flags",
        "storeRead",
    ]);
    let number = |number: Option<usize>| number.map_or_else(String::new, |number| number.to_string());
    for account in &review.accounts {
        for person in &account.people {
            table.row([
                account.account.clone(),
                person.email.clone(),
                person.display_name.clone(),
                person.role.clone(),
                person.groups.join(" "),
                number(person.sections_with_access),
                number(person.sections_at_top),
                person.flags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                if account.store.unread.is_none() { "yes" } else { "no" }.to_owned(),
            ]);
        }
    }
    table.csv()
}

/// Returns the review as text for a terminal.
pub fn text(review: &Review) -> String {
    let mut parts = vec![format!("{} {}\nScope: {}\n", paint(BOLD, "Access review"), at(review.at), review.scope)];
    if !review.unread.is_empty() {
        let count = counted(review.unread.len(), "account");
        let title = format!("Stores not read: {count}; the report covers only their objects");
        parts.push(format!("{}{}", wrap("", 0, &paint(WARN, title)), unread(review).text()));
    }
    parts.push(counts(review, true).text());
    for account in &review.accounts {
        parts.push(wrap("", 0, &paint(BOLD, format!("{}: {}", account.account, account.display_name))));
        if account.is_orphaned() {
            parts.push(wrap("  ", 2, ORPHANED));
        }
        let (empty, full): (Vec<Section>, Vec<Section>) =
            sections(account, review).into_iter().partition(|section| section.table.is_empty());
        for Section { title, table, .. } in full {
            parts.push(format!(
                "  {}\n{}",
                paint(BOLD, title),
                indented(&table.text_within(width().saturating_sub(2)))
            ));
        }
        let empty: Vec<&str> = empty.iter().map(|section| section.none).collect();
        if !empty.is_empty() {
            parts.push(wrap("  ", 2, &paint(DIM, format!("None: {}.", empty.join("; ")))));
        }
    }
    parts.join("\n")
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |text, line| text + "  " + line + "\n").trim_end().to_owned() + "\n"
}

/// Returns the review as Markdown: title, date, scope, numbers, sections, and a table to sign.
pub fn markdown(review: &Review) -> String {
    let mut parts = vec![format!("# {}\n", heading(review)), head(review).markdown()];
    if !review.unread.is_empty() {
        parts.push(format!("## Stores not read\n\n{UNREAD}\n\n{}", unread(review).markdown()));
    }
    parts.push(format!("## Numbers\n\n{}", counts(review, false).markdown()));
    for account in &review.accounts {
        let title = format!("## {} ({})\n", escape_markdown(&account.display_name), account.account);
        parts.push(format!("{title}\n{}\n", escape_markdown(&about(account))));
        for Section { title, table, .. } in sections(account, review) {
            let body = if table.is_empty() { "None.\n".to_owned() } else { table.markdown() };
            parts.push(format!("### {title}\n\n{body}"));
        }
    }
    parts.push(format!("## Sign-off\n\n{}", sign_off(review).markdown()));
    parts.join("\n")
}

pub(super) fn heading(review: &Review) -> String {
    format!("Access review, {}", review.at.strftime("%Y-%m-%d"))
}

/// Returns the table of scope, time and version.
pub(super) fn head(review: &Review) -> Table {
    let mut head = Table::new(["review", ""]);
    head.row(["Created at", &at(review.at)]);
    head.row(["Created with", concat!("roster ", env!("CARGO_PKG_VERSION"))]);
    head.row(["Scope", &review.scope]);
    head.row(["Changes since", &since(review)]);
    head.row(["Accounts", &review.accounts.len().to_string()]);
    head.row(["Stores not read", &review.unread.len().to_string()]);
    head
}

/// Returns a sentence on catalog and store of an account.
pub(super) fn about(account: &AccountReview) -> String {
    let store = match &account.store.unread {
        None => format!("Store: {}.", account.store.place),
        Some(why) => format!("Store not read: {why}."),
    };
    if account.is_orphaned() {
        return format!("{ORPHANED} {store}");
    }
    format!("Catalog: {}. {store}", account.catalog)
}

/// Returns a table to sign, with a line for each account.
pub(super) fn sign_off(review: &Review) -> Table {
    let mut sign = Table::new(["account", "reviewed by", "date", "decision", "remarks", "signature"]);
    for account in &review.accounts {
        sign.row([account.account.as_str(), "", "", "", "", ""]);
    }
    sign
}

fn at(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn since(review: &Review) -> String {
    match &review.since {
        Some(Since::Date(since)) => at(*since),
        Some(Since::Files(path)) => format!("the revision in {path}"),
        None => "not requested".to_owned(),
    }
}

/// Accounts whose store was not read, by why.
pub(super) fn unread(review: &Review) -> Table {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for unread in &review.unread {
        by_reason.entry(&unread.message).or_default().push(&unread.account);
    }
    let mut table = Table::new(["why", "accounts"]);
    for (why, accounts) in by_reason {
        let all = if accounts.len() == review.accounts.len() && accounts.len() > 1 {
            "all".to_owned()
        } else {
            accounts.join(", ")
        };
        table.row([why, &all]);
    }
    table
}

/// Numbers by account; the brief ones fit a terminal.
pub(super) fn counts(review: &Review, brief: bool) -> Table {
    let all = ["people", "with access", "strong", "lifted", "ended", "expiring", "invalid", "undeclared", "drift"];
    let any_undeclared = review.accounts.iter().any(|account| !account.undeclared.is_empty());
    let shown = |name: &str| match name {
        "lifted" | "expiring" => !brief,
        "undeclared" => !brief || any_undeclared,
        _ => true,
    };
    let short = |name: &'static str| if name == "with access" && brief { "access" } else { name };
    let names: Vec<&str> = all.into_iter().filter(|name| shown(name)).collect();
    let headings = std::iter::once("account").chain(names.iter().map(|name| short(name)));
    let places: Vec<usize> = (1..=names.len()).collect();
    let mut table = Table::new(headings).numbers(&places);
    for account in &review.accounts {
        let stored = |number: usize| if account.store.unread.is_none() { number.to_string() } else { "?".to_owned() };
        let number = |name: &str| match name {
            "people" => account.counts.people.to_string(),
            "with access" => account.counts.with_access.to_string(),
            "strong" => account.strongest.len().to_string(),
            "lifted" => account.lifted.len().to_string(),
            "ended" => account.ended.len().to_string(),
            "expiring" => soon(account).count().to_string(),
            "invalid" => account.invalid.len().to_string(),
            "undeclared" => stored(account.undeclared.len()),
            _ => stored(account.drift.len()),
        };
        table.row(std::iter::once(account.account.clone()).chain(names.iter().map(|name| number(name))));
    }
    table
}

pub(super) fn sections(account: &AccountReview, review: &Review) -> Vec<Section> {
    let mut sections = vec![
        strongest(account),
        overrides(account),
        lifted(account),
        ended(account),
        expiring(account),
        advice(account),
        invalid(account),
    ];
    if account.store.unread.is_none() {
        sections.push(undeclared(account));
        sections.push(drift(account));
        sections.push(held_removals(account));
        sections.push(pending(account));
    }
    if review.since.is_some() {
        sections.extend(changes(account));
    }
    sections
}

fn strongest(account: &AccountReview) -> Section {
    let mut table = Table::new(["who", "role", "top levels", "why"]);
    for strong in &account.strongest {
        let withheld = strong.withheld.as_ref().map_or_else(String::new, |why| format!("; no access now: {why}"));
        let undeclared = if strong.undeclared { "; no object names this person" } else { "" };
        table.row([
            strong.email.clone(),
            strong.role.clone(),
            format!("{} of {}", strong.sections_at_top, strong.sections),
            strong.why.join("; ") + &withheld + undeclared,
        ]);
    }
    Section { title: "Strongest access", none: "strong access", table }
}

fn overrides(account: &AccountReview) -> Section {
    let mut table = Table::new(["predefined role", "override", "members", "section", "default", "here"]).numbers(&[2]);
    for one in &account.overrides {
        for change in &one.changes {
            table.row([
                one.overrides.clone(),
                one.role.clone(),
                one.members.to_string(),
                change.section.clone(),
                change.default.clone(),
                change.now.clone(),
            ]);
        }
        if one.changes.is_empty() {
            table.row([one.overrides.as_str(), &one.role, &one.members.to_string(), "–", "as by default", "–"]);
        }
    }
    Section { title: "Predefined roles overridden", none: "predefined roles overridden", table }
}

fn lifted(account: &AccountReview) -> Section {
    let mut table = Table::new(["who", "membership", "restrictions lifted", "equal to the owner"]);
    for one in &account.lifted {
        let equal = if one.equal_to_owner { "yes" } else { "no" };
        table.row([one.email.as_str(), &one.membership, &one.restrictions.join(", "), equal]);
    }
    Section { title: "Restrictions lifted", none: "restrictions lifted", table }
}

fn ended(account: &AccountReview) -> Section {
    let mut table = Table::new(["who", "reason", "since"]);
    for one in &account.ended {
        let unknown = if one.absent { "not in the store" } else { "unknown" };
        let since = one.since.map_or_else(|| unknown.to_owned(), at);
        let place = match (one.in_store_only, one.not_in_store_yet) {
            (true, _) => " (in the store only)",
            (false, true) => " (not in the store yet: still has access)",
            (false, false) => "",
        };
        table.row([one.email.as_str(), &format!("{}{place}", one.reason.word()), &since]);
    }
    Section { title: "Suspended, blocked or expired", none: "people suspended, blocked or expired", table }
}

/// Returns the memberships that end soon. Those that have ended are listed as ended.
fn soon(account: &AccountReview) -> impl Iterator<Item = &Expiring> {
    account.expiring.iter().filter(|one| !one.expired)
}

fn expiring(account: &AccountReview) -> Section {
    let mut table = Table::new(["who", "membership", "ends"]);
    for one in soon(account) {
        table.row([one.email.as_str(), &one.membership, &at(one.expires_at)]);
    }
    Section { title: "Memberships that end soon", none: "memberships that end soon", table }
}

/// Returns the section on advice; equal advice for several objects is grouped.
fn advice(account: &AccountReview) -> Section {
    let mut by_message: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in &account.advice {
        match by_message.iter_mut().find(|(message, _)| *message == finding.message) {
            Some((_, objects)) => objects.push(&finding.object),
            None => by_message.push((&finding.message, vec![&finding.object])),
        }
    }
    let mut table = Table::new(["advice", "objects"]);
    for (message, objects) in by_message {
        table.row([message, &objects.join(", ")]);
    }
    Section { title: "Advice not followed", none: "advice not followed", table }
}

fn invalid(account: &AccountReview) -> Section {
    let mut table = Table::new(["object", "reason", "message"]);
    for finding in &account.invalid {
        let reason = finding.reason.map(|reason| reason.to_string()).unwrap_or_default();
        table.row([&finding.object, &reason, &finding.message]);
    }
    Section { title: "Invalid objects", none: "invalid objects", table }
}

fn undeclared(account: &AccountReview) -> Section {
    let mut table = Table::new(["who", "role", "sections", "mark"]).numbers(&[2]);
    for one in &account.undeclared {
        let role = one.role.as_deref().unwrap_or("–");
        table.row([one.email.as_str(), role, &one.sections.to_string(), &one.mark]);
    }
    Section { title: "Undeclared members", none: "undeclared members", table }
}

fn drift(account: &AccountReview) -> Section {
    let mut table = Table::new(["difference"]);
    for entry in &account.drift {
        table.row([drift_sentence(entry)]);
    }
    Section { title: "Drift", none: "drift", table }
}

fn held_removals(account: &AccountReview) -> Section {
    let mut table = Table::new(["who", "role", "sections"]).numbers(&[2]);
    for email in &account.held_removals {
        let line = account.people.iter().find(|person| person.email == *email);
        let sections = line.and_then(|line| line.sections_with_access).unwrap_or(0);
        table.row([email.as_str(), line.map_or("", |line| line.role.as_str()), &sections.to_string()]);
    }
    let title = "Removals held back by the removal guard: these members keep their access";
    Section { title, none: "removals held back", table }
}

fn pending(account: &AccountReview) -> Section {
    let mut table = Table::new(["what"]);
    if account.pending > 0 {
        table.row([format!("{}: see `roster plan`", counted(account.pending, "change"))]);
    }
    Section { title: "Not in the store yet", none: "changes not in the store yet", table }
}

fn changes(account: &AccountReview) -> Option<Section> {
    let changes = account.changes.as_ref()?;
    let with_time = changes.iter().any(|change| change.at.is_some());
    let mut table =
        if with_time { Table::new(["time", "object", "change", "why"]) } else { Table::new(["who", "change"]) };
    for one in changes {
        if with_time {
            let time = one.at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
            table.row([&time, &one.object, &one.change, &one.why]);
        } else {
            table.row([&one.object, &one.change]);
        }
    }
    Some(Section { title: "Changes", none: "changes since then", table })
}
