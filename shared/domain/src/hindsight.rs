//! What a system's log shows that could be read only after access had been taken: a log that is rationed, or away, keeps nobody's
//! access open, and what it would have stopped a case for is told to security once it is known.

use crate::{
    approval::ApprovalPolicy,
    case::{CaseRecord, Finding, Happening, SystemRecord},
    fault::Fault,
    id::{ReviewId, Username},
    inventory::Inventory,
    ledger::{EventKind, Outcome},
    policy::Policy,
    ports::Change,
    reviews::{self, About, ReviewKind},
    risk::{self, Activity, RiskFinding},
    time::Timestamp,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// How long after access was taken the log is tried first: its case has come to rest by then.
const FIRST: Duration = Duration::from_secs(180);
/// After this long without an answer a human has to look.
const GIVEN_UP: Duration = Duration::from_secs(3 * 24 * 3_600);

/// When the log of a system is tried first.
pub fn first(now: Timestamp) -> Timestamp {
    now.plus(FIRST)
}

/// When it is tried again: soon at first, later less and less; `None` where it has been tried for long enough.
pub fn again(since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let hour = Duration::from_secs(3_600);
    let wait = if now < since.plus(hour) { hour / 12 } else { hour };
    (now < since.plus(GIVEN_UP)).then(|| now.plus(wait))
}

/// What the log came to.
#[derive(Debug, Clone)]
pub enum Came<'a> {
    /// It was read.
    Read(&'a Activity),
    /// It was given up.
    Unread(&'a Fault),
}

/// What must be known to write down what a log came to.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case.
    pub case: &'a CaseRecord,
    /// As the account was found before anything was taken.
    pub before: &'a Inventory,
    /// Who of those that decide or review is leaving.
    pub gone: &'a BTreeSet<Username>,
    /// What a row says beside the judgement.
    pub facts: Value,
    /// Who read it.
    pub actor: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// Everything that is written once a log was read, or given up, in one commit: the system's record with its row, the case,
/// whose rows are no longer all of them under a checkpoint, and where somebody has to look, what was found and the review.
pub fn tell(around: &Around<'_>, mut record: SystemRecord, came: &Came<'_>) -> Vec<Change> {
    let Around { case, now, .. } = *around;
    let flag_from = around.policy.risk.flag_from;
    let known: BTreeSet<_> = record.risk.iter().flat_map(|risk| &risk.findings).map(|one| one.rule).collect();
    let mut new: Vec<RiskFinding> = Vec::new();
    let (mut facts, mut case) = (around.facts.clone(), case.clone());
    let found = |kind: &str, detail: String| Finding { kind: kind.to_owned(), detail, at: now };
    match came {
        Came::Read(activity) => {
            let risk = risk::assess(around.before, activity, case.effective_at, &around.policy.risk);
            let asked = |one: &&RiskFinding| one.severity >= flag_from && !known.contains(&one.rule);
            new.extend(risk.findings.iter().filter(asked).cloned());
            facts["risk"] = json!(risk);
            record.risk = Some(risk);
        }
        Came::Unread(fault) => {
            facts["fault"] = json!(fault);
            let detail = format!("the log of {} could not be read within three days: {fault}", record.system);
            case.findings.push(found("log_unread", detail));
        }
    }
    let mut changes = Vec::new();
    if !new.is_empty() {
        let detail = format!("{}: {}", record.system, in_words(&new));
        changes.push(review(around, &record, &detail));
        case.findings.push(found("late_risk", detail));
    }
    record.log_due = None;
    record.log.push(Happening {
        kind: EventKind::RiskAssessed,
        at: now,
        actor: around.actor.to_owned(),
        action: "assess".into(),
        outcome: if matches!(came, Came::Read(_)) { Outcome::Success } else { Outcome::Failure },
        risk: record.risk.as_ref().map(|risk| risk.level),
        facts,
    });
    record.version += 1;
    case.checkpoint_size = None;
    case.version += 1;
    changes.extend([Change::System(Box::new(record)), Change::Case(Box::new(case))]);
    changes
}

fn in_words(findings: &[RiskFinding]) -> String {
    let one = |finding: &RiskFinding| {
        let rule = serde_json::to_value(finding.rule).ok();
        let rule = rule.as_ref().and_then(Value::as_str).unwrap_or_default().replace('_', " ");
        format!("{rule} ({})", finding.evidence.join(", "))
    };
    findings.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The review by which security hears of it: one for each system, as each log is read when there is time for it.
fn review(around: &Around<'_>, record: &SystemRecord, reason: &str) -> Change {
    let policy: &ApprovalPolicy = &around.policy.approvals;
    let kind = ReviewKind::LateRisk;
    let about = About {
        kind,
        case: &around.case.case_id,
        person: &around.case.person,
        reason,
        not_by: BTreeSet::new(),
        not_before: None,
    };
    let mut review = reviews::open(policy, about, around.gone, around.actor, around.now);
    review.review_id = ReviewId::of_case(&format!("{} {}", kind.name(), record.system), &around.case.case_id);
    Change::Review(Box::new(review))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        "2026-02-03T14:30:00.000Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_log_is_tried_less_and_less_and_not_for_ever() {
        let wait = |age| again(at(0), at(age)).map(|next| next.since(at(age)).as_secs());
        assert_eq!([60, 7_200, 3 * 86_400].map(wait), [Some(300), Some(3_600), None]);
    }
}
