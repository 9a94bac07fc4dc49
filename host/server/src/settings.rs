//! What an installation can set of its listeners.

use std::time::Duration;

/// Bounds of requests and of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    /// The largest JSON body, in bytes.
    pub max_body: usize,
    /// The largest component that can be pushed, in bytes.
    pub admin_max_body: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a request may take from its head to its answer; it has to be longer than a plugin call
    /// may take. A push takes as long as it is compiled, a long poll its wait more.
    pub request_timeout: Duration,
    /// The longest `Prefer: wait`; a longer one counts as this.
    pub long_poll: Duration,
    /// How long a token is good for where whoever issues it does not say.
    pub token_life: Duration,
    /// The most connections of one listener; further ones wait to be accepted.
    pub connections: usize,
    /// How long a connection may take for the head of its next request, and so how long it may be idle.
    pub header_timeout: Duration,
    /// How long a client may take no byte of an answer that is being sent.
    pub write_timeout: Duration,
    /// How long a stopping listener waits for the requests under way.
    pub drain: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_body: 256 << 10,
            admin_max_body: 32 << 20,
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(75),
            long_poll: Duration::from_mins(1),
            token_life: Duration::from_hours(365 * 24),
            connections: 4096,
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(20),
        }
    }
}
