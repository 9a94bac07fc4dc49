//! A customer's settings.

use patchbay_workflow::LinkPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Object;
use crate::error::RegistryError;

/// What can be set for a customer. What is left out has the default of the installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct CustomerSettings {
    /// When a candidate is linked without asking anybody.
    pub link: LinkPolicy,
    /// Whether a request may give a webhook endpoint of its own.
    pub request_webhook: bool,
    /// How long an idempotency key is remembered, in hours.
    pub idempotency_hours: u32,
    /// How often a workflow is executed before it has failed.
    pub max_executions: u32,
}

impl Default for CustomerSettings {
    fn default() -> Self {
        Self {
            link: LinkPolicy::default(),
            request_webhook: false,
            idempotency_hours: 24,
            max_executions: 5,
        }
    }
}

impl CustomerSettings {
    /// Reads settings that a person wrote. A member that does not exist is an error, at any depth: a
    /// misspelt setting must not be silence.
    pub fn parse(given: &Object) -> Result<Self, RegistryError> {
        let template = serde_json::to_value(Self::default()).unwrap_or_default();
        if let Some(pointer) = unknown_member(given, &template) {
            return Err(RegistryError::SettingsInvalid {
                pointer,
                reason: "there is no such setting".to_owned(),
            });
        }
        let settings: Self =
            serde_json::from_value(Value::Object(given.clone())).map_err(|error| {
                RegistryError::SettingsInvalid {
                    pointer: String::new(),
                    reason: error.to_string(),
                }
            })?;
        settings.check()?;
        Ok(settings)
    }

    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        let share = |number: f64| (0.0..=1.0).contains(&number);
        let rules = [
            (
                share(self.link.auto_link),
                "/link/auto-link",
                "must be from 0 to 1",
            ),
            (
                share(self.link.margin),
                "/link/margin",
                "must be from 0 to 1",
            ),
            (
                (60..=365 * 24 * 60 * 60).contains(&self.link.choice_seconds),
                "/link/choice-seconds",
                "must be from 60 (a minute) to 31536000 (a year)",
            ),
            (
                (1..=720).contains(&self.idempotency_hours),
                "/idempotency-hours",
                "must be from 1 to 720",
            ),
            (
                (1..=100).contains(&self.max_executions),
                "/max-executions",
                "must be from 1 to 100",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, pointer, reason)) => Err(RegistryError::SettingsInvalid {
                pointer: pointer.to_owned(),
                reason: reason.to_owned(),
            }),
        }
    }
}

/// The pointer of the first member of `given` that `template` lacks.
fn unknown_member(given: &Object, template: &Value) -> Option<String> {
    given.iter().find_map(|(name, value)| {
        let step = name.replace('~', "~0").replace('/', "~1");
        match (template.get(name), value) {
            (None, _) => Some(format!("/{step}")),
            (Some(known), Value::Object(inner)) => {
                unknown_member(inner, known).map(|rest| format!("/{step}{rest}"))
            }
            _ => None,
        }
    })
}
