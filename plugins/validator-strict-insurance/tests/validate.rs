//! The validator through its role, as the host calls it.

use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{FieldError, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};
use validator_strict_insurance::mask::Mask;
use validator_strict_insurance::{StrictInsurance, luhn};

fn validate(insurance: &Value, config: Value) -> Result<Value, Vec<FieldError>> {
    let request = json!({"patient": {
        "id": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "full_name": "Ada Lovelace",
        "dob": "1985-12-10",
        "insurance": insurance,
    }});
    let host = MockHost::new().config(config).today("2026-02-28");
    StrictInsurance::validate(request, &host)
        .map(|mut request| request["patient"]["insurance"].take())
}

fn faults(insurance: &Value, config: Value) -> Vec<String> {
    validate(insurance, config)
        .unwrap_err()
        .into_iter()
        .map(|fault| format!("{} {}", fault.pointer, fault.code))
        .collect()
}

fn config() -> Value {
    json!({
        "providers": ["Acme  Health", "Nordkasse"],
        "policy-mask": "AA-999999",
        "policy-luhn": true,
    })
}

#[test]
fn an_insurance_in_force_passes_in_its_normal_form() {
    let sent = json!({
        "provider": " acme health",
        "policy_number": "ab-123455",
        "group_number": "g",
        "valid_until": "2026-02-28T00:00:00Z",
    });
    assert_eq!(
        validate(&sent, config()).unwrap(),
        json!({
            "provider": "Acme Health",
            "policy_number": "AB-123455",
            "group_number": "g",
            "valid_until": "2026-02-28",
        })
    );
    let sent = json!({"provider": "Anybody", "policy_number": "anything"});
    assert_eq!(validate(&sent, json!({})).unwrap(), sent);
}

#[test]
fn each_fault_is_told_once_beside_those_of_the_shared_rules() {
    let missing = [
        "/patient/insurance/provider required",
        "/patient/insurance/policy_number required",
    ];
    assert_eq!(faults(&Value::Null, config()), missing);
    assert_eq!(faults(&json!({"provider": " "}), config()), missing);

    let sent = json!({
        "provider": "Nobody & Sons",
        "policy_number": "AB-123456",
        "group_number": 7,
        "valid_until": "2026-02-27",
    });
    assert_eq!(
        faults(&sent, config()),
        [
            "/patient/insurance/group_number wrong-type",
            "/patient/insurance/provider provider-not-accepted",
            "/patient/insurance/policy_number policy-number-check-digit",
            "/patient/insurance/valid_until insurance-expired",
        ]
    );
    let sent = json!({
        "provider": "x".repeat(201),
        "policy_number": "AB-12345",
        "valid_until": "2026-02-30",
    });
    assert_eq!(
        faults(&sent, config()),
        [
            "/patient/insurance/provider too-long",
            "/patient/insurance/valid_until date-invalid",
            "/patient/insurance/policy_number policy-number-form",
        ]
    );
}

#[test]
fn a_wrong_configuration_traps_and_says_why() {
    for (config, named) in [
        (json!({"provider": []}), "unknown field `provider`"),
        (json!({"providers": [" "]}), "`providers` names nobody"),
        (json!({"policy-mask": ""}), "`policy-mask` is empty"),
        (json!({"policy-mask": "A\\"}), "backslash"),
        (json!({"policy-luhn": "yes"}), "expected a boolean"),
        (json!({"id-format": "ulid"}), "unknown variant `ulid`"),
    ] {
        let call = std::panic::catch_unwind(|| validate(&json!({}), config));
        let panic = call.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn a_mask_quotes_its_own_letters() {
    let mask = Mask::try_from("\\A\\9*ü".to_owned()).unwrap();
    assert_eq!(mask.apply("A9zü").as_deref(), Some("A9zü"));
    for other in ["a9zü", "B9zü", "A9zu", "A9z", "A9züx", ""] {
        assert_eq!(mask.apply(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn a_mask_takes_what_it_was_made_for(text in "[B-Z]{1,4}[0-8]{0,9}[-/ .]?[a-z]{0,4}") {
        let written: String = text
            .chars()
            .map(|c| match c {
                'A'..='Z' => 'A',
                '0'..='9' => '9',
                other => other,
            })
            .collect();
        let mask = Mask::try_from(written).unwrap();
        prop_assert_eq!(mask.apply(&text), Some(text));
    }

    #[test]
    fn luhn_finds_any_single_wrong_digit(digits in "[0-9]{1,18}", at in any::<usize>(), by in 1..10_u8) {
        let sound = (0..10)
            .map(|check| format!("AB-{digits}{check}"))
            .find(|text| luhn::fits(text))
            .unwrap();
        let at = 3 + at % (sound.len() - 3);
        let mut wrong = sound.into_bytes();
        wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
        prop_assert!(!luhn::fits(&String::from_utf8(wrong).unwrap()));
    }

    #[test]
    fn any_text_gets_a_verdict(mask in any::<String>(), text in any::<String>()) {
        luhn::fits(&text);
        if let Ok(mask) = Mask::try_from(mask)
            && let Some(normal) = mask.apply(&text)
        {
            prop_assert_eq!(mask.apply(&normal), Some(normal));
        }
    }
}
