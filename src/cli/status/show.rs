//! Writes the overview as text. Called by `roster status`.

use jiff::{SignedDuration, Timestamp};

use super::{
    access::AccessSummary,
    gather::{NotReady, Status, Store},
    leases::{Controller, LeaseState},
    undeclared,
};
use crate::{
    cli::output::{BAD, BOLD, GOOD, Table, WARN, counted, paint, wrap},
    model::first_of,
};

/// Maximum number of accounts, and of objects that are not ready, so that the important part fits on one screen. `-o
/// wide` shows all.
const SHOWN: usize = 10;

/// Returns the overview with at most 100 columns: the summary, then what needs attention, then the rest. Ready objects
/// are only counted unless `all` is set.
pub fn text(status: &Status, now: Timestamp, all: bool) -> String {
    let shown = if all { usize::MAX } else { SHOWN };
    let mut text = format!("{}\n{}", verdict(status, now), controller(&status.controller, now));
    let total = status.not_ready.len();
    if total > 0 {
        let shown = fits(total, shown);
        let title = paint(WARN, format!("Not ready: {}", counted(total, "object")));
        text = format!("{text}\n{title}\n{}", not_ready(&status.not_ready, now, shown).text());
        text += &more(total, shown);
    }
    for guarded in &status.guarded {
        let what = if guarded.deletion {
            "its deletion is held back. To approve it"
        } else {
            "removals are held back. To approve them"
        };
        let title = paint(WARN, format!("{}: {what}:", guarded.account));
        text = format!("{text}\n{title}\n  {}\n", guarded.command);
        if let Some(orphan) = &guarded.orphan {
            text = format!("{text}To delete the Account and keep everybody's access:\n  {orphan}\n");
        }
    }
    text += &undeclared::text(&status.undeclared);
    for (name, command) in status.stores.iter().filter_map(|store| Some((&store.name, store.approve.as_ref()?))) {
        let title = format!("{name}: the store is not the one used so far. If it is the right one:");
        text = format!("{text}\n{}\n  {command}\n", paint(WARN, title));
    }
    text += &what_to_do(status);
    text += &access(&status.access, now, shown);
    text += &section("Stores", &stores(status));
    text += &orphaned(status, shown);
    text += &section("Catalogs", &catalogs(status));
    text += &accounts(status, shown);
    text + &objects(status)
}

/// Returns the counts of access, and memberships that end or have expired.
fn access(access: &AccessSummary, now: Timestamp, shown: usize) -> String {
    let mut text = format!("\n{}\n{}\n", paint(BOLD, "Access"), access.counts());
    let mut table = Table::new(["membership", "user", "ends"]).whole(&[2]);
    for end in access.ends_soon.iter().take(shown) {
        table.row([end.membership.clone(), end.user.clone(), format!("in {}", age(end.at.duration_since(now)))]);
    }
    for end in access.expired.iter().take(shown) {
        table.row([end.membership.clone(), end.user.clone(), format!("{} ago", age(now.duration_since(end.at)))]);
    }
    if !table.is_empty() {
        text += &table.text();
    }
    let left = access.ends_soon.len().saturating_sub(shown) + access.expired.len().saturating_sub(shown);
    if left > 0 {
        text = format!("{text}and {left} more; -o wide has all\n");
    }
    for owner in access.blocked_owners.iter().take(shown) {
        text += &wrap("", 0, &format!("{}, the owner of {}, is blocked", owner.user, owner.account));
    }
    text + &more(access.blocked_owners.len(), shown)
}

/// Returns the summary line with the longest time not ready.
fn verdict(status: &Status, now: Timestamp) -> String {
    if status.is_ready() {
        let place =
            status.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        return if status.is_empty() {
            paint(WARN, format!("There are no objects of Roster{place}."))
        } else if status.controller.is_unknown() {
            paint(WARN, "All visible objects are ready; the leader is unknown.")
        } else {
            paint(GOOD, "Everything is ready.")
        };
    }
    let mut wrong = Vec::new();
    if status.controller.is_missing() {
        wrong.push("no leader".to_owned());
    }
    if status.controller.is_unknown() {
        wrong.push("the leader is unknown".to_owned());
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

/// Returns how many of `total` rows are shown if at most `shown` fit: all, if the line about the others would stand in
/// for a single one.
const fn fits(total: usize, shown: usize) -> usize {
    if total == shown.saturating_add(1) { total } else { shown }
}

fn more(total: usize, shown: usize) -> String {
    if total > shown { format!("and {} more; -o wide has all\n", total - shown) } else { String::new() }
}

fn controller(controller: &Controller, now: Timestamp) -> String {
    let age = |at: Option<Timestamp>| at.map_or_else(|| "unknown".to_owned(), |at| age(now.duration_since(at)));
    let oldest = controller.held.iter().min_by_key(|held| held.renewed);
    let renewed = age(oldest.and_then(|held| held.renewed));
    let holder = oldest.map_or("", |held| held.holder.as_str());
    let line = match (controller.state, controller.shards) {
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
            let line = match replicas.len() {
                1 => format!("one replica holds all {shards} shards"),
                count => format!("{count} replicas hold {shards} shards"),
            };
            format!("{} (renewed {renewed} ago): {names}", paint(GOOD, &line))
        }
        (LeaseState::Partial, shards) => {
            let missing = controller.missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("{}: no replica holds shard {missing} of {shards}", paint(BAD, "incomplete"))
        }
        (LeaseState::Expired, _) => {
            format!("{}: {holder} last renewed its lease {renewed} ago", paint(BAD, "no leader"))
        }
        (LeaseState::Absent, _) => {
            format!("{}: no lease is held in namespace {}", paint(BAD, "no leader"), controller.namespace)
        }
        (LeaseState::Unknown, _) => {
            format!("{}: {}", paint(WARN, "not known"), controller.message.as_deref().unwrap_or_default())
        }
    };
    format!("{} {line}\n", paint(BOLD, "Controller"))
}

/// Formats an age like kubectl: `12s`, `5m`, `3h`, `4d`.
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

/// Returns the accounts in stores that no Account describes; their members keep their access.
fn orphaned(status: &Status, shown: usize) -> String {
    let with = status.stores.iter().filter(|store| !store.orphaned_accounts.is_empty());
    let line = |store: &Store| {
        let names = first_of(&store.orphaned_accounts, shown);
        let line = format!("has accounts that no Account describes; their members keep their access: {names}");
        wrap(&format!("{} ", store.name), store.name.chars().count() + 1, &line)
    };
    with.map(line).collect()
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

/// Returns the accounts that are not ready; ready ones are counted, unless there are only a few.
fn accounts(status: &Status, most: usize) -> String {
    let (ready, mut shown): (Vec<_>, Vec<_>) = status.accounts.iter().partition(|account| account.ready == "True");
    let folds = status.accounts.len() > most && !ready.is_empty();
    let folded = if folds { format!("{} ready\n", counted(ready.len(), "account")) } else { String::new() };
    if !folds {
        shown.extend(ready);
    }
    if shown.is_empty() && folds {
        return format!("\n{}\n{folded}", paint(BOLD, "Accounts"));
    }
    let mut table = Table::new(["account", "ready", "members", "drift"]).numbers(&[2, 3]);
    let most = fits(shown.len(), most);
    for account in shown.iter().take(most) {
        table.row([account.account.clone(), account.ready.clone(), number(account.members), account.drift.to_string()]);
    }
    section("Accounts", &table) + &more(shown.len(), most) + &folded
}

/// Returns the number of objects of each kind, and how many are not ready.
fn objects(status: &Status) -> String {
    let kinds = status.objects.iter().filter(|kind| kind.total > 0).map(|kind| match kind.not_ready {
        0 => counted(kind.total, &kind.kind),
        some => format!("{} ({some} not ready)", counted(kind.total, &kind.kind)),
    });
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let body = if kinds.is_empty() { "none\n".to_owned() } else { wrap("", 0, &kinds) };
    format!("\n{}\n{body}", paint(BOLD, "Objects"))
}

/// Returns the objects that are not ready. The time is that of `Ready=False`: a condition does not keep since when it has
/// its reason.
fn not_ready(objects: &[NotReady], now: Timestamp, shown: usize) -> Table {
    let mut table = Table::new(["object", "reason", "not ready for", "message"]).whole(&[2]);
    for one in objects.iter().take(shown) {
        let since = one.since.map_or_else(|| "?".to_owned(), |since| age(now.duration_since(since)));
        table.row([one.object(), one.reason.to_string(), since, one.message.clone()]);
    }
    table
}

/// Returns a line for each fault, once; empty if there is none.
fn what_to_do(status: &Status) -> String {
    let mut lines: Vec<(String, &str)> = Vec::new();
    if status.controller.is_missing() {
        lines.push(("no leader".to_owned(), "start a controller, or find the error in its log"));
    }
    if status.stores.iter().any(|store| !store.blocked_in_force) {
        lines.push((
            "not in force".to_owned(),
            "see blockedWithAccess in the store's status for the people who still have access",
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
    format!("\n{}\n{body}See docs/runbook.md for each reason.\n", paint(BOLD, "What to do"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::reason::ReadyReason;

    #[test]
    fn the_time_of_an_object_is_named_for_what_it_is() {
        let now = Timestamp::from_second(300_000).unwrap();
        let one = NotReady {
            kind: "Account".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "acme".to_owned(),
            reason: ReadyReason::parse("Paused"),
            message: "paused".to_owned(),
            since: Some(Timestamp::UNIX_EPOCH),
            remedy: None,
            stalled: false,
        };
        let shown = anstream::adapter::strip_str(&not_ready(&[one], now, 1).text()).to_string();
        assert!(shown.contains("REASON  NOT READY FOR  MESSAGE") && shown.contains("Paused  3d "), "{shown}");
    }

    #[test]
    fn ages_read_as_kubectls() {
        let shown = |seconds| age(SignedDuration::from_secs(seconds));
        assert_eq!([shown(-1), shown(5), shown(300), shown(7_200), shown(400_000)], ["0s", "5s", "5m", "2h", "4d"]);
    }
}
