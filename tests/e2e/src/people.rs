//! An internal system with people in it, and requests about them.

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use patchbay_demo::internal;
use patchbay_demo::people::{Person, generate};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

/// What the internal system wants to be shown.
pub(crate) const TOKEN: &str = "internal-system-token";
const COUNT: usize = 2_000;

fn people() -> &'static [Person] {
    static PEOPLE: OnceLock<Vec<Person>> = OnceLock::new();
    PEOPLE.get_or_init(|| generate(11, COUNT))
}

/// Somebody the internal system knows, none of whose relatives is easily taken for them.
pub fn person(number: usize) -> &'static Person {
    let people = people();
    &people[number % people.len()]
}

/// Starts the internal system in this process; gives its base URL.
pub async fn internal_system() -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = internal::router(people().to_vec(), TOKEN);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/fhir").parse().expect("a URL")
}

/// A request to link `patient`, who is this person.
pub fn body(patient: &str, person: &Person) -> Value {
    let mut body = json!({
        "patient": {
            "id": patient,
            "full_name": format!(
                "{} {}",
                person.given.as_deref().unwrap_or_default(),
                person.family.as_deref().unwrap_or_default()
            ),
            "given_name": person.given,
            "family_name": person.family,
            "dob": person.born.map(|born| born.to_string()),
            "contact": {
                "address": {
                    "line": person.address.lines,
                    "city": person.address.city,
                    "state": person.address.state,
                    "postal_code": person.address.postal_code,
                },
                "phone": person.phone,
                "email": person.email,
            },
        }
    });
    drop_nulls(&mut body);
    body
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(drop_nulls);
    }
}
