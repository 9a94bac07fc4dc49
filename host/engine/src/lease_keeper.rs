//! Keeps a lease while work goes on outside any transaction.

use std::future::Future;
use std::pin::pin;

use patchbay_store::queue::{Extend, Lease};

use crate::service::Service;

impl Service {
    /// Does `work` and extends the lease at every third of its length; gives nothing, and abandons the
    /// work, once the lease is lost. When it returns no extension is under way: the lease is as the
    /// store knows it.
    pub(crate) async fn while_leased<T>(
        &self,
        lease: &mut Lease,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        let third = self.parts.settings.lease / 3;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.parts.clock.sleep(third) => {}
            }
            let until = self.parts.clock.now().after(self.parts.settings.lease);
            let mut done = None;
            let extended = {
                let operation = Extend { lease, until };
                let mut extending = pin!(self.parts.store.run(&operation));
                loop {
                    tokio::select! {
                        extended = &mut extending => break extended,
                        result = &mut work, if done.is_none() => done = Some(result),
                    }
                }
            };
            match extended {
                Ok(Some(extended)) => *lease = extended,
                Ok(None) => return None,
                // The store is away: the lease lasts for two more tries.
                Err(error) => tracing::warn!(%error, "a lease could not be extended"),
            }
            if done.is_some() {
                return done;
            }
        }
    }
}
