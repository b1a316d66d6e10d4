//! `roster matrix`.

mod build;
mod grid;
mod html;
mod rows;
mod text;

use self::rows::Rows;
use super::{
    ask::{Lookup, Subject, note_out_of_sync, reach},
    input::Input,
    output::{Format, formats, print, print_data},
};
use crate::{manifests::LoadedObjects, model::Name};

/// Draw roles, groups or people against sections
///
/// A cell is the level; – is no access, n/a a section that cannot be configured for the role. Marks say where an account
/// changed the catalog's default (*), where a restriction takes something from a person (!), and where a prerequisite
/// does (↓); of a role or group ↓ says that it needs help from another one. CSV has the plain levels, without marks, and
/// JSON everything. HTML is one page without scripts or anything from elsewhere, and prints well on A4 landscape.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster matrix --account field-operations/meridian -f examples/\n  \
                  roster matrix --account service-provider/northline --rows groups -f examples/\n  \
                  roster matrix --account tidewater --rows people -o html -f examples/ > access.html\n  \
                  roster matrix --catalog partner-accounts -o markdown -f examples/")]
pub struct Args {
    /// What is in force in this account
    #[arg(long, value_name = "NS/NAME", required_unless_present = "catalog", conflicts_with = "catalog")]
    account: Option<String>,

    /// What this catalog says by default
    #[arg(long, value_name = "NAME")]
    catalog: Option<String>,

    /// What is drawn against the sections
    #[arg(long, value_name = "WHAT", default_value = "roles")]
    rows: Rows,

    /// How it is printed
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
    let loaded = input.read_valid().await?;
    let matrix = match (&args.account, &args.catalog) {
        (Some(account), _) => {
            let subject = Subject::new(&loaded, loaded.account(account).await?, &args.lookup, now).await?;
            note_out_of_sync(&loaded, &[&subject], None).await;
            build::of_account(&subject, args.rows, now)?
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
    anyhow::ensure!(rows == Rows::Roles, "a catalog has roles only; groups and people belong to an --account");
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
