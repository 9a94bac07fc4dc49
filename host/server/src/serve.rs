//! Serving connections: HTTP/1.1, as many as are allowed, none for longer than it makes progress.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::settings::ServerSettings;

/// The longest head of a request, in bytes: several tokens long, and far from a burden.
const HEAD_BYTES: usize = 32 << 10;
/// How much of a connection is read ahead.
const BUFFER_BYTES: usize = 64 << 10;
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves `router` on `listener` until `shutdown`. Requests under way may then end within
/// [`ServerSettings::drain`]; idle connections are closed at once.
///
/// # Errors
/// Where the listener is not a working socket. A connection that fails ends alone, and what a listener
/// meets in passing (no file descriptors left, say) is logged and waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    settings: ServerSettings,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES);
    let places = Arc::new(Semaphore::new(settings.connections.max(1)));
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();
    tracing::info!(%address, "listening");

    let mut troubled = false;
    while let Some(accepted) = shutdown
        .run_until_cancelled(accept(&listener, &places))
        .await
    {
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_peers(&error) => continue,
            Err(error) => {
                if !troubled {
                    tracing::error!(%address, %error, "cannot accept connections; trying on");
                }
                troubled = true;
                let _ = timeout(ACCEPT_PAUSE, shutdown.cancelled()).await;
                continue;
            }
        };
        troubled = false;
        let connection = http.serve_connection(
            TokioIo::new(bounded(stream, settings.write_timeout)),
            TowerToHyperService::new(router.clone()),
        );
        let connection = graceful.watch(connection);
        let cut = cut.clone();
        tokio::spawn(async move {
            // A connection's errors are its peer's: a reset, a timeout, a malformed head.
            let _ = cut.run_until_cancelled(connection).await;
            drop(place);
        });
    }

    // Nobody connects to a socket that nobody will accept from.
    drop(listener);
    let under_way = graceful.count();
    if timeout(settings.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(%address, "stopped listening with requests under way");
    } else {
        tracing::info!(%address, connections = under_way, "stopped listening");
    }
    cut.cancel();
    Ok(())
}

/// A connection, once there is a place for it: until then it waits in the system's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are small and written at once; waiting for more would only add to their latency. A socket
    // that refuses this is gone already.
    let _ = stream.set_nodelay(true);
    Ok((stream, place))
}

/// The connection was gone before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// The server's own limits bound what a client sends; this bounds how long it may leave an answer lying.
fn bounded(
    stream: TcpStream,
    write_timeout: Duration,
) -> std::pin::Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_timeout));
    Box::pin(stream)
}
