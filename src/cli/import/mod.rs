//! Implements `roster import`: writes the content of a store as manifests, and verifies them by a plan. Called by
//! `cli::run`.

mod account;
mod catalog;
mod member;
mod stored_account;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use self::write::is_ambiguous;
use self::{
    catalog::Catalogs,
    stored_account::{StoredAccount, is_name, levels_before_end, metadata, object},
    write::Manifests,
};
use super::{
    change::{self, Choices, Compares, Report, Revisions},
    input::Input,
    output::{self, counted},
    review::audit_records,
    target::{self, Target},
};
use crate::{
    api::SecretKeyRef,
    manifests::Source,
    model::{AccountKey, Email},
    resolve::RevocationReason,
    store::{NoSecrets, StoreLocation},
};

/// Write the content of an identity store as manifests
///
/// Writes accounts, catalogs, roles, groups and members, and never a secret. A plan of the manifests against the same
/// store has no changes. A store does not keep titles of sections, prerequisites and names of restrictions, so the
/// manifests lack them. If a member's access differs from what the role and the groups grant, the manifests have a
/// restriction or a separate group for it, with a comment. Of people whose access has ended (suspended, blocked), a store
/// keeps only the role and the groups. The audit says what they had before; where it does not, a restriction leaves them
/// no access until somebody removes it. The store is not changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  roster import --store roster.db --output portal/
  roster import --store roster.db --account secondary-users/tidewater --output tidewater/
  roster plan -f portal/ --store roster.db          # no changes

Exit codes: 0 success, and a plan has no changes; 1 success, but something could not be represented; 2 error.")]
pub struct Args {
    /// The store: an SQLite file, `postgres://USER@HOST/DATABASE` (add `#SCHEMA` if the schema is not `roster`; the
    /// password is in the URL, PGPASSWORD or PGPASSFILE), or `keycloak+https://CLIENT@HOST/realms/REALM` (the client's
    /// secret is in `ROSTER_KEYCLOAK_CLIENT_SECRET`)
    #[arg(long, value_name = "FILE|URL")]
    store: PathBuf,

    /// Import only this account, its parent and the objects that it needs
    #[arg(long, value_name = "NS/NAME")]
    account: Option<String>,

    /// Folder to write into; it must be empty and is created if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Write into a folder that is not empty, and replace files of the same names
    #[arg(long)]
    force: bool,
}

/// Maximum number of objects named in one note.
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
        eprintln!("The connection string is not written: put it into the Secret {name}, key {key}.");
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
            ensure!(
                is_empty || force,
                "{}: the folder is not empty; choose another, or pass `--force`",
                folder.display()
            );
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write into {}", folder.display())),
    }
}

/// Returns the content of the requested accounts.
async fn take(
    place: &StoreLocation,
    asked: Option<&str>,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<StoredAccount>> {
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
            notes.push(format!("account {key:?}: no object can have this name; omitted"));
            continue;
        }
        let observed = target::observe(Some(&store), &key, now).await?;
        let Some(content) = observed.account.as_ref().and_then(|existing| existing.content.as_ref()) else {
            notes.push(format!("account {key}: only its mark is left in the store; omitted"));
            continue;
        };
        if let Some(parent) = &content.parent
            && asked.is_some()
            && keys.contains(parent)
            && !taken.iter().any(|one: &StoredAccount| one.key == *parent)
        {
            wanted.insert(parent.clone());
        }
        let mut members = observed.members.values().filter_map(|existing| existing.content.as_ref());
        let has_ended = members.any(|content| content.ended.is_some());
        let before_end = if has_ended && store.capabilities().audit {
            levels_before_end(&audit_records(&*store, &key, None).await?)
        } else {
            BTreeMap::new()
        };
        taken.push(StoredAccount { key, observed, before_end });
    }
    taken.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(taken)
}

fn manifests(taken: &[StoredAccount], place: &StoreLocation, notes: &mut Vec<String>) -> Manifests {
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

/// Returns the IdentityStore with its blocked addresses.
fn store_of(taken: &[StoredAccount], place: &StoreLocation) -> Value {
    let members = taken.iter().flat_map(|one| &one.observed.members);
    let blocked = members
        .filter(|(_, existing)| existing.content.as_ref().is_some_and(|c| c.ended == Some(RevocationReason::Blocked)));
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

/// Returns the differences between manifests and store, as a plan finds them.
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
        notes.push(format!("account {}: differs from the store: {shown}", account.account));
    }
    Ok(notes)
}
