//! `roster validate`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    NO, OK,
    input::{self, Diagnostic, Input, Severity, Source},
    output::{self, BAD, BOLD, DIM, GOOD, WARN, counted, paint},
};

/// Check manifests as the API server and the engine would, without either
///
/// Everything the API server would refuse (schema, rules, unknown fields), everything the conditions would say (references,
/// sections and levels, prerequisites, rules of the catalog), and advice; each with file, line and field. Without -f the
/// objects of a cluster are judged. Nothing is written. Exit code 0 when nothing is wrong, 1 when something is, 2 when the
/// input cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster validate -f examples/store.yaml -f examples/field-operations\n  \
                  roster validate -f access/ --strict -o github\n  \
                  kustomize build access/ | roster validate -f -\n  roster validate -n acme")]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// How the answer is written
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    /// Advice counts, too
    #[arg(long)]
    strict: bool,
}

/// Messages stand below the word that says how bad it is.
const INDENT: &str = "           ";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// Annotations of a pull request on GitHub
    Github,
}

/// The answer as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// `cli.roster.dev/v1`
    api_version: &'static str,
    /// `Validation`
    kind: &'static str,
    /// Whether nothing is wrong.
    valid: bool,
    /// Number of files read.
    files: usize,
    /// Number of objects of ours.
    objects: usize,
    /// What is to be said, in the order of the files.
    findings: Vec<Found>,
}

/// One thing that is to be said.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// How bad it is.
    severity: Severity,
    /// The file; empty for an object of a cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    file: String,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// The object, as `Membership acme/dana`.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    /// The field, as `spec.user.email`.
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
    /// One word.
    reason: String,
    /// What is wrong and what would be right.
    message: String,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let estate = args.input.read().await?;
    let mut diagnostics = input::judge(&estate);
    let (files, objects) = match &estate.source {
        Source::Files(files) => (files.count, files.documents.len()),
        Source::Cluster(_) => (0, estate.objects.count()),
    };
    let wrong = diagnostics.iter().any(|one| one.is_error() || (args.strict && one.severity == Severity::Advice));
    match args.output {
        Format::Text => output::print(&text(&diagnostics, files, objects))?,
        Format::Github => output::print(&github(&diagnostics))?,
        Format::Json => output::print_json(&Answer {
            api_version: output::API_VERSION,
            kind: "Validation",
            valid: !wrong,
            files,
            objects,
            findings: diagnostics.drain(..).map(found).collect(),
        })?,
    }
    Ok(if wrong { NO } else { OK })
}

fn found(one: Diagnostic) -> Found {
    Found {
        severity: one.severity,
        file: one.file.display().to_string(),
        line: (one.line > 0).then_some(one.line),
        column: (one.column > 0).then_some(one.column),
        object: one.object.map(|object| object.to_string()),
        field: one.field,
        reason: one.reason,
        message: one.message,
    }
}

/// By file, and within it from top to bottom.
fn text(diagnostics: &[Diagnostic], files: usize, objects: usize) -> String {
    let mut text = String::new();
    let mut by_file: BTreeMap<&Path, Vec<&Diagnostic>> = BTreeMap::new();
    for one in diagnostics {
        by_file.entry(&one.file).or_default().push(one);
    }
    for (file, found) in by_file {
        let skipped = found.iter().filter(|one| one.reason == input::SKIPPED).count();
        let shown: Vec<&&Diagnostic> =
            found.iter().filter(|one| skipped == 0 || one.reason != input::SKIPPED).collect();
        if shown.is_empty() {
            continue;
        }
        if !file.as_os_str().is_empty() {
            let _ = writeln!(text, "{}", paint(BOLD, file.display()));
        }
        for one in shown {
            let (style, word) = match one.severity {
                Severity::Error => (BAD, "error"),
                Severity::Advice => (WARN, "advice"),
                Severity::Note => (DIM, "note"),
            };
            let place = if one.line > 0 { format!("{}:{}", one.line, one.column) } else { String::new() };
            let object = one.object.as_ref().map(ToString::to_string).unwrap_or_default();
            let head = format!("{:<8} {} {}", place, paint(style, format!("{word:<6}")), paint(BOLD, &one.reason));
            let _ = writeln!(text, "  {}", format!("{head}  {object}").trim_end());
            let message =
                if one.field.is_empty() { one.message.clone() } else { format!("{}: {}", one.field, one.message) };
            text += &output::wrap(INDENT, INDENT.len(), &output::tame(&message));
        }
        text.push('\n');
    }
    text + &summary(diagnostics, files, objects)
}

fn summary(diagnostics: &[Diagnostic], files: usize, objects: usize) -> String {
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let (errors, advice) = (count(Severity::Error), count(Severity::Advice));
    let skipped = diagnostics.iter().filter(|one| one.reason == input::SKIPPED).count();
    let within = if files > 0 { format!(" in {}", counted(files, "file")) } else { String::new() };
    let verdict = match errors {
        0 => paint(GOOD, "valid"),
        _ => paint(BAD, counted(errors, "error")),
    };
    let advised = if advice > 0 { format!(", {}", paint(WARN, format!("{advice} advised"))) } else { String::new() };
    let skipped = match skipped {
        0 => String::new(),
        1 => ", 1 document skipped that is not ours".to_owned(),
        more => format!(", {more} documents skipped that are not ours"),
    };
    format!("{}{within}: {verdict}{advised}{skipped}\n", counted(objects, "object"))
}

/// Workflow commands; what would end one early is written as GitHub wants it.
fn github(diagnostics: &[Diagnostic]) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let lines = diagnostics.iter().filter(|one| one.reason != input::SKIPPED).map(|one| {
        let command = match one.severity {
            Severity::Error => "error",
            Severity::Advice => "warning",
            Severity::Note => "notice",
        };
        let object = one.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        let field = if one.field.is_empty() { String::new() } else { format!("{}: ", one.field) };
        let place = format!(
            "file={},line={},col={}",
            property(&one.file.display().to_string()),
            one.line.max(1),
            one.column.max(1)
        );
        let title = property(&one.reason);
        format!("::{command} {place},title={title}::{}\n", escape(&format!("{object}{field}{}", one.message)))
    });
    lines.collect()
}
