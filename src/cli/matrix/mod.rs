//! Implements `roster matrix`: shows roles, groups or people by section. Called by `cli::run`.

mod build;
mod grid;
mod html;
mod orphaned;
mod rows;
mod text;

use self::rows::Rows;
use super::{
    ask::{Lookup, Subject, note_out_of_sync, reach},
    input::Input,
    output::{Format, formats, print, print_data},
};
use crate::{
    manifests::LoadedObjects,
    model::{Name, Scope},
};

/// Show a table of roles, groups or people by section
///
/// A cell contains the level; – is no access, and n/a is a section that cannot be configured for the role. Marks: * the
/// account changed the catalog's default; ! a restriction limits the person; ↓ a prerequisite is not met (for a role or
/// group: another role or group must grant it). With a store, the people of an account that only the store has can be
/// shown, too. CSV contains the plain levels without marks, and JSON contains everything. HTML is one page without
/// scripts and external resources, and prints on A4 landscape.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster matrix --account field-operations/meridian -f examples/\n  \
                  roster matrix --account service-provider/northline --rows groups -f examples/\n  \
                  roster matrix --account tidewater --rows people -o html -f examples/ > access.html\n  \
                  roster matrix --catalog partner-accounts -o markdown -f examples/")]
pub struct Args {
    /// Show the effective levels in this account
    #[arg(long, value_name = "NS/NAME", required_unless_present = "catalog", conflicts_with = "catalog")]
    account: Option<String>,

    /// Show the defaults of this catalog
    #[arg(long, value_name = "NAME")]
    catalog: Option<String>,

    /// Rows of the table
    #[arg(long, value_name = "WHAT", default_value = "roles")]
    rows: Rows,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    #[command(flatten)]
    lookup: Lookup,

    #[command(flatten)]
    input: Input,
}

const FORMATS: &[Format] = &[Format::Text, Format::Markdown, Format::Csv, Format::Html, Format::Json, Format::Yaml];

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let mut input = args.input.clone();
    reach(&mut input, args.account.as_deref(), &args.lookup);
    let loaded = if args.lookup.is_one_store() { input.read_if_there().await? } else { input.read_valid().await? };
    anyhow::ensure!(
        args.rows == Rows::People || !args.lookup.is_given(),
        "--store and --sqlite-dir: only people are answered from a store; pass --rows people"
    );
    let matrix = match (&args.account, &args.catalog) {
        (Some(account), _) => {
            if let Some(found) = args.lookup.orphaned_account(&loaded, account, &Scope::Account, now).await? {
                orphaned::of_orphaned_account(&found, now)
            } else {
                let subject = Subject::new(&loaded, loaded.account(account).await?, &args.lookup, now).await?;
                note_out_of_sync(&loaded, &[&subject], None).await;
                build::of_account(&subject, args.rows, now)?
            }
        }
        (None, name) => of_catalog(&loaded, name.as_deref().unwrap_or_default(), args.rows)?,
    };
    match args.output {
        Format::Json | Format::Yaml => print_data(args.output, &matrix)?,
        Format::Csv => print(&text::plain(&matrix).csv())?,
        Format::Markdown => print(&text::markdown(&matrix))?,
        Format::Html => print(&html::page(&matrix, now)?)?,
        _ => print(&text::text(&matrix))?,
    }
    Ok(super::OK)
}

fn of_catalog(loaded: &LoadedObjects, name: &str, rows: Rows) -> anyhow::Result<grid::AccessMatrix> {
    anyhow::ensure!(rows == Rows::Roles, "a catalog has only roles; for groups and people, pass --account");
    let Some(facts) = loaded.objects.catalogs.get(name).map(|catalog| &catalog.facts) else {
        let names = || loaded.objects.catalogs.keys().map(Name::as_str);
        let tip = crate::model::suggest::suggestion(name, names());
        let known = names().collect::<Vec<_>>().join(", ");
        anyhow::bail!("there is no PermissionCatalog {name:?}{tip} There are: {known}");
    };
    match &facts.compiled {
        Ok(catalog) => Ok(build::of_catalog(facts, catalog)),
        Err(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            anyhow::bail!("PermissionCatalog {name:?} breaks its own rules: {first}")
        }
    }
}
