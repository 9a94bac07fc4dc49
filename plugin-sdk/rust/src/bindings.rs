//! What wit-bindgen makes of `wit/1.0.0`. Nothing here is written by hand, and plugin authors never
//! name it: the role traits and the `export_…!` macros stand in front of it.
//!
//! Every role is generated as a world of its own, so that a component exports exactly the roles it
//! asked for; types and imports are generated once, in [`imports`], and shared.
#![allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]

/// The imports, and the types that imports and exports share.
pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        inline: "
            package patchbay:rust-sdk;
            world shared {
                include patchbay:plugin/adapter-imports@1.0.0;
                import patchbay:plugin/types@1.0.0;
                import patchbay:plugin/search-types@1.0.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
    });
}

pub mod validator {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        inline: "
            package patchbay:rust-sdk;
            world validator-role { export patchbay:plugin/validator@1.0.0; }
        ",
        with: {
            "patchbay:plugin/types@1.0.0": super::imports::patchbay::plugin::types,
            "patchbay:plugin/validator@1.0.0": generate,
        },
        pub_export_macro: true,
        default_bindings_module: "patchbay_plugin::bindings::validator",
    });
}

pub mod search_adapter {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        inline: "
            package patchbay:rust-sdk;
            world search-adapter-role { export patchbay:plugin/search-adapter@1.0.0; }
        ",
        with: {
            "patchbay:plugin/types@1.0.0": super::imports::patchbay::plugin::types,
            "patchbay:plugin/search-types@1.0.0": super::imports::patchbay::plugin::search_types,
            "patchbay:plugin/search-adapter@1.0.0": generate,
        },
        pub_export_macro: true,
        default_bindings_module: "patchbay_plugin::bindings::search_adapter",
    });
}

pub mod search_async {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        inline: "
            package patchbay:rust-sdk;
            world search-async-role { export patchbay:plugin/search-async@1.0.0; }
        ",
        with: {
            "patchbay:plugin/types@1.0.0": super::imports::patchbay::plugin::types,
            "patchbay:plugin/search-types@1.0.0": super::imports::patchbay::plugin::search_types,
            "patchbay:plugin/search-async@1.0.0": generate,
        },
        pub_export_macro: true,
        default_bindings_module: "patchbay_plugin::bindings::search_async",
    });
}

pub mod patient_details {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        inline: "
            package patchbay:rust-sdk;
            world patient-details-role { export patchbay:plugin/patient-details@1.0.0; }
        ",
        with: {
            "patchbay:plugin/types@1.0.0": super::imports::patchbay::plugin::types,
            "patchbay:plugin/patient-details@1.0.0": generate,
        },
        pub_export_macro: true,
        default_bindings_module: "patchbay_plugin::bindings::patient_details",
    });
}

pub mod webhook_formatter {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        inline: "
            package patchbay:rust-sdk;
            world webhook-formatter-role { export patchbay:plugin/webhook-formatter@1.0.0; }
        ",
        with: {
            "patchbay:plugin/types@1.0.0": super::imports::patchbay::plugin::types,
            "patchbay:plugin/webhook-formatter@1.0.0": generate,
        },
        pub_export_macro: true,
        default_bindings_module: "patchbay_plugin::bindings::webhook_formatter",
    });
}
