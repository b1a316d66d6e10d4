//! Tests the tables of the five portals, cell by cell: a person is given each role in turn.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod support;

use std::collections::BTreeMap;

use roster_core::api::PermissionCatalogSpec;
use roster_reference::{Statement, World};
use support::{add, ask, example};

/// An example, and the account to which the probe member is added.
struct Portal {
    world: World,
    account: &'static str,
}

impl Portal {
    fn of(name: &str, account: &'static str) -> Self {
        Self { world: example(name), account }
    }

    fn spec(&self) -> &PermissionCatalogSpec {
        let (namespace, name) = self.account.split_once('/').unwrap();
        let account = &self.world.accounts[&(namespace.to_owned(), name.to_owned())];
        &self.world.catalogs[&account.spec.catalog_ref.name].spec
    }

    /// Returns the levels, in all sections, of a member with this spec.
    #[track_caller]
    fn probe(&self, rest: &str) -> BTreeMap<String, String> {
        self.probe_among("", rest)
    }

    /// Like `probe`, with more objects.
    #[track_caller]
    fn probe_among(&self, objects: &str, rest: &str) -> BTreeMap<String, String> {
        let (namespace, account) = self.account.split_once('/').unwrap();
        let mut world = self.world.clone();
        let spec = format!("accountRef: {{name: {account}}}, user: {{email: probe@probe.example}}, {rest}");
        let yaml = format!("kind: Membership\nmetadata: {{name: probe, namespace: {namespace}}}\nspec: {{{spec}}}\n");
        add(&mut world, &format!("{objects}---\n{yaml}"));
        let member = &ask(&world, self.account).members["probe@probe.example"];
        assert_eq!(member.statement, Statement::Exactly);
        let sections = self.spec().sections.iter().map(|section| {
            let levels = section.levels.clone().unwrap_or_else(|| vec!["Denied".to_owned(), "Allowed".to_owned()]);
            let level = member.levels.get(&section.name).unwrap_or(&levels[0]).clone();
            (section.name.clone(), level)
        });
        sections.collect()
    }

    /// Returns the levels of a holder of the role with this title.
    #[track_caller]
    fn holder(&self, title: &str) -> BTreeMap<String, String> {
        let roles = &self.spec().roles;
        let role = roles.iter().find(|role| role.title.as_deref() == Some(title)).unwrap();
        self.probe(&format!("roleRef: {{name: {}}}", role.name))
    }

    /// A cell of a table as a level: `✓` is the highest, `–` and `n/a` the first.
    fn level(&self, section: &str, cell: &str) -> String {
        let section = self.spec().sections.iter().find(|known| known.name == section).unwrap();
        let levels = section.levels.clone().unwrap_or_else(|| vec!["Denied".to_owned(), "Allowed".to_owned()]);
        match cell {
            "✓" => levels.last().unwrap().clone(),
            "–" | "n/a" => levels[0].clone(),
            level => level.to_owned(),
        }
    }

    /// Compares a table, sections in rows and titles of roles in columns.
    #[track_caller]
    fn is_as_in(&self, table: &str) {
        let mut rows = table.trim().lines().map(|line| {
            let cells = line.trim().trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        });
        let titles = rows.next().unwrap();
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows.len(), self.spec().sections.len(), "a row for each section");
        for (column, title) in titles.iter().enumerate().skip(1) {
            let levels = self.holder(title);
            for row in &rows {
                assert_eq!(levels[&row[0]], self.level(&row[0], &row[column]), "{} of {title}", row[0]);
            }
        }
    }
}

#[test]
fn partner_accounts() {
    let rest = "
        | create-services | ✓ | – | ✓ | – | – |
        | delete-services | – | – | ✓ | – | – |
        | design-services | ✓ | ✓ | ✓ | ✓ | ✓ |
        | update-services | ✓ | ✓ | – | – | – |
        | view-services | ✓ | ✓ | ✓ | ✓ | ✓ |
        | lock-services | – | – | – | – | – |
        | service-keys | ✓ | – | ✓ | – | – |
        | view-usage | ✓ | ✓ | ✓ | ✓ | ✓ |
        | manage-users | – | – | – | – | – |
        | own-details | ✓ | ✓ | ✓ | ✓ | ✓ |";
    let portal = Portal::of("partner-accounts", "partner-accounts/interlink");
    portal.is_as_in(&format!(
        "| action | Technical Admin | Technical Contact | Finance | Financial Contact | Read Only |
        | create-managed-account | – | – | – | – | – |
        | onboard-managed-users | – | – | – | – | – |{rest}"
    ));
    assert!(portal.probe("roleRef: {name: company-admin}").values().all(|level| level == "Allowed"));
    // A Company Admin of a managed account has all but the partner's two rights, and nobody there the partner's role.
    let managed = Portal::of("partner-accounts", "partner-accounts/interlink-retail");
    let denied = |levels: BTreeMap<String, String>| {
        levels.into_iter().filter(|(_, level)| level == "Denied").map(|(name, _)| name).collect::<Vec<_>>()
    };
    let two = ["create-managed-account", "onboard-managed-users"];
    assert_eq!(denied(managed.probe("roleRef: {name: managed-company-admin}")), two);
    assert_eq!(denied(managed.probe("roleRef: {name: company-admin}")).len(), 12);
}

#[test]
fn developer_platform() {
    let portal = Portal::of("developer-platform", "developer-platform/acme-direct");
    portal.is_as_in(
        "| section | Admin | Developer | Finance analyst | Support |
        | phone-numbers | Edit | Edit | – | View |
        | payments-billing | Edit | – | Edit | View |
        | logs | View | View | – | View |
        | applications | Edit | Edit | – | View |
        | settings | Edit | Edit | – | Edit |
        | credentials | Edit | Edit | – | – |
        | pricing | View | – | View | – |",
    );
    let owner = &ask(&portal.world, portal.account).members["dana@acme.example"];
    assert!(owner.owner && portal.spec().sections.iter().all(|s| owner.levels[&s.name] == portal.level(&s.name, "✓")));
}

#[test]
fn field_operations() {
    let portal = Portal::of("field-operations", "field-operations/longhaul");
    portal.is_as_in(
        "| permission | Superadmin | Account Holder | Admin | Supervisor | Auditor |
        | manage-general-settings | ✓ | ✓ | ✓ | – | – |
        | manage-device-control | ✓ | ✓ | ✓ | – | n/a |
        | create-roles | ✓ | ✓ | – | – | n/a |
        | view-api-integration | ✓ | ✓ | ✓ | – | – |
        | generate-api-token | ✓ | ✓ | – | – | n/a |
        | view-account-requests | ✓ | ✓ | ✓ | – | – |
        | bill-account-requests | ✓ | ✓ | – | n/a | n/a |",
    );
    // Customized roles: denied unless set, and two sections cannot be set.
    let all: Vec<String> = portal.spec().sections.iter().map(|section| format!("{}: Allowed", section.name)).collect();
    let role = |cells: &str| {
        let spec = format!("accountRef: {{name: longhaul}}, permissions: {{{cells}}}");
        format!("kind: Role\nmetadata: {{name: custom, namespace: field-operations}}\nspec: {{{spec}}}\n")
    };
    let denied = |cells: &str| {
        let levels = portal.probe_among(&role(cells), "roleRef: {kind: Role, name: custom}");
        levels.into_iter().filter(|(_, level)| level == "Denied").map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(denied(&all.join(", ")), ["bill-account-requests", "create-roles"]);
    assert_eq!(denied("").len(), 7);
    assert_eq!(denied("generate-api-token: Allowed").len(), 7, "needs view-api-integration");
}

#[test]
fn service_provider() {
    let portal = Portal::of("service-provider", "service-provider/northline");
    let ladders = "account Hide View Edit Create Delete
        account-bulk-statuses Hide View Edit
        account-call-history Hide View
        account-history Hide View
        ip-allowlist Hide View Edit
        phone-number Hide View
        phone-number-inventory Hide View Edit
        phone-number-service-activation Hide View Edit Create Delete
        product Hide View
        product-calling-plan Hide View Edit Create Delete
        product-groups Hide View Edit Create Delete
        product-users Hide View Edit Create Delete
        reports Hide View
        route-plan Hide View Edit
        sip-credentials Hide View Edit";
    for (section, line) in std::iter::zip(&portal.spec().sections, ladders.lines()) {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some(section.name.as_str()));
        assert_eq!(words.collect::<Vec<_>>(), section.levels.clone().unwrap());
    }
    let above = |cells: &str| {
        let spec = format!("accountRef: {{name: northline}}, permissions: {{{cells}}}");
        let group =
            format!("kind: UserGroup\nmetadata: {{name: probe, namespace: service-provider}}\nspec: {{{spec}}}\n");
        let levels = portal.probe_among(&group, "groupRefs: [{name: probe}]");
        let above = levels.into_iter().filter(|(_, level)| level != "Hide");
        above.map(|(name, level)| format!("{name}={level}")).collect::<Vec<_>>().join(" ")
    };
    // `product` at Hide conceals account and everything of product-*; each of them needs it.
    for section in ["account", "product-calling-plan", "product-groups", "product-users"] {
        assert_eq!(above(&format!("{section}: Delete")), "");
        let both = above(&format!("{section}: Delete, product: View"));
        assert!(both.contains(&format!("{section}=Delete")), "{both}");
    }
    for section in ["phone-number-inventory", "phone-number-service-activation"] {
        assert_eq!(above(&format!("{section}: View")), "");
        assert!(above(&format!("{section}: View, phone-number: View")).contains(&format!("{section}=View")));
    }
    // Bulk statuses at Edit need three sections at View.
    let three = "product-calling-plan: View, product-groups: View, product-users: View";
    assert!(
        above(&format!("account-bulk-statuses: Edit, product: View, {three}")).contains("account-bulk-statuses=Edit")
    );
    assert_eq!(above(&format!("account-bulk-statuses: Edit, {three}")), "account-bulk-statuses=View");
    for missing in ["product-calling-plan", "product-groups", "product-users"] {
        let two: Vec<&str> = three.split(", ").filter(|cell| !cell.starts_with(missing)).collect();
        let levels = above(&format!("account-bulk-statuses: Edit, product: View, {}", two.join(", ")));
        assert!(levels.contains("account-bulk-statuses=View"), "{levels}");
    }
}

#[test]
fn secondary_users() {
    let portal = Portal::of("secondary-users", "secondary-users/tidewater");
    let denied = |rest: &str| {
        let levels = portal.probe(rest);
        levels.into_iter().filter(|(_, level)| level == "Denied").map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(denied(""), "api-keys secondary-users");
    assert_eq!(denied("restrictions: {apply: [numbers]}"), "api-keys numbers secondary-users");
    assert_eq!(denied("restrictions: {apply: [payments]}"), "api-keys payments secondary-users");
    assert_eq!(denied("restrictions: {apply: [applications]}"), "api-keys applications secondary-users");
    let searching = "api-keys search-api-requests search-calls search-messages secondary-users";
    assert_eq!(denied("restrictions: {apply: [searching]}"), searching);
    // Opted in, one at a time, and only by explicit confirmation; then no other restriction counts.
    let lift = "restrictions: {lift: [secondary-user-management], apply: [numbers]}";
    assert_eq!(denied(lift), "api-keys numbers secondary-users");
    assert_eq!(denied(&format!("{lift}, acknowledge: [secondary-user-management]")), "");
}
