//! The rules that this validator adds. They see a request that the shared rules have normalised and
//! leave alone what those have found wrong already, so that no fault is reported twice.

use patchbay_plugin::{Date, FieldError};
use serde_json::Value;

use crate::config::Config;
use crate::luhn;

const PROVIDER: &str = "/patient/insurance/provider";
const POLICY_NUMBER: &str = "/patient/insurance/policy_number";
const VALID_UNTIL: &str = "/patient/insurance/valid_until";

/// A message lists the accepted insurers up to this many.
const MOST_LISTED: usize = 10;

pub(crate) fn check(request: &mut Value, config: &Config, now: u64, faults: &mut Vec<FieldError>) {
    if let (Some(names), Some(provider)) = (&config.providers, sound(request, PROVIDER, faults)) {
        match names.iter().find(|name| is_same(name, provider)) {
            Some(name) => provider.clone_from(name),
            None => faults.push(FieldError::new(
                PROVIDER,
                "provider-not-accepted",
                not_accepted(names),
            )),
        }
    }
    if let Some(number) = sound(request, POLICY_NUMBER, faults) {
        match policy_number(number, config) {
            Ok(normal) => *number = normal,
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(last_day) = sound(request, VALID_UNTIL, faults)
        && let Ok(last_day) = last_day.parse::<Date>()
        && last_day < config.standard.today(now)
    {
        faults.push(FieldError::new(
            VALID_UNTIL,
            "insurance-expired",
            "The insurance has expired; give one that is in force.",
        ));
    }
}

/// A text that is given and in which no fault was found so far.
fn sound<'r>(
    request: &'r mut Value,
    pointer: &str,
    faults: &[FieldError],
) -> Option<&'r mut String> {
    match request.pointer_mut(pointer) {
        Some(Value::String(text)) if faults.iter().all(|fault| fault.pointer != pointer) => {
            Some(text)
        }
        _ => None,
    }
}

fn policy_number(number: &str, config: &Config) -> Result<String, FieldError> {
    let normal = match &config.policy_mask {
        None => number.to_owned(),
        Some(mask) => mask.apply(number).ok_or_else(|| {
            let mask = mask.as_str();
            FieldError::new(
                POLICY_NUMBER,
                "policy-number-form",
                format!(
                    "The policy number must look like {mask} (A: a letter, 9: a digit, *: any character)."
                ),
            )
        })?,
    };
    if config.policy_luhn && !luhn::fits(&normal) {
        return Err(FieldError::new(
            POLICY_NUMBER,
            "policy-number-check-digit",
            "The policy number's check digit does not fit; look for a mistyped digit.",
        ));
    }
    Ok(normal)
}

/// Names of insurers are compared without regard to case.
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn not_accepted(names: &[String]) -> String {
    if names.len() > MOST_LISTED {
        "This insurer is not among those accepted.".to_owned()
    } else {
        let names = names.join(", ");
        format!("This insurer is not accepted; the accepted are: {names}.")
    }
}
