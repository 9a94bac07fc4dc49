//! The registry through its public operations, on real SQLite files and on a real PostgreSQL server.

mod audit;
mod copy;
mod fixture;
mod location;
mod onboarding;
mod refresh;
mod secrets;
mod server;
mod tokens;
