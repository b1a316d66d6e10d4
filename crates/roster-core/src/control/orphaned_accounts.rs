//! Accounts that a store still holds although no Account describes them any more (`deletionPolicy: Orphan`). Blocked
//! people lose access in them, too; no other change is made there, and access is never restored. The refresh of a
//! store starts it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Control, Effect, Handle, Now, Pass, PassEnvironment, PassResult, PassWork,
    pass::Running,
    queue::{Trigger, WorkItem},
    refresh_state::{OrphanedAccounts, REFRESH_DELAY},
};
use crate::{
    api::Adoption,
    contract::{Batch, StoreError},
    evaluate::{Context, Revocation, revoke_only},
    model::{AccountKey, Email, KindName, Scope},
    plan::{GUARD_WINDOW, Mark},
    report::{self, StoreFound},
    resolve::{Origin, RevocationReason},
    state::{Record, StoreFacts},
};

/// Maximum number of such passes at a time in one store: live accounts have most of its room.
const AT_ONCE: usize = 4;

impl Control {
    /// Revokes the access of blocked people in a store's accounts that this cluster marked and no Account describes
    /// any more, for the shards of this replica.
    pub(super) fn revoke_in_orphaned(&mut self, store: &Arc<Record<StoreFacts>>, found: &StoreFound, now: Now) {
        if self.stopping {
            return;
        }
        let known = self.refreshes.orphaned_accounts.entry(store.name.clone()).or_default();
        if known.generation != store.facts.generation {
            *known = OrphanedAccounts { generation: store.facts.generation, ..OrphanedAccounts::default() };
        }
        let known = self.refreshes.orphaned_accounts.get(&store.name);
        let orphaned: BTreeSet<&AccountKey> = found.orphaned.iter().collect();
        let is_left = |key: &AccountKey| {
            let is_described = self.store_of(key).as_ref() == Some(&store.name);
            orphaned.contains(key) && !is_described && known.is_none_or(|known| !known.without.contains(key))
        };
        let mut people: BTreeMap<&AccountKey, BTreeSet<&Email>> = BTreeMap::new();
        for (key, email) in found.blocked_with_access.iter().filter(|(key, _)| is_left(key)) {
            people.entry(key).or_default().insert(email);
        }
        let runs: BTreeSet<AccountKey> = self.passes.iter().map(|(_, running)| running.key.clone()).collect();
        let of_store = |running: &Running| running.is_orphaned && running.store == store.name;
        let room = AT_ONCE.saturating_sub(self.passes.iter().filter(|(_, running)| of_store(running)).count());
        let permit = |key: &AccountKey| self.shards.permit(self.shards.shard(key, Some(&store.facts.spec)));
        let ours = people.into_iter().filter_map(|(key, people)| Some((permit(key)?, key, people)));
        let ours: Vec<_> = ours.collect();
        if ours.len() > room || ours.iter().any(|(_, key, _)| runs.contains(*key)) {
            self.refresh(KindName::IdentityStore, store.name.clone(), REFRESH_DELAY, now.mono);
        }
        for (permit, key, people) in ours.into_iter().filter(|(_, key, _)| !runs.contains(*key)).take(room) {
            // An Account of this name may use another IdentityStore over the same database; then it is not orphaned.
            let live = self.index.accounts.get(key).and_then(|entry| entry.object.as_ref());
            let uid = live.map(|account| account.meta.uid.clone()).unwrap_or_default();
            let (id, handle) = (self.pass_ids.give(), Handle::default());
            let revocation = |email: &Email| {
                (
                    email.clone(),
                    Revocation { end: RevocationReason::Blocked, origin: Origin::of_block(&store.facts, email) },
                )
            };
            let work = PassWork::OrphanedAccount(people.iter().copied().map(revocation).collect());
            let running = Running {
                key: key.clone(),
                uid: uid.clone(),
                store: store.name.clone(),
                shard: permit.shard,
                scope: Scope::Members(people.into_iter().cloned().collect()),
                handle: handle.clone(),
                is_parallel: false,
                is_orphaned: true,
                deleting: None,
                reconciles: false,
                revision: 0,
                vanished: 0,
                store_generation: Some(store.facts.generation),
            };
            self.passes.begin(id, running);
            let mark = Mark { cluster: self.setup.cluster.clone(), account: key.clone(), uid };
            let (key, store, store_facts) = (key.clone(), store.name.clone(), Some(store.facts.clone()));
            let pass = Pass { id, key, store, store_facts, mark, permit, now: now.wall, handle, parallel: None, work };
            self.outbox.push(Effect::Start(Box::new(pass)));
        }
    }

    /// Refreshes the store after a revocation in an orphaned account; immediately only the first time, to avoid a
    /// busy loop.
    pub(super) fn orphaned_finished(&mut self, running: &Running, result: &PassResult, now: Now) {
        let known = self.refreshes.orphaned_accounts.entry(running.store.clone()).or_default();
        let is_first = match result {
            PassResult::OrphanedRevoked(Ok(false)) => {
                if Some(known.generation) == running.store_generation {
                    known.without.insert(running.key.clone());
                }
                return;
            }
            PassResult::OrphanedRevoked(Ok(true)) => !std::mem::replace(&mut known.has_revoked, true),
            _ => false,
        };
        let delay = if is_first { Duration::ZERO } else { REFRESH_DELAY };
        self.refresh(KindName::IdentityStore, running.store.clone(), delay, now.mono);
        if self.store_of(&running.key).is_some() {
            // An Account describes it again, and may declare other content.
            self.queue.add(&running.key, WorkItem::Account, Trigger::CHECK, now.mono);
        }
    }
}

/// Revokes the access of these people in an account with our cluster's mark. Returns whether any change was needed.
pub(super) async fn revoke<E: PassEnvironment>(
    pass: &Pass,
    revocations: &[(Email, Revocation)],
    environment: &E,
) -> Result<bool, StoreError> {
    environment.claim(&pass.mark.cluster, &pass.permit).await?;
    let scope = Scope::Members(revocations.iter().map(|(email, _)| email.clone()).collect());
    let observed = environment.observe(&pass.key, &scope, pass.now - GUARD_WINDOW).await?;
    let mark = observed.account.as_ref().and_then(|existing| existing.mark.clone());
    let is_left = |mark: &Mark| mark.cluster == pass.mark.cluster && mark.uid != pass.mark.uid;
    let Some(mark) = mark.filter(is_left) else { return Ok(false) };
    // A block names the person, so it also applies to members that no object ever declared.
    let context = Context { adoption: Some(Adoption::Always), ..Context::new(mark.clone(), pass.now) };
    let plan = revoke_only(&observed, revocations, &context);
    if plan.changes.is_empty() {
        return Ok(false);
    }
    let batch = Batch::of(&plan, &mark, pass.now);
    let outcomes = environment.apply(&batch, &pass.permit).await?;
    if environment.logs() {
        report::access_changes(|_| None, &plan, &observed, &batch, &outcomes)
            .for_each(|change| environment.log(&change));
    }
    outcomes.into_iter().collect::<Result<Vec<()>, StoreError>>().map(|_| true)
}
