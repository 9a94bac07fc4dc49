//! What an envelope belongs to.

/// The kind of record in an envelope. Its number is part of the stored format: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// A link request as accepted.
    Request = 1,
    /// A mapping from a customer's patient to an internal record.
    Mapping = 2,
    /// A decision for or against a pair.
    Decision = 3,
    /// The candidates of an ambiguous search.
    Candidates = 4,
    /// What a backend called back with.
    Callback = 5,
    /// An event as formatted for its endpoint.
    Event = 6,
    /// An attempt to deliver an event: what the endpoint answered.
    Attempt = 7,
    /// What a plugin printed or trapped with.
    GuestOutput = 8,
    /// A backend's id of a search.
    SearchId = 9,
    /// A customer's webhook signing secret.
    WebhookSecret = 10,
    /// What the host shows to a backend.
    BackendCredential = 11,
    /// A key that encrypts customer tokens.
    TokenKey = 12,
    /// A wrapped data key.
    DataKey = 13,
}

/// The identity of a record: the associated data of its envelope. An envelope moved to another record,
/// another kind or another customer does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The customer's id, or empty for the installation's own records.
    pub owner: &'a str,
    /// What the record is.
    pub kind: RecordKind,
    /// Which one it is, among its kind.
    pub id: &'a [u8],
}

impl Context<'_> {
    /// The associated data: the envelope's header, then each part behind its length, so that no two
    /// contexts share an encoding.
    pub(crate) fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(header.len() + 17 + self.owner.len() + self.id.len());
        bytes.extend_from_slice(header);
        bytes.push(self.kind as u8);
        for part in [self.owner.as_bytes(), self.id] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}
