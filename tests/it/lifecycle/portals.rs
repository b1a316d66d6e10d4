//! Tests the five portals of `examples/`: applied in any order, the store's view shows what their tables say.

use std::{fs, path::Path};

use super::file::StoreFile;
use crate::support::{ControlPlane, Controller, PATIENCE, apply_yaml, eventually_or, install_crds, wait_condition};

const PORTALS: [&str; 5] =
    ["developer-platform", "field-operations", "partner-accounts", "secondary-users", "service-provider"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)).expect(path)
}

/// The manifests of a portal, by name.
fn manifests(portal: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(portal);
    let names = fs::read_dir(folder).expect(portal).map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    names.iter().map(|name| read(&format!("{portal}/{name}"))).collect()
}

#[tokio::test]
async fn the_view_matches_the_tables_of_all_five_portals() {
    let plane = ControlPlane::own("portals").await;
    let client = plane.client().await;
    install_crds(&client).await;
    let folder = plane.data().join("stores");
    let roster = Controller::process(&plane, &folder).await;
    for portal in PORTALS {
        let mut manifests = manifests(portal);
        // Their namespaces come first, and then people before accounts before catalogs: any order heals.
        let namespaces = manifests.remove(0);
        apply_yaml(&client, "default", &namespaces).await;
        for manifest in manifests.iter().rev() {
            apply_yaml(&client, "default", manifest).await;
        }
    }
    apply_yaml(&client, "default", &read("store.yaml")).await;

    let tables = PORTALS.map(|portal| read(&format!("{portal}/expected.csv")));
    let mut expected: Vec<&str> = tables.iter().flat_map(|table| table.lines().skip(1)).collect();
    expected.sort_unstable();
    assert!(expected.len() > 500, "{}", expected.len());
    wait_condition(&client, "IdentityStore", "default", "default", "Ready", "True").await;
    let file = StoreFile::new(folder.join("roster.db"));
    eventually_or(PATIENCE, "the view to say what the tables say".to_owned(), async || {
        let sql = "SELECT account || ',' || email || ',' || section || ',' || level FROM effective_permissions";
        let mut found = file.rows(sql).await;
        found.sort_unstable();
        let differs = std::iter::zip(&expected, &found).find(|(wanted, found)| **wanted != found.as_str());
        match differs {
            None if found.len() == expected.len() => Ok(()),
            differs => Err(format!("{} rows of {}; {differs:?}", found.len(), expected.len())),
        }
    })
    .await;
    assert_eq!(roster.stop().await.code(), Some(0));
}
