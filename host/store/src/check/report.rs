//! What a check tells: its codes, its findings, how far it is.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something is wrong, or will go wrong.
    Error,
    /// Something is left over or less well documented; no workflow suffers.
    Warning,
}

/// Whether a finding can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// An index, counter, pointer, locator or queue item: the records say what it has to be.
    Derived,
    /// A record itself is missing, unreadable or contradicts another: only a backup knows better.
    Lost,
}

macro_rules! codes {
    ($($name:ident $code:literal $severity:ident $class:ident $meaning:literal)*) => {
        /// What is wrong. The codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// Whether it can be mended.
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class),* }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

codes! {
    KeyUnknown "key-unknown" Error Lost
        "This version's layout has no such key: a newer version wrote it, or it is damaged."
    RecordUnreadable "record-unreadable" Error Lost
        "The record cannot be decoded: a newer version wrote it, or it is damaged."
    IndexUnreadable "index-unreadable" Error Derived
        "The entry cannot be decoded; it is made again from the records."
    RecordMisplaced "record-misplaced" Error Lost
        "The record names another id than its key."
    WorkflowMissing "workflow-missing" Error Lost
        "Something belongs to a workflow whose record is not there."
    EventMissing "event-missing" Error Lost
        "Something belongs to an event whose record is not there."
    ChunkMissing "chunk-missing" Error Lost
        "A part of a long value is not there."
    RequestMissing "request-missing" Error Lost
        "The workflow's request data is not there; the workflow cannot be processed."
    CandidatesMissing "candidates-missing" Error Lost
        "The workflow waits for a choice, but its candidates are not there."
    CandidatesLeft "candidates-left" Warning Derived
        "The workflow waits for no choice, but candidates are kept for it."
    CustomerIndexMissing "customer-index-missing" Error Derived
        "The workflow is not in its customer's list."
    CustomerIndexStale "customer-index-stale" Error Derived
        "A customer's list has a workflow under a status or time that is not its own."
    DeadlineWrong "deadline-wrong" Error Derived
        "The workflow has no place in the overdue index though it has not ended, or one though it has."
    DeadlineMissing "deadline-missing" Error Derived
        "The reconciler would not find the workflow once it is overdue."
    DeadlineStale "deadline-stale" Error Derived
        "The overdue index has a workflow under a time that is not its own."
    CounterWrong "counter-wrong" Error Derived
        "A counter is not the number of the customer's workflows in that status."
    TimelineEntryMissing "timeline-entry-missing" Error Lost
        "An entry of the workflow's timeline is not there."
    TimelineEntrySurplus "timeline-entry-surplus" Error Lost
        "The timeline has an entry that the workflow does not know of."
    TimelineContradicts "timeline-contradicts" Error Lost
        "The timeline has a step that is not in the table of transitions, or does not lead to the workflow's status."
    InFlightMissing "in-flight-missing" Error Derived
        "The workflow is in flight but does not hold its patient: a second one could be accepted."
    InFlightStale "in-flight-stale" Error Derived
        "A patient is held by a workflow that is not in flight for them: no request of theirs is accepted."
    InFlightTwice "in-flight-twice" Error Lost
        "Two workflows are in flight for one patient."
    MappingMissing "mapping-missing" Error Lost
        "A workflow linked its patient, but there is no mapping."
    MappingContradicts "mapping-contradicts" Error Lost
        "The mapping names a workflow that is another patient's or did not link."
    LinkedIndexMissing "linked-index-missing" Error Derived
        "The list of who is linked to an internal record lacks a patient."
    LinkedIndexStale "linked-index-stale" Error Derived
        "The list of who is linked to an internal record has a patient who is not."
    DecisionMissing "decision-missing" Error Derived
        "There is no decision for the pair of a mapping."
    DecisionContradicts "decision-contradicts" Error Derived
        "The decision for the pair of a mapping says the opposite of the mapping."
    DecisionWithoutMapping "decision-without-mapping" Error Lost
        "A pair was decided to be linked, but the patient's mapping says otherwise or is not there."
    IdempotencyContradicts "idempotency-contradicts" Error Lost
        "An idempotency key stands for another customer's workflow."
    ExpiryMissing "expiry-missing" Error Derived
        "An idempotency record would never be removed."
    ExpiryStale "expiry-stale" Warning Derived
        "An idempotency record that is not there is noted to expire."
    WorkItemMissing "work-item-missing" Error Derived
        "The workflow is to be processed but not in the queue."
    WorkItemStray "work-item-stray" Error Derived
        "The queue has a workflow that is not to be processed."
    WorkItemDiffers "work-item-differs" Error Derived
        "The queue item does not say what its workflow says, or is leased under a foreign token."
    DeliveryItemMissing "delivery-item-missing" Error Derived
        "It is the event's turn to be delivered, but it is not in the queue."
    DeliveryItemStray "delivery-item-stray" Error Derived
        "The queue has an event that is not to be delivered, or not yet."
    DeliveryItemDiffers "delivery-item-differs" Error Derived
        "The queue item does not say what its event's workflow says."
    ItemDuplicate "item-duplicate" Error Derived
        "The queue has the same thing twice."
    ItemPlaceWrong "item-place-wrong" Error Derived
        "A workflow or event does not know where its queue item is."
    ItemPlaceStale "item-place-stale" Error Derived
        "A workflow or event that needs no queue item says that it has one."
    PointerLate "pointer-late" Error Derived
        "A customer's queue is not looked at when its first item is due."
    PointerMissing "pointer-missing" Error Derived
        "A pointer is not where its locator says."
    PointerStray "pointer-stray" Error Derived
        "A customer has a pointer that their locator does not name."
    WorkflowEventMissing "workflow-event-missing" Error Derived
        "The event is not in its workflow's list."
    WorkflowEventStale "workflow-event-stale" Error Derived
        "A workflow's list has an event of another workflow."
    PatientEventMissing "patient-event-missing" Error Derived
        "The event has no place in its patient's order."
    PatientEventDiffers "patient-event-differs" Error Derived
        "The event's place in its patient's order says the opposite of whether it still has to be told."
    PatientEventLeft "patient-event-left" Warning Derived
        "An event that is done with keeps its place though a later one has its own."
    EventNumberTaken "event-number-taken" Error Lost
        "Two events claim the same place in their patient's order."
    MessageMissing "message-missing" Error Lost
        "The event is to be delivered, but its message is not there."
    TellingWithoutEvent "telling-without-event" Error Lost
        "The workflow waits for its webhook, but no event is to be delivered that would end it."
    AttemptMissing "attempt-missing" Warning Lost
        "An attempt to deliver was counted but is not kept."
    AttemptSurplus "attempt-surplus" Warning Lost
        "An attempt to deliver is kept but was not counted."
}

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The ids concerned: ids and keyed hashes, never what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ids(BTreeMap<&'static str, String>);

impl Ids {
    /// With one more.
    #[must_use]
    pub fn and(mut self, name: &'static str, id: impl Display) -> Self {
        self.0.insert(name, id.to_string());
        self
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, id)) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{name}={id}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it can be mended.
    pub class: Class,
    /// Where.
    pub ids: Ids,
    /// What it means.
    pub meaning: &'static str,
}

impl Finding {
    pub(super) fn new(code: Code, ids: Ids) -> Self {
        Self {
            code,
            severity: code.severity(),
            class: code.class(),
            ids,
            meaning: code.meaning(),
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Rows looked at, by the letters of their subspace.
    pub rows: BTreeMap<String, u64>,
    /// What is wrong and was not mended: the first of it.
    pub findings: Vec<Finding>,
    /// How much of each kind is wrong and was not mended.
    pub found: BTreeMap<Code, u64>,
    /// How much of each kind was mended.
    pub repaired: BTreeMap<Code, u64>,
    /// Counters that changed too fast to be compared: customer and status. Check again at a quieter time.
    pub unsettled: Vec<(String, &'static str)>,
    /// How often the store was walked: a repair walks until there is nothing left to mend.
    pub walks: u32,
}

impl Report {
    /// Whether nothing wrong is left.
    pub fn is_clean(&self) -> bool {
        self.found.is_empty()
    }
}

/// Is told how far something long is.
pub trait Progress: Sync {
    /// So many rows have been done; the last were of `what`.
    fn rows(&self, what: &str, rows: u64);
}

impl Progress for () {
    fn rows(&self, _: &str, _: u64) {}
}

impl<F: Fn(&str, u64) + Sync> Progress for F {
    fn rows(&self, what: &str, rows: u64) {
        self(what, rows);
    }
}
