//! Promises about queries of the audit, and checks of exported records. Run by the contract suite.

use roster_core::{
    contract::{AuditCheck, AuditFault, AuditQuery, AuditRecord, Store},
    model::AccountKey,
};

use super::{
    Backend,
    world::{NOW, email, world},
};

/// Returns a store with two accounts, one of which loses a member an hour later.
async fn two_accounts(backend: &dyn Backend) -> Box<dyn Store> {
    let store = backend.open().await;
    let mut one = world("acme");
    one.converge(&*store).await;
    world("zeta").converge(&*store).await;
    one.members.remove(&email("ben@shop.example"));
    one.policy.now = NOW + jiff::SignedDuration::from_hours(1);
    one.converge(&*store).await;
    store
}

async fn ask(store: &dyn Store, query: AuditQuery) -> Vec<AuditRecord> {
    store.audit(&query).await.unwrap()
}

pub async fn requested_audit_records_are_returned(backend: &dyn Backend) {
    let store = two_accounts(backend).await;
    let all = ask(&*store, AuditQuery::default()).await;
    let seqs = |records: &[AuditRecord]| records.iter().map(|record| record.seq).collect::<Vec<_>>();
    let count = i64::try_from(all.len()).unwrap();
    assert_eq!(seqs(&all), (1..=count).collect::<Vec<_>>());
    let only = |fits: &dyn Fn(&AuditRecord) -> bool| {
        let only: Vec<i64> = all.iter().filter(|record| fits(record)).map(|record| record.seq).collect();
        assert!(!only.is_empty() && only.len() < all.len(), "it must tell them apart");
        only
    };
    let zeta = AccountKey::new("shop", "zeta");
    let ben = email("ben@shop.example");
    let later = NOW + jiff::SignedDuration::from_mins(30);
    let query = AuditQuery::default;
    let cases = [
        (AuditQuery { account: Some(zeta), ..query() }, only(&|r| r.account == "shop/zeta")),
        (AuditQuery { who: Some(ben), ..query() }, only(&|r| r.name == "ben@shop.example")),
        (AuditQuery { kind: Some("role".into()), ..query() }, only(&|r| r.kind == "role")),
        (AuditQuery { cause: Some("unwanted".into()), ..query() }, only(&|r| r.cause == "unwanted")),
        (AuditQuery { since: Some(later), ..query() }, only(&|r| r.at >= later)),
        (AuditQuery { until: Some(later), ..query() }, only(&|r| r.at < later)),
        (AuditQuery { after: 4, ..query() }, only(&|r| r.seq > 4)),
        (AuditQuery { limit: 3, ..query() }, vec![1, 2, 3]),
        (AuditQuery { limit: 3, newest: true, ..query() }, vec![count - 2, count - 1, count]),
    ];
    for (query, wanted) in cases {
        assert_eq!(seqs(&ask(&*store, query.clone()).await), wanted, "{query:?}");
    }
}

pub async fn exported_records_can_be_verified_elsewhere(backend: &dyn Backend) {
    let store = two_accounts(backend).await;
    let all = ask(&*store, AuditQuery::default()).await;
    let check = |records: Vec<AuditRecord>| {
        let mut check = AuditCheck::default();
        // Converted to JSON and back: nothing may be lost.
        for record in records {
            check.take(serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap());
        }
        check.report()
    };
    assert_eq!(check(all.clone()), backend.verify_audit().await);
    let mut changed = all.clone();
    changed[2].cause = "drift".into();
    assert_eq!(check(changed).fault, Some(AuditFault::Modified { seq: 3 }));
    let mut dropped = all.clone();
    dropped.remove(2);
    assert_eq!(check(dropped).fault, Some(AuditFault::Missing { seq: 3, next: 4 }));
    let mut no_hash = all;
    no_hash[0].hash = "é".repeat(32);
    assert_eq!(check(no_hash).fault, Some(AuditFault::Modified { seq: 1 }));
}
