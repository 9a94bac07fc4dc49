//! The tables as a copy sees them: what they are called, and what their columns hold.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    Bytes,
}
use Kind::{Bytes, Integer, Text};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// All of them, the primary key's first.
    pub(super) columns: &'static [(&'static str, Kind)],
    /// How many of the columns are the primary key.
    pub(super) key: usize,
    /// How many rows are held in memory at once. A configuration may have 256 KiB, a plugin 64 MiB.
    pub(super) page: usize,
    /// Whether migrations put its rows there, so that a copy's replace them.
    pub(super) seeded: bool,
}

const NARROW: usize = 256;
const WIDE: usize = 16;
const HUGE: usize = 1;

const fn table(
    name: &'static str,
    key: usize,
    page: usize,
    columns: &'static [(&'static str, Kind)],
) -> Table {
    Table {
        name,
        columns,
        key,
        page,
        seeded: false,
    }
}

/// Every table, after those that it refers to. No column takes its value from a sequence, so none has to be
/// set. A test compares all of this with what the migrations lead to.
pub(super) const TABLES: [Table; 14] = [
    Table {
        seeded: true,
        ..table(
            "registry",
            1,
            NARROW,
            &[
                ("id", Integer),
                ("revision", Integer),
                ("audit_head", Bytes),
            ],
        )
    },
    table(
        "audit_log",
        1,
        NARROW,
        &[
            ("revision", Integer),
            ("at", Integer),
            ("actor", Text),
            ("action", Text),
            ("subject_kind", Text),
            ("subject_id", Text),
            ("detail", Text),
            ("previous_hash", Bytes),
            ("hash", Bytes),
        ],
    ),
    table(
        "customers",
        1,
        NARROW,
        &[
            ("id", Text),
            ("name", Text),
            ("settings", Text),
            ("sealed_data_key", Bytes),
            ("created_at", Integer),
        ],
    ),
    table(
        "webhook_endpoints",
        1,
        NARROW,
        &[
            ("customer_id", Text),
            ("url", Text),
            ("enabled", Integer),
            ("changed_at", Integer),
        ],
    ),
    table(
        "webhook_secrets",
        1,
        NARROW,
        &[
            ("id", Bytes),
            ("customer_id", Text),
            ("sealed_secret", Bytes),
            ("created_at", Integer),
        ],
    ),
    table(
        "token_keys",
        1,
        NARROW,
        &[
            ("id", Bytes),
            ("sealed_key", Bytes),
            ("created_at", Integer),
            ("revision", Integer),
        ],
    ),
    table(
        "tokens",
        1,
        NARROW,
        &[
            ("id", Bytes),
            ("customer_id", Text),
            ("kind", Text),
            ("issued_at", Integer),
            ("issued_by", Text),
            ("expires_at", Integer),
            ("revoked_at", Integer),
            ("revoked_by", Text),
        ],
    ),
    table(
        "plugin_blobs",
        1,
        HUGE,
        &[("digest", Bytes), ("bytes", Bytes)],
    ),
    table(
        "plugin_versions",
        2,
        NARROW,
        &[
            ("name", Text),
            ("digest", Bytes),
            ("roles", Text),
            ("size", Integer),
            ("pushed_at", Integer),
            ("pushed_by", Text),
            ("revision", Integer),
        ],
    ),
    table(
        "bindings",
        2,
        WIDE,
        &[
            ("customer_id", Text),
            ("role", Text),
            ("plugin_name", Text),
            ("plugin_digest", Bytes),
            ("config", Text),
            ("bound_at", Integer),
            ("bound_by", Text),
        ],
    ),
    table(
        "binding_history",
        3,
        WIDE,
        &[
            ("customer_id", Text),
            ("role", Text),
            ("revision", Integer),
            ("plugin_name", Text),
            ("plugin_digest", Bytes),
            ("config", Text),
            ("bound_at", Integer),
            ("bound_by", Text),
        ],
    ),
    table(
        "backends",
        1,
        WIDE,
        &[
            ("id", Text),
            ("base_url", Text),
            ("adapter_name", Text),
            ("adapter_digest", Bytes),
            ("config", Text),
            ("sealed_credentials", Bytes),
            ("limits", Text),
            ("created_at", Integer),
            ("changed_at", Integer),
        ],
    ),
    table(
        "customer_backends",
        2,
        WIDE,
        &[
            ("customer_id", Text),
            ("position", Integer),
            ("backend_id", Text),
            ("config_override", Text),
        ],
    ),
    table(
        "admins",
        1,
        NARROW,
        &[
            ("name", Text),
            ("token_hash", Bytes),
            ("created_at", Integer),
            ("created_by", Text),
            ("revoked_at", Integer),
            ("revoked_by", Text),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sqlx::Row as _;

    use super::*;
    use crate::database;
    use crate::location::Database;

    /// A table, a column or a sequence that a migration adds must not be left behind. SQLite's tables stand
    /// for both: another test compares them with PostgreSQL's.
    #[tokio::test]
    async fn no_table_and_no_column_is_left_out() {
        let pool = database::open(&Database::Memory).await.unwrap();
        let mut sql = pool.acquire().await.unwrap();
        let rows = sqlx::query(
            "SELECT m.name, c.name, c.type, CASE WHEN c.pk > 0 THEN 'key' ELSE '' END \
             FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name <> '_sqlx_migrations' ORDER BY m.name, c.cid",
        )
        .fetch_all(&mut *sql)
        .await
        .unwrap();
        let mut there = BTreeMap::<String, Vec<_>>::new();
        for row in rows {
            let column = [row.get::<String, _>(1), row.get(2), row.get(3)];
            there.entry(row.get(0)).or_default().push(column);
        }
        let mut listed = BTreeMap::<String, Vec<_>>::new();
        for table in &TABLES {
            for (at, (name, kind)) in table.columns.iter().enumerate() {
                let kind = match kind {
                    Integer => "INTEGER",
                    Text => "TEXT",
                    Bytes => "BLOB",
                };
                let key = if at < table.key { "key" } else { "" };
                let column = [*name, kind, key].map(str::to_owned);
                listed
                    .entry(table.name.to_owned())
                    .or_default()
                    .push(column);
            }
        }
        assert_eq!(
            listed, there,
            "the copy's tables, and those of the migrations"
        );

        let referring = sqlx::query(
            "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f",
        );
        let place = |name: &str| TABLES.iter().position(|it| it.name == name).unwrap();
        for row in referring.fetch_all(&mut *sql).await.unwrap() {
            let (from, to): (String, String) = (row.get(0), row.get(1));
            assert!(place(&to) < place(&from), "{from} refers to {to}");
        }
    }
}
