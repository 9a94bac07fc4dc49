//! Leases of scheduled jobs: of all processes that could run one, one does, and another takes over when it
//! has died.
//!
//! No clock is shared. A holder counts its record up at every heartbeat; whoever wants the job and has
//! seen the same count for longer than a lease lasts, by its own clock, takes it. Two may believe for a
//! moment that they hold it (one that was asleep, say), so a job has to bear being run twice; what it does
//! is transactions that check what they find.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::codec::Record;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys;

/// `L`: who holds a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLease {
    /// The process.
    pub holder: Uuid,
    /// How often it has said so.
    pub beats: u64,
}

impl Record for JobLease {
    const NAME: &'static str = "job lease";
}

/// Holds a job, or goes on holding it.
#[derive(Debug)]
pub struct Hold<'a> {
    /// Which job.
    pub job: &'a str,
    /// Who asks.
    pub holder: Uuid,
    /// What the caller has seen for longer than a lease lasts: it may be taken over.
    pub stale: Option<JobLease>,
}

/// Whose the job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The caller's.
    Ours,
    /// Somebody else's.
    Others(JobLease),
}

#[async_trait]
impl Operation for Hold<'_> {
    type Output = Held;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Held, StoreError> {
        let key = keys::job(self.job);
        let found = tx.record::<JobLease>(&key, Read::Serializable).await?;
        let beats = match found {
            None => 0,
            Some(lease) if lease.holder == self.holder || Some(lease) == self.stale => lease.beats,
            Some(lease) => return Ok(Held::Others(lease)),
        };
        tx.put(
            &key,
            &JobLease {
                holder: self.holder,
                beats: beats + 1,
            },
        )?;
        Ok(Held::Ours)
    }
}

/// Lets a job go, so that the next one need not wait.
#[derive(Debug)]
pub struct LetGo<'a> {
    /// Which job.
    pub job: &'a str,
    /// Who held it.
    pub holder: Uuid,
}

#[async_trait]
impl Operation for LetGo<'_> {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let key = keys::job(self.job);
        let found = tx.record::<JobLease>(&key, Read::Serializable).await?;
        if found.is_some_and(|lease| lease.holder == self.holder) {
            tx.clear(&key);
        }
        Ok(())
    }
}
