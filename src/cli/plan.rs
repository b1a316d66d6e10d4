//! `roster plan`.

use std::path::PathBuf;

use super::{
    change::{self, Choices, Report, Revisions, between},
    input::Input,
    output::{self, Format, formats},
    target::Target,
};

/// Show what would change in the identity store, and what each person gains and loses
///
/// Compares what the objects say with what the store holds, and writes nothing, nor does it make a store that is not
/// there. With --store, files need no IdentityStore. With --from and --to it compares two revisions of files with each
/// other, without any store, for a pull request: also limits that are loosened or tightened, and whatever else differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  roster plan -f examples/store.yaml -f examples/secondary-users/
  roster plan -f examples/secondary-users/ --store roster.db --detailed-exitcode
  roster plan --sqlite-dir /var/lib/roster          # the cluster that kubectl would ask
  roster plan --from examples/secondary-users --to examples/secondary-users -o markdown

Exit codes: 0 done, whether anything would change or not; 2 could not be done.
With --detailed-exitcode: 0 no changes; 2 changes, or some that wait; 1 could not be done.")]
pub struct Args {
    /// Compare this revision of files …
    #[arg(long, value_name = "PATH", requires = "to", conflicts_with_all = ["files", "paths", "context", "all_namespaces", "store"])]
    from: Vec<PathBuf>,

    /// … with this one, without any store
    #[arg(long, value_name = "PATH", requires = "from")]
    to: Vec<PathBuf>,

    /// Count removals of this hash, which the removal guard has told, as approved
    #[arg(long, value_name = "HASH")]
    approve: Vec<String>,

    /// Show also what `apply --prune` removes: accounts applied from files before that are not in these
    #[arg(long)]
    prune: bool,

    /// Exit code 2 where something would change, and 1 where it could not be found out
    #[arg(long)]
    detailed_exitcode: bool,

    /// Show long lists whole
    #[arg(long)]
    all: bool,

    /// How it is printed; wide has long lists whole, name only the accounts in which something changes or waits (and, between
    /// revisions, the people who gain or lose something and the objects that differ), and JSON and YAML have everything
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
        // As terraform's: 2 says that there are changes.
        Err(error) if detailed => {
            output::complain(format!("error: {}", super::one_line(&error)));
            Ok(super::NO)
        }
        Err(error) => Err(error),
    }
}

/// Whether anything would change, or waits to.
async fn plan(args: Args) -> anyhow::Result<bool> {
    let now = super::now()?;
    let choices = Choices { approved: &args.approve, prune: args.prune, only_drift: false };
    let report = if args.from.is_empty() {
        let mut loaded = args.input.of_controller(&args.target.store_namespace).read_valid().await?;
        let changes = change::gather(&mut loaded, &args.target, choices, now).await?;
        Report::new(&loaded, &changes, change::Compares::Store, Revisions::default(), now)
    } else {
        let side =
            |files: &[PathBuf], may_be_empty| Input { files: files.to_vec(), may_be_empty, ..args.input.clone() };
        // Before the first revision there was nothing.
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
    Ok(report.changes || report.waits)
}
