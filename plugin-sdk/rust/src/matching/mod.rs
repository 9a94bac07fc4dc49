//! Matching: which record of an internal system is the patient's?
//!
//! ```text
//! request ─ Person ─ plan ─ queries ─▶ backend ─ records ─ Ranking ─▶ candidates
//! ```
//!
//! An adapter makes a [`Person`] of the request, asks its backend the queries of [`plan`], turns each
//! record into a [`Person`] and adds it to a [`Ranking`]. Everything here is pure: no I/O, no clock.
//!
//! ```
//! use patchbay_plugin::matching::{Demographics, NameParts, Person, Ranking, Thresholds, plan};
//! use serde_json::json;
//!
//! let patient = Person::from_request(&json!({"patient": {
//!     "id": "p-1", "full_name": "Bob Miller", "dob": "1965-03-04",
//! }}));
//! assert!(!plan(&patient, 6).is_empty());
//!
//! let record = Person::from(&Demographics {
//!     names: vec![NameParts {
//!         given: vec!["Robert".to_owned()],
//!         family: Some("Miller".to_owned()),
//!         ..NameParts::default()
//!     }],
//!     birth_date: Some("1965-03-04".to_owned()),
//!     ..Demographics::default()
//! });
//! let mut ranking = Ranking::new(patient, Thresholds::default());
//! ranking.add("internal-7", &record);
//! assert!(ranking.candidates()[0].score > 0.9);
//! ```
//!
//! Weights come from probabilities ([`weight`]), and what they must not conclude is in [`safeguards`].

pub mod address;
pub mod blocking;
pub mod compare;
pub mod name;
pub mod nickname;
pub mod normalise;
mod person;
pub mod phonetic;
mod rank;
pub mod safeguards;
mod score;
pub mod weight;

pub use address::AddressParts;
pub use blocking::{BlockingQuery, Criterion, plan};
pub use compare::PartialDate;
pub use person::{Demographics, Gender, Keyed, NameParts, Person};
pub use rank::Ranking;
pub use safeguards::Safeguard;
pub use score::{Comparison, Thresholds, ThresholdsError, compare};
