//! Outgoing HTTP: webhook signatures, the retry schedule, the verdict on an answer, and the guarded
//! client through which everything leaves.
//!
//! Owns how a request is signed and bounded, which addresses may be asked, and what an answer means for
//! the next attempt. It knows nothing of workflows, storage or plugins: it is handed bytes and gives
//! back a verdict.

#![deny(missing_docs)]

mod body;
pub mod client;
pub mod gate;
pub mod guard;
pub mod request;
pub mod resolve;
pub mod schedule;
pub mod sign;
pub mod verdict;

pub use client::{ClientSettings, ClientSetupError, GuardedClient};
pub use gate::{EndpointGate, EndpointKey, GateLimits, NotEntered, Slot};
pub use guard::{AddressKind, Forbidden, GuardPolicy};
pub use request::{ANSWER_KEPT, webhook_request};
pub use resolve::{NameResolver, SystemResolver};
pub use schedule::{InvalidSchedule, RetrySchedule};
pub use sign::{InvalidSecret, SigningSecret, signature_headers};
pub use verdict::{AttemptFailure, Verdict, classify};
