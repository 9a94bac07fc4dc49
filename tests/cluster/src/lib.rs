//! The cluster test: FoundationDB of three processes, PostgreSQL, two intakes behind nginx, two workers and
//! a reconciler, all real, under steady load, while one of them after the other is killed.
//!
//! Every request that was answered with a workflow has to be accounted for, and no client may see more than
//! the API's documentation says. The parts:
//!
//! - `layout`, `node`, `onboarding`, `world`: what is started, and what stands around it;
//! - `load`, `client`: who sends what, and repeats it when;
//! - `faults`: what is done to the cluster, and when it has recovered;
//! - `journal`: what was seen; `account`, `report`: what to think of it;
//! - `scale`: the same backlog for one worker process and for more;
//! - `wake`: how soon a worker begins what another process accepted.

#![deny(missing_docs)]
#![allow(
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up has failed"
)]

mod account;
mod client;
mod clock;
mod faults;
mod journal;
mod layout;
mod load;
mod node;
mod onboarding;
mod report;
mod run;
mod scale;
mod store;
mod wake;
mod with_fdb;
mod world;

pub use layout::cannot_run;
pub use node::program;
pub use report::Report;
pub use run::{Options, run};
pub use scale::{ScaleOptions, ScaleRow, print_scale, scale};
pub use wake::{WakeOptions, WakeTimes, print_wake, wake};
pub use with_fdb::with_fdb;
