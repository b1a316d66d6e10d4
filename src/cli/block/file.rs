//! Without a cluster: every place of the person in a store kept from files ends at once, whatever the files say.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::{
    api::Adoption,
    cli::{
        now,
        output::{BAD, GOOD, complain, counted, paint, print},
    },
    evaluate::{Context, Revocation, revoke_only},
    model::{AccountKey, Email, Name, Scope},
    plan::{GUARD_WINDOW, Mark},
    resolve::{End, Origin},
    store::{Batch, Claim, Epoch, NoSecrets, Place, Store, StoreError},
};

/// Ends every access of `who` in the store.
pub(super) async fn block(place: &Place, who: &Email, reason: &str) -> anyhow::Result<u8> {
    let (started, now) = (Instant::now(), now()?);
    // Of a wrong path nobody must hear that the person has no access there; nor is a store made of it.
    let there = place.open_if_there(&NoSecrets).await?;
    there.with_context(|| format!("{place}: there is no store"))?.close().await;
    let store = place.open(&NoSecrets).await?;
    let done = block_in(&store, place, who, reason, started, now).await;
    // Closed, all of it is in the one file, which may be copied.
    store.close().await;
    done
}

async fn block_in(
    store: &Arc<dyn Store>,
    place: &Place,
    who: &Email,
    reason: &str,
    started: Instant,
    now: Timestamp,
) -> anyhow::Result<u8> {
    if let Some(mark) = store.accounts().await?.iter().find(|mark| mark.is_clusters()) {
        anyhow::bail!(
            "{place}: account {} is kept by a cluster, which would give the access back: run `roster block` on that cluster, \
             without --store",
            mark.account
        );
    }
    let people = std::slice::from_ref(who);
    let before = store.with_access(people, now).await?;
    let mut refused = Vec::new();
    for (account, _) in &before {
        if let Err(error) = end(store, account, who, reason, now).await {
            refused.push(format!("{account}: {error}"));
        }
    }
    let after = store.with_access(people, now).await?;
    let took = format!("{:.1} s", started.elapsed().as_secs_f64());
    let hint = "Write it into IdentityStore.spec.blocked of the files, too: the next `roster apply` lifts what they do not say.";
    if after.is_empty() {
        let what = match before.len() {
            0 => "had none before".to_owned(),
            count => counted(count, "account"),
        };
        print(&format!("{} has no access in {place}: {took}; {what}\n", paint(GOOD, who)))?;
        complain(hint);
        return Ok(crate::cli::OK);
    }
    let left: Vec<String> = after.iter().map(|(account, _)| account.to_string()).collect();
    print(&format!("{} still has access in {place}: {}\n", paint(BAD, who), left.join(", ")))?;
    for refused in refused {
        complain(refused);
    }
    Ok(crate::cli::NO)
}

/// Ends the access of one person in one account.
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
    // Also whom nobody declared: this is somebody's word about a person, not about an object.
    let context = Context { adoption: Some(Adoption::Always), ..Context::new(mark.clone(), now) };
    let plan = revoke_only(&observed, &[(who.clone(), Revocation { end: End::Blocked, origin })], &context);
    let batch = Batch { mark: &mark, layout: &plan.layout, changes: &plan.changes, now };
    // As `roster apply`, whose terms are such times, too; what a cluster keeps was refused before.
    let outcomes = store.apply(&batch, Claim::whole(Epoch(now.as_microsecond()))).await;
    outcomes.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}
