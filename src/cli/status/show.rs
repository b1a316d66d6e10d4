//! The overview as people read it.

use jiff::{SignedDuration, Timestamp};

use super::{
    gather::Status,
    leases::{Controller, LeaseState},
};
use crate::cli::output::{BAD, BOLD, GOOD, Table, WARN, counted, paint, wrap};

/// Accounts, and objects that are not ready, that are shown: what matters is on one screen. `-o json` has all.
const SHOWN: usize = 10;

/// As text of at most 100 columns.
pub fn text(status: &Status, now: Timestamp) -> String {
    let mut text = controller(&status.controller, now);
    text += &section("Stores", &stores(status));
    text += &section("Catalogs", &catalogs(status));
    text += &section("Accounts", &accounts(status, now));
    text += &more(status.accounts.len());
    text += &section("Objects", &objects(status));
    let total = status.not_ready.len();
    if total > 0 {
        let title = paint(WARN, format!("Not ready: {}", counted(total, "object")));
        text = format!("{text}\n{title}\n{}", not_ready(status, now).text());
        text += &more(total);
    }
    text += &what_to_do(status);
    for guarded in &status.guarded {
        let title = paint(WARN, format!("{}: removals are held back. If they are wanted:", guarded.account));
        text = format!("{text}\n{title}\n  {}\n", guarded.command);
    }
    format!("{text}\n{}\n", verdict(status, now))
}

/// What is wrong, in a line, and for how long at most.
fn verdict(status: &Status, now: Timestamp) -> String {
    if status.is_ready() {
        return if status.controller.is_unknown() {
            paint(WARN, "Everything that can be seen is ready; who leads cannot be seen.")
        } else {
            paint(GOOD, "Everything is ready.")
        };
    }
    let mut wrong = Vec::new();
    if status.controller.is_missing() {
        wrong.push("nobody leads".to_owned());
    }
    if status.controller.is_unknown() {
        wrong.push("who leads cannot be seen".to_owned());
    }
    let open = status.stores.iter().filter(|store| !store.blocked_in_force).count();
    if open > 0 {
        wrong.push(format!("blocks are not in force in {}", counted(open, "store")));
    }
    if !status.not_ready.is_empty() {
        let longest = status.not_ready.iter().filter_map(|one| one.since).min();
        let longest = longest.map(|since| format!(", the longest for {}", age(now.duration_since(since))));
        let count = counted(status.not_ready.len(), "object");
        wrong.push(format!("{count} not ready{}", longest.unwrap_or_default()));
    }
    paint(BAD, format!("Not everything is ready: {}.", wrong.join("; ")))
}

fn section(title: &str, table: &Table) -> String {
    let body = if table.is_empty() { "none\n".to_owned() } else { table.text() };
    format!("\n{}\n{body}", paint(BOLD, title))
}

fn more(total: usize) -> String {
    if total > SHOWN { format!("and {} more; -o json has all\n", total - SHOWN) } else { String::new() }
}

fn controller(controller: &Controller, now: Timestamp) -> String {
    let age = |at: Option<Timestamp>| at.map_or_else(|| "unknown".to_owned(), |at| age(now.duration_since(at)));
    let oldest = controller.held.iter().min_by_key(|held| held.renewed);
    let renewed = age(oldest.and_then(|held| held.renewed));
    let holder = oldest.map_or("", |held| held.holder.as_str());
    let said = match (controller.state, controller.shards) {
        (LeaseState::Leading, 1) => format!(
            "{} leads since {} (renewed {renewed} ago)",
            paint(GOOD, holder),
            oldest
                .and_then(|held| held.since)
                .map_or_else(|| "?".to_owned(), |since| since.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ),
        (LeaseState::Leading, shards) => {
            let replicas = controller.replicas();
            let names = replicas.iter().copied().collect::<Vec<_>>().join(", ");
            let said = match replicas.len() {
                1 => format!("one replica looks after all {shards} shards"),
                count => format!("{count} replicas look after {shards} shards"),
            };
            format!("{} (renewed {renewed} ago): {names}", paint(GOOD, &said))
        }
        (LeaseState::Partial, shards) => {
            let missing = controller.missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("{}: nobody looks after shard {missing} of {shards}", paint(BAD, "incomplete"))
        }
        (LeaseState::Expired, _) => {
            format!("{}: {holder} last renewed its lease {renewed} ago", paint(BAD, "nobody leads"))
        }
        (LeaseState::Absent, _) => {
            format!("{}: nobody holds a lease in namespace {}", paint(BAD, "nobody leads"), controller.namespace)
        }
        (LeaseState::Unknown, _) => {
            format!("{}: {}", paint(WARN, "not known"), controller.message.as_deref().unwrap_or_default())
        }
    };
    format!("{} {said}\n", paint(BOLD, "Controller"))
}

/// `12s`, `5m`, `3h`, `4d`, as kubectl has it.
pub fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

fn stores(status: &Status) -> Table {
    let mut table =
        Table::new(["name", "ready", "accounts", "members", "blocked", "orphaned", "can"]).numbers(&[2, 3, 4, 5]);
    for store in &status.stores {
        let blocked = if store.blocked_in_force { String::new() } else { " (not in force)".to_owned() };
        table.row([
            store.name.clone(),
            store.ready.clone(),
            number(store.accounts),
            number(store.members),
            format!("{}{blocked}", store.blocked),
            store.orphaned_accounts.len().to_string(),
            store.capabilities.join(", "),
        ]);
    }
    table
}

fn catalogs(status: &Status) -> Table {
    let mut table = Table::new(["name", "ready", "accounts", "sections", "roles"]).numbers(&[2, 3, 4]);
    for catalog in &status.catalogs {
        table.row([
            catalog.name.clone(),
            catalog.ready.clone(),
            number(catalog.accounts),
            catalog.sections.to_string(),
            catalog.roles.to_string(),
        ]);
    }
    table
}

fn accounts(status: &Status, now: Timestamp) -> Table {
    let mut table = Table::new(["account", "ready", "members", "drift", "checked"]).numbers(&[2, 3]);
    // Those that somebody should look at come first.
    let mut accounts: Vec<_> = status.accounts.iter().collect();
    accounts.sort_by_key(|account| account.ready == "True");
    for account in accounts.into_iter().take(SHOWN) {
        let checked = account.last_checked.map(|at| format!("{} ago", age(now.duration_since(at))));
        table.row([
            account.account.clone(),
            account.ready.clone(),
            number(account.members),
            account.drift.to_string(),
            checked.unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table
}

fn objects(status: &Status) -> Table {
    let mut table = Table::new(["kind", "total", "ready", "not ready"]).numbers(&[1, 2, 3]);
    for kind in &status.objects {
        table.row([kind.kind.clone(), kind.total.to_string(), kind.ready.to_string(), kind.not_ready.to_string()]);
    }
    table
}

fn not_ready(status: &Status, now: Timestamp) -> Table {
    let mut table = Table::new(["object", "reason", "since", "message"]).whole(&[2]);
    for one in status.not_ready.iter().take(SHOWN) {
        let place = one.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        let since = one.since.map_or_else(|| "?".to_owned(), |since| age(now.duration_since(since)));
        table.row([format!("{} {place}{}", one.kind, one.name), one.reason.to_string(), since, one.message.clone()]);
    }
    table
}

/// A line for each thing that is wrong, once; nothing where nothing is.
fn what_to_do(status: &Status) -> String {
    let mut lines: Vec<(String, &str)> = Vec::new();
    if status.controller.is_missing() {
        lines.push(("nobody leads".to_owned(), "start a controller, or see in its log why it cannot have the lease"));
    }
    if status.stores.iter().any(|store| !store.blocked_in_force) {
        lines.push((
            "not in force".to_owned(),
            "see blockedWithAccess in the store's status: who still has access, and where",
        ));
    }
    for one in &status.not_ready {
        let (Some(remedy), reason) = (one.remedy, one.reason.to_string()) else { continue };
        if !lines.iter().any(|(what, _)| *what == reason) {
            lines.push((reason, remedy));
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let width = lines.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
    let body: String = lines.iter().map(|(what, do_)| wrap(&format!("{what:width$}  "), width + 2, do_)).collect();
    format!("\n{}\n{body}docs/runbook.md says more about each reason.\n", paint(BOLD, "What to do"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectls() {
        let told = |seconds| age(SignedDuration::from_secs(seconds));
        assert_eq!([told(-1), told(5), told(300), told(7_200), told(400_000)], ["0s", "5s", "5m", "2h", "4d"]);
    }
}
