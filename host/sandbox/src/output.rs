//! Captures what a guest writes, within a limit.

use std::sync::Arc;

use parking_lot::Mutex;
use patchbay_workflow::Sensitive;

use crate::outcome::{GuestLine, GuestOutput, LineSource};

/// What each kept line costs beside its text, so that empty lines are bounded too.
const LINE_COST: usize = 16;
/// Kept of a trap's message whatever the guest wrote before: it is the one thing an author needs.
const TRAP_BYTES: usize = 4 << 10;

/// What a guest wrote so far; shared by its log, standard output and standard error.
#[derive(Debug, Clone)]
pub(crate) struct Capture(Arc<Mutex<Captured>>);

#[derive(Debug)]
struct Captured {
    lines: Vec<(LineSource, Vec<u8>)>,
    /// The last line may be continued: it was written to a stream and has no end yet.
    open: bool,
    room: usize,
    dropped_bytes: u64,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Captured {
            lines: Vec::new(),
            open: false,
            room: limit,
            dropped_bytes: 0,
        })))
    }

    /// A whole message.
    pub(crate) fn message(&self, source: LineSource, text: &str) {
        let mut captured = self.0.lock();
        captured.open = false;
        captured.append(source, text.as_bytes());
        captured.open = false;
    }

    /// A piece of a stream, cut into lines.
    pub(crate) fn stream(&self, source: LineSource, bytes: &[u8]) {
        let mut captured = self.0.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            captured.append(source, text);
            captured.open = text.len() == piece.len();
        }
    }

    /// The runtime's account of a trap, for which there is always room.
    pub(crate) fn trap(&self, text: &str) {
        let mut captured = self.0.lock();
        captured.open = false;
        let room = captured.room;
        captured.room = TRAP_BYTES;
        captured.append(LineSource::Trap, text.as_bytes());
        captured.room = room;
    }

    /// Takes all that was written.
    pub(crate) fn take(&self) -> GuestOutput {
        let mut captured = self.0.lock();
        GuestOutput {
            lines: std::mem::take(&mut captured.lines)
                .into_iter()
                .map(|(source, bytes)| GuestLine {
                    source,
                    text: Sensitive::new(text_of(bytes)),
                })
                .collect(),
            dropped_bytes: captured.dropped_bytes,
        }
    }
}

impl Captured {
    fn append(&mut self, source: LineSource, bytes: &[u8]) {
        let continues = self.open && self.lines.last().is_some_and(|(last, _)| *last == source);
        let cost = if continues { 0 } else { LINE_COST };
        let kept = bytes.len().min(self.room.saturating_sub(cost));
        self.dropped_bytes += (bytes.len() - kept) as u64;
        if kept == 0 && !(bytes.is_empty() && self.room >= cost) {
            return;
        }
        self.room -= cost + kept;
        match self.lines.last_mut() {
            Some((_, line)) if continues => line.extend_from_slice(&bytes[..kept]),
            _ => self.lines.push((source, bytes[..kept].to_vec())),
        }
    }
}

/// A multi-byte character may have been cut at the limit, and a stream may hold anything.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
