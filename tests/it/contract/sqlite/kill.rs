//! Tests that SIGKILL at any moment loses nothing that was acknowledged, and leaves nothing half done.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use roster::store::{
    Store,
    sqlite::{SqliteStore, verify_audit},
};

use super::Sqlite;
use crate::contract::{
    Backend,
    world::{World, email, member, world},
};

const FILE: &str = "ROSTER_TEST_KILLED_STORE";

/// The account as it should be after so many passes: everybody changes in each.
fn world_after(passes: u32) -> World {
    let mut world = world("acme");
    world.account.display_name = format!("After {passes}").into();
    for n in 0..60 {
        let ranks = [(passes + n) % 3, (passes + n) % 2, (passes + n) % 4].map(|rank| u8::try_from(rank).unwrap());
        if !(passes + n).is_multiple_of(5) {
            world.members.insert(email(&format!("m{n}@shop.example")), member(&ranks));
        }
    }
    world
}

/// The pass that the store is after, as the account's name tells.
async fn passes(store: &dyn Store) -> u32 {
    let observed = world("acme").observe(store).await;
    let name = observed.account.unwrap().content.unwrap().display_name;
    name.strip_prefix("After ").unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "runs in a process of its own, until it is killed"]
async fn passes_without_end() {
    let Ok(file) = std::env::var(FILE) else { return };
    let store = SqliteStore::open(Path::new(&file)).await.unwrap();
    for pass in passes(&store).await + 1.. {
        world_after(pass).converge(&store).await;
        let mut out = std::io::stdout();
        writeln!(out, "\nafter={pass}").and_then(|()| out.flush()).unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_passes_only() {
    let backend = Sqlite::fresh();
    world_after(0).converge(&*backend.open().await).await;
    let mut acknowledged = 0;
    for round in 0..12_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "contract::sqlite::kill::passes_without_end", "--ignored", "--nocapture"])
            .env(FILE, backend.file())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut passes_seen = lines.filter_map(|line| line.unwrap().strip_prefix("after=")?.parse::<u32>().ok());
        // Somewhere in the pass that follows the one that it acknowledged last: elsewhere each time.
        for _ in 0..=round % 3 {
            acknowledged = passes_seen.next().expect("the child ended by itself");
        }
        let moment = Instant::now() + Duration::from_micros(u64::from(round) * 1_700);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        // It may have acknowledged more before it died.
        acknowledged = passes_seen.last().unwrap_or(acknowledged);
        let report = verify_audit(&backend.file()).await.unwrap();
        assert!(report.is_whole(), "round {round}: {report}");
        let store = backend.open().await;
        let found = passes(&*store).await;
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "round {round}: {found}, acknowledged {acknowledged}"
        );
        world_after(found).assert_held(&world_after(found).observe(&*store).await);
        let check: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut backend.connect().await).await.unwrap();
        assert_eq!(check, "ok");
        // The pass that was under way, once more.
        let again = world_after(acknowledged + 1);
        again.converge(&*store).await;
        again.assert_held(&again.observe(&*store).await);
        assert!(verify_audit(&backend.file()).await.unwrap().is_whole());
    }
}
