//! The guarded client against a server that says exactly what a test tells it to, byte by byte.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Method, StatusCode};
use patchbay_ambient::{
    Destination, HttpClient, HttpError, HttpLimits, HttpRequest, ManualClock, SystemClock,
};
use patchbay_delivery::{ClientSettings, GuardPolicy, GuardedClient, NameResolver};
use patchbay_workflow::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the server does with each connection after it has read one request.
#[derive(Clone)]
enum Script {
    /// Says this and waits for the next request.
    Say(Vec<u8>),
    /// Says the first once and then the second until nobody listens any more.
    Repeat(Vec<u8>, Vec<u8>),
    /// Says this and then nothing, with the connection open.
    Stall(Vec<u8>),
}

struct Server {
    address: SocketAddr,
    /// One per request, with its head and body as they came.
    requests: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, script.clone(), seen.clone()));
            }
        });
        Self { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn named(&self, name: &str) -> String {
        format!("http://{name}:{}/", self.address.port())
    }

    fn seen(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn talk(
    mut stream: TcpStream,
    script: Script,
    seen: mpsc::UnboundedSender<String>,
) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        let _ = seen.send(request);
        match &script {
            Script::Say(bytes) => stream.write_all(bytes).await?,
            Script::Repeat(first, then) => {
                stream.write_all(first).await?;
                loop {
                    stream.write_all(then).await?;
                }
            }
            Script::Stall(bytes) => {
                stream.write_all(bytes).await?;
                let _ = seen.send("stalled".to_owned());
                std::future::pending::<()>().await;
            }
        }
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Ok(Some(text));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn say(head: &str, body: &[u8]) -> Script {
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    Script::Say([head.as_bytes(), body].concat())
}

fn settings(allow: &[&str]) -> ClientSettings {
    ClientSettings {
        guard: GuardPolicy {
            allow: allow
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
            https_only_for_customers: false,
        },
        ..ClientSettings::default()
    }
}

fn client(allow: &[&str]) -> GuardedClient {
    GuardedClient::new(settings(allow), Arc::new(SystemClock::new())).unwrap()
}

fn request(url: &str) -> HttpRequest {
    HttpRequest {
        method: Method::POST,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: "ping".into(),
        limits: HttpLimits {
            timeout: Duration::from_secs(30),
            max_body: 100_000,
            truncate: false,
        },
        destination: Destination::Customer,
    }
}

fn truncating(url: &str) -> HttpRequest {
    let mut request = request(url);
    request.limits.truncate = true;
    request
}

/// Answers each question with the next of its answers, and the last one for ever.
struct Answers(Vec<Vec<IpAddr>>, AtomicUsize);

impl Answers {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(
            answers.iter().map(parse).collect(),
            AtomicUsize::new(0),
        ))
    }
}

#[async_trait]
impl NameResolver for Answers {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0[asked.min(self.0.len() - 1)].clone())
    }
}

fn client_with(allow: &[&str], names: Arc<dyn NameResolver>) -> GuardedClient {
    GuardedClient::with_resolver(settings(allow), Arc::new(SystemClock::new()), names).unwrap()
}

#[tokio::test]
async fn an_allowed_endpoint_is_asked() {
    let mut server = Server::start(say("201 Created\r\nx-theirs: yes", b"pong")).await;
    let mut request = request(&server.url("/hook?x=1"));
    request.headers.insert("x-ours", "1".parse().unwrap());
    request
        .headers
        .insert("host", "elsewhere.example".parse().unwrap());
    request
        .headers
        .insert("transfer-encoding", "chunked".parse().unwrap());
    request
        .headers
        .insert("accept-encoding", "br".parse().unwrap());
    let answer = client(&["127.0.0.0/8"]).send(request).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers["x-theirs"], "yes");
    assert_eq!(&answer.body[..], b"pong");

    let seen = server.seen();
    let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "ping");
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /hook?x=1 HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", server.address);
    let agent = format!("user-agent: patchbay/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "accept-encoding: gzip",
            "accept: */*",
            "content-length: 4",
            &host,
            &agent,
            "x-ours: 1"
        ]
    );
}

/// The same once more, in a process whose environment names a proxy that does not exist.
#[test]
fn proxy_variables_are_ignored() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "an_allowed_endpoint_is_asked"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        again.env(name, "http://127.0.0.1:1");
    }
    let run = again
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stdout)
    );
}

#[tokio::test]
async fn special_addresses_are_refused_however_they_are_written() {
    let mut server = Server::start(say("200 OK", b"secret")).await;
    let port = server.address.port();
    let client = client(&[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "LocalHost",
    ] {
        let refused = client
            .send(request(&format!("http://{host}:{port}/")))
            .await;
        assert!(
            matches!(refused, Err(HttpError::Refused(_))),
            "{host}: {refused:?}"
        );
    }
    assert!(server.seen().is_empty());
    for url in [
        "ftp://clinic.example/",
        "file:///etc/passwd",
        "data:text/plain,x",
    ] {
        let refused = client.send(request(url)).await;
        assert!(
            matches!(refused, Err(HttpError::Refused(_))),
            "{url}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn customers_are_asked_over_https_only_unless_the_installation_says_otherwise() {
    let strict =
        GuardedClient::new(ClientSettings::default(), Arc::new(SystemClock::new())).unwrap();
    let refused = strict.send(request("http://clinic.example/")).await;
    assert!(
        matches!(&refused, Err(HttpError::Refused(why)) if why.contains("https")),
        "{refused:?}"
    );
}

/// An operator's system may be anywhere; the connection opened to it serves no customer.
#[tokio::test]
async fn an_operators_connection_is_not_lent_to_customers() {
    let mut server = Server::start(say("200 OK", b"")).await;
    let client = client_with(&[], Answers::new(&[&["127.0.0.1"]]));
    let url = server.named("fhir.internal.example");
    let mut operators = request(&url);
    operators.destination = Destination::Operator;
    assert!(client.send(operators).await.is_ok());
    let refused = client.send(request(&url)).await.unwrap_err();
    assert!(matches!(&refused, HttpError::Refused(_)));
    assert!(
        refused
            .to_string()
            .contains("fhir.internal.example: 127.0.0.1 is a loopback address")
    );
    assert_eq!(server.seen().len(), 1);
}

/// A name that turns to another address after it was checked: the connection goes to what was checked,
/// and the next connection is checked anew.
#[tokio::test]
async fn a_rebound_name_gains_nothing() {
    let mut server = Server::start(say("200 OK\r\nconnection: close", b"")).await;
    let names = Answers::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = client_with(&["127.0.0.1/32"], names.clone());
    let url = server.named("rebind.example");
    assert!(client.send(request(&url)).await.is_ok());
    assert_eq!(
        names.1.load(Ordering::SeqCst),
        1,
        "asked once per connection"
    );
    let second = client.send(request(&url)).await;
    assert!(matches!(second, Err(HttpError::Refused(_))), "{second:?}");
    assert_eq!(names.1.load(Ordering::SeqCst), 2);
    assert_eq!(server.seen().len(), 1);

    let mixed = client_with(
        &["127.0.0.1/32"],
        Answers::new(&[&["127.0.0.1", "10.0.0.7"]]),
    );
    let refused = mixed.send(request(&url)).await;
    assert!(matches!(refused, Err(HttpError::Refused(_))), "{refused:?}");
    let nowhere = client_with(&[], Answers::new(&[&[]]))
        .send(request(&url))
        .await;
    assert!(
        matches!(nowhere, Err(HttpError::Unresolved(_))),
        "{nowhere:?}"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn redirects_are_answers() {
    let mut server = Server::start(say("302 Found\r\nlocation: /elsewhere", b"")).await;
    let answer = client(&["127.0.0.0/8"])
        .send(request(&server.url("/")))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(server.seen().len(), 1);
}

/// A resolver that never answers.
struct Silence(mpsc::UnboundedSender<()>);

#[async_trait]
impl NameResolver for Silence {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        let _ = self.0.send(());
        std::future::pending().await
    }
}

#[tokio::test]
async fn the_time_limit_holds_from_the_name_to_the_last_byte() {
    let limit = Duration::from_secs(30);
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let (asked, mut questions) = mpsc::unbounded_channel();
    let silent =
        GuardedClient::with_resolver(settings(&[]), clock.clone(), Arc::new(Silence(asked)))
            .unwrap();
    let (answer, ()) = tokio::join!(silent.send(request("http://clinic.example/")), async {
        questions.recv().await.unwrap();
        clock.advance(limit);
    });
    assert!(
        matches!(answer, Err(HttpError::Timeout(after)) if after == limit),
        "{answer:?}"
    );

    let stall = Script::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec());
    let mut server = Server::start(stall).await;
    let slow = GuardedClient::new(settings(&["127.0.0.0/8"]), clock.clone()).unwrap();
    let (answer, ()) = tokio::join!(slow.send(truncating(&server.url("/"))), async {
        while server.requests.recv().await.unwrap() != "stalled" {}
        clock.advance(limit);
    });
    assert!(matches!(answer, Err(HttpError::Timeout(_))), "{answer:?}");
}

#[tokio::test]
async fn an_endless_body_is_cut_or_refused() {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    let server = Server::start(Script::Repeat(head, vec![b'x'; 10_000])).await;
    let client = client(&["127.0.0.0/8"]);
    let cut = client.send(truncating(&server.url("/"))).await.unwrap();
    assert_eq!(cut.body.len(), 100_000);
    let refused = client.send(request(&server.url("/"))).await;
    assert!(
        matches!(refused, Err(HttpError::TooLarge(100_000))),
        "{refused:?}"
    );

    let exact = Server::start(say("200 OK", &b"x".repeat(100_000))).await;
    assert_eq!(
        client
            .send(request(&exact.url("/")))
            .await
            .unwrap()
            .body
            .len(),
        100_000
    );
    let one_more = Server::start(say("200 OK", &b"x".repeat(100_001))).await;
    let refused = client.send(request(&one_more.url("/"))).await;
    assert!(
        matches!(refused, Err(HttpError::TooLarge(_))),
        "{refused:?}"
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn gzip_is_unpacked_within_the_limits() {
    let client = client(&["127.0.0.0/8"]);
    let two_members = [gzip(b"po"), gzip(b"ng")].concat();
    let honest = Server::start(say("200 OK\r\ncontent-encoding: gzip", &two_members)).await;
    let answer = client.send(request(&honest.url("/"))).await.unwrap();
    assert_eq!(&answer.body[..], b"pong");
    assert!(!answer.headers.contains_key("content-encoding"));

    let bomb = gzip(&vec![0; 50_000_000]);
    assert!(bomb.len() < 100_000, "the bomb itself is within the limit");
    let bomb = Server::start(say("200 OK\r\ncontent-encoding: gzip", &bomb)).await;
    assert_eq!(
        client
            .send(truncating(&bomb.url("/")))
            .await
            .unwrap()
            .body
            .len(),
        100_000
    );
    let refused = client.send(request(&bomb.url("/"))).await;
    assert!(
        matches!(refused, Err(HttpError::TooLarge(_))),
        "{refused:?}"
    );

    // Members that unpack to nothing, for ever: only what arrives can be counted.
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    let nothing = Server::start(Script::Repeat(head, gzip(b"").repeat(100))).await;
    let refused = client.send(request(&nothing.url("/"))).await;
    assert!(
        matches!(refused, Err(HttpError::TooLarge(_))),
        "{refused:?}"
    );
    assert!(
        client
            .send(truncating(&nothing.url("/")))
            .await
            .unwrap()
            .body
            .is_empty()
    );

    let pong = gzip(b"pong");
    for broken in [&pong[..pong.len() - 3], b"not gzip at all"] {
        let server = Server::start(say("200 OK\r\ncontent-encoding: gzip", broken)).await;
        let error = client.send(request(&server.url("/"))).await;
        assert!(matches!(error, Err(HttpError::Connection(_))), "{error:?}");
        assert!(client.send(truncating(&server.url("/"))).await.is_ok());
    }
    let empty = Server::start(say("200 OK\r\ncontent-encoding: gzip", b"")).await;
    assert!(
        client
            .send(request(&empty.url("/")))
            .await
            .unwrap()
            .body
            .is_empty()
    );
}

/// Paths and queries hold secrets (many endpoints are known by theirs alone); no error repeats them.
#[tokio::test]
async fn errors_name_the_host_and_not_the_path() {
    let server = Server::start(say("nonsense", b"")).await;
    let closed = TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let no_tls = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let no_tls_address = no_tls.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = no_tls.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    let client = client(&["127.0.0.0/8"]);
    for url in [
        server.url("/s3cret?key=s3cret"),
        format!("http://{closed}/s3cret"),
        format!("https://{no_tls_address}/s3cret"),
    ] {
        let error = client.send(request(&url)).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Connection(_)),
            "{url}: {error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("127.0.0.1:") && !text.contains("s3cret"),
            "{text}"
        );
    }
}
