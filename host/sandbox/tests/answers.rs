//! What comes back from guests that answer: good answers, forbidden ones, and traps.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Backend, Setup, call, call_through, event, noon, query, reference};
use patchbay_sandbox::{CallError, LineSource, LogLevel, SearchOutcome};
use patchbay_workflow::{Blame, InternalId, Role};

const REQUEST: &str = "{\"patient\":{\"id\":\"p-1\"}}";

#[tokio::test]
async fn every_role_answers() {
    let host = Setup::default().build();
    let polite = host.plugin("polite").await;
    assert_eq!(polite.roles(), Role::ALL.into());
    let backend = Arc::new(Backend::default());

    let found = host
        .sandbox
        .search(&polite, call_through("v1/search", backend.clone()), query())
        .await
        .result
        .unwrap()
        .unwrap();
    let SearchOutcome::Answered(answer) = found else {
        panic!("{found:?}")
    };
    assert_eq!(
        answer.candidates[0].internal_id.expose(),
        "{\"id\":\"i-1\"}"
    );
    let asked = backend.asked.lock().remove(0);
    assert_eq!(asked.path, "v1/search");
    assert_eq!(
        asked.headers,
        [("accept".to_owned(), "application/json".to_owned())]
    );
    assert_eq!(asked.body.unwrap(), REQUEST.as_bytes());

    let pending = host
        .sandbox
        .poll(&polite, call("{}"), "s-1")
        .await
        .result
        .unwrap()
        .unwrap();
    assert!(matches!(pending, SearchOutcome::Pending(id) if id.expose() == "s-1"));
    let parsed = host
        .sandbox
        .parse_callback(&polite, call("{}"), "s-1", &[0, 255])
        .await;
    let parsed = parsed.result.unwrap().unwrap();
    assert!(matches!(parsed, SearchOutcome::Pending(id) if id.expose() == "s-1/2"));

    let id = InternalId::parse("Patient/1").unwrap();
    let details = host
        .sandbox
        .fetch_patient(&polite, call_through("{}", backend), &id)
        .await;
    assert_eq!(
        details.result.unwrap().unwrap().unwrap().expose(),
        "{\"id\":\"i-1\"}"
    );

    let message = host
        .sandbox
        .format(&polite, call("{}"), event())
        .await
        .result;
    let message = message.unwrap().unwrap();
    assert_eq!(
        message.headers,
        [("x-kind".to_owned(), "link.linked".to_owned())]
    );
    assert_eq!(message.body.expose(), b"{\"linked\":true}");

    let spin = host.plugin("spin").await;
    let missing = host.sandbox.poll(&spin, call("{}"), "s-1").await.result;
    assert_eq!(
        missing.unwrap_err(),
        CallError::RoleMissing(Role::SearchAsync)
    );
}

#[tokio::test]
async fn a_guest_reaches_nothing_but_its_backend() {
    let host = Setup::default().build();
    let polite = host.plugin("polite").await;
    let backend = Arc::new(Backend::default());
    for path in [
        "../admin",
        "//evil.example/",
        "http://evil.example/",
        "/etc/passwd",
        "a/%2e%2e/b",
    ] {
        let asking = call_through(path, backend.clone());
        let outcome = host.sandbox.search(&polite, asking, query()).await;
        let failure = outcome.result.unwrap().unwrap_err();
        assert!(failure.message.expose().contains("Denied"), "{path}");
    }
    assert!(backend.asked.lock().is_empty());
    let outcome = host.sandbox.search(&polite, call("Patient"), query()).await;
    assert!(
        outcome.result.unwrap().is_err(),
        "without a gateway there is no backend"
    );
}

#[tokio::test]
async fn the_world_is_the_hosts() {
    let tell = async |seed| {
        let clock = noon();
        let host = Setup::simulated(&clock, seed).build();
        let polite = host.plugin("polite").await;
        let mut told = Vec::new();
        for _ in 0..2 {
            let mut asked = std::pin::pin!(host.sandbox.validate(
                &polite,
                call("{\"tell\":true}"),
                REQUEST
            ));
            let outcome = loop {
                tokio::select! {
                    biased;
                    outcome = &mut asked => break outcome,
                    () = tokio::task::yield_now() => clock.advance(Duration::from_millis(1)),
                }
            };
            told.push(outcome.result.unwrap().unwrap().into_inner());
        }
        told
    };
    let told = tell(1).await;
    let world: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!(world["calls"], 1);
    assert_eq!(world["now"], world["wall"]);
    assert_eq!(world["today"], "2025-11-22");
    assert_eq!(world["slept"], 30);
    for nothing in ["environment", "arguments"] {
        assert_eq!(world[nothing], 0, "{nothing}");
    }
    for closed in ["files", "network"] {
        assert_eq!(world[closed], false, "{closed}");
    }
    let again: serde_json::Value = serde_json::from_str(&told[1]).unwrap();
    assert_eq!(again["calls"], 1, "each call has a fresh instance");
    assert_ne!(again["random"], world["random"]);
    assert_eq!(tell(1).await, told, "one seed, one world");
    assert_ne!(tell(2).await, told);
}

#[tokio::test]
async fn a_trap_tells_its_story_in_private() {
    const MARKER: &str = "marker-7f3a";
    let host = Setup::default().build();
    let trap = host.plugin("trap").await;
    let outcome = host.sandbox.validate(&trap, call("{}"), REQUEST).await;

    assert!(!format!("{outcome:?}").contains(MARKER));
    let error = outcome.result.unwrap_err();
    assert_eq!(error, CallError::Trap);
    assert_eq!(error.blame(), Blame::Plugin);
    let failure = error.to_failure(&reference("trap", *trap.digest()));
    assert_eq!(failure.code, "plugin-trapped");
    assert_eq!(failure.plugin.unwrap().name, "trap");

    let told: Vec<_> = outcome
        .output
        .lines
        .iter()
        .map(|line| (line.source, line.text.expose().as_str()))
        .collect();
    assert_eq!(
        told[0],
        (LineSource::Log(LogLevel::Error), "logged marker-7f3a")
    );
    assert_eq!(
        told[1],
        (LineSource::Stdout, "to standard output marker-7f3a")
    );
    assert_eq!(
        told[2],
        (LineSource::Stderr, "to standard error marker-7f3a")
    );
    let panicked = |(source, text): &&(LineSource, &str)| {
        *source == LineSource::Stderr && text.contains("panicked with marker-7f3a")
    };
    assert!(told.iter().any(|line| panicked(&line)), "{told:?}");
    let (source, text) = told.last().unwrap();
    assert_eq!(*source, LineSource::Trap);
    assert!(text.contains("wasm backtrace"), "{text}");
}

#[tokio::test]
async fn forbidden_answers_are_garbage() {
    let host = Setup::default().build();
    let garbage = host.plugin("garbage").await;
    let what = |error: CallError| match error {
        CallError::Garbage(what) => what,
        other => panic!("{other:?}"),
    };

    for config in [
        "{}",
        "array",
        "half",
        "two",
        "deep",
        "no-reason",
        "many",
        "pointer",
    ] {
        let outcome = host.sandbox.validate(&garbage, call(config), REQUEST).await;
        assert!(!what(outcome.result.unwrap_err()).is_empty(), "{config}");
    }
    let faults = host
        .sandbox
        .validate(&garbage, call("fair"), REQUEST)
        .await
        .result;
    let faults = faults.unwrap().unwrap_err();
    assert_eq!(faults[0].code, "date-in-future");
    assert_eq!(faults[0].message.expose(), "bell  rings");

    for config in [
        "nan",
        "above",
        "below",
        "no-id",
        "long-id",
        "similarity",
        "weight",
        "field",
        "evidence",
        "many",
        "no-search-id",
    ] {
        let outcome = host.sandbox.search(&garbage, call(config), query()).await;
        assert!(!what(outcome.result.unwrap_err()).is_empty(), "{config}");
    }
    let fair = host
        .sandbox
        .search(&garbage, call("fair"), query())
        .await
        .result;
    assert!(matches!(fair.unwrap().unwrap(), SearchOutcome::Answered(_)));
    let failure = host
        .sandbox
        .search(&garbage, call("failure"), query())
        .await
        .result;
    let failure = failure.unwrap().unwrap_err();
    assert!(failure.retryable);
    assert!(failure.code.starts_with("backend-unavailable-") && failure.code.len() <= 64);
    assert_eq!(failure.message.expose().len(), 1_024);

    for config in [
        "signature",
        "host",
        "length",
        "hop",
        "name",
        "value",
        "type",
        "type-split",
    ] {
        let outcome = host.sandbox.format(&garbage, call(config), event()).await;
        assert!(!what(outcome.result.unwrap_err()).is_empty(), "{config}");
    }
    let fair = host
        .sandbox
        .format(&garbage, call("{}"), event())
        .await
        .result;
    assert_eq!(fair.unwrap().unwrap().headers[0].0, "x-clinic");
}
