//! Gives answers that the contract forbids. The configuration names the answer.

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

use bindings::exports::patchbay::plugin::{search_adapter, validator, webhook_formatter};
use bindings::patchbay::plugin::config;
use bindings::patchbay::plugin::search_types::{
    Agreement, Candidate, Candidates, FieldEvidence, Grade,
};

struct Guest;

impl validator::Guest for Guest {
    fn validate(_: String) -> Result<String, Vec<validator::FieldError>> {
        let fault = |pointer: &str| validator::FieldError {
            pointer: pointer.to_owned(),
            code: "Date In Future!".to_owned(),
            message: "bell \u{7} rings".to_owned(),
        };
        match config::get().as_str() {
            "array" => Ok("[]".to_owned()),
            "half" => Ok("{\"patient\":".to_owned()),
            "two" => Ok("{} {}".to_owned()),
            "deep" => Ok("{\"a\":".repeat(10_000)),
            "no-reason" => Err(Vec::new()),
            "many" => Err(vec![fault("/x"); 101]),
            "pointer" => Err(vec![fault("patient.dob")]),
            "fair" => Err(vec![fault("/patient/dob")]),
            _ => Ok("not JSON".to_owned()),
        }
    }
}

impl search_adapter::Guest for Guest {
    fn search(
        _: search_adapter::Query,
    ) -> Result<search_adapter::Outcome, search_adapter::Failure> {
        let mut candidate = Candidate {
            internal_id: "i-1".to_owned(),
            score: 0.5,
            grade: Grade::Possible,
            evidence: vec![FieldEvidence {
                field: "dob".to_owned(),
                agreement: Agreement::Equal,
                similarity: 1.0,
                weight: 4.0,
            }],
        };
        let mut count = 1;
        match config::get().as_str() {
            "{}" | "nan" => candidate.score = f64::NAN,
            "above" => candidate.score = 1.000_001,
            "below" => candidate.score = -0.5,
            "no-id" => candidate.internal_id.clear(),
            "long-id" => candidate.internal_id = "x".repeat(1_025),
            "similarity" => candidate.evidence[0].similarity = 2.0,
            "weight" => candidate.evidence[0].weight = f64::INFINITY,
            "field" => candidate.evidence[0].field.clear(),
            "evidence" => candidate.evidence = vec![candidate.evidence[0].clone(); 65],
            "many" => count = 201,
            "no-search-id" => return Ok(search_adapter::Outcome::Pending(String::new())),
            "failure" => {
                return Err(search_adapter::Failure {
                    retryable: true,
                    code: "\u{1F4A5} Backend_Unavailable ".repeat(20),
                    message: "m".repeat(100_000),
                });
            }
            _ => {}
        }
        Ok(search_adapter::Outcome::Answered(Candidates {
            found: vec![candidate; count],
            truncated: false,
        }))
    }
}

impl webhook_formatter::Guest for Guest {
    fn format(
        _: webhook_formatter::Event,
    ) -> Result<webhook_formatter::Message, webhook_formatter::Failure> {
        let mut content_type = "application/json";
        let mut headers = vec![("X-Clinic".to_owned(), "north".to_owned())];
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        match config::get().as_str() {
            "signature" => add("Webhook-Signature", "v1,forged"),
            "host" => add("host", "evil.example"),
            "length" => add("Content-Length", "0"),
            "hop" => add("Transfer-Encoding", "chunked"),
            "name" => add("x y", "z"),
            "value" => add("x-note", "a\r\nwebhook-id: forged"),
            "type" => content_type = "json",
            "type-split" => content_type = "text/plain\r\nx: y",
            _ => {}
        }
        Ok(webhook_formatter::Message {
            content_type: content_type.to_owned(),
            headers,
            body: b"{}".to_vec(),
        })
    }
}
