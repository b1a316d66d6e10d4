//! Tests that the matrix of each portal is equal to the table of its README in `examples/`, which is repeated here: `✓` is
//! the highest level, `–` the first one, and `n/a` is not applicable.

use std::collections::BTreeMap;

use super::{ask, json};

const PARTNER_ACCOUNTS: &str = "
| action                 | company-admin | technical-admin | technical-contact | finance | financial-contact | read-only |
| create-managed-account | ✓             | –               | –                 | –       | –                 | –         |
| onboard-managed-users  | ✓             | –               | –                 | –       | –                 | –         |
| create-services        | ✓             | ✓               | –                 | ✓       | –                 | –         |
| delete-services        | ✓             | –               | –                 | ✓       | –                 | –         |
| design-services        | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
| update-services        | ✓             | ✓               | ✓                 | –       | –                 | –         |
| view-services          | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
| lock-services          | ✓             | –               | –                 | –       | –                 | –         |
| service-keys           | ✓             | ✓               | –                 | ✓       | –                 | –         |
| view-usage             | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
| manage-users           | ✓             | –               | –                 | –       | –                 | –         |
| own-details            | ✓             | ✓               | ✓                 | ✓       | ✓                 | ✓         |
";

const DEVELOPER_PLATFORM: &str = "
| section          | owner | admin | developer | finance-analyst | support |
| phone-numbers    | Edit  | Edit  | Edit      | –               | View    |
| payments-billing | Edit  | Edit  | –         | Edit            | View    |
| logs             | View  | View  | View      | –               | View    |
| applications     | Edit  | Edit  | Edit      | –               | View    |
| settings         | Edit  | Edit  | Edit      | –               | Edit    |
| credentials      | Edit  | Edit  | Edit      | –               | –       |
| pricing          | View  | View  | –         | View            | –       |
";

const FIELD_OPERATIONS: &str = "
| permission              | superadmin | account-holder | admin | supervisor | auditor | (custom) |
| manage-general-settings | ✓          | ✓              | ✓     | –          | –       | –        |
| manage-device-control   | ✓          | ✓              | ✓     | –          | n/a     | –        |
| create-roles            | ✓          | ✓              | –     | –          | n/a     | n/a      |
| view-api-integration    | ✓          | ✓              | ✓     | –          | –       | –        |
| generate-api-token      | ✓          | ✓              | –     | –          | n/a     | –        |
| view-account-requests   | ✓          | ✓              | ✓     | –          | –       | –        |
| bill-account-requests   | ✓          | ✓              | –     | n/a        | n/a     | n/a      |
";

type Cells = BTreeMap<(String, String), String>;

/// Role and section → level or `n/a`, of a table as it is written above.
fn expected(table: &str, ladders: &BTreeMap<String, Vec<String>>) -> Cells {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let mut lines = table.trim().lines().map(cells);
    let heads: Vec<String> = lines.next().unwrap();
    let rows: Vec<Vec<String>> = lines.collect();
    let mut all = Cells::new();
    for row in &rows {
        let ladder = &ladders[&row[0]];
        for (role, cell) in heads.iter().zip(row).skip(1) {
            let level = match cell.as_str() {
                "✓" => ladder.last().unwrap(),
                "–" => &ladder[0],
                other => other,
            };
            all.insert((role.clone(), row[0].clone()), level.to_owned());
        }
    }
    all
}

/// Compares the matrix printed as CSV.
fn printed(csv: &str) -> Cells {
    let mut lines = csv.lines().map(|line| line.split(',').map(ToOwned::to_owned).collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let rows = lines.flat_map(|row| {
        let cells = heads.iter().zip(row.clone()).skip(1);
        cells.map(|(section, cell)| ((row[0].clone(), section.clone()), cell)).collect::<Vec<_>>()
    });
    rows.collect()
}

#[track_caller]
fn is_as_in(table: &str, of: &str) {
    let sections = json(ask(&format!("matrix {of} -o json")))["sections"].clone();
    let ladder = |section: &serde_json::Value| {
        (section["name"].as_str().unwrap().to_owned(), serde_json::from_value(section["levels"].clone()).unwrap())
    };
    let ladders = sections.as_array().unwrap().iter().map(ladder).collect();
    let csv = String::from_utf8(ask(&format!("matrix {of} -o csv")).output().stdout).unwrap();
    assert_eq!(printed(&csv), expected(table, &ladders), "{csv}");
}

#[test]
fn partner_accounts() {
    is_as_in(PARTNER_ACCOUNTS, "--account partner-accounts/interlink");
}

#[test]
fn developer_platform_by_default_and_in_both_of_its_accounts() {
    is_as_in(DEVELOPER_PLATFORM, "--catalog developer-platform");
    is_as_in(DEVELOPER_PLATFORM, "--account developer-platform/acme");
    is_as_in(DEVELOPER_PLATFORM, "--account developer-platform/acme-direct");
}

#[test]
fn field_operations_with_what_is_not_applicable() {
    is_as_in(FIELD_OPERATIONS, "--catalog field-operations");
}

/// The matrix of each portal shows the access of `expected.csv` for each member, which agrees with the READMEs.
#[test]
fn people_of_all_portals_have_the_expected_access() {
    for portal in ["secondary-users", "service-provider", "partner-accounts", "developer-platform", "field-operations"]
    {
        let path = crate::support::repository(&format!("examples/{portal}/expected.csv"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut accounts: BTreeMap<&str, Cells> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let key = (cells[1].to_owned(), cells[2].to_owned());
            accounts.entry(cells[0]).or_default().insert(key, cells[3].to_owned());
        }
        assert!(!accounts.is_empty(), "{portal}");
        for (account, expected) in accounts {
            let csv = ask(&format!("matrix --account {account} --rows people -o csv")).output().stdout;
            assert_eq!(printed(&String::from_utf8(csv).unwrap()), expected, "{account}");
        }
    }
}
