//! Write Patchbay plugins in Rust: roles, bindings, and the matching library.
