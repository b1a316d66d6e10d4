//! Tests `status.access` of a Membership, and the events when it changes.

use std::{collections::BTreeMap, sync::Arc};

use roster_core::{
    api::MemberAccess,
    contract::StoreError,
    evaluate::{Context, evaluate, prepare},
    model::{KindName, Scope},
    plan::Observed,
    report::{AppliedPlan, NoticeReason, PassReport, render, report},
    state::StatusDigest,
};
use serde_json::Value;

use crate::support::{PORTAL, Pass, World, crowd, membership};

/// Runs a pass over `acme` in which every change has this outcome.
fn pass(pass: &Pass, observed: &Observed, outcome: &Result<(), StoreError>) -> PassReport {
    pass_after(pass, None, observed, outcome)
}

/// Like the function above, but every Membership had the status `was` before.
fn pass_after(
    pass: &Pass,
    was: Option<MemberAccess>,
    observed: &Observed,
    outcome: &Result<(), StoreError>,
) -> PassReport {
    let mut objects = pass.world.index().in_scope(&World::key("acme"), None, pass.policy.now).unwrap();
    for record in objects.members.iter_mut().flat_map(|(_, records)| records) {
        Arc::make_mut(record).meta.status.access = was;
    }
    let context = Context::new(pass.policy.mark.clone(), pass.policy.now);
    let evaluation = evaluate(&prepare(&objects.snapshot), &objects.members(), observed, &context);
    let plan = evaluation.plan;
    let outcomes = vec![outcome.clone(); plan.changes.len()];
    report(&objects, &evaluation.judged, &Ok(Some(AppliedPlan { plan, outcomes, ..AppliedPlan::default() })))
}

/// The status of each Membership.
fn statuses(reports: &PassReport) -> BTreeMap<String, Value> {
    let members = reports.reports.iter().filter(|(object, _)| object.kind == KindName::Membership);
    let now = jiff::Timestamp::UNIX_EPOCH;
    members
        .map(|(object, report)| (object.name.to_string(), render(report, &StatusDigest::default(), now).unwrap().json))
        .collect()
}

/// Returns the reported access of each Membership after all changes are applied.
fn access(yaml: &str) -> BTreeMap<String, String> {
    let reports = pass(&Pass::new("acme", World::of(yaml)), &Observed::default(), &Ok(()));
    let word = |status: Value| status["access"].as_str().unwrap_or("-").to_owned();
    statuses(&reports).into_iter().map(|(name, status)| (name, word(status))).collect()
}

#[test]
fn each_cause_of_lost_access_has_its_own_word() {
    let role = "roleRef: {name: editor}";
    let members = [
        membership("active", role),
        membership("suspended", &format!("{role}, suspended: true")),
        membership("early", &format!("{role}, startsAt: '1971-01-01T00:00:00Z'")),
        membership("late", &format!("{role}, expiresAt: '1969-01-01T00:00:00Z'")),
        membership("both", &format!("{role}, suspended: true, expiresAt: '1969-01-01T00:00:00Z'")),
        membership("nothing", "roleRef: {name: no-such}"),
        membership("partly", &format!("{role}, groupRefs: [{{name: no-such}}]")),
    ];
    let words = access(&format!("{PORTAL}{}", members.concat()));
    let wanted = [
        ("active", "Active"),
        ("both", "Suspended"),
        ("early", "NotStarted"),
        ("late", "Expired"),
        ("nothing", "Invalid"),
        ("partly", "Active"),
        ("suspended", "Suspended"),
    ];
    let wanted = wanted.map(|(name, word)| (name.to_owned(), word.to_owned()));
    assert_eq!(words, BTreeMap::from(wanted));
}

#[test]
fn a_status_has_the_role_and_the_end_of_access() {
    let dana = membership("dana", "roleRef: {name: editor}, expiresAt: '1970-02-01T00:00:00Z'");
    let reports = pass(&Pass::new("acme", World::of(&(PORTAL.to_owned() + &dana))), &Observed::default(), &Ok(()));
    let status = &statuses(&reports)["dana"];
    assert_eq!((&status["access"], &status["role"]), (&Value::from("Active"), &Value::from("editor")));
    assert_eq!(status["accessUntil"], "1970-02-01T00:00:00Z");
}

#[test]
fn access_that_the_store_refused_is_not_reported() {
    let dana = membership("dana", "roleRef: {name: editor}");
    let refuse = Err(StoreError::Invalid("no".to_owned()));
    let reports = pass(&Pass::new("acme", World::of(&(PORTAL.to_owned() + &dana))), &Observed::default(), &refuse);
    assert_eq!(statuses(&reports)["dana"].get("access"), None);
}

#[test]
fn held_members_are_reported_as_held_and_suspended_ones_as_suspended() {
    let role =
        "---\nkind: Role\nmetadata: {name: clerk}\nspec: {accountRef: {name: acme}, permissions: {docs: View}}\n";
    let people = crowd(8, "clerk").replace("name: clerk", "kind: Role, name: clerk");
    let mut before = Pass::synced("acme", &format!("{PORTAL}{role}{people}"));
    let observed = before.memory.observe(&Scope::Account, before.policy.now);
    let suspended = people.replacen("spec: {", "spec: {suspended: true, ", 1);
    // The role is deleted.
    before.world = World::of(&format!("{PORTAL}{suspended}"));
    let reports = pass(&before, &observed, &Ok(()));
    assert!(reports.guarded.is_some());
    let words = statuses(&reports).into_values().map(|status| status["access"].as_str().unwrap().to_owned());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    assert_eq!(counts, BTreeMap::from([("Held".to_owned(), 7), ("Suspended".to_owned(), 1)]));
}

#[test]
fn an_invitation_for_an_existing_member_reports_it() {
    let invited =
        "---\nkind: Invitation\nmetadata: {name: again}\nspec: {accountRef: {name: acme}, email: DANA@acme.example}\n";
    let dana = membership("dana", "roleRef: {name: editor}");
    let world = World::of(&format!("{PORTAL}{dana}{invited}"));
    let reports = pass(&Pass::new("acme", world), &Observed::default(), &Ok(()));
    let (_, report) = reports.reports.iter().find(|(object, _)| object.kind == KindName::Invitation).unwrap();
    let status = render(report, &StatusDigest::default(), jiff::Timestamp::UNIX_EPOCH).unwrap().json;
    let all = status["conditions"].as_array().unwrap();
    let says = |kind: &str| all.iter().find(|one| one["type"] == kind).unwrap().clone();
    assert_eq!((&says("Ready")["status"], &says("Ready")["reason"]), (&"False".into(), &"NotDelivered".into()));
    assert_eq!(says("Stalled")["reason"], "NotDelivered");
    let advice = says("Advised")["message"].as_str().unwrap().to_owned();
    assert!(advice.contains(r#"this address is already a member, by Membership "dana""#), "{advice}");
}

#[test]
fn a_change_of_access_makes_an_event_but_the_first_status_does_not() {
    let suspended = membership("dana", "roleRef: {name: editor}, suspended: true");
    let dana = Pass::new("acme", World::of(&(PORTAL.to_owned() + &suspended)));
    let events_after = |was: Option<MemberAccess>| {
        let reports = pass_after(&dana, was, &Observed::default(), &Ok(()));
        let notices = reports.notices.into_iter();
        let turns = notices.filter(|it| matches!(it.reason, NoticeReason::AccessBegan | NoticeReason::AccessEnded));
        turns.map(|it| format!("{} {:?}: {}", it.about.name, it.reason, it.note)).collect::<Vec<_>>()
    };
    let ended = "dana AccessEnded: suspended; it was Active before";
    assert_eq!(events_after(Some(MemberAccess::Active)), [ended]);
    assert_eq!(events_after(Some(MemberAccess::Suspended)), [""; 0]);
    assert_eq!(events_after(None), [""; 0]);
}

#[test]
fn reported_access_stays_until_the_store_has_applied_the_change() {
    let suspended = membership("dana", "roleRef: {name: editor}, suspended: true");
    let dana = Pass::new("acme", World::of(&(PORTAL.to_owned() + &suspended)));
    let refuse = Err(StoreError::Conflict("somebody else wrote".to_owned()));
    let reports = pass_after(&dana, Some(MemberAccess::Active), &Observed::default(), &refuse);
    assert_eq!(statuses(&reports)["dana"]["access"], "Active");
    assert!(reports.notices.iter().all(|notice| notice.reason != NoticeReason::AccessEnded), "{:?}", reports.notices);

    // An outage does not change it either.
    let mut objects = dana.world.index().in_scope(&World::key("acme"), None, dana.policy.now).unwrap();
    for record in objects.members.iter_mut().flat_map(|(_, records)| records) {
        Arc::make_mut(record).meta.status.access = Some(MemberAccess::Active);
        Arc::make_mut(record).meta.generation = 2;
    }
    let judged = roster_core::evaluate::judge(
        &prepare(&objects.snapshot),
        &objects.members(),
        &Context::new(dana.policy.mark.clone(), dana.policy.now),
    );
    let reports = report(&objects, &judged, &Err(StoreError::Unavailable("away".to_owned())));
    assert_eq!(statuses(&reports)["dana"]["access"], "Active");
}

#[test]
fn the_membership_of_the_owner_reports_the_access_of_the_owner() {
    let words = access(&format!("{PORTAL}{}", membership("olga", "roleRef: {name: editor}")));
    assert_eq!(words["olga"], "Active");
}

#[test]
fn a_member_without_admission_has_no_access() {
    let lowers = "---\nkind: Role\nmetadata: {name: lower}\nspec: {accountRef: {name: acme}, overrides: editor, permissions: {dcos: View}}\n";
    let words = access(&format!("{PORTAL}{}{lowers}", membership("dana", "roleRef: {name: editor}")));
    assert_eq!(words["dana"], "Invalid");
}
