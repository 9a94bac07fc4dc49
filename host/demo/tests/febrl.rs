//! Reading records in the Febrl layout.

use std::io::Write as _;

use jiff::civil::date;
use patchbay_demo::people::{FebrlError, FebrlSet, read_febrl};

const HEADER: &str = "rec_id, given_name, surname, street_number, address_1, address_2, suburb, \
                      postcode, state, date_of_birth, soc_sec_id\n";

fn read(rows: &str) -> Result<FebrlSet, FebrlError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{HEADER}{rows}").unwrap();
    read_febrl(file.path())
}

#[test]
fn empty_fields_and_impossible_dates_are_left_out() {
    let set = read(
        "rec-1-org, anna, berry, 69, giblin street, killarney, bittern, 4814, qld, 19990219, 7364009\n\
         rec-1-dup-0, , bery, , giblin street, , bittern, , qld, 19990230, 7364009\n",
    )
    .unwrap();
    let [original] = &set.internal[..] else {
        panic!("one original")
    };
    assert_eq!(original.given.as_deref(), Some("anna"));
    assert_eq!(original.born, Some(date(1999, 2, 19)));
    assert_eq!(original.address.lines, ["69 giblin street", "killarney"]);
    assert_eq!(original.address.postal_code.as_deref(), Some("4814"));

    let [duplicate] = &set.sent[..] else {
        panic!("one duplicate")
    };
    assert_eq!(duplicate.truth, Some(original.id));
    assert_ne!(duplicate.person.id, original.id);
    assert_eq!(duplicate.person.given, None);
    assert_eq!(duplicate.person.born, None, "30 February");
    assert_eq!(duplicate.person.address.lines, ["giblin street"]);
    assert_eq!(duplicate.person.address.postal_code, None);
}

#[test]
fn record_ids_become_the_same_uuids_every_time() {
    let rows = "rec-12-org, a, b, , , , , , , , \nrec-12-dup-3, a, b, , , , , , , , \n";
    let (one, other) = (read(rows).unwrap(), read(rows).unwrap());
    assert!(one == other);
    assert_eq!(one.internal[0].id.get_version_num(), 5);
}

#[test]
fn the_number_is_the_truth_and_may_have_no_original() {
    let set =
        read("rec-1-org, a, b, , , , , , , , \nrec-11-dup-0, a, b, , , , , , , , \n").unwrap();
    assert_eq!(set.sent[0].truth, None);
}

#[test]
fn the_social_security_number_is_nowhere() {
    let set = read("rec-1-org, a, b, 1, c, d, e, 2, f, 19990219, 7364009\n").unwrap();
    let person = &set.internal[0];
    let address = &person.address;
    let everything = [
        &person.given,
        &person.middle,
        &person.family,
        &person.suffix,
    ]
    .into_iter()
    .chain([&person.phone, &person.email])
    .chain([&address.city, &address.state, &address.postal_code])
    .flatten()
    .chain(&address.lines)
    .fold(person.id.to_string(), |all, part| all + "\n" + part);
    assert!(!everything.contains("7364009"));
}

#[test]
fn what_is_not_febrl_is_refused_with_its_line() {
    let wrong = read("rec-1-org, a, b, , , , , , , , \nrec-x, a, b, , , , , , , , \n");
    assert!(matches!(wrong, Err(FebrlError::RecordId { line: 3, .. })));
    assert!(matches!(
        read("rec-1-org, a\n"),
        Err(FebrlError::Csv { .. })
    ));
    assert!(matches!(
        read("rec-1-dup-0, a, b, , , , , , , , \n"),
        Err(FebrlError::Nobody { .. })
    ));
}
