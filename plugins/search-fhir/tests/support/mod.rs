//! A FHIR server in memory: `Patient?…` with the standard's semantics and nothing beyond.
//!
//! String parameters match a value that *begins* with the text, regardless of case and accents;
//! `birthdate` matches the interval written; `phone`, `email` and `identifier` match whole values.
//! Several parameters must all match. No fuzziness of any kind.

use patchbay_plugin::matching::normalise::fold;
use patchbay_plugin::{Request, Response};
use serde_json::{Value, json};

struct Row {
    resource: Value,
    family: Vec<String>,
    given: Vec<String>,
    birth_date: String,
    address: Vec<String>,
    city: Vec<String>,
    postal_code: Vec<String>,
    phone: Vec<String>,
    email: Vec<String>,
    identifier: Vec<String>,
}

/// The server.
pub(crate) struct FhirServer {
    rows: Vec<Row>,
}

fn strings(value: &Value, pointer: &[&str]) -> Vec<String> {
    match (pointer, value) {
        (_, Value::Array(all)) => all.iter().flat_map(|v| strings(v, pointer)).collect(),
        ([], Value::String(text)) => vec![fold(text)],
        ([key, rest @ ..], Value::Object(_)) => strings(&value[*key], rest),
        _ => Vec::new(),
    }
}

fn telecom(resource: &Value, system: &str) -> Vec<String> {
    let points = resource["telecom"].as_array().into_iter().flatten();
    points
        .filter(|point| point["system"] == system)
        .map(|point| point["value"].as_str().unwrap_or_default().to_owned())
        .collect()
}

impl FhirServer {
    pub(crate) fn new(resources: impl IntoIterator<Item = Value>) -> Self {
        let rows = resources.into_iter().map(|resource| {
            let address: Vec<String> = ["line", "city", "state", "postalCode", "country"]
                .iter()
                .flat_map(|part| strings(&resource["address"], &[part]))
                .collect();
            Row {
                family: strings(&resource["name"], &["family"]),
                given: strings(&resource["name"], &["given"]),
                birth_date: resource["birthDate"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                city: strings(&resource["address"], &["city"]),
                postal_code: strings(&resource["address"], &["postalCode"]),
                phone: telecom(&resource, "phone"),
                email: telecom(&resource, "email"),
                identifier: strings(&resource["identifier"], &["value"]),
                address,
                resource,
            }
        });
        Self {
            rows: rows.collect(),
        }
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        if let Some(id) = request.path.strip_prefix("Patient/") {
            let found = self.rows.iter().find(|row| row.resource["id"] == *id);
            return match found {
                Some(row) => Response::json_body(200, &row.resource),
                None => Response::json_body(404, &json!({"resourceType": "OperationOutcome"})),
            };
        }
        assert_eq!(request.path, "Patient");
        let mut count = 10;
        let mut found: Vec<&Row> = self.rows.iter().collect();
        for (name, value) in &request.query {
            let folded = fold(value);
            let starts = |values: &[String]| values.iter().any(|text| text.starts_with(&folded));
            match name.as_str() {
                "_count" => count = value.parse().unwrap(),
                "family" => found.retain(|row| starts(&row.family)),
                "given" => found.retain(|row| starts(&row.given)),
                "birthdate" => found.retain(|row| row.birth_date.starts_with(value)),
                "address" => found.retain(|row| starts(&row.address)),
                "address-city" => found.retain(|row| starts(&row.city)),
                "address-postalcode" => found.retain(|row| starts(&row.postal_code)),
                "phone" => found.retain(|row| row.phone.contains(value)),
                "email" => found.retain(|row| row.email.contains(value)),
                "identifier" => found.retain(|row| row.identifier.contains(&folded)),
                other => panic!("no such parameter: {other}"),
            }
        }
        let total = found.len();
        let entries: Vec<Value> = found
            .iter()
            .take(count)
            .map(|row| json!({"resource": row.resource, "search": {"mode": "match"}}))
            .collect();
        let mut bundle = json!({
            "resourceType": "Bundle", "type": "searchset", "total": total, "entry": entries,
        });
        if total > count {
            bundle["link"] = json!([{"relation": "next", "url": "Patient?page=2"}]);
        }
        Response::json_body(200, &bundle)
    }
}
