//! The configuration that an operator gives when the formatter is bound.

use serde::Deserialize;

/// What may be configured; the crate's documentation explains each member.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// MSH-12.
    pub version: Version,
    /// MSH-11.
    pub processing_id: ProcessingId,
    /// MSH-3.
    pub sending_application: Designator,
    /// MSH-4.
    pub sending_facility: Designator,
    /// MSH-5.
    pub receiving_application: Designator,
    /// MSH-6.
    pub receiving_facility: Designator,
    /// Who assigned the customer's patient id: PID-3.4 of the first PID.
    pub customer_authority: Designator,
    /// Who assigned the internal id: PID-3.4 of the second PID.
    pub internal_authority: Designator,
    /// PID-3.5 of both (HL7 table 0203).
    pub identifier_type: IdentifierType,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::default(),
            processing_id: ProcessingId::default(),
            sending_application: Designator::named("PATCHBAY"),
            sending_facility: Designator::default(),
            receiving_application: Designator::default(),
            receiving_facility: Designator::default(),
            customer_authority: Designator::named("CUSTOMER"),
            internal_authority: Designator::named("INTERNAL"),
            identifier_type: IdentifierType::default(),
        }
    }
}

/// HD, hierarchic designator: who an application, a facility or an assigning authority is. Written
/// as a text (the namespace id alone) or as an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "DesignatorShape")]
pub struct Designator {
    /// HD.1, a local name.
    pub namespace: String,
    /// HD.2, an OID, UUID, DNS name or the like.
    pub universal_id: String,
    /// HD.3, what kind HD.2 is (HL7 table 0301), for example `ISO` for an OID.
    pub universal_id_type: String,
}

impl Designator {
    fn named(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..Self::default()
        }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a designator must be a text or {\"namespace\", \"universal-id\", \"universal-id-type\"}"
)]
enum DesignatorShape {
    Name(String),
    Full(FullDesignator),
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct FullDesignator {
    namespace: String,
    universal_id: String,
    universal_id_type: String,
}

impl TryFrom<DesignatorShape> for Designator {
    type Error = &'static str;

    fn try_from(shape: DesignatorShape) -> Result<Self, Self::Error> {
        let designator = match shape {
            DesignatorShape::Name(namespace) => Self {
                namespace,
                ..Self::default()
            },
            DesignatorShape::Full(full) => Self {
                namespace: full.namespace,
                universal_id: full.universal_id,
                universal_id_type: full.universal_id_type,
            },
        };
        if designator.universal_id.is_empty() != designator.universal_id_type.is_empty() {
            return Err("`universal-id` and `universal-id-type` go together");
        }
        if designator.namespace.chars().count() > 20 {
            return Err("a designator's namespace must not exceed 20 characters");
        }
        if designator.universal_id.chars().count() > 199 {
            return Err("a `universal-id` must not exceed 199 characters");
        }
        Ok(designator)
    }
}

/// PID-3.5: what kind of identifier it is (HL7 table 0203), 2 to 5 characters. By default `PI`, the
/// patient's internal identifier in the assigning authority's system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IdentifierType(String);

impl IdentifierType {
    /// The code on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for IdentifierType {
    fn default() -> Self {
        Self("PI".to_owned())
    }
}

impl TryFrom<String> for IdentifierType {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        if (2..=5).contains(&code.chars().count()) {
            Ok(Self(code))
        } else {
            Err("an `identifier-type` has 2 to 5 characters (HL7 table 0203)")
        }
    }
}

/// MSH-11: how the receiver shall treat the message (HL7 table 0103).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum ProcessingId {
    /// In earnest.
    #[default]
    #[serde(rename = "P")]
    Production,
    /// For training.
    #[serde(rename = "T")]
    Training,
    /// For debugging.
    #[serde(rename = "D")]
    Debugging,
}

impl ProcessingId {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "P",
            Self::Training => "T",
            Self::Debugging => "D",
        }
    }
}

/// MSH-12: the version of the standard that the message follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Version {
    /// HL7 v2.5.
    #[serde(rename = "2.5")]
    V2_5,
    /// HL7 v2.5.1: the most widely spoken.
    #[default]
    #[serde(rename = "2.5.1")]
    V2_5_1,
    /// HL7 v2.6.
    #[serde(rename = "2.6")]
    V2_6,
    /// HL7 v2.7.
    #[serde(rename = "2.7")]
    V2_7,
    /// HL7 v2.7.1.
    #[serde(rename = "2.7.1")]
    V2_7_1,
    /// HL7 v2.8.
    #[serde(rename = "2.8")]
    V2_8,
    /// HL7 v2.8.1.
    #[serde(rename = "2.8.1")]
    V2_8_1,
    /// HL7 v2.8.2.
    #[serde(rename = "2.8.2")]
    V2_8_2,
}

impl Version {
    /// The number on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2_5 => "2.5",
            Self::V2_5_1 => "2.5.1",
            Self::V2_6 => "2.6",
            Self::V2_7 => "2.7",
            Self::V2_7_1 => "2.7.1",
            Self::V2_8 => "2.8",
            Self::V2_8_1 => "2.8.1",
            Self::V2_8_2 => "2.8.2",
        }
    }

    /// MSH-10 holds 20 characters before v2.7, 199 since.
    pub fn has_long_control_ids(self) -> bool {
        self >= Self::V2_7
    }

    /// EVN-1 repeats the trigger event before v2.7, where it was withdrawn.
    pub fn repeats_trigger_in_evn(self) -> bool {
        self < Self::V2_7
    }
}
