//! What is done to the cluster while it works, one thing at a time, and how long it takes to recover.

use std::time::Duration;

use patchbay_test_servers::look_for;

use crate::client::BROKEN_OFF;
use crate::journal::{Journal, Window};
use crate::layout::Layout;
use crate::node::Node;

/// How long the cluster may take to have told everything that was acknowledged before.
const CATCH_UP_LIMIT: Duration = Duration::from_mins(3);
/// How long requests may go unacknowledged.
const PROGRESS_LIMIT: Duration = Duration::from_mins(1);
/// How slow the internal system is while a worker is to be met in the middle of searches, and how many
/// are awaited.
const SLOW: Duration = Duration::from_millis(400);
const SEARCHES: usize = 6;

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9 of a worker while it searches.
    WorkerKilled,
    /// kill -9 of an intake with requests under way.
    IntakeKilled,
    /// kill -9 of a process of FoundationDB.
    DatabaseKilled,
    /// kill -9 of the reconciler.
    ReconcilerKilled,
    /// `nginx -s reload`.
    ProxyReloaded,
    /// SIGTERM to a worker.
    WorkerStopped,
    /// SIGTERM to an intake.
    IntakeStopped,
}

impl Fault {
    /// In the order of a round.
    pub(crate) const ALL: [Self; 7] = [
        Self::WorkerKilled,
        Self::IntakeKilled,
        Self::DatabaseKilled,
        Self::ReconcilerKilled,
        Self::ProxyReloaded,
        Self::WorkerStopped,
        Self::IntakeStopped,
    ];

    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WorkerKilled => "worker killed",
            Self::IntakeKilled => "intake killed",
            Self::DatabaseKilled => "fdbserver killed",
            Self::ReconcilerKilled => "reconciler killed",
            Self::ProxyReloaded => "nginx reloaded",
            Self::WorkerStopped => "worker stopped",
            Self::IntakeStopped => "intake stopped",
        }
    }

    /// Whether a client may see this trouble under this fault: whatever a killed intake leaves, and the
    /// end of an idle connection. A reload ends the proxy's old processes, which close theirs; a client that
    /// sends on one at that very moment sends again (RFC 9112, 9.3.1), as the idempotency key allows.
    pub(crate) fn excuses(name: &str, trouble: &str) -> bool {
        name == Self::IntakeKilled.name()
            || (name == Self::ProxyReloaded.name() && trouble == BROKEN_OFF)
    }

    /// Whether the cluster has what this is done to.
    pub(crate) fn applies(self, layout: &Layout) -> bool {
        match self {
            Self::WorkerKilled | Self::WorkerStopped => !layout.workers.is_empty(),
            Self::ReconcilerKilled => !layout.reconcilers.is_empty(),
            // With fewer than three, killing one takes the database away.
            Self::DatabaseKilled => layout
                .shared
                .database
                .as_ref()
                .is_some_and(|database| database.len() >= 3),
            Self::IntakeKilled | Self::IntakeStopped | Self::ProxyReloaded => true,
        }
    }

    /// Does it, mends it, and waits until nothing of it is left; writes down how long that took.
    pub(crate) async fn run(
        self,
        layout: &mut Layout,
        journal: &Journal,
        rate: u32,
        round: usize,
    ) -> Result<(), String> {
        let during = During { journal, rate };
        // What has to come before it is met at the right moment is not a part of it.
        match self {
            Self::WorkerKilled => {
                layout.world.answer_after(SLOW);
                if !layout
                    .world
                    .searches_under_way(SEARCHES, PROGRESS_LIMIT)
                    .await
                {
                    return Err("no searches are under way".to_owned());
                }
            }
            Self::IntakeKilled | Self::IntakeStopped => journal.next_sent().await,
            _ => {}
        }
        let began = journal.now();
        journal.watch_gap();
        let target = match self {
            Self::WorkerKilled => {
                let target = during.kill(&mut layout.workers, round).await;
                layout.world.answer_after(Duration::ZERO);
                target?
            }
            Self::IntakeKilled => during.kill(&mut layout.intakes, round).await?,
            Self::ReconcilerKilled => during.kill(&mut layout.reconcilers, round).await?,
            Self::WorkerStopped => during.stop(&mut layout.workers, round).await?,
            Self::IntakeStopped => during.stop(&mut layout.intakes, round).await?,
            Self::ProxyReloaded => {
                layout.nginx.reload().await?;
                "nginx".to_owned()
            }
            Self::DatabaseKilled => during.kill_database(layout, round).await?,
        };
        let ready = journal.now();
        let told = look_for(CATCH_UP_LIMIT, async || {
            (journal.untold(ready) == 0).then_some(())
        });
        if told.await.is_none() {
            let untold = journal.untold(ready);
            journal.broken(format!(
                "{untold} workflows are untold {CATCH_UP_LIMIT:?} after: {} ({target})",
                self.name()
            ));
        }
        let window = Window {
            fault: self.name(),
            target,
            began,
            ready,
            caught_up: journal.now(),
            gap: journal.longest_gap(),
        };
        journal.with(|record| record.windows.push(window));
        Ok(())
    }
}

struct During<'a> {
    journal: &'a Journal,
    rate: u32,
}

impl During<'_> {
    /// kill -9; the others do the work for a while; then it is started again.
    async fn kill(&self, nodes: &mut [Node], round: usize) -> Result<String, String> {
        let alone = nodes.len() == 1 && nodes[0].name == "all";
        let number = round % nodes.len();
        let node = &mut nodes[number];
        node.kill();
        if !alone {
            self.progress(&node.name).await;
        }
        node.start()?;
        node.until_ready().await?;
        Ok(node.name.clone())
    }

    /// SIGTERM; it ends in good order and is started again.
    async fn stop(&self, nodes: &mut [Node], round: usize) -> Result<String, String> {
        let alone = nodes.len() == 1 && nodes[0].name == "all";
        let number = round % nodes.len();
        let node = &mut nodes[number];
        if let Err(why) = node.stop().await {
            self.journal.broken(why);
        }
        if !alone {
            self.progress(&node.name).await;
        }
        node.start()?;
        node.until_ready().await?;
        Ok(node.name.clone())
    }

    async fn kill_database(&self, layout: &mut Layout, round: usize) -> Result<String, String> {
        let Some(database) = layout.shared.database.as_mut() else {
            return Err("there is no FoundationDB".to_owned());
        };
        let number = round % database.len();
        let name = format!("fdbserver-{number}");
        database.kill(number);
        self.progress(&name).await;
        database.restart(number)?;
        database.until_healthy().await?;
        Ok(name)
    }

    /// Requests are acknowledged without the process that is away: three seconds' worth of them.
    async fn progress(&self, without: &str) {
        let some = u64::from(self.rate) * 3;
        if !self.journal.more_acknowledged(some, PROGRESS_LIMIT).await {
            self.journal.broken(format!(
                "no progress without {without} in {PROGRESS_LIMIT:?}"
            ));
        }
    }
}
