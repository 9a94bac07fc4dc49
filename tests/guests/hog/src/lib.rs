//! Takes more than it may, in every role. The configuration says of what: memory without end, or
//! `{"bytes": N}` of memory and then an answer, or (`output`) an answer of two
//! mebibytes, or (`chatter`) ten thousand log lines.

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
        inline: "
            package guest:hostile;
            world hostile {
                include patchbay:plugin/adapter-imports@1.0.0;
                export patchbay:plugin/validator@1.0.0;
                export patchbay:plugin/search-adapter@1.0.0;
                export patchbay:plugin/webhook-formatter@1.0.0;
            }
        ",
        generate_all,
    });
    export!(Guest with_types_in self);
    use super::Guest;
}

use std::hint::black_box;

use bindings::exports::patchbay::plugin::{search_adapter, validator, webhook_formatter};
use bindings::patchbay::plugin::config;
use bindings::patchbay::plugin::log::{Level, log};

struct Guest;

const MEBIBYTE: usize = 1 << 20;

fn hog() {
    let config = config::get();
    if config.contains("chatter") {
        for line in 0..10_000 {
            log(Level::Info, &format!("line {line}"));
        }
        return;
    }
    let digits: String = config.chars().filter(char::is_ascii_digit).collect();
    let wanted = digits.parse().unwrap_or(usize::MAX);
    let mut held = Vec::new();
    while held.len() * MEBIBYTE < wanted {
        held.push(black_box(vec![1_u8; MEBIBYTE]));
    }
}

impl validator::Guest for Guest {
    fn validate(request: String) -> Result<String, Vec<validator::FieldError>> {
        if config::get().contains("output") {
            return Ok(format!("{{\"x\":\"{}\"}}", "x".repeat(2 * MEBIBYTE)));
        }
        hog();
        Ok(request)
    }
}

impl search_adapter::Guest for Guest {
    fn search(
        _: search_adapter::Query,
    ) -> Result<search_adapter::Outcome, search_adapter::Failure> {
        hog();
        Ok(search_adapter::Outcome::Pending("s-1".to_owned()))
    }
}

impl webhook_formatter::Guest for Guest {
    fn format(
        _: webhook_formatter::Event,
    ) -> Result<webhook_formatter::Message, webhook_formatter::Failure> {
        hog();
        Ok(webhook_formatter::Message {
            content_type: "text/plain".to_owned(),
            headers: Vec::new(),
            body: vec![0; 2 * MEBIBYTE],
        })
    }
}
