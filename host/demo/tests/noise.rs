//! A plan follows from its seed, and every request in it tells the truth about itself.

use std::collections::{HashMap, HashSet};

use patchbay_demo::noise::{Chain, Draft, Fate, Planned, Sender, Slip, Token, plan, plan_records};
use patchbay_demo::people::{Person, Sent, generate};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use uuid::Uuid;

fn patient(planned: &Planned) -> Value {
    serde_json::from_slice::<Value>(&planned.body).unwrap()["patient"].take()
}

fn bodies(plan: &[Chain]) -> Vec<&[u8]> {
    plan.iter()
        .flatten()
        .map(|planned| &planned.body[..])
        .collect()
}

#[test]
fn a_seed_makes_the_same_plan() {
    let people = generate(5, 2_000);
    assert_eq!(
        bodies(&plan(5, &people, 300)),
        bodies(&plan(5, &people, 300))
    );
    assert_ne!(
        bodies(&plan(5, &people, 300)),
        bodies(&plan(6, &people, 300))
    );
}

#[test]
fn requests_know_whom_they_mean() {
    let people = generate(5, 10_000);
    let known: HashMap<Uuid, &Person> = people.iter().map(|person| (person.id, person)).collect();
    let chains = plan(5, &people, 1_000);
    let asked: usize = chains
        .iter()
        .flatten()
        .filter(|planned| planned.patient_id.is_some())
        .count();
    assert_eq!(asked, 1_000);

    let mut patients = HashSet::new();
    let (mut strangers, mut untouched) = (0, 0);
    for planned in chains.iter().flatten() {
        let Some(id) = planned.patient_id else {
            continue;
        };
        assert_eq!(patient(planned)["id"], id.to_string());
        if planned.fate == Fate::Accepted {
            assert!(patients.insert(id), "two first requests for one patient");
        }
        match planned.truth {
            None => strangers += 1,
            Some(truth) => {
                let person = known[&truth];
                let patient = patient(planned);
                let same = |pointer: &str, value: Option<&str>| {
                    patient.pointer(pointer).and_then(Value::as_str) == value
                };
                let born = person.born.unwrap().to_string();
                let dob = patient["dob"]
                    .as_str()
                    .is_some_and(|dob| dob.starts_with(&born));
                let email = same("/contact/email", person.email.as_deref());
                let home = same(
                    "/contact/address/postal_code",
                    person.address.postal_code.as_deref(),
                );
                // Three slips are made at most, and none of them touches all of these.
                assert!(dob || email || home);
                untouched += usize::from(
                    dob && email && home && same("/family_name", person.family.as_deref()),
                );
            }
        }
    }
    assert!((60..140).contains(&strangers), "{strangers} strangers");
    assert!(untouched > 200, "{untouched} without a slip");
}

#[test]
fn repetitions_repeat_and_conflicts_conflict() {
    let people = generate(5, 10_000);
    let chains = plan(5, &people, 1_000);
    let mut seen = HashSet::new();
    for chain in &chains {
        let first = &chain[0];
        for planned in chain {
            seen.insert(std::mem::discriminant(&planned.fate));
            assert_eq!(planned.sender, first.sender);
            match planned.fate {
                Fate::Accepted => assert_eq!(planned.token, Token::Own),
                Fate::Replayed => {
                    assert!(planned.key == first.key && planned.body == first.body);
                }
                Fate::Second => {
                    assert!(planned.key != first.key && planned.patient_id == first.patient_id);
                }
                Fate::Refused(statuses) => {
                    assert!(!statuses.is_empty());
                    if chain.len() > 1 {
                        assert!(planned.key == first.key && planned.body != first.body);
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), 4, "every fate is met");
    let keys: HashSet<_> = chains.iter().map(|chain| &chain[0].key).collect();
    // Three requests come without a key.
    assert_eq!(keys.len(), chains.len() - 2);
}

#[test]
fn records_are_sent_as_they_stand() {
    let people = generate(5, 20);
    let sent: Vec<Sent> = people
        .iter()
        .map(|person| Sent {
            person: person.clone(),
            truth: Some(person.id),
        })
        .collect();
    let chains = plan_records(&sent);
    assert_eq!(chains.len(), 20);
    for (chain, person) in chains.iter().zip(&people) {
        assert_eq!(chain[0].truth, Some(person.id));
        assert_eq!(chain[0].sender, Sender::Records);
        assert_eq!(patient(&chain[0])["dob"], person.born.unwrap().to_string());
    }
}

proptest! {
    /// Whatever slips are made: the body is JSON, its id is the patient's, and its date is a day.
    #[test]
    fn slips_leave_the_id_alone(seed: u64, slips in proptest::collection::vec(0..Slip::ALL.len(), 0..6)) {
        let person = generate(seed, 1).remove(0);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draft = Draft::plain(Sender::NorthClinic, Uuid::from_u128(77), person);
        for slip in slips {
            Slip::ALL[slip].make(&mut draft, &mut rng);
        }
        let body: Value = serde_json::from_slice(&draft.body()).unwrap();
        prop_assert_eq!(&body["patient"]["id"], &Uuid::from_u128(77).to_string());
        let dob = body["patient"]["dob"].as_str().unwrap();
        prop_assert!(dob.parse::<jiff::civil::Date>().is_ok());
    }
}
