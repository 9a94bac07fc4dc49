//! Progress bars, or none.

use indicatif::{ProgressBar, ProgressStyle};

/// Whether progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// On standard error, where that is a terminal.
    Shown,
    /// Not at all.
    Quiet,
}

impl Progress {
    /// A bar of `total` steps.
    pub(crate) fn bar(self, label: &'static str, total: usize) -> ProgressBar {
        if self == Self::Quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total as u64).with_message(label);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar
    }
}
