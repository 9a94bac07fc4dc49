//! Properties of the matching library that hold for every pair of persons, and the constellations in
//! which relatives must not be taken for one person.

use patchbay_plugin::matching::compare::{digits, similarity, words};
use patchbay_plugin::matching::name::Name;
use patchbay_plugin::matching::normalise::fold;
use patchbay_plugin::matching::weight::PRIOR_BITS;
use patchbay_plugin::matching::{
    AddressParts, Demographics, NameParts, Person, Ranking, Safeguard, Thresholds, compare, plan,
};
use patchbay_plugin::{Agreement, Grade};
use proptest::prelude::*;
use serde_json::json;

fn a_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-e]{0,6}( [a-c]{1,3})?",
        "[A-Za-zéßØ' -]{0,12}",
        prop::sample::select(vec![
            "Robert",
            "Bob",
            "Jane",
            "Jade",
            "Smith",
            "Smith Jr",
            "de la Cruz"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

prop_compose! {
    fn a_person()(
        given in prop::collection::vec(a_text(), 0..3),
        family in prop::option::of(a_text()),
        full in prop::option::of(a_text()),
        birth_date in prop::option::of(prop_oneof![
            (1960_u16..1964, 1_u8..13, 1_u8..29).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}")),
            (1960_u16..1964, 1_u8..13).prop_map(|(y, m)| format!("{y}-{m:02}")),
            a_text(),
        ]),
        gender in prop::option::of(prop::sample::select(vec!["female", "male", "other"])),
        lines in prop::collection::vec(prop_oneof!["[0-9]{1,3} [a-c]{1,4} st", a_text()], 0..3),
        city in prop::option::of(a_text()),
        state in prop::option::of("[a-c]{2,3}"),
        postal_code in prop::option::of("[0-3]{4,5}"),
        phones in prop::collection::vec("[0-2]{6,9}", 0..3),
        emails in prop::collection::vec("[ab]@[ab]", 0..2),
        identifiers in prop::collection::vec("[ab]{1,2}", 0..2),
    ) -> Demographics {
        Demographics {
            names: vec![NameParts { given, family, suffix: None, full }],
            birth_date,
            gender: gender.map(str::to_owned),
            addresses: vec![AddressParts { lines, city, state, postal_code }],
            phones,
            emails,
            identifiers,
        }
    }
}

proptest! {
    #[test]
    fn comparing_is_symmetric_and_bounded(a in a_person(), b in a_person()) {
        let (a, b) = (Person::from(&a), Person::from(&b));
        let (there, back) = (compare(&a, &b), compare(&b, &a));
        prop_assert!((there.bits - back.bits).abs() < 1e-9, "{there:?} {back:?}");
        prop_assert_eq!(&there.safeguards, &back.safeguards);
        prop_assert!((0.0..=1.0).contains(&there.score()));
        let sum: f64 = there.evidence.iter().map(|evidence| evidence.weight).sum();
        prop_assert!((sum + PRIOR_BITS - there.bits).abs() < 1e-9);
        for evidence in &there.evidence {
            prop_assert!((0.0..=1.0).contains(&evidence.similarity));
            prop_assert!(evidence.weight.is_finite());
        }
        if !there.safeguards.is_empty() {
            prop_assert!(there.score() <= Safeguard::MOST + 1e-9);
        }
    }

    #[test]
    fn a_missing_field_weighs_nothing(a in a_person(), b in a_person(), field in 0..6_usize) {
        let mut without = b.clone();
        let prefix = match field {
            0 => { without.birth_date = None; "dob" }
            1 => { without.gender = None; "gender" }
            2 => { without.addresses.clear(); "contact.address" }
            3 => { without.phones.clear(); "contact.phone" }
            4 => { without.emails.clear(); "contact.email" }
            _ => { without.identifiers.clear(); "insurance" }
        };
        let (a, b, without) = (Person::from(&a), Person::from(&b), Person::from(&without));
        let unlimited = |comparison: &patchbay_plugin::matching::Comparison| -> f64 {
            let fields = comparison.evidence.iter();
            fields.filter(|e| !e.field.starts_with("safeguard")).map(|e| e.weight).sum()
        };
        let (with, without) = (compare(&a, &b), compare(&a, &without));
        let of_field: f64 = with.evidence.iter()
            .filter(|e| e.field.starts_with(prefix))
            .map(|e| e.weight)
            .sum();
        prop_assert!((unlimited(&with) - of_field - unlimited(&without)).abs() < 1e-9);
        for evidence in without.evidence.iter().filter(|e| e.agreement == Agreement::Missing) {
            // An exchange of names costs its half also where one of them is missing.
            prop_assert!(evidence.weight <= 0.0);
        }
    }

    #[test]
    fn nobody_is_more_like_a_person_than_that_person(a in a_person(), b in a_person()) {
        let (a, b) = (Person::from(&a), Person::from(&b));
        let mut ranking = Ranking::new(a.clone(), Thresholds::default());
        ranking.add("other", &b);
        ranking.add("same", &a);
        let candidates = ranking.candidates();
        prop_assert!(candidates.windows(2).all(|pair| pair[0].score >= pair[1].score));
        prop_assert!(candidates.iter().all(|found| (0.0..=1.0).contains(&found.score)));
        if compare(&a, &a).may_be_certain && compare(&a, &a).score() > 0.99 {
            prop_assert!(candidates.iter().any(|found| found.internal_id == "same"));
        }
    }

    #[test]
    fn a_plan_is_short_and_without_doubles(a in a_person(), most in 0..8_usize) {
        let queries = plan(&Person::from(&a), most);
        prop_assert!(queries.len() <= most);
        for (at, query) in queries.iter().enumerate() {
            prop_assert!(!query.criteria.is_empty());
            prop_assert!(!queries[..at].contains(query));
        }
    }

    #[test]
    fn comparators_are_symmetric(a in a_text(), b in a_text()) {
        prop_assert_eq!(words(&a, &b), words(&b, &a));
        prop_assert_eq!(digits(&a, &b), digits(&b, &a));
        prop_assert!((similarity(&a, &b) - similarity(&b, &a)).abs() < f64::EPSILON);
        prop_assert_eq!(fold(&fold(&a)), fold(&a));
    }
}

fn person(given: &str, family: &str, dob: &str) -> Person {
    Person::from_request(&json!({"patient": {
        "id": "p", "given_name": given, "family_name": family, "dob": dob, "gender": "male",
        "contact": {"address": "12 High Street, Orange 2800", "phone": "02 5550 1234"},
        "insurance": {"member_id": "FAM-1"},
    }}))
}

fn grade(a: &Person, b: &Person) -> Grade {
    let comparison = compare(a, b);
    Thresholds::default().grade(comparison.score(), comparison.may_be_certain)
}

#[test]
fn relatives_who_share_everything_else_are_at_most_possible() {
    let one = person("James", "Smith", "1990-05-17");
    for (relative, why) in [
        (person("Walter", "Smith", "1990-05-17"), "a twin"),
        (
            person("Jack", "Smith", "1990-05-17"),
            "a twin of a similar name",
        ),
        (
            person("Jane", "Smith", "1990-05-16"),
            "a twin born before midnight",
        ),
        (person("", "Smith", ""), "anybody of the household"),
        (person("James", "Smith Sr", "1962-01-02"), "the father"),
        (
            person("Smith", "Walter", "1990-05-17"),
            "a twin, names exchanged",
        ),
    ] {
        assert!(
            grade(&one, &relative) <= Grade::Possible,
            "{why}: {:?}",
            compare(&one, &relative)
        );
    }
    let junior = person("James", "Smith Jr", "1990-05-17");
    let senior = person("James", "Smith Sr", "1990-05-17");
    assert!(grade(&junior, &senior) <= Grade::Possible);
    assert_eq!(grade(&junior, &one), Grade::Certain);
}

#[test]
fn one_person_with_the_usual_slips_is_at_least_probable() {
    let one = person("William", "Van der Berg", "1990-05-12");
    for (other, why) in [
        (person("Bill", "van der Berg", "1990-05-12"), "a nickname"),
        (
            person("W.", "Vanderberg", "1990-05-12"),
            "an initial, a name written together",
        ),
        (
            person("Van der Berg", "William", "1990-05-12"),
            "names exchanged",
        ),
        (
            person("William", "Van der Berg", "1990-12-05"),
            "day and month exchanged",
        ),
        (
            person("Wiliam", "Van der Brg", "1990-05-13"),
            "slips of the hand",
        ),
        (person("William", "Lee", "1990-05-12"), "a new family name"),
        (
            person("Arthur William", "Van der Berg", "1990-05-12"),
            "called by the middle name",
        ),
        (person("William", "Van der Berg", ""), "no birth date"),
    ] {
        assert!(
            grade(&one, &other) >= Grade::Probable,
            "{why}: {:?}",
            compare(&one, &other)
        );
    }
}

#[test]
fn a_rival_that_is_much_less_likely_does_not_stand_in_the_way() {
    let patient = person("James", "Smith", "1990-05-17");
    let mut ranking = Ranking::new(patient.clone(), Thresholds::default());
    ranking.add("right", &patient);
    ranking.add("slip", &person("James", "Smith", "1990-06-17"));
    let candidates = ranking.candidates();
    assert_eq!(candidates[0].internal_id, "right");
    assert!(
        candidates
            .get(1)
            .is_none_or(|rival| candidates[0].score - rival.score > 0.1)
    );

    // The same person twice in the register: nobody but a person can say which.
    ranking.add("again", &patient);
    let candidates = ranking.candidates();
    assert!((candidates[0].score - candidates[1].score).abs() < 1e-9);
}

#[test]
fn full_names_are_taken_apart() {
    let read = |full: &str| {
        let name = Name::from_parts(&[], None, None, Some(full));
        (name.given.join(" "), name.family, name.suffix.is_some())
    };
    let owned = |given: &str, family: &str, suffix| (given.to_owned(), family.to_owned(), suffix);
    assert_eq!(
        read("Dr. Anna Maria Møller"),
        owned("anna maria", "moller", false)
    );
    assert_eq!(read("O’Brien, Seán"), owned("sean", "obrien", false));
    assert_eq!(read("John Smith, Jr."), owned("john", "smith", true));
    assert_eq!(
        read("Ludwig van Beethoven III"),
        owned("ludwig", "van beethoven", true)
    );
    assert_eq!(read("Cher"), owned("", "cher", false));
    assert_eq!(read(""), owned("", "", false));
}
