//! Candidates beside each other: scores that know of their rivals, best first, and when to stop asking.

use super::person::Person;
use super::score::{Comparison, Thresholds, compare};
use crate::{Candidate, Grade};

/// How many times likelier, in bits, the best must be to halve a rival's score.
///
/// A score alone saturates: beside the right record at 0.9999 a sibling's may stand at 0.98, although
/// the first is two hundred times likelier. A patient has one record, so each rival's score is lowered
/// by how far the best outdoes it. Ratios below eight (3 bits) are not trusted: such a rival stays
/// within a tenth of the best, and a person decides.
const HALVING_BITS: f64 = 6.0;

/// The most candidates an answer carries.
const MOST_CANDIDATES: usize = 20;

/// Collects the records that a search brings up, each once, and ranks them.
#[derive(Debug)]
pub struct Ranking {
    patient: Person,
    thresholds: Thresholds,
    seen: Vec<(String, Comparison)>,
}

impl Ranking {
    /// A ranking for this patient, still empty.
    pub const fn new(patient: Person, thresholds: Thresholds) -> Self {
        Self {
            patient,
            thresholds,
            seen: Vec::new(),
        }
    }

    /// Whether a record was added before: it need not be read again.
    pub fn has(&self, internal_id: &str) -> bool {
        self.seen.iter().any(|(id, _)| id == internal_id)
    }

    /// Compares a record with the patient, unless its id was added before.
    pub fn add(&mut self, internal_id: &str, record: &Person) {
        if !self.has(internal_id) {
            self.seen
                .push((internal_id.to_owned(), compare(&self.patient, record)));
        }
    }

    /// The candidates that are at least possible, best first; the same for any order of adding.
    pub fn candidates(&self) -> Vec<Candidate> {
        let best = self
            .seen
            .iter()
            .map(|(_, comparison)| comparison.bits)
            .fold(f64::NEG_INFINITY, f64::max);
        let mut candidates: Vec<Candidate> = self
            .seen
            .iter()
            .map(|(id, comparison)| {
                let score = comparison.score() * against_best(best - comparison.bits);
                Candidate {
                    internal_id: id.clone(),
                    score,
                    grade: self.thresholds.grade(score, comparison.may_be_certain),
                    evidence: comparison.evidence.clone(),
                }
            })
            .filter(|candidate| candidate.grade > Grade::CertainlyNot)
            .collect();
        candidates.sort_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| a.internal_id.cmp(&b.internal_id))
        });
        candidates.truncate(MOST_CANDIDATES);
        candidates
    }

    /// Whether one candidate is certain and no other even possible: further queries could only
    /// confirm it.
    pub fn is_settled(&self) -> bool {
        matches!(self.candidates().as_slice(), [only] if only.grade == Grade::Certain)
    }
}

/// The factor for a candidate that many bits behind the best: 1 for the best itself.
fn against_best(behind: f64) -> f64 {
    let halving = HALVING_BITS.exp2();
    (1.0 + 1.0 / halving) / (1.0 + behind.exp2() / halving)
}
