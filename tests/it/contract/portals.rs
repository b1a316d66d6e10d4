//! Tests the portals of `examples/`: every store's view shows what `expected.csv` says.

use std::{collections::BTreeSet, fs, path::PathBuf};

use roster::{
    cli::input::Input,
    model::{AccountKey, Layout},
    plan::{Mark, Observed},
    store::{Batch, Store, sqlite::SqliteStore},
};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{
    Backend as _,
    postgres::Postgres,
    world::{CLAIM, NOW, world},
};

pub const PORTALS: [&str; 5] =
    ["secondary-users", "service-provider", "partner-accounts", "developer-platform", "field-operations"];
const VIEW: &str = "
    SELECT account || ',' || email || ',' || section || ',' || level || ',' || rank FROM effective_permissions";

/// Applies all accounts of a portal to a store; what ranks mean in each.
pub async fn fill(store: &dyn Store, portal: &str) -> Vec<(AccountKey, Layout)> {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = vec![examples.join("store.yaml"), examples.join(portal)];
    let loaded = Input { files, ..Input::default() }.read().await.unwrap();
    let mut layouts = Vec::new();
    for key in &loaded.accounts {
        let judged = loaded.judge(key, NOW).unwrap();
        let mut policy = world("x").policy;
        policy.mark = Mark::of_files(key.clone());
        policy.holds_windows = store.capabilities().time_windows;
        layouts.push((key.clone(), judged.desired.layout.clone()));
        let plan = roster_core::testing::plan(&judged.desired, &Observed::default(), &policy);
        let batch = Batch::of(&plan, &policy.mark, NOW);
        assert!(store.apply(&batch, CLAIM).await.iter().all(Result::is_ok));
        let observed = store.observe(key, &roster::model::Scope::Account, NOW).await.unwrap();
        assert_eq!(roster_core::testing::plan(&judged.desired, &observed, &policy).changes, [], "{key}");
    }
    layouts
}

#[tokio::test]
async fn both_views_are_equal_and_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    for portal in PORTALS {
        let file = folder.path().join(format!("{portal}.db"));
        let sqlite = SqliteStore::open(&file).await.unwrap();
        fill(&sqlite, portal).await;
        let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let of_sqlite: Vec<String> = sqlx::query_scalar(AssertSqlSafe(VIEW)).fetch_all(&mut connection).await.unwrap();

        let backend = Postgres::fresh().await;
        fill(&*backend.open().await, portal).await;
        let of_postgres: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(VIEW)).fetch_all(&mut backend.connect().await).await.unwrap();

        let of_postgres: BTreeSet<String> = of_postgres.into_iter().collect();
        assert!(of_postgres.len() > 20, "{portal}");
        assert_eq!(of_sqlite.into_iter().collect::<BTreeSet<_>>(), of_postgres, "{portal}");
        let expected = fs::read_to_string(format!("{}/examples/{portal}/expected.csv", env!("CARGO_MANIFEST_DIR")));
        let expected: BTreeSet<String> = expected.unwrap().lines().skip(1).map(str::to_owned).collect();
        let without_ranks = of_postgres.iter().map(|row| row.rsplit_once(',').unwrap().0.to_owned());
        assert_eq!(without_ranks.collect::<BTreeSet<_>>(), expected, "{portal}");
    }
}
