//! One entry of the ledger.

use super::{
    encoding::{Malformed, Reader, Writer},
    tree::leaf_hash,
};
use crate::{digest::Digest, risk::RiskLevel, time::Timestamp};
use serde::{Deserialize, Serialize};

/// Longest entry: what a tlog-tiles entry bundle can hold.
pub(super) const MAX_ENTRY: usize = 65_535;
/// Says what these bytes are, so that they can never be taken for anything else that is hashed.
const DOMAIN: &[u8] = b"leaver/ledger/entry";
/// Version of the form.
const VERSION: u8 = 1;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $code:literal as $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$item])* #[serde(rename = $wire)] $variant,)*
        }

        impl $name {
            fn code(self) -> u8 {
                match self { $(Self::$variant => $code),* }
            }
            fn of_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
            /// The name in JSON views.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $wire),* }
            }
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

coded! {
    /// What kind of event an entry records. Codes are for ever: a new kind gets a new one.
    EventKind {
        /// An authenticated event opened a case. The first access row of a case.
        RevocationTriggered = 0 as "revocation_triggered",
        /// Authenticity, identity, exceptions and present access were checked.
        ValidationCompleted = 1 as "validation_completed",
        /// Access to one system is gone, or there was none. The access row of that system.
        AccessRevoked = 2 as "access_revoked",
        /// An account was suspended without the rest of its access being taken.
        AccountDisabled = 3 as "account_disabled",
        /// The person's data was archived.
        DataArchived = 4 as "data_archived",
        /// The delayed, independent read was made.
        VerificationCompleted = 5 as "verification_completed",
        /// Somebody was told.
        NotificationSent = 6 as "notification_sent",
        /// An attempt failed.
        RevocationFailed = 7 as "revocation_failed",
        /// A flagged system waits for a human.
        ApprovalRequested = 8 as "approval_requested",
        /// Its owner was given what leaver could not finish.
        TaskOpened = 9 as "task_opened",
        /// The case was folded: complete, or what is left.
        CaseClosed = 10 as "case_closed",
        /// What would be done was worked out, and nothing was done.
        PlanPreviewed = 11 as "plan_previewed",
        /// A human approved, denied or handed on what waited for them.
        ApprovalDecided = 12 as "approval_decided",
        /// A day's events, cases and rows were counted against each other.
        PopulationCounted = 13 as "population_counted",
        /// A pack of evidence was made from the log.
        EvidenceExported = 14 as "evidence_exported",
        /// Nobody decided in time, or somebody handed it on: the next level was asked.
        ApprovalEscalated = 15 as "approval_escalated",
        /// Nobody decided at all. Nothing was done.
        ApprovalExpired = 16 as "approval_expired",
        /// A task was done, with a statement or evidence.
        TaskClosed = 17 as "task_closed",
        /// A case was stopped before anything was done.
        CaseHeld = 18 as "case_held",
        /// A held case was let go on.
        CaseReleased = 19 as "case_released",
        /// A case was called off before anything was done.
        CaseCancelled = 20 as "case_cancelled",
        /// Access to one system was given back.
        AccessRestored = 21 as "access_restored",
        /// A decision opened a case that gives access back.
        RestorationTriggered = 22 as "restoration_triggered",
        /// Somebody asked for an exception, a grant, emergency access or the like.
        MeasureRequested = 23 as "measure_requested",
        /// What was asked for came into force.
        MeasureBegan = 24 as "measure_began",
        /// What was asked for is over.
        MeasureEnded = 25 as "measure_ended",
        /// A system's list of accounts shows one that is nobody's who is here, or of whom it cannot be told whose it is.
        OrphanFound = 26 as "orphan_found",
        /// Somebody decided about such an account, or it is none any more.
        OrphanSettled = 27 as "orphan_settled",
        /// A batch of cases was recorded, held, let go on, called off, or has come to rest.
        BatchChanged = 28 as "batch_changed",
        /// An incomplete case is tried again, by somebody or by the sweep, and its open tasks were withdrawn for that.
        CaseForced = 29 as "case_forced",
        /// Something that the person owned has another owner, or leaver could not give it one.
        OwnershipTransferred = 30 as "ownership_transferred",
        /// The person's archive was put under a legal hold, or the hold was taken off it.
        DataHeld = 31 as "data_held",
        /// Somebody looked at the person's archive.
        ArchiveRead = 32 as "archive_read",
        /// What was done with an account was looked at after access had been taken: the log could not be read before.
        RiskAssessed = 33 as "risk_assessed",
    }
}

coded! {
    /// How it came out.
    Outcome {
        /// As intended.
        Success = 0 as "success",
        /// Not as intended; the facts say why.
        Failure = 1 as "failure",
        /// There was nothing to do.
        NotApplicable = 2 as "not_applicable",
        /// It waits for a human.
        Pending = 3 as "pending",
    }
}

/// An entry that has no place in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Identity of the event: where it stands in the case table. The same identity is the same event.
    pub event_id: String,
    /// The case.
    pub case_id: String,
    /// Place in the log of the case or of its system.
    pub ordinal: u32,
    /// What kind of event.
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Whose access.
    pub username: String,
    /// Who did it.
    pub actor: String,
    /// In which system; `None` for what concerns the whole case.
    pub system: Option<String>,
    /// What was done.
    pub action: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What the risk rules said, where they were asked.
    pub risk: Option<RiskLevel>,
    /// The facts behind it, as JSON; the entry holds their digest.
    pub evidence: String,
}

impl Draft {
    /// What two deliveries of one event must agree in.
    pub fn content(&self) -> Digest {
        let entry = self.clone().at("", 0, Digest::ZERO, self.occurred_at, [0; 16]);
        Digest::of(&entry.encode())
    }

    /// The entry at a place in a log.
    pub fn at(
        self,
        origin: &str,
        seq: u64,
        previous: Digest,
        recorded_at: Timestamp,
        salt: [u8; 16],
    ) -> Entry {
        Entry {
            origin: origin.to_owned(),
            seq,
            previous,
            event_id: self.event_id,
            case_id: self.case_id,
            ordinal: self.ordinal,
            kind: self.kind,
            occurred_at: self.occurred_at,
            recorded_at,
            username: self.username,
            actor: self.actor,
            system: self.system,
            action: self.action,
            outcome: self.outcome,
            risk: self.risk,
            evidence: Digest::of(self.evidence.as_bytes()),
            salt,
        }
    }
}

/// One entry at its place. Its fields are those of [`Draft`], and what binds it to its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the log.
    pub origin: String,
    /// Place, from 0 without a gap.
    pub seq: u64,
    /// Hash of the entry before; zeroes at place 0.
    pub previous: Digest,
    /// Identity of the event.
    pub event_id: String,
    /// The case.
    pub case_id: String,
    /// Place in the log of the case or of its system.
    pub ordinal: u32,
    /// What kind of event.
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was appended.
    pub recorded_at: Timestamp,
    /// Whose access.
    pub username: String,
    /// Who did it.
    pub actor: String,
    /// In which system.
    pub system: Option<String>,
    /// What was done.
    pub action: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What the risk rules said.
    pub risk: Option<RiskLevel>,
    /// SHA-256 of the facts behind it.
    pub evidence: Digest,
    /// Keeps an entry that is shown from giving its neighbours away to guessing.
    pub salt: [u8; 16],
}

fn risk_code(risk: Option<RiskLevel>) -> u8 {
    match risk {
        None => 0,
        Some(RiskLevel::Clean) => 1,
        Some(RiskLevel::Notable) => 2,
        Some(RiskLevel::Flagged) => 3,
    }
}

impl Entry {
    /// The canonical bytes: what is hashed, stored and exported.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.bytes(DOMAIN);
        to.fixed(&[VERSION]);
        to.text(&self.origin);
        to.fixed(&self.seq.to_be_bytes());
        to.fixed(&self.previous.0);
        to.text(&self.event_id);
        to.text(&self.case_id);
        to.fixed(&self.ordinal.to_be_bytes());
        to.fixed(&[self.kind.code()]);
        to.fixed(&self.occurred_at.millis().to_be_bytes());
        to.fixed(&self.recorded_at.millis().to_be_bytes());
        to.text(&self.username);
        to.text(&self.actor);
        to.optional(self.system.as_deref());
        to.text(&self.action);
        to.fixed(&[self.outcome.code(), risk_code(self.risk)]);
        to.fixed(&self.evidence.0);
        to.fixed(&self.salt);
        to.0
    }

    /// The entry of these bytes.
    ///
    /// # Errors
    /// Where they are not exactly one entry of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_ENTRY {
            return Err(Malformed::Long);
        }
        let mut from = Reader(bytes);
        if from.bytes("domain")? != DOMAIN {
            return Err(Malformed::Unknown("domain"));
        }
        if from.byte("version")? != VERSION {
            return Err(Malformed::Unknown("version"));
        }
        let time = |bytes: [u8; 8], field| {
            Timestamp::from_millis(i64::from_be_bytes(bytes)).ok_or(Malformed::Unknown(field))
        };
        let entry = Self {
            origin: from.text("origin")?,
            seq: u64::from_be_bytes(from.array("seq")?),
            previous: Digest(from.array("previous")?),
            event_id: from.text("event_id")?,
            case_id: from.text("case_id")?,
            ordinal: u32::from_be_bytes(from.array("ordinal")?),
            kind: EventKind::of_code(from.byte("kind")?).ok_or(Malformed::Unknown("kind"))?,
            occurred_at: time(from.array("occurred_at")?, "occurred_at")?,
            recorded_at: time(from.array("recorded_at")?, "recorded_at")?,
            username: from.text("username")?,
            actor: from.text("actor")?,
            system: from.optional("system")?,
            action: from.text("action")?,
            outcome: Outcome::of_code(from.byte("outcome")?).ok_or(Malformed::Unknown("outcome"))?,
            risk: match from.byte("risk")? {
                0 => None,
                1 => Some(RiskLevel::Clean),
                2 => Some(RiskLevel::Notable),
                3 => Some(RiskLevel::Flagged),
                _ => return Err(Malformed::Unknown("risk")),
            },
            evidence: Digest(from.array("evidence")?),
            salt: from.array("salt")?,
        };
        match from.0.len() {
            0 => Ok(entry),
            more => Err(Malformed::Trailing(more)),
        }
    }

    /// The link to the next entry, and the leaf of the tree: one hash for both, so that chain and tree cannot disagree.
    pub fn hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }

    /// Whether it is one of the access rows: the trigger, and one per system.
    pub fn is_access_row(&self) -> bool {
        matches!(self.kind, EventKind::RevocationTriggered | EventKind::AccessRevoked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn draft(n: u32) -> Draft {
        Draft {
            event_id: format!("case-1/okta/{n}"),
            case_id: "case-1".into(),
            ordinal: n,
            kind: EventKind::AccessRevoked,
            occurred_at: Timestamp::from_millis(1_770_129_000_000).unwrap(),
            username: "john.doe".into(),
            actor: "leaver/adapter".into(),
            system: Some("okta".into()),
            action: "revoke".into(),
            outcome: Outcome::Success,
            risk: Some(RiskLevel::Clean),
            evidence: "{}".into(),
        }
    }

    /// Freezes the form: a change of these bytes would make every ledger that exists unreadable.
    #[test]
    fn the_form_never_changes() {
        let at = Timestamp::from_millis(1_770_129_001_234).unwrap();
        let entry = draft(3).at("leaver.example/prod", 7, Digest::of(b"before"), at, [9; 16]);
        assert_eq!(
            entry.hash().to_string(),
            "9e42b93d0edeecc32be55bb9e58b15b9629a3c39dacdf6ee79b9101c808167f2"
        );
    }

    #[test]
    fn every_code_names_one_value() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of_code(kind.code()), Some(*kind));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::of_code(outcome.code()), Some(*outcome));
        }
    }

    proptest::proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            seq: u64, ordinal: u32, action in ".{0,40}", system in proptest::option::of("[a-z_]{1,12}"), salt: [u8; 16],
        ) {
            let mut entry = draft(ordinal).at("o", seq, Digest::of(b"x"), Timestamp::from_millis(1).unwrap(), salt);
            entry.action = action;
            entry.system = system;
            proptest::prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }

        #[test]
        fn any_other_bytes_are_refused_or_encode_to_themselves(flip in 0_usize..300, bit in 0_u8..8) {
            let entry = draft(1).at("o", 1, Digest::ZERO, Timestamp::from_millis(1).unwrap(), [0; 16]);
            let mut bytes = entry.encode();
            let at = flip % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Entry::decode(&bytes) {
                proptest::prop_assert_eq!(other.encode(), bytes);
                proptest::prop_assert_ne!(other.hash(), entry.hash());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Entry::decode(&bytes);
        }
    }

    #[test]
    fn every_shorter_and_longer_form_is_refused() {
        let bytes = draft(1).at("o", 1, Digest::ZERO, Timestamp::from_millis(1).unwrap(), [0; 16]).encode();
        for end in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..end]).is_err());
        }
        assert_eq!(Entry::decode(&[bytes, vec![0]].concat()), Err(Malformed::Trailing(1)));
    }
}
