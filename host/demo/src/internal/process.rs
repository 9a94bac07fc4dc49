//! The internal system as a process of its own. It says in one line of JSON where it listens, and ends
//! when its standard input is closed: it never outlives whoever started it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::people::{DEFAULT_COUNT, FebrlError, generate, read_febrl};

/// The arguments of the hidden command `demo-backend`. The bearer token is the first line of its
/// standard input, because arguments can be seen by others.
#[derive(Debug, Clone, clap::Args)]
pub struct BackendArgs {
    /// The seed of the generated people.
    #[arg(long, default_value_t = crate::DEFAULT_SEED)]
    pub seed: u64,
    /// Serve the originals of this file instead of generated people.
    #[arg(long, value_name = "CSV")]
    pub people: Option<PathBuf>,
}

/// The line printed once requests are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Where it listens.
    pub address: SocketAddr,
}

/// Why the internal system cannot run.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The people's file is no good.
    #[error(transparent)]
    People(#[from] FebrlError),
    /// Standard input gave no token.
    #[error("the first line of standard input must be the bearer token")]
    NoToken,
    /// The loopback interface cannot be used.
    #[error("cannot serve on the loopback interface: {0}")]
    Io(#[from] std::io::Error),
}

/// Serves until standard input is closed.
pub async fn run_backend(args: BackendArgs) -> Result<(), BackendError> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut token = String::new();
    input.read_line(&mut token).await?;
    let token = token.trim();
    if token.is_empty() {
        return Err(BackendError::NoToken);
    }
    let people = match &args.people {
        Some(path) => read_febrl(path)?.internal,
        None => generate(args.seed, DEFAULT_COUNT),
    };
    let router = super::router(people, token);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let ready = Ready {
        address: listener.local_addr()?,
    };
    let mut line = serde_json::to_vec(&ready).map_err(std::io::Error::from)?;
    line.push(b'\n');
    let mut output = tokio::io::stdout();
    output.write_all(&line).await?;
    output.flush().await?;
    let mut rest = tokio::io::sink();
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        // Whatever else is written is thrown away; the end is what counts.
        ended = tokio::io::copy(&mut input, &mut rest) => drop(ended?),
    }
    Ok(())
}
