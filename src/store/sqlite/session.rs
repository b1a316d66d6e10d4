//! Runs the statements, and reads SQLite's rows. Called by the shared code in `store::sql`.

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::{
    Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
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
pub(super) struct SqliteSession<'a>(pub(super) &'a mut SqliteConnection);

fn json<'a, T: Into<Value> + Clone + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    items.into_iter().cloned().collect::<Value>().to_string()
}

/// Binds the parameters. Lists and rows are one JSON text.
fn bound(statement: Statement<'_>) -> Query<'_, Sqlite, SqliteArguments> {
    statement.parameters.into_iter().fold(sqlx::query(statement.sql), |query, parameter| match parameter {
        Parameter::Integer(value) => query.bind(value),
        Parameter::Text(value) => query.bind(value),
        Parameter::Bytes(value) => query.bind(value),
        Parameter::Integers(values) => query.bind(json(values)),
        Parameter::Texts(values) => query.bind(json(values)),
        Parameter::Rows(rows, _) => query.bind(json(rows)),
    })
}

#[async_trait]
impl Session for SqliteSession<'_> {
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

impl Cells for SqliteRow {
    /// Others can write text that is not UTF-8, which must still be read.
    fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        let bytes: Option<&[u8]> = self.try_get_unchecked(column)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        self.try_get(column)
    }

    fn is_some(&self, column: usize) -> Result<bool, sqlx::Error> {
        Ok(self.try_get_unchecked::<Option<&[u8]>, _>(column)?.is_some())
    }
}
