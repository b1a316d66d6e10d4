//! Implements `roster plan`: compares objects with stores, or two revisions of files. Called by `cli::run`.

use std::path::PathBuf;

use super::{
    change::{self, Choices, Report, Revisions, between},
    input::{Input, ensure_some},
    output::{self, Format, formats},
    target::Target,
};

/// Show what would change in the identity store, and what each person gains and loses
///
/// Compares the objects with the content of the store. The command writes nothing and does not create a store. With
/// --store, the files need no IdentityStore. With --from and --to, it compares two revisions of files without any
/// store, for example for a pull request. It then also shows limits that are loosened or tightened (also by labels of
/// Namespaces, and by RBAC objects that say who may administer accounts), and all other differences.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  roster plan -f examples/store.yaml -f examples/secondary-users/
  roster plan -f examples/secondary-users/ --store roster.db --detailed-exitcode
  roster plan --sqlite-dir /var/lib/roster          # the cluster that kubectl would ask
  roster plan --from examples/secondary-users --to examples/secondary-users -o markdown

Exit codes: 0 success, with or without changes; 2 error.
With --detailed-exitcode: 0 no changes; 2 changes, or changes that wait; 1 error.")]
pub struct Args {
    /// Compare this revision of files …
    #[arg(long, value_name = "PATH", requires = "to", conflicts_with_all = ["files", "paths", "context", "all_namespaces", "store"])]
    from: Vec<PathBuf>,

    /// … with this one, without any store
    #[arg(long, value_name = "PATH", requires = "from")]
    to: Vec<PathBuf>,

    /// Treat the held removals with this hash as approved
    #[arg(long, value_name = "HASH")]
    approve: Vec<String>,

    /// Also show what `apply --prune` removes: accounts that were applied from files before and are not in these files
    #[arg(long)]
    prune: bool,

    /// Exit with code 2 if there are changes, and with code 1 on an error
    #[arg(long)]
    detailed_exitcode: bool,

    /// Show long lists in full
    #[arg(long)]
    all: bool,

    /// Output format. `wide` shows long lists in full. `name` lists the accounts with changes; between revisions also
    /// the people who gain or lose access, and the objects that differ. JSON and YAML contain everything
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    #[command(flatten)]
    input: Input,

    #[command(flatten)]
    target: Target,
}

const FORMATS: &[Format] = &[Format::Text, Format::Wide, Format::Name, Format::Markdown, Format::Json, Format::Yaml];

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let detailed = args.detailed_exitcode;
    match plan(args).await {
        Ok(changes) if detailed && changes => Ok(super::FAILED),
        Ok(_) => Ok(super::OK),
        // Like terraform: exit code 2 means that there are changes.
        Err(error) if detailed => {
            output::complain(format!("error: {}", super::one_line(&error)));
            Ok(super::NO)
        }
        Err(error) => Err(error),
    }
}

/// Prints the plan; returns whether there are changes or held changes.
async fn plan(args: Args) -> anyhow::Result<bool> {
    let now = super::now()?;
    let choices = Choices { approved: &args.approve, prune: args.prune, only_drift: false };
    let mut not_compared = 0;
    let report = if args.from.is_empty() {
        let mut loaded = args.input.of_controller(&args.target.store_namespace).read_valid().await?;
        ensure_some(&loaded, loaded.accounts.is_empty(), "Account")?;
        let changes = change::gather(&mut loaded, &args.target, choices, now).await?;
        changes.complain_of_missing_stores();
        not_compared = changes.without_store.len();
        Report::new(&loaded, &changes, change::Compares::Store, Revisions::default(), now)
    } else {
        let side =
            |files: &[PathBuf], may_be_empty| Input { files: files.to_vec(), may_be_empty, ..args.input.clone() };
        // Before the first revision there were no objects.
        let mut from = side(&args.from, true).read_valid().await?;
        let mut to = side(&args.to, false).read_valid().await?;
        let (changes, revisions) = between(&mut from, &mut to, choices, now);
        Report::new(&to, &changes, change::Compares::Revisions, revisions, now)
    };
    match args.output {
        Format::Json | Format::Yaml => output::print_data(args.output, &report)?,
        Format::Name => output::print_names(report.names())?,
        Format::Markdown => output::print(&report.markdown(args.all))?,
        format => output::print(&report.text(args.all || format == Format::Wide))?,
    }
    anyhow::ensure!(not_compared == 0, "{} not compared", output::counted(not_compared, "account"));
    Ok(report.changes || report.waits)
}
