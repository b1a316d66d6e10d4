//! Tests `review`, `audit` and `block` on stores.

use std::{fs, path::PathBuf};

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::{
    seed_store,
    support::{Roster, repository, roster},
};

/// The day of these tests.
const NOW: &str = "2026-11-24T12:00:00Z";

/// A command on that day.
fn on_the_day(arguments: &str) -> Roster {
    roster(arguments).env("ROSTER_NOW", NOW)
}

/// A store to which two revisions of some files were applied, and a copy of the files next to it.
struct SeededStore {
    folder: TempDir,
}

impl SeededStore {
    /// Applies the two revisions, an hour apart.
    async fn new() -> Self {
        let store = Self { folder: tempfile::tempdir().unwrap() };
        for (revision, at) in [("before", "2026-11-23T07:00:00Z"), ("after", "2026-11-23T08:00:00Z")] {
            let from = repository(&format!("tests/cli/store_commands/{revision}.yaml"));
            seed_store::apply(&store.file(), &from, at.parse().unwrap()).await;
            fs::copy(from, store.folder.path().join(format!("{revision}.yaml"))).unwrap();
        }
        store
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("roster.db")
    }

    /// Returns the output of a command in this folder.
    fn printed(&self, arguments: &str) -> String {
        on_the_day(arguments).within(self.folder.path()).printed()
    }

    /// Returns the number of sections to which a person has access, by the view.
    async fn access(&self, email: &str) -> i64 {
        seed_store::count(
            &self.file(),
            "SELECT count(*) FROM effective_permissions WHERE email = ?1 AND rank > 0",
            email,
        )
        .await
    }
}

#[tokio::test]
async fn the_audit_shows_who_gained_and_lost_access() {
    let store = SeededStore::new().await;
    assert_snapshot!(store.printed("audit query roster.db"));
    assert_snapshot!(
        store.printed("audit query roster.db --who BEN@acme.example --since 2026-11-23T07:30:00Z -o json")
    );
    assert_snapshot!(store.printed("audit query roster.db --account shop/acme --kind role --limit 1"));
    assert_snapshot!(store.printed("audit query roster.db --until 2026-11-23"));
    assert_snapshot!(store.printed("audit query nowhere.db"));
    assert_snapshot!(store.printed("audit query roster.db --since yesterday"));
}

#[tokio::test]
async fn an_exported_audit_can_be_checked_elsewhere() {
    let store = SeededStore::new().await;
    let whole = store.printed("audit verify roster.db");
    assert!(whole.contains("the audit is complete"), "{whole}");
    let exported = store.printed("audit export roster.db --to audit.jsonl");
    assert!(exported.contains("keep the head elsewhere"), "{exported}");
    assert_eq!(store.printed("audit verify audit.jsonl"), whole);
    let head = whole.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned();
    assert!(store.printed(&format!("audit verify audit.jsonl --head {head}")).starts_with("exit code 0"));

    // An export never overwrites its own store.
    for to in ["roster.db", "./roster.db", "roster.db-wal"] {
        fs::OpenOptions::new().create(true).append(true).open(store.folder.path().join(to)).unwrap();
        let refused = store.printed(&format!("audit export roster.db --to {to}"));
        assert!(refused.contains("this is the store itself"), "{refused}");
    }
    assert_eq!(store.printed("audit verify roster.db"), whole);

    let file = store.folder.path().join("audit.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    // A truncated export is consistent in itself, but not equal to the exported one.
    let short: Vec<&str> = text.lines().take(3).collect();
    fs::write(&file, short.join("\n")).unwrap();
    assert!(store.printed("audit verify audit.jsonl").starts_with("exit code 0"));
    assert!(store.printed(&format!("audit verify audit.jsonl --head {head}")).starts_with("exit code 1"));
    fs::write(&file, text.replacen("ada@acme.example", "eve@acme.example", 1)).unwrap();
    let modified = store.printed("audit verify audit.jsonl");
    assert!(modified.starts_with("exit code 1") && modified.contains("was modified"), "{modified}");
    fs::write(&file, "{\"no\": \"record\"}\n").unwrap();
    assert_snapshot!(store.printed("audit verify audit.jsonl"));

    let csv = store.printed("audit export roster.db -o csv");
    assert_eq!(csv.matches("seq,at,account").count(), 1);
    assert_eq!(csv.lines().filter(|line| line.contains(",shop/acme,")).count(), text.lines().count());
}

/// Expired people are among those whose access has ended. Held removals are listed once. The number of differences is
/// that of `roster drift`, in its words.
#[tokio::test]
async fn a_review_agrees_with_drift_and_lists_everybody_once() {
    let store = SeededStore::new().await;
    let member = |number: usize, until: &str| {
        format!(
            "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}, namespace: shop}}\nspec: \
             {{accountRef: {{name: acme}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: clerk}}{until}}}\n"
        )
    };
    let after = fs::read_to_string(store.folder.path().join("after.yaml")).unwrap();
    let ended = member(9, ", expiresAt: \"2026-11-01T00:00:00Z\"");
    let many: String = (0..8).map(|number| member(number, "")).collect();
    fs::write(store.folder.path().join("many.yaml"), format!("{after}{ended}{many}")).unwrap();
    fs::write(store.folder.path().join("few.yaml"), format!("{after}{ended}")).unwrap();
    let applied = store.printed("apply -f many.yaml --store roster.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    seed_store::run(
        &store.file(),
        "INSERT INTO members (account_id, email, ranks, role) VALUES (1, 'mallory@evil.example', '222', 'admin');
         UPDATE members SET ranks = '220' WHERE email = 'cid@acme.example';",
    )
    .await;
    let json = |arguments: &str| -> serde_json::Value {
        let output = on_the_day(arguments).within(store.folder.path()).output();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let review = &json("review -f few.yaml --store roster.db -o json")["accounts"][0];
    assert_eq!(review["drift"], json("drift -f few.yaml --store roster.db -o json")["accounts"][0]["entries"]);
    assert_eq!(review["undeclared"].as_array().unwrap().len(), 1);
    assert_eq!((review["heldRemovals"].as_array().unwrap().len(), &review["pending"]), (8, &serde_json::json!(0)));
    let ended = review["ended"].as_array().unwrap();
    let expired = ended.iter().find(|one| one["email"] == "m9@acme.example").unwrap();
    assert_eq!((&expired["reason"], &expired["since"]), (&"Expired".into(), &"2026-11-01T00:00:00Z".into()));
    let text = store.printed("review -f few.yaml --store roster.db");
    let (_, text) = text.split_once("Suspended, blocked or expired").unwrap();
    assert_eq!(text.matches("m3@acme.example").count(), 1, "{text}");
    assert!(text.contains("mallory@evil.example is an undeclared member (role admin"), "{text}");
    assert!(!text.contains("Not in the store yet"), "{text}");
}

/// A store may have an account that no file describes any more. Its name for people comes from the store.
#[tokio::test]
async fn an_account_that_only_the_store_has_is_reviewed_and_shown() {
    let store = SeededStore::new().await;
    let after = fs::read_to_string(store.folder.path().join("after.yaml")).unwrap();
    let other = after.replace("name: acme", "name: other");
    fs::write(store.folder.path().join("other.yaml"), other).unwrap();
    let review = store.printed("review -f other.yaml --store roster.db --account acme");
    assert!(review.contains("shop/acme: Acme\n\n  No object here describes the account"), "{review}");
    let matrix = "matrix --rows people --account acme --store roster.db";
    let printed = store.printed(&format!("{matrix} -f other.yaml"));
    assert_snapshot!(printed);
    // Without any files, a note says so.
    assert!(store.printed(matrix).starts_with(&printed));
}

#[tokio::test]
async fn a_review_shows_everything_that_a_reviewer_needs() {
    let store = SeededStore::new().await;
    seed_store::run(
        &store.file(),
        "INSERT INTO members (account_id, email, ranks, role) VALUES (1, 'mallory@evil.example', '222', 'admin');
         UPDATE members SET ranks = '220' WHERE email = 'cid@acme.example';",
    )
    .await;
    let review = "review -f after.yaml --store roster.db";
    assert_snapshot!("review_text", store.printed(review));
    assert_snapshot!("review_markdown", store.printed(&format!("{review} --since 2026-11-23T07:30:00Z -o markdown")));
    assert_snapshot!("review_csv", store.printed(&format!("{review} -o csv")));
    assert_snapshot!("review_json", store.printed(&format!("{review} --since 2026-11-23T07:30:00Z -o json")));
    assert_snapshot!("review_from", store.printed("review -f after.yaml --from before.yaml --within 1d"));
}

#[tokio::test]
async fn an_unreadable_store_is_reported() {
    let store = SeededStore::new().await;
    fs::write(store.folder.path().join("other.db"), "no database at all, but long enough to be looked at twice")
        .unwrap();
    assert_snapshot!("review_unreadable", store.printed("review -f after.yaml --store other.db --since 7d"));
    assert!(store.printed("review -f after.yaml --store nowhere.db").starts_with("exit code 1"));
    assert!(store.printed("review -f after.yaml").starts_with("exit code 0"));
    assert!(store.printed("review -f after.yaml --since 7d").starts_with("exit code 1"));
}

#[test]
fn every_portal_can_be_reviewed() {
    assert_snapshot!("review_examples", on_the_day("review -f examples").printed());
    for account in ["acme", "tidewater"] {
        let printed = on_the_day(&format!("review -f examples --account {account} -o markdown")).printed();
        assert!(printed.starts_with("exit code 0"), "{printed}");
    }
    assert_snapshot!(on_the_day("review -f examples --account nobody").printed());
}

#[tokio::test]
async fn a_person_can_be_blocked_in_an_applied_store() {
    let store = SeededStore::new().await;
    // Written by the command itself, which takes the current time as its epoch.
    fs::remove_file(store.file()).unwrap();
    let applied = store.printed("apply -f after.yaml --store roster.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    assert!(store.access("ada@acme.example").await > 0);
    let printed = store.printed("block ada@acme.example --reason stolen --store roster.db");
    assert!(printed.starts_with("exit code 0"), "{printed}");
    assert_eq!(store.access("ada@acme.example").await, 0);
}

#[tokio::test]
async fn a_person_can_be_blocked_in_a_store_without_cluster() {
    let store = SeededStore::new().await;
    let took = |printed: String| {
        let (before, after) = printed.split_once("roster.db: ").map(|(b, a)| (b.to_owned(), a.to_owned())).unwrap();
        format!("{before}roster.db: (time){}", &after[after.find(" s;").unwrap()..])
    };
    for email in ["ada@acme.example", "olga@acme.example"] {
        assert!(store.access(email).await > 0);
        let printed = store.printed(&format!("block {email} --reason stolen --store roster.db"));
        assert_eq!(store.access(email).await, 0, "{printed}");
        assert_snapshot!(took(printed));
    }
    assert!(store.access("dora@acme.example").await > 0, "nobody else");
    assert_snapshot!(took(store.printed("block ADA@acme.example --reason again --store roster.db")));
    assert_snapshot!(store.printed("audit query roster.db --who ada@acme.example --limit 1"));
    assert!(store.printed("audit verify roster.db").starts_with("exit code 0"));
    // Also an undeclared member.
    seed_store::run(
        &store.file(),
        "INSERT INTO members (account_id, email, ranks) VALUES (1, 'mallory@evil.example', '222')",
    )
    .await;
    assert!(store.printed("block mallory@evil.example --reason x --store roster.db").starts_with("exit code 0"));
    assert_eq!(store.access("mallory@evil.example").await, 0);
    assert_snapshot!(store.printed("unblock ada@acme.example --store roster.db"));
    assert_snapshot!(store.printed("block nobody --reason x --store roster.db"));
    assert_snapshot!(store.printed("block ada@acme.example --reason x --store nowhere.db"));
    seed_store::run(&store.file(), "UPDATE owners SET cluster = 'prod'").await;
    assert_snapshot!(store.printed("block dora@acme.example --reason x --store roster.db"));
    assert!(store.access("dora@acme.example").await > 0, "what a cluster keeps is not written");
}

#[tokio::test]
async fn a_block_reports_unknown_addresses_and_finds_other_spellings() {
    let store = SeededStore::new().await;
    let block = |email: &str| store.printed(&format!("block {email} --reason stolen --store roster.db"));
    let mistyped = block("dorra@acme.example");
    assert!(
        mistyped.starts_with("exit code 0") && mistyped.contains("the store does not have this address"),
        "{mistyped}"
    );
    assert!(mistyped.replace("\n ", "").contains("Did you mean dora@acme.example?"), "{mistyped}");
    assert!(store.access("dora@acme.example").await > 0, "a block of a mistyped address changes nobody");
    let unknown = block("zoe@else.example");
    assert!(unknown.contains("No object names zoe@else.example") && !unknown.contains("Did you mean"), "{unknown}");

    seed_store::run(
        &store.file(),
        "INSERT INTO members (account_id, email, ranks) VALUES (1, 'Mallory@Evil.example', '222')",
    )
    .await;
    assert!(store.access("Mallory@Evil.example").await > 0);
    let printed = block("mallory@evil.example");
    assert!(
        printed.starts_with("exit code 0") && printed.contains("the store had it as Mallory@Evil.example"),
        "{printed}"
    );
    assert_eq!(store.access("Mallory@Evil.example").await, 0);
}

/// Removing all records, and the head with them, leaves the accounts behind.
#[tokio::test]
async fn an_emptied_audit_is_incomplete() {
    let store = SeededStore::new().await;
    assert!(store.printed("audit verify roster.db").starts_with("exit code 0"));
    seed_store::run(
        &store.file(),
        "DROP TRIGGER audit_keeps_deleted; DROP TRIGGER audit_head_updated; DELETE FROM audit;
         UPDATE audit_head SET seq = 0, hash = zeroblob(32);",
    )
    .await;
    let printed = store.printed("audit verify roster.db");
    assert!(printed.starts_with("exit code 1") && printed.contains("it has no records"), "{printed}");
}

#[tokio::test]
async fn a_review_page_is_self_contained() {
    let store = SeededStore::new().await;
    let page = store.printed("review -f after.yaml --store roster.db -o html");
    assert!(page.contains("<h1>Access review, 2026-11-24</h1>") && page.contains("Sign-off"), "{page}");
    assert!(page.contains("Ben &#60;b&#62;") || !page.contains("Ben <b>"), "escaped");
    for outside in ["http://", "https://", "src=", "@import", "url(", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for printed in ["Strongest access", "olga@acme.example", "Store: roster.db."] {
        assert!(page.contains(printed), "{printed}: {page}");
    }
}

/// A person in a store that `roster apply` has written is blocked, too.
#[tokio::test]
async fn a_block_works_in_a_store_written_by_apply() {
    let store = SeededStore::new().await;
    let applied = store.printed("apply -f after.yaml --store roster.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    let applied = store.printed("apply -f after.yaml --store other.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    for name in ["roster.db", "other.db"] {
        let printed = store.printed(&format!("block ada@acme.example --reason stolen --store {name}"));
        assert!(printed.starts_with("exit code 0") && printed.contains("has no access"), "{printed}");
        assert!(!store.folder.path().join(format!("{name}-wal")).exists(), "closed");
        let file = store.folder.path().join(name);
        let query = "SELECT count(*) FROM effective_permissions WHERE email = ?1 AND rank > 0";
        assert_eq!(seed_store::count(&file, query, "ada@acme.example").await, 0);
    }
    std::fs::write(store.folder.path().join("empty.db"), "").unwrap();
    let printed = store.printed("block ada@acme.example --reason stolen --store empty.db");
    assert!(printed.starts_with("exit code 2") && printed.contains("is an empty file, not a store"), "{printed}");
}

/// Returns the review of the account as JSON.
fn reviewed(store: &SeededStore, files: &str) -> serde_json::Value {
    let data = on_the_day(&format!("review -f {files} --store roster.db -o json")).within(store.folder.path());
    let data: serde_json::Value = serde_json::from_slice(&data.output().stdout).unwrap();
    data["accounts"][0].clone()
}

fn flags(review: &serde_json::Value, email: &str) -> String {
    let line = review["people"].as_array().unwrap().iter().find(|one| one["email"] == email);
    line.unwrap_or_else(|| panic!("{email}: {review:#}"))["flags"].to_string()
}

fn is_strong(review: &serde_json::Value, email: &str) -> bool {
    review["strongest"].as_array().unwrap().iter().any(|one| one["email"] == email)
}

#[tokio::test]
async fn a_review_shows_the_access_in_the_store_of_a_paused_account() {
    let store = SeededStore::new().await;
    let after = fs::read_to_string(store.folder.path().join("after.yaml")).unwrap();
    let paused = after
        .replace(
            "metadata: {name: acme, namespace: shop}",
            "metadata: {name: acme, namespace: shop, annotations: {roster.dev/paused: \"true\"}}",
        )
        .replace("user: {email: cid@acme.example}", "user: {email: cid@acme.example}, roleRef: {name: admin}")
        + "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {name: fay, namespace: shop}\n\
           spec: {accountRef: {name: acme}, user: {email: fay@acme.example}, roleRef: {name: admin}}\n";
    fs::write(store.folder.path().join("paused.yaml"), paused).unwrap();
    let review = reviewed(&store, "paused.yaml");
    assert!(!is_strong(&review, "cid@acme.example") && !is_strong(&review, "fay@acme.example"), "{review:#}");
    assert!(flags(&review, "fay@acme.example").contains("NotInStore"), "{review:#}");
    assert_eq!((review["counts"]["people"].as_u64(), review["pending"].as_u64()), (Some(6), Some(2)), "{review:#}");
}

#[tokio::test]
async fn a_review_counts_nobody_if_the_store_lacks_the_account() {
    let store = SeededStore::new().await;
    seed_store::run(&store.file(), "DELETE FROM members; DELETE FROM marks WHERE kind = 'member';").await;
    let review = reviewed(&store, "after.yaml");
    let counts = &review["counts"];
    assert_eq!((counts["people"].as_u64(), counts["withAccess"].as_u64()), (Some(0), Some(0)), "{review:#}");
    assert!(review["pending"].as_u64() > Some(0) && review["strongest"].as_array().unwrap().is_empty(), "{review:#}");
    assert!(flags(&review, "ada@acme.example").contains("NotInStore"), "{review:#}");
}

#[tokio::test]
async fn a_review_names_whose_removal_is_held_and_who_is_undeclared() {
    let store = SeededStore::new().await;
    seed_store::run(
        &store.file(),
        "INSERT INTO members (account_id, email, ranks, role) VALUES (1, 'mallory@evil.example', '222', 'admin')",
    )
    .await;
    let after = fs::read_to_string(store.folder.path().join("after.yaml")).unwrap();
    let few: Vec<&str> = after.split("---\n").filter(|one| !one.contains("kind: Membership")).collect();
    let few = few.join("---\n").replace(
        "metadata: {name: default}\nspec: {sqlite",
        "metadata: {name: default}\nspec: {accountDefaults: {removalGuard: {maximumPercent: 10, minimumCount: 1}}, sqlite",
    );
    fs::write(store.folder.path().join("few.yaml"), few).unwrap();
    let review = reviewed(&store, "few.yaml");
    assert!(review["heldRemovals"].to_string().contains("ada@acme.example"), "{review:#}");
    assert!(flags(&review, "ada@acme.example").contains("RemovalHeld"), "{review:#}");
    assert!(is_strong(&review, "mallory@evil.example"), "{review:#}");
    assert_eq!(review["counts"]["people"].as_u64(), Some(7), "{review:#}");
    let text = store.printed("review -f few.yaml --store roster.db");
    assert!(text.contains("Removals held back by the removal guard"), "{text}");
    assert!(text.contains("no object names this person"), "{text}");
}
