//! The adapter against an API whose shape only its configuration knows.

use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{
    Candidates, Failure, Grade, Method, Outcome, PatientDetails, Query, Request, Response,
    SearchAdapter,
};
use search_rest::SearchRest;
use serde_json::{Value, json};

fn config() -> Value {
    json!({
        "searches": [
            {"path": "people", "query": {"born": "{dob}"}, "narrower": [
                {"path": "people", "query": {"born": "{dob}", "name": "{family:3}"}},
            ]},
            {"path": "people/{postal_code}/find", "method": "post", "body": {"q": ["{given:1}"], "n": 5}},
        ],
        "results": "/people",
        "truncated": {"total": "/total"},
        "record": {
            "id": "/no", "given": "/forenames", "family": "/surname", "dob": "/born",
            "address_line": ["/home/street"], "postal_code": "/home/zip", "phone": "/tel",
        },
        "date-format": "DD.MM.YYYY",
        "details": {"path": "people/{id}", "root": "/person"},
    })
}

fn person(no: u32, given: &str, family: &str, born: &str) -> Value {
    json!({
        "no": no, "forenames": [given], "surname": family, "born": born,
        "home": {"street": "12 High Street", "zip": "2600"}, "tel": ["+61 2 5550 1234"],
    })
}

fn request() -> Value {
    json!({"patient": {
        "id": "p", "full_name": "Anna Sørensen", "dob": "1965-03-04",
        "contact": {"address": {"line": ["12 High St"], "postal_code": "26/00"}},
    }})
}

fn search(host: &MockHost, request: Value) -> Result<Candidates, Failure> {
    let query = Query {
        request,
        attempt_id: "a".to_owned(),
        callback_url: None,
    };
    match SearchRest::search(query, host)? {
        Outcome::Answered(candidates) => Ok(candidates),
        Outcome::Pending(_) => panic!("the adapter answers at once"),
    }
}

fn query_of(request: &Request, name: &str) -> Option<String> {
    let mut found = request.query.iter().filter(|(key, _)| key == name);
    found.next().map(|(_, value)| value.clone())
}

#[test]
fn it_asks_and_reads_as_configured() {
    let host = MockHost::new().config(config()).backend(|request| {
        assert_eq!(query_of(request, "born").as_deref(), Some("04.03.1965"));
        let people = [
            person(7, "Anna", "Soerensen", "04.03.1965"),
            person(8, "Ole", "Berg", "04.03.1965"),
        ];
        Ok(Response::json_body(
            200,
            &json!({"people": people, "total": 2}),
        ))
    });
    let found = search(&host, request()).unwrap();
    assert_eq!(found.found[0].internal_id, "7");
    assert_eq!(found.found[0].grade, Grade::Certain);
    assert!(found.found.len() == 1 && !found.truncated);
    assert_eq!(
        host.requests().len(),
        1,
        "a certain candidate ends the search"
    );
}

#[test]
fn values_stay_in_their_place_and_missing_ones_skip_a_search() {
    let host = MockHost::new().config(config()).backend(|request| {
        if request.method == Method::Post {
            // Half a postal code with a slash in it is still one segment.
            assert_eq!(request.path, "people/2600/find");
            let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
            assert_eq!(body, json!({"q": ["a"], "n": 5}));
        }
        Ok(Response::json_body(200, &json!({"people": []})))
    });
    assert!(search(&host, request()).unwrap().found.is_empty());
    assert_eq!(host.requests().len(), 2);

    let nothing = json!({"patient": {"id": "p", "contact": {"phone": "1234567"}}});
    assert_eq!(
        search(&host, nothing).unwrap_err().code,
        "patient-not-searchable"
    );
}

#[test]
fn too_many_results_are_narrowed_or_reported() {
    let overflowing = |also_narrowed: bool| {
        MockHost::new().config(config()).backend(move |request| {
            let narrowed = query_of(request, "name").is_some();
            let total = if also_narrowed || !narrowed { 900 } else { 1 };
            let total = if request.method == Method::Post {
                1
            } else {
                total
            };
            let people = [person(7, "Anna", "Sørensen", "04.03.1965")];
            Ok(Response::json_body(
                200,
                &json!({"people": people, "total": total}),
            ))
        })
    };
    assert!(!search(&overflowing(false), request()).unwrap().truncated);
    assert!(search(&overflowing(true), request()).unwrap().truncated);
}

#[test]
fn details_come_in_the_shape_of_a_request() {
    let host = MockHost::new()
        .config(config())
        .backend(|request| match request.path.as_str() {
            "people/7" => Ok(Response::json_body(
                200,
                &json!({"person": person(7, "Anna", "Berg", "04.03.1965")}),
            )),
            "people/..%2F8" | "people/%2E%2E" => Ok(Response::json_body(404, &json!({}))),
            _ => Ok(Response::json_body(200, &json!({"person": null}))),
        });
    let details = SearchRest::fetch_patient("7", &host).unwrap().unwrap();
    assert_eq!(details["full_name"], "Anna Berg");
    assert_eq!(details["dob"], "1965-03-04");
    assert_eq!(details["contact"]["address"]["postal_code"], "2600");
    assert_eq!(SearchRest::fetch_patient("../8", &host), Ok(None));
    assert_eq!(SearchRest::fetch_patient("..", &host), Ok(None));
    assert_eq!(SearchRest::fetch_patient("9", &host), Ok(None));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_reason() {
    for (change, reason) in [
        (json!({"results": "people"}), "JSON pointer"),
        (json!({"date-format": "D.M.Y"}), "date-format"),
        (json!({"details": {"path": "people"}}), "{id}"),
        (
            json!({"searches": [{"path": "people", "query": {"q": "{surname}"}}]}),
            "{surname}",
        ),
        (
            json!({"searches": [{"path": "people", "body": {"q": "{family:0}"}}]}),
            "length",
        ),
        (json!({"max-queries": 7}), "between 1 and 6"),
        (json!({"thresholds": {"possible": 0.95}}), "thresholds"),
        (json!({"sesrches": []}), "sesrches"),
        (json!({"searches": []}), "nothing would be asked"),
    ] {
        let mut config = config();
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        let host = MockHost::new().config(config);
        let failure = search(&host, request()).unwrap_err();
        assert_eq!(failure.code, "config-invalid");
        assert!(failure.message.contains(reason), "{failure}");
    }
}
