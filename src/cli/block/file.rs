//! Blocks a person in a store that is managed from files. Called by `cli::block` with `--store`.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc, time::Instant};

use anyhow::Context as _;
use jiff::Timestamp;

use super::unknown;
use crate::{
    api::Adoption,
    cli::{
        now,
        output::{BAD, GOOD, complain, counted, paint, print},
        target::absent,
    },
    evaluate::{Context, Revocation, revoke_only},
    model::suggest::closest_address,
    model::{AccountKey, Email, Name, Scope},
    plan::{GUARD_WINDOW, Mark},
    resolve::{Origin, RevocationReason},
    store::{Batch, Claim, Epoch, NoSecrets, Store, StoreError, StoreLocation},
};

/// Revokes all access of `who` in the store.
pub(super) async fn block(place: &StoreLocation, who: &Email, reason: &str) -> anyhow::Result<u8> {
    let (started, now) = (Instant::now(), now()?);
    // A wrong path must be an error, not "no access", and must not create a store.
    let there = place.open_if_there(&NoSecrets).await?;
    there.with_context(|| absent(place))?.close().await;
    let store = place.open(&NoSecrets).await?;
    let done = block_in(&store, place, who, reason, started, now).await;
    // After closing, all data is in the one file, which may be copied.
    store.close().await;
    done
}

async fn block_in(
    store: &Arc<dyn Store>,
    place: &StoreLocation,
    who: &Email,
    reason: &str,
    started: Instant,
    now: Timestamp,
) -> anyhow::Result<u8> {
    if let Some(mark) = store.accounts().await?.iter().find(|mark| mark.is_clusters()) {
        anyhow::bail!(
            "{place}: account {} is managed by a cluster, which would restore the access: run `roster block` on that \
             cluster, without --store",
            mark.account
        );
    }
    let mut had = store.with_access(std::slice::from_ref(who), now).await?;
    let mut refused = end_all(store, &had, reason, now).await;
    // After the fast revocation, since this reads the whole store.
    let known = find(store, who, now).await?;
    let others: Vec<(AccountKey, Email)> =
        known.with_access.iter().filter(|(_, email)| email != who).cloned().collect();
    refused.extend(end_all(store, &others, reason, now).await);
    had.extend(others);
    let spellings: Vec<Email> = had.iter().map(|(_, email)| email.clone()).chain([who.clone()]).collect();
    let left = store.with_access(&spellings, now).await?;
    let took = format!("{:.1} s", started.elapsed().as_secs_f64());
    if left.is_empty() {
        print(&format!("{} has no access in {place}: {took}; {}\n", paint(GOOD, who), before(&had, &known, who)))?;
        if !known.is_known {
            print(&unknown(who, known.near.as_deref()))?;
        }
        complain(HINT);
        return Ok(crate::cli::OK);
    }
    let left: Vec<String> = left.iter().map(|(account, _)| account.to_string()).collect();
    print(&format!("{} still has access in {place}: {}\n", paint(BAD, who), left.join(", ")))?;
    for refused in refused {
        complain(refused);
    }
    Ok(crate::cli::NO)
}

const HINT: &str = "Add the address to IdentityStore.spec.blocked in the files, too: the next `roster apply` removes \
                    blocks that are not in the files.";

/// Returns the former access as text.
fn before(had: &[(AccountKey, Email)], known: &Search, who: &Email) -> String {
    let accounts: BTreeSet<&AccountKey> = had.iter().map(|(account, _)| account).collect();
    let mut text = match accounts.len() {
        0 if known.is_known => "had none before".to_owned(),
        0 => "the store does not have this address".to_owned(),
        count => format!("removed in {}", counted(count, "account")),
    };
    let spellings: BTreeSet<&str> =
        had.iter().map(|(_, email)| email.as_str()).filter(|one| *one != who.as_str()).collect();
    if !spellings.is_empty() {
        let spellings: Vec<&str> = spellings.into_iter().collect();
        let _ = write!(text, "; the store had it as {}", spellings.join(", "));
    }
    text
}

/// Result of a search for an address in all spellings.
struct Search {
    /// Whether any account has the address.
    is_known: bool,
    /// Members with access.
    with_access: Vec<(AccountKey, Email)>,
    /// A similar address, if the store does not have this one.
    near: Option<String>,
}

/// Searches all members of the store, because others may have written the address in another spelling.
async fn find(store: &Arc<dyn Store>, who: &Email, now: Timestamp) -> Result<Search, StoreError> {
    let mut known = Search { is_known: false, with_access: Vec::new(), near: None };
    let mut others: BTreeSet<String> = BTreeSet::new();
    for account in store.keys().await? {
        let observed = store.observe(&account, &Scope::Account, now - GUARD_WINDOW).await?;
        for (email, existing) in &observed.members {
            if Email::parse(email.as_str()).as_ref() != Ok(who) {
                others.insert(email.to_string());
                continue;
            }
            known.is_known = true;
            let has = existing.content.as_ref().is_some_and(|content| {
                content.ended.is_none() && !content.ranks.is_none() && !content.window.is_over(now)
            });
            if has {
                known.with_access.push((account.clone(), email.clone()));
            }
        }
    }
    if !known.is_known {
        known.near = closest_address(who.as_str(), others.iter().map(String::as_str)).map(ToOwned::to_owned);
    }
    Ok(known)
}

/// Revokes the access of these people; returns the errors of the store.
async fn end_all(store: &Arc<dyn Store>, who: &[(AccountKey, Email)], reason: &str, now: Timestamp) -> Vec<String> {
    let mut refused = Vec::new();
    for (account, email) in who {
        if let Err(error) = end(store, account, email, reason, now).await {
            refused.push(format!("{account}: {error}"));
        }
    }
    refused
}

/// Revokes the access of one person in one account.
async fn end(
    store: &Arc<dyn Store>,
    account: &AccountKey,
    who: &Email,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let scope = Scope::Members([who.clone()].into());
    let observed = store.observe(account, &scope, now - GUARD_WINDOW).await?;
    let origin = Origin::new("block:", Name::new(reason), 0);
    let mark = Mark::of_files(account.clone());
    // Also for undeclared members: a block is an explicit revocation of a person, not of an object.
    let context = Context { adoption: Some(Adoption::Always), ..Context::new(mark.clone(), now) };
    let plan =
        revoke_only(&observed, &[(who.clone(), Revocation { end: RevocationReason::Blocked, origin })], &context);
    let batch = Batch::of(&plan, &mark, now);
    // Like `roster apply`, uses the current time as epoch. Stores of a cluster were refused above.
    let outcomes = store.apply(&batch, Claim::whole(Epoch(now.as_microsecond()))).await;
    outcomes.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}
