//! Promises about store and plan together: a pass reaches the desired state, and the next pass has nothing to do. Run
//! by the contract suite.

use super::{
    Backend,
    world::{email, ladder, member, member_key, members, ranks, world},
};
use roster_core::{
    api::{Adoption, Unmanaged},
    model::{Layout, RoleName, Scope},
    plan::{Cause, Hold, ObjectKey, Observed},
};

pub async fn a_plan_gives_the_desired_state_and_a_second_is_empty(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
    let ann = email("ann@shop.example");
    world.members.get_mut(&ann).unwrap().ranks = ranks(&[1, 1, 0]);
    let plan = world.converge_in(&*store, members(&[&ann])).await;
    assert_eq!(plan.changes.len(), 1);
    world.members.remove(&ann);
    world.converge_in(&*store, members(&[&ann])).await;
    world.assert_held(&world.observe(&*store).await);
    for scope in [Scope::Account, members(&[&ann])] {
        let plan = world.plan(&*store, scope).await;
        assert!(plan.changes.is_empty() && plan.drift.is_empty() && !plan.needs_account, "{plan:?}");
    }
}

/// Returns one object of each kind.
fn objects() -> [ObjectKey; 4] {
    [
        ObjectKey::Account,
        ObjectKey::Role(RoleName::custom("admin")),
        ObjectKey::Group("desk".into()),
        member_key(&email("ann@shop.example")),
    ]
}

pub async fn a_deletion_by_others_is_drift(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    for object in objects() {
        backend.delete(world.key(), &object).await;
        let plan = world.converge(&*store).await;
        assert!(plan.changes.iter().all(|change| change.cause == Cause::Drift));
        let drifted: Vec<_> = plan.drift.iter().map(|drift| (&drift.object, drift.corrected)).collect();
        if object == ObjectKey::Account {
            // Without the account nothing in it has an effect, and nobody has access.
            assert_eq!(drifted[0], (&object, true));
        } else {
            assert_eq!(drifted, [(&object, true)]);
        }
        world.assert_held(&world.observe(&*store).await);
        assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
    }
}

pub async fn a_change_by_others_is_drift(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    for object in objects() {
        backend.change(world.key(), &object).await;
        let plan = world.converge(&*store).await;
        let drifted: Vec<_> = plan.drift.iter().map(|drift| (&drift.object, drift.entries.len())).collect();
        assert_eq!(drifted, [(&object, 1)]);
        world.assert_held(&world.observe(&*store).await);
    }
}

pub async fn an_unmarked_member_is_unmanaged(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let stranger = email("stranger@shop.example");
    backend.insert_member(world.key(), &stranger).await;
    assert_eq!(world.observe(&*store).await.member_count, 3);
    let scoped = store.observe(world.key(), &members(&[&stranger]), super::world::NOW).await.unwrap();
    assert_eq!(scoped.member_count, 3);
    assert!(scoped.members[&stranger].mark.is_none() && scoped.members[&stranger].content.is_some());
    let plan = world.converge(&*store).await;
    assert_eq!(plan.holds.get(&member_key(&stranger)), Some(&Hold::DriftReported));
    assert!(plan.changes.is_empty());
    world.policy.unmanaged = Unmanaged::Remove;
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.iter().map(|change| change.cause).collect::<Vec<_>>(), [Cause::Unmanaged]);
    world.assert_held(&world.observe(&*store).await);
}

pub async fn adoption_takes_identical_content(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let stranger = email("stranger@shop.example");
    backend.insert_member(world.key(), &stranger).await;
    let found = world.observe(&*store).await.members[&stranger].content.clone().unwrap();
    world.members.insert(stranger.clone(), found.clone());
    world.policy.adoption = Adoption::Never;
    assert_eq!(world.plan(&*store, Scope::Account).await.holds.get(&member_key(&stranger)), Some(&Hold::NotOwned));
    world.policy.adoption = Adoption::IfIdentical;
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.iter().map(|change| change.cause).collect::<Vec<_>>(), [Cause::Adoption]);
    world.assert_held(&world.observe(&*store).await);
    world.members.insert(stranger, member(&[0, 1, 0]));
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

/// Tests that permissions keep their meaning when the catalog gets other sections. Rows that are not ours, and that we
/// do not write, must not grant more than before.
pub async fn changed_sections_keep_the_meaning_of_levels(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let stranger = email("stranger@shop.example");
    backend.insert_member(world.key(), &stranger).await;
    let was = world.observe(&*store).await;
    let held = was.members[&stranger].content.clone().unwrap();
    let named = |layout: &Layout, observed: &Observed| {
        let content = observed.members[&stranger].content.clone().unwrap();
        layout.named(&content.ranks).map(|(s, l)| (s.to_owned(), l.to_owned())).collect::<Vec<_>>()
    };
    assert!(!held.ranks.is_none(), "it has some access that could come to mean something else");
    let before = named(&was.layout, &was);
    world.account.layout = Layout::new(vec![
        ladder("brand-new", &["Denied", "Allowed"]),
        ladder("users", &["Hide", "Peek", "View", "Edit", "Delete"]),
        ladder("payments", &["Denied", "Allowed"]),
        ladder("orders", &["Hide", "View", "Edit"]),
    ]);
    world.roles.values_mut().for_each(|role| role.ranks = ranks(&[1, 4, 1, 2]));
    world.groups.values_mut().for_each(|group| group.ranks = ranks(&[0, 0, 1, 0]));
    world.members.values_mut().for_each(|member| member.ranks = ranks(&[0, 2, 0, 1]));
    world.converge(&*store).await;
    let is = world.observe(&*store).await;
    assert_eq!(is.layout, world.account.layout);
    let mut after = named(&is.layout, &is);
    after.sort();
    let mut before = before;
    before.sort();
    assert_eq!(after, before);
    // A removed section takes its permissions with it.
    world.account.layout = Layout::new(vec![ladder("brand-new", &["Denied", "Allowed"])]);
    world.roles.values_mut().for_each(|role| role.ranks = ranks(&[1]));
    world.groups.values_mut().for_each(|group| group.ranks = ranks(&[1]));
    world.members.values_mut().for_each(|member| member.ranks = ranks(&[1]));
    world.converge(&*store).await;
    let is = world.observe(&*store).await;
    assert_eq!(named(&is.layout, &is), []);
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
}

pub async fn a_deleted_account_leaves_nothing(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    backend.insert_member(world.key(), &email("stranger@shop.example")).await;
    backend.delete(world.key(), &member_key(&email("ann@shop.example"))).await;
    let plan = roster_core::evaluate::delete(&world.observe(&*store).await, world.mark());
    assert_eq!(world.apply(&*store, &plan).await, vec![Ok(()); plan.changes.len()]);
    world.assert_nothing(&*store).await;
    assert_eq!(store.accounts().await.unwrap(), []);
}
