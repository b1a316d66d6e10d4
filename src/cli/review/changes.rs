//! Collects access gained or lost since a date, from the store's audit, or between two revisions of files. Called by
//! `review::account` and `review::stored`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::report::ChangeLine;
use crate::{
    cli::{
        audit::{changes::text, query},
        people::people,
    },
    manifests::LoadedObjects,
    model::{AccountKey, Email, Layout, Ranks},
    resolve::AccountResolution,
    store::{AuditQuery, AuditRecord, Store, StoreError},
};

/// Records read at a time.
const PAGE: u32 = 5_000;

/// Returns the records of an account since an instant.
pub async fn records(
    store: &dyn Store,
    account: &AccountKey,
    since: Option<Timestamp>,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut query = AuditQuery { account: Some(account.clone()), since, limit: PAGE, ..AuditQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = store.audit(&query).await?;
        let Some(last) = page.last() else { return Ok(all) };
        query.after = last.seq;
        all.extend(page);
    }
}

/// Records as lines of a report.
pub fn lines(records: &[AuditRecord]) -> Vec<ChangeLine> {
    let line = |record: &AuditRecord| ChangeLine {
        at: Some(record.at),
        object: query::object(record),
        change: text(record),
        why: query::why(record),
    };
    records.iter().map(line).collect()
}

/// Returns the changes of people's access between two revisions of files.
pub fn between(earlier: &LoadedObjects, now: &LoadedObjects, account: &AccountKey, at: Timestamp) -> Vec<ChangeLine> {
    let (before, after) = (access(earlier, account, at), access(now, account, at));
    let emails: BTreeSet<&Email> = before.keys().chain(after.keys()).collect();
    let mut lines = Vec::new();
    for email in emails {
        let (had, has) = (before.get(email), after.get(email));
        let (is_new, is_gone) = (had.is_none(), has.is_none());
        let sections: BTreeSet<&String> = had.into_iter().chain(has).flat_map(BTreeMap::keys).collect();
        let changed = sections.into_iter().filter_map(|section| {
            let (had, has) = (had.and_then(|levels| levels.get(section)), has.and_then(|levels| levels.get(section)));
            let shown = |level: Option<&String>| level.map_or("no access", String::as_str).to_owned();
            (had != has).then(|| match (had, has) {
                (None, Some(level)) if is_new => format!("{section}: {level}"),
                (Some(level), None) if is_gone => format!("{section}: {level}"),
                _ => format!("{section}: {} → {}", shown(had), shown(has)),
            })
        });
        let changed: Vec<String> = changed.collect();
        let levels = if changed.is_empty() { "no access".to_owned() } else { changed.join(", ") };
        let change = match (is_new, is_gone) {
            (true, _) => format!("added: {levels}"),
            (_, true) => format!("removed; was: {levels}"),
            _ if changed.is_empty() => continue,
            _ => levels,
        };
        lines.push(ChangeLine { at: None, object: email.to_string(), change, why: String::new() });
    }
    lines
}

/// Returns the permissions of each person, by section.
fn access(loaded: &LoadedObjects, account: &AccountKey, at: Timestamp) -> BTreeMap<Email, BTreeMap<String, String>> {
    let Some(resolved) = loaded.judge(account, at) else { return BTreeMap::new() };
    let Some(entry) = loaded.objects.accounts.get(account) else { return BTreeMap::new() };
    let layout = match &resolved.definitions.resolution {
        AccountResolution::Resolved(whole) => whole.catalog.layout.clone(),
        AccountResolution::Unresolvable => Layout::default(),
    };
    let named = |ranks: &Ranks| layout.named(ranks).map(|(name, level)| (name.to_owned(), level.to_owned())).collect();
    let everybody = people(&resolved, entry).into_iter();
    everybody
        .map(|person| {
            let ranks = person.ranks(at, layout.len()).unwrap_or_default();
            (person.email, named(&ranks))
        })
        .collect()
}
