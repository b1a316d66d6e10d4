//! Requests of passes, carried out step by step. Called by the run.

use roster_core::{
    contract::StoreError,
    control::{FreshRead, PassId},
    model::{KindName, Name, ObjectRef, Scope},
    plan::Existing,
    resolve::MemberContent,
    state::{KnownStore, StoreAnswer},
};

use super::{
    clock::{MILLI, SECOND, Time},
    item::Item,
    pass_environment::{Answer, Request},
    random::key,
    replica::Replica,
    run::Sim,
};
use crate::memory::{MemoryStore, Progress};

/// Timeout of a store that does not respond.
const PATIENCE: Time = 30 * SECOND;

fn gone() -> StoreError {
    StoreError::Unavailable("the IdentityStore is deleted".to_owned())
}

fn no_answer() -> StoreError {
    StoreError::Unavailable("no response within 30 s".to_owned())
}

/// Result of one step of a request.
enum Served {
    Answer(Answer),
    Again,
    Waits,
}

impl Sim {
    /// Carries out the next step of a pass's request.
    pub fn serve(&mut self, number: usize, id: PassId) {
        let Some(running) = self.replicas[number].passes.get_mut(&id) else { return };
        let Some((request, since)) = running.request.take() else { return };
        let account = key(&running.pass.key.to_string());
        let served = self.carry(number, id, &request, since);
        let life = self.replicas[number].life;
        match served {
            Served::Answer(answer) => {
                if let Some(running) = self.replicas[number].passes.get_mut(&id) {
                    running.apply = None;
                    running.environment.answer(answer);
                }
                self.poll(number, id);
            }
            again => {
                if let Some(running) = self.replicas[number].passes.get_mut(&id) {
                    running.request = Some((request, since));
                }
                let after = match again {
                    Served::Waits => 500 * MILLI,
                    _ => self.store_delay(number, id, account),
                };
                self.at(self.clock.time + after, Item::Pass(number, life, id));
            }
        }
    }

    fn carry(&mut self, number: usize, id: PassId, request: &Request, since: Time) -> Served {
        let time = self.clock.time;
        let store_name = self.replicas[number].passes[&id].pass.store.clone();
        match request {
            Request::Claim(cluster, permit) => {
                let remembered = Replica::claim_key(&store_name, permit.claim);
                if self.replicas[number].claimed.contains(&remembered) {
                    return Served::Answer(Answer::Claimed(Ok(())));
                }
                let Some(store) = self.stores.get_mut(&store_name) else {
                    return Served::Answer(Answer::Claimed(Err(gone())));
                };
                match silence(store, time - since) {
                    Silence::Answers => {}
                    Silence::Waits => return Served::Waits,
                    Silence::GaveUp(error) => return Served::Answer(Answer::Claimed(Err(error))),
                }
                let result = store.claim(cluster, permit.claim);
                if result.is_ok() {
                    self.replicas[number].claimed.insert(remembered);
                    self.checker.claimed(&store_name, permit.claim);
                }
                Served::Answer(Answer::Claimed(result))
            }
            Request::Observe(account, scope, from) => {
                let Some(store) = self.stores.get_mut(&store_name) else {
                    return Served::Answer(Answer::Observed(Box::new(Err(gone()))));
                };
                match silence(store, time - since) {
                    Silence::Answers => {}
                    Silence::Waits => return Served::Waits,
                    Silence::GaveUp(error) => return Served::Answer(Answer::Observed(Box::new(Err(error)))),
                }
                Served::Answer(Answer::Observed(Box::new(store.observe(account, scope, *from))))
            }
            Request::Apply(..) => self.step_apply(number, id, request, &store_name, since),
            Request::ReadFresh(account, uid) => {
                let result = self.read_fresh(account, uid);
                if matches!(result, Ok(FreshRead::All)) {
                    self.replicas[number].fresh.insert(account.clone(), time);
                }
                self.transcript.record_of_account(time, account, || {
                    format!("replica {number} reads afresh whether everything stays: {result:?}")
                });
                Served::Answer(Answer::ReadFresh(result))
            }
            Request::LacksStore(name) => {
                let result = self.looks_for_store(name);
                Served::Answer(Answer::LacksStore(result))
            }
            Request::Finalizer(object, uid, wanted) => {
                let result = self.finalize(object, uid, *wanted);
                self.transcript.record(time, Some(&object.namespace), || {
                    format!("replica {number} {} the finalizer of {object:?}", if *wanted { "sets" } else { "removes" })
                });
                Served::Answer(Answer::FinalizerSet(result))
            }
        }
    }

    /// Returns whether the store with this name is neither the known one nor an approved one: nothing may be granted in
    /// it.
    pub(super) fn stands_unapproved(&self, name: &Name) -> bool {
        self.stores.get(name).is_some_and(|store| self.is_unknown(name, store))
    }

    /// Returns whether a store is neither the one that its IdentityStore knows nor an approved one.
    fn is_unknown(&self, name: &Name, store: &MemoryStore) -> bool {
        let object = ObjectRef { kind: KindName::IdentityStore, namespace: Name::default(), name: name.clone() };
        let Some(stored) = self.cluster.get(&object) else { return false };
        let annotation = |key: &str| stored.metadata.annotations.as_ref()?.get(key).map(String::as_str);
        KnownStore::read(annotation).judge(Some(&store.id)) == StoreAnswer::Replaced
    }

    fn step_apply(&mut self, number: usize, id: PassId, request: &Request, store_name: &Name, since: Time) -> Served {
        let Request::Apply(batch, permit) = request else { return Served::Again };
        let (time, wall) = (self.clock.time, self.clock.wall());
        let fails = |error| Served::Answer(Answer::Applied(Err(error)));
        let Some(mut store) = self.stores.remove(store_name) else { return fails(gone()) };
        let Some(running) = self.replicas[number].passes.get(&id) else {
            self.stores.insert(store_name.clone(), store);
            return Served::Again;
        };
        let mut apply = running.apply.clone();
        if apply.is_none() && !self.believes(number, permit.shard) {
            self.stores.insert(store_name.clone(), store);
            return fails(StoreError::Unavailable("the lease is lost; another replica may write".to_owned()));
        }
        let call = apply.get_or_insert_with(|| store.begin(batch.as_ref().clone(), permit.claim));
        let account = batch.mark.account.clone();
        let writes = store.writes();
        let before = store.account_access(&account, wall);
        let count = store.observe(&account, &Scope::Members(Vec::new().into()), wall);
        let members = count.map_or(0, |observed| observed.member_count);
        let progress = call.step(&mut store);
        let wrote = store.writes() != writes;
        if wrote {
            let after = store.account_access(&account, wall);
            self.mark(&[5, key(&account.to_string()), store.writes()]);
            let touched = match &progress {
                Progress::Going { touched } => touched.len(),
                _ => 0,
            };
            self.transcript.record_of_account(time, &account, || {
                super::transcript::describe_write(number, store_name, touched, &before, &after)
            });
            let lost: Vec<_> = before.keys().filter(|email| !after.contains_key(*email)).cloned().collect();
            let rows = store.observe(&account, &Scope::Members(lost.into()), wall).unwrap_or_default().members;
            let is_over =
                |existing: &Existing<MemberContent>| existing.content.as_ref().is_some_and(|c| c.window.is_over(wall));
            let over = rows.into_iter().filter(|(_, existing)| is_over(existing)).map(|(email, _)| email).collect();
            let running = &self.replicas[number].passes[&id];
            let write = super::check::Write {
                store: store_name,
                kind: store.kind(),
                account: &account,
                claim: permit.claim,
                running,
                before: &before,
                after: &after,
                members,
                fresh: self.replicas[number].fresh.get(&account).copied(),
                time,
                wall,
                is_unknown: self.is_unknown(store_name, &store),
                over,
            };
            self.checker.wrote(&write);
        }
        self.stores.insert(store_name.clone(), store);
        let is_over = time - since > PATIENCE;
        if let Some(running) = self.replicas[number].passes.get_mut(&id) {
            running.apply = apply;
        }
        match progress {
            Progress::Done(outcomes) => Served::Answer(Answer::Applied(Ok(outcomes))),
            Progress::Waiting if is_over => fails(no_answer()),
            Progress::Waiting => Served::Waits,
            Progress::Going { .. } => Served::Again,
        }
    }
}

/// State of a store that may be silent.
enum Silence {
    Answers,
    Waits,
    GaveUp(StoreError),
}

fn silence(store: &MemoryStore, waited: Time) -> Silence {
    match (store.faults.silent, waited > PATIENCE) {
        (false, _) => Silence::Answers,
        (true, false) => Silence::Waits,
        (true, true) => Silence::GaveUp(no_answer()),
    }
}
