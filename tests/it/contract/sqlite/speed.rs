//! Figures, printed: `cargo test --release --test it -- --ignored --nocapture sqlite::speed`.

use std::time::{Duration, Instant};

use roster::{
    model::{Layout, Ranks},
    resolve::{MemberContent, RoleName, Scope},
    store::{Store, sqlite::SqliteStore, sqlite::verify_audit},
};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::Sqlite;
use crate::contract::world::{NOW, World, email, ladder, members, world};

const SECTIONS: usize = 16;

fn large(name: &str, size: usize) -> World {
    let mut world = world(name);
    let section = |n| ladder(&format!("section-{n}"), &["Hide", "View", "Edit"]);
    world.account.layout = Layout::new((0..SECTIONS).map(section).collect());
    let ranks = |seed: usize| (0..SECTIONS).map(|n| u8::try_from((seed + n) % 3).unwrap()).collect::<Ranks>();
    world.roles.values_mut().for_each(|role| role.ranks = ranks(1));
    world.groups.values_mut().for_each(|group| group.ranks = ranks(2));
    let member = |n: usize| MemberContent {
        display_name: Some(format!("Member Number {n}").into()),
        role: Some(RoleName::predefined("admin")),
        groups: ["desk".into()].into(),
        ranks: ranks(n),
        ..MemberContent::default()
    };
    world.members = (0..size).map(|n| (email(&format!("member-{n}@{name}.example")), member(n))).collect();
    world
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn commit_latency(store: &Sqlite, synchronous: SqliteSynchronous) -> Duration {
    let options = SqliteConnectOptions::new()
        .filename(store.file().with_extension("latency"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS t (n INTEGER)").execute(&mut connection).await.unwrap();
    let mut times = Vec::new();
    for n in 0..500_i64 {
        let start = Instant::now();
        sqlx::query("INSERT INTO t VALUES (?1)").bind(n).execute(&mut connection).await.unwrap();
        times.push(start.elapsed());
    }
    median(times)
}

async fn one_member(store: &dyn Store, world: &mut World, rounds: usize) -> (Duration, Duration) {
    let one = world.members.keys().next().unwrap().clone();
    let (mut observing, mut applying) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        world.members.get_mut(&one).unwrap().display_name = Some(format!("Round {round}").into());
        let start = Instant::now();
        let observed = store.observe(world.key(), &members(&[&one]), NOW).await.unwrap();
        observing.push(start.elapsed());
        let plan = roster::plan::plan(&world.desired(members(&[&one])), &observed, &world.policy);
        let start = Instant::now();
        assert_eq!(world.apply(store, &plan).await, [Ok(())]);
        applying.push(start.elapsed());
    }
    (median(observing), median(applying))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, proves nothing"]
async fn figures() {
    let backend = Sqlite::fresh();
    for _ in 0..2 {
        let full = commit_latency(&backend, SqliteSynchronous::Full).await;
        let normal = commit_latency(&backend, SqliteSynchronous::Normal).await;
        println!("one-row commit: FULL {full:?}, NORMAL {normal:?}");
    }
    let store = SqliteStore::open(&backend.file()).await.unwrap();
    for round in 0..3 {
        let world = large(&format!("ten-{round}"), 10_000);
        let plan = world.plan(&store, Scope::Account).await;
        let start = Instant::now();
        let outcomes = world.apply(&store, &plan).await;
        println!("apply 10,000 new members: {:?}", start.elapsed());
        assert!(outcomes.iter().all(Result::is_ok));
        let start = Instant::now();
        world.apply(&store, &plan).await;
        println!("apply them again: {:?}", start.elapsed());
    }
    let mut fifty = large("fifty", 50);
    fifty.converge(&store).await;
    let mut many = large("many", 50_000);
    let start = Instant::now();
    many.converge(&store).await;
    println!("converge 50,000 members (observe, plan, apply): {:?}", start.elapsed());
    for _ in 0..3 {
        let start = Instant::now();
        let observed = store.observe(many.key(), &Scope::Account, NOW).await.unwrap();
        println!("observe 50,000 members: {:?}", start.elapsed());
        assert_eq!(observed.members.len(), 50_000);
    }
    for _ in 0..2 {
        println!("one member of 50 (observe, apply): {:?}", one_member(&store, &mut fifty, 100).await);
        println!("one member of 50,000 (observe, apply): {:?}", one_member(&store, &mut many, 100).await);
    }
    let mut wider = many.clone();
    let ladders = many.account.layout.ladders().iter().cloned().chain([ladder("new", &["Hide", "View"])]);
    wider.account.layout = Layout::new(ladders.collect());
    let widened = |ranks: &mut Ranks| *ranks = ranks.as_slice().iter().copied().chain([0]).collect();
    wider.members.values_mut().for_each(|member| widened(&mut member.ranks));
    wider.roles.values_mut().for_each(|role| widened(&mut role.ranks));
    wider.groups.values_mut().for_each(|group| widened(&mut group.ranks));
    let start = Instant::now();
    wider.converge(&store).await;
    println!("another section for 50,000 members: {:?}", start.elapsed());

    let viewed = SqliteStore::open(&backend.file().with_extension("view")).await.unwrap();
    for n in 0..10 {
        large(&format!("view-{n}"), 5_000).converge(&viewed).await;
    }
    let options = SqliteConnectOptions::new().filename(backend.file().with_extension("view")).read_only(true);
    let mut portal = SqliteConnection::connect_with(&options).await.unwrap();
    for _ in 0..3 {
        for sql in [
            "SELECT count(*), sum(rank) FROM effective_permissions",
            "SELECT count(*), sum(length(account) + length(email) + length(section) + length(level) + rank) FROM effective_permissions",
            "SELECT count(*), sum(rank) FROM effective_permissions WHERE account = 'shop/view-3'",
            "SELECT count(*), sum(rank) FROM effective_permissions WHERE email = 'member-7@view-3.example'",
        ] {
            let start = Instant::now();
            let (rows, _): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut portal).await.unwrap();
            println!("{rows} rows in {:?}: {sql}", start.elapsed());
        }
    }
    let start = Instant::now();
    let report = verify_audit(&backend.file()).await.unwrap();
    println!("{report}, in {:?}", start.elapsed());
    println!("size: {:?}", std::fs::metadata(backend.file()).unwrap().len());
}
