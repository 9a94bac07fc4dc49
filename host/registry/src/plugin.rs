//! Plugin versions: bytes by digest, under a name.

use patchbay_workflow::{PluginDigest, PluginRef, Role, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use crate::audit::{Entry, SubjectKind};
use crate::database::Write;
use crate::error::RegistryError;
use crate::load;
use crate::registry::Registry;
use crate::text;

/// The largest component that is taken, in bytes: Python's, the largest kind, have less than 40 MiB.
const MAX_BYTES: usize = 64 << 20;

/// One version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginVersion {
    /// The name that it was pushed under.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: PluginDigest,
    /// What it can do.
    pub roles: Vec<Role>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last pushed under this name.
    pub pushed_at: Timestamp,
    /// The revision of that push: among versions of one name, the highest is the newest.
    pub revision: u64,
}

impl PluginVersion {
    /// Its name and digest.
    pub fn reference(&self) -> PluginRef {
        PluginRef {
            name: self.name.clone(),
            digest: self.digest,
        }
    }
}

impl Registry {
    /// Takes a plugin under `name`, whose newest version it becomes. `roles` are what the sandbox found
    /// it to export. Nothing changes where it is that already.
    pub async fn add_plugin(
        &self,
        actor: &str,
        name: &str,
        bytes: &[u8],
        digest: PluginDigest,
        roles: &[Role],
    ) -> Result<PluginVersion, RegistryError> {
        text::check_slug("plugin", name)?;
        if bytes.len() > MAX_BYTES {
            return Err(RegistryError::PluginTooLarge {
                size: bytes.len(),
                limit: MAX_BYTES,
            });
        }
        let actual = digest_of(bytes);
        if actual != digest {
            let claimed = digest;
            return Err(RegistryError::DigestMismatch { claimed, actual });
        }
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(RegistryError::PluginWithoutRole);
        }

        let mut write = self.begin().await?;
        let newest = newest_of(&mut write, name).await?;
        if let Some(newest) = newest.filter(|it| it.digest == digest && it.roles == roles) {
            return Ok(newest);
        }
        let failed = || RegistryError::database("storing a plugin");
        sqlx::query(
            "INSERT INTO plugin_blobs (digest, bytes) VALUES ($1, $2) \
             ON CONFLICT (digest) DO NOTHING",
        )
        .bind(digest.as_bytes().as_slice())
        .bind(bytes)
        .execute(write.sql())
        .await
        .map_err(failed())?;
        let (now, revision) = (write.millis(), write.revision);
        sqlx::query(
            "INSERT INTO plugin_versions (name, digest, roles, size, pushed_at, pushed_by, revision) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name, digest) DO UPDATE \
             SET roles = excluded.roles, pushed_at = excluded.pushed_at, \
             pushed_by = excluded.pushed_by, revision = excluded.revision",
        )
        .bind(name)
        .bind(digest.as_bytes().as_slice())
        .bind(roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" "))
        .bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
        .bind(now)
        .bind(actor)
        .bind(revision)
        .execute(write.sql())
        .await
        .map_err(failed())?;

        let version = PluginVersion {
            name: name.to_owned(),
            digest,
            size: bytes.len() as u64,
            pushed_at: write.now,
            revision: u64::try_from(revision).unwrap_or(0),
            roles,
        };
        let entry = Entry::new(actor, "plugin-pushed", SubjectKind::Plugin, name)
            .with(json!({ "digest": digest, "roles": version.roles }));
        self.commit(write, entry).await?;
        Ok(version)
    }

    /// The bytes of a plugin; none where nothing has that digest.
    pub async fn plugin_bytes(
        &self,
        digest: &PluginDigest,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let failed = || RegistryError::database("reading a plugin's bytes");
        let row = sqlx::query("SELECT bytes FROM plugin_blobs WHERE digest = $1")
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed())?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row.try_get(0).map_err(failed())?;
        if digest_of(&bytes) != *digest {
            return Err(RegistryError::corrupt(
                format!("plugin {digest}"),
                "its bytes have another digest",
            ));
        }
        Ok(Some(bytes))
    }
}

/// The version that `selector` names: a digest (`sha256:…`), or a name, which stands for its newest
/// version. Refuses one that lacks `role`.
pub(crate) async fn select(
    write: &mut Write,
    selector: &str,
    role: Role,
) -> Result<PluginVersion, RegistryError> {
    let found = match selector.parse::<PluginDigest>() {
        Ok(digest) => load::plugins(write.sql(), None)
            .await?
            .into_iter()
            .filter(|version| version.digest == digest)
            .max_by_key(|version| version.revision),
        // What cannot be a name is not asked for: PostgreSQL refuses some texts altogether.
        Err(_) if text::check_slug("plugin", selector).is_err() => None,
        Err(_) => newest_of(write, selector).await?,
    };
    // What was given is repeated only where it has the form of a name or a digest.
    let found = found.ok_or_else(|| {
        let shown = text::check_slug("plugin", selector).is_ok() || selector.starts_with("sha256:");
        let given = if shown && selector.len() <= 80 {
            selector
        } else {
            "of that name"
        };
        RegistryError::PluginUnknown(given.to_owned())
    })?;
    if !found.roles.contains(&role) {
        return Err(RegistryError::PluginLacksRole {
            plugin: found.name,
            role,
            roles: found.roles,
        });
    }
    Ok(found)
}

async fn newest_of(write: &mut Write, name: &str) -> Result<Option<PluginVersion>, RegistryError> {
    let versions = load::plugins(write.sql(), Some(name)).await?;
    Ok(versions.into_iter().max_by_key(|version| version.revision))
}

fn digest_of(bytes: &[u8]) -> PluginDigest {
    PluginDigest::from_bytes(Sha256::digest(bytes).into())
}
