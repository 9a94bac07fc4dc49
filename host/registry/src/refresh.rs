//! Keeping the snapshot up to date.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use patchbay_workflow::InvalidId;
use sqlx::{Any, AnyConnection, Row as _, Transaction};

use crate::audit::SubjectKind;
use crate::database::ATTEMPTS;
use crate::error::RegistryError;
use crate::load;
use crate::registry::Registry;
use crate::snapshot::{Point, Snapshot};

/// With more changes than this, everything is loaded anew.
const MAX_CHANGES: u64 = 512;

impl Registry {
    /// Brings the snapshot up to date; whether that changed it. Costs one small read if nothing has
    /// changed, and otherwise reads what the audit log says was changed.
    pub async fn refresh(&self) -> Result<bool, RegistryError> {
        let _only_one = self.refreshing.lock().await;
        let database = &self.config.database;
        let catch_up = || database.bounded("reading what was changed", self.catch_up());
        for _ in 1..ATTEMPTS {
            match catch_up().await {
                Err(error) if error.is_conflict() => {}
                done => return done,
            }
        }
        catch_up().await
    }

    async fn catch_up(&self) -> Result<bool, RegistryError> {
        // From before the read: what is confirmed is that nothing newer existed then.
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let (mut transaction, point) = self.begin_read().await?;
        let present = self.current.load_full();
        if point.revision == present.revision && point.head == present.head {
            present.confirm(now, monotonic);
            return Ok(false);
        }
        let next = match changes(&mut transaction, &present, &point).await? {
            Some(changes) => {
                self.apply(&mut transaction, &present, point, changes)
                    .await?
            }
            None => self.load(&mut transaction, point).await?,
        };
        next.confirm(now, monotonic);
        self.publish(next);
        Ok(true)
    }

    /// Loads everything.
    pub(crate) async fn load_all(&self) -> Result<(), RegistryError> {
        let _only_one = self.refreshing.lock().await;
        let database = &self.config.database;
        let load = self.load_anew();
        database.bounded("loading the configuration", load).await
    }

    async fn load_anew(&self) -> Result<(), RegistryError> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let (mut transaction, point) = self.begin_read().await?;
        let next = self.load(&mut transaction, point).await?;
        next.confirm(now, monotonic);
        self.publish(next);
        Ok(())
    }

    /// Asks for changes of other processes, until `cancel` ends. A database that is away is reported
    /// once, and once more when it is back.
    pub async fn run_refresher(&self, cancel: impl Future<Output = ()> + Send) {
        let interval = self.config.poll_interval();
        let mut away = false;
        tokio::pin!(cancel);
        loop {
            tokio::select! {
                () = &mut cancel => return,
                () = self.clock.sleep(interval) => {}
            }
            match self.refresh().await {
                Ok(_) if away => {
                    away = false;
                    tracing::info!("the registry's database is back");
                }
                Err(error) if !away => {
                    away = true;
                    let confirmed_at = self.current.load().confirmed_at();
                    tracing::error!(
                        code = error.code(),
                        %error,
                        %confirmed_at,
                        bound = ?self.config.revocation_bound,
                        "the registry cannot be read; the last configuration keeps serving, and \
                         tokens until the bound is reached"
                    );
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    async fn begin_read(&self) -> Result<(Transaction<'static, Any>, Point), RegistryError> {
        let failed = || RegistryError::database("reading the revision");
        let mut transaction = self
            .pool
            .begin_with(self.config.database.begin_read())
            .await
            .map_err(failed())?;
        let row = sqlx::query("SELECT revision, audit_head FROM registry WHERE id = 1")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        let revision: i64 = row.try_get(0).map_err(failed())?;
        let point = Point {
            revision: u64::try_from(revision).unwrap_or(0),
            head: row.try_get(1).map_err(failed())?,
        };
        Ok((transaction, point))
    }

    fn publish(&self, next: Snapshot) {
        let revision = next.revision;
        self.current.store(Arc::new(next));
        self.changed.send_replace(revision);
    }

    async fn load(&self, sql: &mut AnyConnection, point: Point) -> Result<Snapshot, RegistryError> {
        let mut next = Snapshot::empty().successor(point);
        // First what opens only with the right key ring.
        next.token_keys = load::token_keys(sql, &self.keys).await?;
        next.customers = load::customers(sql, &self.keys, None).await?;
        next.backends = load::backends(sql, &self.keys, None).await?;
        let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for version in load::plugins(sql, None).await? {
            by_name
                .entry(version.name.clone())
                .or_default()
                .push(version);
        }
        for (name, versions) in by_name {
            next.put_plugins(&name, versions);
        }
        next.revoked = load::revoked(sql, self.clock.now()).await?;
        next.admins = load::admins(sql).await?;
        Ok(next)
    }

    async fn apply(
        &self,
        sql: &mut AnyConnection,
        present: &Snapshot,
        point: Point,
        changes: HashSet<(SubjectKind, String)>,
    ) -> Result<Snapshot, RegistryError> {
        let mut next = present.successor(point);
        let kinds: HashSet<_> = changes.iter().map(|(kind, _)| *kind).collect();
        for (kind, id) in changes {
            match kind {
                SubjectKind::Customer => {
                    next.customers.remove(&parsed(&id)?);
                    let loaded = load::customers(sql, &self.keys, Some(&id)).await?;
                    next.customers.extend(loaded);
                }
                SubjectKind::Backend => {
                    next.backends.remove(&parsed(&id)?);
                    let loaded = load::backends(sql, &self.keys, Some(&id)).await?;
                    next.backends.extend(loaded);
                }
                SubjectKind::Plugin => {
                    let versions = load::plugins(sql, Some(&id)).await?;
                    next.put_plugins(&id, versions);
                }
                SubjectKind::Token | SubjectKind::TokenKey | SubjectKind::Admin => {}
            }
        }
        if kinds.contains(&SubjectKind::Token) {
            next.revoked = load::revoked(sql, self.clock.now()).await?;
        }
        if kinds.contains(&SubjectKind::TokenKey) {
            next.token_keys = load::token_keys(sql, &self.keys).await?;
        }
        if kinds.contains(&SubjectKind::Admin) {
            next.admins = load::admins(sql).await?;
        }
        Ok(next)
    }
}

fn parsed<T: FromStr<Err = InvalidId>>(id: &str) -> Result<T, RegistryError> {
    id.parse()
        .map_err(|error| RegistryError::corrupt("the audit log", error))
}

/// What was changed between `since` and `until`; none where that cannot be told, or is too much. The audit
/// log must go through the very entry that `since` ended with: after a backup was put back it may not.
async fn changes(
    sql: &mut AnyConnection,
    since: &Snapshot,
    until: &Point,
) -> Result<Option<HashSet<(SubjectKind, String)>>, RegistryError> {
    let count = until.revision.saturating_sub(since.revision);
    if !(1..=MAX_CHANGES).contains(&count) {
        return Ok(None);
    }
    let failed = || RegistryError::database("reading what was changed");
    let rows = sqlx::query(
        "SELECT subject_kind, subject_id, hash FROM audit_log WHERE revision >= $1 ORDER BY revision",
    )
    .bind(i64::try_from(since.revision).unwrap_or(i64::MAX))
    .fetch_all(sql)
    .await
    .map_err(failed())?;
    let Some((last_seen, rows)) = rows.split_first() else {
        return Ok(None);
    };
    let hash: &[u8] = last_seen.try_get(2).map_err(failed())?;
    if hash != since.head || rows.len() as u64 != count {
        return Ok(None);
    }
    let mut changes = HashSet::new();
    for row in rows {
        let kind: &str = row.try_get(0).map_err(failed())?;
        // A newer program may know more kinds of subjects.
        let Some(kind) = SubjectKind::ALL.into_iter().find(|it| it.as_str() == kind) else {
            return Ok(None);
        };
        changes.insert((kind, row.try_get(1).map_err(failed())?));
    }
    Ok(Some(changes))
}
