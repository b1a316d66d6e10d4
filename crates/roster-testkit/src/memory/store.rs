//! State of the store in memory, and reading it. Used by [`Apply`](super::Apply), by handles, and directly by tests and
//! the simulator.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roster_core::{
    contract::{
        AuditChain, AuditEntry, AuditLink, AuditQuery, AuditRecord, AuditReport, Claim, Slot, StoreError, Totals,
    },
    model::{AccountKey, Email, Name, Scope},
    plan::{Mark, Observed, RecentRemoval},
};

use super::{
    Faults, Kind,
    levels::known,
    rows::{AccountRows, Selection},
};

/// Identity store in memory. See the [module](super).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryStore {
    pub(super) kind: Kind,
    /// Id of the store; another id stands for another store.
    pub id: Name,
    /// Faults that are turned on.
    pub faults: Faults,
    pub(super) accounts: BTreeMap<AccountKey, AccountRows>,
    pub(super) removals: BTreeMap<AccountKey, Vec<RecentRemoval>>,
    /// Approvals of removals that were used up.
    pub(super) approvals: BTreeMap<AccountKey, u64>,
    fences: BTreeMap<Name, Vec<Claim>>,
    chain: AuditChain,
    links: Vec<AuditLink>,
    pub(super) writes: u64,
}

impl MemoryStore {
    /// Returns an empty store.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            id: Name::from("memory"),
            faults: Faults::default(),
            accounts: BTreeMap::new(),
            removals: BTreeMap::new(),
            approvals: BTreeMap::new(),
            fences: BTreeMap::new(),
            chain: AuditChain::EMPTY,
            links: Vec::new(),
            writes: 0,
        }
    }

    /// Returns the kind of the store.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the number of writes so far: commits of the transactional kind, single writes of the plain kind.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Returns the id of the store.
    ///
    /// # Errors
    /// `Unavailable` if the store is down.
    pub fn id(&self) -> Result<Name, StoreError> {
        self.faults.check_read()?;
        Ok(self.id.clone())
    }

    /// Returns the content of an account within a scope, and its counted removals that are not older than `since`.
    ///
    /// # Errors
    /// `Unavailable` if the store is down.
    pub fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        self.faults.check_read()?;
        let mut observed = self.observe_rows(account, Selection::of(scope));
        let removals = self.removals.get(account).into_iter().flatten();
        observed.approvals = self.approvals.get(account).copied().unwrap_or(0);
        observed.recent_removals = removals.filter(|removal| removal.at >= since).cloned().collect();
        Ok(observed)
    }

    /// Returns the rows of an account as observed by the engine.
    pub(super) fn observe_rows(&self, account: &AccountKey, selection: Selection<'_>) -> Observed {
        let observed = self.accounts.get(account).map(|rows| rows.observed(selection)).unwrap_or_default();
        Observed { store: Some(self.id.clone()), ..observed }
    }

    /// Returns the marks of all accounts, in the order of their keys.
    ///
    /// # Errors
    /// `Unavailable` if the store is down.
    pub fn marks(&self) -> Result<Vec<Mark>, StoreError> {
        self.faults.check_read()?;
        Ok(self.accounts.values().filter_map(|rows| rows.account.as_ref()?.mark.clone()).collect())
    }

    /// Returns all accounts of which anything is left, in order.
    ///
    /// # Errors
    /// `Unavailable` if the store is down.
    pub fn keys(&self) -> Result<Vec<AccountKey>, StoreError> {
        self.faults.check_read()?;
        Ok(self.accounts.keys().cloned().collect())
    }

    /// Counts accounts and members.
    ///
    /// # Errors
    /// `Unavailable` if the store is down.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        self.faults.check_read()?;
        let is_there = |rows: &&AccountRows| rows.account.as_ref().is_some_and(|existing| existing.content.is_some());
        Ok(Totals {
            accounts: self.accounts.values().filter(is_there).count() as u64,
            members: self.accounts.values().map(AccountRows::member_count).sum(),
        })
    }

    /// Returns the members with one of these addresses who hold levels. The transactional kind omits those whose access
    /// is revoked or expired.
    ///
    /// # Errors
    /// `Unavailable` if the store is down.
    pub fn with_access(&self, who: &[Email], now: Timestamp) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        self.faults.check_read()?;
        let mut sorted: Vec<&Email> = who.iter().collect();
        sorted.sort();
        sorted.dedup();
        let mut found = Vec::new();
        for (key, rows) in &self.accounts {
            let layout = rows.layout();
            let holds = |email: &Email| {
                let row = rows.members.get(email).and_then(|existing| existing.content.as_ref());
                row.is_some_and(|row| {
                    let may = row.content.ended.is_none() && !row.content.window.is_over(now);
                    (may || self.kind == Kind::Plain) && !known(&row.levels, &layout).is_empty()
                })
            };
            found.extend(sorted.iter().filter(|email| holds(email)).map(|email| (key.clone(), (*email).clone())));
        }
        Ok(found)
    }

    /// Fences out writers of a cluster with an earlier epoch. The plain kind does nothing.
    ///
    /// # Errors
    /// `Conflict` if a later epoch has claimed the first or last of the slots; `Unavailable` if nothing can be written.
    pub fn claim(&mut self, cluster: &str, claim: Claim) -> Result<(), StoreError> {
        self.faults.check_write(None)?;
        if self.kind == Kind::Plain {
            return Ok(());
        }
        let first = self.check_fence(cluster, claim, claim.slots.first)?;
        let last = self.check_fence(cluster, claim, claim.slots.last)?;
        if first || last {
            self.faults.write(None)?;
            self.raise_fence(cluster, claim);
            self.writes += 1;
        }
        Ok(())
    }

    /// Returns whether the claim's epoch is higher than all that have written at this slot.
    pub(super) fn check_fence(&self, cluster: &str, claim: Claim, at: Slot) -> Result<bool, StoreError> {
        let claims = self.fences.get(cluster).into_iter().flatten();
        let highest = claims.filter(|claim| claim.slots.contains(at)).map(|claim| claim.epoch).max();
        match highest {
            Some(highest) if highest > claim.epoch => Err(StoreError::Conflict(format!(
                "a newer leader has written here (epoch {}, this one is {})",
                highest.0, claim.epoch.0
            ))),
            highest => Ok(highest != Some(claim.epoch)),
        }
    }

    /// Stores a claim, which replaces earlier ones within its slots.
    pub(super) fn raise_fence(&mut self, cluster: &str, claim: Claim) {
        let claims = self.fences.entry(Name::new(cluster)).or_default();
        let within = |old: &Claim| claim.slots.contains(old.slots.first) && claim.slots.contains(old.slots.last);
        claims.retain(|old| !(within(old) && old.epoch <= claim.epoch));
        claims.push(claim);
    }

    /// Appends entries to the audit.
    pub(super) fn record(&mut self, entries: Vec<AuditEntry>) {
        for entry in entries {
            let link = self.chain.append(entry);
            self.links.push(link);
        }
    }

    /// Returns records of the audit, oldest first.
    ///
    /// # Errors
    /// `Invalid` if this kind keeps none; `Unavailable` if the store is down.
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        self.faults.check_read()?;
        if self.kind == Kind::Plain {
            return Err(StoreError::Invalid("this store has no audit".to_owned()));
        }
        let found = self.links.iter().filter(|link| is_asked(query, link));
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let mut found: Vec<&AuditLink> =
            if query.newest { found.rev().take(limit).collect() } else { found.take(limit).collect() };
        if query.newest {
            found.reverse();
        }
        Ok(found.into_iter().cloned().map(AuditRecord::new).collect())
    }

    /// Checks the audit from its first record to its last.
    #[must_use]
    pub fn verify_audit(&self) -> AuditReport {
        let mut chain = AuditChain::EMPTY;
        let followed = self.links.iter().try_for_each(|link| chain.follow(link));
        let fault = followed.and_then(|()| chain.ends_at(Some(&self.chain))).err();
        AuditReport::new(&chain, fault)
    }
}

fn is_asked(query: &AuditQuery, link: &AuditLink) -> bool {
    let entry = &link.entry;
    let at = |at: Timestamp| at.as_microsecond();
    query.account.as_ref().is_none_or(|account| account.to_string() == entry.account)
        && query.who.as_ref().is_none_or(|who| entry.kind == "member" && entry.name == who.as_str())
        && query.kind.as_ref().is_none_or(|kind| *kind == entry.kind)
        && query.cause.as_ref().is_none_or(|cause| *cause == entry.cause)
        && query.since.is_none_or(|since| entry.at >= at(since))
        && query.until.is_none_or(|until| entry.at < at(until))
        && link.seq > query.after
}
