//! A host for native tests: `cargo test` runs a plugin's own code without a sandbox.
//!
//! ```
//! use patchbay_plugin::testing::MockHost;
//! use patchbay_plugin::{Response, Request};
//! use serde_json::json;
//!
//! let host = MockHost::new()
//!     .config(json!({"count": 5}))
//!     .today("2026-01-01")
//!     .backend(|request: &Request| Ok(Response::json_body(200, &json!({"path": request.path}))));
//!
//! // Hand `&host` to the plugin's role; `host.host()` is what the plugin sees.
//! assert_eq!(host.host().today().to_string(), "2026-01-01");
//! let answer: serde_json::Value = host.host().backend().get_json("Patient", &[]).unwrap();
//! assert_eq!(answer["path"], "Patient");
//! assert_eq!(host.requests().len(), 1);
//! ```

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::backend::{BackendError, Request, Response, Transport};
use crate::date::Date;
use crate::host::{Host, Imports, Level};

type Answer = dyn Fn(&Request) -> Result<Response, BackendError>;

struct State {
    config: Value,
    now: u64,
    answer: Option<Box<Answer>>,
    logs: Vec<(Level, String)>,
    requests: Vec<Request>,
}

#[derive(Clone)]
struct Shared(Rc<RefCell<State>>);

impl Imports for Shared {
    fn config(&self) -> String {
        self.0.borrow().config.to_string()
    }
    fn log(&self, level: Level, message: &str) {
        self.0.borrow_mut().logs.push((level, message.to_owned()));
    }
    fn now(&self) -> u64 {
        self.0.borrow().now
    }
    fn today(&self) -> String {
        Date::from_unix_millis(self.now()).to_string()
    }
}

impl Transport for Shared {
    fn send(&self, request: Request) -> Result<Response, BackendError> {
        let answer = match &self.0.borrow().answer {
            Some(answer) => answer(&request),
            None => Err(BackendError::Denied(
                "the test gave MockHost no backend".to_owned(),
            )),
        };
        self.0.borrow_mut().requests.push(request);
        answer
    }
}

/// A [`Host`] under the test's control; it dereferences to one.
///
/// At first the configuration is `{}`, the time 2026-01-01T00:00:00Z, and there is no backend.
pub struct MockHost {
    host: Host,
    shared: Shared,
}

impl std::fmt::Debug for MockHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockHost").finish_non_exhaustive()
    }
}

impl Default for MockHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MockHost {
    /// A host with an empty configuration and no backend.
    pub fn new() -> Self {
        let shared = Shared(Rc::new(RefCell::new(State {
            config: json!({}),
            now: 1_767_225_600_000,
            answer: None,
            logs: Vec::new(),
            requests: Vec::new(),
        })));
        Self {
            host: Host::new(Box::new(shared.clone()), Some(Box::new(shared.clone()))),
            shared,
        }
    }

    /// Sets the configuration.
    #[must_use]
    pub fn config(self, config: Value) -> Self {
        self.shared.0.borrow_mut().config = config;
        self
    }

    /// Sets the clock to midnight (UTC) of a date, `YYYY-MM-DD`.
    ///
    /// # Panics
    /// If the text is no date, or lies before 1970.
    #[must_use]
    pub fn today(self, date: &str) -> Self {
        let date: Date = match date.parse() {
            Ok(date) => date,
            Err(error) => panic!("MockHost::today: {error}"),
        };
        let Ok(days) = u64::try_from(date.days_since_epoch()) else {
            panic!("MockHost::today: the host's clock starts in 1970");
        };
        self.now(days * 86_400_000)
    }

    /// Sets the clock, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn now(self, millis: u64) -> Self {
        self.shared.0.borrow_mut().now = millis;
        self
    }

    /// Answers the requests to the backend.
    #[must_use]
    pub fn backend(
        self,
        answer: impl Fn(&Request) -> Result<Response, BackendError> + 'static,
    ) -> Self {
        self.shared.0.borrow_mut().answer = Some(Box::new(answer));
        self
    }

    /// The host as the plugin sees it: for calling its methods where this type's own are in the way.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the plugin logged so far.
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.shared.0.borrow().logs.clone()
    }

    /// What the plugin asked its backend so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.0.borrow().requests.clone()
    }
}

impl Deref for MockHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
