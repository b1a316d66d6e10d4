//! Tests what the controller holds back of changes that nobody with the authority made, whoever admitted them.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Memory, World, email, mark};
use jiff::Timestamp;
use roster_core::{
    api::{APPROVE_CHANGE_ANNOTATION, InvalidReason},
    authority::Pending,
    evaluate::{Authority, Context, Judged, evaluate, prepare},
    model::{AccountKey, Findings, KindName, Name, Scope},
    plan::{Hold, ObjectKey, Plan},
};

/// Catalog with a ladder and a section, roles of three heights, a restriction, and rules who may change what.
const PORTAL: &str = "
kind: PermissionCatalog
metadata: {name: portal}
spec:
  sections:
  - {name: docs, levels: [None, View, Edit, Delete]}
  - {name: billing}
  restrictions:
  - {name: no-billing, caps: {billing: Denied}}
  roles:
  - {name: owner, allPermissions: true, heldBy: AccountOwner}
  - {name: viewer, permissions: {docs: View}}
  - {name: editor, permissions: {docs: Edit}, overridable: true}
  - {name: admin, permissions: {docs: Delete, billing: Allowed}}
  ownerRole: owner
  customRoles: {}
  separation:
  - {sections: [{name: docs, level: Delete}, {name: billing, level: Allowed}], roles: [viewer], maximum: 2}
  administration:
  - {action: CreateMembers, section: docs, level: Edit}
  - {action: EditMembers, section: docs, level: Edit}
  - {action: DeleteMembers, section: docs, level: Edit}
  - {action: AssignRoles, section: docs, level: Edit}
  - {action: CreateRoles, section: docs, level: Edit}
  - {action: EditRoles, section: docs, level: Edit}
  - {action: CreateGroups, section: docs, level: Edit}
  - {action: EditGroups, section: docs, level: Edit}
---
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: portal}, owner: {email: olga@acme.example}}
";

/// An administrator, who records everything.
const PIA: &str = "administrator:pia";
/// A pipeline that may grant what an editor has.
const PIPELINE: &str = "system:serviceaccount:acme:flux";

/// An account that enforces who may change access, and its store.
#[derive(Clone)]
pub struct Enforced {
    pub world: World,
    pub memory: Memory,
    pub grants: BTreeMap<String, BTreeSet<Name>>,
}

/// Result of one pass.
pub struct Passed {
    pub judged: Judged,
    pub plan: Plan,
}

impl Enforced {
    /// The portal, applied by an administrator, and in the store.
    pub fn new() -> Self {
        let grants = BTreeMap::from([(PIPELINE.to_owned(), BTreeSet::from(["editor".into(), "viewer".into()]))]);
        let mut all = Self { world: World::of(""), memory: Memory::default(), grants };
        all.apply(PIA, PORTAL);
        all.pass();
        all
    }

    /// Applies objects as this user; an empty name leaves them without a stamp.
    pub fn apply(&mut self, user: &str, yaml: &str) {
        for document in yaml.split("---\n").filter(|text| !text.trim().is_empty()) {
            let one = World::of(document);
            let key = |names: Vec<&Name>| names.first().map(|name| (*name).clone());
            let members = key(one.members.keys().map(|(_, name)| name).collect());
            let roles = key(one.roles.keys().map(|(_, name)| name).collect());
            let groups = key(one.groups.keys().map(|(_, name)| name).collect());
            let accounts = key(one.accounts.keys().map(|key| &key.name).collect());
            let kinds = [
                (KindName::Membership, members),
                (KindName::Role, roles),
                (KindName::UserGroup, groups),
                (KindName::Account, accounts),
            ];
            let Some((kind, name)) = kinds.into_iter().find_map(|(kind, name)| Some((kind, name?))) else {
                self.world.add(document);
                continue;
            };
            let generation = self.generation(kind, &name) + 1;
            let document = document.replacen("metadata: {", &format!("metadata: {{generation: {generation}, "), 1);
            self.world.add(&document);
            let stamp = (!user.is_empty()).then(|| format!("{generation}:{user}"));
            if let Some(stamp) = stamp {
                self.world.stamps.insert((kind, name), stamp);
            }
        }
    }

    fn generation(&self, kind: KindName, name: &Name) -> i64 {
        let place = (key(), name.clone());
        match kind {
            KindName::Membership => self.world.members.get(&place).map_or(0, |facts| facts.generation),
            KindName::Role => self.world.roles.get(&place).map_or(0, |facts| facts.generation),
            KindName::UserGroup => self.world.groups.get(&place).map_or(0, |facts| facts.generation),
            _ => self.world.accounts.get(&key()).map_or(0, |facts| facts.generation),
        }
    }

    /// Makes a pass over the whole account; a second one changes nothing.
    #[track_caller]
    pub fn pass(&mut self) -> Passed {
        let passed = self.judge();
        self.memory.apply(&passed.plan, &mark(&key()), Timestamp::UNIX_EPOCH);
        assert_eq!(self.judge().plan.changes, [], "a second pass changes something");
        passed
    }

    fn judge(&self) -> Passed {
        let (index, now) = (self.world.index(), Timestamp::UNIX_EPOCH);
        let objects = index.in_scope(&key(), None, now).unwrap();
        let observed = self.memory.observe(&Scope::Account, now);
        let pending = Pending::of(&objects, &observed, &mark(&key()), None);
        let (authorised, _) = pending.settle(&self.grants, Some("oidc:"));
        let context = Context { authority: Authority::Judged(authorised.into()), ..Context::new(mark(&key()), now) };
        let evaluation = evaluate(&prepare(&objects.snapshot), &objects.members(), &observed, &context);
        Passed { judged: evaluation.judged, plan: evaluation.plan }
    }

    pub fn access(&self, name: &str) -> String {
        self.memory.access(&format!("{name}@acme.example"))
    }
}

impl Passed {
    /// The sentences on everything that is held.
    fn held(&self) -> Vec<String> {
        let findings = self.judged.authorised.iter().flat_map(|authorised| &authorised.findings);
        findings.map(|finding| format!("{:?}: {finding}", finding.object)).collect()
    }

    fn hash(&self) -> Option<String> {
        self.judged.authorised.as_ref()?.hash.clone()
    }
}

fn key() -> AccountKey {
    World::key("acme")
}

fn member(name: &str, rest: &str) -> String {
    crate::support::membership(name, rest)
}

fn role(name: &str, rest: &str) -> String {
    format!("---\nkind: Role\nmetadata: {{name: {name}}}\nspec: {{accountRef: {{name: acme}}, {rest}}}\n")
}

fn oidc(name: &str) -> String {
    format!("oidc:{name}@acme.example")
}

/// An account whose editor is erin, and whose admin is adam.
fn staffed() -> Enforced {
    let mut all = Enforced::new();
    all.apply(PIA, &(member("erin", "roleRef: {name: editor}") + &member("adam", "roleRef: {name: admin}")));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("erin"), "docs: Edit");
    all
}

#[test]
fn a_member_grants_what_they_hold_and_no_more() {
    let mut all = staffed();
    all.apply(&oidc("erin"), &(member("vic", "roleRef: {name: viewer}") + &member("max", "roleRef: {name: admin}")));
    let held = all.pass().held();
    assert_eq!(all.access("vic"), "docs: View");
    assert_eq!(all.access("max"), "nobody");
    assert_eq!(
        held,
        [
            "Membership default/max: spec: this gives max@acme.example docs: Delete, and erin@acme.example may grant at most \
             docs: Edit; the same holds for one more section; whoever holds docs: Delete, or an administrator, can do this (applied by \
             \"oidc:erin@acme.example\"); held until somebody with the authority applies \
             it, or an administrator runs `roster authorize`"
        ]
    );
    // An administrator applies it again; nothing else is needed.
    all.apply(PIA, &member("max", "roleRef: {name: admin}, acknowledge: []"));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("max"), "docs: Delete, billing: Allowed");
}

#[test]
fn what_nobody_recorded_narrows_at_once_and_widens_never() {
    let mut all = staffed();
    all.apply("", &member("adam", "roleRef: {name: editor}"));
    let passed = all.pass();
    assert_eq!((passed.held(), all.access("adam")), (vec![], "docs: Edit".to_owned()));
    all.apply("", &member("adam", "roleRef: {name: admin}"));
    let passed = all.pass();
    assert_eq!(all.access("adam"), "docs: Edit");
    let held = passed.held();
    assert!(
        held[0].contains("spec: this gives adam@acme.example docs: Delete, and more in 1 section; no webhook answered"),
        "{held:?}"
    );
    // An old stamp says nothing about the present spec.
    assert_eq!(held.len(), 1);
}

#[test]
fn what_was_authorised_stays_when_its_grantor_leaves() {
    let mut all = staffed();
    all.apply(&oidc("erin"), &member("vic", "roleRef: {name: editor}"));
    all.pass();
    all.apply(PIA, &member("erin", "roleRef: {name: editor}, suspended: true"));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("vic"), "docs: Edit");
    // A change that gives nobody more needs nobody's authority.
    all.apply(&oidc("erin"), &member("vic", "roleRef: {name: viewer}"));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("vic"), "docs: View");
    // Erin holds nothing while she is suspended.
    all.apply(&oidc("erin"), &member("vic", "roleRef: {name: editor}"));
    assert_eq!(all.pass().held().len(), 1);
    assert_eq!(all.access("vic"), "docs: View");
    // Afterwards she does.
    all.apply(PIA, &member("erin", "roleRef: {name: editor}"));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("vic"), "docs: Edit");
}

#[test]
fn a_pipeline_is_never_refused_and_what_exceeds_its_grants_is_held() {
    let mut all = staffed();
    let objects = member("vic", "roleRef: {name: editor}") + &member("max", "roleRef: {name: admin}");
    all.apply(PIPELINE, &(objects + &member("adam", "roleRef: {name: admin}, suspended: true")));
    let held = all.pass().held();
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(
        held[0].starts_with("Membership default/max: spec: this gives max@acme.example docs: Delete, and the pipeline")
    );
    assert_eq!(all.access("vic"), "docs: Edit");
    assert_eq!(all.access("adam"), "nothing ended: Suspended", "a revocation beside a held grant goes through");
    all.grants.get_mut(PIPELINE).unwrap().insert("admin".into());
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("max"), "docs: Delete, billing: Allowed");
}

#[test]
fn a_role_that_rises_without_authority_raises_no_holder() {
    let mut all = staffed();
    all.apply(PIA, &role("desk", "title: Desk, permissions: {docs: View}"));
    all.apply(PIA, &member("dee", "roleRef: {kind: Role, name: desk}"));
    all.pass();
    all.apply(&oidc("erin"), &role("desk", "title: Desk, permissions: {docs: Edit, billing: Allowed}"));
    let passed = all.pass();
    assert_eq!(passed.held().len(), 1, "{:?}", passed.held());
    assert_eq!(all.access("dee"), "docs: View");
    let desk = &all.memory.roles[&roster_core::model::RoleName::custom("desk")];
    assert_eq!(
        all.memory.layout().named(&desk.content.as_ref().unwrap().ranks).count(),
        1,
        "the role shows no more, either"
    );
    // A member who gets the role meanwhile gets what is authorised of it.
    all.apply(PIA, &member("new", "roleRef: {kind: Role, name: desk}"));
    assert_eq!(all.pass().held().len(), 1);
    assert_eq!(all.access("new"), "docs: View");
    // What erin holds is within her authority.
    all.apply(&oidc("erin"), &role("desk", "title: Desk, permissions: {docs: Edit}"));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!((all.access("dee"), all.access("new")), ("docs: Edit".to_owned(), "docs: Edit".to_owned()));
}

#[test]
fn nothing_rises_because_something_vanished() {
    let mut all = staffed();
    // An override, and a second Membership, each lower somebody.
    all.apply(PIA, &role("less", "overrides: editor, permissions: {docs: View}"));
    all.apply(PIA, &member("twice", "roleRef: {name: admin}"));
    let second = member("twice", "roleRef: {name: viewer}").replace("name: twice}", "name: twice-2}");
    all.apply(PIA, &second);
    all.pass();
    assert_eq!((all.access("erin"), all.access("twice")), ("docs: View".to_owned(), "docs: View".to_owned()));
    all.world.roles.clear();
    all.world.members.remove(&(key(), "twice-2".into()));
    let passed = all.pass();
    assert_eq!((all.access("erin"), all.access("twice")), ("docs: View".to_owned(), "docs: View".to_owned()));
    let held = passed.held();
    assert_eq!(held.len(), 2, "{held:?}");
    assert!(held[0].starts_with("Account default/acme: Role default/less was deleted: "), "{held:?}");
    assert!(held[1].starts_with("Account default/acme: Membership default/twice-2 was deleted: "), "{held:?}");
    // An administrator lets both pass.
    let hash = passed.hash().unwrap();
    all.world.annotations.insert(key(), [(APPROVE_CHANGE_ANNOTATION.to_owned(), hash)].into());
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("erin"), "docs: Edit");
    assert_eq!(all.access("twice"), "docs: Delete, billing: Allowed");
}

#[test]
fn an_approval_is_for_these_changes_only() {
    let mut all = staffed();
    all.apply("", &member("max", "roleRef: {name: admin}"));
    let hash = all.pass().hash().unwrap();
    all.world.annotations.insert(key(), [(APPROVE_CHANGE_ANNOTATION.to_owned(), hash)].into());
    all.apply("", &member("more", "roleRef: {name: admin}"));
    assert_eq!(all.pass().held().len(), 2, "the hash is of one change, and there are two");
    all.world.members.remove(&(key(), "more".into()));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("max"), "docs: Delete, billing: Allowed");
    // The same words by a later change are another change.
    all.apply("", &member("max", "roleRef: {name: viewer}"));
    all.pass();
    all.apply("", &member("max", "roleRef: {name: admin}"));
    assert_eq!(all.pass().held().len(), 1);
    assert_eq!(all.access("max"), "docs: View");
}

#[test]
fn an_account_changed_without_authority_stays_as_it_was() {
    let mut all = staffed();
    let account = PORTAL.rsplit("---\n").next().unwrap();
    let owner = all.access("olga");
    all.apply("", &account.replace("olga", "eve"));
    all.apply(
        PIA,
        &(member("vic", "roleRef: {name: viewer}") + &member("adam", "roleRef: {name: admin}, suspended: true")),
    );
    let passed = all.pass();
    assert_eq!(passed.held().len(), 1, "{:?}", passed.held());
    assert_eq!((all.access("eve"), all.access("olga")), ("nobody".to_owned(), owner));
    assert_eq!(all.access("vic"), "docs: View", "everything else is reconciled");
    assert_eq!(all.access("adam"), "nothing ended: Suspended");
    all.apply("", account);
    assert_eq!(all.pass().held(), [""; 0], "back to what was authorised needs no record");
}

#[test]
fn an_account_that_refers_to_another_catalog_without_authority_grants_nothing() {
    let mut all = staffed();
    let (catalog, account) = PORTAL.split_once("---\n").unwrap();
    all.world.add(&catalog.replace("name: portal", "name: other"));
    all.apply("", &account.replace("name: portal", "name: other"));
    all.apply(
        PIA,
        &(member("vic", "roleRef: {name: viewer}") + &member("adam", "roleRef: {name: admin}, suspended: true")),
    );
    let passed = all.pass();
    assert_eq!(passed.held().len(), 1, "{:?}", passed.held());
    assert_eq!(passed.plan.holds[&ObjectKey::Member(email("vic@acme.example"))], Hold::Unauthorized);
    assert_eq!((all.access("vic"), all.access("adam")), ("nobody".to_owned(), "nothing ended: Suspended".to_owned()));
    all.apply("", account);
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("vic"), "docs: View");
}

#[test]
fn people_who_get_authority_by_a_held_change_have_none() {
    let mut all = staffed();
    // Erin gives herself more by a second person, whom she has made an admin.
    all.apply(&oidc("erin"), &member("puppet", "roleRef: {name: admin}"));
    all.apply(&oidc("puppet"), &member("erin", "roleRef: {name: admin}"));
    assert_eq!(all.pass().held().len(), 2);
    assert_eq!((all.access("puppet"), all.access("erin")), ("nobody".to_owned(), "docs: Edit".to_owned()));
    // What an administrator makes of one settles the other.
    all.apply(PIA, &member("puppet", "roleRef: {name: admin}, suspended: false"));
    assert_eq!(all.pass().held(), [""; 0]);
    assert_eq!(all.access("erin"), "docs: Delete, billing: Allowed");
}

#[test]
fn accounts_that_begin_to_enforce_keep_what_they_have() {
    let mut all = Enforced::new();
    all.memory = Memory::default();
    all.apply("", &member("max", "roleRef: {name: admin}"));
    let (index, now) = (all.world.index(), Timestamp::UNIX_EPOCH);
    let objects = index.in_scope(&key(), None, now).unwrap();
    let context = Context { authority: Authority::NotEnforced, ..Context::new(mark(&key()), now) };
    let observed = all.memory.observe(&Scope::Account, now);
    let plan = evaluate(&prepare(&objects.snapshot), &objects.members(), &observed, &context).plan;
    all.memory.apply(&plan, &mark(&key()), now);
    assert_eq!(all.pass().held(), [""; 0], "from now on");
    assert_eq!(all.access("max"), "docs: Delete, billing: Allowed");
    all.apply("", &member("new", "roleRef: {name: viewer}"));
    assert_eq!(all.pass().held().len(), 1);
}

#[test]
fn a_held_object_says_so() {
    let mut all = staffed();
    all.apply(&oidc("erin"), &member("max", "roleRef: {name: admin}"));
    let passed = all.pass();
    let index = all.world.index();
    let objects = index.in_scope(&key(), None, Timestamp::UNIX_EPOCH).unwrap();
    let place = objects.members.iter().position(|(address, _)| *address == email("max@acme.example")).unwrap();
    let findings: &Findings = &passed.judged.members[place].views[0].findings;
    assert_eq!(findings.reason(), Some(InvalidReason::Unauthorized));
}

/// Findings of a review, each of which failed before it was mended.
mod review {
    use super::*;
    use roster_core::evaluate::{judge_with, plan_revocations};

    /// Judges and applies once, without asking whether a second pass changes anything.
    fn pass_once(all: &mut Enforced) -> Passed {
        let passed = all.judge();
        all.memory.apply(&passed.plan, &mark(&key()), Timestamp::UNIX_EPOCH);
        passed
    }

    /// Makes a pass that only revokes.
    fn only_revoke(all: &mut Enforced) {
        let (index, now) = (all.world.index(), Timestamp::UNIX_EPOCH);
        let objects = index.in_scope(&key(), None, now).unwrap();
        let context = Context::new(mark(&key()), now);
        let observed = all.memory.observe(&Scope::Account, now);
        let prepared = prepare(&objects.snapshot);
        let judged = judge_with(&prepared, &objects.members(), &observed, &context);
        let plan = plan_revocations(&prepared, &judged, &observed, &context);
        all.memory.apply(&plan, &mark(&key()), now);
    }

    fn account(rest: &str) -> String {
        format!("kind: Account\nmetadata: {{name: acme}}\nspec: {{catalogRef: {{name: portal}}, {rest}}}\n")
    }

    fn approve(all: &mut Enforced, hash: String) {
        all.world.annotations.insert(key(), [(APPROVE_CHANGE_ANNOTATION.to_owned(), hash)].into());
    }

    fn authorised_text(all: &mut Enforced, name: &str, change: impl FnOnce(&str) -> String) {
        let row = all.memory.members.get_mut(&email(&format!("{name}@acme.example"))).unwrap();
        let fingerprint = row.fingerprint.take().unwrap();
        let text = change(fingerprint.authorised.as_deref().unwrap());
        row.fingerprint = Some(fingerprint.with(Some(text.into())));
    }

    #[test]
    fn a_lost_fingerprint_takes_nobody_out_in_the_second_pass() {
        let mut all = staffed();
        // As of an account that began to enforce: nobody recorded who applied it.
        all.world.stamps.clear();
        let adam = email("adam@acme.example");
        all.memory.members.get_mut(&adam).unwrap().fingerprint = None;
        pass_once(&mut all);
        assert_eq!(all.access("adam"), "docs: Delete, billing: Allowed", "first pass");
        pass_once(&mut all);
        assert_eq!(all.access("adam"), "docs: Delete, billing: Allowed", "second pass");
    }

    #[test]
    fn a_text_that_another_release_wrote_takes_nobody_out() {
        let mut all = staffed();
        all.world.stamps.clear();
        authorised_text(&mut all, "adam", |text| text.replace("\"name\":\"adam\"", "\"name\":\"adam\",\"later\":true"));
        pass_once(&mut all);
        pass_once(&mut all);
        assert_eq!(all.access("adam"), "docs: Delete, billing: Allowed");
    }

    #[test]
    fn an_unauthorised_change_of_owner_does_not_take_the_owner_out() {
        let mut all = staffed();
        let catalog = PORTAL.split("---\n").next().unwrap();
        all.world.add(&catalog.replace("  ownerRole: owner\n", "  ownerRole: owner\n  ownerChange: ByPlatform\n"));
        all.pass();
        let before = all.access("olga");
        all.apply("", &account("owner: {email: eve@acme.example}"));
        pass_once(&mut all);
        assert_eq!(all.access("olga"), before);
    }

    #[test]
    fn an_owner_whom_nobody_authorised_authorises_nothing() {
        let mut all = staffed();
        all.apply(PIA, &role("bill", "title: Bill, permissions: {billing: Allowed}"));
        all.apply(PIA, &member("vic", "roleRef: {name: viewer}"));
        all.pass();
        // A pipeline is never refused: it names eve as owner, which is held. Eve, the owner whom the Account names, gives
        // vic something else than he had: what she takes is written at once.
        all.apply(PIPELINE, &account("owner: {email: eve@acme.example}"));
        all.apply(&oidc("eve"), &member("vic", "roleRef: {kind: Role, name: bill}"));
        pass_once(&mut all);
        assert_eq!(all.access("vic"), "nothing");
        all.apply("", &account("owner: {email: olga@acme.example}"));
        pass_once(&mut all);
        assert_eq!(all.access("vic"), "nothing", "eve never was an owner");
    }

    #[test]
    fn the_approval_of_a_deletion_is_for_one_deletion() {
        let mut all = staffed();
        let less = role("less", "overrides: editor, permissions: {docs: View}");
        all.apply(PIA, &less);
        all.pass();
        all.world.roles.clear();
        let hash = all.pass().hash().unwrap();
        approve(&mut all, hash);
        all.pass();
        assert_eq!(all.access("erin"), "docs: Edit");
        all.apply(PIA, &less);
        all.pass();
        assert_eq!(all.access("erin"), "docs: View");
        all.world.roles.clear();
        all.pass();
        assert_eq!(all.access("erin"), "docs: View", "nobody approved this deletion");
    }

    #[test]
    fn the_approval_of_a_deleted_membership_is_for_one_deletion() {
        let mut all = staffed();
        let second = member("adam", "roleRef: {name: viewer}").replace("name: adam}", "name: adam-2}");
        all.apply(PIA, &second);
        all.pass();
        all.world.members.remove(&(key(), "adam-2".into()));
        let hash = all.pass().hash().unwrap();
        approve(&mut all, hash);
        all.pass();
        all.apply(PIA, &second);
        all.pass();
        assert_eq!(all.access("adam"), "docs: View");
        all.world.members.remove(&(key(), "adam-2".into()));
        all.pass();
        assert_eq!(all.access("adam"), "docs: View", "nobody approved this deletion");
    }

    #[test]
    fn an_account_whose_fingerprint_is_lost_gets_no_other_owner() {
        let mut all = staffed();
        all.apply(PIPELINE, &account("owner: {email: eve@acme.example}"));
        assert_eq!(pass_once(&mut all).held().len(), 1);
        // An unfinished write, or another list of portals, in Keycloak.
        all.memory.account.as_mut().unwrap().fingerprint = None;
        pass_once(&mut all);
        assert_eq!(all.access("eve"), "nobody");
    }

    #[test]
    fn a_role_whose_fingerprint_is_lost_does_not_rise() {
        let mut all = staffed();
        all.apply(PIA, &role("desk", "title: Desk, permissions: {docs: View}"));
        all.apply(PIA, &member("dee", "roleRef: {kind: Role, name: desk}"));
        all.pass();
        all.apply("", &role("desk", "title: Desk, permissions: {docs: Delete, billing: Allowed}"));
        assert_eq!(pass_once(&mut all).held().len(), 1);
        let name = roster_core::model::RoleName::custom("desk");
        all.memory.roles.get_mut(&name).unwrap().fingerprint = None;
        pass_once(&mut all);
        assert_eq!(all.access("dee"), "docs: View");
    }

    #[test]
    fn a_suspension_made_by_a_pass_that_only_revokes_stays() {
        let mut all = staffed();
        all.apply(PIA, &member("adam", "roleRef: {name: admin}, suspended: true"));
        only_revoke(&mut all);
        assert_eq!(all.access("adam"), "nothing ended: Suspended");
        all.apply("", &member("adam", "roleRef: {name: admin}"));
        pass_once(&mut all);
        assert_eq!(all.access("adam"), "nothing ended: Suspended", "nobody with the authority took it back");
    }

    #[test]
    fn an_end_made_by_a_pass_that_only_revokes_stays() {
        let mut all = staffed();
        all.apply(PIA, &member("adam", "roleRef: {name: admin}, expiresAt: 1970-01-03T00:00:00Z"));
        all.pass();
        all.apply(PIA, &member("adam", "roleRef: {name: admin}, expiresAt: 1970-01-02T00:00:00Z"));
        only_revoke(&mut all);
        all.apply("", &member("adam", "roleRef: {name: admin}, expiresAt: 1970-01-03T00:00:00Z"));
        pass_once(&mut all);
        let access = all.access("adam");
        assert!(access.ends_with("..1970-01-02T00:00:00Z"), "{access}");
    }

    #[test]
    fn what_an_approver_needs_may_be_new_itself() {
        let mut all = Enforced::new();
        let catalog = PORTAL.split("---\n").next().unwrap();
        let rule = "  administration:\n  - {action: ApproveAccounts, section: docs, level: Edit}\n";
        all.world.add(&catalog.replace("  administration:\n", rule));
        let managed = |approved: &str| {
            account(&format!(
                "owner: {{email: olga@acme.example}}, partner: true, managedAccounts: {{needApproval: true, approved: [{approved}]}}"
            ))
        };
        all.apply(PIA, &managed(""));
        all.pass();
        all.apply(PIA, &member("erin", "roleRef: {name: editor}"));
        all.apply(&oidc("erin"), &managed("{namespace: default, name: child}"));
        assert_eq!(pass_once(&mut all).held(), [""; 0], "erin holds what she needs");
    }

    #[test]
    fn what_was_not_authorised_yet_is_not_removed_from_the_store() {
        let mut all = staffed();
        all.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {adoption: Always, accountDefaults: {drift: {unmanaged: Remove}}}\n");
        all.world.stamps.clear();
        // Another Account of the same name, as after a restore.
        for row in all.memory.members.values_mut() {
            row.mark.as_mut().unwrap().uid = "former".into();
        }
        let passed = pass_once(&mut all);
        let guarded = passed.plan.guarded.is_some();
        assert_eq!((all.access("adam").as_str(), guarded), ("docs: Delete, billing: Allowed", false));
    }

    #[test]
    fn a_role_that_a_catalog_made_unusable_for_a_while_gives_again_what_it_gave() {
        let mut all = staffed();
        let catalog = PORTAL.split("---\n").next().unwrap();
        all.apply(PIA, &role("desk", "title: Desk, permissions: {docs: View, billing: Allowed}"));
        all.apply(PIA, &member("dee", "roleRef: {kind: Role, name: desk}"));
        all.pass();
        // As of an account that began to enforce: nobody recorded who applied it.
        all.world.stamps.clear();
        let other = catalog.replace("- {name: billing}", "- {name: bills}").replace("billing: ", "bills: ");
        all.world.add(&other.replace("name: billing", "name: bills"));
        pass_once(&mut all);
        let meanwhile = all.access("dee");
        all.world.add(catalog);
        let held = pass_once(&mut all).held();
        assert_eq!(
            (meanwhile.as_str(), all.access("dee").as_str()),
            ("docs: View", "docs: View, billing: Allowed"),
            "{held:?}"
        );
    }

    #[test]
    fn an_account_with_another_catalog_waits_and_takes_nothing_away() {
        let mut all = staffed();
        all.world.add("kind: PermissionCatalog\nmetadata: {name: other}\nspec: {sections: [{name: docs, levels: [None, View, Edit, Delete]}], roles: [{name: owner, allPermissions: true, heldBy: AccountOwner}, {name: admin, permissions: {docs: View}}], ownerRole: owner}\n");
        let before = [all.access("olga"), all.access("erin"), all.access("adam")];
        all.apply(PIPELINE, "kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: other}, owner: {email: olga@acme.example}}\n");
        pass_once(&mut all);
        pass_once(&mut all);
        assert_eq!([all.access("olga"), all.access("erin"), all.access("adam")], before);
    }

    /// Each is made by the next one, the last one by erin.
    #[test]
    fn a_chain_of_grants_is_settled_in_one_pass() {
        let mut all = staffed();
        let name = |place: usize| format!("m{place:05}");
        for place in 0..200 {
            let by = if place == 199 { oidc("erin") } else { oidc(&name(place + 1)) };
            all.apply(&by, &member(&name(place), "roleRef: {name: editor}"));
        }
        assert_eq!(pass_once(&mut all).held(), [""; 0]);
        assert_eq!(all.access(&name(0)), "docs: Edit");
    }
}
