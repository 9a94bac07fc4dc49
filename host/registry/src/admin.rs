//! Admins: who may change the installation.
//!
//! An admin's token is 256 random bits; the registry keeps its SHA-256, which for so much randomness
//! needs neither salt nor stretching.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use patchbay_workflow::{Sensitive, Timestamp};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::audit::{Entry, SubjectKind};
use crate::database::{Write, instant};
use crate::error::{RegistryError, TokenError};
use crate::registry::Registry;
use crate::text;

/// So that secret scanners, and people, recognise one.
const PREFIX: &str = "pbadmin_";
const FIRST: &str = "admin";
const HOST: &str = "patchbay";

/// Who an admin's token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminIdentity {
    /// The admin's name: the actor of what is done.
    pub name: String,
}

/// An admin, present or past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The name.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Until when, if access has ended.
    pub revoked_at: Option<Timestamp>,
}

/// An admin who has access.
pub(crate) struct ActiveAdmin {
    pub(crate) name: Box<str>,
    pub(crate) token_hash: [u8; 32],
}

impl Registry {
    /// Makes the first admin where nobody has access: writes the token to `path`, readable by the owner
    /// alone, and keeps its hash. Whether it did.
    pub async fn ensure_first_admin(&self, path: &Path) -> Result<bool, RegistryError> {
        if !self.current.load().admins.is_empty() {
            return Ok(false);
        }
        let mut write = self.begin().await?;
        if active(&mut write, None).await? > 0 {
            return Ok(false);
        }
        let token = self.new_admin_token();
        // The file first: a token in a file that nothing accepts is replaced at the next start, while an
        // accepted token that nobody has would lock everyone out.
        self.write_private(path, token.expose())
            .map_err(|source| RegistryError::AdminFile {
                path: path.to_owned(),
                source,
            })?;
        // A first admin whose access was revoked outside of Patchbay gets it again.
        sqlx::query("DELETE FROM admins WHERE name = $1")
            .bind(FIRST)
            .execute(write.sql())
            .await
            .map_err(RegistryError::database("adding the first admin"))?;
        insert(&mut write, HOST, FIRST, &token).await?;
        let entry = Entry::new(HOST, "admin-added", SubjectKind::Admin, FIRST);
        self.commit(write, entry).await?;
        Ok(true)
    }

    /// Who the token belongs to. Takes the same time whoever it is, and whether or not it is anybody.
    pub fn verify_admin(&self, text: &str) -> Result<AdminIdentity, TokenError> {
        let snapshot = self.current.load();
        self.require_confirmed(&snapshot)?;
        let hash = token_hash(text);
        let mut found = u64::MAX;
        for (index, admin) in (0_u64..).zip(&*snapshot.admins) {
            let equal: Choice = hash.ct_eq(&admin.token_hash);
            found = u64::conditional_select(&found, &index, equal);
        }
        usize::try_from(found)
            .ok()
            .and_then(|index| snapshot.admins.get(index))
            .map(|admin| AdminIdentity {
                name: admin.name.clone().into(),
            })
            .ok_or(TokenError::Invalid)
    }

    /// Adds an admin; gives the token, which can be read nowhere later.
    pub async fn add_admin(
        &self,
        actor: &str,
        name: &str,
    ) -> Result<Sensitive<String>, RegistryError> {
        text::check_slug("admin", name)?;
        let token = self.new_admin_token();
        let mut write = self.begin().await?;
        let holder = sqlx::query("SELECT 1 FROM admins WHERE name = $1")
            .bind(name)
            .fetch_optional(write.sql())
            .await
            .map_err(RegistryError::database("adding an admin"))?;
        // Also by somebody of the past: the audit log's actors must stay one person each.
        if holder.is_some() || name == HOST {
            return Err(RegistryError::AdminExists(name.to_owned()));
        }
        insert(&mut write, actor, name, &token).await?;
        let entry = Entry::new(actor, "admin-added", SubjectKind::Admin, name);
        self.commit(write, entry).await?;
        Ok(token)
    }

    /// Every admin, present and past, by name.
    pub async fn admins(&self) -> Result<Vec<Admin>, RegistryError> {
        let failed = || RegistryError::database("listing admins");
        let rows = sqlx::query(
            "SELECT name, created_at, created_by, revoked_at FROM admins ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed())?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(Admin {
                name: row.try_get(0)?,
                created_at: instant(row.try_get(1)?),
                created_by: row.try_get(2)?,
                revoked_at: row.try_get::<Option<i64>, _>(3)?.map(instant),
            })
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(failed())
    }

    /// Ends an admin's access; never the last one's.
    pub async fn revoke_admin(&self, actor: &str, name: &str) -> Result<(), RegistryError> {
        // A name is asked for, and repeated, only where it can be one.
        if text::check_slug("admin", name).is_err() {
            return Err(RegistryError::AdminUnknown("of that name".to_owned()));
        }
        let mut write = self.begin().await?;
        if active(&mut write, Some(name)).await? == 0 {
            return Err(RegistryError::AdminUnknown(name.to_owned()));
        }
        if active(&mut write, None).await? == 1 {
            return Err(RegistryError::LastAdmin(name.to_owned()));
        }
        let now = write.millis();
        sqlx::query("UPDATE admins SET revoked_at = $2, revoked_by = $3 WHERE name = $1")
            .bind(name)
            .bind(now)
            .bind(actor)
            .execute(write.sql())
            .await
            .map_err(RegistryError::database("revoking an admin"))?;
        let entry = Entry::new(actor, "admin-revoked", SubjectKind::Admin, name);
        self.commit(write, entry).await
    }

    fn new_admin_token(&self) -> Sensitive<String> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.entropy.fill(&mut *bytes);
        Sensitive::new(format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode(bytes.as_slice())
        ))
    }

    /// Writes the file whole or not at all, mode 0600, durable before it returns.
    fn write_private(&self, path: &Path, text: &str) -> io::Result<()> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}.new", self.entropy.next_u64()));
        let temporary = directory.join(name);
        let written = (|| {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)?;
            File::open(directory)?.sync_all()
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }
}

async fn insert(
    write: &mut Write,
    actor: &str,
    name: &str,
    token: &Sensitive<String>,
) -> Result<(), RegistryError> {
    let now = write.millis();
    sqlx::query(
        "INSERT INTO admins (name, token_hash, created_at, created_by) VALUES ($1, $2, $3, $4)",
    )
    .bind(name)
    .bind(token_hash(token.expose()).as_slice())
    .bind(now)
    .bind(actor)
    .execute(write.sql())
    .await
    .map(|_| ())
    .map_err(RegistryError::database("adding an admin"))
}

/// How many admins have access, of all or of one name.
async fn active(write: &mut Write, name: Option<&str>) -> Result<i64, RegistryError> {
    let statement = match name {
        None => sqlx::query("SELECT COUNT(*) FROM admins WHERE revoked_at IS NULL"),
        Some(name) => {
            sqlx::query("SELECT COUNT(*) FROM admins WHERE revoked_at IS NULL AND name = $1")
                .bind(name)
        }
    };
    statement
        .fetch_one(write.sql())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(RegistryError::database("counting admins"))
}

/// Space around it is not part of a token: files end with a line feed.
fn token_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.trim().as_bytes()).into()
}
