//! What the service takes from its surroundings: the time, randomness, and answers to HTTP requests.
//!
//! Owns the three traits and, for time and randomness, both their real and their test implementations;
//! this is the only crate that reads the machine's clock or its entropy. The real HTTP client lives in
//! `patchbay-delivery`. Nothing here knows of workflows, storage or plugins.

#![deny(missing_docs)]

pub mod clock;
pub mod entropy;
pub mod http;

pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use entropy::{Entropy, OsEntropy, SeededEntropy, SharedEntropy};
pub use http::{Destination, HttpClient, HttpError, HttpLimits, HttpRequest, HttpResponse};
