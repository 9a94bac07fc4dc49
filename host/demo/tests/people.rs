//! People follow from their seed, and there are among them those who are hard to tell apart.

use std::collections::{HashMap, HashSet};

use jiff::civil::date;
use patchbay_demo::people::{Person, generate};

/// Family name, address lines and postal code.
type Home = (Option<String>, Vec<String>, Option<String>);

fn by_home(people: &[Person]) -> HashMap<Home, Vec<&Person>> {
    let mut homes: HashMap<_, Vec<&Person>> = HashMap::new();
    for person in people {
        let key = (
            person.family.clone(),
            person.address.lines.clone(),
            person.address.postal_code.clone(),
        );
        homes.entry(key).or_default().push(person);
    }
    homes
}

#[test]
fn a_seed_makes_the_same_people_and_a_longer_list_begins_with_the_shorter() {
    let people = generate(7, 500);
    assert!(people == generate(7, 500));
    assert!(people[..] == generate(7, 900)[..500]);
    assert!(people != generate(8, 500));
}

#[test]
fn ten_thousand_people_are_told_apart_by_id_and_by_name_and_birth() {
    let people = generate(1, 10_000);
    assert_eq!(people.len(), 10_000);
    let ids: HashSet<_> = people.iter().map(|person| person.id).collect();
    assert_eq!(ids.len(), people.len());
    let described: HashSet<_> = people
        .iter()
        .map(|person| {
            (
                &person.given,
                &person.middle,
                &person.family,
                person.born,
                &person.address.lines,
            )
        })
        .collect();
    assert_eq!(described.len(), people.len(), "two records of one person");
    for person in &people {
        let born = person.born.unwrap();
        assert!(born >= date(1928, 1, 1) && born <= date(2023, 12, 31));
        assert!(person.phone.as_ref().is_none_or(|phone| {
            phone.len() == 12 && phone.starts_with("+1") && phone[5..8] == *"555"
        }));
    }
}

#[test]
fn there_are_twins_households_and_fathers_with_sons_of_their_name() {
    let people = generate(1, 10_000);
    let homes = by_home(&people);
    let households = homes.values().filter(|home| home.len() > 1).count();
    let twins = homes
        .values()
        .filter(|home| {
            home.iter().enumerate().any(|(at, one)| {
                home[at + 1..]
                    .iter()
                    .any(|other| one.born == other.born && one.given != other.given)
            })
        })
        .count();
    let namesakes = homes
        .values()
        .filter(|home| {
            let suffix = |wanted: &str| {
                home.iter()
                    .find(|person| person.suffix.as_deref() == Some(wanted))
            };
            matches!((suffix("Sr"), suffix("Jr")), (Some(father), Some(son))
                if father.given == son.given && father.born < son.born)
        })
        .count();
    assert!(households > 1_000, "{households} households");
    assert!(twins > 50, "{twins} pairs of twins");
    assert!(namesakes > 100, "{namesakes} fathers and sons");
}
