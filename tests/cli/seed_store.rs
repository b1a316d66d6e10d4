//! Fills a store from files: reads, resolves, plans and writes as `roster apply` does, at a time that the test chooses.
//! Used by `docs` and `store_commands`.

use std::path::Path;

use jiff::Timestamp;
use roster::{
    cli::input::Input,
    evaluate::evaluate,
    model::Scope,
    plan::{GUARD_WINDOW, Observed},
    state::SnapshotSource as _,
    store::{Batch, Claim, Epoch, Store as _, sqlite::SqliteStore},
};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// Applies manifests at `now`.
pub async fn apply(store: &Path, manifests: &Path, now: Timestamp) {
    let input = Input { files: vec![manifests.to_owned()], ..Input::default() };
    let loaded = input.read_valid().await.expect("valid files");
    let store = SqliteStore::open(store).await.expect("a store");
    for key in &loaded.accounts {
        let observed: Observed = store.observe(key, &Scope::Account, now - GUARD_WINDOW).await.expect("observed");
        let members = loaded.objects.members(key, &Scope::Account).expect("an account");
        let context = loaded.context(key, now);
        let plan = evaluate(&loaded.prepare(key).expect("an account"), &members, &observed, &context).plan;
        let mark = loaded.mark(key);
        let batch = Batch::of(&plan, &mark, now);
        let outcomes = store.apply(&batch, Claim::whole(Epoch::default())).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
    store.close().await;
}

/// Runs statements behind Roster's back.
pub async fn run(store: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(store).foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the file");
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("the statements");
}

/// A number, asked with one text.
pub async fn count(store: &Path, sql: &'static str, text: &str) -> i64 {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the file");
    sqlx::query_scalar(sql).bind(text).fetch_one(&mut connection).await.expect("a number")
}

/// The rows of a query that gives two texts each.
pub async fn rows(store: &Path, sql: &str) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the file");
    let rows: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.expect("rows");
    rows.into_iter().map(|(one, other)| format!("{one} {other}")).collect()
}
