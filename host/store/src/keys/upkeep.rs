//! What a copy or a repair notes for itself: beside the layout's data, so that it is never copied or
//! checked.

/// Sorts before every layout's generation.
const PREFIX: &[u8] = b"pb\x00";

fn key(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes()].concat()
}

/// In a copy's source: the copy under way or done.
pub fn copied_from() -> Vec<u8> {
    key("copied-from")
}

/// In a copy's target: how far it is. Gone once the copy is complete.
pub fn copied_to() -> Vec<u8> {
    key("copied-to")
}

/// The repair that may write: a later one takes over.
pub fn repairing() -> Vec<u8> {
    key("repairing")
}
