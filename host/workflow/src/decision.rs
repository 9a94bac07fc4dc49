//! From candidates to a decision: the customer's link policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sensitive::InternalId;

/// How sure an adapter is of a candidate (after FHIR's match-grade value set).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// It is somebody else.
    CertainlyNot,
    /// It may be the patient.
    Possible,
    /// It most likely is the patient.
    Probable,
    /// It is the patient.
    Certain,
}

/// How one field compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// The same after normalisation.
    Equal,
    /// Alike.
    Similar,
    /// Not alike.
    Different,
    /// One side has no value.
    Missing,
}

/// What one field said for or against a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldEvidence {
    /// The field's name in the request.
    pub field: String,
    /// How the two values compare.
    pub agreement: Agreement,
    /// From 0 to 1.
    pub similarity: f64,
    /// What it added to the score.
    pub weight: f64,
}

/// One record that may be the patient's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The record.
    pub internal_id: InternalId,
    /// From 0 to 1.
    pub score: f64,
    /// The adapter's own word for the score.
    pub grade: Grade,
    /// Why.
    pub evidence: Vec<FieldEvidence>,
}

/// The answer of one backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// In any order.
    pub candidates: Vec<Candidate>,
    /// There were more results than were looked at.
    pub truncated: bool,
}

/// What to do when no candidate stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnAmbiguity {
    /// An operator chooses.
    Review,
    /// The customer chooses.
    CustomerChoice,
    /// Take the best if it reaches the threshold, whatever the margin.
    Best,
    /// Treat it as nobody.
    NoResults,
}

/// When a candidate is linked without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LinkPolicy {
    /// The least score that links by itself, from 0 to 1.
    pub auto_link: f64,
    /// How far the runner-up must be behind.
    pub margin: f64,
    /// What happens otherwise.
    pub on_ambiguity: OnAmbiguity,
    /// How long a choice is awaited, in seconds.
    pub choice_seconds: u64,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self {
            auto_link: 0.9,
            margin: 0.1,
            on_ambiguity: OnAmbiguity::Review,
            choice_seconds: 7 * 24 * 60 * 60,
        }
    }
}

/// What the policy says of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// This candidate is the patient.
    Link(Candidate),
    /// Nobody is.
    NoResults,
    /// Somebody has to choose among these, best first.
    Ask(Vec<Candidate>),
}

impl LinkPolicy {
    /// How long a choice is awaited.
    pub const fn choice_expiry(&self) -> Duration {
        Duration::from_secs(self.choice_seconds)
    }

    /// Decides. `refused` says whether a pair was undone before: such a candidate is never linked
    /// without a person's choice, and never offered.
    ///
    /// A truncated answer never links by itself: the runner-up may be among the results not seen.
    pub fn decide(&self, answer: SearchAnswer, refused: impl Fn(&InternalId) -> bool) -> Decision {
        let mut candidates: Vec<Candidate> = answer
            .candidates
            .into_iter()
            .filter(|c| c.grade > Grade::CertainlyNot && c.score.is_finite())
            .filter(|c| !refused(&c.internal_id))
            .collect();
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut seen = std::collections::HashSet::new();
        candidates.retain(|candidate| seen.insert(candidate.internal_id.clone()));

        let Some(best) = candidates.first() else {
            return if answer.truncated {
                self.ask(candidates)
            } else {
                Decision::NoResults
            };
        };
        let reaches = !answer.truncated && best.score >= self.auto_link;
        let stands_out = candidates
            .get(1)
            .is_none_or(|second| best.score - second.score >= self.margin);
        if reaches && (stands_out || self.on_ambiguity == OnAmbiguity::Best) {
            return Decision::Link(candidates.swap_remove(0));
        }
        self.ask(candidates)
    }

    fn ask(&self, candidates: Vec<Candidate>) -> Decision {
        match self.on_ambiguity {
            OnAmbiguity::Review | OnAmbiguity::CustomerChoice if !candidates.is_empty() => {
                Decision::Ask(candidates)
            }
            _ => Decision::NoResults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, score: f64) -> Candidate {
        Candidate {
            internal_id: InternalId::parse(id).unwrap(),
            score,
            grade: Grade::Probable,
            evidence: Vec::new(),
        }
    }

    fn decide(policy: LinkPolicy, scores: &[f64], truncated: bool) -> Decision {
        let candidates = scores
            .iter()
            .enumerate()
            .map(|(i, s)| candidate(&i.to_string(), *s))
            .collect();
        policy.decide(
            SearchAnswer {
                candidates,
                truncated,
            },
            |_| false,
        )
    }

    #[test]
    fn the_best_links_only_when_it_reaches_and_stands_out() {
        let policy = LinkPolicy::default();
        assert!(matches!(decide(policy, &[0.95], false), Decision::Link(_)));
        assert!(matches!(decide(policy, &[0.5, 0.97], false), Decision::Link(c) if c.score > 0.9));
        assert!(matches!(decide(policy, &[0.95, 0.94], false), Decision::Ask(c) if c.len() == 2));
        assert!(matches!(decide(policy, &[0.7], false), Decision::Ask(_)));
        assert!(matches!(decide(policy, &[], false), Decision::NoResults));
    }

    #[test]
    fn a_truncated_answer_never_links() {
        for on_ambiguity in [OnAmbiguity::Best, OnAmbiguity::Review] {
            let policy = LinkPolicy {
                on_ambiguity,
                ..LinkPolicy::default()
            };
            assert!(!matches!(decide(policy, &[1.0], true), Decision::Link(_)));
        }
    }

    #[test]
    fn best_ignores_the_margin_but_not_the_threshold() {
        let policy = LinkPolicy {
            on_ambiguity: OnAmbiguity::Best,
            ..LinkPolicy::default()
        };
        assert!(matches!(
            decide(policy, &[0.95, 0.94], false),
            Decision::Link(_)
        ));
        assert!(matches!(
            decide(policy, &[0.85, 0.1], false),
            Decision::NoResults
        ));
    }

    #[test]
    fn a_refused_pair_is_passed_over() {
        let answer = SearchAnswer {
            candidates: vec![candidate("a", 0.99)],
            truncated: false,
        };
        assert_eq!(
            LinkPolicy::default().decide(answer, |_| true),
            Decision::NoResults
        );
    }
}
