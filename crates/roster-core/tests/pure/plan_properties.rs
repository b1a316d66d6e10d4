//! Tests passes over a world in which anything may happen: properties that hold in every case.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    strategies::{Event, any_event, cases, event, tampering, world},
    support::{Memory, Pass, World, email},
};
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};
use roster_core::{
    api::{DriftPolicy, IdentityStoreSpec, Unmanaged},
    model::{Email, Layout, Ranks, Scope},
    plan::{Cause, Content, Existing, GUARD_WINDOW, Mark, ObjectKey, Pause, Plan},
    resolve::{Access, MemberContent},
    state::{CatalogFacts, StoreFacts},
};

fn address(number: usize) -> Email {
    email(&if number == crate::strategies::MEMBERS {
        "olga@acme.example".to_owned()
    } else {
        format!("m{number}@acme.example")
    })
}

fn stranger(number: usize) -> Email {
    email(&format!("stranger{number}@acme.example"))
}

/// Applies the event; returns the scope of the next pass.
fn happen(pass: &mut Pass, event: &Event) -> Scope {
    let key = World::key("acme");
    let change_account = |pass: &mut Pass, change: &dyn Fn(&mut roster_core::state::AccountFacts)| {
        let account = Arc::make_mut(pass.world.accounts.get_mut(&key).unwrap());
        account.generation += 1;
        change(account);
    };
    match event {
        Event::Delete(numbers) => {
            pass.world.members.retain(|(_, name), _| !numbers.iter().any(|number| *name == format!("m{number}")));
        }
        Event::Write(facts) => drop(pass.world.members.insert((key, facts.name.clone()), facts.clone())),
        Event::Role(number, role) => {
            let name = (key, format!("c{number}").into());
            pass.world.roles.remove(&name);
            pass.world.roles.extend(role.clone().map(|role| (name, Arc::new(role))));
        }
        Event::Group(number, group) => {
            let name = (key, format!("g{number}").into());
            pass.world.groups.remove(&name);
            pass.world.groups.extend(group.clone().map(|group| (name, Arc::new(group))));
        }
        Event::Catalog(spec) => {
            pass.world.catalogs.clear();
            let facts = spec.clone().map(|spec| Arc::new(CatalogFacts::new("catalog".into(), 1, spec)));
            pass.world.catalogs.extend(facts.map(|facts| ("catalog".to_owned(), facts)));
        }
        Event::Suspend(suspended) => change_account(pass, &|account| account.spec.suspended = *suspended),
        Event::Owner(number) => change_account(pass, &|account| {
            account.spec.owner = number.map(|number| roster_core::api::Owner {
                email: address(number).as_str().to_owned(),
                display_name: None,
            });
        }),
        Event::Block(numbers) => {
            let blocked = numbers.iter().map(|number| roster_core::api::BlockedUser {
                email: address(*number).as_str().to_owned(),
                reason: None,
            });
            let spec = IdentityStoreSpec { blocked: blocked.collect(), ..IdentityStoreSpec::default() };
            pass.world.stores.insert("default".to_owned(), Arc::new(StoreFacts::new("default".into(), 1, spec)));
        }
        Event::Pause(paused) => pass.policy.paused = paused.then_some(Pause::Asked),
        Event::Drift(policy) => pass.policy.drift = *policy,
        Event::Unmanaged(unmanaged) => pass.policy.unmanaged = *unmanaged,
        Event::Later(seconds) => pass.policy.now += jiff::SignedDuration::from_secs(*seconds),
        Event::Approve => {
            pass.policy.guard.approved = pass.plan().guarded.map(|guarded| guarded.hash).into_iter().collect();
        }
        Event::Tamper(number, ranks, ended) => {
            if let Some(existing) = pass.memory.members.get_mut(&address(*number))
                && let Some(content) = &mut existing.content
            {
                content.ranks = ranks.iter().copied().collect();
                content.ended = content.ended.filter(|_| *ended);
            }
        }
        Event::Stranger(number, ranks, marked) => {
            let mark = marked.then(|| Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() });
            let content = MemberContent { ranks: ranks.iter().copied().collect(), ..MemberContent::default() };
            let existing = Existing { content: Some(content), mark, fingerprint: None };
            pass.memory.members.insert(stranger(*number), existing);
        }
        Event::Partial(numbers) => return Scope::Members(numbers.iter().map(|number| address(*number)).collect()),
    }
    Scope::Account
}

/// Translates the permissions of the content into another layout.
fn held(content: &MemberContent, from: &Layout, to: &Layout) -> MemberContent {
    MemberContent { ranks: to.translate(&content.ranks, from).fitted(to.len()), ..content.clone() }
}

fn is_within(content: &MemberContent, limit: &MemberContent) -> bool {
    content.ranks.is_none()
        || content.window.is_empty()
        || content.ended.is_some()
        || (limit.ended.is_none() && content.ranks.is_at_most(&limit.ranks) && content.window.is_within(&limit.window))
}

fn gains(before: &Memory, after: &Memory, email: &Email) -> bool {
    let Some(now) = after.members.get(email).and_then(|existing| existing.content.as_ref()) else { return false };
    let was = before.members.get(email).and_then(|existing| existing.content.as_ref());
    let was = was.map(|was| held(was, &before.layout(), &after.layout())).unwrap_or_default();
    let was = MemberContent { ranks: was.ranks.fitted(after.layout().len()), ..was };
    !is_within(&held(now, &after.layout(), &after.layout()), &was)
}

fn is_open(content: &MemberContent, now: Timestamp) -> bool {
    content.ended.is_none() && !content.ranks.is_none() && !content.window.is_empty() && !content.window.is_over(now)
}

/// Returns the people who lost all access in a pass, except by an explicit revocation, an approval or a correction of
/// drift.
fn lost(before: &Memory, after: &Memory, plan: &Plan, mark: &Mark, now: Timestamp) -> BTreeSet<Email> {
    let drifted = |email: &Email| {
        plan.changes
            .iter()
            .any(|change| change.object == ObjectKey::Member(email.clone()) && change.cause == Cause::Drift)
    };
    let ours = before.members.iter().filter(|(_, existing)| existing.mark.as_ref() == Some(mark));
    ours.filter(|(_, existing)| existing.content.as_ref().is_some_and(|content| is_open(content, now)))
        .filter(|(email, _)| match after.members.get(*email).and_then(|existing| existing.content.as_ref()) {
            None => true,
            Some(content) => {
                (content.ranks.is_none() || content.window.is_empty())
                    && content.ended.is_none()
                    && !content.window.is_over(now)
            }
        })
        .map(|(email, _)| email.clone())
        .filter(|email| !plan.approved().any(|approved| approved == email) && !drifted(email))
        .collect()
}

/// Checks everything that must hold after any pass.
struct Watcher {
    losses: Vec<(Timestamp, Email)>,
}

impl Watcher {
    fn check(&mut self, pass: &Pass, scope: &Scope, before: &Memory, plan: &Plan) {
        let (after, now, mark) = (&pass.memory, pass.policy.now, &pass.policy.mark);
        let resolved = pass.resolve();
        let in_scope = |email: &Email| match scope {
            Scope::Account => true,
            Scope::Members(emails) => emails.contains(email),
        };
        for (email, existing) in before
            .members
            .iter()
            .filter(|(_, existing)| existing.mark.as_ref().is_some_and(|m| m.cluster != mark.cluster))
        {
            let now = &after.members[email];
            assert_eq!(
                (&now.mark, &now.fingerprint),
                (&existing.mark, &existing.fingerprint),
                "another cluster's {email}"
            );
            assert!(!gains(before, after, email), "another cluster's {email}");
        }
        let ours =
            |email: &Email| after.members.get(email).is_some_and(|existing| existing.mark.as_ref() == Some(mark));
        for (email, member) in resolved.desired.members.iter().filter(|(email, _)| in_scope(email) && ours(email)) {
            if let Some(end) = member.access.ended() {
                let content = held(after.members[email].content.as_ref().unwrap(), &after.layout(), &after.layout());
                let nothing = content.ranks.is_none() || content.window.is_empty() || content.window.is_over(now);
                assert!(nothing, "{email} has access after {end:?}");
            }
            if !matches!(member.access, Access::Exactly(_)) {
                assert!(!gains(before, after, email), "{email} gains by {:?}", member.access);
            }
        }
        for email in after.members.keys() {
            if pass.policy.paused.is_some() || resolved.desired.definitions.is_none() {
                assert!(!gains(before, after, email), "{email} gains though paused or frozen");
            }
        }
        // A blocked person, or one whose account is suspended, is explicitly revoked, even if no object names them.
        let mut lost = lost(before, after, plan, mark, now);
        lost.retain(|email| resolved.desired.ends.of(email).is_none());
        self.losses.retain(|(at, _)| now.duration_since(*at) < GUARD_WINDOW);
        self.losses.extend(lost.iter().map(|email| (now, email.clone())));
        let recent: BTreeSet<&Email> = self.losses.iter().map(|(_, email)| email).collect();
        let total = before.members.keys().chain(recent.iter().copied()).collect::<BTreeSet<_>>().len();
        let guard = &pass.policy.guard;
        let few = recent.len() < guard.minimum_count as usize;
        assert!(
            lost.is_empty() || few || recent.len() * 100 <= usize::from(guard.maximum_percent) * total,
            "{} of {total} lost their access within ten minutes: {recent:?}",
            recent.len()
        );
    }
}

/// Checks a pass that makes revocations only, in any state: nobody gains anything or is removed, and people with an
/// explicit revocation have no access.
fn only_end(pass: &Pass) {
    let (before, mut after) = (pass.memory.clone(), pass.memory.clone());
    let plan = pass.revocations();
    assert!(!plan.removes() && plan.guarded.is_none(), "{:?}", plan.changes);
    after.apply(&plan, &pass.policy.mark, pass.policy.now);
    let resolved = pass.resolve();
    for email in after.members.keys() {
        assert!(!gains(&before, &after, email), "{email} gains by ends");
        let ours = after.members[email].mark.as_ref() == Some(&pass.policy.mark);
        let ended = resolved.desired.members.get(email).and_then(|member| member.access.ended());
        if let Some(end) = ended.or_else(|| resolved.desired.ends.of(email)).filter(|_| ours)
            && let Some(content) = after.members[email].content.as_ref()
            && after.account.as_ref().is_some_and(|account| account.mark.as_ref() == Some(&pass.policy.mark))
        {
            assert!(!is_open(content, pass.policy.now), "{email} has access after {end:?}");
        }
    }
}

fn run(pass: &mut Pass, watcher: &mut Watcher, event: &Event) -> Plan {
    let scope = happen(pass, event);
    let before = pass.memory.clone();
    only_end(pass);
    let plan = pass.run_within(scope.clone());
    watcher.check(pass, &scope, &before, &plan);
    plan
}

/// Removes everything that holds changes back, runs a pass, and checks that the store holds the desired content.
fn settle(pass: &mut Pass) {
    pass.policy.paused = None;
    pass.policy.drift = DriftPolicy::Correct;
    pass.policy.unmanaged = Unmanaged::Remove;
    pass.policy.guard.maximum_percent = 100;
    pass.run();
    let resolved = pass.resolve();
    let Some(definitions) = &resolved.desired.definitions else { return };
    let plan = pass.plan();
    assert_eq!((plan.changes, plan.drift), (vec![], vec![]));
    assert_eq!(pass.memory.layout(), resolved.desired.layout);
    let ours: BTreeSet<&Email> = pass
        .memory
        .members
        .iter()
        .filter(|(_, s)| s.mark.as_ref() == Some(&pass.policy.mark))
        .map(|(e, _)| e)
        .collect();
    for (email, member) in &resolved.desired.members {
        if plan.owner_kept.is_some() && (plan.owner_kept.as_ref() == Some(email) || member.origin.kind == "Account") {
            continue;
        }
        if let Access::Exactly(content) = &member.access {
            assert_eq!(pass.memory.members[email].content.as_ref(), Some(content.as_ref()), "{email}");
        }
    }
    for email in ours {
        assert!(resolved.desired.members.contains_key(email) || plan.owner_kept.as_ref() == Some(email), "{email}");
    }
    let roles: Vec<_> = definitions.roles.iter().map(|(name, (content, _))| (name, Some(content))).collect();
    assert_eq!(
        roles,
        pass.memory.roles.iter().map(|(name, existing)| (name, existing.content.as_ref())).collect::<Vec<_>>()
    );
    let groups: Vec<_> = definitions.groups.iter().map(|(name, (content, _))| (name, Some(content))).collect();
    assert_eq!(
        groups,
        pass.memory.groups.iter().map(|(name, existing)| (name, existing.content.as_ref())).collect::<Vec<_>>()
    );
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn every_pass_keeps_its_promises_in_every_state((world, events) in (world(), vec(any_event(), 1..14))) {
        let mut pass = Pass::new("acme", world);
        let mut watcher = Watcher { losses: Vec::new() };
        run(&mut pass, &mut watcher, &Event::Later(0));
        for event in &events {
            run(&mut pass, &mut watcher, event);
        }
        settle(&mut pass);
    }

    #[test]
    fn a_change_of_the_spec_is_never_called_drift((world, events) in (world(), vec(event(), 1..14))) {
        let mut pass = Pass::new("acme", world);
        let mut watcher = Watcher { losses: Vec::new() };
        run(&mut pass, &mut watcher, &Event::Later(0));
        for event in &events {
            let plan = run(&mut pass, &mut watcher, event);
            prop_assert_eq!(&plan.drift, &[]);
            prop_assert!(plan.changes.iter().all(|change| change.cause != Cause::Drift));
        }
    }

    #[test]
    fn drift_is_never_called_a_change_of_the_spec(
        (world, tampering, policy) in (world(), vec(tampering(), 1..6), any::<bool>())
    ) {
        let mut pass = Pass::new("acme", world);
        pass.policy.drift = if policy { DriftPolicy::Correct } else { DriftPolicy::Report };
        pass.policy.unmanaged = Unmanaged::Remove;
        pass.run();
        // A member who keeps at most the stored access has no desired content to compare with.
        let open: BTreeSet<Email> = pass.resolve().desired.members.into_iter()
            .filter(|(_, member)| !matches!(member.access, Access::Exactly(_))).map(|(email, _)| email).collect();
        for event in &tampering {
            happen(&mut pass, event);
        }
        let plan = pass.run();
        for change in &plan.changes {
            let settled = !matches!(&change.object, ObjectKey::Member(email) if open.contains(email));
            prop_assert!(!settled || matches!(change.cause, Cause::Drift | Cause::Unmanaged), "{change:?}");
            if policy || change.cause == Cause::Unmanaged || !settled {
                continue;
            }
            // Under Report only explicit revocations are restored.
            let ended = matches!(&change.put, Some((Content::Member(content), _))
                if content.ended.is_some() || content.window.is_over(pass.policy.now));
            prop_assert!(ended, "{change:?}");
        }
    }

    #[test]
    fn a_pass_over_each_member_does_what_a_pass_over_the_account_does((world, facts) in (world(), crate::strategies::member(1))) {
        let mut whole = Pass::new("acme", world);
        whole.run();
        let mut single = whole.clone();
        for pass in [&mut whole, &mut single] {
            happen(pass, &Event::Write(facts.clone()));
        }
        whole.run();
        let emails: BTreeSet<Email> = (0..=crate::strategies::MEMBERS).map(address).collect();
        for email in emails {
            single.run_within(Scope::Members([email].into()));
        }
        prop_assert_eq!(whole.memory, single.memory);
    }
}

#[test]
fn ranks_without_a_member_are_no_access() {
    assert!(Ranks::default().is_none());
}
