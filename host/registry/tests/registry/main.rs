//! The registry through its public operations, on real SQLite files.

mod audit;
mod fixture;
mod onboarding;
mod refresh;
mod secrets;
mod tokens;
