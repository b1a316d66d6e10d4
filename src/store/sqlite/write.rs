//! Applying: what a batch does, in one transaction.

use serde_json::Value;
use sqlx::{Connection, Row, Sqlite, SqliteConnection, Transaction};

use super::{
    audit,
    error::{Failed, classify, is_refused},
    read::{self, Wanted},
};
use crate::{
    model::{Email, Layout},
    plan::{Content, Fingerprint, ObjectKey},
    resolve::AccountContent,
    store::{
        Batch, Epoch, Outcome, StoreError,
        sql::{Audited, Decision, RankRows, Rows, Step, Trail, account_mark, decide, translations},
    },
};

/// Changes written by one set of statements: bounds the JSON they are passed as to a megabyte or so.
const CHUNK: usize = 1_000;

/// Makes the changes of a batch; one outcome for each.
pub(super) async fn apply(
    writer: &mut SqliteConnection,
    batch: &Batch<'_>,
    epoch: Epoch,
) -> Result<Vec<Outcome>, Failed> {
    // IMMEDIATE: a transaction that reads first could not always become one that writes.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let rises = fence(&mut transaction, epoch).await?;
    let objects = batch.changes.iter().map(|change| &change.object);
    let key = &batch.mark.account;
    let (mut id, mut there) = read::observed(&mut transaction, key, &Wanted::named(objects)).await?;
    let mut decision = decide(batch, &there);
    if decision.translate_from.is_some() {
        (id, there) = read::observed(&mut transaction, key, &Wanted::Whole).await?;
        decision = decide(batch, &there);
    }
    let wrote = decision.steps.iter().any(|step| matches!(step, Ok(Step::Put | Step::Remove)));
    let outcomes = if wrote {
        Writing::new(&mut transaction, Trail { batch, there: &there, epoch }, id).await?.run(decision).await?
    } else {
        decision.steps.into_iter().map(|step| step.map(|_| ())).collect()
    };
    if rises {
        sqlx::query("INSERT INTO fence (id, epoch) VALUES (1, ?1) ON CONFLICT DO UPDATE SET epoch = excluded.epoch")
            .bind(epoch.0)
            .execute(&mut *transaction)
            .await?;
    }
    if wrote || rises {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(outcomes)
}

/// Whether `epoch` is higher than any that has written here.
async fn fence(connection: &mut SqliteConnection, epoch: Epoch) -> Result<bool, Failed> {
    let highest: Option<i64> = sqlx::query_scalar("SELECT epoch FROM fence").fetch_optional(connection).await?;
    match highest {
        Some(highest) if highest > epoch.0 => Err(Failed::Refused(StoreError::Conflict(format!(
            "a newer leader has written here (term {highest}, this one is {})",
            epoch.0
        )))),
        highest => Ok(highest != Some(epoch.0)),
    }
}

/// A batch being written.
struct Writing<'a, 't> {
    transaction: &'a mut Transaction<'t, Sqlite>,
    trail: Trail<'a>,
    /// Number of the account.
    id: i64,
    /// Number of our mark.
    owner: i64,
}

impl<'a, 't> Writing<'a, 't> {
    async fn new(
        transaction: &'a mut Transaction<'t, Sqlite>,
        trail: Trail<'a>,
        id: Option<i64>,
    ) -> Result<Self, Failed> {
        const OWNER: &str = "INSERT INTO owners (cluster, account, uid) VALUES (?1, ?2, ?3) RETURNING id";
        const FIND: &str = "SELECT id FROM owners WHERE cluster = ?1 AND account = ?2 AND uid = ?3";
        let mark = trail.batch.mark;
        let key = mark.account.to_string();
        let id = match id {
            Some(id) => id,
            None => {
                sqlx::query_scalar("INSERT INTO account_ids (key) VALUES (?1) RETURNING id")
                    .bind(&key)
                    .fetch_one(&mut **transaction)
                    .await?
            }
        };
        let mut owner = None;
        for sql in [FIND, OWNER] {
            if owner.is_none() {
                owner = sqlx::query_scalar(sql)
                    .bind(mark.cluster.as_str())
                    .bind(&key)
                    .bind(mark.uid.as_str())
                    .fetch_optional(&mut **transaction)
                    .await?;
            }
        }
        let owner = owner.ok_or(sqlx::Error::RowNotFound)?;
        Ok(Self { transaction, trail, id, owner })
    }

    async fn run(mut self, decision: Decision) -> Result<Vec<Outcome>, Failed> {
        let mut audited = Vec::new();
        let mut outcomes: Vec<Outcome> = decision.steps.iter().map(|step| step.clone().map(|_| ())).collect();
        let mut work: Vec<(usize, Step)> = Vec::new();
        let mut account_goes = None;
        for (place, step) in decision.steps.into_iter().enumerate() {
            let (Some(change), Ok(step)) = (self.trail.batch.changes.get(place), step) else { continue };
            match (&change.object, &change.put, step) {
                (_, _, Step::Nothing) => {}
                (ObjectKey::Account, Some((Content::Account(content), fingerprint)), _) => {
                    self.put_account(content, *fingerprint).await?;
                    audited.extend(self.trail.of(change));
                }
                (ObjectKey::Account, ..) => account_goes = Some(place),
                (_, _, step) => work.push((place, step)),
            }
        }
        if let Some(from) = decision.translate_from {
            audited.extend(self.translate(&from).await?);
        }
        audit::append(self.transaction, audited).await?;
        // Records are several times as large as their changes: only those of one chunk are there at a time.
        for chunk in work.chunks(CHUNK) {
            self.write(chunk, &mut outcomes).await?;
            let made = chunk.iter().filter(|(place, _)| outcomes.get(*place) == Some(&Ok(())));
            let made = made.filter_map(|(place, _)| self.trail.of(self.trail.batch.changes.get(*place)?)).collect();
            audit::append(self.transaction, made).await?;
        }
        if let Some(place) = account_goes {
            let outcome = self.remove_account().await?;
            let change = self.trail.batch.changes.get(place).filter(|_| outcome.is_ok());
            let audited = change.and_then(|change| self.trail.of(change)).into_iter().collect();
            audit::append(self.transaction, audited).await?;
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = outcome;
            }
        }
        Ok(outcomes)
    }

    /// Writes the changes at these places. Where one of them is refused, halves are tried until it stands alone: others
    /// may have put rules on our tables, and a failure belongs to the object it concerns.
    async fn write(&mut self, work: &[(usize, Step)], outcomes: &mut [Outcome]) -> Result<(), Failed> {
        let mut waiting = vec![work];
        while let Some(work) = waiting.pop() {
            sqlx::query("SAVEPOINT piece").execute(&mut **self.transaction).await?;
            match self.write_piece(work).await {
                Ok(()) => {}
                Err(error) if is_refused(&error) => {
                    sqlx::query("ROLLBACK TO piece").execute(&mut **self.transaction).await?;
                    if let [(place, _)] = work {
                        let object = self.trail.batch.changes.get(*place).map(|change| change.object.to_string());
                        if let Some(slot) = outcomes.get_mut(*place) {
                            *slot = Err(classify(&format!("writing {}", object.unwrap_or_default()), &error));
                        }
                    } else {
                        let (first, second) = work.split_at(work.len() / 2);
                        waiting.extend([second, first]);
                    }
                }
                Err(error) => return Err(error.into()),
            }
            sqlx::query("RELEASE piece").execute(&mut **self.transaction).await?;
        }
        Ok(())
    }

    /// A few statements, however many changes.
    async fn write_piece(&mut self, work: &[(usize, Step)]) -> Result<(), sqlx::Error> {
        let mut rows = Rows::default();
        for (place, _) in work {
            if let Some(change) = self.trail.batch.changes.get(*place) {
                rows.add(change);
            }
        }
        for (sql, rows) in [
            (PUT_ROLES, rows.put_roles),
            (PUT_GROUPS, rows.put_groups),
            (PUT_MEMBERS, rows.put_members),
            (REMOVE_ROLES, rows.remove_roles),
            (REMOVE_GROUPS, rows.remove_groups),
            (REMOVE_MEMBERS, rows.remove_members),
            (UNMARK, rows.unmark),
        ] {
            if !rows.is_empty() {
                let rows = Value::from(rows).to_string();
                sqlx::query(sql).bind(self.id).bind(rows).execute(&mut **self.transaction).await?;
            }
        }
        if !rows.mark.is_empty() {
            let marks = Value::from(rows.mark).to_string();
            sqlx::query(MARK).bind(self.id).bind(marks).bind(self.owner).execute(&mut **self.transaction).await?;
        }
        Ok(())
    }

    async fn put_account(&mut self, content: &AccountContent, fingerprint: Fingerprint) -> Result<(), sqlx::Error> {
        const ACCOUNT: &str = "
            INSERT INTO accounts (id, display_name, catalog, layout_id, owner, parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT DO UPDATE SET display_name = excluded.display_name, catalog = excluded.catalog,
                layout_id = excluded.layout_id, owner = excluded.owner, parent = excluded.parent";
        let layout = self.put_layout(&content.layout).await?;
        sqlx::query(ACCOUNT)
            .bind(self.id)
            .bind(content.display_name.as_str())
            .bind(content.catalog.as_str())
            .bind(layout)
            .bind(content.owner.as_ref().map(Email::as_str))
            .bind(content.parent.as_ref().map(ToString::to_string))
            .execute(&mut **self.transaction)
            .await?;
        let mark = account_mark(fingerprint).to_string();
        sqlx::query(MARK).bind(self.id).bind(mark).bind(self.owner).execute(&mut **self.transaction).await?;
        self.drop_unused_layouts().await
    }

    /// The number of `layout`. Its rows are written anew where somebody has changed them.
    async fn put_layout(&mut self, layout: &Layout) -> Result<i64, sqlx::Error> {
        const PUT: &str = "
            INSERT INTO layouts (digest, sections) VALUES (?1, ?2)
            ON CONFLICT DO UPDATE SET sections = excluded.sections RETURNING id";
        const SECTIONS: &str = "
            INSERT INTO sections (layout_id, position, name)
            SELECT ?1, key, value ->> '$.section' FROM json_each(?2)";
        const LEVELS: &str = "
            INSERT INTO levels (layout_id, position, rank, name)
            SELECT ?1, s.key, l.key, l.value FROM json_each(?2) s, json_each(s.value, '$.levels') l";
        let found = read::layout_of_digest(self.transaction, layout.digest()).await?;
        if let Some((id, found)) = found
            && found == *layout
        {
            return Ok(id);
        }
        let sections = i64::try_from(layout.len()).unwrap_or(i64::MAX);
        let id: i64 = sqlx::query_scalar(PUT)
            .bind(layout.digest().as_slice())
            .bind(sections)
            .fetch_one(&mut **self.transaction)
            .await?;
        let ladders = serde_json::json!(layout.ladders()).to_string();
        sqlx::query("DELETE FROM levels WHERE layout_id = ?1").bind(id).execute(&mut **self.transaction).await?;
        sqlx::query("DELETE FROM sections WHERE layout_id = ?1").bind(id).execute(&mut **self.transaction).await?;
        for sql in [SECTIONS, LEVELS] {
            sqlx::query(sql).bind(id).bind(&ladders).execute(&mut **self.transaction).await?;
        }
        Ok(id)
    }

    async fn drop_unused_layouts(&mut self) -> Result<(), sqlx::Error> {
        const SQL: &str = "
            DELETE FROM layouts WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE layout_id = layouts.id)";
        sqlx::query(SQL).execute(&mut **self.transaction).await?;
        Ok(())
    }

    /// Rewrites all ranks that are in another layout, those that this batch writes included: it may not get to.
    async fn translate(&mut self, from: &Layout) -> Result<Vec<Audited>, Failed> {
        let translated = translations(self.trail.there, from, self.trail.batch.layout);
        let rows = RankRows::of(&translated);
        for (sql, rows) in
            [(TRANSLATE_ROLES, rows.roles), (TRANSLATE_GROUPS, rows.groups), (TRANSLATE_MEMBERS, rows.members)]
        {
            for rows in rows.chunks(CHUNK) {
                let rows = Value::from(rows).to_string();
                sqlx::query(sql).bind(self.id).bind(rows).execute(&mut **self.transaction).await?;
            }
        }
        Ok(self.trail.of_translations(&translated))
    }

    /// Removes the account, if nothing else is left in it.
    async fn remove_account(&mut self) -> Result<Outcome, sqlx::Error> {
        const LEFT: &str = "
            SELECT 'a role' FROM roles WHERE account_id = ?1
            UNION ALL SELECT 'a group' FROM groups WHERE account_id = ?1
            UNION ALL SELECT 'a member' FROM members WHERE account_id = ?1
            UNION ALL SELECT 'a mark on a ' || kind FROM marks WHERE account_id = ?1 AND kind <> 'account' LIMIT 1";
        let left = sqlx::query(LEFT).bind(self.id).fetch_optional(&mut **self.transaction).await?;
        if let Some(left) = left {
            let what: String = left.try_get(0)?;
            let account = &self.trail.batch.mark.account;
            return Ok(Err(StoreError::Conflict(format!("account {account} cannot go: {what} is left in it"))));
        }
        for sql in [
            "DELETE FROM accounts WHERE id = ?1",
            "DELETE FROM marks WHERE account_id = ?1",
            "DELETE FROM account_ids WHERE id = ?1",
        ] {
            sqlx::query(sql).bind(self.id).execute(&mut **self.transaction).await?;
        }
        self.drop_unused_layouts().await?;
        Ok(Ok(()))
    }
}

macro_rules! put_definitions {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (account_id, name, title, ranks) ",
            "SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true ",
            "ON CONFLICT DO UPDATE SET title = excluded.title, ranks = excluded.ranks"
        )
    };
}

macro_rules! remove {
    ($table:literal, $name:literal) => {
        concat!("DELETE FROM ", $table, " WHERE account_id = ?1 AND ", $name, " IN (SELECT value FROM json_each(?2))")
    };
}

macro_rules! translate {
    ($table:literal, $name:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ranks = j.value ->> 1 FROM json_each(?2) j ",
            "WHERE account_id = ?1 AND ",
            $table,
            ".",
            $name,
            " = j.value ->> 0 AND ranks <> j.value ->> 1"
        )
    };
}

const PUT_ROLES: &str = put_definitions!("roles");
const PUT_GROUPS: &str = put_definitions!("groups");
const PUT_MEMBERS: &str = "
    INSERT INTO members (account_id, email, display_name, external_id, role, groups, ranks, starts_at, expires_at, ended)
    SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8 FROM json_each(?2) WHERE true
    ON CONFLICT DO UPDATE SET display_name = excluded.display_name, external_id = excluded.external_id,
        role = excluded.role, groups = excluded.groups, ranks = excluded.ranks, starts_at = excluded.starts_at,
        expires_at = excluded.expires_at, ended = excluded.ended";
const MARK: &str = "
    INSERT INTO marks (account_id, owner_id, kind, name, fingerprint)
    SELECT ?1, ?3, value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each(?2) WHERE true
    ON CONFLICT DO UPDATE SET owner_id = excluded.owner_id, fingerprint = excluded.fingerprint";
const UNMARK: &str = "
    DELETE FROM marks WHERE account_id = ?1 AND (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))";
const REMOVE_ROLES: &str = remove!("roles", "name");
const REMOVE_GROUPS: &str = remove!("groups", "name");
const REMOVE_MEMBERS: &str = remove!("members", "email");
const TRANSLATE_ROLES: &str = translate!("roles", "name");
const TRANSLATE_GROUPS: &str = translate!("groups", "name");
const TRANSLATE_MEMBERS: &str = translate!("members", "email");

/// Statements whose cost must be that of the rows written; see `query_plans`.
#[cfg(test)]
pub(super) const FOR_A_FEW: &[&str] = &[
    PUT_ROLES,
    PUT_GROUPS,
    PUT_MEMBERS,
    MARK,
    UNMARK,
    REMOVE_ROLES,
    REMOVE_GROUPS,
    REMOVE_MEMBERS,
    TRANSLATE_ROLES,
    TRANSLATE_GROUPS,
    TRANSLATE_MEMBERS,
];
