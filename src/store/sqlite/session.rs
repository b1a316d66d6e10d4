//! Runs the statements, and reads SQLite's rows. Called by the shared code in `store::sql`.

use async_trait::async_trait;
use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{
    Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    error::{classify, is_refused},
    statements as sql,
};
use crate::{
    model::Email,
    store::{
        AuditQuery, StoreError,
        sql::{Cells, Read, Session, Table, Take, Write},
    },
};

/// Connection inside a transaction.
pub(super) struct SqliteSession<'a>(pub(super) &'a mut SqliteConnection);

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

fn json<'a, T: Into<Value> + Clone + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    items.into_iter().cloned().collect::<Value>().to_string()
}

#[async_trait]
impl Session for SqliteSession<'_> {
    async fn each(&mut self, read: Read<'_>, take: Take<'_>) -> Result<(), sqlx::Error> {
        let mut rows = statement(&read).fetch(&mut *self.0);
        while let Some(row) = rows.try_next().await? {
            take(&row)?;
        }
        Ok(())
    }

    async fn write(&mut self, write: Write<'_>) -> Result<Option<i64>, sqlx::Error> {
        match write {
            Write::NewAccount(key) => return self.number(sqlx::query(sql::NEW_ACCOUNT).bind(key)).await,
            Write::NewOwner(mark) => {
                let query = sqlx::query(sql::NEW_OWNER).bind(mark.cluster.as_str());
                return self.number(query.bind(mark.account.to_string()).bind(mark.uid.as_str())).await;
            }
            Write::Layout(layout) => {
                let sections = i64::try_from(layout.len()).unwrap_or(i64::MAX);
                let query = sqlx::query(sql::PUT_LAYOUT).bind(layout.digest().as_slice()).bind(sections);
                return self.number(query).await;
            }
            Write::Fence(cluster, claim) => {
                for sql in sql::PUT_FENCE {
                    let query = sqlx::query(sql).bind(cluster).bind(i64::from(claim.slots.first));
                    self.run(query.bind(i64::from(claim.slots.last)).bind(claim.epoch.0)).await?;
                }
            }
            Write::Savepoint => self.run(sqlx::query("SAVEPOINT piece")).await?,
            Write::Undo => self.run(sqlx::query("ROLLBACK TO piece")).await?,
            Write::Release => self.run(sqlx::query("RELEASE piece")).await?,
            Write::Put(table, account, rows) => self.rows(put(table), account, rows).await?,
            Write::Remove(table, account, names) => self.rows(remove(table), account, names).await?,
            Write::Translate(table, account, rows) => self.rows(translate(table), account, rows).await?,
            Write::Unmark(account, rows) => self.rows(sql::UNMARK, account, rows).await?,
            Write::Mark { account, owner, rows } => {
                self.run(sqlx::query(sql::MARK).bind(account).bind(json(rows)).bind(owner)).await?;
            }
            Write::Account { id, content, layout } => {
                let query = sqlx::query(sql::PUT_ACCOUNT).bind(id).bind(content.display_name.as_str());
                let query = query.bind(content.catalog.as_str()).bind(layout);
                let query = query.bind(content.owner.as_ref().map(Email::as_str));
                self.run(query.bind(content.parent.as_ref().map(ToString::to_string))).await?;
            }
            Write::Ladders(id, layout) => {
                let ladders = serde_json::json!(layout.ladders()).to_string();
                for sql in sql::REMOVE_LADDERS {
                    self.run(sqlx::query(sql).bind(id)).await?;
                }
                for sql in sql::PUT_LADDERS {
                    self.run(sqlx::query(sql).bind(id).bind(&ladders)).await?;
                }
            }
            Write::UnusedLayouts => self.run(sqlx::query(sql::REMOVE_UNUSED_LAYOUTS)).await?,
            Write::RemoveAccount(id) => {
                for sql in sql::REMOVE_ACCOUNT {
                    self.run(sqlx::query(sql).bind(id)).await?;
                }
            }
            Write::UseUpApproval(id) => self.run(sqlx::query(sql::USE_UP_APPROVAL).bind(id)).await?,
            Write::Audit(rows) => self.run(sqlx::query(sql::APPEND).bind(json(rows))).await?,
        }
        Ok(None)
    }

    fn refusal(&self, said: &str, error: &sqlx::Error) -> Option<StoreError> {
        is_refused(error).then(|| classify(said, error))
    }
}

impl SqliteSession<'_> {
    async fn run(&mut self, query: Statement<'_>) -> Result<(), sqlx::Error> {
        query.execute(&mut *self.0).await.map(|_| ())
    }

    async fn number(&mut self, query: Statement<'_>) -> Result<Option<i64>, sqlx::Error> {
        query.fetch_optional(&mut *self.0).await?.map(|row| row.try_get(0)).transpose()
    }

    async fn rows(&mut self, sql: &'static str, account: i64, rows: &[Value]) -> Result<(), sqlx::Error> {
        self.run(sqlx::query(sql).bind(account).bind(json(rows))).await
    }
}

fn statement<'q>(read: &Read<'q>) -> Statement<'q> {
    match *read {
        Read::Fence(cluster, at) => sqlx::query(sql::FENCE).bind(cluster).bind(i64::from(at)),
        Read::Accounts => sqlx::query(sql::ACCOUNTS),
        Read::Keys => sqlx::query(sql::KEYS),
        Read::WithAccess(who, now) => sqlx::query(sql::WITH_ACCESS).bind(json(who)).bind(now),
        Read::Totals => sqlx::query(sql::TOTALS),
        Read::StoreId => sqlx::query(sql::STORE_ID),
        Read::Account(key) => sqlx::query(sql::ACCOUNT).bind(key),
        Read::Whole(table, account) => sqlx::query(select(table).0).bind(account),
        Read::Named(table, account, names) => sqlx::query(select(table).1).bind(account).bind(json(names)),
        Read::Removals(account, since) => sqlx::query(sql::REMOVALS).bind(account).bind(since),
        Read::Owners(ids) => sqlx::query(sql::OWNERS).bind(json(ids)),
        Read::Owner(mark) => {
            let query = sqlx::query(sql::OWNER).bind(mark.cluster.as_str());
            query.bind(mark.account.to_string()).bind(mark.uid.as_str())
        }
        Read::Layout(digest) => sqlx::query(sql::LAYOUT).bind(digest.as_slice()),
        Read::Left(account) => sqlx::query(sql::LEFT).bind(account),
        Read::AuditHead => sqlx::query("SELECT seq, hash FROM audit_head"),
        Read::Asked(query) => asked(query),
        Read::Audit => sqlx::query(sql::AUDIT),
    }
}

fn asked(query: &AuditQuery) -> Statement<'_> {
    sqlx::query(sql::ASKED[usize::from(query.newest)])
        .bind(query.after)
        .bind(query.account.as_ref().map(ToString::to_string))
        .bind(query.who.as_ref().map(ToString::to_string))
        .bind(query.kind.as_deref())
        .bind(query.cause.as_deref())
        .bind(query.since.map(Timestamp::as_microsecond))
        .bind(query.until.map(Timestamp::as_microsecond))
        .bind(i64::from(query.limit))
}

const fn select(table: Table) -> sql::Statements {
    match table {
        Table::Roles => sql::ROLES,
        Table::Groups => sql::GROUPS,
        Table::Members => sql::MEMBERS,
    }
}

const fn put(table: Table) -> &'static str {
    match table {
        Table::Roles => sql::PUT_ROLES,
        Table::Groups => sql::PUT_GROUPS,
        Table::Members => sql::PUT_MEMBERS,
    }
}

const fn remove(table: Table) -> &'static str {
    match table {
        Table::Roles => sql::REMOVE_ROLES,
        Table::Groups => sql::REMOVE_GROUPS,
        Table::Members => sql::REMOVE_MEMBERS,
    }
}

const fn translate(table: Table) -> &'static str {
    match table {
        Table::Roles => sql::TRANSLATE_ROLES,
        Table::Groups => sql::TRANSLATE_GROUPS,
        Table::Members => sql::TRANSLATE_MEMBERS,
    }
}

impl Cells for SqliteRow {
    /// Others can write text that is not UTF-8, which must still be read.
    fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        let bytes: Option<&[u8]> = self.try_get_unchecked(column)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        self.try_get(column)
    }

    fn is_some(&self, column: usize) -> Result<bool, sqlx::Error> {
        Ok(self.try_get_unchecked::<Option<&[u8]>, _>(column)?.is_some())
    }
}
