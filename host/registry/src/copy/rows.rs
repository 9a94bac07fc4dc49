//! The rows of a table, in pages: read, hashed, written.
//!
//! Names in the statements come from the list of tables alone. Both databases sort by a table's key alike
//! (texts and bytes are compared byte by byte), so rows have one order, and a table one hash.

use sha2::{Digest as _, Sha256};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row as _};

use super::tables::Kind::{self, Bytes, Integer, Text};
use super::tables::Table;

/// What stands in one column of one row.
#[derive(Debug, Clone)]
enum Value {
    Null(Kind),
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row: a value for each column of its table.
#[derive(Debug)]
pub(super) struct Record(Vec<Value>);

/// How far a table was read.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    after: Vec<Value>,
    done: bool,
}

impl Table {
    /// How many rows it has.
    pub(super) async fn count(&self, sql: &mut AnyConnection) -> Result<i64, sqlx::Error> {
        let statement = format!("SELECT count(*) FROM \"{}\"", self.name);
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_one(sql);
        row.await?.try_get(0)
    }

    /// The rows after those that `cursor` went past, in the order of the key; empty at the end.
    pub(super) async fn read(
        &self,
        sql: &mut AnyConnection,
        cursor: &mut Cursor,
    ) -> Result<Vec<Record>, sqlx::Error> {
        if cursor.done {
            return Ok(Vec::new());
        }
        let mut query = sqlx::query(AssertSqlSafe(self.select(!cursor.after.is_empty())));
        for value in cursor.after.drain(..) {
            query = bind(query, value);
        }
        let rows = query.fetch_all(sql).await?;
        let page = rows
            .iter()
            .map(|row| self.record(row))
            .collect::<Result<Vec<_>, _>>()?;
        cursor.done = page.len() < self.page;
        if let Some(Record(last)) = page.last() {
            cursor.after = last.iter().take(self.key).cloned().collect();
        }
        Ok(page)
    }

    /// Adds the rows of a page.
    pub(super) async fn write(
        &self,
        sql: &mut AnyConnection,
        page: Vec<Record>,
    ) -> Result<(), sqlx::Error> {
        if page.is_empty() {
            return Ok(());
        }
        let mut query = sqlx::query(AssertSqlSafe(self.insert(page.len())));
        for value in page.into_iter().flat_map(|Record(values)| values) {
            query = bind(query, value);
        }
        query.execute(sql).await.map(drop)
    }

    fn select(&self, goes_on: bool) -> String {
        let key = self.names().take(self.key).collect::<Vec<_>>().join(", ");
        let after = if goes_on {
            let parameters: Vec<_> = (1..=self.key).map(|n| format!("${n}")).collect();
            format!("WHERE ({key}) > ({}) ", parameters.join(", "))
        } else {
            String::new()
        };
        format!(
            "SELECT {} FROM \"{}\" {after}ORDER BY {key} LIMIT {}",
            self.names().collect::<Vec<_>>().join(", "),
            self.name,
            self.page
        )
    }

    fn insert(&self, rows: usize) -> String {
        let width = self.columns.len();
        let rows: Vec<_> = (0..rows)
            .map(|row| {
                let parameters: Vec<_> = (1..=width)
                    .map(|n| format!("${}", row * width + n))
                    .collect();
                format!("({})", parameters.join(", "))
            })
            .collect();
        let replacing = if self.seeded {
            let key: Vec<_> = self.names().take(self.key).collect();
            let rest: Vec<_> = self
                .names()
                .skip(self.key)
                .map(|name| format!("{name} = excluded.{name}"))
                .collect();
            let (key, rest) = (key.join(", "), rest.join(", "));
            format!(" ON CONFLICT ({key}) DO UPDATE SET {rest}")
        } else {
            String::new()
        };
        format!(
            "INSERT INTO \"{}\" ({}) VALUES {}{replacing}",
            self.name,
            self.names().collect::<Vec<_>>().join(", "),
            rows.join(", ")
        )
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.columns.iter().map(|(name, _)| format!("\"{name}\""))
    }

    fn record(&self, row: &AnyRow) -> Result<Record, sqlx::Error> {
        let values = self.columns.iter().enumerate().map(|(at, &(_, kind))| {
            let value = match kind {
                Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
                Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
                Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
            };
            Ok(value.unwrap_or(Value::Null(kind)))
        });
        values.collect::<Result<_, _>>().map(Record)
    }
}

impl Record {
    /// Puts the row into its table's hash, so that no other rows lead to the same bytes: each value behind
    /// what it is, and behind its length where that can differ.
    pub(super) fn hash_into(&self, hash: &mut Sha256) {
        let mut sized = |tag: &[u8], bytes: &[u8]| {
            hash.update(tag);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        for value in &self.0 {
            match value {
                Value::Null(_) => sized(b"n", &[]),
                Value::Integer(number) => sized(b"i", &number.to_be_bytes()),
                Value::Text(text) => sized(b"t", text.as_bytes()),
                Value::Bytes(bytes) => sized(b"b", bytes),
            }
        }
    }
}

fn bind(query: Query<'_, Any, AnyArguments>, value: Value) -> Query<'_, Any, AnyArguments> {
    match value {
        Value::Null(Integer) => query.bind(None::<i64>),
        Value::Null(Text) => query.bind(None::<String>),
        Value::Null(Bytes) => query.bind(None::<Vec<u8>>),
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}
