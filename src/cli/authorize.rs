//! Implements `roster authorize`: shows the changes that wait because nobody with the authority made them, and lets them
//! pass. Called by `cli::run`.

use std::fmt::{Debug, Write as _};

use anyhow::Context as _;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    NO, OK,
    output::{
        API_VERSION, BOLD, Format, WARN, complain, counted, formats, paint, print, print_data, print_names, wrap,
    },
};
use crate::{
    api::{self, APPROVE_CHANGE_ANNOTATION, ConditionType, Conditions, InvalidReason},
    manifests,
};

/// Show or confirm changes that wait for authority
///
/// An account with `enforcement: Enforce` holds back what somebody without the authority applied, and what was applied while
/// no webhook recorded who did it. Without an account, the command lists what waits. With an account and --yes, it lets
/// everything pass that waits there: it sets the annotation roster.dev/approve-change, which only administrators may do.
/// Changes that are made afterwards are not covered. Exit code: 1 if something waits and was not confirmed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        roster authorize --all-namespaces\n  \
        roster authorize acme -n shop\n  \
        roster authorize acme -n shop --yes")]
pub struct Args {
    /// Account whose changes are shown, or confirmed
    #[arg(value_name = "ACCOUNT")]
    account: Option<String>,

    /// Confirm the changes, instead of only showing them
    #[arg(long, requires = "account")]
    yes: bool,

    /// Namespace [default: the context's]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "account"])]
    all_namespaces: bool,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME")]
    context: Option<String>,
}

/// Formats of the output.
const FORMATS: &[Format] = &[Format::Text, Format::Json, Format::Yaml, Format::Name];

/// Changes that wait, by account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    api_version: &'static str,
    kind: &'static str,
    accounts: Vec<WaitingAccount>,
}

/// Changes that wait in one account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitingAccount {
    /// `namespace/name` of the account.
    account: String,
    /// Hash that lets exactly these changes pass.
    hash: String,
    /// Number of changes.
    changes: i64,
    objects: Vec<WaitingObject>,
}

/// Object that was changed without the authority.
#[derive(Serialize)]
struct WaitingObject {
    /// Kind and name.
    object: String,
    /// What it gives, to whom, by whom it was applied, and who could do it.
    message: String,
    /// Instant since which it waits.
    since: String,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let (client, default) = manifests::connect(args.context.as_deref()).await?;
    let namespace = (!args.all_namespaces).then(|| args.namespace.clone().unwrap_or(default));
    let waiting = waiting(&client, namespace.as_deref(), args.account.as_deref()).await?;
    if let (Some(account), true) = (&args.account, args.yes) {
        let namespace = namespace.context("a namespace is needed")?;
        let Some(found) = waiting.first() else {
            print(&format!("nothing waits for authority in {namespace}/{account}\n"))?;
            return Ok(OK);
        };
        print(&text(std::slice::from_ref(found)))?;
        confirm(&client, &namespace, account, &found.hash).await?;
        let changes = counted(found.objects.len(), "change");
        print(&format!("{changes} confirmed in {namespace}/{account}\n"))?;
        return Ok(OK);
    }
    let is_empty = waiting.is_empty();
    match args.output {
        Format::Json | Format::Yaml => {
            print_data(args.output, &Waiting { api_version: API_VERSION, kind: "WaitingChanges", accounts: waiting })?;
        }
        Format::Name => print_names(waiting.iter().map(|account| account.account.as_str()))?,
        _ if is_empty => print("nothing waits for authority\n")?,
        _ => {
            print(&text(&waiting))?;
            for one in &waiting {
                let (namespace, account) = one.account.split_once('/').unwrap_or_default();
                complain(format!("nothing was confirmed: `roster authorize {account} -n {namespace} --yes` does it"));
            }
        }
    }
    Ok(if is_empty { OK } else { NO })
}

fn text(waiting: &[WaitingAccount]) -> String {
    let mut out = String::new();
    for account in waiting {
        let changes = counted(usize::try_from(account.changes).unwrap_or_default(), "change");
        let waits = if account.changes == 1 { "waits" } else { "wait" };
        let _ = writeln!(out, "{}: {changes} {waits} for authority", paint(BOLD, &account.account));
        for object in &account.objects {
            let _ = writeln!(out, "  {} since {}", paint(WARN, &object.object), object.since);
            out += &wrap("    ", 4, &object.message);
        }
    }
    out
}

/// Returns what waits, in the order of the accounts.
async fn waiting(
    client: &Client,
    namespace: Option<&str>,
    account: Option<&str>,
) -> anyhow::Result<Vec<WaitingAccount>> {
    let accounts: Vec<api::Account> = match (namespace, account) {
        (Some(namespace), Some(account)) => {
            let api: Api<api::Account> = Api::namespaced(client.clone(), namespace);
            let found =
                api.get_opt(account).await.with_context(|| format!("cannot read account {namespace}/{account}"))?;
            vec![found.with_context(|| format!("there is no account {account:?} in namespace {namespace}"))?]
        }
        _ => list(client, namespace).await?,
    };
    let held = accounts.iter().filter(|account| held(account).is_some());
    let mut waiting = Vec::new();
    if held.clone().next().is_none() {
        return Ok(waiting);
    }
    let members: Vec<api::Membership> = list(client, namespace).await?;
    let roles: Vec<api::Role> = list(client, namespace).await?;
    let groups: Vec<api::UserGroup> = list(client, namespace).await?;
    for account in held {
        let Some((changes, hash)) = held_of(account) else { continue };
        let is_of =
            |namespace: Option<String>, name: &str| namespace == account.namespace() && name == account.name_any();
        let mut objects: Vec<WaitingObject> = Vec::new();
        objects.extend(object("Account", account, account.status.as_ref().map(|status| &status.conditions)));
        for one in members.iter().filter(|one| is_of(one.namespace(), &one.spec.account_ref.name)) {
            objects.extend(object("Membership", one, one.status.as_ref().map(|status| &status.conditions)));
        }
        for one in roles.iter().filter(|one| is_of(one.namespace(), &one.spec.account_ref.name)) {
            objects.extend(object("Role", one, one.status.as_ref().map(|status| &status.conditions)));
        }
        for one in groups.iter().filter(|one| is_of(one.namespace(), &one.spec.account_ref.name)) {
            objects.extend(object("UserGroup", one, one.status.as_ref().map(|status| &status.conditions)));
        }
        let account = format!("{}/{}", account.namespace().unwrap_or_default(), account.name_any());
        waiting.push(WaitingAccount { account, hash, changes, objects });
    }
    Ok(waiting)
}

fn held(account: &api::Account) -> Option<&api::HeldChanges> {
    account.status.as_ref()?.held_changes.as_ref()
}

fn held_of(account: &api::Account) -> Option<(i64, String)> {
    held(account).map(|held| (held.changes, held.hash.clone()))
}

/// Returns an object that waits; `None` if it does not.
fn object<K: Resource>(kind: &str, object: &K, conditions: Option<&Conditions>) -> Option<WaitingObject> {
    let reason = InvalidReason::Unauthorized.to_string();
    let ready = conditions?.iter().find(|one| one.type_ == ConditionType::Ready.as_str() && one.reason == reason)?;
    let since = ready.last_transition_time.0.to_string();
    Some(WaitingObject { object: format!("{kind} {}", object.name_any()), message: ready.message.clone(), since })
}

async fn list<K>(client: &Client, namespace: Option<&str>) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    manifests::list_all(api).await
}

async fn confirm(client: &Client, namespace: &str, account: &str, hash: &str) -> anyhow::Result<()> {
    let api: Api<api::Account> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {APPROVE_CHANGE_ANNOTATION: hash}}}));
    let failed = || format!("cannot confirm the changes in {namespace}/{account}; this needs an administrator");
    api.patch(account, &PatchParams::default(), &patch).await.with_context(failed)?;
    Ok(())
}
