//! The configuration: the shared rules' members and this validator's own, side by side.

use patchbay_plugin::contact;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value};

use crate::mask::Mask;

const OWN_MEMBERS: [&str; 3] = ["providers", "policy-mask", "policy-luhn"];

/// What may be configured; the crate's documentation explains each member.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Config {
    /// The configuration of the shared rules; they ask for provider and policy number.
    pub standard: validator_rules::Config,
    /// The insurers that are accepted; none means any.
    pub providers: Option<Vec<String>>,
    /// What a policy number looks like.
    pub policy_mask: Option<Mask>,
    /// Whether a policy number ends with its Luhn check digit.
    pub policy_luhn: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Own {
    providers: Option<Vec<String>>,
    policy_mask: Option<Mask>,
    policy_luhn: bool,
}

impl TryFrom<Map<String, Value>> for Config {
    type Error = serde_json::Error;

    fn try_from(members: Map<String, Value>) -> Result<Self, Self::Error> {
        let (own, shared): (Map<_, _>, Map<_, _>) = members
            .into_iter()
            .partition(|(name, _)| OWN_MEMBERS.contains(&name.as_str()));
        let shared_members = validator_rules::config::MEMBERS;
        if let Some(name) = shared
            .keys()
            .find(|name| !shared_members.contains(&name.as_str()))
        {
            let known = [&OWN_MEMBERS[..], &shared_members].concat().join("`, `");
            let reason = format!("unknown field `{name}`, expected one of `{known}`");
            return Err(Self::Error::custom(reason));
        }
        let own = Own::deserialize(Value::Object(own))?;
        let mut standard = validator_rules::Config::deserialize(Value::Object(shared))?;
        standard.require("insurance.provider");
        standard.require("insurance.policy_number");

        // In the spelling that the shared rules bring a request's texts into.
        let providers: Option<Vec<String>> = own
            .providers
            .map(|names| names.iter().map(|name| contact::name(name)).collect());
        if providers
            .as_ref()
            .is_some_and(|names| names.iter().all(String::is_empty))
        {
            let reason = "`providers` names nobody: leave it out to accept any insurer";
            return Err(Self::Error::custom(reason));
        }
        Ok(Self {
            standard,
            providers,
            policy_mask: own.policy_mask,
            policy_luhn: own.policy_luhn,
        })
    }
}
