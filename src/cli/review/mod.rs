//! Implements `roster review`: a report for access reviews, account by account. Called by `cli::run`.

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

pub use self::changes::records as audit_records;
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

/// Create a report for a periodic access review
///
/// For each account, the report contains: the people with the strongest roles, overrides of predefined roles, lifted
/// restrictions, memberships that expire soon or have expired, suspended people and since when, advice that is not
/// followed, and invalid objects. If the store can be read, it also contains undeclared members and drift. Changes
/// since a date come from the store's audit (--since); changes since another revision of the files come from --from.
/// Accounts that only a store has come last. The report names every account whose store could not be read. Exit code: 1
/// if an existing store cannot be read, or if changes are requested and there is no store.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster review -f examples\n  roster review -f examples --account tidewater -o markdown\n  roster \
                  review -f examples -o csv\n  roster review -f examples -o html > review.html\n  roster review -A --since 90d -o markdown > review.md"
)]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// Review only this account
    #[arg(long, value_name = "[NS/]NAME")]
    account: Option<String>,

    #[command(flatten)]
    target: Target,

    /// Show access gained or lost since then, from the store's audit: a date, an RFC 3339 time, or a duration ago
    #[arg(long, value_name = "WHEN", value_parser = when, conflicts_with = "from")]
    since: Option<When>,

    /// Show access gained or lost since this revision of the files
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,

    /// List memberships that end within this time
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = duration)]
    within: SignedDuration,

    /// Output format. CSV has one line for each person in each account
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
    let named = match &args.account {
        Some(text) if loaded.account(text).await.is_err() => {
            args.target.orphaned_account(&loaded, text, &Scope::Account, now).await?
        }
        _ => None,
    };
    let keys: Vec<AccountKey> = match &args.account {
        Some(_) if named.is_some() => Vec::new(),
        Some(text) => vec![loaded.account(text).await?],
        None => loaded.accounts.clone(),
    };
    let since = args.since.map(|since| since.instant(now));
    let setting =
        Setting { loaded: &loaded, earlier: earlier.as_ref(), target: &args.target, since, within: args.within, now };
    let mut accounts = Vec::new();
    let mut stores = stored::Stores::default();
    for key in &keys {
        accounts.extend(account::review(&setting, &mut stores, key).await);
    }
    accounts.extend(named.iter().map(|one| stored::orphaned_account(one, now)));
    let mut unlooked = Vec::new();
    if args.account.is_none() {
        // A named store that cannot be read is reported with each account.
        let found = args.target.orphaned_accounts(&loaded, &Scope::Account, now).await;
        let (found, unread) = if keys.is_empty() { found? } else { found.unwrap_or_default() };
        accounts.extend(found.iter().map(|one| stored::orphaned_account(one, now)));
        let used: BTreeSet<StoreLocation> =
            keys.iter().filter_map(|key| args.target.place(&loaded, key).ok()).collect();
        let unused = unread.into_iter().filter(|(place, _)| !used.contains(place));
        let account = |place: StoreLocation| format!("accounts that only {place} has");
        unlooked.extend(unused.map(|(place, message)| Unread { account: account(place), message }));
    }
    anyhow::ensure!(!accounts.is_empty(), "there is no Account to review");
    let unread: Vec<Unread> = accounts.iter().filter_map(report::AccountReview::unread).chain(unlooked).collect();
    // Without a database the review only notes that there is none, unless the arguments need one.
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

/// Returns the scope of the review as text.
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
