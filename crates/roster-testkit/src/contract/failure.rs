//! Promises about failures of one object, failures of a whole batch, and interrupted passes. Run by the contract suite.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use super::{
    Backend, Cut,
    world::{NOW, email, ladder, member, member_key, members, ranks, world},
};
use roster_core::{
    contract::{Outcome, StoreError},
    model::{Email, Layout, RoleName, Scope},
    plan::{Content, ObjectKey, RecentRemoval},
    resolve::{MemberContent, RevocationReason},
};

fn is_invalid(outcome: &Outcome) -> bool {
    matches!(outcome, Err(StoreError::Invalid(_)))
}

pub async fn a_batch_for_other_sections_is_refused(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let before = world.observe(&*store).await;
    let ann = email("ann@shop.example");
    world.members.get_mut(&ann).unwrap().ranks = ranks(&[0, 0, 1]);
    let plan = world.plan(&*store, members(&[&ann])).await;
    let fewer = Layout::new(world.account.layout.ladders()[..2].to_vec());
    let outcomes = world.apply_changes(&*store, &fewer, &plan.changes).await;
    assert!(matches!(outcomes.as_slice(), [outcome] if is_invalid(outcome)), "{outcomes:?}");
    assert_eq!(world.observe(&*store).await, before);
}

pub async fn one_refused_member_does_not_affect_others(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    for n in 0..50 {
        world.members.insert(email(&format!("m{n}@shop.example")), member(&[1, 1, 1]));
    }
    let mut plan = world.plan(&*store, Scope::Account).await;
    let (short, high, nul) = (email("m3@shop.example"), email("m17@shop.example"), email("m40@shop.example"));
    for change in &mut plan.changes {
        let Some((Content::Member(content), _)) = &mut change.put else { continue };
        match &change.object {
            object if *object == member_key(&short) => content.ranks = ranks(&[1, 1]),
            object if *object == member_key(&high) => content.ranks = ranks(&[1, 2, 1]),
            object if *object == member_key(&nul) => content.display_name = Some("a\0b".into()),
            _ => {}
        }
    }
    let outcomes = world.apply(&*store, &plan).await;
    for (change, outcome) in plan.changes.iter().zip(&outcomes) {
        let refused = [&short, &high, &nul].into_iter().any(|email| change.object == member_key(email));
        assert_eq!(is_invalid(outcome), refused, "{}: {outcome:?}", change.object);
        assert_eq!(outcome.is_ok(), !refused, "{}: {outcome:?}", change.object);
    }
    [short, high, nul].iter().for_each(|email| drop(world.members.remove(email)));
    world.assert_held(&world.observe(&*store).await);
}

pub async fn nothing_has_effect_without_its_account(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    let plan = world.plan(&*store, Scope::Account).await;
    let without: Vec<_> = plan.changes.iter().filter(|c| c.object != ObjectKey::Account).cloned().collect();
    let outcomes = world.apply_changes(&*store, &plan.layout, &without).await;
    assert!(outcomes.iter().all(|o| matches!(o, Err(StoreError::Conflict(_)))), "{outcomes:?}");
    // Also if the account itself is refused.
    let mut broken = plan.clone();
    for change in &mut broken.changes {
        if let Some((Content::Account(content), _)) = &mut change.put {
            content.layout = Layout::new(vec![ladder("other", &["No", "Yes"])]);
        }
    }
    let outcomes = world.apply(&*store, &broken).await;
    assert!(outcomes.iter().all(is_invalid), "{outcomes:?}");
    world.assert_nothing(&*store).await;
    assert_eq!(store.totals().await.unwrap(), roster_core::contract::Totals::default());
}

pub async fn accounts_do_not_disturb_each_other(backend: &dyn Backend) {
    let store = backend.open().await;
    // If a pass is many requests, fewer rounds are enough.
    let rounds: u8 = if store.capabilities().transactions { 10 } else { 4 };
    let worlds: Vec<_> = (0..8).map(|n| world(&format!("account-{n}"))).collect();
    let passes = worlds.iter().map(|world| async {
        let mut world = world.clone();
        for round in 0..rounds {
            let content = member(&[round % 3, round % 2, round % 4]);
            world.members.insert(email(&format!("round-{round}@shop.example")), content.clone());
            world.members.insert(email("ann@shop.example"), content);
            world.converge(&*store).await;
            world.assert_held(&world.observe(&*store).await);
        }
        world
    });
    for world in futures::future::join_all(passes).await {
        world.assert_held(&world.observe(&*store).await);
    }
    assert_eq!(store.totals().await.unwrap().members, 8 * (2 + u64::from(rounds)));
}

pub async fn people_of_one_account_do_not_disturb_each_other(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let people: Vec<Email> = (0..24).map(|n| email(&format!("m{n}@shop.example"))).collect();
    let rounds: u8 = if store.capabilities().transactions { 10 } else { 3 };
    for round in 0..rounds {
        for (n, person) in people.iter().enumerate() {
            world.members.insert(person.clone(), member(&[n as u8 % 3, round % 2, 1]));
        }
        world.converge(&*store).await;
        // Most of them change in one call. In parallel, one is suspended and one is removed, each in a call of its own.
        for person in &people {
            world.members.insert(person.clone(), member(&[2, round % 2, 2]));
        }
        let suspended = world.members.get_mut(&people[0]).unwrap();
        *suspended = MemberContent { ended: Some(RevocationReason::Suspended), ..member(&[0, 0, 0]) };
        world.members.remove(&people[1]);
        let scopes = [members(&[&people[0]]), members(&[&people[1]]), Scope::Members(people[2..].into())];
        let plans = scopes.map(|scope| world.plan(&*store, scope));
        let plans = futures::future::join_all(plans).await;
        let calls = futures::future::join_all(plans.iter().map(|plan| world.apply(&*store, plan))).await;
        for (plan, outcomes) in plans.iter().zip(calls) {
            assert!(!plan.changes.is_empty());
            assert_eq!(outcomes, vec![Ok(()); plan.changes.len()]);
        }
        world.assert_held(&world.observe(&*store).await);
        assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
    }
}

pub async fn a_pass_that_is_dropped_leaves_all_or_nothing(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let capabilities = store.capabilities();
    let rounds = if capabilities.transactions { 40_u32 } else { 10 };
    for round in 0..rounds {
        let before = world.observe(&*store).await;
        for n in 0..30 {
            let content = member(&[(round % 3) as u8, (round % 2) as u8, ((round + n) % 4) as u8]);
            world.members.insert(email(&format!("m{n}@shop.example")), content);
        }
        let plan = world.plan(&*store, Scope::Account).await;
        // Dropped during the call, as after a lost lease: at another point in each round.
        let finished = dropped(backend.cut(round, capabilities), world.apply(&*store, &plan)).await.is_some();
        let after = world.observe(&*store).await;
        if finished || (capabilities.transactions && after != before) {
            world.assert_held(&after);
        }
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
    }
}

/// Runs a call up to a cut. Returns its result if it ended before.
async fn dropped<T>(cut: Cut, call: impl Future<Output = T>) -> Option<T> {
    let most = match cut {
        Cut::After(limit) => return tokio::time::timeout(limit, call).await.ok(),
        Cut::AtPoll(most) => most,
    };
    let mut call = pin!(call);
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polls >= most => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

pub async fn counted_removals_are_remembered(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let (ann, ben) = (email("ann@shop.example"), email("ben@shop.example"));
    world.members.remove(&ann);
    world.roles.remove(&RoleName::custom("admin"));
    // One member is removed and one loses access; a removed role does not count.
    world.members.get_mut(&ben).unwrap().ranks = ranks(&[0, 0, 0]);
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.iter().filter(|change| change.counted).count(), 2);
    let removed = [RecentRemoval { email: ann, at: NOW }, RecentRemoval { email: ben.clone(), at: NOW }];
    for scope in [Scope::Account, members(&[&ben])] {
        let mut observed = store.observe(world.key(), &scope, NOW).await.unwrap().recent_removals;
        observed.sort_by(|a, b| a.email.cmp(&b.email));
        assert_eq!(observed, removed);
        let later = NOW + Duration::from_micros(1);
        assert_eq!(store.observe(world.key(), &scope, later).await.unwrap().recent_removals, []);
    }
    // Repeating removes nobody again.
    world.apply(&*store, &plan).await;
    assert_eq!(world.observe(&*store).await.recent_removals.len(), 2);
}

pub async fn an_approval_is_used_up_by_the_approved_removals(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let ann = email("ann@shop.example");
    world.members.remove(&ann);
    let used = async |scope: &Scope| store.observe(world.key(), scope, NOW).await.unwrap().approvals;
    let mut plan = world.plan(&*store, Scope::Account).await;
    assert_eq!(used(&Scope::Account).await, 0);
    for change in plan.changes.iter_mut().filter(|change| change.counted) {
        (change.counted, change.approved) = (false, true);
    }
    let outcomes = world.apply(&*store, &plan).await;
    assert_eq!(outcomes, [Ok(())]);
    for scope in [Scope::Account, members(&[&ann])] {
        assert_eq!(used(&scope).await, 1, "{scope:?}");
    }
    let observed = world.observe(&*store).await;
    assert!(!observed.members.contains_key(&ann));
    assert_eq!(observed.recent_removals, [], "what is approved does not count");
    // Repeating removes nobody, and uses no approval.
    world.apply(&*store, &plan).await;
    assert_eq!(used(&Scope::Account).await, 1);
}
