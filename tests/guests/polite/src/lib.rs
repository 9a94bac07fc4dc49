//! Does what it is asked, in every role: the yardstick beside the hostile guests. It tells what it can
//! see of the world, so that a test can check that there is nothing to see.

#![cfg(target_arch = "wasm32")]

mod bindings {
    #![allow(
        unsafe_code,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        reason = "generated from the contract"
    )]
    wit_bindgen::generate!({
        path: "../../../wit/1.0.0",
        world: "everything",
        generate_all,
    });
    export!(Guest with_types_in self);
    use super::Guest;
}

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bindings::exports::patchbay::plugin::{
    patient_details, search_adapter, search_async, validator, webhook_formatter,
};
use bindings::patchbay::plugin::backend::{self, Method, Request};
use bindings::patchbay::plugin::search_types::{Candidate, Candidates, Grade, Outcome};
use bindings::patchbay::plugin::types::Failure;
use bindings::patchbay::plugin::{clock, config};

struct Guest;

/// Calls that this instance has seen: always one, if instances are fresh.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl validator::Guest for Guest {
    fn validate(request: String) -> Result<String, Vec<validator::FieldError>> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        match config::get().as_str() {
            "{\"tell\":true}" => Ok(world(calls)),
            _ => Ok(request),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "what the machine's clocks show is what is told"
)]
fn world(calls: u32) -> String {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let began = Instant::now();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let slept = began.elapsed().as_millis();
    format!(
        "{{\"calls\":{calls},\"now\":{},\"today\":\"{}\",\"wall\":{wall},\"slept\":{slept},\
         \"random\":\"{:x}\",\"files\":{},\"environment\":{},\"arguments\":{},\"network\":{}}}",
        clock::now(),
        clock::today(),
        RandomState::new().hash_one(0),
        std::fs::read_dir("/").is_ok() || std::fs::write("x", "x").is_ok(),
        std::env::vars().count(),
        std::env::args().count(),
        std::net::TcpStream::connect("127.0.0.1:80").is_ok()
            || std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
    )
}

fn ask(path: &str, body: Option<Vec<u8>>) -> Result<String, Failure> {
    let answer = backend::send(&Request {
        method: Method::Post,
        path: path.to_owned(),
        query: vec![("n".to_owned(), "1".to_owned())],
        headers: vec![("Accept".to_owned(), "application/json".to_owned())],
        body,
    });
    match answer {
        Ok(response) => Ok(String::from_utf8_lossy(&response.body).into_owned()),
        Err(error) => Err(Failure {
            retryable: !matches!(error, backend::Error::Denied(_)),
            code: "backend-unavailable".to_owned(),
            message: format!("{error:?}"),
        }),
    }
}

impl search_adapter::Guest for Guest {
    /// The configuration is the path, or the number of requests to send.
    fn search(query: search_adapter::Query) -> Result<Outcome, Failure> {
        let config = config::get();
        let times = config.parse().unwrap_or(1);
        let path = if config.parse::<u32>().is_ok() {
            "Patient"
        } else {
            config.as_str()
        };
        let mut id = String::new();
        for _ in 0..times {
            id = ask(path, Some(query.request.clone().into_bytes()))?;
        }
        Ok(Outcome::Answered(Candidates {
            found: vec![Candidate {
                internal_id: id,
                score: 1.0,
                grade: Grade::Certain,
                evidence: Vec::new(),
            }],
            truncated: false,
        }))
    }
}

impl search_async::Guest for Guest {
    fn poll(search_id: String) -> Result<Outcome, Failure> {
        Ok(Outcome::Pending(search_id))
    }

    fn parse_callback(search_id: String, body: Vec<u8>) -> Result<Outcome, Failure> {
        Ok(Outcome::Pending(format!("{search_id}/{}", body.len())))
    }
}

impl patient_details::Guest for Guest {
    fn fetch_patient(internal_id: String) -> Result<Option<String>, Failure> {
        ask(&internal_id, None).map(Some)
    }
}

impl webhook_formatter::Guest for Guest {
    fn format(
        event: webhook_formatter::Event,
    ) -> Result<webhook_formatter::Message, webhook_formatter::Failure> {
        Ok(webhook_formatter::Message {
            content_type: "application/json; charset=utf-8".to_owned(),
            headers: vec![("X-Kind".to_owned(), event.kind)],
            body: event.data.into_bytes(),
        })
    }
}
