//! Tests a catalog's own rules.

use roster_core::{
    api::PermissionCatalogSpec,
    model::{Catalog, Ladder, Layout, Ranks},
};

fn faults(yaml: &str) -> Vec<String> {
    let spec: PermissionCatalogSpec = serde_yaml_ng::from_str(yaml).unwrap();
    Catalog::compile(&spec).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn layout(ladders: &[(&str, &[&str])]) -> Layout {
    let ladder = |(section, levels): &(&str, &[&str])| Ladder {
        section: (*section).into(),
        levels: levels.iter().map(|level| (*level).into()).collect(),
    };
    Layout::new(ladders.iter().map(ladder).collect())
}

#[test]
fn every_reference_inside_a_catalog_must_lead_somewhere() {
    let found = faults(
        "
sections:
- {name: docs, levels: [None, View, Edit], requires: [{from: Write, section: docs2, level: View}, {from: Edit, section: billing, level: Some}]}
- {name: billing, advisories: [{above: Never, message: x}]}
restrictions:
- {name: r, caps: {doc: View, billing: None}}
roles:
- {name: a, permissions: {dox: View, docs: Viev}, notApplicable: [bill]}
ownerRole: b
defaultRole: c
customRoles: {notApplicable: [d]}
administration:
- {action: EditRoles, section: e, level: View}
- {action: EditGroups, section: docs, level: Top}
- {action: EditMembers, roles: [f]}
",
    );
    assert_eq!(
        found,
        [
            r#"spec.sections[billing].advisories: section "billing" has no level "Never"; it has Denied, Allowed"#,
            r#"spec.sections[docs].requires: section "docs" has no level "Write"; it has None, View, Edit"#,
            r#"spec.sections[docs].requires: section "docs2" is not among spec.sections; did you mean "docs"?"#,
            r#"spec.sections[docs].requires: section "billing" has no level "Some"; it has Denied, Allowed"#,
            r#"spec.restrictions[r].caps: section "billing" has no level "None"; it has Denied, Allowed"#,
            r#"spec.restrictions[r].caps: section "doc" is not among spec.sections; did you mean "docs"?"#,
            r#"spec.roles[a].notApplicable: section "bill" is not among spec.sections"#,
            r#"spec.roles[a].permissions: section "docs" has no level "Viev"; it has None, View, Edit; did you mean "View"?"#,
            r#"spec.roles[a].permissions: section "dox" is not among spec.sections"#,
            r#"spec.customRoles.notApplicable: section "d" is not among spec.sections"#,
            r#"spec.ownerRole: role "b" is not among spec.roles"#,
            r#"spec.defaultRole: role "c" is not among spec.roles"#,
            r#"spec.administration[EditRoles]: section "e" is not among spec.sections"#,
            r#"spec.administration[EditGroups]: section "docs" has no level "Top"; it has None, View, Edit"#,
            r#"spec.administration[EditMembers]: role "f" is not among spec.roles"#,
        ]
    );
}

#[test]
fn contradictions_in_a_catalog_are_refused() {
    for (yaml, fault) in [
        ("sections: [{name: a, levels: [Only]}]", "spec.sections[a].levels: needs 2 to 16 levels"),
        ("sections: [{name: a, levels: [X, Y, X]}]", "spec.sections[a].levels: names a level twice"),
        ("sections: [{name: a}, {name: a}]", "spec.sections[a]: exists twice"),
        (
            "sections: [{name: a}, {name: b, requires: [{from: Denied, section: a, level: Allowed}]}]",
            r#"spec.sections[b].requires: from: "Denied" is the first level, which means no access and needs nothing"#,
        ),
        (
            "sections: [{name: a, levels: [No, View, Edit], requires: [{from: Edit, section: a, level: View}]}]",
            "spec.sections[a].requires: a section cannot require itself; name another section",
        ),
        (
            "{sections: [{name: a}], restrictions: [{name: r, caps: {a: Denied}, lifting: {grantsOwnerAccess: true}}]}",
            "spec.restrictions[r].lifting: grantsOwnerAccess needs spec.ownerRole, which is not set",
        ),
        (
            "{sections: [{name: a}], restrictions: [{name: r, caps: {a: Denied}}, {name: r, caps: {a: Denied}}]}",
            "spec.restrictions[r]: exists twice",
        ),
        ("{sections: [{name: a}], roles: [{name: r}, {name: r}]}", "spec.roles[r]: exists twice"),
        (
            "{sections: [{name: a}], roles: [{name: r, permissions: {a: Allowed}, notApplicable: [a]}]}",
            r#"spec.roles[r].permissions: section "a" is notApplicable for this role and cannot be "Allowed""#,
        ),
        (
            "{sections: [{name: a}], roles: [{name: r, permissions: {a: Allowed}, allPermissions: true}]}",
            "spec.roles[r].permissions: has both allPermissions and permissions; keep one",
        ),
        (
            "{sections: [{name: a}], roles: [{name: r, advice: {minimumHolders: 3, maximumHolders: 2}}]}",
            "spec.roles[r].advice.maximumHolders: minimumHolders 3 is above maximumHolders 2",
        ),
        (
            "{sections: [{name: a}], roles: [{name: r, overridable: true}], ownerRole: r}",
            "spec.roles[r].overridable: the ownerRole can never be overridable",
        ),
        (
            "{sections: [{name: a}], roles: [{name: r, heldBy: AccountOwner}], defaultRole: r}",
            r#"spec.defaultRole: role "r" is held by the account's owner only"#,
        ),
    ] {
        assert_eq!(faults(yaml), [fault], "{yaml}");
    }
}

#[test]
fn cyclic_prerequisites_are_refused_and_named() {
    let found = faults(
        "
sections:
- {name: a, levels: [No, View, Edit], requires: [{from: View, section: b, level: View}]}
- {name: b, levels: [No, View, Edit], requires: [{from: View, section: c, level: Edit}]}
- {name: c, levels: [No, View, Edit], requires: [{from: Edit, section: a, level: View}]}
",
    );
    let circle = "a from View → b from View → c from Edit → a from View";
    assert_eq!(found, [format!("spec.sections: prerequisites form a cycle: {circle}; remove one of these `requires`")]);
}

#[test]
fn sections_may_need_each_other_at_levels_that_do_not_depend_on_each_other() {
    let catalog = "
sections:
- {name: a, levels: [No, View, Edit], requires: [{from: Edit, section: b, level: View}]}
- {name: b, levels: [No, View, Edit], requires: [{from: Edit, section: a, level: View}]}
";
    assert_eq!(faults(catalog), [""; 0]);
}

#[test]
fn a_catalog_at_its_bounds_compiles_quickly() {
    let mut yaml = "sections:\n".to_owned();
    for place in 0..256_usize {
        let levels: Vec<String> = (0..16).map(|level| format!("L{level}")).collect();
        let requires: Vec<String> = (place.saturating_sub(16)..place)
            .map(|needs| format!("{{from: L{}, section: s{needs}, level: L7}}", 1 + needs % 15))
            .collect();
        yaml +=
            &format!("- {{name: s{place}, levels: [{}], requires: [{}]}}\n", levels.join(", "), requires.join(", "));
    }
    let spec: PermissionCatalogSpec = serde_yaml_ng::from_str(&yaml).unwrap();
    let started = std::time::Instant::now();
    let catalog = Catalog::compile(&spec).unwrap();
    assert_eq!(catalog.rules.len(), 256 * 16 - 136);
    assert!(started.elapsed().as_millis() < 500, "{:?}", started.elapsed());
}

#[test]
fn ranks_are_translated_by_name_and_never_upwards() {
    let old = layout(&[("docs", &["None", "View", "Edit", "Delete"]), ("billing", &["Denied", "Allowed"])]);
    let ranks = |ranks: &[u8]| -> Ranks { ranks.iter().copied().collect() };
    for (new, from, to) in [
        // Sections in another order, one removed, one new.
        (layout(&[("new", &["No", "Yes"]), ("docs", &["None", "View", "Edit", "Delete"])]), [3, 1], vec![0, 3]),
        // A new level in between: ranks change, names stay.
        (layout(&[("docs", &["None", "View", "Comment", "Edit", "Delete"])]), [2, 1], vec![3]),
        // A removed level becomes the highest one below.
        (layout(&[("docs", &["None", "View", "Edit"])]), [3, 0], vec![2]),
        (layout(&[("docs", &["None", "Delete"])]), [2, 0], vec![0]),
        // No access stays no access, even if its name becomes the name of a level, or the reverse.
        (layout(&[("docs", &["Hidden", "None", "View"])]), [0, 0], vec![0]),
        (layout(&[("docs", &["View", "Edit"])]), [1, 0], vec![0]),
    ] {
        assert_eq!(new.translate(&ranks(&from), &old).as_slice(), to, "{new:?}");
    }
}

#[test]
fn layouts_with_the_same_names_in_other_places_are_not_the_same() {
    let one = layout(&[("a", &["x", "y"]), ("b", &["x", "y"])]);
    assert_eq!(one, layout(&[("a", &["x", "y"]), ("b", &["x", "y"])]));
    assert_ne!(one, layout(&[("b", &["x", "y"]), ("a", &["x", "y"])]));
    assert_ne!(one, layout(&[("a", &["y", "x"]), ("b", &["x", "y"])]));
    assert_ne!(one, layout(&[("a", &["x", "y", "b"]), ("x", &["y"])]));
}
