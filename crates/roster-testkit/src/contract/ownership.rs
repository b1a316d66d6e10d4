//! Promises about marks: they are observed, and every write respects them, whatever the plan contains. Run by the
//! contract suite.

use std::sync::Arc;

use super::{
    Backend,
    world::{email, member, member_key, members, world},
};
use roster_core::{
    contract::{Outcome, StoreError},
    model::Scope,
    plan::{AuthorisedObjects, Cause, Change, ObjectKey, Observed, Phase, Plan},
    resolve::{MemberContent, RevocationReason},
};

fn is_conflict(outcome: &Outcome) -> bool {
    matches!(outcome, Err(StoreError::Conflict(_)))
}

/// Returns the plan for an empty store.
async fn blind(world: &super::world::World) -> roster_core::plan::Plan {
    roster_core::testing::plan(&world.desired(Scope::Account), &roster_core::plan::Observed::default(), &world.policy)
}

pub async fn marks_and_fingerprints_are_observed(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let plan = world.converge(&*store).await;
    let observed = world.observe(&*store).await;
    assert_fingerprints(&plan, &observed);
    // The mark of another cluster is returned unchanged.
    let theirs = email("theirs@shop.example");
    let other = world.of_cluster("cluster-b");
    world.members.insert(theirs.clone(), member(&[1, 1, 1]));
    let change = put_member(&other, &theirs, Cause::Spec).await;
    assert!(
        is_conflict(&other.apply_changes(&*store, &other.account.layout, &[change]).await[0]),
        "a foreign container"
    );
    let shared = super::world::world("shared");
    other_account(&shared).converge(&*store).await;
    let marks = store.accounts().await.unwrap();
    assert_eq!(marks.iter().map(|mark| mark.cluster.as_str()).collect::<Vec<_>>(), ["cluster-a", "cluster-b"]);
}

/// The objects behind an entry, as they were authorised, stay with it, however long they are, and whatever else is written.
pub async fn authorised_objects_are_kept(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let first = world.converge(&*store).await;
    let text = |object: &ObjectKey| format!("[{{\"of\":\"{object} \u{e9}\",\"long\":\"{}\"}}]", "x".repeat(3_000));
    let objects = first.changes.iter().map(|change| (change.object.clone(), text(&change.object).into())).collect();
    world.policy.authorised = AuthorisedObjects::Of(Arc::new(objects));
    let plan = world.converge(&*store).await;
    assert_eq!(plan.changes.len(), first.changes.len(), "only what was authorised is new");
    assert_fingerprints(&plan, &world.observe(&*store).await);
    assert_eq!(world.plan(&*store, Scope::Account).await.changes, []);
    // Whoever does not know what was authorised leaves it.
    world.policy.authorised = AuthorisedObjects::Unknown;
    let ann = email("ann@shop.example");
    world.members.insert(ann.clone(), member(&[1, 0, 0]));
    world.converge(&*store).await;
    let kept = world.observe(&*store).await.members[&ann].fingerprint.clone().unwrap().authorised;
    assert_eq!(kept.as_deref(), Some(text(&ObjectKey::Member(ann)).as_str()));
}

/// Asserts that the store has the fingerprint of each change.
fn assert_fingerprints(plan: &Plan, observed: &Observed) {
    for change in &plan.changes {
        let (_, fingerprint) = change.put.as_ref().unwrap();
        let existing = match &change.object {
            ObjectKey::Account => &observed.account.as_ref().unwrap().fingerprint,
            ObjectKey::Role(name) => &observed.roles[name].fingerprint,
            ObjectKey::Group(name) => &observed.groups[name].fingerprint,
            ObjectKey::Member(email) => &observed.members[email].fingerprint,
        };
        assert_eq!(existing.as_ref(), Some(fingerprint), "{}", change.object);
    }
}

fn other_account(world: &super::world::World) -> super::world::World {
    world.of_cluster("cluster-b")
}

async fn put_member(world: &super::world::World, email: &roster_core::model::Email, cause: Cause) -> Change {
    let mut world = world.clone();
    world.members = [(email.clone(), member(&[2, 1, 3]))].into();
    let changes = blind(&world).await.changes;
    let change = changes.into_iter().find(|change| change.object == member_key(email)).unwrap();
    Change { cause, ..change }
}

pub async fn another_cluster_is_not_touched(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let before = world.observe(&*store).await;
    let other = world.of_cluster("cluster-b");
    // Even with a plan made for an empty store, and with one that removes everything.
    let plan = blind(&other).await;
    for cause in [Cause::Spec, Cause::Adoption, Cause::Drift] {
        let changes: Vec<Change> = plan.changes.iter().cloned().map(|change| Change { cause, ..change }).collect();
        let outcomes = other.apply_changes(&*store, &plan.layout, &changes).await;
        assert!(outcomes.iter().all(is_conflict), "{outcomes:?}");
        assert_eq!(world.observe(&*store).await, before);
    }
    let removals = roster_core::evaluate::delete(&before, world.mark());
    for cause in [Cause::Unwanted, Cause::Unmanaged, Cause::AccountDeleted] {
        let changes: Vec<Change> = removals.changes.iter().cloned().map(|change| Change { cause, ..change }).collect();
        let outcomes = other.apply_changes(&*store, &removals.layout, &changes).await;
        assert!(outcomes.iter().all(is_conflict), "{outcomes:?}");
        assert_eq!(world.observe(&*store).await, before);
    }
}

pub async fn another_clusters_account_is_not_entered(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let other = world.of_cluster("cluster-b");
    let newcomer = email("new@shop.example");
    let change = put_member(&other, &newcomer, Cause::Spec).await;
    let outcomes = other.apply_changes(&*store, &other.account.layout, &[change]).await;
    assert!(outcomes.iter().all(is_conflict), "{outcomes:?}");
    assert!(!world.observe(&*store).await.members.contains_key(&newcomer));
}

pub async fn an_earlier_account_of_the_same_name_must_be_adopted(backend: &dyn Backend) {
    let (store, world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let mut again = world.clone();
    again.policy.mark.uid = "99999999-0000-0000-0000-000000000000".into();
    let plan = blind(&again).await;
    let outcomes = again.apply(&*store, &plan).await;
    assert!(outcomes.iter().all(is_conflict), "{outcomes:?}");
    world.assert_held(&world.observe(&*store).await);
    // The plan adopts identical content.
    let plan = again.converge(&*store).await;
    assert!(plan.changes.iter().all(|change| change.cause == Cause::Adoption), "{:?}", plan.changes);
    again.assert_held(&again.observe(&*store).await);
}

pub async fn content_that_appears_meanwhile_is_not_overwritten(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let late = email("late@shop.example");
    world.members.insert(late.clone(), member(&[2, 1, 3]));
    let plan = world.plan(&*store, Scope::Account).await;
    backend.insert_member(world.key(), &late).await;
    let before = world.observe(&*store).await;
    let outcomes = world.apply(&*store, &plan).await;
    assert!(matches!(outcomes.as_slice(), [outcome] if is_conflict(outcome)), "{outcomes:?}");
    assert_eq!(world.observe(&*store).await, before);
}

pub async fn content_that_is_no_longer_ours_is_not_removed(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.converge(&*store).await;
    let stranger = email("stranger@shop.example");
    backend.insert_member(world.key(), &stranger).await;
    world.members.insert(stranger.clone(), member(&[0, 0, 0]));
    let removal = Change::removal(member_key(&stranger), Cause::Unwanted, Phase::Revoke);
    let outcomes = world.apply_changes(&*store, &world.account.layout, std::slice::from_ref(&removal)).await;
    assert!(outcomes.iter().all(is_conflict), "{outcomes:?}");
    assert!(world.observe(&*store).await.members.contains_key(&stranger));
    let removal = Change { cause: Cause::Unmanaged, ..removal };
    assert_eq!(world.apply_changes(&*store, &world.account.layout, &[removal]).await, [Ok(())]);
    assert!(!world.observe(&*store).await.members.contains_key(&stranger));
}

pub async fn a_grant_planned_before_a_revocation_is_not_applied_after_it(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let ann = email("ann@shop.example");
    world.members.insert(ann.clone(), member(&[1, 1, 1]));
    world.converge(&*store).await;
    let before = world.clone();
    world.members.insert(ann.clone(), member(&[2, 1, 2]));
    let grant = world.plan(&*store, members(&[&ann])).await;
    let ended = MemberContent { ended: Some(RevocationReason::Suspended), ..member(&[0, 0, 0]) };
    world.members.insert(ann.clone(), ended);
    let end = world.plan(&*store, members(&[&ann])).await;
    assert_eq!(world.apply(&*store, &end).await, [Ok(())]);
    let outcomes = world.apply(&*store, &grant).await;
    assert!(outcomes.iter().all(is_conflict), "{outcomes:?}");
    world.assert_held(&world.observe(&*store).await);
    // In the other order the revocation succeeds. Repeating it is not a conflict.
    before.converge(&*store).await;
    let outcomes = world.apply(&*store, &end).await;
    assert_eq!(outcomes, [Ok(())]);
    assert_eq!(world.apply(&*store, &end).await, [Ok(())]);
    world.assert_held(&world.observe(&*store).await);
}
