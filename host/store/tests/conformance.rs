//! The suite that every engine passes, run with the embedded engine.

mod suite;

use std::sync::Arc;

use patchbay_ambient::ManualClock;
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_workflow::Timestamp;

use suite::Subject;

async fn embedded() -> Subject {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    let options = EmbeddedOptions::new(clock.clone());
    Subject {
        engine: EmbeddedEngine::in_memory(options).unwrap(),
        prefix: b"test/".to_vec(),
        tries: 1,
        clock: Some(clock),
        keep: Box::new(()),
    }
}

conformance!(embedded);
