//! Promises about `Store::with_access`: people with access in all accounts. Run by the contract suite.

use std::collections::BTreeSet;

use roster_core::{contract::Store, model::AccountKey, resolve::RevocationReason};

use super::{
    Backend,
    world::{NOW, email, world},
};

/// Queries the store for all people of these tests.
async fn with_access(store: &dyn Store) -> BTreeSet<(AccountKey, String)> {
    let all = ["ann@shop.example", "ben@shop.example", "owner@shop.example", "nobody@shop.example"].map(email);
    let found = store.with_access(&all, NOW).await.unwrap();
    found.into_iter().map(|(account, email)| (account, email.to_string())).collect()
}

pub async fn people_with_access_are_reported(backend: &dyn Backend) {
    let store = backend.open().await;
    assert!(with_access(&*store).await.is_empty());
    let (mut one, mut two) = (world("acme"), world("zeta"));
    one.converge(&*store).await;
    two.converge(&*store).await;
    let named = |pairs: &[(&str, &str)]| -> BTreeSet<_> {
        pairs.iter().map(|(account, email)| (AccountKey::new("shop", account), (*email).to_owned())).collect()
    };
    let (ann, ben) = ("ann@shop.example", "ben@shop.example");
    assert_eq!(with_access(&*store).await, named(&[("acme", ann), ("acme", ben), ("zeta", ann), ("zeta", ben)]));
    // Only people in the query.
    assert_eq!(store.with_access(&[email(ann)], NOW).await.unwrap().len(), 2);
    assert!(store.with_access(&[], NOW).await.unwrap().is_empty());

    // Not found: revoked, without any level, expired. Found: not started yet.
    let ended = one.members.get_mut(&email(ann)).unwrap();
    ended.ended = Some(RevocationReason::Blocked);
    ended.ranks.clear();
    one.members.get_mut(&email(ben)).unwrap().window.expires_at = Some(NOW);
    one.converge(&*store).await;
    two.members.get_mut(&email(ann)).unwrap().ranks.clear();
    two.members.get_mut(&email(ben)).unwrap().window.starts_at = Some(NOW + jiff::SignedDuration::from_hours(1));
    two.converge(&*store).await;
    let waiting = ("zeta", ben);
    // A store that does not evaluate time windows has the access only when it starts.
    let begins = if store.capabilities().time_windows { vec![waiting] } else { vec![] };
    assert_eq!(with_access(&*store).await, named(&begins));

    // Also rows that others wrote.
    backend.insert_member(&AccountKey::new("shop", "acme"), &email("nobody@shop.example")).await;
    let with_nobody = [vec![("acme", "nobody@shop.example")], begins].concat();
    assert_eq!(with_access(&*store).await, named(&with_nobody));
}
