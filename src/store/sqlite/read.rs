//! Observing: what the file holds, however it came there.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{ColumnIndex, Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use crate::{
    model::{AccountKey, Email, Layout, Name},
    plan::{Mark, ObjectKey, Observed, RecentRemoval, Seen},
    resolve::{RoleName, Scope},
    store::{
        Totals,
        sql::{AccountRow, DefinitionRow, LadderRow, MarkRow, MemberRow, account_key, layout_of, mark_of},
    },
};

/// What to look at besides the account itself.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Everything there is of it.
    Whole,
    /// What has these names; each a JSON array, absent where there is none.
    Named { roles: Option<String>, groups: Option<String>, members: Option<String> },
}

impl Wanted {
    /// What these are.
    pub(super) fn named<'a>(objects: impl Iterator<Item = &'a ObjectKey>) -> Self {
        let (mut roles, mut groups, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for object in objects {
            match object {
                ObjectKey::Account => {}
                ObjectKey::Role(name) => roles.push(serde_json::Value::from(name.to_string())),
                ObjectKey::Group(name) => groups.push(name.as_str().into()),
                ObjectKey::Member(email) => members.push(email.as_str().into()),
            }
        }
        let list = |names: Vec<_>| (!names.is_empty()).then(|| serde_json::Value::from(names).to_string());
        Self::Named { roles: list(roles), groups: list(groups), members: list(members) }
    }
}

/// The sections of layout `y` with their levels, as one JSON text: 256 sections of 16 levels would be 4,096 rows.
macro_rules! ladders {
    () => {
        "y.sections,
        (SELECT json_group_array(json_array(s.position, s.name, json((
            SELECT json_group_array(json_array(l.rank, l.name) ORDER BY l.rank)
            FROM levels l WHERE l.layout_id = s.layout_id AND l.position = s.position))) ORDER BY s.position)
         FROM sections s WHERE s.layout_id = y.id)"
    };
}

const ACCOUNT: &str = concat!(
    "
    SELECT i.id, i.members, a.id IS NOT NULL, a.display_name, a.catalog, a.owner, a.parent,
        ",
    ladders!(),
    ",
        k.owner_id, k.fingerprint
    FROM account_ids i
    LEFT JOIN accounts a ON a.id = i.id
    LEFT JOIN layouts y ON y.id = a.layout_id
    LEFT JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''
    WHERE i.key = ?1"
);

/// A whole account's rows of one kind, then the marks whose rows are gone; and, for some names, both at once. The order of
/// the joins is fixed: what is asked for finds its rows, never the other way around.
macro_rules! statements {
    ($table:literal, $kind:literal, $name:literal, $columns:literal, $nulls:literal) => {
        (
            concat!(
                "SELECT m.",
                $name,
                ", k.owner_id, k.fingerprint, ",
                $columns,
                " FROM ",
                $table,
                " m LEFT JOIN marks k ON k.account_id = m.account_id AND k.kind = '",
                $kind,
                "' AND k.name = m.",
                $name,
                " WHERE m.account_id = ?1 UNION ALL SELECT k.name, k.owner_id, k.fingerprint, ",
                $nulls,
                " FROM marks k WHERE k.account_id = ?1 AND k.kind = '",
                $kind,
                "' AND NOT EXISTS (SELECT 1 FROM ",
                $table,
                " m WHERE m.account_id = ?1 AND m.",
                $name,
                " = k.name)"
            ),
            concat!(
                "SELECT j.value, k.owner_id, k.fingerprint, ",
                $columns,
                " FROM json_each(?2) j LEFT JOIN ",
                $table,
                " m ON m.account_id = ?1 AND m.",
                $name,
                " = j.value",
                " LEFT JOIN marks k ON k.account_id = ?1 AND k.kind = '",
                $kind,
                "' AND k.name = j.value",
                " WHERE m.",
                $name,
                " IS NOT NULL OR k.name IS NOT NULL"
            ),
        )
    };
}

type Statements = (&'static str, &'static str);

const ROLES: Statements = statements!("roles", "role", "name", "m.ranks, m.title", "NULL, NULL");
const GROUPS: Statements = statements!("groups", "group", "name", "m.ranks, m.title", "NULL, NULL");
const MEMBERS: Statements = statements!(
    "members",
    "member",
    "email",
    "m.ranks, m.display_name, m.external_id, m.role, m.groups, m.starts_at, m.expires_at, m.ended",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
);

const REMOVALS: &str = "
    SELECT name, at FROM audit WHERE account = ?1 AND at >= ?2 AND counted = 1 AND kind = 'member' ORDER BY seq";

const OWNERS: &str = "
    SELECT o.id, o.cluster, o.account, o.uid FROM json_each(?1) j CROSS JOIN owners o ON o.id = j.value";

const WITH_ACCESS: &str = "
    SELECT i.key, m.email FROM json_each(?1) j
    CROSS JOIN members m ON m.email = j.value
    JOIN account_ids i ON i.id = m.account_id
    WHERE m.ended IS NULL AND m.ranks GLOB '*[^0]*' AND (m.expires_at IS NULL OR m.expires_at > ?2)
    ORDER BY i.key, m.email";

/// Statements whose cost must be that of the rows asked for; see `query_plans`.
#[cfg(test)]
pub(super) const FOR_A_FEW: &[&str] = &[ACCOUNT, ROLES.1, GROUPS.1, MEMBERS.1, REMOVALS, OWNERS, WITH_ACCESS];

/// The marks of all accounts. By way of the accounts, since most marks are members'.
pub(super) async fn accounts(connection: &mut SqliteConnection) -> Result<Vec<Mark>, sqlx::Error> {
    const SQL: &str = "
        SELECT o.cluster, o.account, o.uid FROM account_ids i
        CROSS JOIN marks k ON k.account_id = i.id AND k.kind = 'account' AND k.name = ''
        JOIN owners o ON o.id = k.owner_id ORDER BY i.key";
    sqlx::query(SQL).fetch(connection).and_then(async |row| owner(&row, 0)).try_collect().await
}

/// Every account of which anything is there.
pub(super) async fn keys(connection: &mut SqliteConnection) -> Result<Vec<AccountKey>, sqlx::Error> {
    const SQL: &str = "
        SELECT i.key FROM account_ids i
        WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.id = i.id)
            OR EXISTS (SELECT 1 FROM marks k WHERE k.account_id = i.id AND k.kind = 'account' AND k.name = '')
        ORDER BY i.key";
    let key = async |row: SqliteRow| Ok(account_key(&text(&row, 0)?.unwrap_or_default()));
    sqlx::query(SQL).fetch(connection).and_then(key).try_collect().await
}

/// The layout kept under this digest, as it is there, and its number.
pub(super) async fn layout_of_digest(
    connection: &mut SqliteConnection,
    digest: &[u8; 16],
) -> Result<Option<(i64, Layout)>, sqlx::Error> {
    const SQL: &str = concat!("SELECT y.id, ", ladders!(), " FROM layouts y WHERE y.digest = ?1");
    let row = sqlx::query(SQL).bind(digest.as_slice()).fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get(0)?, layout(&row, 1)?))).transpose()
}

pub(super) async fn totals(connection: &mut SqliteConnection) -> Result<Totals, sqlx::Error> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), (SELECT coalesce(sum(members), 0) FROM account_ids)";
    let (accounts, members): (i64, i64) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Totals { accounts: u64::try_from(accounts).unwrap_or(0), members: u64::try_from(members).unwrap_or(0) })
}

/// Members with one of these addresses who have access, or will have.
pub(super) async fn with_access(
    connection: &mut SqliteConnection,
    who: &[Email],
    now: Timestamp,
) -> Result<Vec<(AccountKey, Email)>, sqlx::Error> {
    let who: serde_json::Value = who.iter().map(Email::as_str).collect();
    let query = sqlx::query(WITH_ACCESS).bind(who.to_string()).bind(now.as_second());
    let rows = query.fetch_all(connection).await?;
    let found = rows.iter().map(|row| {
        let key = text(row, 0)?.unwrap_or_default();
        let email = text(row, 1)?.unwrap_or_default();
        // A key that is none was not written by us, and must be seen all the same.
        Ok((AccountKey::parse(&key).unwrap_or_else(|| AccountKey::new("", &key)), Email::as_stored(&email)))
    });
    found.collect()
}

/// One consistent picture: everything is read in one transaction.
pub(super) async fn observe(
    readers: &SqlitePool,
    account: &AccountKey,
    scope: &Scope,
    since: Timestamp,
) -> Result<Observed, sqlx::Error> {
    let wanted = match scope {
        Scope::Account => Wanted::Whole,
        Scope::Members(emails) => {
            let emails: serde_json::Value = emails.iter().map(Email::as_str).collect();
            Wanted::Named { roles: None, groups: None, members: Some(emails.to_string()) }
        }
    };
    let mut transaction = readers.begin().await?;
    let (_, mut observed) = observed(&mut transaction, account, &wanted).await?;
    observed.recent_removals = recent_removals(&mut transaction, account, since).await?;
    transaction.rollback().await?;
    Ok(observed)
}

async fn recent_removals(
    connection: &mut SqliteConnection,
    account: &AccountKey,
    since: Timestamp,
) -> Result<Vec<RecentRemoval>, sqlx::Error> {
    let rows =
        sqlx::query(REMOVALS).bind(account.to_string()).bind(since.as_microsecond()).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let email = Email::as_stored(&text(row, 0)?.unwrap_or_default());
            let at = Timestamp::from_microsecond(row.try_get(1)?).unwrap_or(Timestamp::MAX);
            Ok(RecentRemoval { email, at })
        })
        .collect()
}

/// The account, and what is wanted of it; with the number by which its rows know it, if there is one.
pub(super) async fn observed(
    connection: &mut SqliteConnection,
    account: &AccountKey,
    wanted: &Wanted,
) -> Result<(Option<i64>, Observed), sqlx::Error> {
    let mut observed = Observed::default();
    let Some(row) = sqlx::query(ACCOUNT).bind(account.to_string()).fetch_optional(&mut *connection).await? else {
        return Ok((None, observed));
    };
    let id: i64 = row.try_get(0)?;
    observed.member_count = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
    let content = if row.try_get(2)? {
        observed.layout = layout(&row, 7)?;
        let account = AccountRow {
            display_name: text(&row, 3)?.unwrap_or_default(),
            catalog: text(&row, 4)?.unwrap_or_default(),
            owner: text(&row, 5)?,
            parent: text(&row, 6)?,
        };
        Some(account.content(observed.layout.clone()))
    } else {
        None
    };
    let mark = MarkRow::new(row.try_get(9)?, row.try_get(10)?);
    let (mut roles, mut groups, mut members) = (None, None, None);
    let whole = matches!(wanted, Wanted::Whole);
    if let Wanted::Named { roles: r, groups: g, members: m } = wanted {
        (roles, groups, members) = (r.as_deref(), g.as_deref(), m.as_deref());
    }
    let layout = observed.layout.clone();
    let roles = rows(connection, ROLES, id, whole, roles, |row| Ok(definition(row)?.role(&layout))).await?;
    let groups = rows(connection, GROUPS, id, whole, groups, |row| Ok(definition(row)?.group(&layout))).await?;
    let members = rows(connection, MEMBERS, id, whole, members, |row| Ok(member(row)?.content(&layout))).await?;

    let marks = roles.iter().map(|r| &r.mark).chain(groups.iter().map(|r| &r.mark));
    let marks = marks.chain(members.iter().map(|r| &r.mark)).chain([&mark]);
    let owners = owners(connection, marks.filter_map(|mark| mark.owner).collect()).await?;
    if content.is_some() || mark.owner.is_some() {
        observed.account = Some(mark.seen(content, &owners));
    }
    observed.roles = roles.into_iter().map(|row| (RoleName::parse(&row.name), row.seen(&owners))).collect();
    observed.groups = groups.into_iter().map(|row| (Name::new(&row.name), row.seen(&owners))).collect();
    observed.members = members.into_iter().map(|row| (Email::as_stored(&row.name), row.seen(&owners))).collect();
    if whole {
        // Rather than the count that is kept, which others' writes can have put wrong.
        observed.member_count = observed.members.values().filter(|seen| seen.content.is_some()).count() as u64;
    }
    Ok((Some(id), observed))
}

/// A row of any kind.
struct Found<C> {
    name: Name,
    mark: MarkRow,
    content: Option<C>,
}

impl<C> Found<C> {
    fn seen(self, owners: &HashMap<i64, Mark>) -> Seen<C> {
        self.mark.seen(self.content, owners)
    }
}

/// Rows as they come, so that an account's rows and what is made of them never stand in memory side by side.
async fn rows<C>(
    connection: &mut SqliteConnection,
    (all, some): Statements,
    account: i64,
    whole: bool,
    names: Option<&str>,
    content: impl Fn(&SqliteRow) -> Result<C, sqlx::Error>,
) -> Result<Vec<Found<C>>, sqlx::Error> {
    let query = match names {
        _ if whole => sqlx::query(all).bind(account),
        Some(names) => sqlx::query(some).bind(account).bind(names),
        None => return Ok(Vec::new()),
    };
    let mut rows = query.fetch(connection);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        // Each kind has ranks, and none of them may be absent.
        let is_there = row.try_get_unchecked::<Option<&[u8]>, _>(3)?.is_some();
        found.push(Found {
            name: text(&row, 0)?.unwrap_or_default().into(),
            mark: MarkRow::new(row.try_get(1)?, row.try_get(2)?),
            content: if is_there { Some(content(&row)?) } else { None },
        });
    }
    Ok(found)
}

async fn owners(connection: &mut SqliteConnection, ids: BTreeSet<i64>) -> Result<HashMap<i64, Mark>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: serde_json::Value = ids.into_iter().collect();
    let rows = sqlx::query(OWNERS).bind(ids.to_string()).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, owner(row, 1)?))).collect()
}

fn owner(row: &SqliteRow, first: usize) -> Result<Mark, sqlx::Error> {
    let column = |index| text(row, first + index).map(Option::unwrap_or_default);
    Ok(mark_of(&column(0)?, &column(1)?, &column(2)?))
}

fn definition(row: &SqliteRow) -> Result<DefinitionRow, sqlx::Error> {
    Ok(DefinitionRow { ranks: text(row, 3)?.unwrap_or_default(), title: text(row, 4)?.unwrap_or_default() })
}

fn member(row: &SqliteRow) -> Result<MemberRow, sqlx::Error> {
    Ok(MemberRow {
        ranks: text(row, 3)?.unwrap_or_default(),
        display_name: text(row, 4)?,
        external_id: text(row, 5)?,
        role: text(row, 6)?,
        groups: text(row, 7)?.unwrap_or_default(),
        starts_at: row.try_get(8)?,
        expires_at: row.try_get(9)?,
        ended: text(row, 10)?,
    })
}

/// The number of sections in column `first`, and after it the sections with their levels, as JSON.
fn layout(row: &SqliteRow, first: usize) -> Result<Layout, sqlx::Error> {
    type Rows = Vec<(i64, Name, Vec<(i64, Name)>)>;
    let sections: Option<i64> = row.try_get(first)?;
    let rows = text(row, first + 1)?.unwrap_or_default();
    let rows = serde_json::from_str::<Rows>(&rows).unwrap_or_default().into_iter();
    let rows = rows.map(|(position, section, levels)| LadderRow { position, section, levels });
    // A layout that is not there has a number of sections that none has.
    Ok(layout_of(rows.collect(), sections.unwrap_or(-1)))
}

/// A text column. Others can write text that is no UTF-8, and it must still be seen.
pub(super) fn text(row: &SqliteRow, column: impl ColumnIndex<SqliteRow>) -> Result<Option<String>, sqlx::Error> {
    let bytes: Option<&[u8]> = row.try_get_unchecked(column)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}
