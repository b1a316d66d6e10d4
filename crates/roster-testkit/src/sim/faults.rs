//! Faults of stores, watches, the API server and replicas. Called by `people`.

use roster_core::{
    contract::StoreError,
    model::{AccountKey, KindName, Name},
    plan::ObjectKey,
};

use super::{
    action::{Action, ActionKind, ApiFailure, StoreFault},
    clock::{MINUTE, SECOND, Time},
    cluster::Definition,
    features::Features,
    names::person,
    random::{Random, mix},
    run::Config,
};

/// Adds the faults of a run.
pub fn add(
    actions: &mut Vec<Action>,
    seed: u64,
    features: &Features,
    config: &Config,
    accounts: &[(AccountKey, Name)],
) {
    if features.away {
        make_api_unavailable(actions, seed, config);
    }
    if features.replaced_stores {
        replace_stores(actions, seed, config, accounts);
    }
    let mut random = Random::of(seed, 5);
    let count = random.between(2, 12);
    for number in 0..count {
        let id = mix(&[5, number]);
        let mut random = Random::of(seed, id);
        let at = random.between(5 * SECOND, config.busy - MINUTE);
        let fault = fault(&mut random, features, config, accounts);
        let most = config.busy - at;
        if let Some((kind, end)) = fault {
            actions.push(Action { id, at, kind });
            if let Some((after, kind)) = end {
                actions.push(Action { id: mix(&[id, 1]), at: at + after.min(most), kind });
            }
        }
    }
}

/// Makes the API server unreachable, once or twice.
fn make_api_unavailable(actions: &mut Vec<Action>, seed: u64, config: &Config) {
    let count = Random::of(seed, 6).between(1, 2);
    for number in 0..count {
        let id = mix(&[6, number]);
        let mut random = Random::of(seed, id);
        let at = random.between(5 * SECOND, config.busy - MINUTE);
        actions.push(Action { id, at, kind: ActionKind::Away(random.between(1, 40) * SECOND) });
    }
}

/// Replaces a store with an empty one, once or twice.
fn replace_stores(actions: &mut Vec<Action>, seed: u64, config: &Config, accounts: &[(AccountKey, Name)]) {
    let count = Random::of(seed, 11).between(1, 2);
    for number in 0..count {
        let id = mix(&[11, number]);
        let mut random = Random::of(seed, id);
        let at = random.between(5 * SECOND, config.busy - MINUTE);
        let name = random.pick(accounts).1.clone();
        let end =
            if random.chance(50) { ActionKind::Restore(name.clone()) } else { ActionKind::ApproveStore(name.clone()) };
        let until = at + random.between(1, 50) * SECOND;
        actions.push(Action { id, at, kind: ActionKind::Replace(name) });
        actions.push(Action { id: mix(&[id, 1]), at: until, kind: end });
    }
}

/// Fault, and the action that ends it after some time.
type FaultActions = (ActionKind, Option<(Time, ActionKind)>);

fn fault(
    random: &mut Random,
    features: &Features,
    config: &Config,
    accounts: &[(AccountKey, Name)],
) -> Option<FaultActions> {
    let replica = usize::try_from(random.below(config.replicas as u64)).unwrap_or(0);
    let kind = *random.pick(&KindName::ALL);
    let lasts = random.between(1, 50) * SECOND;
    match random.below(10) {
        0..=1 if features.lags => {
            Some((ActionKind::Lag(replica, kind, random.between(1, 15) * SECOND, random.between(5, 60) * SECOND), None))
        }
        2 if features.relists => {
            let behind = if random.chance(50) { 0 } else { usize::try_from(random.below(20)).unwrap_or(0) };
            Some((ActionKind::Relist(replica, kind, behind), None))
        }
        3..=4 if features.store_faults => {
            let (account, store) = random.pick(accounts).clone();
            let fault = match random.below(7) {
                0 => StoreFault::Unavailable,
                1 => StoreFault::Silent,
                2 => StoreFault::Locked,
                3 => StoreFault::LockedAccount(account),
                4 => StoreFault::DiesAfter(u32::try_from(random.below(6)).unwrap_or(0)),
                5 => StoreFault::LosesReplies(1 + u32::try_from(random.below(3)).unwrap_or(0)),
                _ => StoreFault::Slow(random.between(1, 20) * SECOND / 10),
            };
            Some((
                ActionKind::Store(store.clone(), fault.clone(), true),
                Some((lasts, ActionKind::Store(store, fault, false))),
            ))
        }
        5 if features.api_faults => {
            let failure = *random.pick(&[ApiFailure::Fails, ApiFailure::LosesReplies, ApiFailure::Conflicts]);
            Some((ActionKind::Api(failure, 1 + u32::try_from(random.below(8)).unwrap_or(0)), None))
        }
        6..=7 if features.crashes => {
            let lasts = random.between(1, 40) * SECOND;
            Some((
                if random.chance(50) { ActionKind::Crash(replica, lasts) } else { ActionKind::Freeze(replica, lasts) },
                None,
            ))
        }
        8 if features.jumps => {
            let by = i64::try_from(random.between(1, 900)).unwrap_or(1);
            Some((ActionKind::Jump(if random.chance(70) { by } else { -by / 10 }), None))
        }
        9 if features.terminations => {
            if random.chance(40) {
                let namespace = random.pick(accounts).0.namespace.clone();
                return Some((ActionKind::DeleteNamespace(namespace, lasts), None));
            }
            let definition = *random.pick(&[Definition::Denied, Definition::Terminating, Definition::Absent]);
            Some((ActionKind::Define(kind, definition), Some((lasts, ActionKind::Define(kind, Definition::Served)))))
        }
        3 if features.refusals => {
            let (account, store) = random.pick(accounts).clone();
            let object = match random.below(10) {
                8.. => ObjectKey::Account,
                number => ObjectKey::Member(person(number)),
            };
            let fault = StoreFault::Refused(account, object, StoreError::Invalid("no".to_owned()));
            Some((
                ActionKind::Store(store.clone(), fault.clone(), true),
                Some((lasts, ActionKind::Store(store, fault, false))),
            ))
        }
        _ => None,
    }
}
