//! What is shown to people who are asked or told: a plain value, whatever messenger carries it.
//!
//! A message follows from the record alone, without the time, so that the same record always gives the same message and
//! one that stands somewhere is replaced exactly when the record changed. It never holds a secret or a task token.

mod deliver;
mod measure;
mod review;
mod system;
#[cfg(test)]
mod tests;

pub use deliver::{Delivered, deliver, notify, refresh};
pub use measure::of_measure;
pub use review::of_review;
pub use system::of_system;

use crate::{
    approval::{Approval, ApprovalId, ApprovalPolicy, ApprovalStatus, Decision, goes_further},
    deciding::Host,
    digest::Digest,
    id::Username,
    text,
};
use serde::Serialize;

/// Longest title, in characters.
pub const MAX_TITLE: usize = 140;
/// Longest line, in characters.
pub const MAX_LINE: usize = 300;
/// Most lines of a section; further ones are counted.
pub const MAX_LINES: usize = 40;
/// Most facts, and most sections.
pub const MAX_PARTS: usize = 12;

/// One fact: its name and its value, each on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// Lines under a heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// The lines.
    pub lines: Vec<String>,
}

/// The buttons under a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Buttons {
    /// What is decided.
    pub approval: ApprovalId,
    /// What can be decided.
    pub choices: Vec<Decision>,
}

/// A message. Every text in it is one visible line within its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// What it is about.
    pub title: String,
    /// What has to be known first.
    pub facts: Vec<Fact>,
    /// What there is to know beyond that.
    pub sections: Vec<Section>,
    /// What was decided, once it was.
    pub outcome: Option<String>,
    /// The buttons; `None` where nothing is asked.
    pub buttons: Option<Buttons>,
}

impl Message {
    /// One that says nothing more yet, such as a notice.
    pub fn new(title: &str) -> Self {
        Self {
            title: text::line(title, MAX_TITLE),
            facts: Vec::new(),
            sections: Vec::new(),
            outcome: None,
            buttons: None,
        }
    }

    /// With one more fact; empty ones, and those beyond the limit, are left out.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = text::line(value.as_ref(), MAX_LINE);
        if !value.is_empty() && self.facts.len() < MAX_PARTS {
            self.facts.push(Fact { name: text::line(name, MAX_LINE), value });
        }
        self
    }

    /// With one more section; an empty one, and one beyond the limit, is left out.
    #[must_use]
    pub fn section<T: AsRef<str>>(mut self, heading: &str, lines: impl IntoIterator<Item = T>) -> Self {
        let mut lines = lines.into_iter().map(|line| text::line(line.as_ref(), MAX_LINE));
        let mut kept: Vec<String> = lines.by_ref().filter(|line| !line.is_empty()).take(MAX_LINES).collect();
        let more = lines.count();
        if more > 0 {
            kept.push(format!("and {more} more"));
        }
        if !kept.is_empty() && self.sections.len() < MAX_PARTS {
            self.sections.push(Section { heading: text::line(heading, MAX_LINE), lines: kept });
        }
        self
    }

    /// With the facts, decisions and buttons that every approval has.
    fn asking(self, policy: &ApprovalPolicy, id: &ApprovalId, approval: &Approval) -> Self {
        let pending = approval.is_pending();
        let further = goes_further(policy, approval);
        let mut message = self.fact("Takes", takes(approval)).fact("Asked", names(&approval.asked));
        if approval.round > 1 {
            message =
                message.fact("Request", format!("number {}: what is to be done changed", approval.round));
        }
        if pending {
            let next = if further {
                format!("; the next level is asked at {}", approval.due_at)
            } else {
                String::new()
            };
            message = message.fact("Decide until", format!("{}{next}", approval.expires_at));
        }
        let decisions = approval.decisions.iter().map(|decided| {
            let (what, by) = (decided.decision.name(), &decided.by);
            format!("{what} by {by} at {} ({}): {}", decided.at, decided.through, decided.reason)
        });
        message = message.section("Decisions", decisions);
        message.outcome = outcome(approval);
        let mut choices = vec![Decision::Approve, Decision::Deny];
        if further {
            choices.push(Decision::Escalate);
        }
        message.buttons = pending.then(|| Buttons { approval: id.clone(), choices });
        message
    }

    /// What it shows, as one value to compare.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self).unwrap_or(Digest::ZERO)
    }

    /// It in one line, for where only a line is shown.
    pub fn summary(&self) -> String {
        match &self.outcome {
            Some(outcome) => format!("{} \u{2013} {outcome}", self.title),
            None => self.title.clone(),
        }
    }
}

/// The message about an approval, by the record that it lies in; `None` where there is none in it.
pub fn of(policy: &ApprovalPolicy, host: &Host) -> Option<Message> {
    match host {
        Host::System(system, case) => of_system(policy, system, case),
        Host::Measure(measure) => Some(of_measure(policy, measure)),
    }
}

fn names(of: &[Username]) -> String {
    of.iter().map(Username::as_str).collect::<Vec<_>>().join(", ")
}

fn takes(approval: &Approval) -> String {
    let need = &approval.need;
    let only: Vec<Username> = need.only.iter().cloned().collect();
    let who = match (only.is_empty(), need.security) {
        (false, _) => format!("{} and nobody else", names(&only)),
        (true, true) => "somebody of the security team".to_owned(),
        (true, false) if need.manager => "an approver, or their manager".to_owned(),
        (true, false) => "an approver".to_owned(),
    };
    match need.approvers {
        0 | 1 => who,
        more => format!("{more} different people, each {who}; {} approved so far", approval.approvals()),
    }
}

fn outcome(approval: &Approval) -> Option<String> {
    let of = |decision| {
        let by = approval.decisions.iter().filter(|decided| decided.decision == decision);
        by.map(|decided| decided.by.as_str()).collect::<Vec<_>>().join(", ")
    };
    let said = match approval.status {
        ApprovalStatus::Pending => return None,
        ApprovalStatus::Approved => format!("approved by {}", of(Decision::Approve)),
        ApprovalStatus::Denied => format!("denied by {}", of(Decision::Deny)),
        ApprovalStatus::Expired => {
            format!("expired at {}: nobody decided, and nothing was done", approval.expires_at)
        }
    };
    Some(text::line(&said, MAX_LINE))
}

/// The name of a value in JSON, in words.
fn words(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

/// A number and what it counts: `1 session`, `3 sessions`.
fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
