//! The adapter's configuration; the crate's documentation describes it for people.

use patchbay_plugin::matching::Thresholds;
use serde::Deserialize;

/// Checked as it is read: a value out of range never gets in.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(crate) struct Config {
    max_queries: Within<1, 6>,
    count: Within<1, 500>,
    pub(crate) thresholds: Thresholds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_queries: Within(6),
            count: Within(50),
            thresholds: Thresholds::default(),
        }
    }
}

impl Config {
    pub(crate) fn max_queries(&self) -> usize {
        usize::from(self.max_queries.0)
    }

    pub(crate) fn count(&self) -> u16 {
        self.count.0
    }
}

/// A number between two bounds, both included.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u16")]
struct Within<const LEAST: u16, const MOST: u16>(u16);

impl<const LEAST: u16, const MOST: u16> TryFrom<u16> for Within<LEAST, MOST> {
    type Error = String;

    fn try_from(value: u16) -> Result<Self, String> {
        if (LEAST..=MOST).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not between {LEAST} and {MOST}"))
        }
    }
}
