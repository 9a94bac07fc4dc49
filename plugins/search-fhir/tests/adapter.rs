//! What the adapter makes of a server's answers: failures, overflow, details.

use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{
    BackendError, Candidates, Failure, Grade, Outcome, PatientDetails, Query, Request, Response,
    SearchAdapter,
};
use search_fhir::SearchFhir;
use serde_json::{Value, json};

fn patient(id: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1965-03-04",
        "name": [
            {"use": "old", "family": "Miller", "given": ["Ann"]},
            {"use": "official", "family": "Da,vis", "given": ["Ann", "Mary"]},
        ],
        "telecom": [{"system": "phone", "value": "+61 2 5550 1234"}],
        "address": [{"use": "home", "line": ["12 High Street"], "city": "Orange", "postalCode": "2800"}],
    })
}

fn bundle(patients: &[Value], total: usize) -> Response {
    let entries: Vec<Value> = patients.iter().map(|p| json!({"resource": p})).collect();
    let body = json!({"resourceType": "Bundle", "total": total, "entry": entries});
    Response::json_body(200, &body)
}

fn outcome(status: u16, code: &str) -> Response {
    let issue = json!({"severity": "error", "code": code, "diagnostics": "Ann Davis"});
    Response::json_body(
        status,
        &json!({"resourceType": "OperationOutcome", "issue": [issue]}),
    )
}

fn search(host: &MockHost) -> Result<Candidates, Failure> {
    let query = Query {
        request: json!({"patient": {
            "id": "p", "full_name": "Ann Da,vis", "given_name": "Ann", "family_name": "Da,vis",
            "dob": "1965-03-04T00:00:00+11:00",
            "contact": {"address": "12 High St, Orange 2800", "phone": "(02) 5550 1234"},
        }}),
        attempt_id: "a".to_owned(),
        callback_url: None,
    };
    match SearchFhir::search(query, host)? {
        Outcome::Answered(candidates) => Ok(candidates),
        Outcome::Pending(_) => panic!("the adapter answers at once"),
    }
}

fn value_of(request: &Request, name: &str) -> Option<String> {
    let mut found = request.query.iter().filter(|(key, _)| key == name);
    found.next().map(|(_, value)| value.clone())
}

#[test]
fn a_certain_candidate_ends_the_search() {
    let host = MockHost::new().backend(|request| {
        assert_eq!(request.path, "Patient");
        assert_eq!(
            value_of(request, "birthdate").as_deref(),
            Some("1965-03-04")
        );
        assert_eq!(value_of(request, "_count").as_deref(), Some("50"));
        Ok(bundle(&[patient("1")], 1))
    });
    let answer = search(&host).unwrap();
    assert_eq!(answer.found[0].grade, Grade::Certain);
    assert!(!answer.truncated);
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_search_for_nobody_asks_at_most_six_different_queries() {
    let host = MockHost::new().backend(|_| Ok(bundle(&[], 0)));
    assert!(search(&host).unwrap().found.is_empty());
    let requests = host.requests();
    assert_eq!(requests.len(), 6);
    for (at, request) in requests.iter().enumerate() {
        assert!(!requests[..at].contains(request));
    }
    let families = requests.iter().filter_map(|r| value_of(r, "family"));
    assert!(
        families.into_iter().any(|family| family == "da\\,"),
        "a comma is escaped"
    );
}

#[test]
fn overflowing_queries_are_narrowed_and_only_then_truncated() {
    // Only the query by birth date alone overflows.
    let host = MockHost::new().backend(|request| {
        let narrowed =
            value_of(request, "family").is_some() || value_of(request, "given").is_some();
        Ok(bundle(&[patient("1")], if narrowed { 1 } else { 400 }))
    });
    let answer = search(&host).unwrap();
    assert!(!answer.truncated && answer.found.len() == 1);
    assert_eq!(host.requests().len(), 3);

    for overflow in [400, 401] {
        let host = MockHost::new().backend(move |request| {
            let has_next = json!({
                "resourceType": "Bundle", "entry": [{"resource": patient("1")}],
                "link": [{"relation": "next", "url": "x"}],
            });
            Ok(match (overflow, value_of(request, "given")) {
                (400, _) => bundle(&[patient("1")], overflow),
                (_, Some(_)) => outcome(403, "too-costly"),
                (_, None) => Response::json_body(200, &has_next),
            })
        });
        assert!(search(&host).unwrap().truncated);
        assert!(host.requests().len() <= 6);
    }
}

#[test]
fn inactive_and_replaced_records_and_strange_entries_are_passed_over() {
    let host = MockHost::new().backend(|_| {
        let mut inactive = patient("1");
        inactive["active"] = json!(false);
        let mut replaced = patient("2");
        replaced["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/3"}}]);
        let strange = json!({"resourceType": "Organization", "id": "4"});
        Ok(bundle(
            &[inactive, replaced, patient("3"), strange, json!(null)],
            3,
        ))
    });
    let answer = search(&host).unwrap();
    let ids: Vec<&str> = answer
        .found
        .iter()
        .map(|c| c.internal_id.as_str())
        .collect();
    assert_eq!(ids, ["3"]);
}

#[test]
fn failures_have_stable_codes_and_quote_nobody() {
    type Answer = fn() -> Result<Response, BackendError>;
    let cases: [(Answer, &str, bool); 9] = [
        (
            || Ok(outcome(503, "transient")),
            "backend-unavailable",
            true,
        ),
        (
            || Ok(outcome(429, "throttled")),
            "backend-unavailable",
            true,
        ),
        (
            || Ok(outcome(409, "lock-error")),
            "backend-unavailable",
            true,
        ),
        (|| Ok(outcome(400, "invalid")), "backend-rejected", false),
        (|| Ok(outcome(401, "login")), "backend-rejected", false),
        (|| Err(BackendError::Timeout), "backend-timeout", true),
        (
            || Err(BackendError::Denied("no".to_owned())),
            "backend-denied",
            false,
        ),
        (
            || {
                Ok(Response {
                    status: 200,
                    headers: Vec::new(),
                    body: b"<html>Ann".to_vec(),
                })
            },
            "backend-answer-invalid",
            true,
        ),
        (
            || Ok(Response::json_body(200, &patient("1"))),
            "backend-answer-invalid",
            false,
        ),
    ];
    for (answer, code, retryable) in cases {
        let host = MockHost::new().backend(move |_| answer());
        let failure = search(&host).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            (code, retryable)
        );
        assert!(!failure.message.contains("Ann"), "{failure}");
    }
    for config in [
        json!({"max-queries": 7}),
        json!({"count": 0}),
        json!({"cuont": 5}),
    ] {
        let failure = search(&MockHost::new().config(config)).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            ("config-invalid", false)
        );
    }
}

#[test]
fn details_are_the_patient_without_an_id() {
    let host = MockHost::new().backend(|request| {
        Ok(match request.path.as_str() {
            "Patient/1" => Response::json_body(200, &patient("1")),
            "Patient/2" => outcome(410, "deleted"),
            "Patient/3" => outcome(500, "exception"),
            _ => outcome(404, "not-found"),
        })
    });
    let details = SearchFhir::fetch_patient("1", &host).unwrap().unwrap();
    assert_eq!(
        details,
        json!({
            "full_name": "Ann Mary Da,vis", "given_name": "Ann Mary", "family_name": "Da,vis",
            "dob": "1965-03-04", "gender": "female",
            "contact": {
                "address": {"line": ["12 High Street"], "city": "Orange", "postal_code": "2800"},
                "phone": "+61 2 5550 1234",
            },
        })
    );
    assert_eq!(SearchFhir::fetch_patient("2", &host), Ok(None));
    assert_eq!(SearchFhir::fetch_patient("../1", &host), Ok(None));
    assert!(SearchFhir::fetch_patient("3", &host).unwrap_err().retryable);
}
