//! Who is asked, in which order, and how long an answer is waited for.

use crate::{
    id::Username,
    risk::{RiskLevel, RiskSummary, Rule, Severity},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most levels of escalation.
const MAX_LEVELS: usize = 8;

fn a_day() -> u32 {
    86_400
}

/// Whom a level asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Everybody in `approvers`.
    Approvers,
    /// Everybody in `security_team`.
    SecurityTeam,
    /// Whoever the person reports to.
    Manager,
    /// One person by name.
    Person(Username),
}

/// From which finding on a decision takes more than one approver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stricter {
    /// From this severity on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Severity>,
    /// Whenever one of these rules fired.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<Rule>,
}

impl Stricter {
    /// Whether what was found asks for it.
    pub fn applies(&self, risk: &RiskSummary) -> bool {
        risk.findings.iter().any(|finding| {
            self.rules.contains(&finding.rule) || self.from.is_some_and(|from| finding.severity >= from)
        })
    }
}

/// The settings of approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPolicy {
    /// After this long without a decision the next level is asked, in seconds.
    pub sla_seconds: u32,
    /// After this long nobody can decide any more, in seconds. Silence is never consent.
    pub expires_seconds: u32,
    /// Within this long somebody else has looked at an emergency afterwards, in seconds.
    #[serde(default = "a_day")]
    pub review_seconds: u32,
    /// Who may decide where nothing more is asked for.
    pub approvers: BTreeSet<Username>,
    /// Who may decide everything, and is told of every emergency.
    pub security_team: BTreeSet<Username>,
    /// Who stands in for whom: the key's rights, held by the value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delegates: BTreeMap<Username, Username>,
    /// Whom a request goes to, one level after the other.
    pub levels: Vec<Asked>,
    /// When only security may decide.
    #[serde(default)]
    pub security_decides: Stricter,
    /// When two have to approve.
    #[serde(default)]
    pub two_approvers: Stricter,
    /// The Slack channel where requests are shown beside the message to each approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_channel: Option<String>,
}

impl ApprovalPolicy {
    /// What makes no sense, if anything.
    ///
    /// # Errors
    /// The place and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |place, why: &str| Err((place, why.to_owned()));
        if !(5..=604_800).contains(&self.sla_seconds) {
            return wrong("approvals.sla_seconds", "must be between 5 seconds and a week");
        }
        if !(self.sla_seconds..=2_592_000).contains(&self.expires_seconds) {
            return wrong("approvals.expires_seconds", "must be at least sla_seconds and at most 30 days");
        }
        if !(60..=2_592_000).contains(&self.review_seconds) {
            return wrong("approvals.review_seconds", "must be between a minute and 30 days");
        }
        if self.approvers.is_empty() {
            return wrong("approvals.approvers", "there is none: nobody could decide");
        }
        if self.security_team.len() < 2 {
            return wrong("approvals.security_team", "must be at least two: nobody decides about themselves");
        }
        if self.levels.is_empty() || self.levels.len() > MAX_LEVELS {
            return wrong("approvals.levels", "must be 1 to 8");
        }
        if self.delegates.iter().any(|(of, to)| of == to) {
            return wrong("approvals.delegates", "somebody stands in for themselves");
        }
        Ok(())
    }

    /// What a decision about this takes.
    pub fn need(&self, risk: &RiskSummary) -> Need {
        debug_assert_eq!(risk.level, RiskLevel::Flagged);
        Need {
            approvers: if self.two_approvers.applies(risk) { 2 } else { 1 },
            security: self.security_decides.applies(risk),
            only: BTreeSet::new(),
            manager: false,
        }
    }
}

/// What a decision takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// How many have to approve.
    pub approvers: u8,
    /// Whether only security may decide.
    pub security: bool,
    /// Who alone may decide, where somebody was named; empty for anybody entitled.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub only: BTreeSet<Username>,
    /// Whether the manager of whom it is about decides, whatever policy's lists say of them: alone where `only` names them, and
    /// otherwise as well as whoever is entitled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manager: bool,
}

impl Need {
    /// Whether whoever fulfilled the other has fulfilled this one as well.
    pub fn is_within(&self, other: &Self) -> bool {
        self.approvers <= other.approvers && (!self.security || other.security)
    }

    /// One approver.
    pub fn one() -> Self {
        Self { approvers: 1, security: false, only: BTreeSet::new(), manager: false }
    }

    /// The manager of whom it is about, and nobody else.
    pub fn manager(manager: Username) -> Self {
        Self { only: [manager].into(), manager: true, ..Self::one() }
    }

    /// One of the security team.
    pub fn security() -> Self {
        Self { security: true, ..Self::one() }
    }
}
