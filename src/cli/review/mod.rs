//! `roster review`: what a periodic access review asks for, account by account, fit to be filed as evidence.

mod account;
mod changes;
mod held;
mod html;
mod report;
mod setting;
mod show;
mod stored;
mod strength;

use std::{collections::BTreeSet, path::PathBuf};

use jiff::SignedDuration;

use self::{
    report::{API_KIND, Review, Since, Unread},
    setting::Setting,
};
use super::{
    ask::reach_namespace,
    input::Input,
    output::{API_VERSION, Format, formats, print, print_data},
    period::{When, duration, when},
    target::Target,
};
use crate::{
    manifests::{LoadedObjects, Source},
    model::{AccountKey, Scope},
    store::StoreLocation,
};

/// Report what a periodic access review asks for
///
/// By account: who holds the strongest roles, overrides of predefined roles, lifted restrictions, memberships that expire or
/// have expired, who is suspended and since when, advice that is not followed, invalid objects, and, where the store can be
/// read, members nobody declared and drift. What changed since a date comes from the store's audit; since another revision
/// of the files, from --from. Accounts that only a store knows come last. An account whose store could not be read is
/// named, never passed over. Exit code 1 when a store that is there cannot be read, or changes were asked for and there is
/// no store.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster review -f examples\n  roster review -f examples --account tidewater -o markdown\n  roster \
                  review -f examples -o csv\n  roster review -f examples -o html > review.html\n  roster review -A --since 90d -o markdown > review.md"
)]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// This account only
    #[arg(long, value_name = "[NS/]NAME")]
    account: Option<String>,

    #[command(flatten)]
    target: Target,

    /// Who gained or lost what since, from the store's audit: a date, an RFC 3339 time, or how long ago
    #[arg(long, value_name = "WHEN", value_parser = when, conflicts_with = "from")]
    since: Option<When>,

    /// Who gained or lost what since this revision of the files
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,

    /// Memberships that end within this time are told
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = duration)]
    within: SignedDuration,

    /// How it is printed; CSV has a line for each person in each account
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,
}

const FORMATS: &[Format] = &[Format::Text, Format::Markdown, Format::Csv, Format::Html, Format::Json, Format::Yaml];

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let mut input = args.input.clone();
    reach_namespace(&mut input, args.account.as_deref(), &args.target.store_namespace);
    let loaded = input.read_valid().await?;
    let earlier = match &args.from {
        Some(path) => {
            let input = Input {
                files: vec![path.clone()],
                may_be_empty: true,
                namespace: args.input.namespace.clone(),
                ..Input::default()
            };
            Some(input.read_valid().await?)
        }
        None => None,
    };
    let keys: Vec<AccountKey> = match &args.account {
        Some(text) => vec![loaded.account(text).await?],
        None => loaded.accounts.clone(),
    };
    anyhow::ensure!(!keys.is_empty(), "there is no Account to review");
    let since = args.since.map(|since| since.instant(now));
    let setting =
        Setting { loaded: &loaded, earlier: earlier.as_ref(), target: &args.target, since, within: args.within, now };
    let mut accounts = Vec::new();
    let mut stores = stored::Stores::default();
    for key in &keys {
        accounts.extend(account::review(&setting, &mut stores, key).await);
    }
    let mut unlooked = Vec::new();
    if args.account.is_none() {
        // A named store that cannot be read is told with each account.
        let found = args.target.orphaned_accounts(&loaded, &Scope::Account, now).await;
        let (found, unread) = found.unwrap_or_default();
        accounts.extend(found.iter().map(|one| stored::orphaned_account(one, now)));
        let used: BTreeSet<StoreLocation> =
            keys.iter().filter_map(|key| args.target.place(&loaded, key).ok()).collect();
        let unused = unread.into_iter().filter(|(place, _)| !used.contains(place));
        let account = |place: StoreLocation| format!("accounts that only {place} knows");
        unlooked.extend(unused.map(|(place, message)| Unread { account: account(place), message }));
    }
    let unread: Vec<Unread> = accounts.iter().filter_map(report::AccountReview::unread).chain(unlooked).collect();
    // Without a database there is nothing to read, which is said; unless something was asked that only it knows.
    let failed = accounts.iter().any(|one| one.store.failed || (since.is_some() && one.store.unread.is_some()));
    let code = if failed { super::NO } else { super::OK };
    let review = Review {
        api_version: API_VERSION,
        kind: API_KIND,
        at: now,
        scope: scope(&args, &loaded),
        since: match (since, &args.from) {
            (Some(at), _) => Some(Since::Date(at)),
            (None, Some(path)) => Some(Since::Files(path.display().to_string())),
            (None, None) => None,
        },
        within_days: args.within.as_secs() / 86_400,
        unread,
        accounts,
    };
    match args.output {
        Format::Json | Format::Yaml => print_data(args.output, &review)?,
        Format::Csv => print(&show::csv(&review))?,
        Format::Markdown => print(&show::markdown(&review))?,
        Format::Html => print(&html::page(&review)?)?,
        _ => print(&show::text(&review))?,
    }
    Ok(code)
}

/// What was looked at, for whoever reads the report later.
fn scope(args: &Args, loaded: &LoadedObjects) -> String {
    let whence = match &loaded.source {
        Source::Files(_) => {
            let paths: Vec<String> = args.input.all_files().iter().map(|path| path.display().to_string()).collect();
            format!("files {}", paths.join(", "))
        }
        Source::Cluster(cluster) => match &cluster.namespace {
            Some(namespace) => format!("cluster {}, namespace {namespace}", cluster.id),
            None => format!("cluster {}, all namespaces", cluster.id),
        },
    };
    match &args.account {
        Some(account) => format!("account {account} of {whence}"),
        None => whence,
    }
}
