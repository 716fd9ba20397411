//! What leaver asks of the outside, as few traits as it takes. The platform implements them on AWS and in memory.

mod workflow;

pub use workflow::{Execution, Started, Workflow};

use crate::{
    approval::{ApprovalId, Shown},
    batch,
    brake::Brake,
    canary::Night,
    case::{CaseRecord, Finding, SystemRecord},
    digest::Digest,
    export::Export,
    id::{BatchId, CaseId, EmployeeId, EventId, MeasureId, ReviewId, SystemId, Username},
    inventory::Inventory,
    ledger::{Draft, Head},
    measure::Measure,
    messages::Message,
    orphans::Orphan,
    person::Person,
    population::Population,
    reviews::Review,
    secret::Secret,
    tasks::TaskId,
    time::Timestamp,
};
use async_trait::async_trait;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, future::Future, path::Path, pin::Pin, time::Duration};

/// Waits for a while; the pure code's only way to do so.
pub type Wait<'a> = &'a (dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Send + Sync);

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote first: read again and decide again.
    #[error("the record was changed by somebody else")]
    Conflict,
    /// No answer, or none that tells what happened.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// What is stored cannot be read; never retried into another shape.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(String),
}

/// The mark that an event was taken: the same id with the same digest is the same event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMark {
    /// Where it came from.
    pub source: String,
    /// The source's number.
    pub event_id: EventId,
    /// Its type, as the source names it.
    pub kind: String,
    /// SHA-256 of what was received.
    pub body: Digest,
    /// The case that it opened, if any.
    pub case_id: Option<CaseId>,
    /// When it was received.
    pub received_at: Timestamp,
}

/// Everything that one trigger writes, in one transaction.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The mark.
    pub mark: EventMark,
    /// The person with their new status, and the version that it replaces.
    pub person: Option<Person>,
    /// The case and one queued action per system.
    pub case: Option<(CaseRecord, Vec<SystemRecord>)>,
    /// The measure that asks for the decision about a case that is held from its beginning.
    pub measure: Option<Measure>,
    /// A case that has not begun, and before which this one comes, or in whose place it stands.
    pub ahead: Option<CaseRecord>,
}

/// What recording a trigger came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Written.
    New,
    /// The event was taken before; this is its mark.
    Known(EventMark),
}

/// Cases, a page at a time, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasePage {
    /// The cases.
    pub cases: Vec<CaseRecord>,
    /// From where the next page starts; `None` at the end.
    pub next: Option<String>,
}

/// Batches, a page at a time, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPage {
    /// The batches.
    pub batches: Vec<batch::Batch>,
    /// From where the next page starts; `None` at the end.
    pub next: Option<String>,
}

/// Who alone may do something for a while. Whoever dies while they hold it holds it until its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who holds it; `None` where nobody does.
    pub holder: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Raised by one with every write.
    pub version: u64,
}

/// People, cases, their systems, findings and event marks.
#[async_trait]
pub trait CaseStore: Send + Sync {
    /// Writes everything of a trigger, or nothing. A repeat is told by the mark that is there already.
    async fn record(&self, opening: &Opening) -> Result<Recorded, StoreError>;
    /// The mark of an event.
    async fn mark(&self, source: &str, event: &EventId) -> Result<Option<EventMark>, StoreError>;
    /// A person.
    async fn person(&self, username: &Username) -> Result<Option<Person>, StoreError>;
    /// The person of one of the HRIS's numbers; `None` also where it stands with more than one.
    async fn person_of_number(&self, number: &EmployeeId) -> Result<Option<Person>, StoreError>;
    /// Writes a person whose `version` was raised by one; 1 creates.
    async fn put_person(&self, person: &Person) -> Result<(), StoreError>;
    /// A case.
    async fn case(&self, id: &CaseId) -> Result<Option<CaseRecord>, StoreError>;
    /// Writes a case whose `version` was raised by one.
    async fn put_case(&self, case: &CaseRecord) -> Result<(), StoreError>;
    /// All systems of a case, in the order of their ids.
    async fn systems(&self, case: &CaseId) -> Result<Vec<SystemRecord>, StoreError>;
    /// One system of a case.
    async fn system(&self, case: &CaseId, system: &SystemId) -> Result<Option<SystemRecord>, StoreError>;
    /// Writes a system whose `version` was raised by one.
    async fn put_system(&self, record: &SystemRecord) -> Result<(), StoreError>;
    /// Keeps the whole before-state; the first one stays, whoever comes later.
    async fn keep_before(
        &self,
        case: &CaseId,
        system: &SystemId,
        before: &Inventory,
    ) -> Result<(), StoreError>;
    /// The whole before-state.
    async fn before(&self, case: &CaseId, system: &SystemId) -> Result<Option<Inventory>, StoreError>;
    /// Cases, newest first, from a page's `next` on.
    async fn cases(&self, from: Option<&str>, limit: usize) -> Result<CasePage, StoreError>;
    /// The cases about a person, the newest first, at most this many. No dry run is among them.
    async fn cases_about(&self, person: &Username, limit: usize) -> Result<Vec<CaseRecord>, StoreError>;
    /// Recorded cases whose time has not come, the earliest first, from a page's `next` on.
    async fn scheduled(
        &self,
        now: Timestamp,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CasePage, StoreError>;
    /// Recorded cases whose time has come, at most this many.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError>;
    /// Cases that no published checkpoint covers yet though their time has long come, at most this many.
    async fn unsealed(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError>;
    /// Cases whose next look is due ([`crate::watch::due`]), the earliest due first, at most this many.
    async fn to_reverify(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError>;
    /// Opens a finding; the same id again changes nothing.
    async fn open_finding(&self, id: &str, finding: &Finding) -> Result<(), StoreError>;
    /// Writes records, each with its `version` raised by one, all or none.
    async fn commit(&self, changes: &[Change]) -> Result<(), StoreError>;
    /// A measure.
    async fn measure(&self, id: &MeasureId) -> Result<Option<Measure>, StoreError>;
    /// The measures about a person, newest first.
    async fn measures_of(&self, person: &Username) -> Result<Vec<Measure>, StoreError>;
    /// Measures whose end has come, or whose effect is not yet brought about, the earliest due first, at most this many.
    async fn measures_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError>;
    /// The approvals that wait, and those whose decision no execution has heard of yet, at most this many: those
    /// first about which something has to happen first.
    async fn asking(&self, limit: usize) -> Result<Vec<ApprovalId>, StoreError>;
    /// A review.
    async fn review(&self, id: &ReviewId) -> Result<Option<Review>, StoreError>;
    /// The tasks that are open, reviews among them, the earliest due first, at most this many.
    async fn tasks(&self, limit: usize) -> Result<Vec<TaskId>, StoreError>;
    /// The brake against mass action; as it is before its first write where there is none.
    async fn brake(&self) -> Result<Brake, StoreError>;
    /// The last night of the canary; `None` before the first.
    async fn canary(&self) -> Result<Option<Night>, StoreError>;
    /// The cases that are held under a measure about many, at most this many.
    async fn held(&self, measure: &MeasureId, limit: usize) -> Result<Vec<CaseId>, StoreError>;
    /// How many people there are who have not left.
    async fn headcount(&self) -> Result<u64, StoreError>;
    /// Those of these people who are known, in any order.
    async fn people(&self, usernames: &[Username]) -> Result<Vec<Person>, StoreError>;
    /// Those who have not left and have this e-mail address, in whatever case, in any order. Everybody is read for it: nothing that
    /// happens often may ask.
    async fn addressed(&self, email: &str) -> Result<Vec<Person>, StoreError>;
    /// A batch.
    async fn batch(&self, id: &BatchId) -> Result<Option<batch::Batch>, StoreError>;
    /// Keeps the lines of a batch, in their order, under the digest that its record names. A repeat changes nothing.
    async fn keep_lines(
        &self,
        batch: &BatchId,
        digest: &Digest,
        lines: &[batch::Line],
    ) -> Result<(), StoreError>;
    /// The lines of a batch, in their order.
    async fn lines(&self, batch: &batch::Batch) -> Result<Vec<batch::Line>, StoreError>;
    /// Batches, newest first, from a page's `next` on.
    async fn batches(&self, from: Option<&str>, limit: usize) -> Result<BatchPage, StoreError>;
    /// Batches that have to be looked at, the oldest first, at most this many.
    async fn batches_due(&self, now: Timestamp, limit: usize) -> Result<Vec<BatchId>, StoreError>;
    /// A lease; `None` where nobody ever held it.
    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError>;
    /// Systems of cases with a transfer of ownership that is to be looked at, at most this many.
    async fn transfers_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CaseId, SystemId)>, StoreError>;
    /// Cases that took access in a system before its log could be read, the longest owed first, at most this many.
    async fn logs_due(
        &self,
        system: &SystemId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError>;
    /// Cases whose archive is to be made, at most this many.
    async fn archives_due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError>;
    /// Measures that placed or ended a hold which the person's archive does not know of yet, at most this many.
    async fn holds_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError>;
}

/// One record to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A case.
    Case(Box<CaseRecord>),
    /// A system of a case.
    System(Box<SystemRecord>),
    /// A person.
    Person(Box<Person>),
    /// A measure; version 1 creates.
    Measure(Box<Measure>),
    /// A review; version 1 creates.
    Review(Box<Review>),
    /// The brake.
    Brake(Box<Brake>),
    /// An orphan; version 1 creates.
    Orphan(Box<Orphan>),
    /// The canary's night; version 1 creates.
    Canary(Box<Night>),
    /// A batch; version 1 creates.
    Batch(Box<batch::Batch>),
    /// A lease; version 1 creates.
    Lease(Box<Lease>),
    /// Puts a case on the list of those that are held under a measure about many.
    Hold(MeasureId, CaseId),
    /// Takes it off that list.
    Unhold(MeasureId, CaseId),
}

/// What the evidence needs beside the cases: the days that were counted, and the exports that were asked for.
#[async_trait]
pub trait EvidenceStore: Send + Sync {
    /// The events that were taken on a day of UTC.
    async fn events_of(&self, day: Date) -> Result<Vec<EventMark>, StoreError>;
    /// The cases that were recorded on a day of UTC.
    async fn cases_of(&self, day: Date) -> Result<BTreeSet<CaseId>, StoreError>;
    /// How many findings of these kinds were opened on a day of UTC.
    async fn findings_of(&self, day: Date, kinds: &[&str]) -> Result<usize, StoreError>;
    /// A day that was counted.
    async fn population(&self, day: Date) -> Result<Option<Population>, StoreError>;
    /// Keeps a counted day; the first count stays, whoever comes later.
    async fn keep_population(&self, record: &Population) -> Result<(), StoreError>;
    /// An export.
    async fn export(&self, id: &str) -> Result<Option<Export>, StoreError>;
    /// Writes an export whose `version` was raised by one; 1 creates.
    async fn put_export(&self, record: &Export) -> Result<(), StoreError>;
}

/// Where a secret is kept that leaver itself renews.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Keeps a text in the place of the one before.
    async fn keep(&self, text: &Secret) -> Result<(), StoreError>;
}

/// One row as it is stored: canonical bytes and the evidence that they bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Place.
    pub seq: u64,
    /// The canonical bytes.
    pub leaf: Vec<u8>,
    /// The evidence, verbatim.
    pub evidence: String,
}

/// A row that is there already under an identity that was to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The identity.
    pub event_id: String,
    /// [`Draft::content`] of what is there.
    pub content: Digest,
}

/// Where an event stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The event.
    pub event_id: String,
    /// Its place.
    pub seq: u64,
    /// Its hash: the leaf of the tree.
    pub hash: Digest,
}

/// What appending a batch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// All rows stand in the log.
    Done,
    /// The head had moved on: read it again and build anew.
    HeadMoved,
    /// These identities are in the log already; nothing was written.
    Present(Vec<Present>),
}

/// A batch to append: the head it builds on, the head behind it, and the rows.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The version of the head that this batch builds on.
    pub on: u64,
    /// The last row that it builds on: a table that was restored counts versions a second time.
    pub after: Digest,
    /// The head behind it.
    pub head: Head,
    /// The rows with the drafts that they were made of.
    pub rows: Vec<(Draft, Row)>,
}

/// The append-only log.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Where the log ends.
    async fn head(&self) -> Result<Head, StoreError>;
    /// Which of these identities are in the log.
    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError>;
    /// Appends a batch, wholly or not at all.
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError>;
    /// Rows from a place on, at most this many.
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError>;
    /// Where these events stand in the log; those that do not stand there yet are left out.
    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError>;
    /// The places of every row that stands under a case.
    async fn places_of(&self, case: &str) -> Result<Vec<u64>, StoreError>;
    /// The newest published checkpoint: a signed note.
    async fn checkpoint(&self) -> Result<Option<String>, StoreError>;
    /// Keeps a published checkpoint, unless one over as many rows is kept already.
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError>;
}

/// When an object may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unless {
    /// Only where there is none of this name.
    Exists,
    /// Only where the one that is there still has this entity tag.
    ChangedFrom(String),
}

/// What writing an object came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is written.
    Done,
    /// The condition did not hold; what was there stays.
    Refused,
}

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Its entity tag, for a later [`Unless::ChangedFrom`].
    pub tag: String,
}

/// Files that are kept, and that nobody can change until their time has run out.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// An object, whole; `None` where there is none of this name.
    async fn get(&self, key: &str) -> Result<Option<Object>, StoreError>;
    /// Writes an object that stays as it is until `retain_until`, where that is given. `Refused` may mean one's own
    /// earlier try, whose answer was lost: read what is there.
    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        unless: Unless,
        retain_until: Option<Timestamp>,
    ) -> Result<Placed, StoreError>;
    /// The names that begin with `prefix` and come behind `after`, in the order of their bytes; at most 1,000.
    async fn behind(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError>;
}

/// Large files that are kept for whoever asked for them.
#[async_trait]
pub trait Archives: Send + Sync {
    /// Writes a file as an object, in bounded memory; what was there is replaced.
    async fn upload(&self, key: &str, file: &Path) -> Result<(), StoreError>;
    /// An address from which whoever has it can fetch the object for a while: at most seven days, and never longer than
    /// the credentials live that it was signed with.
    fn download_url(&self, key: &str, lifetime: Duration) -> Result<String, StoreError>;
}

/// Signs with an Ed25519 key that never leaves its keeper.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The public key.
    async fn public_key(&self) -> Result<[u8; 32], StoreError>;
    /// The signature over these bytes (PureEdDSA, RFC 8032).
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], StoreError>;
}

/// What a witness answered to a checkpoint (C2SP tlog-witness).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witnessed {
    /// It cosigned: its signature lines, not verified yet.
    Cosigned(String),
    /// It saw the log at this size last, and wants the proof from there.
    At(u64),
    /// It does not cosign, and asking again does not change that: the status that it gave.
    Refused(u16),
}

/// The way to witnesses: who sees that the log only ever grows.
#[async_trait]
pub trait Witnesses: Send + Sync {
    /// Posts an `add-checkpoint` request to the witness at this address.
    async fn add_checkpoint(&self, url: &str, request: &str) -> Result<Witnessed, StoreError>;
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// One person, alone.
    Person {
        /// Their login name in the directory.
        username: Username,
        /// The e-mail address by which the messenger knows them.
        email: String,
    },
    /// A channel, by its id or name.
    Channel(String),
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The conversation.
    pub channel: String,
    /// The message's name in it.
    pub ts: String,
}

/// What a messenger knows of one of its users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its own immutable id of them.
    pub id: String,
    /// Their e-mail address, in lower case.
    pub email: String,
}

/// Where people read and answer messages.
#[async_trait]
pub trait Messenger: Send + Sync {
    /// Shows a message: in the place of the one that stands there, or as a new one.
    async fn show(
        &self,
        to: &Recipient,
        message: &Message,
        replace: Option<&Shown>,
    ) -> Result<Place, StoreError>;
    /// Who one of its users is; `None` for a bot, a guest of another company, or somebody who was deactivated.
    async fn who(&self, user: &str) -> Result<Option<Identity>, StoreError>;
    /// Tells something to whoever pressed a button, and to nobody else, at the address that came with the press.
    async fn answer(&self, address: &str, text: &str) -> Result<(), StoreError>;
}
