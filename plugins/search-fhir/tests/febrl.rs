//! How well the adapter links: precision and recall on the Febrl sets, and what it does with twins,
//! households and strangers.
//!
//! The sets are not part of the repository. `PATCHBAY_FEBRL` names their folder; else
//! `../shared/data/febrl` beside the workspace is tried, and without either the test says so and ends.
//! `FEBRL_MISSES=1` prints every duplicate that was not linked.

mod support;

use std::path::PathBuf;
use std::rc::Rc;

use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{Candidate, Grade, Outcome, Query, SearchAdapter};
use search_fhir::SearchFhir;
use serde_json::{Value, json};
use support::FhirServer;

/// The link policy's defaults.
const AUTO_LINK: f64 = 0.9;
const MARGIN: f64 = 0.1;

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("PATCHBAY_FEBRL").map(PathBuf::from);
    let beside = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/febrl"
    ));
    let folder = named.unwrap_or(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no Febrl data; set PATCHBAY_FEBRL to the folder of dataset1.csv");
    None
}

#[derive(Debug, Clone)]
struct Row {
    id: String,
    person: String,
    original: bool,
    given: String,
    surname: String,
    number: String,
    address_1: String,
    address_2: String,
    suburb: String,
    postcode: String,
    state: String,
    dob: Option<String>,
}

fn read(set: u8) -> Option<Vec<Row>> {
    let path = folder()?.join(format!("dataset{set}.csv"));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .unwrap();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let cell = |at: usize| record[at].to_owned();
        let digits = cell(9);
        let dob = (digits.len() == 8).then(|| {
            let dob = format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]);
            dob.parse::<patchbay_plugin::Date>().ok().map(|_| dob)
        });
        Row {
            id: cell(0),
            person: cell(0).split('-').nth(1).unwrap().to_owned(),
            original: cell(0).ends_with("org"),
            given: cell(1),
            surname: cell(2),
            number: cell(3),
            address_1: cell(4),
            address_2: cell(5),
            suburb: cell(6),
            postcode: cell(7),
            state: cell(8),
            dob: dob.flatten(),
        }
    });
    Some(rows.collect())
}

impl Row {
    fn lines(&self) -> Vec<String> {
        let first = format!("{} {}", self.number, self.address_1)
            .trim()
            .to_owned();
        let mut lines = vec![first, self.address_2.clone()];
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn resource(&self) -> Value {
        json!({
            "resourceType": "Patient",
            "id": self.person,
            "name": [{"family": self.surname, "given": [self.given]}],
            "birthDate": self.dob,
            "address": [{
                "line": self.lines(),
                "city": self.suburb,
                "state": self.state,
                "postalCode": self.postcode,
            }],
        })
    }

    fn request(&self) -> Value {
        let mut patient = json!({
            "id": self.id,
            "full_name": format!("{} {}", self.given, self.surname).trim(),
            "contact": {"address": {
                "line": self.lines(),
                "city": self.suburb,
                "state": self.state,
                "postal_code": self.postcode,
            }},
        });
        for (key, value) in [("given_name", &self.given), ("family_name", &self.surname)] {
            if !value.is_empty() {
                patient[key] = json!(value);
            }
        }
        if let Some(dob) = &self.dob {
            patient["dob"] = json!(dob);
        }
        json!({"patient": patient})
    }
}

struct Answer {
    linked: Option<String>,
    found: Vec<Candidate>,
    queries: usize,
}

fn link(server: &Rc<FhirServer>, request: Value) -> Answer {
    let server = Rc::clone(server);
    let host = MockHost::new().backend(move |request| Ok(server.answer(request)));
    let query = Query {
        request,
        attempt_id: "attempt".to_owned(),
        callback_url: None,
    };
    let queries = |host: &MockHost| host.requests().len();
    let Outcome::Answered(answer) = (match SearchFhir::search(query, &host) {
        Ok(outcome) => outcome,
        Err(failure) if failure.code == "patient-not-searchable" => {
            return Answer {
                linked: None,
                found: Vec::new(),
                queries: 0,
            };
        }
        Err(failure) => panic!("{failure}"),
    }) else {
        panic!("the adapter answers at once");
    };
    let stands_out = match answer.found.as_slice() {
        [best, second, ..] => best.score - second.score >= MARGIN,
        _ => true,
    };
    let linked = answer
        .found
        .first()
        .filter(|best| best.score >= AUTO_LINK && best.grade >= Grade::Probable)
        .filter(|_| stands_out && !answer.truncated)
        .map(|best| best.internal_id.clone());
    Answer {
        linked,
        queries: queries(&host),
        found: answer.found,
    }
}

#[derive(Debug, Default)]
struct Tally {
    requests: usize,
    right: usize,
    wrong: usize,
    offered: usize,
    queries: usize,
    most_queries: usize,
}

impl Tally {
    fn add(&mut self, truth: &str, answer: &Answer) {
        self.requests += 1;
        self.queries += answer.queries;
        self.most_queries = self.most_queries.max(answer.queries);
        match &answer.linked {
            Some(id) if id == truth => self.right += 1,
            Some(_) => self.wrong += 1,
            None if answer.found.iter().any(|c| c.internal_id == truth) => self.offered += 1,
            None => {}
        }
    }

    fn precision(&self) -> f64 {
        self.right as f64 / (self.right + self.wrong).max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.right as f64 / self.requests as f64
    }

    fn report(&self, name: &str) {
        let (precision, recall) = (self.precision(), self.recall());
        println!(
            "{name}: {} requests, {} right, {} wrong, {} offered for review; \
             precision {precision:.4}, recall {recall:.4}, F1 {:.4}; queries per link {:.2}, most {}",
            self.requests,
            self.right,
            self.wrong,
            self.offered,
            2.0 * precision * recall / (precision + recall),
            self.queries as f64 / self.requests as f64,
            self.most_queries,
        );
    }
}

fn evaluate(set: u8) -> Option<Tally> {
    let rows = read(set)?;
    let server = FhirServer::new(rows.iter().filter(|r| r.original).map(Row::resource));
    let server = Rc::new(server);
    let mut tally = Tally::default();
    for row in rows.iter().filter(|row| !row.original) {
        let answer = link(&server, row.request());
        tally.add(&row.person, &answer);
        if std::env::var_os("FEBRL_MISSES").is_some()
            && answer.linked.as_deref() != Some(row.person.as_str())
        {
            let original = rows.iter().find(|r| r.original && r.person == row.person);
            println!("MISS {row:?}\n  OF {:?}", original.unwrap());
            println!("  LINKED {:?}", answer.linked);
            for candidate in answer.found.iter().take(2) {
                println!(
                    "  {} {:.3} {:?}",
                    candidate.internal_id, candidate.score, candidate.grade
                );
                for e in &candidate.evidence {
                    println!(
                        "    {} {:?} {:.2} {:.1}",
                        e.field, e.agreement, e.similarity, e.weight
                    );
                }
            }
        }
    }
    tally.report(&format!("dataset{set}"));
    Some(tally)
}

#[test]
fn febrl_duplicates_find_their_originals() {
    for set in 1..=3 {
        let Some(tally) = evaluate(set) else { return };
        assert!(tally.precision() >= 0.99, "set {set}: {tally:?}");
        // Each of the sets gives one duplicate in twelve another person's given name, and no field but
        // that tells such a duplicate from a twin: these are offered for review, not linked.
        let floor = if set == 1 { 0.90 } else { 0.89 };
        assert!(tally.recall() >= floor, "set {set}: {tally:?}");
        assert!(tally.most_queries <= 6);
    }
}

/// Given names of a generation that Febrl's lists do not hold, so that none is a form of another's.
const OTHER_GIVEN_NAMES: [&str; 8] = [
    "gertrude",
    "horst",
    "ingeborg",
    "wolfgang",
    "roswitha",
    "dietmar",
    "brunhilde",
    "ottokar",
];

/// Originals whose name and birth date are known, and a sibling of each: same surname and address,
/// another given name, born on the day given by `dob`.
fn with_siblings(set: u8, dob: fn(&str) -> String) -> Option<Vec<(Row, Row)>> {
    let rows = read(set)?.into_iter().filter(|row| row.original);
    let known = rows.filter(|r| r.dob.is_some() && !r.given.is_empty() && !r.surname.is_empty());
    let pairs = known.take(200).enumerate().map(|(at, row)| {
        let sibling = Row {
            id: format!("sibling-{}", row.person),
            person: format!("sibling-{}", row.person),
            given: OTHER_GIVEN_NAMES[at % OTHER_GIVEN_NAMES.len()].to_owned(),
            dob: row.dob.as_deref().map(dob),
            ..row.clone()
        };
        (row, sibling)
    });
    Some(pairs.collect())
}

#[test]
fn a_twin_is_never_taken_for_the_other() {
    let Some(pairs) = with_siblings(1, str::to_owned) else {
        return;
    };
    let one = Rc::new(FhirServer::new(pairs.iter().map(|(row, _)| row.resource())));
    let both = pairs
        .iter()
        .flat_map(|(row, twin)| [row.resource(), twin.resource()]);
    let both = Rc::new(FhirServer::new(both));
    for (row, twin) in &pairs {
        let answer = link(&one, twin.request());
        assert_eq!(answer.linked, None, "{twin:?}");
        assert!(
            answer
                .found
                .iter()
                .all(|found| found.grade <= Grade::Possible)
        );
        assert_eq!(
            link(&both, row.request()).linked.as_ref(),
            Some(&row.person)
        );
        assert_eq!(
            link(&both, twin.request()).linked.as_ref(),
            Some(&twin.person)
        );
    }
}

#[test]
fn a_household_is_not_one_person() {
    // Siblings a few years apart: the same month and day would be too much of a coincidence.
    let Some(pairs) = with_siblings(1, |dob| {
        let (year, rest) = dob.split_at(4);
        let year: u16 = year.parse().unwrap();
        let day = if rest.ends_with('7') {
            "-05-19"
        } else {
            "-11-27"
        };
        format!("{}{day}", year - 3)
    }) else {
        return;
    };
    let server = Rc::new(FhirServer::new(pairs.iter().map(|(row, _)| row.resource())));
    for (_, sibling) in &pairs {
        assert_eq!(link(&server, sibling.request()).linked, None, "{sibling:?}");
    }
}

#[test]
fn strangers_are_not_linked() {
    for set in 1..=3 {
        let Some(rows) = read(set) else { return };
        // Every second person is unknown to the internal system; their duplicates are sent all the same.
        let held_out = |row: &Row| row.person.parse::<u32>().unwrap() % 2 == 1;
        let known = rows.iter().filter(|row| row.original && !held_out(row));
        let server = Rc::new(FhirServer::new(known.map(Row::resource)));
        let strangers: Vec<&Row> = rows.iter().filter(|r| !r.original && held_out(r)).collect();
        let wrong = strangers
            .iter()
            .filter(|row| link(&server, row.request()).linked.is_some())
            .count();
        println!(
            "dataset{set}: {} strangers, {wrong} linked",
            strangers.len()
        );
        assert_eq!(wrong, 0);
    }
}
