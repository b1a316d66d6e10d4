//! Observes everything that a store holds, including what others wrote. Called by the SQL stores, and by `write` before
//! a batch.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{
    content::{AccountRow, DefinitionRow, LadderRow, MarkRow, MemberRow, account_key, layout_of, mark_of},
    session::{Cells, Read, Session, Table},
};
use crate::{
    model::{AccountKey, Email, Layout, Name, RoleName, Scope},
    plan::{Existing, Mark, ObjectKey, Observed, RecentRemoval},
    store::Totals,
};

/// Extent of a read, apart from the account itself.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Everything in the account.
    Whole,
    /// Only rows with these names.
    Named { roles: Vec<String>, groups: Vec<String>, members: Vec<String> },
}

impl Wanted {
    /// Returns the extent that covers these objects.
    pub(super) fn named<'a>(objects: impl Iterator<Item = &'a ObjectKey>) -> Self {
        let (mut roles, mut groups, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for object in objects {
            match object {
                ObjectKey::Account => {}
                ObjectKey::Role(name) => roles.push(name.to_string()),
                ObjectKey::Group(name) => groups.push(name.to_string()),
                ObjectKey::Member(email) => members.push(email.to_string()),
            }
        }
        Self::Named { roles, groups, members }
    }

    fn names(&self, table: Table) -> Option<&[String]> {
        match (self, table) {
            (Self::Whole, _) => None,
            (Self::Named { roles, .. }, Table::Roles) => Some(roles),
            (Self::Named { groups, .. }, Table::Groups) => Some(groups),
            (Self::Named { members, .. }, Table::Members) => Some(members),
        }
    }
}

/// Returns the marks of all accounts.
pub(in crate::store) async fn accounts(session: &mut dyn Session) -> Result<Vec<Mark>, sqlx::Error> {
    let mut marks = Vec::new();
    let mut take = |row: &dyn Cells| {
        marks.push(owner(row, 0)?);
        Ok(())
    };
    session.each(Read::Accounts, &mut take).await?;
    Ok(marks)
}

/// Returns the keys of all accounts of which the store holds anything.
pub(in crate::store) async fn keys(session: &mut dyn Session) -> Result<Vec<AccountKey>, sqlx::Error> {
    let mut keys = Vec::new();
    let mut take = |row: &dyn Cells| {
        keys.push(account_key(&row.text(0)?.unwrap_or_default()));
        Ok(())
    };
    session.each(Read::Keys, &mut take).await?;
    Ok(keys)
}

/// Returns the members with one of these addresses who have access, or will have it.
pub(in crate::store) async fn with_access(
    session: &mut dyn Session,
    who: &[Email],
    now: Timestamp,
) -> Result<Vec<(AccountKey, Email)>, sqlx::Error> {
    let who: BTreeSet<String> = who.iter().map(ToString::to_string).collect();
    let who: Vec<String> = who.into_iter().collect();
    let mut found = Vec::new();
    let mut take = |row: &dyn Cells| {
        // We did not write a key that is not valid, but it must be reported, too.
        let account = account_key(&row.text(0)?.unwrap_or_default());
        found.push((account, Email::as_stored(&row.text(1)?.unwrap_or_default())));
        Ok(())
    };
    session.each(Read::WithAccess(&who, now.as_second()), &mut take).await?;
    Ok(found)
}

/// Returns the store's id.
pub(in crate::store) async fn id(session: &mut dyn Session) -> Result<Option<Name>, sqlx::Error> {
    let mut id = None;
    let mut take = |row: &dyn Cells| {
        id = row.text(0)?.and_then(own_id);
        Ok(())
    };
    session.each(Read::StoreId, &mut take).await?;
    Ok(id)
}

/// Returns the id if it has the form of Roster's ids. It is part of messages and of a command to copy, so nothing else
/// may pass.
fn own_id(text: String) -> Option<Name> {
    let is_ours = !text.is_empty() && text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| Name::from(text))
}

/// Returns the numbers of accounts and members in the store.
pub(in crate::store) async fn totals(session: &mut dyn Session) -> Result<Totals, sqlx::Error> {
    let number = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
    let mut totals = Totals::default();
    let mut take = |row: &dyn Cells| {
        totals = Totals { accounts: number(row.integer(0)?), members: number(row.integer(1)?) };
        Ok(())
    };
    session.each(Read::Totals, &mut take).await?;
    Ok(totals)
}

/// Observes an account. The session must be a transaction with one consistent snapshot.
pub(in crate::store) async fn observe(
    session: &mut dyn Session,
    account: &AccountKey,
    scope: &Scope,
    since: Timestamp,
) -> Result<Observed, sqlx::Error> {
    let wanted = match scope {
        Scope::Account => Wanted::Whole,
        Scope::Members(emails) => Wanted::Named {
            roles: Vec::new(),
            groups: Vec::new(),
            members: emails.iter().map(ToString::to_string).collect(),
        },
    };
    let (_, mut observed) = observed(session, account, &wanted).await?;
    let mut take = |row: &dyn Cells| {
        let email = Email::as_stored(&row.text(0)?.unwrap_or_default());
        let at = row.integer(1)?.and_then(|at| Timestamp::from_microsecond(at).ok()).unwrap_or(Timestamp::MAX);
        observed.recent_removals.push(RecentRemoval { email, at });
        Ok(())
    };
    session.each(Read::Removals(&account.to_string(), since.as_microsecond()), &mut take).await?;
    Ok(observed)
}

/// Returns the observed account within `wanted`, and the number of the account in rows, if it has one.
pub(super) async fn observed(
    session: &mut dyn Session,
    account: &AccountKey,
    wanted: &Wanted,
) -> Result<(Option<i64>, Observed), sqlx::Error> {
    let mut observed = Observed::default();
    let (mut id, mut content, mut mark) = (None, None, MarkRow::default());
    let mut take = |row: &dyn Cells| {
        id = row.integer(0)?;
        observed.member_count = u64::try_from(row.integer(1)?.unwrap_or(0)).unwrap_or(0);
        if let Some(display_name) = row.text(2)? {
            observed.layout = layout(row, 6)?;
            let catalog = row.text(3)?.unwrap_or_default();
            let account = AccountRow { display_name, catalog, owner: row.text(4)?, parent: row.text(5)? };
            content = Some(account.content(observed.layout.clone()));
        }
        mark = MarkRow::new(row.integer(8)?, row.bytes(9)?.as_deref());
        observed.store = row.text(11)?.and_then(own_id);
        observed.approvals = u64::try_from(row.integer(10)?.unwrap_or(0)).unwrap_or(0);
        Ok(())
    };
    session.each(Read::Account(&account.to_string()), &mut take).await?;
    let Some(id) = id else { return Ok((None, observed)) };
    let layout = observed.layout.clone();
    let roles = rows(session, Table::Roles, id, wanted, |row| Ok(definition(row)?.role(&layout))).await?;
    let groups = rows(session, Table::Groups, id, wanted, |row| Ok(definition(row)?.group(&layout))).await?;
    let members = rows(session, Table::Members, id, wanted, |row| Ok(member(row)?.content(&layout))).await?;

    let marks = roles.iter().map(|r| &r.mark).chain(groups.iter().map(|r| &r.mark));
    let marks = marks.chain(members.iter().map(|r| &r.mark)).chain([&mark]);
    let owners = owners(session, marks.filter_map(|mark| mark.owner).collect()).await?;
    if content.is_some() || mark.owner.is_some() {
        observed.account = Some(mark.existing(content, &owners));
    }
    observed.roles = roles.into_iter().map(|row| (RoleName::parse(&row.name), row.existing(&owners))).collect();
    observed.groups = groups.into_iter().map(|row| (Name::new(&row.name), row.existing(&owners))).collect();
    observed.members = members.into_iter().map(|row| (Email::as_stored(&row.name), row.existing(&owners))).collect();
    if matches!(wanted, Wanted::Whole) {
        // Counted here, since others' writes can have made the stored count wrong.
        observed.member_count = observed.members.values().filter(|existing| existing.content.is_some()).count() as u64;
    }
    Ok((Some(id), observed))
}

/// Returns the stored layout with the digest of `wanted`, and its number.
pub(super) async fn layout_like(
    session: &mut dyn Session,
    wanted: &Layout,
) -> Result<Option<(i64, Layout)>, sqlx::Error> {
    let mut found = None;
    let mut take = |row: &dyn Cells| {
        found = Some((row.integer(0)?.unwrap_or_default(), layout(row, 1)?));
        Ok(())
    };
    session.each(Read::Layout(wanted.digest()), &mut take).await?;
    Ok(found)
}

/// Returns the number that `read` selects, if any.
pub(super) async fn number(session: &mut dyn Session, read: Read<'_>) -> Result<Option<i64>, sqlx::Error> {
    let mut number = None;
    let mut take = |row: &dyn Cells| {
        number = row.integer(0)?;
        Ok(())
    };
    session.each(read, &mut take).await?;
    Ok(number)
}

/// Row of any table.
struct Found<C> {
    name: Name,
    mark: MarkRow,
    content: Option<C>,
}

impl<C> Found<C> {
    fn existing(self, owners: &HashMap<i64, Mark>) -> Existing<C> {
        self.mark.existing(self.content, owners)
    }
}

async fn rows<C: Send>(
    session: &mut dyn Session,
    table: Table,
    account: i64,
    wanted: &Wanted,
    content: impl Fn(&dyn Cells) -> Result<C, sqlx::Error> + Send + Sync,
) -> Result<Vec<Found<C>>, sqlx::Error> {
    let read = match wanted.names(table) {
        None => Read::Whole(table, account),
        Some([]) => return Ok(Vec::new()),
        Some(names) => Read::Named(table, account, names),
    };
    let mut found = Vec::new();
    let mut take = |row: &dyn Cells| {
        found.push(Found {
            name: row.text(0)?.unwrap_or_default().into(),
            mark: MarkRow::new(row.integer(1)?, row.bytes(2)?.as_deref()),
            // Every table has ranks, and they are never null in an existing row.
            content: if row.is_some(3)? { Some(content(row)?) } else { None },
        });
        Ok(())
    };
    session.each(read, &mut take).await?;
    Ok(found)
}

async fn owners(session: &mut dyn Session, ids: BTreeSet<i64>) -> Result<HashMap<i64, Mark>, sqlx::Error> {
    let mut owners = HashMap::new();
    if ids.is_empty() {
        return Ok(owners);
    }
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut take = |row: &dyn Cells| {
        owners.insert(row.integer(0)?.unwrap_or_default(), owner(row, 1)?);
        Ok(())
    };
    session.each(Read::Owners(&ids), &mut take).await?;
    Ok(owners)
}

fn owner(row: &dyn Cells, first: usize) -> Result<Mark, sqlx::Error> {
    let column = |index| row.text(first + index).map(Option::unwrap_or_default);
    Ok(mark_of(&column(0)?, &column(1)?, &column(2)?))
}

fn definition(row: &dyn Cells) -> Result<DefinitionRow, sqlx::Error> {
    Ok(DefinitionRow { ranks: row.text(3)?.unwrap_or_default(), title: row.text(4)?.unwrap_or_default() })
}

fn member(row: &dyn Cells) -> Result<MemberRow, sqlx::Error> {
    Ok(MemberRow {
        ranks: row.text(3)?.unwrap_or_default(),
        display_name: row.text(4)?,
        external_id: row.text(5)?,
        role: row.text(6)?,
        groups: row.text(7)?.unwrap_or_default(),
        starts_at: row.integer(8)?,
        expires_at: row.integer(9)?,
        ended: row.text(10)?,
    })
}

/// Reads a layout: the number of sections in column `first`, and the sections with their levels as JSON in the next
/// one.
fn layout(row: &dyn Cells, first: usize) -> Result<Layout, sqlx::Error> {
    type Rows = Vec<(i64, Name, Vec<(i64, Name)>)>;
    let sections = row.integer(first)?;
    let rows = row.text(first + 1)?.unwrap_or_default();
    let rows = serde_json::from_str::<Rows>(&rows).unwrap_or_default().into_iter();
    let rows = rows.map(|(position, section, levels)| LadderRow { position, section, levels });
    // -1 differs from every number of sections, so that an absent layout matches none.
    Ok(layout_of(rows.collect(), sections.unwrap_or(-1)))
}
