//! Says something and then panics, in every role. What it says holds `MARKER`, which stands for a
//! patient's data: it may appear in the guest's output and nowhere else.

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
use bindings::patchbay::plugin::log::{Level, log};

const MARKER: &str = "marker-7f3a";

struct Guest;

fn fall() -> ! {
    log(Level::Error, &format!("logged {MARKER}"));
    println!("to standard output {MARKER}");
    eprintln!("to standard error {MARKER}");
    panic!("panicked with {MARKER}")
}

impl validator::Guest for Guest {
    fn validate(_: String) -> Result<String, Vec<validator::FieldError>> {
        fall()
    }
}

impl search_adapter::Guest for Guest {
    fn search(
        _: search_adapter::Query,
    ) -> Result<search_adapter::Outcome, search_adapter::Failure> {
        fall()
    }
}

impl webhook_formatter::Guest for Guest {
    fn format(
        _: webhook_formatter::Event,
    ) -> Result<webhook_formatter::Message, webhook_formatter::Failure> {
        fall()
    }
}
