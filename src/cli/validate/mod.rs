//! Implements `roster validate`: checks files, or the objects of a cluster. Called by `cli::run`.

mod in_schema;
mod judge;
mod print;

use serde::Serialize;

use super::{
    input::{Input, ensure_some},
    output::{API_VERSION, Format, formats, print, print_data, print_names},
};
use crate::manifests::{Diagnostic, DiagnosticReason, ObjectId, Severity, Source};

/// Check objects by the rules of the API server and the controller; neither has to run
///
/// Reads manifests and reports everything that the API server would refuse (schema, rules, names) and every finding
/// that Roster would write into status (references, prerequisites, duplicates, advice), each with its position in the
/// file and a correction. Documents of other kinds are skipped with a note. Without files, checks the objects of the
/// cluster. Changes that are refused only because of the former revision, such as a new `storeRef` or a new owner, are
/// not visible in one revision: `roster plan` reports them. Exit code: 0 all valid; 1 something is invalid; 2 error,
/// also if the cluster has no objects here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster validate examples/field-operations examples/store.yaml\n  \
                        kustomize build overlays/production | roster validate -f -\n  \
                        roster validate -f examples --strict -o github\n  \
                        roster validate -n support --context kind-dev")]
pub struct Args {
    /// Output format; `name` lists the objects that are not valid
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    /// Treat advice as an error
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    input: Input,
}

const FORMATS: &[Format] = &[Format::Text, Format::Name, Format::Json, Format::Yaml, Format::Github];

/// Findings, as printed with `-o json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// `cli.roster.dev/v1`.
    pub api_version: &'static str,
    /// `Validation`.
    pub kind: &'static str,
    /// Whether there are no errors; with `--strict`, also no advice.
    pub valid: bool,
    /// Number of objects checked, including Namespaces.
    pub objects: usize,
    /// Files read; 0 for a cluster.
    pub files: usize,
    /// Number of errors.
    pub errors: usize,
    /// Number of advice findings.
    pub advice: usize,
    /// Number of notes.
    pub notes: usize,
    /// Findings, in the order of the files.
    pub findings: Vec<Found>,
}

/// Finding.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Severity.
    pub severity: Severity,
    /// The file; absent for a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1; absent where the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The object, where it got as far as being one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// The field, as `spec.user.email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// One word: a reason of `Valid=False`, `Advice`, or what the API server would refuse.
    #[schemars(with = "String")]
    pub reason: DiagnosticReason,
    /// Fault and correction.
    pub message: String,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let mut loaded = args.input.read().await?;
    let (mut judged, in_schema) = judge::judge(&loaded, super::now()?);
    let objects = judge::count(&loaded);
    ensure_some(&loaded, judge::is_empty(&loaded), "objects of Roster")?;
    let mut files = 0;
    if let Source::Files(read) = &mut loaded.source {
        let mut diagnostics = std::mem::take(&mut read.diagnostics);
        in_schema::leave_out(&in_schema, read, &mut diagnostics);
        judged.append(&mut diagnostics);
        files = read.count;
    }
    judged.sort_by(|one, other| {
        let place = |one: &Diagnostic| (one.severity == Severity::Note, one.file.clone(), one.line, one.column);
        place(one).cmp(&place(other)).then_with(|| one.severity.cmp(&other.severity))
    });
    let count = |severity| judged.iter().filter(|one| one.severity == severity).count();
    let (errors, advice, notes) = (count(Severity::Error), count(Severity::Advice), count(Severity::Note));
    let valid = errors == 0 && (advice == 0 || !args.strict);
    let sum = print::Sum { objects, files, errors, advice, notes, strict: args.strict };
    match args.output {
        Format::Json | Format::Yaml => {
            let findings = judged.into_iter().map(Found::from).collect();
            let (api_version, kind) = (API_VERSION, "Validation");
            let judged = Validation { api_version, kind, valid, objects, files, errors, advice, notes, findings };
            print_data(args.output, &judged)?;
        }
        Format::Name => print_names(names(&judged, args.strict).iter().map(String::as_str))?,
        Format::Github => print(&print::github(&judged, &sum))?,
        _ => print(&print::text(&judged, &sum))?,
    }
    // Nothing is read again; dropping very many objects would only take time.
    std::mem::forget(loaded);
    Ok(if valid { super::OK } else { super::NO })
}

/// Returns the objects that are not valid; for a document that is not an object, its file.
fn names(judged: &[Diagnostic], strict: bool) -> Vec<String> {
    let is_wrong = |one: &&Diagnostic| one.is_error() || (strict && one.severity == Severity::Advice);
    let name =
        |one: &Diagnostic| one.object.as_ref().map_or_else(|| one.file.display().to_string(), ToString::to_string);
    judged.iter().filter(is_wrong).map(name).collect()
}

impl From<Diagnostic> for Found {
    fn from(one: Diagnostic) -> Self {
        let number = |number: usize| (number > 0).then_some(number);
        let file = one.file.display().to_string();
        Self {
            severity: one.severity,
            file: Some(file).filter(|file| !file.is_empty()),
            line: number(one.line),
            column: number(one.column),
            object: one.object,
            field: Some(one.field).filter(|field| !field.is_empty()),
            reason: one.reason,
            message: one.message,
        }
    }
}
