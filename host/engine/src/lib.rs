//! Drives workflows: intake, worker, delivery, reconciler.
