//! Translates reads and writes into statements with their parameters, the same for every SQL store. Called by `session`.

use jiff::Timestamp;

use super::{
    session::{Read, Write},
    statement::{Parameter, Statement},
    statements::{self as sql, Dialect},
};
use crate::model::Email;

impl<'a> Read<'a> {
    pub(super) fn statement(self, dialect: &Dialect) -> Statement<'a> {
        let of = Statement::new;
        match self {
            Self::Fence(cluster, at) => of(sql::FENCE).text(cluster).integer(i64::from(at)),
            Self::Accounts => of(dialect.accounts),
            Self::Keys => of(sql::KEYS),
            Self::WithAccess(who, now) => of(dialect.with_access).with(Parameter::Texts(who)).integer(now),
            Self::Totals => of(sql::TOTALS),
            Self::StoreId => of(sql::STORE_ID),
            Self::Account(key) => of(dialect.account).text(key),
            Self::Whole(table, account) => of(sql::WHOLE[table as usize]).integer(account),
            Self::Named(table, account, names) => {
                of(dialect.named[table as usize]).integer(account).with(Parameter::Texts(names))
            }
            Self::Removals(account, since) => of(sql::REMOVALS).text(account).integer(since),
            Self::Owners(ids) => of(dialect.owners).with(Parameter::Integers(ids)),
            Self::Owner(mark) => {
                of(sql::OWNER).text(mark.cluster.as_str()).optional(Some(&mark.account)).text(mark.uid.as_str())
            }
            Self::Layout(digest) => of(dialect.layout).with(Parameter::Bytes(digest)),
            Self::Left(account) => of(sql::LEFT).integer(account),
            Self::AuditHead => of(sql::AUDIT_HEAD),
            Self::Asked(query) => of(sql::ASKED[usize::from(query.newest)])
                .integer(query.after)
                .optional(query.account.as_ref())
                .optional(query.who.as_ref())
                .optional(query.kind.as_deref())
                .optional(query.cause.as_deref())
                .integer(query.since.map(Timestamp::as_microsecond))
                .integer(query.until.map(Timestamp::as_microsecond))
                .integer(i64::from(query.limit)),
            Self::Audit => of(sql::AUDIT),
        }
    }
}

impl<'a> Write<'a> {
    /// Returns the statement of a write that returns a number.
    pub(super) fn numbered(self) -> Option<Statement<'a>> {
        let of = Statement::new;
        Some(match self {
            Self::NewAccount(key) => of(sql::NEW_ACCOUNT).text(key),
            Self::NewOwner(mark) => {
                of(sql::NEW_OWNER).text(mark.cluster.as_str()).optional(Some(&mark.account)).text(mark.uid.as_str())
            }
            Self::Layout(layout) => {
                let sections = i64::try_from(layout.len()).unwrap_or(i64::MAX);
                of(sql::PUT_LAYOUT).with(Parameter::Bytes(layout.digest())).integer(sections)
            }
            _ => return None,
        })
    }

    /// Returns the statements of any other write, in order.
    pub(super) fn statements(self, dialect: &Dialect) -> Vec<Statement<'a>> {
        let of = Statement::new;
        let rows = |sql, account: i64, rows, columns| vec![of(sql).integer(account).rows(rows, columns)];
        match self {
            Self::NewAccount(_) | Self::NewOwner(_) | Self::Layout(_) => Vec::new(),
            Self::Fence(cluster, claim) => {
                let (first, last) = (i64::from(claim.slots.first), i64::from(claim.slots.last));
                let of = |sql| of(sql).text(cluster).integer(first).integer(last).integer(claim.epoch.0);
                sql::PUT_FENCE.map(of).into()
            }
            Self::Savepoint => vec![of("SAVEPOINT piece")],
            Self::Undo => vec![of("ROLLBACK TO SAVEPOINT piece")],
            Self::Release => vec![of("RELEASE SAVEPOINT piece")],
            Self::Put(table, account, put) => rows(dialect.put[table as usize], account, put, table.columns()),
            Self::Remove(table, account, names) => rows(dialect.remove[table as usize], account, names, 1),
            Self::Translate(table, account, ranks) => rows(dialect.translate[table as usize], account, ranks, 2),
            Self::Unmark(account, marks) => rows(dialect.unmark, account, marks, 2),
            Self::Mark { account, owner, rows } => {
                vec![of(dialect.mark).integer(account).integer(owner).rows(rows, 3)]
            }
            Self::Account { id, content, layout } => vec![
                of(sql::PUT_ACCOUNT)
                    .integer(id)
                    .text(content.display_name.as_str())
                    .text(content.catalog.as_str())
                    .integer(layout)
                    .optional(content.owner.as_ref().map(Email::as_str))
                    .optional(content.parent.as_ref()),
            ],
            Self::Ladders(id, layout) => {
                let ladders = serde_json::json!(layout.ladders()).to_string();
                let removed = sql::REMOVE_LADDERS.map(|sql| of(sql).integer(id));
                let put = dialect.put_ladders.map(|sql| of(sql).integer(id).text(&ladders));
                removed.into_iter().chain(put).collect()
            }
            Self::UnusedLayouts => vec![of(sql::REMOVE_UNUSED_LAYOUTS)],
            Self::RemoveAccount(id) => sql::REMOVE_ACCOUNT.map(|sql| of(sql).integer(id)).into(),
            Self::UseUpApproval(id) => vec![of(sql::USE_UP_APPROVAL).integer(id)],
            Self::Audit(records) => vec![of(dialect.append).rows(records, 13)],
        }
    }
}
