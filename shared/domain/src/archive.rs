//! The archive of a leaver's data: what goes into it, where it lies, for how long, and when it is made.
//!
//! An archive is made after the case, never before access is gone, and counts only with its manifest, which is written last.

use crate::{
    case::{CaseRecord, CaseStatus, Mode, SystemRecord},
    digest::Digest,
    id::{CaseId, Username},
    inventory::Inventory,
    person::Person,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Name of the file that says what an archive holds.
pub const MANIFEST: &str = "manifest.json";
/// For how long an archive may fail to be made before the tries become rare.
const OFTEN: u32 = 5;

/// How strictly an archive is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// Whoever may bypass governance can delete before the time, such as after a request for erasure that was granted.
    #[default]
    Governance,
    /// Nobody can, the account's owner included.
    Compliance,
}

impl Lock {
    /// The name that S3 gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// How what is archived is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encryption {
    /// With the archive's own key in KMS.
    #[default]
    #[serde(rename = "aws:kms")]
    Kms,
}

/// What is kept of whoever left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPolicy {
    /// Whether each leaver's data is archived. Where a case or a hold asks for the data to be kept, it is archived anyway.
    pub archive: bool,
    /// For how many days an archive is kept; longer under a legal hold.
    pub retention_days: u32,
    /// How it is encrypted.
    #[serde(default)]
    pub encryption: Encryption,
    /// How strictly it is locked until then.
    #[serde(default)]
    pub lock: Lock,
    /// Whether a legal hold is looked for before anything is destroyed. It cannot be switched off.
    pub legal_hold_check: bool,
    /// How long after access ended the archive is made at the earliest, in seconds.
    pub archive_after_seconds: u32,
}

impl Default for DataPolicy {
    fn default() -> Self {
        Self {
            archive: true,
            retention_days: 90,
            encryption: Encryption::Kms,
            lock: Lock::Governance,
            legal_hold_check: true,
            archive_after_seconds: 600,
        }
    }
}

impl DataPolicy {
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        // A lock cannot be shortened: a slip of the key must not bind anybody for centuries.
        if !(1..=3_660).contains(&self.retention_days) {
            return Err(("data.retention_days", "must be between a day and ten years"));
        }
        if !self.legal_hold_check {
            return Err(("data.legal_hold_check", "must be on: a legal hold stops deletion everywhere"));
        }
        if self.archive_after_seconds > 604_800 {
            return Err(("data.archive_after_seconds", "must be at most a week"));
        }
        Ok(())
    }

    /// Until when an archive of now is locked.
    pub fn retain_until(&self, now: Timestamp) -> Timestamp {
        now.plus(Duration::from_secs(u64::from(self.retention_days) * 86_400))
    }
}

/// The archive of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// When it is made, or made again.
    pub look_at: Timestamp,
    /// How often it was tried in vain since the last one was made.
    #[serde(default)]
    pub failures: u32,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The newest one that is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// An archive that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// When.
    pub at: Timestamp,
    /// [`CaseRecord::run`] at the time: a case that went on afterwards is archived once more.
    pub run: u32,
    /// Where it lies: what the names of all its objects begin with.
    pub prefix: String,
    /// How many objects, without the manifest.
    pub objects: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// SHA-256 of the manifest, which holds that of every object.
    pub manifest: Digest,
    /// Until when it is locked.
    pub until: Timestamp,
    /// Whether it was put under a legal hold as it was written.
    pub held: bool,
}

impl Archive {
    /// One that is to be made.
    pub fn wanted(at: Timestamp) -> Self {
        Self { look_at: at, failures: 0, fault: None, made: None }
    }

    /// It could not be made. When it is tried again follows from how often that happened.
    pub fn failed(&mut self, why: String, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.fault = Some(why);
        let wait = if self.failures <= OFTEN { 300 } else { 3_600 };
        self.look_at = now.plus(Duration::from_secs(wait));
    }

    /// It is whole.
    pub fn done(&mut self, made: Made) {
        (self.failures, self.fault) = (0, None);
        self.look_at = made.at;
        self.made = Some(made);
    }
}

/// When a case's archive is to be made; `None` where there is none to be made now. A case that is still at work is not
/// archived: what it comes to is part of the archive.
pub fn due(case: &CaseRecord) -> Option<Timestamp> {
    let archive = case.archive.as_ref()?;
    let at_rest = matches!(case.status, CaseStatus::Complete | CaseStatus::Incomplete);
    let made = archive.made.as_ref().is_some_and(|made| made.run >= case.run);
    (at_rest && !made && case.mode == Mode::Leave && !case.dry_run).then_some(archive.look_at)
}

/// Below what name everything of a person lies.
pub fn prefix_of_person(person: &Username) -> String {
    // The characters of a username that mean something in an address are kept out of names.
    let plain = |c: char| if matches!(c, '+' | '@') { '_' } else { c };
    let name: String = person.as_str().chars().map(plain).collect();
    let name = name.trim_matches('.').to_owned();
    if name == person.as_str() {
        return format!("archive/users/{name}/");
    }
    // Two people whose names differ in such a character alone must not share a place.
    let digest = Digest::of(person.as_str().as_bytes()).to_string();
    format!("archive/users/{name}-{}/", digest.get(..8).unwrap_or_default())
}

/// Below what name the archive of a case's run lies.
pub fn prefix_of(person: &Username, case: &CaseId, run: u32) -> String {
    let base = format!("{}{case}/", prefix_of_person(person));
    if run <= 1 { base } else { format!("{base}run-{run}/") }
}

/// One object of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name below the archive's prefix.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What leaver knows of one system of the case.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What was done and what came of it.
    pub record: &'a SystemRecord,
    /// Everything that was there before.
    pub before: Option<&'a Inventory>,
}

fn document(name: String, value: &Value) -> Part {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    Part { name, bytes }
}

fn lines(name: String, values: impl Iterator<Item = Value>) -> Part {
    let mut bytes = Vec::new();
    for value in values {
        bytes.extend(value.to_string().into_bytes());
        bytes.push(b'\n');
    }
    Part { name, bytes }
}

/// What an archive holds, but for its manifest: the person, the case, and of every system its state before and after, what
/// the person owned there and who got it, and a summary of what they did lately.
pub fn parts(person: &Person, case: &CaseRecord, systems: &[Known<'_>]) -> Vec<Part> {
    let mut all = vec![
        document("person.json".to_owned(), &json!(person)),
        document("case.json".to_owned(), &json!(case)),
        lines(
            "activity.jsonl".to_owned(),
            systems.iter().filter_map(|of| {
                let risk = of.record.risk.as_ref()?;
                Some(json!({"system": of.record.system, "level": risk.level, "events": risk.events,
                        "last_login": risk.last_login, "findings": risk.findings}))
            }),
        ),
        lines(
            "transfers.jsonl".to_owned(),
            systems.iter().flat_map(|of| {
                of.record.transfers.iter().map(|one| json!({"system": of.record.system, "transfer": one}))
            }),
        ),
    ];
    for of in systems {
        let place = |name: &str| format!("systems/{}/{name}", of.record.system);
        // The log's lines are rows of the ledger: here stands what they came to.
        let mut record = json!(of.record);
        if let Some(fields) = record.as_object_mut() {
            fields.remove("log");
        }
        all.push(document(place("record.json"), &record));
        all.push(document(place("after.json"), &json!(of.record.after)));
        let Some(before) = of.before else { continue };
        all.push(document(place("before.json"), &json!(before)));
        all.push(lines(place("owned.jsonl"), before.assets.iter().map(|asset| json!(asset))));
    }
    all
}

/// The file that says what an archive holds, with the SHA-256 of every object. It is written last: without it there is no
/// archive.
pub fn manifest(case: &CaseRecord, parts: &[Part], until: Timestamp, policy: &DataPolicy) -> Part {
    let objects: Vec<Value> = parts
        .iter()
        .map(|part| json!({"name": part.name, "size": part.bytes.len(), "sha256": Digest::of(&part.bytes)}))
        .collect();
    document(
        MANIFEST.to_owned(),
        &json!({
            "version": 1, "case_id": case.case_id, "user": case.person, "run": case.run, "reason": case.reason,
            "effective_at": case.effective_at, "retained_until": until, "encryption": policy.encryption,
            "objects": objects,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_plain_and_nobody_elses() {
        assert_eq!(prefix_of_person(&name("john.doe")), "archive/users/john.doe/");
        let odd = ["a+b", "a@b", "a_b", "..", "."].map(|text| prefix_of_person(&name(text)));
        let distinct: std::collections::BTreeSet<&String> = odd.iter().collect();
        assert_eq!(distinct.len(), odd.len(), "{odd:?}");
        for place in &odd {
            let segments: Vec<&str> = place.trim_end_matches('/').split('/').collect();
            assert!(segments.iter().all(|one| !matches!(*one, "" | "." | "..")), "{place}");
            assert!(!place.contains('+') && !place.contains('@'), "{place}");
        }
        let case: CaseId = "case-1".parse().unwrap();
        assert_eq!(prefix_of(&name("john.doe"), &case, 1), "archive/users/john.doe/case-1/");
        assert_eq!(prefix_of(&name("john.doe"), &case, 3), "archive/users/john.doe/case-1/run-3/");
    }

    #[test]
    fn tries_become_rare_and_never_end() {
        let now: Timestamp = "2026-02-03T14:30:00.000Z".parse().unwrap();
        let mut archive = Archive::wanted(now);
        for _ in 0..OFTEN {
            archive.failed("no".into(), now);
        }
        let soon = archive.look_at;
        archive.failed("no".into(), now);
        assert!(soon > now && archive.look_at > soon);
    }

    #[test]
    fn a_policy_that_forgets_holds_or_keeps_for_ever_is_refused() {
        let with = |change: fn(&mut DataPolicy)| {
            let mut policy = DataPolicy::default();
            change(&mut policy);
            policy.check().err().map(|(place, _)| place)
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(with(|policy| policy.retention_days = 0), Some("data.retention_days"));
        assert_eq!(with(|policy| policy.retention_days = 4_000), Some("data.retention_days"));
        assert_eq!(with(|policy| policy.legal_hold_check = false), Some("data.legal_hold_check"));
    }

    #[test]
    fn a_manifest_binds_every_object() {
        let parts =
            [Part { name: "a".into(), bytes: b"x".to_vec() }, Part { name: "b".into(), bytes: vec![] }];
        let case: CaseRecord = serde_json::from_value(json!({
            "case_id": "case-1", "mode": "leave", "status": "complete", "person": {"username": "j", "employee_id": "E"},
            "reason": "r", "trigger": {"source": "hris", "event_id": "e", "by": "hris", "kind": "k",
            "at": "2026-02-03T14:30:00.000Z", "received_at": "2026-02-03T14:30:00.000Z", "body": Digest::ZERO},
            "policy_digest": Digest::ZERO, "created_at": "2026-02-03T14:30:00.000Z", "dates": crate::effective::Dates::default(),
            "effective_at": "2026-02-03T14:30:00.000Z", "dry_run": false, "emergency": false, "systems": [], "log": [],
            "version": 1, "archive": {"look_at": "2026-02-03T14:40:00.000Z"},
        }))
        .unwrap();
        let made = manifest(&case, &parts, case.effective_at, &DataPolicy::default());
        let told: Value = serde_json::from_slice(&made.bytes).unwrap();
        assert_eq!(told["objects"][0]["sha256"], json!(Digest::of(b"x")));
        assert_eq!(told["objects"].as_array().unwrap().len(), 2);
        assert_eq!(due(&case), Some("2026-02-03T14:40:00.000Z".parse().unwrap()));
        let at = |status| due(&CaseRecord { status, ..case.clone() });
        assert_eq!(at(CaseStatus::Running), None);
        assert_eq!(at(CaseStatus::Cancelled), None);
        assert!(at(CaseStatus::Incomplete).is_some());
        let mut again = case.clone();
        again.archive.as_mut().unwrap().done(Made {
            at: case.effective_at,
            run: 1,
            prefix: "p".into(),
            objects: 2,
            bytes: 1,
            manifest: Digest::ZERO,
            until: case.effective_at,
            held: false,
        });
        assert_eq!(due(&again), None);
        again.run = 2;
        assert!(due(&again).is_some(), "what came after is archived as well");
    }
}
