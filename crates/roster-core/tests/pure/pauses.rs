//! Tests pauses: which changes wait, and which revocations do not.

use crate::support::{DANA, Pass, change_catalog, dana, set, table};
use jiff::SignedDuration;
use roster_core::plan::Pause;

#[test]
fn a_pause_delays_grants_and_never_revocations() {
    let mut pass = dana();
    pass.policy.paused = Some(Pause::Asked);
    // Fewer permissions, and nothing new.
    let half = "kind: Role\nmetadata: {name: half}\nspec: {accountRef: {name: acme}, permissions: {docs: View, billing: Allowed}}";
    pass.world.add(half);
    set(&mut pass, "dana", "roleRef: {kind: Role, name: half}");
    set(&mut pass, "eve", "roleRef: {name: viewer}");
    let plan = pass.run();
    assert_eq!(table(&plan), ["Revoke spec put member dana@acme.example"]);
    assert_eq!(pass.access(DANA), "docs: View, billing: Allowed");
    assert_eq!(Pass::holds(&plan).keys().collect::<Vec<_>>(), ["member eve@acme.example", "role custom:half"]);
    // Of a change that revokes and grants, only the revocation is applied.
    pass.world
        .add("---\nkind: Role\nmetadata: {name: clerk}\nspec: {accountRef: {name: acme}, permissions: {docs: Edit}}\n");
    set(&mut pass, "dana", "roleRef: {kind: Role, name: clerk}");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: View");
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended");
    set(&mut pass, "dana", "roleRef: {name: editor}");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended", "given back only after the pause");
    pass.policy.paused = None;
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

/// Found by the simulator (seed 56): a waiting change removed the end time from the store, and in a store that does not
/// evaluate time windows the access continued.
#[test]
fn access_kept_by_a_pause_still_expires_in_a_store_without_a_clock() {
    let mut pass = dana();
    pass.world.add(
        "kind: IdentityStore\nmetadata: {name: default}\nspec: {keycloak: {url: 'https://keycloak.example', realm: acme, \
         clientId: roster, clientSecretRef: {name: keys, key: secret}}}",
    );
    assert!(!pass.world.stores["default"].spec.holds_windows());
    set(&mut pass, "dana", "roleRef: {name: editor}, expiresAt: \"1970-01-01T01:00:00Z\"");
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed within …..1970-01-01T01:00:00Z");
    pass.policy.paused = Some(Pause::Asked);
    set(&mut pass, "dana", "roleRef: {name: editor}");
    assert_eq!(table(&pass.run()), [""; 0], "that would be longer");
    pass.policy.now += SignedDuration::from_hours(1);
    assert_eq!(Pass::holds(&pass.run())["member dana@acme.example"], "Paused");
    assert_eq!(pass.access(DANA), "nothing within …..1970-01-01T01:00:00Z");
    pass.policy.paused = None;
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn drift_that_a_pause_leaves_half_corrected_is_still_drift() {
    let mut pass = dana();
    set(&mut pass, "dana", "roleRef: {name: viewer}");
    pass.run();
    pass.memory.tamper(DANA, |content| content.ranks = [0, 1].into_iter().collect());
    pass.policy.paused = Some(Pause::Asked);
    for _ in 0..2 {
        let plan = pass.run();
        assert_eq!((plan.drift.len(), plan.drift[0].corrected), (1, false));
        assert_eq!(pass.access(DANA), "nothing", "billing goes, docs wait");
    }
    pass.policy.paused = None;
    let plan = pass.run();
    assert_eq!(table(&plan), ["Grant drift put member dana@acme.example"]);
    assert_eq!(pass.access(DANA), "docs: View");
}

#[test]
fn during_a_pause_a_catalog_change_waits_but_its_revocations_within_a_section_do_not() {
    let mut pass = dana();
    set(&mut pass, "eve", "roleRef: {name: viewer}");
    pass.run();
    pass.policy.paused = Some(Pause::Asked);
    // billing is removed, Edit is renamed to Write, editors get a new section, and viewers lose docs.
    change_catalog(&mut pass, |catalog| {
        catalog
            .replace("- {name: billing}", "- {name: new}")
            .replace("billing: Allowed", "new: Allowed")
            .replace("Edit", "Write")
            .replace("{docs: View}", "{new: Allowed}")
    });
    set(&mut pass, "fay", "roleRef: {name: editor}");
    let plan = pass.run();
    assert_eq!(table(&plan), ["Revoke spec put member eve@acme.example counted"]);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed", "names that are gone are still there in the store");
    assert_eq!(pass.access("eve@acme.example"), "nothing");
    assert!(["account", "role editor", "member fay@acme.example"].iter().all(|o| Pass::holds(&plan)[*o] == "Paused"));
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.run();
    assert_eq!(pass.access(DANA), "nothing ended: Suspended");
    set(&mut pass, "dana", "roleRef: {name: editor}");
    pass.policy.paused = None;
    pass.run();
    assert_eq!(pass.access(DANA), "docs: Write, new: Allowed");
    assert_eq!(pass.access("eve@acme.example"), "new: Allowed");
}
