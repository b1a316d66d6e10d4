//! Applies a batch in one transaction. Called by the SQL stores for `Store::apply` and `Store::claim`.

use super::{
    RankRows, Rows, account_mark, audit_append,
    read::{self, Wanted},
    session::{Cells, Read, Session, Table, Write},
};
use crate::{
    contract::{
        AuditBuilder, AuditEntry, Batch, Claim, Outcome, Slot, StoreError,
        decide::{Decision, Step, decide, translations},
        slot,
    },
    model::Layout,
    plan::{Content, Fingerprint, ObjectKey},
    resolve::AccountContent,
};

/// Changes written by one set of statements. Limits their arguments to about a megabyte.
const CHUNK: usize = 1_000;

/// Cause of a failed attempt.
#[derive(Debug)]
pub(in crate::store) enum Failed {
    /// Refusal by our own rules.
    Refused(StoreError),
    /// Error of the database.
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Result of a batch.
#[derive(Debug)]
pub(in crate::store) struct Applied {
    /// One outcome for each change.
    pub(in crate::store) outcomes: Vec<Outcome>,
    /// Whether there is anything to commit.
    pub(in crate::store) wrote: bool,
}

/// Makes the changes of a batch. The session must be a transaction in which no other process of Roster writes.
pub(in crate::store) async fn apply(
    session: &mut dyn Session,
    batch: &Batch<'_>,
    claim: Claim,
) -> Result<Applied, Failed> {
    let cluster = batch.mark.cluster.as_str();
    let rises = fence(session, cluster, claim, slot(&batch.mark.account)).await?;
    let objects = batch.changes.iter().map(|change| &change.object);
    let key = &batch.mark.account;
    let (mut id, mut observed) = read::observed(session, key, &Wanted::named(objects)).await?;
    let mut decision = decide(batch, &observed);
    if decision.translate_from.is_some() {
        (id, observed) = read::observed(session, key, &Wanted::Whole).await?;
        decision = decide(batch, &observed);
    }
    let wrote = decision.steps.iter().any(|step| matches!(step, Ok(Step::Put | Step::Remove)));
    let outcomes = if wrote {
        Writing::new(session, AuditBuilder { batch, observed: &observed, epoch: claim.epoch }, id)
            .await?
            .run(decision)
            .await?
    } else {
        decision.steps.into_iter().map(|step| step.map(|_| ())).collect()
    };
    if rises {
        session.write(Write::Fence(cluster, claim)).await?;
    }
    Ok(Applied { outcomes, wrote: wrote || rises })
}

/// Raises the fence without writing anything else. Returns whether it was lower. The session is as for [`apply`].
pub(in crate::store) async fn raise_fence(
    session: &mut dyn Session,
    cluster: &str,
    claim: Claim,
) -> Result<bool, Failed> {
    // Checks the first and the last slot, where a later claim to other slots would overlap.
    let first = fence(session, cluster, claim, claim.slots.first).await?;
    let last = fence(session, cluster, claim, claim.slots.last).await?;
    if first || last {
        session.write(Write::Fence(cluster, claim)).await?;
    }
    Ok(first || last)
}

/// Returns whether the claim's epoch is higher than all earlier ones for this cluster and slot. Other clusters, and
/// `roster apply`, may keep accounts in the store, too; their epochs do not matter here.
///
/// # Errors
/// `Conflict` if a higher epoch has written.
async fn fence(session: &mut dyn Session, cluster: &str, claim: Claim, at: Slot) -> Result<bool, Failed> {
    let epoch = claim.epoch.0;
    match read::number(session, Read::Fence(cluster, at)).await? {
        Some(highest) if highest > epoch => Err(Failed::Refused(StoreError::Conflict(format!(
            "a newer leader has written here (epoch {highest}; this one has {epoch})"
        )))),
        highest => Ok(highest != Some(epoch)),
    }
}

/// Batch that is being written.
struct Writing<'a> {
    session: &'a mut dyn Session,
    audit: AuditBuilder<'a>,
    /// Number of the account.
    id: i64,
    /// Number of our mark's owner.
    owner: i64,
}

impl<'a> Writing<'a> {
    async fn new(session: &'a mut dyn Session, audit: AuditBuilder<'a>, id: Option<i64>) -> Result<Self, Failed> {
        let mark = audit.batch.mark;
        let id = match id {
            Some(id) => Some(id),
            None => session.write(Write::NewAccount(&mark.account.to_string())).await?,
        };
        let owner = match read::number(session, Read::Owner(mark)).await? {
            Some(owner) => Some(owner),
            None => session.write(Write::NewOwner(mark)).await?,
        };
        let (id, owner) = (id.ok_or(sqlx::Error::RowNotFound)?, owner.ok_or(sqlx::Error::RowNotFound)?);
        Ok(Self { session, audit, id, owner })
    }

    async fn run(mut self, decision: Decision) -> Result<Vec<Outcome>, Failed> {
        let mut audited = Vec::new();
        let mut outcomes: Vec<Outcome> = decision.steps.iter().map(|step| step.clone().map(|_| ())).collect();
        let mut work: Vec<(usize, Step)> = Vec::new();
        let mut account_goes = None;
        for (place, step) in decision.steps.into_iter().enumerate() {
            let (Some(change), Ok(step)) = (self.audit.batch.changes.get(place), step) else { continue };
            match (&change.object, &change.put, step) {
                (_, _, Step::Nothing) => {}
                (ObjectKey::Account, Some((Content::Account(content), fingerprint)), _) => {
                    self.put_account(content, fingerprint).await?;
                    audited.extend(self.audit.change(change));
                }
                (ObjectKey::Account, ..) => account_goes = Some(place),
                (_, _, step) => work.push((place, step)),
            }
        }
        if let Some(from) = decision.translate_from {
            audited.extend(self.translate(&from).await?);
        }
        audit_append(self.session, audited).await?;
        // Records are several times as large as their changes, so only those of one chunk are in memory.
        for chunk in work.chunks(CHUNK) {
            self.write(chunk, &mut outcomes).await?;
            let made = chunk.iter().filter(|(place, _)| outcomes.get(*place) == Some(&Ok(())));
            let made = made.filter_map(|(place, _)| self.audit.change(self.audit.batch.changes.get(*place)?)).collect();
            audit_append(self.session, made).await?;
        }
        let is_used = |(place, _): &(usize, Step)| {
            self.audit.batch.changes.get(*place).is_some_and(|change| change.approved)
                && outcomes.get(*place) == Some(&Ok(()))
        };
        if work.iter().any(is_used) {
            self.session.write(Write::UseUpApproval(self.id)).await?;
        }
        if let Some(place) = account_goes {
            let outcome = self.remove_account().await?;
            let change = self.audit.batch.changes.get(place).filter(|_| outcome.is_ok());
            let audited = change.and_then(|change| self.audit.change(change)).into_iter().collect();
            audit_append(self.session, audited).await?;
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = outcome;
            }
        }
        Ok(outcomes)
    }

    /// Writes the changes at these indexes. If a change is refused, tries halves until the refused one stands alone:
    /// others may have added constraints to our tables, and a failure belongs to the object that caused it.
    async fn write(&mut self, work: &[(usize, Step)], outcomes: &mut [Outcome]) -> Result<(), Failed> {
        let mut waiting = vec![work];
        while let Some(work) = waiting.pop() {
            self.session.write(Write::Savepoint).await?;
            if let Err(error) = self.write_piece(work).await {
                let object = match work {
                    [(place, _)] => self.audit.batch.changes.get(*place).map(|change| change.object.to_string()),
                    _ => None,
                };
                let context = format!("writing {}", object.unwrap_or_default());
                let Some(refusal) = self.session.refusal(&context, &error) else { return Err(error.into()) };
                self.session.write(Write::Undo).await?;
                if let [(place, _)] = work {
                    if let Some(slot) = outcomes.get_mut(*place) {
                        *slot = Err(refusal);
                    }
                } else {
                    let (first, second) = work.split_at(work.len() / 2);
                    waiting.extend([second, first]);
                }
            }
            self.session.write(Write::Release).await?;
        }
        Ok(())
    }

    /// Writes changes with a few statements, however many they are.
    async fn write_piece(&mut self, work: &[(usize, Step)]) -> Result<(), sqlx::Error> {
        let mut rows = Rows::default();
        for (place, _) in work {
            if let Some(change) = self.audit.batch.changes.get(*place) {
                rows.add(change);
            }
        }
        let (account, owner) = (self.id, self.owner);
        for (write, rows) in [
            (Write::Put(Table::Roles, account, &rows.put_roles), &rows.put_roles),
            (Write::Put(Table::Groups, account, &rows.put_groups), &rows.put_groups),
            (Write::Put(Table::Members, account, &rows.put_members), &rows.put_members),
            (Write::Remove(Table::Roles, account, &rows.remove_roles), &rows.remove_roles),
            (Write::Remove(Table::Groups, account, &rows.remove_groups), &rows.remove_groups),
            (Write::Remove(Table::Members, account, &rows.remove_members), &rows.remove_members),
            (Write::Unmark(account, &rows.unmark), &rows.unmark),
            (Write::Mark { account, owner, rows: &rows.mark }, &rows.mark),
        ] {
            if !rows.is_empty() {
                self.session.write(write).await?;
            }
        }
        Ok(())
    }

    async fn put_account(&mut self, content: &AccountContent, fingerprint: &Fingerprint) -> Result<(), sqlx::Error> {
        let layout = self.put_layout(&content.layout).await?;
        self.session.write(Write::Account { id: self.id, content, layout }).await?;
        let rows = [account_mark(fingerprint)];
        self.session.write(Write::Mark { account: self.id, owner: self.owner, rows: &rows }).await?;
        self.session.write(Write::UnusedLayouts).await?;
        Ok(())
    }

    /// Returns the number of `layout`. Writes its rows again if somebody has changed them.
    async fn put_layout(&mut self, layout: &Layout) -> Result<i64, sqlx::Error> {
        if let Some((id, found)) = read::layout_like(self.session, layout).await?
            && found == *layout
        {
            return Ok(id);
        }
        let id = self.session.write(Write::Layout(layout)).await?.ok_or(sqlx::Error::RowNotFound)?;
        self.session.write(Write::Ladders(id, layout)).await?;
        Ok(id)
    }

    /// Rewrites all ranks that are in another layout. Includes rows that this batch writes, since their change may be
    /// refused.
    async fn translate(&mut self, from: &Layout) -> Result<Vec<AuditEntry>, Failed> {
        let translated = translations(self.audit.observed, from, self.audit.batch.layout);
        let rows = RankRows::of(&translated);
        for (table, rows) in [(Table::Roles, rows.roles), (Table::Groups, rows.groups), (Table::Members, rows.members)]
        {
            for rows in rows.chunks(CHUNK) {
                self.session.write(Write::Translate(table, self.id, rows)).await?;
            }
        }
        Ok(self.audit.translations(&translated))
    }

    /// Removes the account unless anything is left in it.
    async fn remove_account(&mut self) -> Result<Outcome, sqlx::Error> {
        let mut left = None;
        let mut take = |row: &dyn Cells| {
            left = row.text(0)?;
            Ok(())
        };
        self.session.each(Read::Left(self.id), &mut take).await?;
        if let Some(what) = left {
            let account = &self.audit.batch.mark.account;
            return Ok(Err(StoreError::Conflict(format!("account {account} cannot be removed: it still has {what}"))));
        }
        self.session.write(Write::RemoveAccount(self.id)).await?;
        self.session.write(Write::UnusedLayouts).await?;
        Ok(Ok(()))
    }
}
