//! Runs plugins: compile cache, limits, linkers per contract version, calls, blame.
