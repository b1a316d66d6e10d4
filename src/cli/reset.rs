//! Implements `roster reset`: resets predefined roles of an account to the catalog's defaults. Called by `cli::run`.

use anyhow::Context as _;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::json;

use super::{
    NO, OK,
    input::Input,
    output::{complain, counted, print, wrap},
};
use crate::{
    api::Role,
    authority::{Actor, Change, Edit, judge_change},
    manifests::{LoadedObjects, ObjectId, Source},
    model::{AccountKey, KindName, Name, suggest::closest},
    state::RoleFacts,
};

/// Keys by which tools mark the objects that they apply from Git, or install.
const MANAGED_BY: [(&str, &str); 4] = [
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("meta.helm.sh/release-name", "Helm"),
];

/// Reset predefined roles of an account to the catalog's defaults
///
/// An account changes a predefined role by a Role object with `overrides`. The command shows what each of them changes,
/// and who would gain and lose what without it; with --yes it takes the changes out and deletes the objects. Objects in
/// files are not deleted: the command says where they are. Exit code: 1 if something was to be reset and was not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        roster reset admin --account field-operations/meridian --yes\n  \
        roster reset --all --account meridian -n field-operations\n  \
        roster reset --all --account meridian -f examples/field-operations -f examples/store.yaml")]
pub struct Args {
    /// Predefined role
    #[arg(value_name = "ROLE", required_unless_present = "all")]
    role: Option<String>,

    /// Reset every role that the account changes
    #[arg(long, conflicts_with = "role")]
    all: bool,

    /// Account
    #[arg(long, value_name = "NS/NAME")]
    account: String,

    /// Reset, instead of only showing what would be reset
    #[arg(long)]
    yes: bool,

    /// Read this file or folder instead of the cluster
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    files: Vec<std::path::PathBuf>,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME", conflicts_with = "files")]
    context: Option<String>,

    /// Namespace of the cluster [default: that of --account, or the context's]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let named = args.account.split_once('/').map(|(namespace, _)| namespace.to_owned());
    let input = Input {
        files: args.files.clone(),
        context: args.context.clone(),
        namespace: args.namespace.clone().or_else(|| named.filter(|_| args.files.is_empty())),
        ..Input::default()
    };
    let mut loaded = input.read_valid().await?;
    let account = loaded.account(&args.account).await?;
    let overrides = overrides(&loaded, &account, args.role.as_deref())?;
    if overrides.is_empty() {
        let what = args.role.as_ref().map_or_else(|| "every predefined role".to_owned(), |role| format!("role {role}"));
        print(&format!("{what} is at the catalog's defaults in {account}\n"))?;
        return Ok(OK);
    }
    let mut text = String::new();
    for role in &overrides {
        let change = Change::Role(account.clone(), Edit { before: Some(role.clone()), after: None });
        let verdict = judge_change(&loaded.objects, &change, &Actor::Administrator, now);
        text += &in_words(&loaded, &account, role);
        if !verdict.is_allowed() {
            print(&text)?;
            let why: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
            anyhow::bail!("Role {}/{} cannot be reset: {}", account.namespace, role.name, why.join("; "));
        }
        for effect in &verdict.effects {
            text += &wrap("    ", 4, &effect.to_string());
        }
        loaded.objects.make(&change);
    }
    print(&text)?;
    match &loaded.source {
        Source::Files(_) => {
            complain(format!("nothing was reset: take {} out of the files", counted(overrides.len(), "object")));
            Ok(NO)
        }
        Source::Cluster(_) if !args.yes => {
            complain("nothing was reset: pass `--yes`");
            Ok(NO)
        }
        Source::Cluster(cluster) => {
            for role in &overrides {
                reset(&cluster.client, &account, &role.name).await?;
            }
            print(&format!("{} reset in {account}\n", counted(overrides.len(), "role")))?;
            Ok(OK)
        }
    }
}

/// Returns the Roles that change the named predefined role, or any.
fn overrides(
    loaded: &LoadedObjects,
    account: &AccountKey,
    role: Option<&str>,
) -> anyhow::Result<Vec<std::sync::Arc<RoleFacts>>> {
    let entry = loaded.objects.accounts.get(account).context("the account is gone")?;
    let changes = |facts: &RoleFacts| {
        let changed = facts.spec.overrides.as_deref();
        changed.is_some_and(|changed| role.is_none_or(|role| role == changed))
    };
    let found: Vec<_> = entry.roles.values().filter(|facts| changes(facts)).cloned().collect();
    let catalog = entry.account.as_ref().map(|account| account.spec.catalog_ref.name.clone()).unwrap_or_default();
    if let (Some(role), Some(catalog)) = (role, loaded.objects.catalogs.get(catalog.as_str())) {
        let mut names = catalog.facts.spec.roles.iter().map(|role| role.name.as_str());
        if !names.clone().any(|name| name == role) {
            let meant = closest(role, &mut names).map(|near| format!("; did you mean {near:?}?"));
            let name = &catalog.facts.name;
            anyhow::bail!("PermissionCatalog {name} has no predefined role {role:?}{}", meant.unwrap_or_default());
        }
    }
    Ok(found)
}

/// Returns what a Role changes, and where it is.
fn in_words(loaded: &LoadedObjects, account: &AccountKey, role: &RoleFacts) -> String {
    let id = ObjectId {
        kind: Name::const_new(KindName::Role.as_str()),
        namespace: account.namespace.clone(),
        name: role.name.clone(),
    };
    let place = match &loaded.source {
        Source::Files(files) => {
            let found = files.documents.iter().find(|document| document.id == id);
            found.map(|document| format!("{}:{}: ", document.file.display(), document.line)).unwrap_or_default()
        }
        Source::Cluster(_) => String::new(),
    };
    let cells: Vec<String> =
        role.spec.permissions.iter().map(|(section, level)| format!("{section}: {level}")).collect();
    let cells = if cells.is_empty() { "nothing".to_owned() } else { cells.join(", ") };
    format!("{place}{id} sets {cells} in role {}\n", role.spec.overrides.as_deref().unwrap_or_default())
}

/// Takes the changes out of a Role, and deletes it. The first step is recorded under the name of whoever makes it, so
/// that nothing rises only because an object is gone.
async fn reset(client: &Client, account: &AccountKey, name: &Name) -> anyhow::Result<()> {
    let api: Api<Role> = Api::namespaced(client.clone(), &account.namespace);
    let failed = || format!("cannot change Role {}/{name}", account.namespace);
    let role = api.get(name).await.with_context(failed)?;
    anyhow::ensure!(role.spec.overrides.is_some(), "Role {}/{name} overrides no role any more", account.namespace);
    let version = role.metadata.resource_version;
    let empty = Patch::Merge(json!({"metadata": {"resourceVersion": version}, "spec": {"permissions": null}}));
    let role = api.patch(name, &PatchParams::default(), &empty).await.with_context(failed)?;
    let keys = || role.labels().keys().chain(role.annotations().keys());
    if let Some((_, tool)) = MANAGED_BY.iter().find(|(mark, _)| keys().any(|key| key == mark)) {
        complain(format!("note: {tool} manages Role {name}, and will put it back: take it out of its source, too"));
    }
    let preconditions = Some(Preconditions { uid: role.uid(), resource_version: None });
    let deleted = api.delete(name, &DeleteParams { preconditions, ..DeleteParams::default() }).await;
    deleted.with_context(|| format!("cannot delete Role {}/{name}", account.namespace))?;
    Ok(())
}
