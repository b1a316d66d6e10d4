//! Writes one line for each account of a person. Called by `roster explain` without `--account`.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::report::AccessExplanation;
use crate::{
    cli::{
        ask::{StoredAccess, day},
        output::{API_VERSION, BOLD, DIM, Table, counted, paint, tame, wrap},
        target::only_in,
    },
    model::{Email, KindName},
};

/// Access of a person in every account, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonAccess {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    /// The address, in its canonical form.
    pub(super) user: String,
    /// Number of accounts among the objects that were searched.
    pub(super) searched_accounts: usize,
    /// The accounts that name them, or whose store holds them.
    pub(super) accounts: Vec<AccessExplanation>,
    /// Accounts of the store that are not among the objects, and hold them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) in_store_only: Vec<StoredAccess>,
}

impl PersonAccess {
    pub(super) fn new(
        email: &Email,
        searched_accounts: usize,
        accounts: Vec<AccessExplanation>,
        in_store_only: Vec<StoredAccess>,
    ) -> Self {
        let (api_version, kind) = (API_VERSION, "PersonAccess");
        Self { api_version, kind, user: email.to_string(), searched_accounts, accounts, in_store_only }
    }

    /// Returns whether no account has the address.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.in_store_only.is_empty()
    }

    /// Returns the names of the accounts.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let objects = self.accounts.iter().map(|one| one.account.as_str());
        objects.chain(self.in_store_only.iter().map(|one| one.account.as_str()))
    }

    /// Returns the overview as text.
    pub(super) fn text(&self, wide: bool) -> String {
        let name = self.accounts.iter().find_map(|one| one.display_name.as_deref());
        let who = name.map_or_else(|| self.user.clone(), |name| format!("{} <{}>", tame(name), self.user));
        let accounts = counted(self.accounts.len() + self.in_store_only.len(), "account");
        let mut text =
            format!("{} in {accounts} of {}\n\n", paint(BOLD, who), self.searched_accounts + self.in_store_only.len());
        text += &self.table(wide).text();
        for one in self.in_store_only.iter().filter(|one| one.access) {
            text.push('\n');
            text += &wrap(&format!("{}  ", one.account), one.account.chars().count() + 2, &one.levels_in_words());
        }
        let hint = "--account NAMESPACE/NAME explains each section.";
        if !self.accounts.is_empty() {
            let _ = writeln!(text, "\n{}", paint(DIM, hint));
        }
        text
    }

    fn table(&self, wide: bool) -> Table {
        let more = wide.then_some(["groups", "from"]).into_iter().flatten();
        let headings = ["account", "access", "role", "sections"].into_iter().chain(more).chain(["note"]);
        let mut table = Table::new(headings).whole(&[0]);
        for one in &self.accounts {
            let more = wide.then(|| [groups(one), sources(one)]).into_iter().flatten();
            let cells = [one.account.clone(), access(one), role(one), sections(one)];
            table.row(cells.into_iter().chain(more).chain([note(one)]));
        }
        for one in &self.in_store_only {
            let more = wide.then(|| [one.groups.join(", "), String::new()]).into_iter().flatten();
            let access = match one.ended {
                Some(end) => format!("none: {}", end.in_words()),
                None => if one.access { "now" } else { "none" }.to_owned(),
            };
            let role = one.role.clone().unwrap_or_else(|| "–".to_owned());
            let sections = format!("{} of {}", one.levels.len(), one.sections);
            let cells = [one.account.clone(), access, role, sections];
            table.row(cells.into_iter().chain(more).chain([only_in(&one.store)]));
        }
        table
    }
}

/// Returns the present access, or why there is none.
fn access(one: &AccessExplanation) -> String {
    match (one.access, &one.withheld) {
        (Some(true), _) => "now".to_owned(),
        (_, Some(why)) => format!("none: {why}"),
        (Some(false), None) if is_invited(one) => "none: invited".to_owned(),
        (Some(false), None) => "none".to_owned(),
        (None, None) => "?".to_owned(),
    }
}

fn is_invited(one: &AccessExplanation) -> bool {
    !one.sources.is_empty() && one.sources.iter().all(|source| source.kind == KindName::Invitation)
}

fn role(one: &AccessExplanation) -> String {
    let mut roles: Vec<String> =
        one.sources.iter().filter_map(|source| Some(source.role.as_ref()?.to_string())).collect();
    roles.dedup();
    if roles.is_empty() { "–".to_owned() } else { roles.join(", ") }
}

fn sections(one: &AccessExplanation) -> String {
    if one.access.is_none() {
        return "?".to_owned();
    }
    let with = one.sections.iter().filter(|section| section.access).count();
    format!("{with} of {}", one.sections.len())
}

fn groups(one: &AccessExplanation) -> String {
    one.sources.iter().flat_map(|source| source.groups.clone()).collect::<Vec<_>>().join(", ")
}

fn sources(one: &AccessExplanation) -> String {
    let named = one.sources.iter().map(|source| format!("{} {}", source.kind.as_str(), source.name));
    named.collect::<Vec<_>>().join(", ")
}

fn note(one: &AccessExplanation) -> String {
    let mut notes = Vec::new();
    if one.owner {
        notes.push("owner".to_owned());
    }
    if one.sources.is_empty() {
        notes.push("in the store only".to_owned());
    }
    notes.extend(one.expires_at.filter(|_| one.withheld.is_none()).map(|at| format!("expires {}", day(at))));
    if one.sources.iter().any(|source| !source.faults.is_empty()) {
        notes.push("invalid".to_owned());
    }
    notes.extend(one.difference.clone());
    notes.join("; ")
}
