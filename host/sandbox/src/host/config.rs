//! `config`: what was given when the plugin was bound.

use crate::state::CallState;

impl CallState {
    pub(crate) fn config(&self) -> String {
        if self.config.is_empty() {
            "{}".to_owned()
        } else {
            self.config.as_ref().to_owned()
        }
    }
}
