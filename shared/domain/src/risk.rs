//! The rules that decide whether a system may be revoked without a human looking first.

use crate::{
    inventory::{AccountStatus, Inventory},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a recent event in a vendor's log was, in words common to all vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    /// Signed in.
    Login,
    /// Tried to sign in and was refused.
    FailedLogin,
    /// Took data out: download, clone, export, takeout.
    Download,
    /// Made something readable for outsiders.
    ShareExternal,
    /// Made a token, key, app password or application grant.
    CredentialCreated,
    /// Added or changed a second factor.
    FactorChanged,
    /// Set mail to be forwarded or a mailbox to be delegated.
    ForwardingSet,
    /// Got or gave a role or permission.
    PrivilegeChanged,
    /// Anything else that the person did.
    Other,
}

/// One event of a vendor's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityEvent {
    /// The vendor's id, so that the evidence can be looked up.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: ActivityKind,
    /// Country code or name, where the vendor tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// How many objects it was about, where the vendor tells; otherwise 1.
    pub count: u64,
}

/// Recent events of one account, and whether all could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// From when on events were asked for.
    pub since: Timestamp,
    /// The events, in any order.
    pub events: Vec<ActivityEvent>,
    /// Why the log could not be read, or not to its end; `None` where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

impl Activity {
    /// Of a vendor, plan or credential that gives no log.
    pub fn unavailable(since: Timestamp, why: impl Into<String>) -> Self {
        Self { since, events: Vec::new(), incomplete: Some(why.into()) }
    }

    /// What was done from an instant on.
    pub fn used_since(&self, from: Timestamp) -> Used {
        let mut used =
            Used { since: from, events: 0, counts: BTreeMap::new(), last_at: None, incomplete: None };
        for event in self.events.iter().filter(|event| event.at >= from) {
            used.events += 1;
            let count = used.counts.entry(event.kind).or_default();
            *count = count.saturating_add(event.count);
            used.last_at = used.last_at.max(Some(event.at));
        }
        let late = || (self.since > from).then(|| format!("the log was read from {} on", self.since));
        let why = self.incomplete.clone().or_else(late);
        used.incomplete = why.map(|why| why.chars().take(MAX_WHY).collect());
        used
    }
}

/// Longest reason for which a log is not complete, in characters.
const MAX_WHY: usize = 300;

/// What was done with an account from an instant on, as far as the vendor's log tells: no more than how much of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// From when on.
    pub since: Timestamp,
    /// How many events there are.
    pub events: u64,
    /// How many objects they are about, by their kind.
    pub counts: BTreeMap<ActivityKind, u64>,
    /// When the last one was.
    pub last_at: Option<Timestamp>,
    /// Why the log could not be read, or not to its end; `None` where it was.
    pub incomplete: Option<String>,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a line.
    Low,
    /// Worth a look afterwards.
    Medium,
    /// A human decides first.
    High,
    /// A human decides first, and at once.
    Critical,
}

/// The rules, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Nobody else holds an administrative role: revoking locks the company out.
    LastAdmin,
    /// Holds an administrative role.
    PrivilegedRole,
    /// Automation or a service runs on what this person owns.
    LiveAutomation,
    /// Took out much more than usual.
    BulkDownload,
    /// Shared with outsiders.
    ExternalShare,
    /// Made a credential within the window.
    NewCredential,
    /// Signed in from a country not seen before within the window.
    NewCountry,
    /// Set mail to be forwarded within the window.
    NewForwarding,
    /// Was active after the instant at which the entitlement ended.
    ActivityAfterTermination,
    /// The vendor's log could not be read, or not to its end.
    LogUnavailable,
}

/// One rule that fired, with what made it fire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskFinding {
    /// Which rule.
    pub rule: Rule,
    /// How much it weighs.
    pub severity: Severity,
    /// What made it fire: names and the vendor's event ids.
    pub evidence: Vec<String>,
}

/// The overall judgement of one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// Nothing fired above `low`.
    Clean,
    /// Something to look at afterwards.
    Notable,
    /// A human decides before anything is written.
    Flagged,
}

/// What the risk rules say of one account before it is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskSummary {
    /// The overall judgement.
    pub level: RiskLevel,
    /// What fired, heaviest first.
    pub findings: Vec<RiskFinding>,
    /// How many events of the window were looked at.
    pub events: usize,
    /// When the person last signed in, as the vendor reports it or its log shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
}

/// Settings of the rules, from policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskSettings {
    /// How far back activity is read, in days.
    pub window_days: u16,
    /// This many objects taken out within 24 hours are a bulk download.
    pub bulk_download: u64,
    /// This many external shares within the window are a finding.
    pub external_shares: u64,
    /// From this severity on a human decides first.
    pub flag_from: Severity,
}

impl RiskSettings {
    /// How far back activity is read.
    pub fn window(&self) -> Duration {
        Duration::from_secs(u64::from(self.window_days) * 86_400)
    }
}

/// Judges one account from what was found and what it did lately. `ended` is the instant at which the entitlement ended.
pub fn assess(
    found: &Inventory,
    activity: &Activity,
    ended: Timestamp,
    settings: &RiskSettings,
) -> RiskSummary {
    let mut findings = Vec::new();
    from_inventory(found, &mut findings);
    from_activity(activity, ended, settings, &mut findings);
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.rule.cmp(&b.rule)));
    let heaviest = findings.first().map(|finding| finding.severity);
    let level = match heaviest {
        Some(severity) if severity >= settings.flag_from => RiskLevel::Flagged,
        Some(severity) if severity > Severity::Low => RiskLevel::Notable,
        _ => RiskLevel::Clean,
    };
    let login = activity.events.iter().filter(|event| event.kind == ActivityKind::Login);
    let told = found.account.as_ref().and_then(|account| account.last_login);
    let last_login = login.map(|event| event.at).chain(told).max();
    RiskSummary { level, findings, events: activity.events.len(), last_login }
}

/// Most pieces of evidence that one finding names.
const MAX_EVIDENCE: usize = 10;

fn finding(rule: Rule, severity: Severity, evidence: impl IntoIterator<Item = String>) -> RiskFinding {
    let mut evidence: Vec<String> = evidence.into_iter().collect();
    if evidence.len() > MAX_EVIDENCE {
        let more = evidence.len() - MAX_EVIDENCE;
        evidence.truncate(MAX_EVIDENCE);
        evidence.push(format!("and {more} more"));
    }
    RiskFinding { rule, severity, evidence }
}

fn from_inventory(found: &Inventory, to: &mut Vec<RiskFinding>) {
    let Some(account) = &found.account else { return };
    let sole: Vec<String> = found
        .grants
        .iter()
        .filter(|grant| grant.privileged && grant.sole_holder)
        .map(|grant| grant.name.clone())
        .collect();
    if !sole.is_empty() && account.status == AccountStatus::Active {
        to.push(finding(Rule::LastAdmin, Severity::Critical, sole));
    }
    let mut roles: Vec<String> =
        found.grants.iter().filter(|grant| grant.privileged).map(|grant| grant.name.clone()).collect();
    if account.privileged && roles.is_empty() {
        roles.push(format!("{} is an administrator", account.login));
    }
    if !roles.is_empty() {
        to.push(finding(Rule::PrivilegedRole, Severity::Medium, roles));
    }
    let live: Vec<String> = found
        .assets
        .iter()
        .filter(|asset| asset.live_automation)
        .map(|asset| format!("{} {}", asset.kind, asset.name))
        .collect();
    if !live.is_empty() {
        to.push(finding(Rule::LiveAutomation, Severity::High, live));
    }
}

fn from_activity(activity: &Activity, ended: Timestamp, settings: &RiskSettings, to: &mut Vec<RiskFinding>) {
    if let Some(why) = &activity.incomplete {
        to.push(finding(Rule::LogUnavailable, Severity::Low, [why.clone()]));
    }
    let of = |kind: ActivityKind| activity.events.iter().filter(move |event| event.kind == kind);
    let ids = |events: &mut dyn Iterator<Item = &ActivityEvent>| -> Vec<String> {
        events.map(|event| event.id.clone()).collect()
    };
    if let Some(burst) = busiest_day(activity, settings.bulk_download) {
        to.push(finding(Rule::BulkDownload, Severity::High, burst));
    }
    let shares: u64 = of(ActivityKind::ShareExternal).map(|event| event.count).sum();
    if shares >= settings.external_shares && shares > 0 {
        to.push(finding(Rule::ExternalShare, Severity::High, ids(&mut of(ActivityKind::ShareExternal))));
    }
    let rules = [
        (ActivityKind::CredentialCreated, Rule::NewCredential, Severity::Medium),
        (ActivityKind::ForwardingSet, Rule::NewForwarding, Severity::High),
    ];
    for (kind, rule, severity) in rules {
        let evidence = ids(&mut of(kind));
        if !evidence.is_empty() {
            to.push(finding(rule, severity, evidence));
        }
    }
    if let Some(evidence) = new_country(activity) {
        to.push(finding(Rule::NewCountry, Severity::Medium, [evidence]));
    }
    let late: Vec<&ActivityEvent> = activity
        .events
        .iter()
        .filter(|event| event.at > ended && event.kind != ActivityKind::FailedLogin)
        .collect();
    // Working on is what an account does until it is disabled, and how much was taken out has its own rule. Making a
    // way back in, or a way out for data, after the end is another matter.
    let lasting = |event: &&ActivityEvent| {
        use ActivityKind::{CredentialCreated, ForwardingSet, PrivilegeChanged, ShareExternal};
        matches!(event.kind, CredentialCreated | ForwardingSet | PrivilegeChanged | ShareExternal)
    };
    let severity = if late.iter().any(lasting) { Severity::High } else { Severity::Medium };
    if !late.is_empty() {
        to.push(finding(Rule::ActivityAfterTermination, severity, ids(&mut late.into_iter())));
    }
}

/// The events of the 24 hours in which the most was taken out, where that reaches the threshold.
fn busiest_day(activity: &Activity, threshold: u64) -> Option<Vec<String>> {
    let mut downloads: Vec<&ActivityEvent> =
        activity.events.iter().filter(|event| event.kind == ActivityKind::Download).collect();
    downloads.sort_by_key(|event| event.at);
    let mut start = 0;
    let mut sum = 0_u64;
    for end in 0..downloads.len() {
        sum = sum.saturating_add(downloads[end].count);
        while downloads[end].at.since(downloads[start].at) > Duration::from_secs(86_400) {
            sum = sum.saturating_sub(downloads[start].count);
            start += 1;
        }
        if sum >= threshold {
            return Some(downloads[start..=end].iter().map(|event| event.id.clone()).collect());
        }
    }
    None
}

/// The newest login's country, where no earlier login of the window came from there.
fn new_country(activity: &Activity) -> Option<String> {
    let mut logins: Vec<(&Timestamp, &String, &String)> = activity
        .events
        .iter()
        .filter(|event| event.kind == ActivityKind::Login)
        .filter_map(|event| event.country.as_ref().map(|country| (&event.at, country, &event.id)))
        .collect();
    logins.sort();
    let (_, country, id) = logins.pop()?;
    let before: BTreeSet<&String> = logins.iter().map(|(_, country, _)| *country).collect();
    (!before.is_empty() && !before.contains(country)).then(|| format!("{country} ({id})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Account, Asset, Grant, GrantKind, Next, Sessions};

    fn settings() -> RiskSettings {
        RiskSettings { window_days: 30, bulk_download: 100, external_shares: 5, flag_from: Severity::High }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + hours * 3_600_000).unwrap()
    }

    fn event(id: &str, hours: i64, kind: ActivityKind, count: u64) -> ActivityEvent {
        ActivityEvent { id: id.into(), at: at(hours), kind, country: None, count }
    }

    fn found() -> Inventory {
        let account = Account {
            id: "u1".into(),
            login: "john".into(),
            status: AccountStatus::Active,
            matched_by: "email".into(),
            privileged: false,
            last_login: None,
            facts: Default::default(),
        };
        Inventory::of(account, Sessions::Unreadable)
    }

    fn rules(found: &Inventory, events: Vec<ActivityEvent>) -> (RiskLevel, Vec<Rule>) {
        let activity = Activity { since: at(-720), events, incomplete: None };
        let summary = assess(found, &activity, at(0), &settings());
        (summary.level, summary.findings.iter().map(|finding| finding.rule).collect())
    }

    #[test]
    fn nothing_unusual_is_clean() {
        assert_eq!(rules(&found(), vec![event("e", -5, ActivityKind::Login, 1)]), (RiskLevel::Clean, vec![]));
    }

    #[test]
    fn the_last_admin_waits_for_a_human_and_one_of_many_does_not() {
        let mut one = found();
        one.grants.push(Grant {
            id: "r".into(),
            kind: GrantKind::Role,
            name: "Owner".into(),
            privileged: true,
            fixed: None,
            sole_holder: false,
        });
        assert_eq!(rules(&one, vec![]), (RiskLevel::Notable, vec![Rule::PrivilegedRole]));
        one.grants[0].sole_holder = true;
        assert_eq!(rules(&one, vec![]), (RiskLevel::Flagged, vec![Rule::LastAdmin, Rule::PrivilegedRole]));
    }

    #[test]
    fn live_automation_waits_for_a_human() {
        let mut one = found();
        one.assets.push(Asset {
            id: "d".into(),
            kind: "deploy_key".into(),
            name: "prod".into(),
            live_automation: true,
            next: Next::Task,
        });
        assert_eq!(rules(&one, vec![]), (RiskLevel::Flagged, vec![Rule::LiveAutomation]));
    }

    #[test]
    fn downloads_count_within_one_day_only() {
        let spread = (0..20).map(|day| event("d", -24 * 25 + day * 25, ActivityKind::Download, 60)).collect();
        assert_eq!(rules(&found(), spread), (RiskLevel::Clean, vec![]));
        let burst = (0..2).map(|hour| event("d", -3 + hour, ActivityKind::Download, 60)).collect();
        assert_eq!(rules(&found(), burst), (RiskLevel::Flagged, vec![Rule::BulkDownload]));
    }

    #[test]
    fn late_activity_weighs_by_what_it_was() {
        let login = rules(&found(), vec![event("e", 1, ActivityKind::Login, 1)]);
        assert_eq!(login, (RiskLevel::Notable, vec![Rule::ActivityAfterTermination]));
        let share = rules(&found(), vec![event("e", 1, ActivityKind::ShareExternal, 1)]);
        assert_eq!(share, (RiskLevel::Flagged, vec![Rule::ActivityAfterTermination]));
        let refused = rules(&found(), vec![event("e", 1, ActivityKind::FailedLogin, 1)]);
        assert_eq!(refused, (RiskLevel::Clean, vec![]));
    }

    #[test]
    fn a_new_country_needs_an_old_one() {
        let login = |hours, country: &str| ActivityEvent {
            country: Some(country.into()),
            ..event("e", hours, ActivityKind::Login, 1)
        };
        assert_eq!(rules(&found(), vec![login(-5, "DE")]).1, vec![]);
        assert_eq!(rules(&found(), vec![login(-5, "DE"), login(-2, "VN")]).1, vec![Rule::NewCountry]);
        assert_eq!(rules(&found(), vec![login(-5, "DE"), login(-2, "DE")]).1, vec![]);
    }

    #[test]
    fn what_was_done_since_is_counted_and_says_whether_that_is_all() {
        let events = vec![
            event("before", -3, ActivityKind::Download, 9),
            event("a", -2, ActivityKind::Download, 40),
            event("b", -1, ActivityKind::Download, 2),
            event("c", -2, ActivityKind::Login, 1),
        ];
        let whole = Activity { since: at(-720), events, incomplete: None };
        let used = whole.used_since(at(-2));
        assert_eq!((used.events, used.last_at, used.incomplete.as_deref()), (3, Some(at(-1)), None));
        let counts = serde_json::json!({"login": 1, "download": 42});
        assert_eq!(serde_json::to_value(&used).unwrap()["counts"], counts);
        let short = Activity { since: at(-1), ..whole.clone() }.used_since(at(-2));
        assert!(short.incomplete.unwrap().contains("read from"), "what lies before was not asked for");
        let long = Activity::unavailable(at(-720), "é".repeat(5_000)).used_since(at(-2));
        assert_eq!((long.events, long.incomplete.unwrap().chars().count()), (0, MAX_WHY));
        let nothing = whole.used_since(at(1));
        assert_eq!((nothing.events, nothing.last_at), (0, None));
        let endless = event("x", 2, ActivityKind::Other, u64::MAX);
        let endless = Activity { events: vec![endless.clone(), endless], ..whole }.used_since(at(1));
        assert_eq!(endless.counts[&ActivityKind::Other], u64::MAX);
    }

    #[test]
    fn a_log_that_cannot_be_read_says_so() {
        let summary =
            assess(&found(), &Activity::unavailable(at(-720), "needs Enterprise"), at(0), &settings());
        assert_eq!(summary.findings[0].rule, Rule::LogUnavailable);
        assert_eq!(summary.level, RiskLevel::Clean);
    }
}
