//! Reading: what the APIs show.

use async_trait::async_trait;
use patchbay_vault::Sealed;
use patchbay_workflow::{CustomerId, EventId, KeyedHash, Status, Timestamp, Workflow, WorkflowId};

use crate::codec;
use crate::counter;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{RangeOptions, Read, Watch};
use crate::keys::{self, LISTS};
use crate::records::{DeliveryAttempt, Mapping, StoredEntry};
use crate::transition;

/// One workflow of one customer. Another customer's is not there.
#[derive(Debug)]
pub struct CustomersWorkflow<'a> {
    /// Whose it has to be.
    pub customer: &'a CustomerId,
    /// Which.
    pub workflow: WorkflowId,
}

#[async_trait]
impl Operation for CustomersWorkflow<'_> {
    type Output = Option<Workflow>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let stored = transition::load(tx, self.workflow, Read::Snapshot).await?;
        Ok(stored
            .map(|stored| stored.workflow)
            .filter(|w| w.customer == *self.customer))
    }
}

/// One workflow of one customer, and a watch for its next change where it still stands at `revision`.
#[derive(Debug)]
pub struct WatchWorkflow<'a> {
    /// Whose it has to be.
    pub customer: &'a CustomerId,
    /// Which.
    pub workflow: WorkflowId,
    /// The revision already known.
    pub revision: u64,
}

#[async_trait]
impl Operation for WatchWorkflow<'_> {
    type Output = Option<(Workflow, Option<Watch>)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let stored = transition::load(tx, self.workflow, Read::Snapshot).await?;
        let Some(stored) = stored.filter(|stored| stored.workflow.customer == *self.customer)
        else {
            return Ok(None);
        };
        let watch = if stored.workflow.revision == self.revision {
            Some(tx.watch(&keys::workflow(self.workflow)).await?)
        } else {
            None
        };
        Ok(Some((stored.workflow, watch)))
    }
}

/// One workflow, whosever it is: for operators.
#[derive(Debug)]
pub struct AnyWorkflow(pub WorkflowId);

#[async_trait]
impl Operation for AnyWorkflow {
    type Output = Option<Workflow>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        Ok(transition::load(tx, self.0, Read::Snapshot)
            .await?
            .map(|stored| stored.workflow))
    }
}

/// The mapping of a patient.
#[derive(Debug)]
pub struct PatientMapping<'a> {
    /// Whose patient.
    pub customer: &'a CustomerId,
    /// The patient.
    pub patient: KeyedHash,
}

#[async_trait]
impl Operation for PatientMapping<'_> {
    type Output = Option<Mapping>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        tx.record(&keys::mapping(self.customer, &self.patient), Read::Snapshot)
            .await
    }
}

/// The validated request of a workflow.
#[derive(Debug)]
pub struct RequestData(pub WorkflowId);

#[async_trait]
impl Operation for RequestData {
    type Output = Option<Sealed>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let bytes = codec::get_chunks(tx, &keys::request(self.0), Read::Snapshot).await?;
        Ok(bytes.map(|bytes| Sealed::from_stored(bytes.to_vec())))
    }
}

/// A workflow's timeline, oldest first, and the attempts to deliver its events.
#[derive(Debug)]
pub struct History(pub WorkflowId);

/// The most timeline entries, and attempts per event, that are shown.
const MOST_ENTRIES: usize = 1_000;

/// What [`History`] gives.
#[derive(Debug, Default)]
pub struct Told {
    /// The timeline.
    pub timeline: Vec<StoredEntry>,
    /// The attempts.
    pub attempts: Vec<(EventId, u32, DeliveryAttempt)>,
}

#[async_trait]
impl Operation for History {
    type Output = Told;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Told, StoreError> {
        let options = RangeOptions {
            limit: MOST_ENTRIES,
            reverse: false,
            read: Read::Snapshot,
        };
        let rows = tx.get_range(&keys::timeline_range(self.0), options).await?;
        let timeline = rows
            .iter()
            .map(|(_, value)| codec::decode(value))
            .collect::<Result<_, _>>()?;
        let mut attempts = Vec::new();
        let stored = transition::load(tx, self.0, Read::Snapshot).await?;
        for event in stored.map(|stored| stored.events).unwrap_or_default() {
            let rows = tx.get_range(&keys::attempts(event), options).await?;
            for (number, (_, value)) in (1..).zip(rows) {
                attempts.push((event, number, codec::decode(&value)?));
            }
        }
        Ok(Told { timeline, attempts })
    }
}

/// A customer's workflows in one status, newest change first.
#[derive(Debug)]
pub struct List<'a> {
    /// Whose.
    pub customer: &'a CustomerId,
    /// In which status.
    pub status: Status,
    /// Only those that changed before this: where the former page ended.
    pub before: Option<(Timestamp, WorkflowId)>,
    /// The most.
    pub limit: usize,
}

#[async_trait]
impl Operation for List<'_> {
    type Output = Vec<Workflow>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Workflow>, StoreError> {
        let options = RangeOptions {
            limit: self.limit,
            reverse: true,
            read: Read::Snapshot,
        };
        let mut newest = Vec::new();
        for list in 0..LISTS {
            let range = match self.before {
                Some(before) => {
                    keys::customer_list_before(self.customer, self.status, list, before)
                }
                None => keys::customer_list(self.customer, self.status, list),
            };
            let rows = tx.get_range(&range, options).await?;
            let entries = rows
                .iter()
                .filter_map(|(key, _)| keys::parse_customer_status(key));
            newest.extend(entries);
        }
        newest.sort_unstable_by(|one, other| other.cmp(one));
        newest.truncate(self.limit);
        let mut workflows = Vec::with_capacity(newest.len());
        for (_, id) in newest {
            if let Some(stored) = transition::load(tx, id, Read::Snapshot).await? {
                workflows.push(stored.workflow);
            }
        }
        Ok(workflows)
    }
}

/// How many workflows a customer has in each status.
#[derive(Debug)]
pub struct Counts<'a>(pub &'a CustomerId);

#[async_trait]
impl Operation for Counts<'_> {
    type Output = Vec<(Status, u64)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let mut totals: Vec<_> = Status::ALL.map(|status| (status, 0)).into();
        for list in 0..LISTS {
            let value = tx.get(&keys::counter(self.0, list), Read::Snapshot).await?;
            let counts = counter::read(value.as_deref()).ok_or(StoreError::Corrupt("counter"))?;
            for (status, count) in counts {
                let total = totals.iter_mut().find(|(of, _)| *of == status);
                if let Some((_, total)) = total {
                    *total += count;
                }
            }
        }
        Ok(totals)
    }
}
