//! The embedded engine: redb below one sequencer.
