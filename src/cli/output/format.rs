//! Formats of output.

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

/// How something is printed. Each command takes some of these, and a word means the same in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    #[value(alias = "table")]
    Text,
    /// As text, with more columns.
    Wide,
    /// Names only, one a line.
    Name,
    /// A stable type, `cli.roster.dev/v1`.
    Json,
    /// The same, as YAML.
    Yaml,
    /// For a comment, or a document.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// One page that needs nothing else.
    Html,
    /// Annotations of a workflow run.
    Github,
    /// JSON, one record a line.
    Jsonl,
}

/// For clap: the formats of a command.
pub fn formats(some: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let names: Vec<_> = some.iter().filter_map(ValueEnum::to_possible_value).collect();
    PossibleValuesParser::new(names).try_map(|name| Format::from_str(&name, false))
}
