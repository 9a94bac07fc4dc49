//! The arithmetic of the report.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use patchbay_demo::driver::{Answer, Exchange, Run, Settlement, Tokens};
use patchbay_demo::noise::{Fate, Planned, Sender, Token};
use patchbay_demo::report::Figures;
use patchbay_demo::sink::{SinkCounts, Told};
use uuid::Uuid;

/// The one record that everybody but strangers means.
const RECORD: Uuid = Uuid::from_u128(0xa11ce);

#[allow(
    clippy::disallowed_methods,
    reason = "an instant that nothing is compared with"
)]
fn exchange(fate: Fate, known: bool, answer: Answer) -> Exchange {
    Exchange {
        planned: Planned {
            sender: Sender::Records,
            patient_id: None,
            truth: known.then_some(RECORD),
            fate,
            key: None,
            token: Token::Own,
            body: Bytes::new(),
        },
        answer,
        sent_at: Instant::now(),
    }
}

fn workflow(number: u128) -> Answer {
    Answer::Workflow {
        id: Uuid::from_u128(number),
        replayed: false,
    }
}

fn refused(status: u16, code: &str) -> Answer {
    Answer::Refused {
        status,
        code: code.to_owned(),
    }
}

fn told(told: Told, millis: u64) -> Settlement {
    Settlement::Told {
        told,
        after: Duration::from_millis(millis),
        contradicted: false,
    }
}

fn run(exchanges: Vec<Vec<Exchange>>, settled: Vec<(u128, Settlement)>) -> Run {
    Run {
        exchanges,
        settled: settled
            .into_iter()
            .map(|(number, settlement)| (Uuid::from_u128(number), settlement))
            .collect::<HashMap<_, _>>(),
        tokens: Tokens::default(),
        took: Duration::from_secs(1),
    }
}

#[test]
fn a_refused_duplicate_is_missed_and_an_ambiguous_one_is_not_linked() {
    let accepted = |known, number| vec![exchange(Fate::Accepted, known, workflow(number))];
    let run = run(
        vec![
            accepted(true, 1),
            accepted(true, 2),
            accepted(true, 3),
            accepted(true, 4),
            vec![exchange(
                Fate::Accepted,
                true,
                refused(422, "validation-failed"),
            )],
            accepted(false, 6),
            accepted(false, 7),
        ],
        vec![
            (1, told(Told::Linked(RECORD.to_string()), 10)),
            (2, told(Told::Linked(RECORD.to_string()), 30)),
            (3, told(Told::Linked(Uuid::nil().to_string()), 20)),
            (4, Settlement::Ambiguous),
            (6, told(Told::Linked(RECORD.to_string()), 40)),
            (7, told(Told::NoResults, 50)),
        ],
    );
    let figures = Figures::of(&run, SinkCounts::default());
    // Right: 1 and 2. Wrong: 3, and the stranger 6. Known: 1 to 5.
    assert_eq!(figures.precision().to_string(), "0.500");
    assert_eq!(figures.recall().to_string(), "0.400");
    assert_eq!(figures.f1().to_string(), "0.444");
    assert_eq!((figures.linked, figures.wrong_links), (4, 2));
    assert_eq!(
        (figures.accepted, figures.ambiguous, figures.no_results),
        (6, 1, 1)
    );
    assert_eq!(figures.refused["validation-failed"], 1);
    assert_eq!(figures.percentile(50), Some(Duration::from_millis(30)));
    assert_eq!(figures.percentile(99), Some(Duration::from_millis(50)));
    assert!(figures.is_sound());
}

#[test]
fn shares_are_cut_and_never_rounded_up() {
    let figures = |right, wrong, known| Figures {
        right,
        wrong,
        known,
        ..Figures::default()
    };
    assert_eq!(figures(2_999, 1, 3_000).precision().to_string(), "0.999");
    assert_eq!(
        figures(3_000, 0, 3_000).quality_lines(),
        "precision 1.000\nrecall 1.000\nF1 1.000\n"
    );
    assert_eq!(
        figures(0, 0, 0).quality_lines(),
        "precision n/a\nrecall n/a\nF1 n/a\n"
    );
}

#[test]
fn repetitions_count_no_patient_twice() {
    let chain = |second| vec![exchange(Fate::Accepted, true, workflow(1)), second];
    let linked = || told(Told::Linked(RECORD.to_string()), 10);
    let run = run(
        vec![
            chain(exchange(Fate::Replayed, true, workflow(1))),
            vec![
                exchange(Fate::Accepted, true, workflow(2)),
                exchange(Fate::Second, true, refused(409, "already-linked")),
            ],
        ],
        vec![(1, linked()), (2, linked())],
    );
    let figures = Figures::of(&run, SinkCounts::default());
    assert_eq!(
        (figures.sent, figures.accepted, figures.replayed),
        (4, 2, 1)
    );
    assert_eq!((figures.right, figures.known, figures.linked), (2, 2, 2));
    assert!(figures.is_sound());
}

#[test]
fn nothing_accepted_may_be_unaccounted_for() {
    let one = |settlement: Vec<(u128, Settlement)>, counts| {
        let run = run(
            vec![vec![exchange(Fate::Accepted, true, workflow(1))]],
            settlement,
        );
        Figures::of(&run, counts)
    };
    let ended = || vec![(1, told(Told::NoResults, 1))];
    assert!(one(ended(), SinkCounts::default()).is_sound());
    let lost = one(Vec::new(), SinkCounts::default());
    assert_eq!(lost.unaccounted, 1);
    assert!(!lost.is_sound());
    let forged = SinkCounts {
        bad_signatures: 1,
        ..SinkCounts::default()
    };
    assert!(!one(ended(), forged).is_sound());
}

#[test]
fn an_answer_against_the_plan_is_a_surprise() {
    for (fate, answer) in [
        (Fate::Refused(&[400]), workflow(1)),
        (Fate::Refused(&[400]), refused(500, "internal")),
        (Fate::Accepted, refused(503, "plugin-failed")),
        (
            Fate::Accepted,
            Answer::Broken("connection reset".to_owned()),
        ),
        (
            Fate::Accepted,
            Answer::Workflow {
                id: Uuid::nil(),
                replayed: true,
            },
        ),
    ] {
        let run = run(vec![vec![exchange(fate, true, answer.clone())]], Vec::new());
        let figures = Figures::of(&run, SinkCounts::default());
        assert_eq!(figures.unexpected, 1, "{fate:?} {answer:?}");
        assert!(!figures.is_sound());
    }
}
