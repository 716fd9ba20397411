//! Primary keys of the case table.

use super::{Item, cases_of, held_under, lines_prefix, orphans_of, text};
use jiff::civil::Date;
use leaver_domain::{
    case::CaseRecord,
    digest::Digest,
    id::{BatchId, CaseId, EventId, MeasureId, ReviewId, SystemId, Username},
    orphans::OrphanId,
};

/// Primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: &str) -> Self {
        Self { pk, sk: sk.to_owned() }
    }
    pub(crate) fn person(username: &Username) -> Self {
        Self::new(format!("PERSON#{username}"), "PERSON")
    }
    pub(crate) fn event(source: &str, event: &EventId) -> Self {
        Self::new(format!("EVENT#{source}#{event}"), "EVENT")
    }
    pub(crate) fn case(case: &CaseId) -> Self {
        Self::new(format!("CASE#{case}"), "CASE")
    }
    pub(crate) fn system(case: &CaseId, system: &SystemId) -> Self {
        Self::new(format!("CASE#{case}"), &format!("SYS#{system}"))
    }
    pub(crate) fn before(case: &CaseId, system: &SystemId, part: usize) -> Self {
        Self::new(format!("CASE#{case}"), &format!("BEFORE#{system}#{part:04}"))
    }
    pub(crate) fn finding(id: &str) -> Self {
        Self::new(format!("FINDING#{id}"), "FINDING")
    }
    pub(crate) fn population(day: Date) -> Self {
        Self::new(format!("POPULATION#{day}"), "POPULATION")
    }
    pub(crate) fn export(id: &str) -> Self {
        Self::new(format!("EXPORT#{id}"), "EXPORT")
    }
    pub(crate) fn measure(id: &MeasureId) -> Self {
        Self::new(format!("MEASURE#{id}"), "MEASURE")
    }
    pub(crate) fn review(id: &ReviewId) -> Self {
        Self::new(format!("REVIEW#{id}"), "REVIEW")
    }
    pub(crate) fn batch(id: &BatchId) -> Self {
        Self::new(format!("BATCH#{id}"), "BATCH")
    }
    /// A part of the lines of a batch. Lines that were ordered otherwise stand beside them, under another digest.
    pub(crate) fn lines(id: &BatchId, digest: &Digest, part: usize) -> Self {
        Self::new(format!("BATCH#{id}"), &format!("{}{part:04}", lines_prefix(digest)))
    }
    pub(crate) fn lease(name: &str) -> Self {
        Self::new(format!("LEASE#{name}"), "LEASE")
    }
    pub(crate) fn brake() -> Self {
        Self::new("BRAKE".to_owned(), "BRAKE")
    }
    /// A part of a system's newest roster.
    pub(crate) fn part(system: &SystemId, number: u32) -> Self {
        Self::new(format!("ROSTER#{system}"), &format!("PART#{number:04}"))
    }
    pub(crate) fn orphan(system: &SystemId, id: &OrphanId) -> Self {
        Self::new(orphans_of(system), &format!("ORPHAN#{id}"))
    }
    pub(crate) fn canary() -> Self {
        Self::new("CANARY".to_owned(), "CANARY")
    }
    /// A case's place in the list of those that are held together.
    pub(crate) fn held(measure: &MeasureId, case: &CaseId) -> Self {
        Self::new(held_under(measure), &format!("CASE#{case}"))
    }
    /// A case's place among those about its person, in the order in which they were opened.
    pub(crate) fn place(case: &CaseRecord) -> Self {
        Self::new(cases_of(&case.person.username), &format!("CASE#{}#{}", case.created_at, case.case_id))
    }
    pub(crate) fn attributes(&self) -> Item {
        [("pk".to_owned(), text(&self.pk)), ("sk".to_owned(), text(&self.sk))].into()
    }
}
