//! Builds the matrix of the people of an account that only a store has. Called by `roster matrix`.

use jiff::Timestamp;

use super::{
    Rows,
    build::{finish, row},
    grid::{AccessMatrix, Cell, MatrixRow},
};
use crate::{
    cli::{people::Withheld, target::OrphanedAccount},
    model::Name,
};

/// Returns the matrix of the people of an account, with their levels in the store at `now`.
pub(super) fn of_orphaned_account(account: &OrphanedAccount, now: Timestamp) -> AccessMatrix {
    let layout = &account.observed.layout;
    let content = account.content();
    let owner = content.and_then(|content| content.owner.as_ref());
    let people = account.members().map(|(email, member)| {
        let ranks = member.ranks_at(now).fitted(layout.len());
        let cells = std::iter::zip(layout.ladders(), ranks.as_slice());
        let cells = cells.map(|(ladder, rank)| Cell::level(&ladder.levels, *rank)).collect();
        let note = Withheld::in_store(member, now).map(|why| match why {
            Withheld::Ended(end) => end.in_words().to_owned(),
            Withheld::StartsAt(at) => format!("access begins at {at}"),
            Withheld::ExpiredAt(at) => format!("expired at {at}"),
        });
        let is_owner = (owner == Some(email)).then(|| "owner".to_owned());
        let notes: Vec<String> = is_owner.into_iter().chain(note).collect();
        row(email.as_str(), member.display_name.as_deref().unwrap_or(email.as_str()), notes.join(", "), cells)
    });
    let rows: Vec<MatrixRow> = people.collect();
    let (key, title) = (account.key.to_string(), account.display_name().to_owned());
    let catalog = content.map_or_else(Name::default, |content| content.catalog.clone());
    finish(Some(key), Some(title), &catalog, Rows::People, None, layout, rows, Vec::new(), vec![account.note()])
}
