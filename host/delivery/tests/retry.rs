//! When, and whether, a delivery is tried again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use patchbay_ambient::{HttpError, HttpResponse, SeededEntropy};
use patchbay_delivery::{AttemptFailure, RetrySchedule, Verdict, classify};
use patchbay_workflow::Timestamp;
use proptest::prelude::*;

const DAY: Duration = Duration::from_hours(24);

proptest! {
    /// Every delay is within a tenth of its nominal length; `Retry-After` only lengthens it, to a day
    /// at most; and the schedule ends.
    #[test]
    fn delays_keep_their_bounds(seed: u64, asked in prop::option::of(0_u64..400_000)) {
        let entropy = SeededEntropy::new(seed);
        let schedule = RetrySchedule::default();
        let nominal = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        prop_assert_eq!(schedule.next(0, None, &entropy), Some(Duration::ZERO));
        for (attempt, nominal) in (1_u32..).zip(nominal.map(Duration::from_secs)) {
            let plain = schedule.next(attempt, None, &entropy).unwrap();
            prop_assert!(plain >= nominal * 9 / 10 && plain <= nominal * 11 / 10);
            let asked = asked.map(Duration::from_secs);
            let kept = schedule.next(attempt, asked, &entropy).unwrap();
            prop_assert!(kept >= nominal * 9 / 10);
            prop_assert!(kept >= asked.unwrap_or_default().min(DAY));
            prop_assert!(kept <= (nominal * 11 / 10).max(DAY));
        }
        prop_assert_eq!(schedule.next(10, Some(DAY), &entropy), None);
        prop_assert_eq!(schedule.next(u32::MAX, None, &entropy), None);
    }

    #[test]
    fn no_header_makes_the_judge_panic(status in 100_u16..600, retry in "[ -~]{0,40}", date in "[ -~]{0,40}") {
        let response = answer(status, &[("retry-after", &retry), ("date", &date)]);
        let _ = classify(Ok(&response), Timestamp::from_millis(0));
    }
}

#[test]
fn the_default_schedule_takes_three_days() {
    let schedule = RetrySchedule::default();
    assert_eq!(
        schedule.total(),
        Duration::from_secs(75 * 3_600 + 35 * 60 + 5)
    );
    assert_eq!(schedule.attempts(), 10);
    assert!(RetrySchedule::new(vec![DAY; 65]).is_err());
    assert!(RetrySchedule::new(vec![DAY * 8]).is_err());
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> HttpResponse {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    HttpResponse {
        status: StatusCode::from_u16(status).unwrap(),
        headers: map,
        body: Bytes::new(),
        latency: Duration::ZERO,
    }
}

#[test]
fn answers_are_judged() {
    // 2015-10-21T07:27:00Z
    let now = Timestamp::from_millis(1_445_412_420_000);
    let judge =
        |status, headers: &[(&'static str, &str)]| classify(Ok(&answer(status, headers)), now);
    let retry = |status, after: Option<u64>| Verdict::Retry {
        after: after.map(Duration::from_secs),
        failure: AttemptFailure::Status(StatusCode::from_u16(status).unwrap()),
    };
    for status in [200, 201, 204, 299] {
        assert_eq!(judge(status, &[]), Verdict::Delivered);
    }
    assert_eq!(judge(410, &[]), Verdict::Gone);
    assert_eq!(
        judge(307, &[("location", "https://elsewhere.example/")]),
        Verdict::Retry {
            after: None,
            failure: AttemptFailure::Redirect(StatusCode::TEMPORARY_REDIRECT)
        }
    );
    for status in [400, 401, 404, 422, 500, 502] {
        assert_eq!(judge(status, &[("retry-after", "9")]), retry(status, None));
    }
    assert_eq!(judge(503, &[]), retry(503, None));
    assert_eq!(
        judge(429, &[("retry-after", " 120 ")]),
        retry(429, Some(120))
    );
    assert_eq!(
        judge(429, &[("retry-after", "99999999999999999999999")]),
        retry(429, Some(u64::MAX))
    );
    assert_eq!(judge(429, &[("retry-after", "-1")]), retry(429, None));
    let until = ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT");
    assert_eq!(judge(503, &[until]), retry(503, Some(60)));
    assert_eq!(
        judge(503, &[until, ("date", "Wed, 21 Oct 2015 07:27:50 GMT")]),
        retry(503, Some(10))
    );
    assert_eq!(
        judge(503, &[("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT")]),
        retry(503, Some(0))
    );
    assert_eq!(
        classify(Err(&HttpError::Refused("10.0.0.1".into())), now),
        Verdict::Retry {
            after: None,
            failure: AttemptFailure::Refused
        }
    );
}
