//! Signatures, checked by the reference implementation's code and not by our own.

use patchbay_ambient::{Clock, SeededEntropy, SystemClock};
use patchbay_delivery::{InvalidSecret, SigningSecret, signature_headers, webhook_request};
use patchbay_workflow::{EventId, Timestamp};
use proptest::prelude::*;
use standardwebhooks::Webhook;

fn secrets() -> impl Strategy<Value = SigningSecret> {
    prop::collection::vec(any::<u8>(), 24..=64)
        .prop_map(|bytes| SigningSecret::from_bytes(&bytes).unwrap())
}

fn event_ids() -> impl Strategy<Value = EventId> {
    any::<u128>().prop_map(|bits| EventId::from_uuid(uuid::Uuid::from_u128(bits)))
}

proptest! {
    /// Whoever holds any one of the secrets accepts the message, and nobody accepts another body.
    #[test]
    fn receivers_accept_it(
        secrets in prop::collection::vec(secrets(), 1..4),
        id in event_ids(),
        body in ".{0,200}",
    ) {
        let changed = format!("{body} ");
        let headers = signature_headers(&secrets, &id, SystemClock::new().now(), body.as_bytes());
        for secret in &secrets {
            let receiver = Webhook::new(secret.to_text().expose()).unwrap();
            prop_assert!(receiver.verify(body.as_bytes(), &headers).is_ok());
            prop_assert!(receiver.verify(changed.as_bytes(), &headers).is_err());
        }
        let stranger = Webhook::from_bytes(vec![7; 24]).unwrap();
        prop_assert!(stranger.verify(body.as_bytes(), &headers).is_err());
    }

    #[test]
    fn secrets_read_back_what_they_print(secret in secrets()) {
        let again: SigningSecret = secret.to_text().expose().parse().unwrap();
        prop_assert_eq!(again.expose(), secret.expose());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = text.parse::<SigningSecret>();
        let _ = format!("whsec_{text}").parse::<SigningSecret>();
    }
}

/// The example of the specification's own test suites.
#[test]
fn matches_the_published_vector() {
    let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    let reference = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let id: EventId = "0198c0de-0000-7000-8000-00000000002a".parse().unwrap();
    let at = Timestamp::from_millis(1_614_265_330_999);
    let headers = signature_headers(&[secret], &id, at, b"{\"test\": 2432232314}");
    assert_eq!(headers["webhook-timestamp"], "1614265330");
    assert_eq!(
        headers["webhook-signature"].to_str().unwrap(),
        reference
            .sign(&id.to_string(), 1_614_265_330, b"{\"test\": 2432232314}")
            .unwrap()
    );
}

#[test]
fn bad_secrets_are_told_apart_and_never_repeated() {
    let parse = |text: &str| text.parse::<SigningSecret>().map(|_| ());
    assert_eq!(
        parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        Err(InvalidSecret::Prefix)
    );
    assert_eq!(parse("whsec_***"), Err(InvalidSecret::Encoding));
    assert_eq!(parse("whsec_c2hvcnQ="), Err(InvalidSecret::Length(5)));
    let secret = SigningSecret::generate(&SeededEntropy::new(1));
    let text = secret.to_text().into_inner();
    assert!(!format!("{secret:?} {:?}", secret.to_text()).contains(&text[6..]));
}

/// A formatter's headers reach the endpoint, but not those in which only the host may speak.
#[test]
fn a_formatter_cannot_forge_a_signature() {
    let secret = SigningSecret::generate(&SeededEntropy::new(1));
    let mut theirs = http::HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-clinic", "north"),
        ("webhook-signature", "v1,forged"),
        ("webhook-extra", "forged"),
        ("host", "elsewhere.example"),
        ("transfer-encoding", "chunked"),
        ("content-encoding", "gzip"),
    ] {
        theirs.append(name, value.parse().unwrap());
    }
    let request = webhook_request(
        &"https://clinic.example/hook".parse().unwrap(),
        theirs,
        "{}".into(),
        std::slice::from_ref(&secret),
        &EventId::from_uuid(uuid::Uuid::from_u128(7)),
        SystemClock::new().now(),
        std::time::Duration::from_secs(15),
    );
    let mut names: Vec<_> = request
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "content-type",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
            "x-clinic"
        ]
    );
    let receiver = Webhook::new(secret.to_text().expose()).unwrap();
    assert!(receiver.verify(b"{}", &request.headers).is_ok());
}
