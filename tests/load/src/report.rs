//! What was measured, as a table for people or as JSON.

use comfy_table::{Table, presets};
use serde::Serialize;

/// One target of the blueprint.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) target: f64,
    pub(crate) met: bool,
}

impl Row {
    /// A figure that has to be at least its target.
    pub(crate) fn at_least(name: &str, value: f64, target: f64) -> Self {
        Self {
            name: name.to_owned(),
            value,
            target,
            met: value >= target,
        }
    }
}

/// A figure that the rows come from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
}

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) targets: Vec<Row>,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn all_met(&self) -> bool {
        self.targets.iter().all(|row| row.met)
    }

    pub(crate) fn print_json(&self) {
        println!(
            "{}",
            serde_json::to_string_pretty(self).expect("a report is JSON")
        );
    }

    pub(crate) fn print_table(&self) {
        let mut figures = Table::new();
        figures
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_header(["figure", "value"]);
        for figure in &self.figures {
            figures.add_row([figure.name.clone(), format!("{:.2}", figure.value)]);
        }
        let mut targets = Table::new();
        targets
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_header(["target", "value", "at least", "met"]);
        for row in &self.targets {
            let met = if row.met { "yes" } else { "no" };
            targets.add_row([
                row.name.clone(),
                format!("{:.2}", row.value),
                format!("{:.2}", row.target),
                met.to_owned(),
            ]);
        }
        println!("{figures}\n{targets}");
    }
}
