//! Formats of output. Used by all commands with `-o`.

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

/// Format of output. Each command supports some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    #[value(alias = "table")]
    Text,
    /// Like `text`, with more columns.
    Wide,
    /// Names only, one per line.
    Name,
    /// A stable type, `cli.roster.dev/v1`.
    Json,
    /// Like `json`, as YAML.
    Yaml,
    /// For a comment or a document.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// One page without external resources.
    Html,
    /// Annotations of a GitHub workflow run.
    Github,
    /// JSON, one record per line.
    Jsonl,
}

/// Returns a parser for the formats of a command.
pub fn formats(some: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let names: Vec<_> = some.iter().filter_map(ValueEnum::to_possible_value).collect();
    PossibleValuesParser::new(names).try_map(|name| Format::from_str(&name, false))
}
