//! A store that holds what files say: the same reading, resolving, planning and writing as `roster apply`, at a time of the
//! test's choice.

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;
use roster::{
    cli::input::Input,
    model::Scope,
    plan::{self, GUARD_WINDOW, Observed, Orders, Policy},
    store::{Batch, Claim, Epoch, Store as _, sqlite::SqliteStore},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// Applies manifests at `now`.
pub async fn apply(store: &Path, manifests: &Path, now: Timestamp) {
    let input = Input { files: vec![manifests.to_owned()], ..Input::default() };
    let estate = input.read_valid().await.expect("valid files");
    let store = SqliteStore::open(store).await.expect("a store");
    for key in &estate.accounts {
        let resolved = estate.objects.resolve(key).expect("an account");
        let account = estate.objects.accounts[key].account.clone().expect("an account");
        let observed: Observed = store.observe(key, &Scope::Account, now - GUARD_WINDOW).await.expect("observed");
        let spec = resolved.definitions.store.as_ref().map(|store| store.spec.clone()).unwrap_or_default();
        let mark = estate.mark(key);
        let policy = Policy::new(mark.clone(), &spec, &account.spec, Orders::default(), BTreeSet::new(), now);
        let plan = plan::plan(&resolved.desired, &observed, &policy);
        let batch = Batch { mark: &mark, layout: &plan.layout, changes: &plan.changes, now };
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
