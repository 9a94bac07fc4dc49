//! From a name to addresses that may be asked, at the moment of connecting.
//!
//! The client's connector gets its addresses from here and from nowhere else, so the addresses that
//! were checked are those it connects to: a name that answers differently a moment later gains nothing.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::{Forbidden, GuardPolicy};

/// The most addresses of one name that a connection is tried with; all are checked.
const MOST_TRIED: usize = 16;

/// Somebody who knows the addresses of names.
#[async_trait]
pub trait NameResolver: Send + Sync + 'static {
    /// All addresses of `name`, the preferred ones first.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's resolver (`getaddrinfo`), with its hosts file and its search rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl NameResolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|socket| socket.ip()).collect())
    }
}

/// Why a name gave nothing to connect to. It travels inside the client's own error type.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NameError {
    #[error("{name}: {forbidden}")]
    Forbidden { name: String, forbidden: Forbidden },
    #[error("{0}")]
    Unresolved(String),
}

/// Resolves and, where there is a policy, checks.
pub(crate) struct GuardedResolver {
    pub(crate) names: Arc<dyn NameResolver>,
    pub(crate) policy: Option<Arc<GuardPolicy>>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, policy) = (Arc::clone(&self.names), self.policy.clone());
        Box::pin(async move {
            let addresses = checked(&*names, policy.as_deref(), name.as_str())
                .await
                .map_err(|error| Box::new(error) as Box<dyn Error + Send + Sync>)?;
            // Port 0 stands for the port of the URL.
            let sockets = addresses
                .into_iter()
                .take(MOST_TRIED)
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

async fn checked(
    names: &dyn NameResolver,
    policy: Option<&GuardPolicy>,
    name: &str,
) -> Result<Vec<IpAddr>, NameError> {
    let addresses = names
        .resolve(name)
        .await
        .map_err(|error| NameError::Unresolved(format!("{name}: {error}")))?;
    if addresses.is_empty() {
        return Err(NameError::Unresolved(format!("{name}: no address")));
    }
    if let Some(policy) = policy {
        policy
            .check(&addresses)
            .map_err(|forbidden| NameError::Forbidden {
                name: name.to_owned(),
                forbidden,
            })?;
    }
    Ok(addresses)
}
