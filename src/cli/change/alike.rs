//! Groups limits that change alike in several objects of a kind. Called by the text and Markdown output of plans.

use std::collections::HashMap;

use super::{
    report::{LimitChange, Report},
    text::thousands,
};
use crate::limits::Direction;

/// A limit that changes alike in some objects.
pub(super) struct Alike<'a> {
    /// The change, as of the first object.
    pub(super) limit: &'a LimitChange,
    kind: &'a str,
    names: Vec<&'a str>,
}

impl Report {
    /// Returns the limits that change in one direction, in the report's order.
    pub(super) fn limits_of(&self, direction: Direction) -> Vec<Alike<'_>> {
        let mut found: Vec<Alike<'_>> = Vec::new();
        let mut places = HashMap::new();
        for limit in self.limits.iter().filter(|limit| limit.direction == direction) {
            let (kind, name) = limit.object.split_once(' ').unwrap_or((&limit.object, ""));
            let place =
                *places.entry((kind, &limit.field, &limit.from, &limit.to, &limit.meaning)).or_insert(found.len());
            match found.get_mut(place) {
                Some(alike) => alike.names.push(name),
                None => found.push(Alike { limit, kind, names: vec![name] }),
            }
        }
        found
    }

    /// Says how many of the loosened limits do not fit into so many rows; nothing where all do.
    pub(super) fn hidden_limits(&self, rows: usize) -> Option<String> {
        let rows = rows.max(LOOSENED);
        let all = self.limits_of(Direction::Loosened).len();
        let (shown, of) = (thousands(rows), thousands(all));
        (all > rows).then(|| format!("only {shown} of {of} loosened limits are shown here; --all shows all of them"))
    }
}

/// Loosened limits that are shown in any case.
pub(super) const LOOSENED: usize = 100;

impl Alike<'_> {
    /// Returns the objects as text with at most `names` names: `Account shop/acme`, or `60 Accounts (shop/acme,
    /// shop/bolt and 58 more)`.
    pub(super) fn objects(&self, names: usize) -> String {
        let count = self.names.len();
        if count == 1 {
            return self.limit.object.clone();
        }
        let named = self.names.iter().take(names).copied().collect::<Vec<_>>().join(", ");
        let more = count.saturating_sub(names);
        let more = if more > 0 { format!(" and {} more", thousands(more)) } else { String::new() };
        format!("{} {}s ({named}{more})", thousands(count), self.kind)
    }
}
