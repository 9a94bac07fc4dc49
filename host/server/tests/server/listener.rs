//! The listener, on real sockets and in real time.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use patchbay_server::{ServerSettings, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, NAME, PATIENT, body};

struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(router: Router, settings: ServerSettings) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, shutdown.clone(), settings));
    Served {
        address,
        shutdown,
        task,
    }
}

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.address).await.unwrap()
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads the head of an answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

async fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    matches!(stream.read_to_end(&mut rest).await, Ok(0)) || rest.is_empty()
}

const PING: &str = "GET /ping HTTP/1.1\r\nhost: test\r\n\r\n";

fn ping() -> Router {
    Router::new().route("/ping", get(async || ""))
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_is_still_sending() {
    let fixture = Fixture::new().await;
    let served = start(fixture.customers.clone(), ServerSettings::default()).await;
    let large = body(PATIENT, &NAME.repeat(5_000_000 / NAME.len()));
    let mut stream = connect(&served).await;
    let request = format!(
        "POST /link HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
         idempotency-key: key\r\ncontent-length: {}\r\n\r\n{large}",
        large.len()
    );
    send(&mut stream, &request).await;
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 413 "));

    // One that waits for leave is spared the sending.
    let mut stream = connect(&served).await;
    let asks = "POST /link HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5000000\r\n\r\n";
    send(&mut stream, asks).await;
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn stopping_lets_requests_end_and_closes_idle_connections() {
    let (entered, mut in_handler) = mpsc::channel(1);
    let router = ping().route(
        "/slow",
        post(async move |body: Body| {
            entered.send(()).await.unwrap();
            body.collect().await.unwrap().to_bytes()
        }),
    );
    let served = start(router, ServerSettings::default()).await;
    let mut idle = connect(&served).await;
    send(&mut idle, PING).await;
    assert!(head(&mut idle).await.starts_with("HTTP/1.1 200 "));
    let mut busy = connect(&served).await;
    send(
        &mut busy,
        "POST /slow HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n",
    )
    .await;
    in_handler.recv().await.unwrap();

    served.shutdown.cancel();
    assert!(is_closed(idle).await);
    assert!(
        TcpStream::connect(served.address).await.is_err(),
        "nobody accepts any more"
    );
    assert!(!served.task.is_finished());
    send(&mut busy, "late").await;
    assert!(head(&mut busy).await.starts_with("HTTP/1.1 200 "));
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let (entered, mut in_handler) = mpsc::channel(1);
    let router = Router::new().route(
        "/never",
        get(async move || {
            entered.send(()).await.unwrap();
            std::future::pending::<()>().await;
        }),
    );
    let settings = ServerSettings {
        drain: Duration::from_millis(50),
        ..ServerSettings::default()
    };
    let served = start(router, settings).await;
    let mut stream = connect(&served).await;
    send(&mut stream, "GET /never HTTP/1.1\r\nhost: test\r\n\r\n").await;
    in_handler.recv().await.unwrap();
    served.shutdown.cancel();
    served.task.await.unwrap().unwrap();
    assert!(is_closed(stream).await);
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let settings = ServerSettings {
        connections: 1,
        ..ServerSettings::default()
    };
    let served = start(ping(), settings).await;
    let mut first = connect(&served).await;
    send(&mut first, PING).await;
    head(&mut first).await;
    let mut second = connect(&served).await;
    send(&mut second, PING).await;
    // The first is served again while the second waits; then it makes room.
    send(&mut first, PING).await;
    head(&mut first).await;
    assert_eq!(
        second.try_read(&mut [0; 1]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    drop(first);
    assert!(head(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_connection_that_makes_no_progress_is_closed() {
    let settings = ServerSettings {
        header_timeout: Duration::from_millis(50),
        write_timeout: Duration::from_millis(50),
        ..ServerSettings::default()
    };
    let router = ping().route(
        "/endless",
        get(async || {
            let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![0_u8; 64 << 10]));
            Body::from_stream(futures_util::stream::iter(chunks))
        }),
    );
    let served = start(router, settings).await;
    let mut slow = connect(&served).await;
    send(&mut slow, "GET /ping HTTP/1.1\r\nhost: ").await;
    let mut answer = Vec::new();
    // Whether or not it is told why, it is at an end.
    let _ = slow.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));

    // It asks for more than it takes; the server stops, and so a listener that stops has nobody left.
    let mut deaf = connect(&served).await;
    send(&mut deaf, "GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await;
    head(&mut deaf).await;
    served.shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(10), served.task).await;
    stopped
        .expect("the write timeout comes before the drain's")
        .unwrap()
        .unwrap();
}
