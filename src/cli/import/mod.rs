//! `roster import`.

mod account;
mod catalog;
mod member;
mod taken;
mod write;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use self::write::is_ambiguous;
use self::{
    catalog::Catalogs,
    taken::{Taken, is_name, metadata, object},
    write::Manifests,
};
use super::{
    change::{self, Choices, Compares, Report, Revisions},
    input::Input,
    output::{self, counted},
    target::{self, Target},
};
use crate::{
    api::SecretKeyRef,
    manifests::Source,
    model::{AccountKey, Email},
    resolve::RevocationReason,
    store::{NoSecrets, StoreLocation},
};

/// Write what an identity store holds as manifests that change nothing when they are planned against it
///
/// Accounts, catalogs, roles, groups and members; never a secret. What a store does not keep is not in the manifests:
/// titles of sections, prerequisites and restrictions by their names. Where somebody's access is not just what role and
/// groups grant, a restriction or a group makes it so, and a comment says it. Nothing in the store is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  roster import --store roster.db --output portal/
  roster import --store roster.db --account secondary-users/tidewater --output tidewater/
  roster plan -f portal/ --store roster.db          # no changes

Exit codes: 0 done, and it plans to no change; 1 done, and something is told that cannot be said just so; 2 not done.")]
pub struct Args {
    /// The store: an SQLite file, `postgres://USER@HOST/DATABASE` with `#SCHEMA` where it is not `roster` and the password in
    /// it or in PGPASSWORD or PGPASSFILE, or `keycloak+https://CLIENT@HOST/realms/REALM` with the client's secret in
    /// `ROSTER_KEYCLOAK_CLIENT_SECRET`
    #[arg(long, value_name = "FILE|URL")]
    store: PathBuf,

    /// This account only, with its parent and whatever it needs
    #[arg(long, value_name = "NS/NAME")]
    account: Option<String>,

    /// Where to write; the folder is made, or must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Write also into a folder that is not empty; files of the same names are replaced
    #[arg(long)]
    force: bool,
}

/// Objects that one note names.
const NAMED: usize = 10;

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    check_folder(&args.output, args.force)?;
    let place = StoreLocation::from_argument(&args.store)?;
    let mut notes = Vec::new();
    let taken = take(&place, args.account.as_deref(), now, &mut notes).await?;
    let manifests = manifests(&taken, &place, &mut notes);
    manifests.write(&args.output)?;
    notes.extend(differences(&args, now).await?);
    for note in &notes {
        output::complain(format!("note: {note}"));
    }
    if let Some(postgres) = place.spec().postgres {
        let SecretKeyRef { name, key } = postgres.connection_secret_ref;
        eprintln!("The connection string is not written: the Secret {name} must hold it, as {key}.");
    }
    let members: usize = taken.iter().map(|one| one.observed.members.len()).sum();
    output::print(&format!(
        "Wrote {} with {} to {}.\n",
        counted(taken.len(), "account"),
        counted(members, "member"),
        args.output.display()
    ))?;
    Ok(if notes.is_empty() { super::OK } else { super::NO })
}

fn check_folder(folder: &Path, force: bool) -> anyhow::Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            let is_empty = entries.next().is_none();
            ensure!(is_empty || force, "{}: the folder is not empty; choose another, or say --force", folder.display());
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write into {}", folder.display())),
    }
}

/// What the store holds of the accounts asked for.
async fn take(
    place: &StoreLocation,
    asked: Option<&str>,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Taken>> {
    let store = place.open_if_there(&NoSecrets).await?;
    let store = store.with_context(|| format!("{place}: there is no store"))?;
    let keys = store.keys().await?;
    let mut wanted: BTreeSet<AccountKey> = keys.iter().cloned().collect();
    if let Some(asked) = asked {
        wanted.retain(|key| key.to_string() == asked);
        if wanted.is_empty() {
            let known: Vec<String> = keys.iter().take(10).map(ToString::to_string).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            bail!("{place}: there is no account {asked:?}; there are: {known}");
        }
    }
    let mut taken = Vec::new();
    while let Some(key) = wanted.pop_first() {
        if !is_name(&key.namespace) || !is_name(&key.name) {
            notes.push(format!("account {key:?}: no object can have this name; left out"));
            continue;
        }
        let observed = target::observe(Some(&store), &key, now).await?;
        let Some(content) = observed.account.as_ref().and_then(|seen| seen.content.as_ref()) else {
            notes.push(format!("account {key}: only its mark is left in the store; left out"));
            continue;
        };
        if let Some(parent) = &content.parent
            && asked.is_some()
            && keys.contains(parent)
            && !taken.iter().any(|one: &Taken| one.key == *parent)
        {
            wanted.insert(parent.clone());
        }
        taken.push(Taken { key, observed });
    }
    taken.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(taken)
}

fn manifests(taken: &[Taken], place: &StoreLocation, notes: &mut Vec<String>) -> Manifests {
    let mut out = Manifests::default();
    out.add("store.yaml", None, store_of(taken, place));
    let mut catalogs = Catalogs::of(taken, notes);
    let mut names = member::Names::of(taken);
    for one in taken {
        account::add(&mut out, one, taken, &mut catalogs, &mut names, notes);
    }
    catalogs.add(&mut out, notes);
    out
}

/// The store itself, and whom it blocks.
fn store_of(taken: &[Taken], place: &StoreLocation) -> Value {
    let members = taken.iter().flat_map(|one| &one.observed.members);
    let blocked =
        members.filter(|(_, seen)| seen.content.as_ref().is_some_and(|c| c.ended == Some(RevocationReason::Blocked)));
    let blocked: BTreeSet<&Email> = blocked.map(|(email, _)| email).collect();
    let place = place.spec();
    let mut spec = match (place.sqlite, place.postgres, place.keycloak) {
        (Some(sqlite), ..) => json!({"sqlite": sqlite}),
        (_, Some(postgres), _) => json!({"postgres": postgres}),
        (.., keycloak) => json!({"keycloak": keycloak}),
    };
    if !blocked.is_empty() {
        let list: Vec<Value> =
            blocked.iter().map(|email| json!({"email": email, "reason": "blocked when it was imported"})).collect();
        spec["blocked"] = list.into();
    }
    object("IdentityStore", &json!({"name": "default"}), &spec)
}

/// What the manifests would change in the store all the same: asked of the engine, not assumed.
async fn differences(args: &Args, now: Timestamp) -> anyhow::Result<Vec<String>> {
    let input = Input { files: vec![args.output.clone()], ..Input::default() };
    let target = Target { store: Some(args.store.clone()), ..Target::default() };
    let mut loaded = input.read().await?;
    let mut notes = Vec::new();
    if let Source::Files(files) = &loaded.source {
        notes.extend(files.diagnostics.iter().filter(|one| one.is_error()).map(ToString::to_string));
    }
    let changes = change::gather(&mut loaded, &target, Choices::default(), now).await?;
    let report = Report::new(&loaded, &changes, Compares::Store, Revisions::default(), now);
    for account in &report.accounts {
        notes.extend(account.unresolved.iter().map(|why| format!("account {}: {why}", account.account)));
        let steps = account.changes.iter().filter(|step| step.action != change::Action::Adopt);
        let steps = steps.map(|step| format!("{} {}", step.kind, step.name).trim().to_owned());
        let objects: BTreeSet<String> = steps.chain(account.holds.iter().map(|held| held.object.clone())).collect();
        if objects.is_empty() {
            continue;
        }
        let mut shown: Vec<String> = objects.iter().take(NAMED).cloned().collect();
        if objects.len() > NAMED {
            shown.push(format!("and {} more", objects.len() - NAMED));
        }
        let shown = shown.join(", ");
        notes.push(format!("account {}: not just as the store has it: {shown}", account.account));
    }
    Ok(notes)
}
