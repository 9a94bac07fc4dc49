//! Each limit of a call, obeyed and violated, and what a violation means for everybody else: nothing.

mod common;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use common::{Backend, Setup, call, call_through, event, noon, query};
use patchbay_ambient::ManualClock;
use patchbay_sandbox::{CallError, CallLimits, CallOutcome, SearchOutcome};

const REQUEST: &str = "{\"patient\":{\"id\":\"p-1\"}}";

fn error<T: std::fmt::Debug>(outcome: CallOutcome<T>) -> CallError {
    outcome.result.unwrap_err()
}

/// Moves the clock by `step` until the future ends.
async fn while_time_passes<T>(
    clock: &ManualClock,
    step: Duration,
    future: impl Future<Output = T>,
) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            biased;
            done = &mut future => return done,
            () = tokio::task::yield_now() => clock.advance(step),
        }
    }
}

#[tokio::test]
async fn processor_time() {
    let limits = CallLimits {
        total: Duration::from_millis(100),
        ..CallLimits::default()
    };
    let host = Setup {
        limits,
        ..Setup::default()
    }
    .build();
    let spin = host.plugin("spin").await;
    for config in ["{}", "log"] {
        let outcome = host.sandbox.validate(&spin, call(config), REQUEST).await;
        assert!(outcome.stats.cpu >= limits.total, "{:?}", outcome.stats);
        assert!(outcome.stats.cpu < limits.total * 3, "{:?}", outcome.stats);
        assert_eq!(error(outcome), CallError::CpuExhausted, "{config}");
    }
    assert_eq!(
        error(host.sandbox.search(&spin, call("{}"), query()).await),
        CallError::CpuExhausted
    );
    assert_eq!(
        error(host.sandbox.format(&spin, call("{}"), event()).await),
        CallError::CpuExhausted
    );
    let polite = host.plugin("polite").await;
    let outcome = host.sandbox.validate(&polite, call("{}"), REQUEST).await;
    assert_eq!(outcome.result.unwrap().unwrap().expose(), REQUEST);
    assert!(outcome.stats.cpu > Duration::ZERO);
}

#[tokio::test]
async fn waiting_costs_no_processor_time_but_ends() {
    let clock = noon();
    let host = Setup::simulated(&clock, 1).build();
    let spin = host.plugin("spin").await;
    let outcome = while_time_passes(
        &clock,
        Duration::from_secs(1),
        host.sandbox.validate(&spin, call("sleep"), REQUEST),
    )
    .await;
    assert!(
        outcome.stats.cpu < Duration::from_millis(500),
        "{:?}",
        outcome.stats
    );
    assert_eq!(outcome.stats.elapsed, Duration::from_mins(1));
    assert_eq!(error(outcome), CallError::WallTimeout);

    let polite = host.plugin("polite").await;
    let backend = Arc::new(Backend {
        silent: true,
        ..Backend::default()
    });
    let asking = call_through("Patient", backend);
    let outcome = while_time_passes(
        &clock,
        Duration::from_secs(1),
        host.sandbox.search(&polite, asking, query()),
    )
    .await;
    assert_eq!(outcome.stats.backend_calls, 1);
    assert_eq!(error(outcome), CallError::BackendTimeout);
}

#[tokio::test]
async fn memory() {
    let limit = CallLimits::default().memory_bytes;
    let host = Setup::default().build();
    let hog = host.plugin("hog").await;

    let half = (limit / 2).to_string();
    let outcome = host.sandbox.validate(&hog, call(&half), REQUEST).await;
    assert!(
        outcome.stats.peak_memory_bytes >= limit / 2,
        "{:?}",
        outcome.stats
    );
    outcome.result.unwrap().unwrap();

    let outcome = host.sandbox.validate(&hog, call("{}"), REQUEST).await;
    assert!(
        outcome.stats.peak_memory_bytes <= limit,
        "{:?}",
        outcome.stats
    );
    assert_eq!(error(outcome), CallError::OutOfMemory);
}

#[tokio::test]
async fn output() {
    let host = Setup::default().build();
    let hog = host.plugin("hog").await;
    for _ in 0..2 {
        assert_eq!(
            error(host.sandbox.validate(&hog, call("output"), REQUEST).await),
            CallError::OutputTooLarge
        );
    }
    assert_eq!(
        error(host.sandbox.format(&hog, call("0"), event()).await),
        CallError::OutputTooLarge
    );
    let limits = CallLimits {
        output_bytes: 4 << 20,
        ..CallLimits::default()
    };
    let roomy = Setup {
        limits,
        ..Setup::default()
    }
    .build();
    let hog = roomy.plugin("hog").await;
    let outcome = roomy.sandbox.format(&hog, call("0"), event()).await;
    assert_eq!(
        outcome.result.unwrap().unwrap().body.expose().len(),
        2 << 20
    );
}

#[tokio::test]
async fn guest_output() {
    let limits = CallLimits {
        total: Duration::from_secs(10),
        ..CallLimits::default()
    };
    let host = Setup {
        limits,
        ..Setup::default()
    }
    .build();
    let hog = host.plugin("hog").await;
    let outcome = host.sandbox.validate(&hog, call("chatter"), REQUEST).await;
    outcome.result.unwrap().unwrap();
    let kept: usize = outcome
        .output
        .lines
        .iter()
        .map(|line| line.text.expose().len())
        .sum();
    assert!(kept > 4_000 && kept <= limits.guest_output_bytes, "{kept}");
    assert!(outcome.output.dropped_bytes > 50_000);
    assert_eq!(outcome.output.lines[0].text.expose(), "line 0");
}

#[tokio::test]
async fn backend_calls() {
    let host = Setup::default().build();
    let polite = host.plugin("polite").await;
    let backend = Arc::new(Backend::default());
    let outcome = host
        .sandbox
        .search(&polite, call_through("6", backend.clone()), query())
        .await;
    assert!(matches!(
        outcome.result.unwrap().unwrap(),
        SearchOutcome::Answered(_)
    ));
    assert_eq!(backend.asked.lock().len(), 6);

    let outcome = host
        .sandbox
        .search(&polite, call_through("7", backend.clone()), query())
        .await;
    let failure = outcome.result.unwrap().unwrap_err();
    assert!(
        failure
            .message
            .expose()
            .contains("a call may send 6 requests")
    );
    assert_eq!(outcome.stats.backend_calls, 7);
    assert_eq!(backend.asked.lock().len(), 12);
}

#[tokio::test]
async fn places() {
    let clock = noon();
    let setup = Setup {
        concurrency: 1,
        ..Setup::simulated(&clock, 1)
    };
    let host = setup.build();
    let polite = host.plugin("polite").await;
    let backend = Arc::new(Backend {
        silent: true,
        ..Backend::default()
    });
    let search = || {
        let asking = call_through("Patient", backend.clone());
        host.sandbox.search(&polite, asking, query())
    };
    // The first waits for its backend until its time is over; the second gets its place then; the third
    // has waited as long as a call may take.
    let (first, _second, third) = while_time_passes(&clock, Duration::from_secs(1), async {
        tokio::join!(search(), search(), search())
    })
    .await;
    assert_eq!(error(first), CallError::BackendTimeout);
    assert_eq!(error(third), CallError::Busy);
    // And then there is room again.
    let outcome = host.sandbox.validate(&polite, call("{}"), REQUEST).await;
    outcome.result.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looping_guests_hold_nobody_up() {
    let limits = CallLimits {
        total: Duration::from_secs(4),
        ..CallLimits::default()
    };
    let host = Setup {
        limits,
        ..Setup::default()
    }
    .build();
    let (spin, polite) = (host.plugin("spin").await, host.plugin("polite").await);
    let spinners: Vec<_> = (0..2)
        .map(|_| {
            let (sandbox, spin) = (Arc::clone(&host.sandbox), Arc::clone(&spin));
            tokio::spawn(async move { sandbox.validate(&spin, call("{}"), REQUEST).await })
        })
        .collect();
    let (sandbox, polite) = (Arc::clone(&host.sandbox), polite);
    // As a task, so that it shares the two threads with the spinners.
    tokio::spawn(async move {
        for _ in 0..20 {
            let outcome = sandbox.validate(&polite, call("{}"), REQUEST).await;
            outcome.result.unwrap().unwrap();
            // This wakes when the runtime has looked at its sockets and timers.
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for spinner in spinners {
        assert!(!spinner.is_finished(), "the spinners ran all the while");
        // A call that is given up in the middle of its guest leaves its place.
        spinner.abort();
        assert!(spinner.await.unwrap_err().is_cancelled());
    }
    let polite = host.plugin("polite").await;
    let all = (0..4).map(|_| host.sandbox.validate(&polite, call("{}"), REQUEST));
    for outcome in futures_util::future::join_all(all).await {
        outcome.result.unwrap().unwrap();
    }
}
