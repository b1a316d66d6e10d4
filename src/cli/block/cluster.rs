//! Blocks and unblocks people in a cluster: changes `IdentityStore.spec.blocked`, and waits until the controller
//! reports it in force (docs/decisions/0017). Called by `cli::block`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Where, meant, unknown};
use crate::{
    api::{Account, BlockedUser, IdentityStore, MANAGER, Membership},
    cli::output::{BAD, GOOD, WARN, counted, paint, print, wrap},
    manifests::{LeftInStores, list_all},
    model::{Email, first_of, suggest::closest_address},
};

/// Default name of the IdentityStore.
const DEFAULT: &str = "default";

/// Interval at which the store's status is read.
const EVERY: Duration = Duration::from_millis(100);

/// Blocks a person, or unblocks without a reason, and waits until the change is effective.
pub(super) async fn change(client: &Client, place: &Where, who: &Email, reason: Option<&str>) -> anyhow::Result<u8> {
    let started = Instant::now();
    let stores: Api<IdentityStore> = Api::all(client.clone());
    let names: Vec<String> = if place.all_stores {
        // By name only: an unreadable object must not hide the others.
        let all = stores.list_metadata(&ListParams::default()).await.context("cannot list identitystores")?;
        all.items.iter().map(ResourceExt::name_any).collect()
    } else if let Some(name) = &place.identity_store {
        vec![name.clone()]
    } else {
        let all = stores.list_metadata(&ListParams::default()).await.context("cannot list identitystores")?;
        vec![meant_store(&all.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>())?]
    };
    anyhow::ensure!(!names.is_empty(), "there is no IdentityStore in the cluster");
    // Writes the block to all stores before it waits for any, so that no store grants access meanwhile.
    // Lists the access that the block will revoke. Runs in the background; the command does not wait for it.
    let mut undeclared = reason.map(|_| {
        let (client, who) = (client.clone(), who.clone());
        tokio::spawn(async move { undeclared_in(&client, &who).await })
    });
    let mut written = Vec::new();
    for name in names {
        let (generation, news) = write(&stores, &name, who, reason, started + place.timeout).await?;
        written.push((name, generation, news));
    }
    let mut code = crate::cli::OK;
    // While kinds are missing the controller applies no block, so waiting is useless.
    let missing = missing_kinds(client).await;
    let deadline = if missing.is_empty() { started + place.timeout } else { started };
    let mut known = BTreeMap::new();
    for (name, generation, news) in written {
        let outcome = wait(&stores, &name, generation, deadline).await?;
        let took = started.elapsed();
        if let Some(task) = undeclared.take_if(|task| task.is_finished()) {
            known = task.await.unwrap_or_default();
        }
        let news = News { is_new: news, undeclared: known.get(&name).map(Vec::as_slice).unwrap_or_default() };
        let (text, fine) = describe_result(client, &name, who, reason.is_some(), &news, &outcome, took).await;
        print(&(text + "\n"))?;
        if !fine && !missing.is_empty() {
            print(&without_kinds(&missing))?;
        }
        if !fine {
            code = crate::cli::NO;
        }
    }
    Ok(code)
}

/// Returns the default store: the one named `default`, or the only one.
fn meant_store(names: &[String]) -> anyhow::Result<String> {
    match names {
        [] => anyhow::bail!("there is no IdentityStore in the cluster"),
        [one] => Ok(one.clone()),
        several if several.iter().any(|name| name == DEFAULT) => Ok(DEFAULT.to_owned()),
        several => anyhow::bail!(
            "no IdentityStore is called {DEFAULT:?}; there are: {}. Name one with --identity-store, or pass --all-stores",
            several.join(", ")
        ),
    }
}

/// Adds the person to the list, or removes it. Returns the generation with that list, and whether it changed.
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
            store.with_context(|| format!("there is no IdentityStore {name:?}; choose one with --identity-store"))?;
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

/// Maximum number of other people named in a message.
const NAMED: usize = 3;

/// Result of waiting.
enum Outcome {
    /// The change is effective.
    Holds,
    /// The change is not effective in time.
    Waits {
        /// Whether the controller has processed the new generation.
        seen: bool,
        /// `namespace/name address`.
        with_access: Vec<String>,
        /// Reason why the store is not ready.
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

/// Facts about a block in addition to its outcome.
struct News<'a> {
    /// Whether the list has changed.
    is_new: bool,
    /// Accounts whose store had the person as a member whom no object declared.
    undeclared: &'a [String],
}

/// Returns the accounts whose status says that the store has this person as a member whom no object declares, by store.
async fn undeclared_in(client: &Client, who: &Email) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for account in list_all::<Account>(Api::all(client.clone())).await.unwrap_or_default() {
        let left = LeftInStores::new(std::iter::once(&account), std::iter::empty());
        let accounts = left.undeclared_in(who.as_str()).into_iter().map(ToOwned::to_owned);
        found.entry(account.spec.store_ref.name.clone()).or_default().extend(accounts);
    }
    found
}

async fn describe_result(
    client: &Client,
    name: &str,
    who: &Email,
    blocks: bool,
    news: &News<'_>,
    outcome: &Outcome,
    took: Duration,
) -> (String, bool) {
    let took = format!("{:.1} s", took.as_secs_f64());
    let before = match (news.is_new, blocks) {
        (true, _) => "",
        (false, true) => " (was blocked already)",
        (false, false) => " (was not blocked before)",
    };
    match outcome {
        Outcome::Holds => {
            let says = if blocks { "has no access" } else { "is not blocked" };
            let place = named(client, name, who).await.map(|named| place(&named, who, blocks, news.undeclared));
            let place = place.unwrap_or_default();
            (format!("{} {says} in store {name}: {took}{before}{place}", paint(GOOD, who)), true)
        }
        Outcome::Waits { seen, with_access, why } => {
            let mine: Vec<&str> =
                with_access.iter().filter_map(|one| one.strip_suffix(who.as_str()).map(str::trim_end)).collect();
            let why = match (why, seen) {
                (Some(why), _) => why.clone(),
                (None, false) => "no controller has processed it; see `roster status`".to_owned(),
                (None, true) if mine.is_empty() && with_access.is_empty() => {
                    "not all accounts are reconciled yet".to_owned()
                }
                (None, true) if mine.is_empty() => format!(
                    "the store had no access for this address when it was last checked, but other blocked addresses \
                     still have access: {}",
                    with_access.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ")
                ),
                (None, true) => format!("still with access in {}", mine.join(", ")),
            };
            let says = if blocks { "not confirmed as blocked" } else { "not confirmed as unblocked" };
            (format!("{} is {says} in store {name} after {took}{before}: {why}", paint(BAD, who)), false)
        }
    }
}

/// Returns the end of the message: where objects name the person.
fn place(named: &Named, who: &Email, blocks: bool, undeclared: &[String]) -> String {
    match (named.accounts, blocks) {
        (0, true) if !undeclared.is_empty() => {
            let accounts = first_of(undeclared, NAMED);
            format!("; the store had this address in {accounts}, where no object declares it")
        }
        (0, true) if named.elsewhere.is_empty() => {
            format!("; no object names this address\n{}", unknown(who, named.near.as_deref()).trim_end())
        }
        (0, true) => {
            let (known, near) = (named.elsewhere.join(" or "), meant(named.near.as_deref()));
            let text = format!("No object names {who}; the store may have this address as {known}.{near}");
            format!("; no object names this address\n{}", wrap(&paint(WARN, "! "), 2, &text).trim_end())
        }
        (0, false) => "; no object names this address, so it has no access".to_owned(),
        (count, true) => format!("; named in {}", counted(count, "account")),
        (count, false) => format!("; has the access that the objects grant, in {}", counted(count, "account")),
    }
}

/// Accounts whose objects name a person.
struct Named {
    /// Number of accounts in which the person is the owner or has a Membership.
    accounts: usize,
    /// A similar address, if no object names this one.
    near: Option<String>,
    /// Places where a store may have a person that no object names, as phrases.
    elsewhere: Vec<String>,
}

/// Looks for a person in the objects; `None` if these cannot be read.
async fn named(client: &Client, store: &str, who: &Email) -> Option<Named> {
    let all_accounts = list_all::<Account>(Api::all(client.clone())).await.ok()?;
    let accounts = &all_accounts;
    let members = list_all::<Membership>(Api::all(client.clone())).await.ok()?;
    let is_here: BTreeSet<_> = accounts
        .iter()
        .filter(|account| account.spec.store_ref.name == store)
        .map(|account| (account.namespace(), account.name_any()))
        .collect();
    let owners = accounts.iter().filter_map(|account| {
        let owner = account.spec.owner.as_ref()?;
        Some(((account.namespace(), account.name_any()), owner.email.as_str()))
    });
    let members =
        members.iter().map(|one| ((one.namespace(), one.spec.account_ref.name.clone()), &*one.spec.user.email));
    let all: Vec<_> = owners.chain(members).filter(|(account, _)| is_here.contains(account)).collect();
    let is_who = |address: &str| Email::parse(address).as_ref() == Ok(who);
    let accounts = all.iter().filter(|(_, address)| is_who(address)).map(|(account, _)| account);
    let accounts = accounts.collect::<BTreeSet<_>>().len();
    let near = closest_address(who.as_str(), all.iter().map(|(_, address)| *address)).filter(|_| accounts == 0);
    let near = near.map(ToOwned::to_owned);
    let kept = Api::<IdentityStore>::all(client.clone()).get(store).await.ok()?;
    let here = all_accounts.iter().filter(|account| account.spec.store_ref.name == store);
    Some(Named { accounts, near, elsewhere: LeftInStores::new(here, std::iter::once(&kept)).phrases() })
}

/// Returns the message for missing kinds.
fn without_kinds(missing: &[&str]) -> String {
    let kinds = missing.join(" and ");
    let text = format!(
        "The cluster does not have {kinds}, so no access is removed. The block is recorded and takes effect when they \
         are installed: `roster crds | kubectl apply --server-side -f -`."
    );
    wrap(&paint(BAD, "! "), 2, &text)
}

/// Returns the kinds that the cluster does not have, and without which no account can be reconciled.
async fn missing_kinds(client: &Client) -> Vec<&'static str> {
    async fn is_unknown<K>(client: &Client) -> bool
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let found = Api::<K>::all(client.clone()).list_metadata(&ListParams::default().limit(1)).await;
        matches!(found, Err(kube::Error::Api(status)) if status.code == 404)
    }
    let mut missing = Vec::new();
    if is_unknown::<Account>(client).await {
        missing.push("accounts");
    }
    if is_unknown::<Membership>(client).await {
        missing.push("memberships");
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_store_is_chosen_regardless_of_its_name() {
        let meant = |names: &[&str]| meant_store(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(meant(&["people"]).unwrap(), "people");
        assert_eq!(meant(&["default", "people"]).unwrap(), "default");
        let several = meant(&["east", "west"]).unwrap_err().to_string();
        assert!(several.contains("there are: east, west") && several.contains("--identity-store"), "{several}");
    }
}
