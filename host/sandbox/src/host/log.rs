//! `log`: into the call's output.

use crate::outcome::{LineSource, LogLevel};
use crate::state::CallState;

impl CallState {
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        self.output.message(LineSource::Log(level), message);
    }
}
