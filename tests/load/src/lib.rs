//! The benchmark: Patchbay beside the floors it is measured against.
