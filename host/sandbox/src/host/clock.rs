//! `clock`: the instant at which the call began.

use crate::state::CallState;

impl CallState {
    pub(crate) fn now_millis(&self) -> u64 {
        self.now.as_millis()
    }

    /// `YYYY-MM-DD`.
    pub(crate) fn today(&self) -> String {
        let mut instant = self.now.to_string();
        if let Some(end) = instant.find('T') {
            instant.truncate(end);
        }
        instant
    }
}
