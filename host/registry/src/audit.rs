//! The audit log: append-only, hash-chained, and the feed of changes.
//!
//! Each entry holds the SHA-256 of the entry before it, and its own: over that hash and its content, each
//! part behind its length. Who changes one entry has to change all that follow, and the head that the
//! registry keeps beside them; an operator who notes a head elsewhere can prove even that.

use patchbay_workflow::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Row as _};

use crate::Object;
use crate::database::instant;
use crate::error::RegistryError;
use crate::registry::Registry;

const GENESIS: [u8; 32] = [0; 32];
const PAGE: u32 = 1000;

/// What a change was made to, and so what has to be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SubjectKind {
    Customer,
    Backend,
    Plugin,
    Token,
    TokenKey,
    Admin,
}

impl SubjectKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Customer,
        Self::Backend,
        Self::Plugin,
        Self::Token,
        Self::TokenKey,
        Self::Admin,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Backend => "backend",
            Self::Plugin => "plugin",
            Self::Token => "token",
            Self::TokenKey => "token-key",
            Self::Admin => "admin",
        }
    }
}

/// An entry to be appended.
pub(crate) struct Entry<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: &'static str,
    pub(crate) subject: (SubjectKind, &'a str),
    /// An object; never a secret, never patient data.
    pub(crate) detail: Value,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(
        actor: &'a str,
        action: &'static str,
        kind: SubjectKind,
        id: &'a str,
    ) -> Self {
        Self {
            actor,
            action,
            subject: (kind, id),
            detail: json!({}),
        }
    }

    pub(crate) fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Appends an entry; gives its hash, the chain's new head.
pub(crate) async fn append(
    sql: &mut AnyConnection,
    revision: i64,
    at: i64,
    head: &[u8],
    entry: &Entry<'_>,
) -> Result<[u8; 32], sqlx::Error> {
    let detail = entry.detail.to_string();
    let (kind, id) = (entry.subject.0.as_str(), entry.subject.1);
    let hash = link(
        head,
        revision,
        at,
        [entry.actor, entry.action, kind, id, &detail],
    );
    sqlx::query(
        "INSERT INTO audit_log (revision, at, actor, action, subject_kind, subject_id, detail, \
         previous_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(revision)
    .bind(at)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(kind)
    .bind(id)
    .bind(&detail)
    .bind(head)
    .bind(hash.as_slice())
    .execute(sql)
    .await?;
    Ok(hash)
}

fn link(previous: &[u8], revision: i64, at: i64, texts: [&str; 5]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(revision.to_be_bytes());
    hash.update(at.to_be_bytes());
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The revision that the change made; without gaps from 1.
    pub revision: u64,
    /// When.
    pub at: Timestamp,
    /// Who: an admin's name, or `patchbay` itself.
    pub actor: String,
    /// What was done, for example `customer-added`.
    pub action: String,
    /// What kind of thing it was done to, for example `customer`.
    pub subject_kind: String,
    /// Its id or name.
    pub subject_id: String,
    /// More about it; never a secret.
    pub detail: Object,
    /// SHA-256 of the entry, its predecessor's included.
    pub hash: [u8; 32],
}

/// What a whole audit log was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditVerified {
    /// How many entries it has.
    pub entries: u64,
    /// Its last hash. Noted outside of the installation, it proves later that nothing before it changed.
    pub head: [u8; 32],
}

struct Link {
    entry: AuditEntry,
    previous: Vec<u8>,
    stored: Vec<u8>,
}

impl Registry {
    /// At most `limit` (and at most 1000) entries after revision `after`, oldest first.
    pub async fn audit(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let mut sql = self.audit_connection().await?;
        let links = links(&mut sql, after, limit.min(PAGE)).await?;
        Ok(links.into_iter().map(|link| link.entry).collect())
    }

    /// Reads the whole audit log and checks every link of its chain.
    ///
    /// # Errors
    /// [`RegistryError::AuditBroken`] at the first entry that does not fit.
    pub async fn verify_audit(&self) -> Result<AuditVerified, RegistryError> {
        verify(&mut *self.audit_connection().await?).await
    }

    async fn audit_connection(&self) -> Result<PoolConnection<Any>, RegistryError> {
        let acquired = self.pool.acquire().await;
        acquired.map_err(RegistryError::database("reading the audit log"))
    }
}

/// How many entries the registry says that there are, and the hash of the last.
pub(crate) async fn head(sql: &mut AnyConnection) -> Result<(u64, Vec<u8>), RegistryError> {
    let failed = || RegistryError::database("reading the audit log's head");
    let row = sqlx::query("SELECT revision, audit_head FROM registry WHERE id = 1")
        .fetch_one(sql)
        .await
        .map_err(failed())?;
    let revision: i64 = row.try_get(0).map_err(failed())?;
    let head = row.try_get(1).map_err(failed())?;
    Ok((u64::try_from(revision).unwrap_or(0), head))
}

/// What [`Registry::verify_audit`] does, on one connection.
pub(crate) async fn verify(sql: &mut AnyConnection) -> Result<AuditVerified, RegistryError> {
    // First the head: entries that are appended meanwhile come after it.
    let (entries, head) = head(sql).await?;
    let mut previous = GENESIS;
    let mut verified = 0;
    while verified < entries {
        let page = links(sql, verified, PAGE).await?;
        let broken = |revision, reason| Err(RegistryError::AuditBroken { revision, reason });
        if page.is_empty() {
            return broken(verified + 1, "it and all later entries are missing");
        }
        for link in page {
            let at = link.entry.revision;
            if at != verified + 1 {
                return broken(verified + 1, "the entry is missing");
            }
            if link.previous != previous {
                return broken(at, "it does not follow the entry before it");
            }
            if link.stored != link.entry.hash {
                return broken(at, "its content is not what was hashed");
            }
            previous = link.entry.hash;
            verified = at;
            if verified == entries {
                break;
            }
        }
    }
    if head != previous {
        return Err(RegistryError::AuditBroken {
            revision: entries,
            reason: "it is not the head that the registry keeps",
        });
    }
    Ok(AuditVerified {
        entries,
        head: previous,
    })
}

async fn links(
    sql: &mut AnyConnection,
    after: u64,
    limit: u32,
) -> Result<Vec<Link>, RegistryError> {
    let rows = sqlx::query(
        "SELECT revision, at, actor, action, subject_kind, subject_id, detail, previous_hash, \
         hash FROM audit_log WHERE revision > $1 ORDER BY revision LIMIT $2",
    )
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(sql)
    .await
    .map_err(RegistryError::database("reading the audit log"))?;
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(RegistryError::database("reading the audit log"))
}

/// Reads a row. The entry's hash is computed from its content, not taken from the row.
fn read(row: &AnyRow) -> Result<Link, sqlx::Error> {
    let (revision, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let text = |column: usize| row.try_get::<&str, _>(column);
    let texts = [text(2)?, text(3)?, text(4)?, text(5)?, text(6)?];
    let previous: Vec<u8> = row.try_get(7)?;
    let hash = link(&previous, revision, at, texts);
    let [actor, action, subject_kind, subject_id, detail] = texts;
    Ok(Link {
        entry: AuditEntry {
            revision: u64::try_from(revision).unwrap_or(0),
            at: instant(at),
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject_kind: subject_kind.to_owned(),
            subject_id: subject_id.to_owned(),
            // A detail that is no object was tampered with; its hash will say so.
            detail: serde_json::from_str(detail).unwrap_or_default(),
            hash,
        },
        previous,
        stored: row.try_get(8)?,
    })
}
