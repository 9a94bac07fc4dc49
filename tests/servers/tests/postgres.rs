//! That a server comes, keeps its data over a stop, and goes with whoever started it.

use std::net::TcpStream;

use patchbay_test_servers::postgres::Postgres;

fn address(url: &str) -> String {
    let server = url.split('@').nth(1).unwrap();
    server.split('/').next().unwrap().to_owned()
}

#[test]
fn a_server_is_stopped_started_and_removed() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let (one, two) = (server.database(), server.database());
    assert_ne!(one, two);
    let address = address(&one);
    assert!(TcpStream::connect(&address).is_ok());
    server.stop();
    assert!(TcpStream::connect(&address).is_err());
    server.restart();
    assert!(TcpStream::connect(&address).is_ok());
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
}
