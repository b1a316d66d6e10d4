//! On a cluster: `IdentityStore.spec.blocked`, and the controller's word that it is in force (docs/decisions/0017).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::Where;
use crate::{
    api::{Account, BlockedUser, IdentityStore, MANAGER, Membership},
    cli::output::{BAD, GOOD, counted, paint, print},
    model::Email,
};

/// How often the store's status is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Blocks, or lets in again where there is no reason, and waits until that holds.
pub(super) async fn change(client: &Client, place: &Where, who: &Email, reason: Option<&str>) -> anyhow::Result<u8> {
    let started = Instant::now();
    let stores: Api<IdentityStore> = Api::all(client.clone());
    let names: Vec<String> = if place.all_stores {
        // By name only: one that cannot be read must not keep the others from being told.
        let all = stores.list_metadata(&ListParams::default()).await.context("cannot list identitystores")?;
        all.items.iter().map(ResourceExt::name_any).collect()
    } else {
        vec![place.identity_store.clone()]
    };
    anyhow::ensure!(!names.is_empty(), "there is no IdentityStore in the cluster");
    // First everywhere, then wait: no store is to let somebody in while another is waited for.
    let mut written = Vec::new();
    for name in names {
        let (generation, news) = write(&stores, &name, who, reason, started + place.timeout).await?;
        written.push((name, generation, news));
    }
    let mut code = crate::cli::OK;
    for (name, generation, news) in written {
        let outcome = wait(&stores, &name, generation, started + place.timeout).await?;
        let took = started.elapsed();
        let (text, fine) = told(client, &name, who, reason.is_some(), news, &outcome, took).await;
        print(&(text + "\n"))?;
        if !fine {
            code = crate::cli::NO;
        }
    }
    Ok(code)
}

/// Writes the list with the person in it, or without; the generation that says so, and whether it is new.
async fn write(
    stores: &Api<IdentityStore>,
    name: &str,
    who: &Email,
    reason: Option<&str>,
    deadline: Instant,
) -> anyhow::Result<(i64, bool)> {
    loop {
        let store = stores.get_opt(name).await.with_context(|| format!("cannot read the IdentityStore {name:?}"))?;
        let store =
            store.with_context(|| format!("there is no IdentityStore {name:?}; say which with --identity-store"))?;
        let generation = store.metadata.generation.unwrap_or(0);
        let is_who = |user: &BlockedUser| Email::parse(&user.email).is_ok_and(|email| email == *who);
        let mut blocked = store.spec.blocked.clone();
        if blocked.iter().any(is_who) == reason.is_some() {
            return Ok((generation, false));
        }
        match reason {
            Some(reason) => blocked.push(BlockedUser { email: who.to_string(), reason: Some(reason.to_owned()) }),
            None => blocked.retain(|user| !is_who(user)),
        }
        // The list is shared, so it is written whole, and only over the one that was read.
        let patch = json!({"metadata": {"resourceVersion": store.resource_version()}, "spec": {"blocked": blocked}});
        let params = PatchParams { field_manager: Some(format!("{MANAGER}-cli")), ..PatchParams::default() };
        match stores.patch(name, &params, &Patch::Merge(patch)).await {
            Ok(written) => return Ok((written.metadata.generation.unwrap_or(0), true)),
            Err(kube::Error::Api(status)) if status.code == 409 && Instant::now() < deadline => {}
            Err(error) => return Err(error).with_context(|| format!("cannot change the IdentityStore {name:?}")),
        }
    }
}

/// What came of waiting.
enum Outcome {
    /// It holds.
    Holds,
    /// It does not, and this is what is known.
    Waits {
        /// Whether the controller has looked at the store since.
        seen: bool,
        /// `namespace/name address`.
        with_access: Vec<String>,
        /// Why the store is not ready.
        why: Option<String>,
    },
}

async fn wait(stores: &Api<IdentityStore>, name: &str, generation: i64, deadline: Instant) -> anyhow::Result<Outcome> {
    loop {
        let store = stores.get(name).await.with_context(|| format!("cannot read the IdentityStore {name:?}"))?;
        let status = store.status.unwrap_or_default();
        if status.blocked_in_force.is_some_and(|in_force| in_force >= generation) {
            return Ok(Outcome::Holds);
        }
        if Instant::now() >= deadline {
            let not_ready = status.conditions.iter().find(|one| one.type_ == "Ready" && one.status != "True");
            return Ok(Outcome::Waits {
                seen: status.observed_generation.is_some_and(|seen| seen >= generation),
                with_access: status.blocked_with_access,
                why: not_ready.map(|one| format!("{}: {}", one.reason, one.message)),
            });
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn told(
    client: &Client,
    name: &str,
    who: &Email,
    blocks: bool,
    news: bool,
    outcome: &Outcome,
    took: Duration,
) -> (String, bool) {
    let took = format!("{:.1} s", took.as_secs_f64());
    let before = match (news, blocks) {
        (true, _) => "",
        (false, true) => " (was blocked already)",
        (false, false) => " (was not blocked)",
    };
    match outcome {
        Outcome::Holds => {
            let places = places(client, name, who)
                .await
                .map_or_else(String::new, |count| format!("; {}", counted(count, "account")));
            let says = if blocks { "has no access" } else { "is not blocked" };
            (format!("{} {says} in store {name}: {took}{before}{places}", paint(GOOD, who)), true)
        }
        Outcome::Waits { seen, with_access, why } => {
            let mine: Vec<&str> =
                with_access.iter().filter_map(|one| one.strip_suffix(who.as_str()).map(str::trim_end)).collect();
            let why = match (why, seen) {
                (Some(why), _) => why.clone(),
                (None, false) => "no controller has taken it up: does one run? `roster status` says".to_owned(),
                (None, true) if mine.is_empty() => "accounts are still to be gone over".to_owned(),
                (None, true) => format!("still with access in {}", mine.join(", ")),
            };
            let says = if blocks { "not known to be cut off" } else { "not known to be let in again" };
            (format!("{} is {says} in store {name} after {took}{before}: {why}", paint(BAD, who)), false)
        }
    }
}

/// Accounts of the store in which somebody is the owner or has a Membership, as its address stands in canonical form;
/// nothing where that cannot be read.
async fn places(client: &Client, store: &str, who: &Email) -> Option<usize> {
    let accounts = Api::<Account>::all(client.clone()).list(&ListParams::default()).await.ok()?;
    let params = ListParams::default().fields(&format!("spec.user.email={who}"));
    let members = Api::<Membership>::all(client.clone()).list(&params).await.ok()?;
    let members: BTreeSet<_> =
        members.items.iter().map(|one| (one.namespace(), one.spec.account_ref.name.clone())).collect();
    let has_place = |account: &&Account| {
        let owner = account.spec.owner.as_ref().and_then(|owner| Email::parse(&owner.email).ok());
        let is_member = members.contains(&(account.namespace(), account.name_any()));
        account.spec.store_ref.name == store && (is_member || owner.as_ref() == Some(who))
    };
    Some(accounts.items.iter().filter(has_place).count())
}
