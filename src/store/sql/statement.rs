//! Statement with its parameters, as the shared code gives it to a session. Built by `run`; bound by the sessions of SQLite
//! and PostgreSQL.

use serde_json::Value;

/// Statement with its parameters.
#[derive(Debug)]
pub(in crate::store) struct Statement<'a> {
    pub(in crate::store) sql: &'static str,
    pub(in crate::store) parameters: Vec<Parameter<'a>>,
}

/// Parameter of a statement.
#[derive(Debug)]
pub(in crate::store) enum Parameter<'a> {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(&'a [u8]),
    Integers(&'a [i64]),
    Texts(&'a [String]),
    /// Rows of this many columns: JSON arrays, or single values if there is one column.
    Rows(&'a [Value], usize),
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    pub(super) fn with(mut self, parameter: Parameter<'a>) -> Self {
        self.parameters.push(parameter);
        self
    }

    pub(super) fn integer(self, value: impl Into<Option<i64>>) -> Self {
        self.with(Parameter::Integer(value.into()))
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.optional(Some(value))
    }

    pub(super) fn optional(self, value: Option<impl ToString>) -> Self {
        self.with(Parameter::Text(value.map(|value| value.to_string())))
    }

    pub(super) fn rows(self, rows: &'a [Value], columns: usize) -> Self {
        self.with(Parameter::Rows(rows, columns))
    }
}
