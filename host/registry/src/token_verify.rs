//! Verifying customer tokens: from the snapshot alone, without SQL.

use jiff::Timestamp as Instant;
use pasetors::Local;
use pasetors::token::UntrustedToken;
use pasetors::version4::{LocalToken, V4};
use patchbay_workflow::{CustomerId, Timestamp};

use crate::error::TokenError;
use crate::registry::Registry;
use crate::snapshot::Snapshot;
use crate::token::{Claims, Footer, IMPLICIT_ASSERTION, TokenId, TokenKind};

/// A token has some 400 bytes; nothing beyond this is looked at.
const MAX_BYTES: usize = 1024;

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whose it is.
    pub customer: CustomerId,
    /// What it reaches.
    pub kind: TokenKind,
    /// Its id.
    pub token_id: TokenId,
}

impl Registry {
    /// Verifies a token: its encryption, its expiry against the clock, its revocation and its customer
    /// against the snapshot.
    ///
    /// # Errors
    /// [`TokenError::Stale`] where the snapshot may lack a revocation, anything else where the token is
    /// not valid.
    pub fn verify_token(&self, text: &str) -> Result<VerifiedToken, TokenError> {
        let snapshot = self.current.load();
        self.require_confirmed(&snapshot)?;
        let claims = decrypt(&snapshot, text)?;
        if instant(&claims.expires_at)? <= self.clock.now() {
            return Err(TokenError::Expired);
        }
        if snapshot.revoked.contains(&claims.token_id) {
            return Err(TokenError::Revoked);
        }
        if snapshot.customer(&claims.customer).is_none() {
            return Err(TokenError::UnknownCustomer);
        }
        Ok(VerifiedToken {
            customer: claims.customer,
            kind: claims.kind,
            token_id: claims.token_id,
        })
    }

    /// Refuses to rely on a snapshot that may lack a revocation.
    pub(crate) fn require_confirmed(&self, snapshot: &Snapshot) -> Result<(), TokenError> {
        if snapshot.age(self.clock.monotonic()) > self.config.revocation_bound {
            return Err(TokenError::Stale);
        }
        Ok(())
    }
}

fn decrypt(snapshot: &Snapshot, text: &str) -> Result<Claims, TokenError> {
    if text.len() > MAX_BYTES {
        return Err(TokenError::Malformed);
    }
    let token = UntrustedToken::<Local, V4>::try_from(text).map_err(|_| TokenError::Malformed)?;
    let footer: Footer =
        serde_json::from_slice(token.untrusted_footer()).map_err(|_| TokenError::Malformed)?;
    let key = snapshot
        .token_keys
        .iter()
        .find(|key| key.id == footer.kid)
        .ok_or(TokenError::UnknownKey)?;
    let trusted = LocalToken::decrypt(&key.key, &token, None, Some(IMPLICIT_ASSERTION))
        .map_err(|_| TokenError::Invalid)?;
    serde_json::from_str(trusted.payload()).map_err(|_| TokenError::Invalid)
}

fn instant(text: &str) -> Result<Timestamp, TokenError> {
    let instant: Instant = text.parse().map_err(|_| TokenError::Invalid)?;
    // One before 1970 is over in any case.
    Ok(Timestamp::from_millis(
        u64::try_from(instant.as_millisecond()).unwrap_or(0),
    ))
}
