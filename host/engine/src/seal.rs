//! What the engine keeps encrypted: each kind of content with the identity of its record.

use patchbay_ambient::Entropy;
use patchbay_registry::Customer;
use patchbay_vault::{Context, RecordKind, Sealed};
use patchbay_workflow::{Candidate, PatientId, Sensitive};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

/// A customer's request after validation.
#[derive(Serialize, Deserialize)]
pub(crate) struct RequestContent {
    /// The normalised body, JSON.
    pub(crate) body: Sensitive<String>,
    /// The patient, canonical.
    pub(crate) patient: PatientId,
    /// The endpoint that the request gave, if it did.
    pub(crate) endpoint: Option<Url>,
}

/// Who is linked to whom, and why.
#[derive(Serialize, Deserialize)]
pub(crate) struct MappingContent {
    pub(crate) patient: PatientId,
    pub(crate) candidate: Candidate,
}

/// A webhook, formatted once.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct MessageContent {
    /// The endpoint that the request gave; the customer's own where it gave none.
    pub(crate) endpoint: Option<Url>,
    pub(crate) content_type: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Sensitive<Vec<u8>>,
}

/// A stored record could not be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored record does not open: it was damaged, moved, or its key is gone")]
pub(crate) struct Unreadable;

pub(crate) fn seal<T: Serialize>(
    customer: &Customer,
    kind: RecordKind,
    id: &[u8],
    value: &T,
    entropy: &dyn Entropy,
) -> Result<Sealed, Unreadable> {
    let bytes = postcard::to_allocvec(value).map_err(|_| Unreadable)?;
    let context = Context {
        owner: customer.id.as_str(),
        kind,
        id,
    };
    Ok(customer.data_key.seal(&context, &bytes, entropy))
}

pub(crate) fn open<T: DeserializeOwned>(
    customer: &Customer,
    kind: RecordKind,
    id: &[u8],
    sealed: &Sealed,
) -> Result<T, Unreadable> {
    let context = Context {
        owner: customer.id.as_str(),
        kind,
        id,
    };
    let bytes = customer
        .data_key
        .open(&context, sealed)
        .map_err(|_| Unreadable)?;
    postcard::from_bytes(bytes.expose()).map_err(|_| Unreadable)
}
