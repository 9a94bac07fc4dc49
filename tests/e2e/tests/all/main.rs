//! End to end: the real program, its plugins, an internal system and a receiver of webhooks.

mod bad_input;
mod command_line;
mod crash;
mod hostile;
mod idempotency;
mod linking;
mod store;
