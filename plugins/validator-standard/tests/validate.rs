//! The validator through its role, as the host calls it.

use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{FieldError, Host, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};
use validator_standard::Standard;

const ID: &str = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
const TODAY: &str = "2026-02-28";

fn validate(request: Value, config: Value) -> Result<Value, Vec<FieldError>> {
    Standard::validate(request, &MockHost::new().config(config).today(TODAY))
}

/// A request whose patient has these members besides a sound id, name and birth date.
fn request(members: &Value) -> Value {
    let mut patient = json!({"id": ID, "full_name": "Ada Lovelace", "dob": "1985-12-10"});
    for (name, value) in members.as_object().unwrap() {
        patient[name] = value.clone();
    }
    json!({"patient": patient})
}

fn normalised(members: &Value, config: Value) -> Value {
    validate(request(members), config).unwrap()["patient"].take()
}

fn faults(members: &Value, config: Value) -> Vec<(String, String)> {
    validate(request(members), config)
        .unwrap_err()
        .into_iter()
        .map(|fault| (fault.pointer, fault.code))
        .collect()
}

fn one_fault(members: &Value, config: Value) -> (String, String) {
    let mut faults = faults(members, config);
    assert_eq!(faults.len(), 1, "{members}: {faults:?}");
    faults.remove(0)
}

#[test]
fn a_sound_request_is_brought_into_one_spelling() {
    let sent = json!({
        "webhook": "https://customer.example/hook",
        "trace": {"kept": [1, 2.5, null]},
        "patient": {
            "id": ID,
            "full_name": " \u{200F}Jose\u{301}  O\u{2019}Neil-Smith,\tJr. ",
            "dob": "1985-12-10T23:30:00-11:00",
            "gender": "F",
            "mrn": " kept as sent ",
            "contact": {
                "phone": "(020) 7946-0958 ext. 12",
                "email": " Ada.L+x@Example.ORG ",
                "fax": 7,
                "address": {"line": [" 1  Main St", " ", "Flat 2"], "city": "", "country": "GB"},
            },
            "insurance": {
                "provider": "Acme  Health",
                "policy_number": " A-1 ",
                "valid_until": "2020-01-01T00:00:00Z",
            },
        },
    });
    assert_eq!(
        validate(sent, json!({"phone-country": "44"})).unwrap(),
        json!({
            "webhook": "https://customer.example/hook",
            "trace": {"kept": [1, 2.5, null]},
            "patient": {
                "id": ID,
                "full_name": "Jos\u{e9} O\u{2019}Neil-Smith, Jr.",
                "dob": "1985-12-10",
                "gender": "female",
                "mrn": " kept as sent ",
                "contact": {
                    "phone": "+442079460958;ext=12",
                    "email": "Ada.L+x@example.org",
                    "fax": 7,
                    "address": {"line": ["1 Main St", "Flat 2"], "country": "GB"},
                },
                "insurance": {
                    "provider": "Acme Health",
                    "policy_number": "A-1",
                    "valid_until": "2020-01-01",
                },
            },
        })
    );
}

#[test]
fn names_of_any_script_pass_and_others_do_not() {
    for name in [
        "山田 太郎",
        "أحمد بن محمد",
        "प्रिया शर्मा",
        "Nguyễn Thị Minh Khai",
        "Gal·la ʻIolani",
        "X Æ A-12",
        "Sammy Davis, Jr.",
    ] {
        let patient = normalised(&json!({"full_name": name}), json!({}));
        assert_eq!(patient["full_name"], name);
    }
    for (name, code) in [
        ("12345", "name-without-letter"),
        ("-.,'", "name-without-letter"),
        ("\u{200F}", "name-without-letter"),
        ("Robert<script>", "name-character"),
        ("Bobby; DROP TABLE", "name-character"),
        ("a@b", "name-character"),
    ] {
        let fault = one_fault(&json!({"full_name": name}), json!({}));
        assert_eq!(fault, ("/patient/full_name".into(), code.into()), "{name}");
    }
    let long = "x".repeat(201);
    let fault = one_fault(&json!({"given_name": long}), json!({}));
    assert_eq!(fault, ("/patient/given_name".into(), "too-long".into()));
}

#[test]
fn birth_dates_are_real_past_and_not_too_far() {
    for (dob, code) in [
        ("2026-02-28", None),
        ("2026-03-01", Some("date-in-future")),
        ("2026-02-29", Some("date-invalid")),
        ("1876-02-28", None),
        ("1876-02-27", Some("date-too-early")),
        ("2000-02-29", None),
        ("1900-02-29", Some("date-invalid")),
        ("28.02.2000", Some("date-invalid")),
        ("2000-1-1", Some("date-invalid")),
        ("0000-00-00", Some("date-invalid")),
        ("2000-01-01T25:00:00Z", Some("date-invalid")),
        ("2000-01-01T23:59:60Z", None),
        ("２０００-01-01", Some("date-invalid")),
    ] {
        let verdict = validate(request(&json!({"dob": dob})), json!({}));
        let found = verdict.as_ref().err().map(|faults| faults[0].code.as_str());
        assert_eq!(found, code, "{dob}");
    }
    // A child born this morning in Auckland, while it is still yesterday in Greenwich.
    let born = json!({"dob": "2026-03-01"});
    let host = MockHost::new().today(TODAY);
    let late = Host::now(&host) + 12 * 3_600_000;
    let auckland = MockHost::new()
        .config(json!({"utc-offset": "+13:00"}))
        .now(late);
    assert!(Standard::validate(request(&born), &MockHost::new().now(late)).is_err());
    assert!(Standard::validate(request(&born), &auckland).is_ok());
}

#[test]
fn phones_get_a_country_only_where_one_is_known() {
    let phone = |text: &str, config: Value| {
        normalised(&json!({"contact": {"phone": text}}), config)["contact"]["phone"].take()
    };
    assert_eq!(phone("+1 (202) 555-0123", json!({})), "+12025550123");
    assert_eq!(phone("0044 20 7946 0958", json!({})), "+442079460958");
    assert_eq!(phone("202  555-0123", json!({})), "202 555-0123");
    assert_eq!(
        phone("202 555-0123", json!({"phone-country": "1"})),
        "+12025550123"
    );
    for wrong in ["call me", "+1234567890123456", "12", "+0123456789"] {
        let fault = one_fault(&json!({"contact": {"phone": wrong}}), json!({}));
        assert_eq!(
            fault,
            ("/patient/contact/phone".into(), "phone-invalid".into())
        );
    }
}

#[test]
fn ids_are_checked_and_never_touched() {
    assert_eq!(normalised(&json!({}), json!({}))["id"], ID);
    let any = json!({"id-format": "any"});
    assert_eq!(
        normalised(&json!({"id": " p 1 "}), any.clone())["id"],
        " p 1 "
    );
    for (id, config, code) in [
        (json!("p-1"), json!({}), "id-invalid"),
        (json!(ID.replace('-', "")), json!({}), "id-invalid"),
        (json!(" "), any.clone(), "required"),
        (json!(null), json!({}), "required"),
        (json!(7), any, "wrong-type"),
    ] {
        let fault = one_fault(&json!({"id": id}), config);
        assert_eq!(fault, ("/patient/id".into(), code.into()));
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let sent = json!({
        "webhook": 5,
        "patient": {
            "id": "x",
            "full_name": ["Ada"],
            "dob": true,
            "gender": "dragon",
            "contact": {
                "phone": {},
                "email": "ada@localhost",
                "address": {"line": ["ok", 3, {}], "city": 1},
            },
            "insurance": "none",
        },
    });
    let config = json!({"required": ["full_name", "dob", "contact.address.postal_code", "a~b.c"]});
    let found: Vec<_> = validate(sent, config)
        .unwrap_err()
        .into_iter()
        .map(|fault| format!("{} {}", fault.pointer, fault.code))
        .collect();
    assert_eq!(
        found,
        [
            "/webhook wrong-type",
            "/patient/id id-invalid",
            "/patient/full_name wrong-type",
            "/patient/dob wrong-type",
            "/patient/gender gender-invalid",
            "/patient/contact/phone wrong-type",
            "/patient/contact/email email-invalid",
            "/patient/contact/address/line/1 wrong-type",
            "/patient/contact/address/line/2 wrong-type",
            "/patient/contact/address/city wrong-type",
            "/patient/insurance wrong-type",
            "/patient/contact/address/postal_code required",
            "/patient/a~0b/c required",
        ]
    );
}

#[test]
fn what_is_required_is_configurable() {
    let anonymous = json!({"full_name": " ", "dob": null});
    assert_eq!(
        faults(&anonymous, json!({})),
        [
            ("/patient/full_name".into(), "required".into()),
            ("/patient/dob".into(), "required".into())
        ]
    );
    assert!(validate(request(&anonymous), json!({"required": []})).is_ok());

    let parts = json!({"full_name": null, "given_name": "Ada", "family_name": "Lovelace"});
    assert!(validate(request(&parts), json!({})).is_ok());

    for (sent, pointer) in [
        (json!([]), ""),
        (json!({}), "/patient"),
        (json!({"patient": null}), "/patient"),
        (json!({"patient": []}), "/patient"),
    ] {
        assert_eq!(validate(sent, json!({})).unwrap_err()[0].pointer, pointer);
    }
}

#[test]
fn a_wrong_configuration_traps_and_says_why() {
    for (config, named) in [
        (
            json!({"phone_country": "1"}),
            "unknown field `phone_country`",
        ),
        (json!({"id-format": "ulid"}), "unknown variant `ulid`"),
        (json!({"phone-country": "0044"}), "`phone-country`"),
        (json!({"phone-country": 44}), "expected a string"),
        (json!({"required": ["/contact"]}), "`required`"),
        (json!({"utc-offset": "+15:00"}), "`utc-offset`"),
    ] {
        let call = std::panic::catch_unwind(|| validate(json!({}), config));
        let panic = call.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(named), "{message}");
    }
}

/// Any JSON, with the names that the validator looks for made likely.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{4}-[0-1][0-9]-[0-3][0-9](T[0-9:]{8}Z)?".prop_map(Value::from),
        "[+0(]{0,2}[0-9 x#.]{0,18}".prop_map(Value::from),
        "[a-z.]{1,5}@[A-Z.]{1,8}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        proptest::sample::select(vec![
            "patient",
            "id",
            "full_name",
            "given_name",
            "family_name",
            "dob",
            "gender",
            "contact",
            "address",
            "line",
            "city",
            "phone",
            "email",
            "insurance",
            "provider",
            "policy_number",
            "valid_until",
            "webhook",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..10).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..10)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_gets_a_verdict(patient in any_json(), body in any_json(), whole in any::<bool>()) {
        let sent = if whole { body } else { json!({"patient": patient}) };
        let config = json!({"id-format": "any", "required": [], "phone-country": "44"});
        match validate(sent.clone(), config.clone()) {
            Ok(normalised) => {
                prop_assert_eq!(normalised.pointer("/patient/id"), sent.pointer("/patient/id"));
                // What was brought into one spelling is in that spelling.
                prop_assert_eq!(validate(normalised.clone(), config).unwrap(), normalised);
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    let known = fault.code == "required" || sent.pointer(&fault.pointer).is_some();
                    prop_assert!(known, "{} points nowhere", fault.pointer);
                }
            }
        }
    }

    #[test]
    fn no_message_repeats_a_value(
        field in proptest::sample::select(vec![
            "/id", "/full_name", "/dob", "/gender", "/contact/phone", "/contact/email",
            "/contact/address/city", "/contact/address/line/0", "/insurance/valid_until",
        ]),
        value in "[§@<0-9]{0,300}QZ[§@<0-9]{8}",
    ) {
        let mut sent = request(&json!({
            "gender": "",
            "contact": {"phone": "", "email": "", "address": {"city": "", "line": [""]}},
            "insurance": {"valid_until": ""},
        }));
        *sent["patient"].pointer_mut(field).unwrap() = json!(value);
        if let Err(faults) = validate(sent, json!({})) {
            for fault in faults {
                prop_assert!(!fault.message.contains("QZ") && !fault.pointer.contains("QZ"));
            }
        }
    }
}
