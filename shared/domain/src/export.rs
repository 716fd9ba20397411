//! A pack of evidence that somebody asked for: what it covers, where it lies, and what became of making it.

use crate::{
    case::Happening,
    digest::Digest,
    ledger::{EventKind, Outcome},
    time::Timestamp,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Longest period of one pack.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);
/// How long making a pack may take; after that it is taken to have died. Longer than a Lambda function may run.
const STALE: Duration = Duration::from_secs(16 * 60);

/// From an instant up to another, without the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The first instant in it.
    pub from: Timestamp,
    /// The first instant behind it.
    pub to: Timestamp,
}

/// Why two texts are not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPeriod {
    /// Neither a date nor an instant.
    #[error("`{0}` must be a date such as 2026-01-31 or an instant such as 2026-01-31T00:00:00Z")]
    NotATime(&'static str),
    /// It ends before it begins.
    #[error("`to` must be later than `from`")]
    Backwards,
    /// It begins in the future.
    #[error("`from` lies in the future")]
    Future,
    /// More than a pack can hold.
    #[error("a period has at most 400 days; export a year at a time")]
    TooLong,
}

fn instant(name: &'static str, text: &str, days: i64) -> Result<Timestamp, NotAPeriod> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let wrong = |_| NotAPeriod::NotATime(name);
    let date: Date = text.parse().map_err(wrong)?;
    let date = date.checked_add(jiff::Span::new().days(days)).map_err(wrong)?;
    Ok(Timestamp::from_jiff(date.to_zoned(TimeZone::UTC).map_err(wrong)?.timestamp()))
}

impl Period {
    /// Of two dates or instants. A date means the whole day in UTC, also as the end: from 2026-01-01 to 2026-12-31 is the
    /// whole year.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn parse(from: &str, to: &str, now: Timestamp) -> Result<Self, NotAPeriod> {
        let period = Self { from: instant("from", from, 0)?, to: instant("to", to, 1)? };
        if period.from >= period.to {
            return Err(NotAPeriod::Backwards);
        }
        if period.from > now {
            return Err(NotAPeriod::Future);
        }
        if period.to.since(period.from) > LONGEST {
            return Err(NotAPeriod::TooLong);
        }
        Ok(period)
    }
}

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportStatus {
    /// Asked for, and being made.
    Building,
    /// It can be fetched.
    Ready,
    /// It could not be made; asking again tries again.
    Failed,
}

/// The pack as it lies in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Its name in the bucket.
    pub key: String,
    /// SHA-256 of the archive.
    pub sha256: Digest,
    /// SHA-256 of the pack's manifest, which names every file of it.
    pub manifest: Digest,
    /// Length in bytes.
    pub bytes: u64,
    /// How many rows it holds.
    pub rows: u64,
    /// How many cases it holds.
    pub cases: u64,
}

/// One export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its id, which follows from the period and the checkpoint.
    pub export_id: String,
    /// What it covers.
    pub period: Period,
    /// Size of the checkpoint that it ends under.
    pub checkpoint_size: u64,
    /// Who asked for it.
    pub requested_by: String,
    /// When it was last asked for.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub status: ExportStatus,
    /// The pack, once it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// Why it could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What happened to it, as the ledger takes it over.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

impl Export {
    /// The id of a period under a checkpoint. The same question under the same checkpoint has one answer.
    pub fn id(period: &Period, checkpoint_size: u64) -> String {
        let digest = Digest::of(format!("{}\n{}\n{checkpoint_size}", period.from, period.to).as_bytes());
        format!("export-{}", &digest.to_string()[..24])
    }

    /// One that was just asked for.
    pub fn requested(period: Period, checkpoint_size: u64, by: &str, now: Timestamp) -> Self {
        Self {
            export_id: Self::id(&period, checkpoint_size),
            period,
            checkpoint_size,
            requested_by: by.to_owned(),
            requested_at: now,
            status: ExportStatus::Building,
            archive: None,
            failure: None,
            log: Vec::new(),
            version: 1,
        }
    }

    /// The same asked for again, where making it failed or died; `None` where there is nothing to ask again.
    pub fn again(&self, now: Timestamp) -> Option<Self> {
        let died = self.status == ExportStatus::Building && now.since(self.requested_at) > STALE;
        (died || self.status == ExportStatus::Failed).then(|| Self {
            requested_at: now,
            status: ExportStatus::Building,
            failure: None,
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// Made: the ledger gets to know of it.
    pub fn ready(&self, archive: Archive, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.log.push(Happening {
            kind: EventKind::EvidenceExported,
            at: now,
            actor: "leaver/export".into(),
            action: "export".into(),
            outcome: Outcome::Success,
            risk: None,
            facts: json!({
                "period": self.period, "checkpoint_size": self.checkpoint_size, "requested_by": self.requested_by,
                "manifest": archive.manifest, "archive": archive.sha256, "rows": archive.rows, "cases": archive.cases,
            }),
        });
        next.status = ExportStatus::Ready;
        next.archive = Some(archive);
        next.version += 1;
        next
    }

    /// Not made.
    pub fn failed(&self, why: &str) -> Self {
        Self {
            status: ExportStatus::Failed,
            failure: Some(why.chars().take(500).collect()),
            version: self.version + 1,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_date_means_the_whole_day() {
        let now = at("2027-01-05T00:00:00Z");
        let year = Period::parse("2026-01-01", "2026-12-31", now).unwrap();
        assert_eq!((year.from, year.to), (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")));
        let day = Period::parse("2026-02-03", "2026-02-03", now).unwrap();
        assert_eq!(day.to.since(day.from), Duration::from_secs(86_400));
        let exact = Period::parse("2026-02-03T10:00:00Z", "2026-02-03T11:00:00Z", now).unwrap();
        assert_eq!(exact.to.since(exact.from), Duration::from_secs(3_600));
    }

    #[test]
    fn what_is_no_period_is_refused_with_its_reason() {
        let now = at("2027-01-05T00:00:00Z");
        assert_eq!(Period::parse("yesterday", "2026-01-01", now), Err(NotAPeriod::NotATime("from")));
        assert_eq!(Period::parse("2026-01-02", "2026-02-30", now), Err(NotAPeriod::NotATime("to")));
        assert_eq!(Period::parse("2026-01-02", "2026-01-01", now), Err(NotAPeriod::Backwards));
        assert_eq!(Period::parse("2028-01-02", "2028-02-01", now), Err(NotAPeriod::Future));
        assert_eq!(Period::parse("2024-01-02", "2026-02-01", now), Err(NotAPeriod::TooLong));
    }

    #[test]
    fn only_what_failed_or_died_is_made_again() {
        let now = at("2026-02-03T00:00:00Z");
        let period = Period::parse("2026-02-01", "2026-02-02", now).unwrap();
        let export = Export::requested(period, 7, "avery.audit", now);
        assert_eq!(export.again(now.plus(Duration::from_secs(900))), None);
        assert_eq!(export.again(now.plus(Duration::from_secs(1_000))).map(|next| next.version), Some(2));
        assert_eq!(export.failed("why").again(now).map(|next| next.failure), Some(None));
        assert_ne!(Export::id(&period, 7), Export::id(&period, 8));
    }
}
