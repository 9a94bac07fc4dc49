//! What a process that runs the engine's roles promises of what it shares with others, and of what it does
//! not know.

mod fixture;
mod jobs;
mod sweep;
mod unknown;
