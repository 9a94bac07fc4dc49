//! From what happened to figures, and from figures to a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use uuid::Uuid;

use crate::driver::{Answer, Exchange, Run, Settlement};
use crate::noise::Fate;
use crate::sink::{SinkCounts, Told};

/// The figures of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests sent, repetitions included.
    pub sent: u64,
    /// Requests that started a workflow of their own.
    pub accepted: u64,
    /// Answers that repeat an earlier request's.
    pub replayed: u64,
    /// Requests refused, by code.
    pub refused: BTreeMap<String, u64>,
    /// Workflows that ended with a link, right or wrong.
    pub linked: u64,
    /// Links to somebody else's record.
    pub wrong_links: u64,
    /// Workflows that ended with nobody.
    pub no_results: u64,
    /// Workflows that wait for a choice.
    pub ambiguous: u64,
    /// Workflows that were given up.
    pub failed: u64,
    /// Workflows of which nobody knows how they ended.
    pub unaccounted: u64,
    /// Webhooks whose signature did not verify.
    pub bad_signatures: u64,
    /// Webhooks that could not be read.
    pub unreadable: u64,
    /// Workflows whose webhooks contradict each other.
    pub contradicted: u64,
    /// Answers that were not what the plan says has to come.
    pub unexpected: u64,
    /// The first few of them, as `expected → answered`.
    pub surprises: Vec<String>,
    /// Patients whom the internal system knows, counted once: what recall is a part of.
    pub known: u64,
    /// Of those, the ones linked to their own record.
    pub right: u64,
    /// Patients linked to somebody else's record, counted once.
    pub wrong: u64,
    /// From each request to its first webhook, in order of length.
    pub latencies: Vec<Duration>,
    /// From the first request to the last webhook.
    pub took: Duration,
}

/// How many surprises are kept.
const MAX_SURPRISES: usize = 5;

impl Figures {
    /// Judges a run.
    pub fn of(run: &Run, sink: SinkCounts) -> Self {
        let mut figures = Self {
            bad_signatures: sink.bad_signatures,
            unreadable: sink.unreadable,
            took: run.took,
            ..Self::default()
        };
        for chain in &run.exchanges {
            let first = chain.first().and_then(workflow);
            for exchange in chain {
                figures.count(exchange, first, run);
            }
        }
        figures.latencies.sort_unstable();
        figures
    }

    fn count(&mut self, exchange: &Exchange, first: Option<Uuid>, run: &Run) {
        self.sent += 1;
        let fate = exchange.planned.fate;
        let truth = exchange.planned.truth;
        // A patient who is sent twice counts once.
        let counts_once = fate == Fate::Accepted;
        self.known += u64::from(counts_once && truth.is_some());
        if !expected(fate, &exchange.answer, first) {
            self.surprise(fate, &exchange.answer);
        }
        let id = match &exchange.answer {
            Answer::Refused { code, .. } => {
                *self.refused.entry(code.clone()).or_default() += 1;
                return;
            }
            Answer::Broken(_) => {
                *self.refused.entry("no answer".to_owned()).or_default() += 1;
                return;
            }
            Answer::Workflow { id, .. } if fate == Fate::Replayed && Some(*id) == first => {
                self.replayed += 1;
                return;
            }
            Answer::Workflow { id, .. } => *id,
        };
        self.accepted += 1;
        let settled = run.settled.get(&id).unwrap_or(&Settlement::Unaccounted);
        match settled {
            Settlement::Told {
                told,
                after,
                contradicted,
            } => {
                self.latencies.push(*after);
                self.contradicted += u64::from(*contradicted);
                self.tell(told, truth, counts_once);
            }
            Settlement::Ambiguous => self.ambiguous += 1,
            Settlement::DeliveryFailed => self.failed += 1,
            Settlement::Unaccounted => self.unaccounted += 1,
        }
    }

    fn tell(&mut self, told: &Told, truth: Option<Uuid>, counts_once: bool) {
        match told {
            Told::Linked(internal) => {
                self.linked += 1;
                let right = truth.is_some() && Uuid::try_parse(internal).ok() == truth;
                self.wrong_links += u64::from(!right);
                self.right += u64::from(right && counts_once);
                self.wrong += u64::from(!right && counts_once);
            }
            Told::NoResults => self.no_results += 1,
            Told::ChoiceRequired => self.ambiguous += 1,
            // Nobody asked for a de-link.
            Told::Failed | Told::DeLinked => self.failed += 1,
        }
    }

    fn surprise(&mut self, fate: Fate, answer: &Answer) {
        self.unexpected += 1;
        if self.surprises.len() < MAX_SURPRISES {
            let answer = match answer {
                Answer::Workflow { replayed, .. } => format!("a workflow (replayed: {replayed})"),
                Answer::Refused { status, code } => format!("{status} {code}"),
                Answer::Broken(why) => why.clone(),
            };
            self.surprises.push(format!("{fate:?} → {answer}"));
        }
    }

    /// Of the patients linked, the part that is linked to their own record.
    pub fn precision(&self) -> Share {
        Share {
            part: self.right,
            whole: self.right + self.wrong,
        }
    }

    /// Of the patients whom the internal system knows, the part that is linked to their own record.
    pub fn recall(&self) -> Share {
        Share {
            part: self.right,
            whole: self.known,
        }
    }

    /// The harmonic mean of the two.
    pub fn f1(&self) -> Share {
        Share {
            part: 2 * self.right,
            whole: self.right + self.wrong + self.known,
        }
    }

    /// The time within which `percent` of the webhooks came, by the nearest-rank method.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies.get(rank.checked_sub(1)?).copied()
    }

    /// Whether everything that was accepted is accounted for, with good signatures and no
    /// contradiction, and every answer was one that had to come.
    pub fn is_sound(&self) -> bool {
        self.unaccounted == 0
            && self.bad_signatures == 0
            && self.unreadable == 0
            && self.contradicted == 0
            && self.unexpected == 0
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.set_header(["requests and what became of them", ""]);
        let mut row = |label: &str, value: String| {
            table.add_row([label.to_owned(), value]);
        };
        row("sent", self.sent.to_string());
        row("accepted", self.accepted.to_string());
        row("replayed", self.replayed.to_string());
        for (code, count) in &self.refused {
            row(&format!("refused: {code}"), count.to_string());
        }
        for (label, count) in [
            ("linked", self.linked),
            ("no results", self.no_results),
            ("ambiguous", self.ambiguous),
            ("failed", self.failed),
            ("wrong links", self.wrong_links),
            ("bad signatures", self.bad_signatures),
            ("unaccounted", self.unaccounted),
        ] {
            row(label, count.to_string());
        }
        for (label, count) in [
            ("unreadable webhooks", self.unreadable),
            ("contradictory webhooks", self.contradicted),
            ("unexpected answers", self.unexpected),
        ] {
            if count > 0 {
                row(label, count.to_string());
            }
        }
        for (label, percent) in [
            ("request to webhook, p50", 50),
            ("request to webhook, p99", 99),
        ] {
            if let Some(time) = self.percentile(percent) {
                row(label, format!("{:.1} ms", time.as_secs_f64() * 1e3));
            }
        }
        if let Some(numbers) = table.column_mut(1) {
            numbers.set_cell_alignment(CellAlignment::Right);
        }
        table.trim_fmt()
    }

    /// `precision 0.998` and so on, a line each.
    pub fn quality_lines(&self) -> String {
        format!(
            "precision {}\nrecall {}\nF1 {}\n",
            self.precision(),
            self.recall(),
            self.f1()
        )
    }
}

/// A part of a whole. Shown with three decimals, cut off and not rounded: 0.9996 is not 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole; zero where there is nothing to take a part of.
    pub whole: u64,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.part * 1_000).checked_div(self.whole) {
            Some(thousandths) => write!(f, "{}.{:03}", thousandths / 1_000, thousandths % 1_000),
            None => f.write_str("n/a"),
        }
    }
}

fn workflow(exchange: &Exchange) -> Option<Uuid> {
    match exchange.answer {
        Answer::Workflow { id, .. } => Some(id),
        Answer::Refused { .. } | Answer::Broken(_) => None,
    }
}

fn expected(fate: Fate, answer: &Answer, first: Option<Uuid>) -> bool {
    match (fate, answer) {
        (_, Answer::Broken(_)) | (Fate::Refused(_), Answer::Workflow { .. }) => false,
        (Fate::Accepted, Answer::Workflow { replayed, .. }) => !replayed,
        // A validator may find a slip of the pen.
        (Fate::Accepted, Answer::Refused { status, .. }) => *status == 422,
        (Fate::Replayed, Answer::Workflow { id, .. }) => Some(*id) == first,
        // The first was refused, and a refusal stores nothing.
        (Fate::Replayed, Answer::Refused { status, .. }) => first.is_none() && *status == 422,
        (Fate::Second, Answer::Workflow { id, .. }) => Some(*id) != first,
        (Fate::Second, Answer::Refused { status, .. }) => matches!(status, 409 | 422),
        (Fate::Refused(statuses), Answer::Refused { status, .. }) => statuses.contains(status),
    }
}
