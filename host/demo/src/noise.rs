//! What is sent: requests built from people with the errors that people make, and requests that must
//! be refused. Every planned request knows the truth and its fate, so that the run can be judged.

mod body;
mod malformed;
mod slips;

pub use body::{Draft, PhoneForm};
pub use slips::{Slip, slip};

pub(crate) use body::{POLICY_MASK, PROVIDERS};

use bytes::Bytes;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::people::{Person, Sent, generate};

/// Who sends a request. Each has its own rules and wants its answer in its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// Asks for a name and a date of birth; JSON.
    NorthClinic,
    /// Also asks for a valid insurance; HL7 v2.
    HarbourInsurance,
    /// Asks for a name and an address; JSON.
    ValleyHospital,
    /// Sends a file of records and asks for nothing but an id; JSON.
    Records,
}

impl Sender {
    /// The customers of a demonstration without a file.
    pub const ALL: [Self; 3] = [
        Self::NorthClinic,
        Self::HarbourInsurance,
        Self::ValleyHospital,
    ];

    /// Its customer id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NorthClinic => "north-clinic",
            Self::HarbourInsurance => "harbour-insurance",
            Self::ValleyHospital => "valley-hospital",
            Self::Records => "records",
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NorthClinic => "North Clinic",
            Self::HarbourInsurance => "Harbour Insurance",
            Self::ValleyHospital => "Valley Hospital",
            Self::Records => "Records from a file",
        }
    }
}

/// Which token goes with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The customer's own.
    Own,
    /// One that nobody issued.
    Unknown,
    /// None.
    Absent,
}

/// What has to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Accepted: 202.
    Accepted,
    /// It repeats the first of its chain, key and all: the same workflow answers.
    Replayed,
    /// The patient of the first of its chain under another key: 409 while that is under way or once
    /// it is linked, accepted otherwise.
    Second,
    /// Refused with one of these statuses.
    Refused(&'static [u16]),
}

/// One request.
#[derive(Clone)]
pub struct Planned {
    /// Who sends it.
    pub sender: Sender,
    /// The customer's id of the patient; absent where the body has none.
    pub patient_id: Option<Uuid>,
    /// The internal record of the patient; none for a stranger.
    pub truth: Option<Uuid>,
    /// What has to become of it.
    pub fate: Fate,
    /// `idempotency-key`.
    pub key: Option<String>,
    /// `customer-token`.
    pub token: Token,
    /// The body.
    pub body: Bytes,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned")
            .field("sender", &self.sender)
            .field("fate", &self.fate)
            .finish_non_exhaustive()
    }
}

/// Requests that are sent one after the other; chains are independent of each other.
pub type Chain = Vec<Planned>;

/// Plans `count` requests of [`Sender::ALL`] about `people`, and some malformed ones besides. The same
/// arguments make the same plan.
pub fn plan(seed: u64, people: &[Person], count: usize) -> Vec<Chain> {
    // Another stream than the people's own: a seed must not choose names and errors alike.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let strangers = generate(seed ^ 0x5712_a6e5, count / 8 + 8);
    let mut known: Vec<&Person> = people.iter().collect();
    known.shuffle(&mut rng);
    let mut planner = Planner {
        rng,
        known,
        strangers,
        next_known: 0,
        next_stranger: 0,
    };
    let mut chains = Vec::new();
    let mut left = count;
    while left > 0 {
        let chain = planner.chain(left);
        left = left.saturating_sub(chain.len());
        chains.push(chain);
    }
    let bad = malformed::KINDS.len() * Sender::ALL.len();
    for number in 0..bad.min(count.div_ceil(10)) {
        let sender = Sender::ALL[number % Sender::ALL.len()];
        let kind = malformed::KINDS[number % malformed::KINDS.len()];
        let draft = planner.somebody(sender);
        chains.push(vec![malformed::request(kind, &draft, &mut planner.rng)]);
    }
    chains.shuffle(&mut planner.rng);
    chains
}

/// Plans one request for each of these records, as they stand.
pub fn plan_records(sent: &[Sent]) -> Vec<Chain> {
    sent.iter()
        .map(|record| {
            let draft = Draft::plain(Sender::Records, record.person.id, record.person.clone());
            vec![Planned {
                sender: Sender::Records,
                patient_id: Some(record.person.id),
                truth: record.truth,
                fate: Fate::Accepted,
                key: Some(record.person.id.to_string()),
                token: Token::Own,
                body: draft.body(),
            }]
        })
        .collect()
}

struct Planner<'a> {
    rng: ChaCha8Rng,
    known: Vec<&'a Person>,
    strangers: Vec<Person>,
    next_known: usize,
    next_stranger: usize,
}

impl Planner<'_> {
    /// One patient's requests, at most `left` of them.
    fn chain(&mut self, left: usize) -> Chain {
        let sender = Sender::ALL[self.rng.random_range(0..Sender::ALL.len())];
        let roll = self.rng.random_range(0..100);
        let (draft, truth) = if (12..22).contains(&roll) {
            (self.stranger(sender), None)
        } else {
            let draft = self.somebody(sender);
            let truth = Some(draft.person.id);
            (draft, truth)
        };
        let first = self.request(&draft, truth, Fate::Accepted);
        match roll {
            0..4 if left > 1 => {
                let again = Planned {
                    fate: Fate::Replayed,
                    ..first.clone()
                };
                vec![first, again]
            }
            4..8 if left > 1 => {
                let second = self.request(&draft, truth, Fate::Second);
                vec![first, second]
            }
            8..9 if left > 1 => {
                let mut other = draft.clone();
                other.patient_id = self.id();
                let other = Planned {
                    key: first.key.clone(),
                    ..self.request(&other, truth, Fate::Refused(&[422]))
                };
                vec![first, other]
            }
            9..12 => {
                let mut bare = draft;
                bare.drop_required();
                vec![self.request(&bare, truth, Fate::Refused(&[422]))]
            }
            _ => vec![first],
        }
    }

    /// Somebody whom the internal system knows, as the customer wrote them down.
    fn somebody(&mut self, sender: Sender) -> Draft {
        let person = match self.known.get(self.next_known % self.known.len().max(1)) {
            Some(person) => (*person).clone(),
            None => return self.stranger(sender),
        };
        self.next_known += 1;
        self.draft(sender, person)
    }

    /// Somebody unknown; one in three is of a known family, and lives with it.
    fn stranger(&mut self, sender: Sender) -> Draft {
        let count = self.strangers.len().max(1);
        let mut person = self.strangers[self.next_stranger % count].clone();
        self.next_stranger += 1;
        if !self.known.is_empty() && self.rng.random_range(0..3) == 0 {
            let kin = self.known[self.rng.random_range(0..self.known.len())];
            person.family.clone_from(&kin.family);
            person.address.clone_from(&kin.address);
        }
        self.draft(sender, person)
    }

    fn draft(&mut self, sender: Sender, person: Person) -> Draft {
        let id = self.id();
        let mut draft = Draft::random(sender, id, person, &mut self.rng);
        let slips = match self.rng.random_range(0..100) {
            0..30 => 0,
            30..70 => 1,
            70..92 => 2,
            _ => 3,
        };
        for _ in 0..slips {
            slip(&mut draft, &mut self.rng);
        }
        draft
    }

    fn request(&mut self, draft: &Draft, truth: Option<Uuid>, fate: Fate) -> Planned {
        Planned {
            sender: draft.sender,
            patient_id: Some(draft.patient_id),
            truth,
            fate,
            key: Some(self.id().to_string()),
            token: Token::Own,
            body: draft.body(),
        }
    }

    fn id(&mut self) -> Uuid {
        random_id(&mut self.rng)
    }
}

fn random_id(rng: &mut ChaCha8Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}
