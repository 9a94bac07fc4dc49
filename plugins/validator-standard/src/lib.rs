//! Validator `validator-standard`: the patient is plausible, and spelled in one way.
//!
//! The rules live in `validator-rules`, which other validators share; this crate is the component.
//! It knows nothing of searching or of who the customer is.
//!
//! # What it checks and normalises
//!
//! Texts are composed (Unicode NFC), trimmed, and runs of white space become one space. A known member
//! that is blank counts as not given and is left out; null counts as not given. Members it does not
//! know, in `patient` and elsewhere, stay as they are, and so does `patient.id`, always.
//!
//! | member of `patient` | rule | becomes | codes |
//! | --- | --- | --- | --- |
//! | `id` | required; a UUID, or any text (`id-format`) | unchanged | `id-invalid` |
//! | `full_name`, `given_name`, `family_name` | letters and marks of any script, digits, spaces, `-` `'` `.` `,` and their typographic forms; at least one letter | without directional marks | `name-character`, `name-without-letter` |
//! | `dob` | a date or an RFC 3339 date-time, whose date counts as written; not in the future, not more than 150 years ago | `YYYY-MM-DD` | `date-invalid`, `date-in-future`, `date-too-early` |
//! | `gender` | `male`, `female`, `other`, `unknown` in any case, or `M`, `F`, `O`, `U` | the word | `gender-invalid` |
//! | `contact.email` | `local@domain` | domain in lower case | `email-invalid` |
//! | `contact.phone` | E.164, `00…`, or a national number | E.164, `;ext=` after it; a national number without `phone-country` stays | `phone-invalid` |
//! | `contact.address` | a text, or an object of `line` (at most 8), `city`, `state`, `postal_code`, `country` | | `too-many` |
//! | `insurance.provider`, `.policy_number`, `.group_number` | texts | | |
//! | `insurance.valid_until` | a date, as `dob` | `YYYY-MM-DD` | `date-invalid` |
//!
//! Everywhere: `required`, `wrong-type`, `too-long` (names and texts 200 characters, a plain address
//! and an e-mail address 500, a phone number 50). Outside of `patient`, `webhook` must be a text.
//! All faults are reported at once, and no message repeats a value.
//!
//! # Configuration
//!
//! | member | meaning | default |
//! | --- | --- | --- |
//! | `required` | members of `patient` that must be given, as names joined with dots (`contact.email`); `full_name` is also met by `given_name` and `family_name` together | `["full_name", "dob"]` |
//! | `id-format` | `uuid` or `any` | `uuid` |
//! | `phone-country` | country calling code of national numbers, for example `"44"` | none |
//! | `utc-offset` | where the customer's calendar days begin, for example `"+13:00"`: what is in the future depends on it | `"+00:00"` |
//!
//! An unknown member, or one that is not as above, makes the call trap with a message that says so:
//! the customer gets 503 `plugin-failed` rather than a fault that is not theirs.
#![deny(missing_docs)]

use patchbay_plugin::{FieldError, FieldErrors, Host, Validator};
use serde_json::Value;
use validator_rules::Config;

/// The plugin.
#[derive(Debug)]
pub struct Standard;

impl Validator for Standard {
    fn validate(mut request: Value, host: &Host) -> Result<Value, Vec<FieldError>> {
        let config: Config = host.config_or_trap();
        let mut errors = FieldErrors::new();
        validator_rules::check(&mut request, &config, host.now(), &mut errors);
        errors.finish(request)
    }
}

patchbay_plugin::export_validator!(Standard);
