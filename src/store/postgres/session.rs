//! Runs the statements, and reads PostgreSQL's rows. Called by the shared code in `store::sql`.

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::{
    PgConnection, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    error::{classify, is_refused},
    statements::DIALECT,
};
use crate::store::{
    StoreError,
    sql::{Cells, Dialect, Parameter, Session, Statement, Take},
};

/// Connection inside a transaction.
pub(super) struct PostgresSession<'a>(pub(super) &'a mut PgConnection);

type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// Binds the parameters. Lists are arrays, and rows an array for each column.
fn bound(statement: Statement<'_>) -> Bound<'_> {
    statement.parameters.into_iter().fold(sqlx::query(statement.sql), |query, parameter| match parameter {
        Parameter::Integer(value) => query.bind(value),
        Parameter::Text(value) => query.bind(value),
        Parameter::Bytes(value) => query.bind(value),
        Parameter::Integers(values) => query.bind(values),
        Parameter::Texts(values) => query.bind(values),
        Parameter::Rows(rows, columns) => bind_columns(query, rows, columns),
    })
}

/// Binds rows by column. Rows are JSON arrays of columns, or single values if there is one column.
fn bind_columns<'q>(mut query: Bound<'q>, rows: &[Value], columns: usize) -> Bound<'q> {
    for column in 0..columns {
        let cells = rows.iter().map(|row| match row {
            Value::Array(cells) => cells.get(column).and_then(text),
            single => text(single),
        });
        query = query.bind(cells.collect::<Vec<Option<String>>>());
    }
    query
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[async_trait]
impl Session for PostgresSession<'_> {
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    async fn rows(&mut self, query: Statement<'_>, take: Take<'_>) -> Result<(), sqlx::Error> {
        let mut rows = bound(query).fetch(&mut *self.0);
        while let Some(row) = rows.try_next().await? {
            take(&row)?;
        }
        Ok(())
    }

    async fn run(&mut self, statement: Statement<'_>) -> Result<(), sqlx::Error> {
        bound(statement).execute(&mut *self.0).await.map(|_| ())
    }

    async fn number(&mut self, statement: Statement<'_>) -> Result<Option<i64>, sqlx::Error> {
        bound(statement).fetch_optional(&mut *self.0).await?.map(|row| row.try_get(0)).transpose()
    }

    fn refusal(&self, context: &str, error: &sqlx::Error) -> Option<StoreError> {
        is_refused(error).then(|| classify(context, error))
    }
}

impl Cells for PgRow {
    fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        self.try_get(column)
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        self.try_get(column)
    }

    fn is_some(&self, column: usize) -> Result<bool, sqlx::Error> {
        use sqlx::ValueRef as _;
        Ok(!self.try_get_raw(column)?.is_null())
    }
}
