//! Tests the five portals of `examples/` against the tables in their READMEs, which are repeated here.
//!
//! Each portal has a file of its own under `portals/`; what they share is here: a person on probation, whose Membership
//! is written for one question, and tables that are read as people read them. `✓` is the highest level of a section,
//! `–` and `n/a` are no access; any other cell is the name of a level.

mod developer_platform;
mod field_operations;
mod partner_accounts;
mod secondary_users;
mod service_provider;

use std::collections::BTreeMap;

use roster_core::{
    api::{InvalidReason, PermissionCatalogSpec},
    model::Catalog,
    resolve::{Access, AccountResolution},
};

use crate::support::{Pass, World, email, example, read};

const PORTALS: [&str; 5] =
    ["secondary-users", "service-provider", "partner-accounts", "developer-platform", "field-operations"];

/// Section → level, for all sections.
type Levels = BTreeMap<String, String>;

/// One account of an example, and questions to it.
struct Portal {
    world: World,
    account: &'static str,
}

impl Portal {
    /// The account, `namespace/name`, of an example.
    fn of(portal: &str, account: &'static str) -> Self {
        Self { world: example(portal), account }
    }

    /// Returns the portal with more objects, or with other objects of the same names. They must name their namespace.
    fn with(&self, yaml: &str) -> Self {
        Self { world: self.world.with(yaml), account: self.account }
    }

    /// Returns the portal as seen from another account.
    fn at(&self, account: &'static str) -> Self {
        Self { world: self.world.clone(), account }
    }

    /// An object of a tenant's kind that belongs to this account.
    fn object(&self, kind: &str, name: &str, rest: &str) -> String {
        let (namespace, account) = self.account.split_once('/').unwrap();
        let metadata = format!("metadata: {{name: {name}, namespace: {namespace}}}");
        format!("---\nkind: {kind}\n{metadata}\nspec: {{accountRef: {{name: {account}}}, {rest}}}\n")
    }

    /// Returns the portal with a Membership for `probe@probe.example`.
    fn probing(&self, rest: &str) -> Self {
        self.with(&self.object("Membership", "probe", &format!("user: {{email: probe@probe.example}}, {rest}")))
    }

    /// Returns the permissions of a person with such a Membership.
    fn probe(&self, rest: &str) -> Levels {
        self.probing(rest).levels("probe@probe.example")
    }

    /// Returns whether a member keeps at most what the store holds.
    fn is_held_at_most(&self, rest: &str) -> bool {
        let desired = self.probing(rest).world.resolve(self.account).desired;
        matches!(desired.members[&email("probe@probe.example")].access, Access::AtMost(_))
    }

    /// Returns the permissions of the role with that title.
    fn holder(&self, title: &str) -> Levels {
        self.probe(&format!("roleRef: {{name: {}}}", self.role(title)))
    }

    /// Returns the permissions of a member, for all sections.
    #[track_caller]
    fn levels(&self, address: &str) -> Levels {
        let resolved = self.world.resolve(self.account);
        let access = resolved.desired.members.get(&email(address)).map(|member| &member.access);
        let Some(Access::Exactly(content) | Access::AtMost(content)) = access else { panic!("{address}: {access:?}") };
        let ladders = resolved.desired.layout.ladders().iter().zip(content.ranks.as_slice());
        ladders.map(|(l, rank)| (l.section.to_string(), l.levels[usize::from(*rank)].to_string())).collect()
    }

    fn spec(&self) -> &PermissionCatalogSpec {
        let name = &self.world.accounts[&World::key(self.account)].spec.catalog_ref.name;
        &self.world.catalogs[name].spec
    }

    fn catalog(&self) -> Catalog {
        Catalog::compile(self.spec()).unwrap()
    }

    /// Returns the name of the role with this title.
    #[track_caller]
    fn role(&self, title: &str) -> String {
        let role = self.spec().roles.iter().find(|role| role.title.as_deref() == Some(title));
        role.unwrap_or_else(|| panic!("no role is called {title:?}")).name.clone()
    }

    /// Returns the reason of `Valid=False` of an object, named as in [`World::findings`]; `None` if it is valid.
    fn reason(&self, object: &str) -> Option<InvalidReason> {
        self.world.findings(self.account, object).reason()
    }

    /// Returns why a Membership with this spec is invalid; `None` if it is valid.
    fn refusal(&self, rest: &str) -> Option<InvalidReason> {
        self.probing(rest).reason("membership probe")
    }

    /// Returns what each action requires, as `Action: section at Level` or `Action: role, role`.
    fn administration(&self) -> Vec<String> {
        let rules = self.spec().administration.iter().map(|rule| match (&rule.section, &rule.level) {
            (Some(section), Some(level)) => format!("{:?}: {section} at {level}", rule.action),
            _ => format!("{:?}: {}", rule.action, rule.roles.join(", ")),
        });
        rules.collect()
    }

    /// Compares a table, which must have a row for each section, with the permissions of each column's holder.
    #[track_caller]
    fn is_as_in(&self, table: &Table, holder: impl Fn(&str) -> Levels) {
        let catalog = self.catalog();
        let sections: Vec<&str> = catalog.layout.ladders().iter().map(|ladder| ladder.section.as_str()).collect();
        let mut named: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
        named.sort_by_key(|name| sections.iter().position(|section| section == name));
        assert_eq!(named, sections, "the table and the catalog have other sections");
        let mut wrong = Vec::new();
        for (column, title) in table.columns.iter().enumerate().skip(1) {
            let levels = holder(title);
            for row in &table.rows {
                let expected = level(&catalog, &row[0], &row[column]);
                if levels[&row[0]] != expected {
                    wrong.push(format!("{} of {title}: {} instead of {expected}", row[0], levels[&row[0]]));
                }
            }
        }
        assert_eq!(wrong, [""; 0]);
    }
}

/// Returns the level for a cell of a table on a section's ladder.
fn level(catalog: &Catalog, section: &str, cell: &str) -> String {
    let ladder = &catalog.layout.ladders()[catalog.section(section).unwrap()].levels;
    let level = match cell {
        "✓" => ladder.last().unwrap().as_str(),
        "–" | "n/a" | "denied unless set" => ladder[0].as_str(),
        name => name,
    };
    assert!(ladder.iter().any(|known| known == level), "{section} has no level {level}");
    level.to_owned()
}

/// A table as the READMEs of `examples/` write it.
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn parse(text: &str) -> Self {
        let cells = |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let mut lines = text.trim().lines().filter(|line| !line.starts_with("|--")).map(cells);
        let columns: Vec<String> = lines.next().unwrap();
        let rows: Vec<Vec<String>> = lines.collect();
        assert!(rows.iter().all(|row| row.len() == columns.len()), "a row is not as wide as the table: {rows:?}");
        Self { columns, rows }
    }

    /// All cells but those of the first column: row, column, cell.
    fn cells(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.rows.iter().flat_map(|row| {
            let cells = self.columns.iter().zip(row).skip(1);
            cells.map(|(column, cell)| (row[0].as_str(), column.as_str(), cell.as_str()))
        })
    }
}

/// Returns the content that a store shows for every account after a pass, as the view `effective_permissions` does.
fn shown(world: &World) -> Vec<String> {
    let mut rows = Vec::new();
    for key in world.accounts.keys() {
        let mut pass = Pass::new(&key.to_string(), world.clone());
        pass.run();
        let layout = pass.memory.layout();
        for (email, seen) in &pass.memory.members {
            let ranks = seen.content.as_ref().unwrap().ranks.as_slice();
            for (ladder, rank) in std::iter::zip(layout.ladders(), ranks) {
                rows.push(
                    [&key.to_string(), email.as_str(), &ladder.section, &ladder.levels[usize::from(*rank)]].join(","),
                );
            }
        }
    }
    rows.sort();
    rows
}

#[test]
fn every_example_gives_exactly_the_rows_of_its_expected_csv() {
    for portal in PORTALS {
        let text = read(&format!("examples/{portal}/expected.csv"));
        let (header, rows) = text.split_once('\n').unwrap();
        assert_eq!(header, "account,email,section,level");
        let rows: Vec<&str> = rows.lines().collect();
        assert_eq!(shown(&example(portal)), rows, "{portal}");
    }
}

#[test]
fn the_example_objects_are_valid_unless_they_say_otherwise() {
    let mut invalid = Vec::new();
    for portal in PORTALS {
        let world = example(portal);
        let named = |what: &str, name: &str| format!("{what} {name}");
        for key in world.accounts.keys() {
            let resolved = world.resolve(&key.to_string());
            assert!(matches!(resolved.definitions.resolution, AccountResolution::Resolved(_)), "{key}");
            let mut findings = vec![("account".to_owned(), resolved.definitions.findings.clone())];
            findings.extend(resolved.definitions.roles.iter().map(|(n, r)| (named("role", n), r.findings.clone())));
            findings.extend(resolved.definitions.groups.iter().map(|(n, g)| (named("group", n), g.findings.clone())));
            findings.extend(resolved.views.iter().map(|(n, view)| (named("membership", n), view.findings.clone())));
            let invitations = world.invitations.keys().filter(|(account, _)| account == key);
            findings.extend(invitations.map(|(_, name)| {
                let object = named("invitation", name);
                let finding = world.findings(&key.to_string(), &object);
                (object, finding)
            }));
            let reasons = findings.iter().filter_map(|(object, finding)| Some((object, finding.reason()?)));
            invalid.extend(reasons.map(|(object, reason)| format!("{key} {object}: {reason}")));
        }
    }
    assert_eq!(
        invalid,
        [
            "developer-platform/hobby invitation hobby-mika: PlanNotEligible",
            "field-operations/meridian-west account: ApprovalPending",
            "field-operations/meridian-west membership hector: ApprovalPending",
            "field-operations/meridian-west membership stella: ApprovalPending",
        ]
    );
}
