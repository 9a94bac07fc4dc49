//! Faults in a request, addressed to the customer by JSON pointer.

use std::fmt::Display;

/// One fault in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body, for example `/patient/contact/email`.
    pub pointer: String,
    /// A stable code in kebab case, for example `date-in-future`.
    pub code: String,
    /// What is wrong and what to do, for a person. Must not repeat the value.
    pub message: String,
}

impl FieldError {
    /// A fault at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            message: message.into(),
        }
    }
}

/// Collects every fault of a request, so that the customer hears of all of them at once.
///
/// ```
/// use patchbay_plugin::FieldErrors;
///
/// let mut errors = FieldErrors::new();
/// errors.add("/patient/dob", "date-in-future", "A birth date cannot lie in the future.");
/// let faults = errors.finish("normalised").unwrap_err();
/// assert_eq!(faults[0].pointer, "/patient/dob");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors {
    errors: Vec<FieldError>,
}

impl FieldErrors {
    /// No fault yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a fault.
    pub fn add(
        &mut self,
        pointer: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.errors.push(FieldError::new(pointer, code, message));
    }

    /// Passes a value on, or notes why there is none. The error's text becomes the message, so it must
    /// not repeat the value; the errors of this crate's parsers do not.
    pub fn check<T, E: Display>(
        &mut self,
        pointer: &str,
        code: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(pointer, code, error.to_string());
                None
            }
        }
    }

    /// Whether no fault was noted.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The verdict: `value` if no fault was noted.
    ///
    /// # Errors
    /// All faults, in the order they were noted.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(self.errors)
        }
    }
}

/// Appends one token to a JSON pointer, escaped as RFC 6901 asks (`~` as `~0`, `/` as `~1`).
pub fn pointer(parent: &str, token: impl Display) -> String {
    let token = token.to_string().replace('~', "~0").replace('/', "~1");
    format!("{parent}/{token}")
}
