//! Customer tokens: issuing, listing, revoking, and the keys that encrypt them.
//!
//! A token is a PASETO v4.local: encrypted and authenticated, with the id of its key in the footer. Its
//! claims name the customer, the token's id and kind, and when it was issued and expires. The token
//! itself is stored nowhere.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pasetors::keys::SymmetricKey;
use pasetors::version4::{LocalToken, V4};
use patchbay_vault::{Context, KeyRing, RecordKind, Sealed};
use patchbay_workflow::{CustomerId, InvalidId, Sensitive, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit::{Entry, SubjectKind};
use crate::customer::require_customer;
use crate::database::{Write, instant, millis};
use crate::error::RegistryError;
use crate::load;
use crate::registry::Registry;

/// The longest life of a token.
const MAX_LIFE: Duration = Duration::from_hours(3660 * 24);
/// Bound into every token, so that no other use of the same key could be taken for one.
pub(crate) const IMPLICIT_ASSERTION: &[u8] = b"patchbay customer token 1";

/// The name of one token: by it a token is revoked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(Uuid);

impl TokenId {
    pub(crate) fn from_row(bytes: &[u8]) -> Result<Self, sqlx::Error> {
        load::exactly(bytes).map(|bytes| Self(Uuid::from_bytes(bytes)))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TokenId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidId {
            kind: "token id",
            rule: "must be a UUID",
        })
    }
}

/// Whether a token reaches the real thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// Real patients.
    Live,
    /// The sandbox: nothing real is touched.
    Test,
}

impl TokenKind {
    /// The name used in APIs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// A token just issued.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// Its id.
    pub token_id: TokenId,
    /// The token; it can be read nowhere later.
    pub token: Sensitive<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What is known of an issued token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id.
    pub token_id: TokenId,
    /// What it reaches.
    pub kind: TokenKind,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// By whom.
    pub issued_by: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// What is inside of a token. Registered names as of the PASETO specification.
#[derive(Serialize, Deserialize)]
pub(crate) struct Claims {
    #[serde(rename = "sub")]
    pub(crate) customer: CustomerId,
    #[serde(rename = "jti")]
    pub(crate) token_id: TokenId,
    pub(crate) kind: TokenKind,
    #[serde(rename = "iat")]
    pub(crate) issued_at: String,
    #[serde(rename = "exp")]
    pub(crate) expires_at: String,
}

/// The footer: readable by anyone, and authenticated like the rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Footer {
    pub(crate) kid: String,
}

/// A key that encrypts and decrypts tokens.
pub(crate) struct TokenKey {
    pub(crate) id: String,
    pub(crate) key: SymmetricKey<V4>,
}

impl TokenKey {
    const ID_LEN: usize = 8;
    const LEN: usize = 32;

    fn context(id: &[u8]) -> Context<'_> {
        Context {
            owner: "",
            kind: RecordKind::TokenKey,
            id,
        }
    }

    pub(crate) fn open(id: &[u8], sealed: &Sealed, keys: &KeyRing) -> Result<Self, RegistryError> {
        let text = hex::encode(id);
        let what = format!("token key {text}");
        let bytes = keys
            .installation_key()
            .open(&Self::context(id), sealed)
            .map_err(RegistryError::secret(what.clone()))?;
        let bytes = Zeroizing::new(bytes.into_inner());
        let key = SymmetricKey::from(&bytes)
            .map_err(|_| RegistryError::corrupt(what, "it is not 32 bytes long"))?;
        Ok(Self { id: text, key })
    }
}

impl Registry {
    /// Issues a token to a customer. `expires_in` is from 1 second to 3660 days.
    pub async fn issue_token(
        &self,
        actor: &str,
        customer: &CustomerId,
        kind: TokenKind,
        expires_in: Duration,
    ) -> Result<IssuedToken, RegistryError> {
        if !(Duration::from_secs(1)..=MAX_LIFE).contains(&expires_in) {
            return Err(RegistryError::ExpiryInvalid);
        }
        let mut write = self.begin().await?;
        require_customer(&mut write, customer).await?;
        let now = write.now;
        let expires_at = now.after(expires_in);
        let token_id = TokenId(self.entropy.uuid_v7(now));
        let keys = load::token_keys(write.sql(), &self.keys).await?;
        let key = keys
            .first()
            .ok_or_else(|| RegistryError::corrupt("token keys", "there is none"))?;
        let token = encrypt(
            key,
            &Claims {
                customer: customer.clone(),
                token_id,
                kind,
                issued_at: now.to_string(),
                expires_at: expires_at.to_string(),
            },
        )?;
        sqlx::query(
            "INSERT INTO tokens (id, customer_id, kind, issued_at, issued_by, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(token_id.0.as_bytes().as_slice())
        .bind(customer.as_str())
        .bind(kind.as_str())
        .bind(millis(now))
        .bind(actor)
        .bind(millis(expires_at))
        .execute(write.sql())
        .await
        .map_err(RegistryError::database("issuing a token"))?;
        let subject = token_id.to_string();
        let entry = Entry::new(actor, "token-issued", SubjectKind::Token, &subject).with(json!({
            "customer": customer,
            "kind": kind,
            "expires-at": expires_at.to_string(),
        }));
        self.commit(write, entry).await?;
        Ok(IssuedToken {
            token_id,
            token,
            expires_at,
        })
    }

    /// Revokes a token: here at once, in other processes within the poll interval. Does nothing to one
    /// that was revoked before.
    pub async fn revoke_token(&self, actor: &str, token_id: TokenId) -> Result<(), RegistryError> {
        let mut write = self.begin().await?;
        let failed = || RegistryError::database("revoking a token");
        let now = write.millis();
        let found = sqlx::query("SELECT customer_id, revoked_at FROM tokens WHERE id = $1")
            .bind(token_id.0.as_bytes().as_slice())
            .fetch_optional(write.sql())
            .await
            .map_err(failed())?;
        let subject = token_id.to_string();
        let Some(row) = found else {
            return Err(RegistryError::TokenUnknown(subject));
        };
        if row
            .try_get::<Option<i64>, _>(1)
            .map_err(failed())?
            .is_some()
        {
            return Ok(());
        }
        let customer: String = row.try_get(0).map_err(failed())?;
        sqlx::query("UPDATE tokens SET revoked_at = $2, revoked_by = $3 WHERE id = $1")
            .bind(token_id.0.as_bytes().as_slice())
            .bind(now)
            .bind(actor)
            .execute(write.sql())
            .await
            .map_err(failed())?;
        let entry = Entry::new(actor, "token-revoked", SubjectKind::Token, &subject)
            .with(json!({ "customer": customer }));
        self.commit(write, entry).await
    }

    /// The tokens of a customer, the newest first; those that expired, too.
    pub async fn tokens(&self, customer: &CustomerId) -> Result<Vec<TokenRecord>, RegistryError> {
        let failed = || RegistryError::database("listing tokens");
        let rows = sqlx::query(
            "SELECT id, kind, issued_at, issued_by, expires_at, revoked_at FROM tokens \
             WHERE customer_id = $1 ORDER BY id DESC",
        )
        .bind(customer.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed())?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(TokenRecord {
                token_id: TokenId::from_row(row.try_get(0)?)?,
                kind: match row.try_get(1)? {
                    "test" => TokenKind::Test,
                    _ => TokenKind::Live,
                },
                issued_at: instant(row.try_get(2)?),
                issued_by: row.try_get(3)?,
                expires_at: instant(row.try_get(4)?),
                revoked_at: row.try_get::<Option<i64>, _>(5)?.map(instant),
            })
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(failed())
    }

    /// Encrypts tokens with a new key from now on. Tokens of the former keys stay valid.
    pub async fn rotate_token_key(&self, actor: &str) -> Result<(), RegistryError> {
        let write = self.begin().await?;
        self.insert_token_key(write, actor, "token-key-rotated")
            .await
    }

    /// Makes the first key where there is none.
    pub(crate) async fn ensure_token_key(&self) -> Result<(), RegistryError> {
        let failed = || RegistryError::database("looking for a token key");
        let found = sqlx::query("SELECT 1 FROM token_keys LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(failed())?;
        if found.is_some() {
            return Ok(());
        }
        let mut write = self.begin().await?;
        // Asked again, now that no other process can be in between.
        let found = sqlx::query("SELECT 1 FROM token_keys LIMIT 1")
            .fetch_optional(write.sql())
            .await
            .map_err(failed())?;
        match found {
            Some(_) => Ok(()),
            None => {
                self.insert_token_key(write, "patchbay", "token-key-created")
                    .await
            }
        }
    }

    async fn insert_token_key(
        &self,
        mut write: Write,
        actor: &str,
        action: &'static str,
    ) -> Result<(), RegistryError> {
        let mut id = [0; TokenKey::ID_LEN];
        self.entropy.fill(&mut id);
        let mut key = Zeroizing::new([0; TokenKey::LEN]);
        self.entropy.fill(&mut *key);
        let context = TokenKey::context(&id);
        let sealed = self
            .keys
            .installation_key()
            .seal(&context, &*key, &*self.entropy);
        let (now, revision) = (write.millis(), write.revision);
        sqlx::query(
            "INSERT INTO token_keys (id, sealed_key, created_at, revision) VALUES ($1, $2, $3, $4)",
        )
        .bind(id.as_slice())
        .bind(sealed.as_bytes())
        .bind(now)
        .bind(revision)
        .execute(write.sql())
        .await
        .map_err(RegistryError::database("storing a token key"))?;
        let subject = hex::encode(id);
        self.commit(
            write,
            Entry::new(actor, action, SubjectKind::TokenKey, &subject),
        )
        .await
    }
}

/// The nonce is the library's own, from the operating system: it offers no way to give one.
fn encrypt(key: &TokenKey, claims: &Claims) -> Result<Sensitive<String>, RegistryError> {
    let what = || format!("token key {}", key.id);
    let broken = |error: serde_json::Error| RegistryError::corrupt(what(), error);
    let payload = serde_json::to_vec(claims).map_err(broken)?;
    let kid = key.id.clone();
    let footer = serde_json::to_vec(&Footer { kid }).map_err(broken)?;
    LocalToken::encrypt(&key.key, &payload, Some(&footer), Some(IMPLICIT_ASSERTION))
        .map(Sensitive::new)
        .map_err(|_| RegistryError::corrupt(what(), "it does not encrypt"))
}
