//! End-to-end tests: the real binary, driven from outside.
