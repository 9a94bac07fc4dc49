//! Validator `validator-strict-insurance`: the rules of `validator-standard`, and an insurance that
//! must be given and hold.
//!
//! It owns what is asked of an insurance; it knows nothing of searching or of who the customer is.
//!
//! # What it adds
//!
//! | member of `patient.insurance` | rule | becomes | codes |
//! | --- | --- | --- | --- |
//! | `provider` | required; one of `providers`, in any case | as `providers` spells it | `required`, `provider-not-accepted` |
//! | `policy_number` | required; fits `policy-mask`; with `policy-luhn` its digits end with their check digit | letters under `A` in upper case | `required`, `policy-number-form`, `policy-number-check-digit` |
//! | `valid_until` | not in the past: a policy holds through its last day | | `insurance-expired` |
//!
//! # Configuration
//!
//! That of `validator-standard` (`required` need not name the two members above), and:
//!
//! | member | meaning | default |
//! | --- | --- | --- |
//! | `providers` | the insurers that are accepted | any |
//! | `policy-mask` | what a policy number looks like, one character of the mask for each of its own: `A` a letter A to Z, `9` a digit, `*` any character, `\` takes the next one literally, every other stands for itself. `AA-999999` fits `ab-123456` | anything |
//! | `policy-luhn` | `true`: the last digit of a policy number is the Luhn check digit (ISO/IEC 7812-1) of the digits before it; other characters do not count | `false` |
//!
//! An unknown member, or one that is not as above, makes the call trap with a message that says so.
#![deny(missing_docs)]

pub mod config;
pub mod luhn;
pub mod mask;
mod rules;

use patchbay_plugin::{FieldError, FieldErrors, Host, Validator};
use serde_json::Value;

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct StrictInsurance;

impl Validator for StrictInsurance {
    fn validate(mut request: Value, host: &Host) -> Result<Value, Vec<FieldError>> {
        let config: Config = host.config_or_trap();
        let mut errors = FieldErrors::new();
        validator_rules::check(&mut request, &config.standard, host.now(), &mut errors);
        let mut faults = errors.finish(()).err().unwrap_or_default();
        rules::check(&mut request, &config, host.now(), &mut faults);
        if faults.is_empty() {
            Ok(request)
        } else {
            Err(faults)
        }
    }
}

patchbay_plugin::export_validator!(StrictInsurance);
