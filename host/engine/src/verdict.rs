//! What one search means for its workflow.

use patchbay_sandbox::{CallError, GuestFailure, GuestLine, GuestOutput, LineSource, LogLevel};
use patchbay_workflow::{Blame, Failure, PluginRef, Sensitive};

/// A search that gave no answer.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    /// Whether trying again may help.
    pub(crate) retryable: bool,
}

impl Trouble {
    pub(crate) fn permanent(failure: Failure) -> Self {
        Self {
            failure,
            retryable: false,
        }
    }

    /// The call itself failed.
    pub(crate) fn of_call(error: &CallError, plugin: &PluginRef) -> Self {
        Self {
            failure: error.to_failure(plugin),
            retryable: error.retryable(),
        }
    }

    /// The guest said why. Where the backend failed during the call, it is to blame: an adapter that
    /// reports this did what it should.
    pub(crate) fn of_guest(guest: &GuestFailure, backend_failed: bool, plugin: &PluginRef) -> Self {
        let blame = if backend_failed || guest.code.starts_with("backend-") {
            Blame::Backend
        } else {
            Blame::Plugin
        };
        let failure = Failure::new(blame, guest.code.clone()).in_plugin(plugin.clone());
        Self {
            failure,
            retryable: guest.retryable,
        }
    }
}

/// Puts the guest's own account of a failure behind what it wrote.
pub(crate) fn add_message(output: &mut GuestOutput, message: Sensitive<String>) {
    if !message.expose().is_empty() {
        output.lines.push(GuestLine {
            source: LineSource::Log(LogLevel::Error),
            text: message,
        });
    }
}
