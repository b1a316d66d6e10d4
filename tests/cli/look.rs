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

/// A store that holds what some files say, and a copy of them in after.yaml beside it.
struct Kept {
    folder: TempDir,
}

impl Kept {
    /// The two revisions, applied an hour apart.
    async fn new() -> Self {
        let kept = Self { folder: tempfile::tempdir().unwrap() };
        for (revision, at) in [("before", "2026-11-23T07:00:00Z"), ("after", "2026-11-23T08:00:00Z")] {
            let from = repository(&format!("tests/cli/look/{revision}.yaml"));
            seed_store::apply(&kept.file(), &from, at.parse().unwrap()).await;
            fs::copy(from, kept.folder.path().join(format!("{revision}.yaml"))).unwrap();
        }
        kept
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("roster.db")
    }

    /// Returns the output of a command in this folder.
    fn said(&self, arguments: &str) -> String {
        on_the_day(arguments).within(self.folder.path()).said()
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
async fn the_audit_tells_who_gained_and_lost_what() {
    let kept = Kept::new().await;
    assert_snapshot!(kept.said("audit query roster.db"));
    assert_snapshot!(kept.said("audit query roster.db --who BEN@acme.example --since 2026-11-23T07:30:00Z -o json"));
    assert_snapshot!(kept.said("audit query roster.db --account shop/acme --kind role --limit 1"));
    assert_snapshot!(kept.said("audit query roster.db --until 2026-11-23"));
    assert_snapshot!(kept.said("audit query nowhere.db"));
    assert_snapshot!(kept.said("audit query roster.db --since yesterday"));
}

#[tokio::test]
async fn an_exported_audit_can_be_checked_elsewhere() {
    let kept = Kept::new().await;
    let whole = kept.said("audit verify roster.db");
    assert!(whole.contains("the audit is complete"), "{whole}");
    let exported = kept.said("audit export roster.db --to audit.jsonl");
    assert!(exported.contains("keep the head elsewhere"), "{exported}");
    assert_eq!(kept.said("audit verify audit.jsonl"), whole);
    let head = whole.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned();
    assert!(kept.said(&format!("audit verify audit.jsonl --head {head}")).starts_with("exit code 0"));

    // An export never takes the place of what it is made from.
    for to in ["roster.db", "./roster.db", "roster.db-wal"] {
        fs::OpenOptions::new().create(true).append(true).open(kept.folder.path().join(to)).unwrap();
        let refused = kept.said(&format!("audit export roster.db --to {to}"));
        assert!(refused.contains("this is the store itself"), "{refused}");
    }
    assert_eq!(kept.said("audit verify roster.db"), whole);

    let file = kept.folder.path().join("audit.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    // One that was cut short is whole in itself, and not what was kept.
    let short: Vec<&str> = text.lines().take(3).collect();
    fs::write(&file, short.join("\n")).unwrap();
    assert!(kept.said("audit verify audit.jsonl").starts_with("exit code 0"));
    assert!(kept.said(&format!("audit verify audit.jsonl --head {head}")).starts_with("exit code 1"));
    fs::write(&file, text.replacen("ada@acme.example", "eve@acme.example", 1)).unwrap();
    let modified = kept.said("audit verify audit.jsonl");
    assert!(modified.starts_with("exit code 1") && modified.contains("was modified"), "{modified}");
    fs::write(&file, "{\"no\": \"record\"}\n").unwrap();
    assert_snapshot!(kept.said("audit verify audit.jsonl"));

    let csv = kept.said("audit export roster.db -o csv");
    assert_eq!(csv.matches("seq,at,account").count(), 1);
    assert_eq!(csv.lines().filter(|line| line.contains(",shop/acme,")).count(), text.lines().count());
}

#[tokio::test]
async fn a_review_tells_everything_a_reviewer_asks() {
    let kept = Kept::new().await;
    seed_store::run(
        &kept.file(),
        "INSERT INTO members (account_id, email, ranks, role) VALUES (1, 'mallory@evil.example', '222', 'admin');
         UPDATE members SET ranks = '220' WHERE email = 'cid@acme.example';",
    )
    .await;
    let review = "review -f after.yaml --store roster.db";
    assert_snapshot!("review_text", kept.said(review));
    assert_snapshot!("review_markdown", kept.said(&format!("{review} --since 2026-11-23T07:30:00Z -o markdown")));
    assert_snapshot!("review_csv", kept.said(&format!("{review} -o csv")));
    assert_snapshot!("review_json", kept.said(&format!("{review} --since 2026-11-23T07:30:00Z -o json")));
    assert_snapshot!("review_from", kept.said("review -f after.yaml --from before.yaml --within 1d"));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_said() {
    let kept = Kept::new().await;
    fs::write(kept.folder.path().join("other.db"), "no database at all, but long enough to be looked at twice")
        .unwrap();
    assert_snapshot!("review_unreadable", kept.said("review -f after.yaml --store other.db --since 7d"));
    assert!(kept.said("review -f after.yaml --store nowhere.db").starts_with("exit code 1"));
    assert!(kept.said("review -f after.yaml").starts_with("exit code 0"));
    assert!(kept.said("review -f after.yaml --since 7d").starts_with("exit code 1"));
}

#[test]
fn every_portal_can_be_reviewed() {
    assert_snapshot!("review_examples", on_the_day("review -f examples").said());
    for account in ["acme", "tidewater"] {
        let said = on_the_day(&format!("review -f examples --account {account} -o markdown")).said();
        assert!(said.starts_with("exit code 0"), "{said}");
    }
    assert_snapshot!(on_the_day("review -f examples --account nobody").said());
}

#[tokio::test]
async fn a_person_is_cut_off_after_the_files_were_applied() {
    let kept = Kept::new().await;
    // By the command itself, whose term is the time.
    fs::remove_file(kept.file()).unwrap();
    let applied = kept.said("apply -f after.yaml --store roster.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    assert!(kept.access("ada@acme.example").await > 0);
    let said = kept.said("block ada@acme.example --reason stolen --store roster.db");
    assert!(said.starts_with("exit code 0"), "{said}");
    assert_eq!(kept.access("ada@acme.example").await, 0);
}

#[tokio::test]
async fn a_person_is_cut_off_in_a_store_kept_from_files() {
    let kept = Kept::new().await;
    let took = |said: String| {
        let (before, after) = said.split_once("roster.db: ").map(|(b, a)| (b.to_owned(), a.to_owned())).unwrap();
        format!("{before}roster.db: (time){}", &after[after.find(" s;").unwrap()..])
    };
    for email in ["ada@acme.example", "olga@acme.example"] {
        assert!(kept.access(email).await > 0);
        let said = kept.said(&format!("block {email} --reason stolen --store roster.db"));
        assert_eq!(kept.access(email).await, 0, "{said}");
        assert_snapshot!(took(said));
    }
    assert!(kept.access("dora@acme.example").await > 0, "nobody else");
    assert_snapshot!(took(kept.said("block ADA@acme.example --reason again --store roster.db")));
    assert_snapshot!(kept.said("audit query roster.db --who ada@acme.example --limit 1"));
    assert!(kept.said("audit verify roster.db").starts_with("exit code 0"));
    // Also a person whom no object declares.
    seed_store::run(
        &kept.file(),
        "INSERT INTO members (account_id, email, ranks) VALUES (1, 'mallory@evil.example', '222')",
    )
    .await;
    assert!(kept.said("block mallory@evil.example --reason x --store roster.db").starts_with("exit code 0"));
    assert_eq!(kept.access("mallory@evil.example").await, 0);
    assert_snapshot!(kept.said("unblock ada@acme.example --store roster.db"));
    assert_snapshot!(kept.said("block nobody --reason x --store roster.db"));
    assert_snapshot!(kept.said("block ada@acme.example --reason x --store nowhere.db"));
    seed_store::run(&kept.file(), "UPDATE owners SET cluster = 'prod'").await;
    assert_snapshot!(kept.said("block dora@acme.example --reason x --store roster.db"));
    assert!(kept.access("dora@acme.example").await > 0, "what a cluster keeps is not written");
}

#[tokio::test]
async fn a_block_says_whom_it_does_not_know_and_finds_other_letters() {
    let kept = Kept::new().await;
    let block = |email: &str| kept.said(&format!("block {email} --reason stolen --store roster.db"));
    let mistyped = block("dorra@acme.example");
    assert!(
        mistyped.starts_with("exit code 0") && mistyped.contains("the store does not have this address"),
        "{mistyped}"
    );
    assert!(mistyped.replace("\n ", "").contains("Did you mean dora@acme.example?"), "{mistyped}");
    assert!(kept.access("dora@acme.example").await > 0, "only told");
    let unknown = block("zoe@else.example");
    assert!(unknown.contains("No object names zoe@else.example") && !unknown.contains("Did you mean"), "{unknown}");

    seed_store::run(
        &kept.file(),
        "INSERT INTO members (account_id, email, ranks) VALUES (1, 'Mallory@Evil.example', '222')",
    )
    .await;
    assert!(kept.access("Mallory@Evil.example").await > 0);
    let said = block("mallory@evil.example");
    assert!(said.starts_with("exit code 0") && said.contains("the store had it as Mallory@Evil.example"), "{said}");
    assert_eq!(kept.access("Mallory@Evil.example").await, 0);
}

/// Removing all records, and the head with them, leaves the accounts behind.
#[tokio::test]
async fn an_audit_that_was_emptied_is_not_whole() {
    let kept = Kept::new().await;
    assert!(kept.said("audit verify roster.db").starts_with("exit code 0"));
    seed_store::run(
        &kept.file(),
        "DROP TRIGGER audit_keeps_deleted; DROP TRIGGER audit_head_updated; DELETE FROM audit;
         UPDATE audit_head SET seq = 0, hash = zeroblob(32);",
    )
    .await;
    let said = kept.said("audit verify roster.db");
    assert!(said.starts_with("exit code 1") && said.contains("it has no records"), "{said}");
}

#[tokio::test]
async fn a_review_is_one_page_that_needs_nothing_else() {
    let kept = Kept::new().await;
    let page = kept.said("review -f after.yaml --store roster.db -o html");
    assert!(page.contains("<h1>Access review, 2026-11-24</h1>") && page.contains("Sign-off"), "{page}");
    assert!(page.contains("Ben &#60;b&#62;") || !page.contains("Ben <b>"), "escaped");
    for outside in ["http://", "https://", "src=", "@import", "url(", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for said in ["Strongest access", "olga@acme.example", "Store: roster.db."] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

/// A person in a store that `roster apply` has written is blocked, too.
#[tokio::test]
async fn a_block_holds_in_a_store_that_was_applied_to() {
    let kept = Kept::new().await;
    let applied = kept.said("apply -f after.yaml --store roster.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    let applied = kept.said("apply -f after.yaml --store other.db --yes");
    assert!(applied.starts_with("exit code 0"), "{applied}");
    for store in ["roster.db", "other.db"] {
        let said = kept.said(&format!("block ada@acme.example --reason stolen --store {store}"));
        assert!(said.starts_with("exit code 0") && said.contains("has no access"), "{said}");
        assert!(!kept.folder.path().join(format!("{store}-wal")).exists(), "closed");
        let file = kept.folder.path().join(store);
        let query = "SELECT count(*) FROM effective_permissions WHERE email = ?1 AND rank > 0";
        assert_eq!(seed_store::count(&file, query, "ada@acme.example").await, 0);
    }
    std::fs::write(kept.folder.path().join("empty.db"), "").unwrap();
    let said = kept.said("block ada@acme.example --reason stolen --store empty.db");
    assert!(said.starts_with("exit code 2") && said.contains("is an empty file, not a store"), "{said}");
}

/// Returns the review of the account as JSON.
fn reviewed(kept: &Kept, files: &str) -> serde_json::Value {
    let data = on_the_day(&format!("review -f {files} --store roster.db -o json")).within(kept.folder.path());
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
async fn a_review_tells_what_the_store_gives_where_an_account_is_paused() {
    let kept = Kept::new().await;
    let after = fs::read_to_string(kept.folder.path().join("after.yaml")).unwrap();
    let paused = after
        .replace(
            "metadata: {name: acme, namespace: shop}",
            "metadata: {name: acme, namespace: shop, annotations: {roster.dev/paused: \"true\"}}",
        )
        .replace("user: {email: cid@acme.example}", "user: {email: cid@acme.example}, roleRef: {name: admin}")
        + "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {name: fay, namespace: shop}\n\
           spec: {accountRef: {name: acme}, user: {email: fay@acme.example}, roleRef: {name: admin}}\n";
    fs::write(kept.folder.path().join("paused.yaml"), paused).unwrap();
    let review = reviewed(&kept, "paused.yaml");
    assert!(!is_strong(&review, "cid@acme.example") && !is_strong(&review, "fay@acme.example"), "{review:#}");
    assert!(flags(&review, "fay@acme.example").contains("NotInStore"), "{review:#}");
    assert_eq!((review["counts"]["people"].as_u64(), review["pending"].as_u64()), (Some(6), Some(2)), "{review:#}");
}

#[tokio::test]
async fn a_review_counts_nobody_in_a_store_that_does_not_have_the_account() {
    let kept = Kept::new().await;
    seed_store::run(&kept.file(), "DELETE FROM members; DELETE FROM marks WHERE kind = 'member';").await;
    let review = reviewed(&kept, "after.yaml");
    let counts = &review["counts"];
    assert_eq!((counts["people"].as_u64(), counts["withAccess"].as_u64()), (Some(0), Some(0)), "{review:#}");
    assert!(review["pending"].as_u64() > Some(0) && review["strongest"].as_array().unwrap().is_empty(), "{review:#}");
    assert!(flags(&review, "ada@acme.example").contains("NotInStore"), "{review:#}");
}

#[tokio::test]
async fn a_review_names_whose_removal_is_held_and_who_is_undeclared() {
    let kept = Kept::new().await;
    seed_store::run(
        &kept.file(),
        "INSERT INTO members (account_id, email, ranks, role) VALUES (1, 'mallory@evil.example', '222', 'admin')",
    )
    .await;
    let after = fs::read_to_string(kept.folder.path().join("after.yaml")).unwrap();
    let few: Vec<&str> = after.split("---\n").filter(|one| !one.contains("kind: Membership")).collect();
    let few = few.join("---\n").replace(
        "metadata: {name: default}\nspec: {sqlite",
        "metadata: {name: default}\nspec: {accountDefaults: {removalGuard: {maximumPercent: 10, minimumCount: 1}}, sqlite",
    );
    fs::write(kept.folder.path().join("few.yaml"), few).unwrap();
    let review = reviewed(&kept, "few.yaml");
    assert!(review["heldRemovals"].to_string().contains("ada@acme.example"), "{review:#}");
    assert!(flags(&review, "ada@acme.example").contains("RemovalHeld"), "{review:#}");
    assert!(is_strong(&review, "mallory@evil.example"), "{review:#}");
    assert_eq!(review["counts"]["people"].as_u64(), Some(7), "{review:#}");
    let text = kept.said("review -f few.yaml --store roster.db");
    assert!(text.contains("Removals held back by the removal guard"), "{text}");
    assert!(text.contains("no object names this person"), "{text}");
}
