//! Dates, telephone numbers, e-mail addresses, names, pointers and paths.

use patchbay_plugin::contact::{email, name, phone};
use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{BackendError, Date, Response, path_segment, pointer};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn dates_count_as_written() {
    let read = |text: &str| Date::parse_date_or_date_time(text).map(|date| date.to_string());
    for text in [
        "1965-03-04",
        " 1965-03-04 ",
        "1965-03-04T23:59:59+14:00",
        "1965-03-04T00:00:00.123Z",
        "1965-03-04t00:00:60z",
    ] {
        assert_eq!(read(text).as_deref(), Ok("1965-03-04"), "{text}");
    }
    for text in [
        "",
        "1965-3-4",
        "04.03.1965",
        "1965-02-29",
        "1900-02-29",
        "0000-01-01",
        "1965-13-01",
        "1965-03-04T",
        "1965-03-04T24:00:00Z",
        "1965-03-04T10:00:00",
        "1965-03-04T10:00:00.Z",
        "1965-03-04x",
        "١٩٦٥-03-04",
        "1965-03-0é",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let born: Date = "2004-02-29".parse().unwrap();
    assert_eq!(born.years_until("2022-02-28".parse().unwrap()), 17);
    assert_eq!(born.years_until("2022-03-01".parse().unwrap()), 18);
    assert_eq!(born.years_until("1999-01-01".parse().unwrap()), 0);
}

proptest! {
    #[test]
    fn dates_and_days_agree(days in 0_u64..2_932_896) {
        let date = Date::from_unix_millis(days * 86_400_000 + 5);
        prop_assert_eq!(u64::try_from(date.days_since_epoch()).unwrap(), days);
        prop_assert_eq!(date.to_string().parse::<Date>(), Ok(date));
    }

    #[test]
    fn readers_take_any_text(text in any::<String>()) {
        let _ = Date::parse_date_or_date_time(&text);
        let _ = email(&text);
        let cleaned = name(&text);
        prop_assert_eq!(name(&cleaned), cleaned);
        if let Ok(read) = phone(&text, Some("61")) {
            prop_assert_eq!(phone(&read.to_string(), None), Ok(read));
        }
        let segment = path_segment(&text);
        prop_assert!(!segment.contains(['/', '?', '#', ':']) && segment != ".." && segment != ".");
    }
}

#[test]
fn telephone_numbers_become_e164() {
    let read = |text: &str, code| phone(text, code).map(|phone| phone.to_string()).ok();
    for (text, code, number) in [
        ("+44 20 7946 0958", None, Some("+442079460958")),
        ("0044 (0)20 7946-0958", None, Some("+442079460958")),
        ("(020) 7946 0958", Some("44"), Some("+442079460958")),
        (
            "1-202-555-0123 ext. 7",
            Some("1"),
            Some("+12025550123;ext=7"),
        ),
        (
            "tel:+1-202-555-0123;ext=7",
            None,
            Some("+12025550123;ext=7"),
        ),
        ("020 7946 0958", None, None),
        ("call me", Some("44"), None),
        ("+12", None, None),
        ("+1234567890123456", None, None),
    ] {
        assert_eq!(read(text, code).as_deref(), number, "{text}");
    }
}

#[test]
fn email_addresses_are_checked() {
    assert_eq!(
        email(" Ann.O'Hara+x@Example.ORG ").as_deref(),
        Ok("Ann.O'Hara+x@example.org")
    );
    assert_eq!(email("zoë@exämple.org").as_deref(), Ok("zoë@exämple.org"));
    for text in [
        "",
        "a@b",
        "a b@c.de",
        ".a@c.de",
        "a..b@c.de",
        "a@-c.de",
        "a@c..de",
        "Ann <a@c.de>",
    ] {
        assert!(email(text).is_err(), "{text}");
    }
    assert!(email(&format!("{}@c.de", "a".repeat(65))).is_err());
}

#[test]
fn pointers_escape_what_rfc_6901_asks() {
    assert_eq!(pointer("/patient", "a/b~c"), "/patient/a~1b~0c");
    assert_eq!(name("  Zoe\u{308}\tMc\u{0}Kay "), "Zoë Mc Kay");
}

#[test]
fn a_role_without_a_backend_is_told_so_and_helpers_blame_rightly() {
    let host = MockHost::new();
    let get = |host: &MockHost| {
        host.host()
            .backend()
            .get_json::<serde_json::Value>("x", &[])
    };
    assert_eq!(get(&host).unwrap_err().code, "backend-denied");
    let host = host.backend(|_| Ok(Response::json_body(500, &json!({}))));
    assert!(get(&host).unwrap_err().retryable);
    let host = host.backend(|_| Err(BackendError::TooLarge(10)));
    let failure = get(&host).unwrap_err();
    assert_eq!(
        (failure.code.as_str(), failure.retryable),
        ("backend-answer-too-large", false)
    );
}
