//! The message about a flagged system: why it is flagged, what would be done, and what each answer leads to.

use super::{Message, count, words};
use crate::{
    approval::ApprovalPolicy,
    case::{CaseRecord, Mode, SystemRecord},
    inventory::{AccountStatus, State},
    plan::{Action, ActionKind, Evidence},
    risk::{RiskFinding, Rule},
};

/// The message about the approval of a system; `None` where there is none.
pub fn of_system(policy: &ApprovalPolicy, system: &SystemRecord, case: &CaseRecord) -> Option<Message> {
    let approval = system.approval.as_ref()?;
    let gives = case.mode == Mode::Reactivate;
    let (person, of) = (&system.person, &system.system);
    let title = match gives {
        true => format!("Give access to {of} back to {}?", person.username),
        false => format!("Take away the access of {} to {of}?", person.username),
    };
    let mut message = Message::new(&title)
        .fact("Person", format!("{} ({})", person.username, person.employee_id))
        .fact("System", of.as_str())
        .fact("Case", case.case_id.as_str())
        .fact("Why", &case.reason)
        .fact("Asked for by", &approval.requested_by);
    if let Some(risk) = &system.risk {
        let heading = format!("Why it waits: {}", words(&risk.level));
        message = message.section(&heading, risk.findings.iter().flat_map(evidence));
    }
    let before = system.before.as_ref();
    let heading = format!("What would be done: {}", count(system.plan.0.len(), "action"));
    message = message.section(&heading, system.plan.0.iter().map(|action| step(action, before)));
    if approval.is_pending() {
        message = message
            .section("While it waits", waiting(system, gives))
            .section("If it is denied", denied(system, gives));
    }
    Some(message.asking(policy, &system.approval_id(approval), approval))
}

/// A finding, then each piece of what made its rule fire.
fn evidence(finding: &RiskFinding) -> Vec<String> {
    let head = format!("{} ({}): {}", words(&finding.rule), words(&finding.severity), meaning(finding.rule));
    let pieces = finding.evidence.iter().map(|piece| format!("- {piece}"));
    [head].into_iter().chain(pieces).collect()
}

fn meaning(rule: Rule) -> &'static str {
    match rule {
        Rule::LastAdmin => "nobody else administers it; taking this away locks the company out",
        Rule::PrivilegedRole => "holds an administrative role",
        Rule::LiveAutomation => "something that runs by itself depends on this person",
        Rule::BulkDownload => "took out much more than usual",
        Rule::ExternalShare => "shared with outsiders",
        Rule::NewCredential => "made a new credential lately",
        Rule::NewCountry => "signed in from a country not seen before",
        Rule::NewForwarding => "set mail to be forwarded lately",
        Rule::ActivityAfterTermination => "was active after the entitlement ended",
        Rule::LogUnavailable => "the system's log could not be read to its end",
    }
}

/// One action: what it is done to, and how that stands before and after it.
fn step(action: &Action, before: Option<&State>) -> String {
    let sessions = || match before.and_then(|state| state.sessions) {
        Some(sessions) => format!("{sessions} open"),
        None => "open".to_owned(),
    };
    let account = || match before.and_then(|state| state.account_status) {
        Some(status) => words(&status),
        None => words(&AccountStatus::Active),
    };
    let (from, to) = match action.kind {
        ActionKind::DisableAccount => (account(), "cannot log in"),
        ActionKind::EndSessions => (sessions(), "ended"),
        ActionKind::RevokeToken => ("valid".to_owned(), "void"),
        ActionKind::DisableApiKey => ("usable".to_owned(), "void"),
        ActionKind::RemoveFactor => ("registered".to_owned(), "removed"),
        ActionKind::RemoveGroup => ("held".to_owned(), "taken away"),
        ActionKind::RemoveDelegation => ("forwarded".to_owned(), "stopped"),
        ActionKind::RemoveLicence => ("seat taken".to_owned(), "given back"),
        ActionKind::RecordEnd => ("running".to_owned(), "ended"),
        ActionKind::OpenTicket => ("not asked for".to_owned(), "asked for"),
        ActionKind::EnableAccount => (account(), "can log in"),
        ActionKind::AddGrant => ("not held".to_owned(), "held"),
        ActionKind::EnableApiKey => ("void".to_owned(), "usable"),
        ActionKind::TransferOwnership => ("owned".to_owned(), "given to somebody else"),
    };
    let mut marks = String::new();
    if !action.reversible {
        marks.push_str("; cannot be undone");
    }
    if action.evidence == Evidence::Receipt {
        marks.push_str("; only the vendor's answer shows it");
    }
    format!("{} {}: {from} \u{2192} {to}{marks}", words(&action.kind), action.label)
}

/// What stays open for as long as nobody decides.
fn waiting(system: &SystemRecord, gives: bool) -> Vec<String> {
    let user = &system.person.username;
    if gives {
        return vec![format!("{user} goes on without this access")];
    }
    let Some(before) = &system.before else {
        return vec![format!("{user} keeps the access that they have now")];
    };
    let mut open = Vec::new();
    open.push(match before.account_status {
        Some(AccountStatus::Active) => "the account is active: it can log in".to_owned(),
        Some(status) => format!("the account is {}", words(&status)),
        None => "there is no account".to_owned(),
    });
    open.push(match before.sessions {
        Some(sessions) => format!("{} stay open", count(sessions, "session")),
        None => "sessions, if there are any, stay open: this system cannot say how many".to_owned(),
    });
    open.push(format!("{} go on working", count(before.credentials.len(), "credential")));
    let grants = before.roles.len() + before.groups.len() + before.permissions.len();
    open.push(format!("{} stay", count(grants, "permission")));
    open.push("the other systems of the case do not wait for this one".to_owned());
    open
}

fn denied(system: &SystemRecord, gives: bool) -> Vec<String> {
    let of = &system.system;
    if gives {
        return vec![format!("nothing is written in {of}: the access stays away, and its owner gets a task")];
    }
    vec![
        format!("nothing is written in {of}: the access stays as it is"),
        "its owner gets a task, and the case stays open until that is closed".to_owned(),
    ]
}
