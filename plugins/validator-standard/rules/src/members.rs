//! Walking a request: members by name, each with its pointer, faults noted on the way.
//!
//! Knows JSON's types and blanks; nothing of patients.

use std::borrow::Cow;

use patchbay_plugin::{FieldErrors, contact, pointer};
use serde_json::{Map, Value};

/// What is wrong with a text. Neither part repeats the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: Cow<'static, str>,
}

impl Fault {
    /// A fault.
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// An object of the request under its pointer.
pub(crate) struct Members<'r> {
    object: &'r mut Map<String, Value>,
    pointer: String,
    errors: &'r mut FieldErrors,
}

impl<'r> Members<'r> {
    /// Opens an object; notes `wrong-type` if the value is something else.
    pub(crate) fn open(
        value: &'r mut Value,
        pointer: String,
        errors: &'r mut FieldErrors,
    ) -> Option<Self> {
        if let Value::Object(object) = value {
            Some(Self {
                object,
                pointer,
                errors,
            })
        } else {
            wrong_type(errors, pointer, "an object");
            None
        }
    }

    /// Opens a member that is an object; none if it is absent or null.
    pub(crate) fn object(&mut self, name: &str) -> Option<Members<'_>> {
        let value = self.object.get_mut(name).filter(|value| !value.is_null())?;
        Members::open(value, pointer(&self.pointer, name), self.errors)
    }

    /// The member as it is.
    pub(crate) fn raw(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }

    /// Checks a member that is a text of at most `limit` characters and puts what `rule` makes of it
    /// in its place. A blank text counts as not given, like null, and the member is taken out.
    pub(crate) fn text(
        &mut self,
        name: &str,
        limit: usize,
        rule: impl FnOnce(&str) -> Result<String, Fault>,
    ) {
        let Some(value) = self.object.get_mut(name) else {
            return;
        };
        let at = pointer(&self.pointer, name);
        if text(value, at, limit, rule, self.errors) == Given::No {
            self.object.remove(name);
        }
    }

    /// Checks a member that is a list of at most `most` texts; blank ones are taken out.
    pub(crate) fn texts(&mut self, name: &str, most: usize, limit: usize) {
        let at = pointer(&self.pointer, name);
        match self.object.get_mut(name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) if items.len() > most => note(
                self.errors,
                at,
                Fault::new("too-many", format!("Give at most {most} entries.")),
            ),
            Some(Value::Array(items)) => {
                let mut index = 0;
                items.retain_mut(|item| {
                    let at = pointer(&at, index);
                    index += 1;
                    text(item, at, limit, as_is, self.errors) == Given::Yes
                });
            }
            Some(_) => wrong_type(self.errors, at, "a list of texts"),
        }
    }

    /// Notes a fault of a member.
    pub(crate) fn fault(&mut self, name: &str, fault: Fault) {
        note(self.errors, pointer(&self.pointer, name), fault);
    }
}

/// The rule of a text that has none of its own.
#[expect(clippy::unnecessary_wraps, reason = "it has the shape of a rule")]
pub(crate) fn as_is(text: &str) -> Result<String, Fault> {
    Ok(text.to_owned())
}

/// Whether a member says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Yes,
    No,
}

fn text(
    value: &mut Value,
    pointer: String,
    limit: usize,
    rule: impl FnOnce(&str) -> Result<String, Fault>,
    errors: &mut FieldErrors,
) -> Given {
    let text = match value {
        Value::Null => return Given::No,
        Value::String(text) => text,
        _ => {
            wrong_type(errors, pointer, "a text");
            return Given::Yes;
        }
    };
    let tidy = contact::name(text);
    if tidy.is_empty() {
        return Given::No;
    }
    let verdict = if tidy.chars().count() > limit {
        Err(Fault::new(
            "too-long",
            format!("Use at most {limit} characters."),
        ))
    } else {
        rule(&tidy)
    };
    match verdict {
        Ok(normalised) => *text = normalised,
        Err(fault) => note(errors, pointer, fault),
    }
    Given::Yes
}

pub(crate) fn note(errors: &mut FieldErrors, pointer: String, fault: Fault) {
    errors.add(pointer, fault.code, fault.message);
}

pub(crate) fn wrong_type(errors: &mut FieldErrors, pointer: impl Into<String>, wanted: &str) {
    let fault = Fault::new("wrong-type", format!("This must be {wanted}."));
    note(errors, pointer.into(), fault);
}
