//! The transition table: the only way a workflow changes.

use crate::failure::Failure;
use crate::id::LeaseToken;
use crate::state::{Failed, RequestType, Requested, Settled, State, Status, Workflow};
use crate::time::Timestamp;

/// What is to happen to a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A worker took it: one execution is counted.
    Lease(LeaseToken),
    /// The worker gave it back unharmed (shutdown, open breaker): the execution is not counted.
    HandBack,
    /// The backend took the search.
    Request(Requested),
    /// The search found several.
    Await {
        /// When the choice expires.
        choice_until: Timestamp,
    },
    /// The outcome is known.
    Settle(Settled),
    /// The webhook was acknowledged, or none is due.
    Acknowledge,
    /// Give up.
    Fail(Failure),
    /// Process it again, from the start.
    Retry,
    /// Tell the customer again.
    Redeliver,
}

/// The transition is not in the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a workflow in {from} cannot {command}")]
pub struct IllegalTransition {
    /// Where the workflow stands.
    pub from: Status,
    /// What was asked of it.
    pub command: &'static str,
}

impl Command {
    const fn name(&self) -> &'static str {
        match self {
            Self::Lease(_) => "be leased",
            Self::HandBack => "be handed back",
            Self::Request(_) => "wait for a backend",
            Self::Await { .. } => "wait for a choice",
            Self::Settle(Settled::Linked) => "be linked",
            Self::Settle(Settled::NoResults) => "end with no results",
            Self::Settle(Settled::DeLinked) => "be de-linked",
            Self::Acknowledge => "be acknowledged",
            Self::Fail(_) => "fail",
            Self::Retry => "be retried",
            Self::Redeliver => "be redelivered",
        }
    }
}

/// Every pair of states between which a workflow may move, for the book and for the tests. (A state
/// may be entered for more than one reason; [`Workflow::apply`] knows which.)
pub const TABLE: &[(Status, Status)] = &[
    (Status::Received, Status::InProgress),
    (Status::InProgress, Status::InProgress),
    (Status::InProgress, Status::Requested),
    (Status::InProgress, Status::Linked),
    (Status::InProgress, Status::NoResults),
    (Status::InProgress, Status::Ambiguous),
    (Status::InProgress, Status::DeLinked),
    (Status::Requested, Status::InProgress),
    (Status::Requested, Status::Linked),
    (Status::Requested, Status::NoResults),
    (Status::Requested, Status::Ambiguous),
    (Status::Ambiguous, Status::Linked),
    (Status::Ambiguous, Status::NoResults),
    (Status::Linked, Status::Completed),
    (Status::NoResults, Status::Completed),
    (Status::DeLinked, Status::Completed),
    (Status::Received, Status::Failed),
    (Status::InProgress, Status::Failed),
    (Status::Requested, Status::Failed),
    (Status::Ambiguous, Status::Failed),
    (Status::Linked, Status::Failed),
    (Status::NoResults, Status::Failed),
    (Status::DeLinked, Status::Failed),
    (Status::Failed, Status::Received),
    (Status::Failed, Status::Linked),
    (Status::Failed, Status::NoResults),
    (Status::Failed, Status::DeLinked),
];

impl Workflow {
    /// The workflow after `command`, or why that cannot be. Nothing else changes a workflow's state.
    pub fn apply(&self, command: Command, now: Timestamp) -> Result<Self, IllegalTransition> {
        use Command as C;
        use State as S;

        let illegal = IllegalTransition {
            from: self.status(),
            command: command.name(),
        };
        let links = self.request_type == RequestType::Link;
        let mut executions = self.executions;

        let state = match (&self.state, command) {
            (S::Received | S::InProgress(_) | S::Requested(_), C::Lease(token)) => {
                executions = executions.saturating_add(1);
                S::InProgress(token)
            }
            (S::InProgress(token), C::HandBack) => {
                executions = executions.saturating_sub(1);
                S::InProgress(*token)
            }
            (S::InProgress(_), C::Request(requested)) if links => S::Requested(requested),
            (S::InProgress(_) | S::Requested(_), C::Await { choice_until }) if links => {
                S::Ambiguous {
                    expires_at: choice_until,
                }
            }
            (
                S::InProgress(_) | S::Requested(_) | S::Ambiguous { .. },
                C::Settle(outcome @ (Settled::Linked | Settled::NoResults)),
            ) if links => S::Telling(outcome),
            (S::InProgress(_), C::Settle(Settled::DeLinked)) if !links => {
                S::Telling(Settled::DeLinked)
            }
            (S::Telling(outcome), C::Acknowledge) => S::Completed(*outcome),
            (S::Telling(outcome), C::Fail(failure)) => {
                S::Failed(Failed::Delivery(*outcome, failure))
            }
            (
                S::Received | S::InProgress(_) | S::Requested(_) | S::Ambiguous { .. },
                C::Fail(failure),
            ) => S::Failed(Failed::Processing(failure)),
            (S::Failed(Failed::Processing(_)), C::Retry) => {
                executions = 0;
                S::Received
            }
            (S::Failed(Failed::Delivery(outcome, _)), C::Redeliver) => S::Telling(*outcome),
            _ => return Err(illegal),
        };

        let mut next = self.clone();
        next.state = state;
        next.executions = executions;
        next.updated_at = now.max(self.updated_at);
        next.revision += 1;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::failure::Blame;
    use crate::id::{KeyedHash, RequestId, WorkflowId};
    use crate::state::Pins;

    fn fresh(request_type: RequestType) -> Workflow {
        Workflow::accepted(
            WorkflowId::from_uuid(Uuid::nil()),
            RequestId::from_uuid(Uuid::nil()),
            request_type,
            "north".parse().unwrap(),
            KeyedHash::from_bytes([0; 16]),
            Pins::default(),
            Timestamp::from_millis(1),
        )
    }

    fn every_command() -> Vec<Command> {
        vec![
            Command::Lease(LeaseToken::from_uuid(Uuid::nil())),
            Command::HandBack,
            Command::Request(Requested {
                backend: "fhir".parse().unwrap(),
                search: KeyedHash::from_bytes([1; 16]),
            }),
            Command::Await {
                choice_until: Timestamp::from_millis(9),
            },
            Command::Settle(Settled::Linked),
            Command::Settle(Settled::NoResults),
            Command::Settle(Settled::DeLinked),
            Command::Acknowledge,
            Command::Fail(Failure::new(Blame::Host, "test")),
            Command::Retry,
            Command::Redeliver,
        ]
    }

    /// Every state that can be reached, from both request types; and what is found is the table.
    #[test]
    fn what_can_be_reached_is_the_table() {
        let mut seen = BTreeSet::new();
        let mut pairs = BTreeSet::new();
        let mut open = vec![fresh(RequestType::Link), fresh(RequestType::DeLink)];
        while let Some(workflow) = open.pop() {
            for command in every_command() {
                let Ok(next) = workflow.apply(command, Timestamp::from_millis(2)) else {
                    continue;
                };
                pairs.insert((workflow.status(), next.status()));
                let mut shape = next.clone();
                shape.revision = 0;
                shape.executions = 0;
                if seen.insert(format!("{shape:?}")) {
                    open.push(next);
                }
            }
        }
        assert_eq!(pairs, TABLE.iter().copied().collect());
    }

    #[test]
    fn a_failed_delivery_keeps_its_outcome_and_is_never_processed_again() {
        let told = [
            Command::Lease(LeaseToken::from_uuid(Uuid::nil())),
            Command::Settle(Settled::Linked),
            Command::Fail(Failure::new(Blame::CustomerEndpoint, "endpoint-gone")),
        ]
        .into_iter()
        .fold(fresh(RequestType::Link), |w, c| {
            w.apply(c, Timestamp::from_millis(2)).unwrap()
        });
        assert_eq!(told.outcome().as_str(), "linked");
        assert!(
            told.apply(Command::Retry, Timestamp::from_millis(3))
                .is_err()
        );
        let again = told
            .apply(Command::Redeliver, Timestamp::from_millis(3))
            .unwrap();
        assert_eq!(again.status(), Status::Linked);
    }

    proptest! {
        /// Revisions grow by one, time never runs backwards, and a refusal changes nothing.
        #[test]
        fn any_walk_is_orderly(
            delink in any::<bool>(),
            steps in proptest::collection::vec((0..11_usize, 0..100_u64), 0..40),
        ) {
            let kind = if delink { RequestType::DeLink } else { RequestType::Link };
            let mut workflow = fresh(kind);
            for (index, at) in steps {
                let command = every_command().swap_remove(index);
                if let Ok(next) = workflow.apply(command, Timestamp::from_millis(at)) {
                    prop_assert_eq!(next.revision, workflow.revision + 1);
                    prop_assert!(next.updated_at >= workflow.updated_at);
                    prop_assert!(TABLE.contains(&(workflow.status(), next.status())));
                    workflow = next;
                }
            }
        }
    }
}
