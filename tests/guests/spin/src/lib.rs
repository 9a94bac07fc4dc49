//! Never comes to an end, in every role. The configuration says how: it computes, or (`sleep`) waits, or
//! (`log`) talks.

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
use std::time::Duration;

use bindings::exports::patchbay::plugin::{search_adapter, validator, webhook_formatter};
use bindings::patchbay::plugin::config;
use bindings::patchbay::plugin::log::{Level, log};

struct Guest;

#[allow(clippy::disallowed_methods, reason = "to wait is what is asked of it")]
fn spin() -> ! {
    let config = config::get();
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
        if config.contains("sleep") {
            std::thread::sleep(Duration::from_hours(1));
        } else if config.contains("log") {
            log(Level::Info, "still here");
        }
    }
}

impl validator::Guest for Guest {
    fn validate(_: String) -> Result<String, Vec<validator::FieldError>> {
        spin()
    }
}

impl search_adapter::Guest for Guest {
    fn search(
        _: search_adapter::Query,
    ) -> Result<search_adapter::Outcome, search_adapter::Failure> {
        spin()
    }
}

impl webhook_formatter::Guest for Guest {
    fn format(
        _: webhook_formatter::Event,
    ) -> Result<webhook_formatter::Message, webhook_formatter::Failure> {
        spin()
    }
}
