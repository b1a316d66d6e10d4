//! Tests reports on passes: the statuses of the objects in a pass.

use std::collections::BTreeMap;

use roster_core::{
    contract::StoreError,
    evaluate::{Context, evaluate, prepare},
    plan::{Existing, Observed, Plan},
    report::{AppliedPlan, PassReport, Report, render, report},
    resolve::{MemberContent, RoleContent},
    state::StatusDigest,
};
use serde_json::Value;

use crate::support::{PORTAL, Pass, World, email, membership};

/// The owner of `acme`.
const OLGA: &str = "olga@acme.example";

/// Returns the reports on a pass over `acme`, or over some of its members, with the outcome of each change.
fn reports(
    pass: &Pass,
    members: Option<&str>,
    observed: &Observed,
    outcome: impl Fn(&Plan) -> Result<Vec<Result<(), StoreError>>, StoreError>,
) -> PassReport {
    let members = members.map(|address| [email(address)].into());
    let objects = pass.world.index().in_scope(&World::key("acme"), members.as_ref(), pass.policy.now).unwrap();
    let context = Context::new(pass.policy.mark.clone(), pass.policy.now);
    let evaluation = evaluate(&prepare(&objects.snapshot), &objects.members(), observed, &context);
    let plan = evaluation.plan;
    let result = outcome(&plan).map(|outcomes| Some(AppliedPlan { plan, outcomes, ..AppliedPlan::default() }));
    report(&objects, &evaluation.judged, &result)
}

fn fine(plan: &Plan) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    Ok(vec![Ok(()); plan.changes.len()])
}

/// Returns the status of the Account, given its former status.
fn account(reports: &PassReport, was: &StatusDigest) -> Value {
    let is_account = |report: &&Report| matches!(report.detail, roster_core::report::Detail::Account { .. });
    let report = reports.reports.iter().map(|(_, report)| report).find(is_account).unwrap();
    render(report, was, jiff::Timestamp::UNIX_EPOCH).unwrap().json
}

/// Status, reason and message of each condition.
fn conditions(status: &Value) -> BTreeMap<String, String> {
    let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let all = status["conditions"].as_array().unwrap().iter();
    all.map(|one| (text(one, "type"), [text(one, "status"), text(one, "reason"), text(one, "message")].join(" ")))
        .collect()
}

/// Returns content that others put into the store.
fn foreign<C>(content: C) -> Existing<C> {
    Existing { content: Some(content), mark: None, fingerprint: None }
}

#[test]
fn the_account_reports_content_of_others_that_no_object_declares() {
    let pass = Pass::new("acme", World::of(PORTAL));
    let mut observed = Observed::default();
    observed.members.insert(email(OLGA), foreign(MemberContent::default()));
    let status = account(&reports(&pass, None, &observed, fine), &StatusDigest::default());
    let shown = conditions(&status);
    let message = "False NotOwned member olga@acme.example exists in the store without the mark of this Account; the \
                   store's spec.adoption is IfIdentical, and it differs: olga@acme.example has no display name, and \
                   should have \"Olga\"; olga@acme.example has no role, and should have owner; olga@acme.example has \
                   the level None in section docs, not Delete; and 2 more";
    assert_eq!((shown["Synced"].as_str(), shown["Ready"].as_str()), (message, message));
}

#[test]
fn at_most_five_entries_of_others_are_named() {
    let more = PORTAL.replace("  ownerRole:", "  - {name: clerk}\n  - {name: driver}\n  ownerRole:");
    let pass = Pass::new("acme", World::of(&more));
    let mut observed = Observed::default();
    observed.members.insert(email(OLGA), foreign(MemberContent::default()));
    let desired = pass.resolve().desired.definitions.unwrap();
    for name in desired.roles.keys() {
        let content = RoleContent { title: "another".into(), ranks: [].into_iter().collect() };
        observed.roles.insert(name.clone(), foreign(content));
    }
    let shown = conditions(&account(&reports(&pass, None, &observed, fine), &StatusDigest::default()));
    let others = desired.roles.len() + 1 - 5;
    let names: Vec<String> = desired.roles.keys().take(5).map(|role| format!("role {role}")).collect();
    let names = names.join(", ");
    assert_eq!(
        shown["Synced"],
        format!(
            "False NotOwned {names} and {others} more exist in the store without the mark of this Account; the store's \
             spec.adoption does not allow adopting them"
        )
    );
}

#[test]
fn a_member_with_a_membership_is_reported_there_and_not_on_the_account() {
    let world = World::of(&format!("{PORTAL}{}", membership("dana", "roleRef: {name: editor}")));
    let pass = Pass::new("acme", world);
    let mut observed = Observed::default();
    observed.members.insert(email("dana@acme.example"), foreign(MemberContent::default()));
    let shown = conditions(&account(&reports(&pass, None, &observed, fine), &StatusDigest::default()));
    assert!(shown["Synced"].starts_with("True"), "{shown:?}");
}

#[test]
fn of_several_failures_each_pass_shows_the_same_one() {
    let members: String = (0..9).map(|number| membership(&format!("m{number}"), "roleRef: {name: editor}")).collect();
    let pass = Pass::new("acme", World::of(&format!("{PORTAL}{members}")));
    let refuse = |plan: &Plan| {
        let refused = |number: usize| Err(StoreError::Invalid(format!("no {number}")));
        Ok((0..plan.changes.len()).map(refused).collect())
    };
    let say = || {
        let reports = reports(&pass, None, &Observed::default(), refuse);
        let shown = conditions(&account(&reports, &StatusDigest::default()))["Synced"].clone();
        (shown, reports.completion)
    };
    let first = say();
    assert!(first.0.contains("changes failed; account: "), "{first:?}");
    for _ in 0..20 {
        assert_eq!(say(), first);
    }
}

#[test]
fn a_failed_pass_over_one_member_keeps_the_number_of_managed_accounts() {
    let pass = Pass::new("acme", World::of(&format!("{PORTAL}{}", membership("dana", "roleRef: {name: editor}"))));
    let away = |_: &Plan| Err(StoreError::Unavailable("away".to_owned()));
    let failed = reports(&pass, Some("dana@acme.example"), &Observed::default(), away);
    let was = StatusDigest { hash: 1, managed_accounts: 7, ..StatusDigest::default() };
    assert_eq!(account(&failed, &was)["managedAccounts"], 7);
    // Without an earlier status the number of managed accounts is absent.
    assert_eq!(account(&failed, &StatusDigest::default()).get("managedAccounts"), None);
}

#[test]
fn a_member_whose_access_is_withheld_is_not_ready() {
    let lowers = "---\nkind: Role\nmetadata: {name: lower}\nspec: {accountRef: {name: acme}, overrides: editor, permissions: {dcos: View}}\n";
    let dana = membership("dana", "roleRef: {name: editor}");
    let pass = Pass::new("acme", World::of(&(PORTAL.to_owned() + &dana + lowers)));
    let conditions_of = |observed: &Observed| {
        let reports = reports(&pass, None, observed, fine);
        let is_member = |report: &&Report| matches!(report.detail, roster_core::report::Detail::Member { .. });
        let report = reports.reports.iter().map(|(_, report)| report).find(is_member).unwrap();
        conditions(&render(report, &StatusDigest::default(), jiff::Timestamp::UNIX_EPOCH).unwrap().json)
    };
    let nowhere = conditions_of(&Observed::default());
    assert!(nowhere["Ready"].starts_with("False AccessWithheld not in the store"), "{nowhere:?}");
    assert!(nowhere["Valid"].starts_with("True") && nowhere["Advised"].starts_with("True"), "{nowhere:?}");
    // A member keeps at most the former access.
    let mut before = Pass::synced("acme", &(PORTAL.to_owned() + &dana));
    before.world.add(lowers);
    let held = conditions_of(&before.memory.observe(&roster_core::model::Scope::Account, pass.policy.now));
    assert!(held["Ready"].starts_with("True"), "{held:?}");
}

#[test]
fn an_account_that_asks_for_enforcement_is_not_ready() {
    let conditions_of = |enforcement: &str| {
        let account = format!("spec: {{catalogRef: {{name: portal}}, enforcement: {enforcement}, ");
        let yaml = PORTAL.replacen("spec: {catalogRef: {name: portal}, ", &account, 1);
        assert!(yaml.contains("enforcement"), "{yaml}");
        let pass = Pass::new("acme", World::of(&yaml));
        conditions(&account_status(&pass))
    };
    let enforced = conditions_of("Enforce");
    assert!(
        enforced["Ready"].starts_with("False NotEnforced enforcement: Enforce has an effect only where"),
        "{enforced:?}"
    );
    assert!(enforced["Stalled"].starts_with("True NotEnforced"), "{enforced:?}");
    assert!(conditions_of("Disabled")["Ready"].starts_with("True"));
}

/// The status of the Account after a pass into an empty store.
fn account_status(pass: &Pass) -> Value {
    account(&reports(pass, None, &Observed::default(), fine), &StatusDigest::default())
}
