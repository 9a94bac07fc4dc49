//! What comes of a call: an answer or an error with its blame, what the guest wrote, and what it cost.

use std::fmt::{self, Write as _};
use std::time::Duration;

use patchbay_workflow::{Blame, Failure, PluginRef, Role, Sensitive};
use serde::{Deserialize, Serialize};

/// Why a call has no answer. The text says nothing that a guest wrote: a trap's message travels in
/// [`CallOutcome::output`], behind [`Sensitive`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest trapped: a panic, an abort, a stack overflow, a call to `exit`.
    #[error("the plugin trapped; what it wrote is in the workflow's timeline")]
    Trap,
    /// The guest computed for longer than [`CallLimits::total`](crate::CallLimits::total).
    #[error("the plugin used up its processor time")]
    CpuExhausted,
    /// The call, its waiting for the backend included, took longer than
    /// [`CallLimits::wall`](crate::CallLimits::wall).
    #[error("the plugin did not answer in time")]
    WallTimeout,
    /// As [`Self::WallTimeout`], but the guest was waiting for its backend when the time was over.
    #[error("the plugin's backend did not answer in time")]
    BackendTimeout,
    /// The guest was refused memory or table space and then failed.
    #[error("the plugin needs more memory than a call may use")]
    OutOfMemory,
    /// The guest gave the host more than [`CallLimits::output_bytes`](crate::CallLimits::output_bytes)
    /// in one go.
    #[error("the plugin gave more output than a call may give")]
    OutputTooLarge,
    /// The guest answered something that the contract forbids.
    #[error("the plugin's answer cannot be used: {0}")]
    Garbage(&'static str),
    /// The plugin is bound for something that it does not export.
    #[error("the plugin has no role {0}: bind another plugin, or export patchbay:plugin/{0}")]
    RoleMissing(Role),
    /// Every place for an instance was taken for the whole wall-clock limit.
    #[error("no room for another plugin call; try again, or raise the sandbox's concurrency")]
    Busy,
    /// Patchbay itself failed.
    #[error("the sandbox failed: {0}")]
    Host(String),
}

impl CallError {
    /// A stable code; each has a page in the book.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Trap => "plugin-trapped",
            Self::CpuExhausted | Self::WallTimeout => "plugin-timeout",
            Self::BackendTimeout => "backend-timeout",
            Self::OutOfMemory => "plugin-out-of-memory",
            Self::OutputTooLarge => "plugin-output-too-large",
            Self::Garbage(_) => "plugin-garbage",
            Self::RoleMissing(_) => "plugin-role-missing",
            Self::Busy => "sandbox-busy",
            Self::Host(_) => "sandbox-failed",
        }
    }

    /// Who has to act.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Trap
            | Self::CpuExhausted
            | Self::WallTimeout
            | Self::OutOfMemory
            | Self::OutputTooLarge
            | Self::Garbage(_) => Blame::Plugin,
            Self::BackendTimeout => Blame::Backend,
            Self::RoleMissing(_) => Blame::Configuration,
            Self::Busy | Self::Host(_) => Blame::Host,
        }
    }

    /// Whether the same call may succeed later without anybody changing the plugin or its binding.
    pub const fn retryable(&self) -> bool {
        matches!(
            self,
            Self::WallTimeout | Self::BackendTimeout | Self::Busy | Self::Host(_)
        )
    }

    /// The same as a failure of the workflow, with the plugin's name and digest.
    pub fn to_failure(&self, plugin: &PluginRef) -> Failure {
        Failure::new(self.blame(), self.code()).in_plugin(plugin.clone())
    }
}

/// What a call gave, whether it went well or not.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct CallOutcome<T> {
    /// The answer.
    pub result: Result<T, CallError>,
    /// What the guest wrote: keep it encrypted, never log it.
    pub output: GuestOutput,
    /// What the call cost.
    pub stats: CallStats,
}

impl<T> CallOutcome<T> {
    /// The same outcome with another answer.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> CallOutcome<U> {
        CallOutcome {
            result: self.result.map(f),
            output: self.output,
            stats: self.stats,
        }
    }
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Processor time of the guest, and of the host on its behalf.
    pub cpu: Duration,
    /// From the moment it had a place in the sandbox, waiting for the backend included.
    pub elapsed: Duration,
    /// The most linear memory it had.
    pub peak_memory_bytes: usize,
    /// Requests to the backend, refused ones included.
    pub backend_calls: u32,
}

/// What a guest wrote during one call. Guests print patient data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestOutput {
    /// In the order in which they were written.
    pub lines: Vec<GuestLine>,
    /// Bytes that were not kept because of the limit.
    pub dropped_bytes: u64,
}

impl GuestOutput {
    /// Nothing was written, nor dropped.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped_bytes == 0
    }

    /// The whole as text, for the eyes of whoever may see it.
    pub fn render(&self) -> Sensitive<String> {
        let mut text = String::new();
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{}] {}", line.source, line.text.expose());
        }
        if self.dropped_bytes > 0 {
            let _ = writeln!(
                text,
                "[host] {} more bytes were dropped",
                self.dropped_bytes
            );
        }
        Sensitive::new(text)
    }
}

/// One line of a guest's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestLine {
    /// Where it was written to.
    pub source: LineSource,
    /// What was written.
    pub text: Sensitive<String>,
}

/// Where a guest wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineSource {
    /// The contract's `log`, by level.
    Log(LogLevel),
    /// WASI's standard output.
    Stdout,
    /// WASI's standard error.
    Stderr,
    /// The runtime's account of a trap: its message and the guest's stack.
    Trap,
}

impl fmt::Display for LineSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log(LogLevel::Trace) => "trace",
            Self::Log(LogLevel::Debug) => "debug",
            Self::Log(LogLevel::Info) => "info",
            Self::Log(LogLevel::Warn) => "warn",
            Self::Log(LogLevel::Error) => "error",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Trap => "trap",
        })
    }
}

/// The levels of the contract's `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// The guest's own word for why it could not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFailure {
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Kebab case, at most 64 bytes; other characters were replaced.
    pub code: String,
    /// For the operator: keep it encrypted.
    pub message: Sensitive<String>,
}

/// One fault in a customer's request, found by a validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// Kebab case, at most 64 bytes; other characters were replaced.
    pub code: String,
    /// For the customer. It may repeat what they sent: show it to them, do not log it.
    pub message: Sensitive<String>,
}
