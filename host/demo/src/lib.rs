//! x
/// The seed of a demonstration that is given none.
pub const DEFAULT_SEED: u64 = 20_260_101;
pub mod internal;
pub mod people;
