//! What messages say, and that they hold their limits.

use super::*;
use crate::{
    approval::{ApprovalStatus, Asked, Decided, Need},
    case::{CaseRecord, CaseStatus, Mode, Subject, SystemRecord, Trigger},
    effective::Dates,
    inventory::{AccountStatus, State},
    measure::{ExceptionKind, Measure, MeasureStatus, Permission, What},
    plan::{Action, ActionKind, Plan},
    risk::{RiskFinding, RiskLevel, RiskSummary, Rule, Severity},
    time::Timestamp,
};
use proptest::prelude::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_770_129_000_000 + minutes * 60_000).unwrap()
}

fn policy() -> ApprovalPolicy {
    let document: serde_json::Value =
        serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    crate::policy::Policy::parse(document, "prod").unwrap().approvals
}

/// The same with somebody in the security team who is no approver, so that the second level asks somebody new.
fn taller() -> ApprovalPolicy {
    let mut policy = policy();
    policy.security_team.insert("quinn.sec".parse().unwrap());
    policy
}

fn approval() -> Approval {
    Approval {
        round: 1,
        requested_by: "hris".into(),
        subject: Some("riley.owner".parse().unwrap()),
        covers: Digest::ZERO,
        need: Need::one(),
        requested_at: at(0),
        level: 0,
        asked: vec!["sam.admin".parse().unwrap(), "taylor.admin".parse().unwrap()],
        due_at: at(60),
        expires_at: at(1_440),
        status: ApprovalStatus::Pending,
        decisions: Vec::new(),
        task_token: Some(crate::secret::Secret::new("TASK-TOKEN")),
        shown: Vec::new(),
    }
}

fn subject() -> Subject {
    Subject { username: "riley.owner".parse().unwrap(), employee_id: "EMP-10002".parse().unwrap() }
}

fn case() -> CaseRecord {
    CaseRecord {
        case_id: "case-1".parse().unwrap(),
        mode: Mode::Leave,
        status: CaseStatus::AwaitingApproval,
        person: subject(),
        reason: "Resignation".into(),
        trigger: Trigger {
            source: "hris".into(),
            event_id: "e".parse().unwrap(),
            by: "hris".into(),
            kind: "user_terminated".into(),
            at: at(0),
            received_at: at(0),
            body: Digest::ZERO,
        },
        policy_digest: Digest::ZERO,
        created_at: at(0),
        dates: Dates::default(),
        effective_at: at(0),
        closed_at: None,
        checkpoint_size: None,
        dry_run: false,
        emergency: false,
        preserve_data: false,
        archive: None,
        grants: None,
        permissions: [].into(),
        person_was: None,
        moves: None,
        by_role: false,
        restores: None,
        measure: None,
        run: 1,
        watch: None,
        systems: vec![],
        findings: vec![],
        log: vec![],
        version: 1,
    }
}

fn system() -> SystemRecord {
    let finding = |rule, severity, evidence: &[&str]| RiskFinding {
        rule,
        severity,
        evidence: evidence.iter().map(|one| (*one).to_owned()).collect(),
    };
    SystemRecord {
        risk: Some(RiskSummary {
            level: RiskLevel::Flagged,
            findings: vec![
                finding(Rule::LastAdmin, Severity::Critical, &["owner of acme"]),
                finding(Rule::BulkDownload, Severity::High, &["audit-1", "audit-2"]),
            ],
            events: 300,
            last_login: None,
        }),
        plan: Plan(vec![
            Action::contain(ActionKind::DisableAccount, "1", "riley"),
            Action::contain(ActionKind::EndSessions, "1", "riley").by_receipt(),
            Action::clean_up(ActionKind::RemoveGroup, "t1", "Deployers").irreversible(),
        ]),
        before: Some(State {
            account_status: Some(AccountStatus::Active),
            roles: vec!["owner".into()],
            groups: vec!["Deployers".into()],
            permissions: vec![],
            credentials: vec!["laptop key".into()],
            sessions: Some(3),
            digest: Digest::ZERO,
        }),
        approval: Some(approval()),
        ..SystemRecord::queued(&case(), "github".parse().unwrap())
    }
}

fn lines<'a>(message: &'a Message, heading: &str) -> Vec<&'a str> {
    let section = message.sections.iter().find(|section| section.heading.starts_with(heading));
    section.map(|section| section.lines.iter().map(String::as_str).collect()).unwrap_or_default()
}

fn fact<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
}

#[test]
fn whoever_decides_sees_why_what_and_what_each_answer_leads_to() {
    let message = of_system(&taller(), &system(), &case()).unwrap();
    assert_eq!(message.title, "Take away the access of riley.owner to github?");
    let why = lines(&message, "Why it waits: flagged");
    assert_eq!(why.len(), 5);
    assert!(why[0].starts_with("last admin (critical): nobody else administers it"));
    assert_eq!(&why[1..2], ["- owner of acme"]);
    assert_eq!(&why[3..], ["- audit-1", "- audit-2"]);
    assert_eq!(
        lines(&message, "What would be done: 3 actions"),
        [
            "disable account riley: active \u{2192} cannot log in",
            "end sessions riley: 3 open \u{2192} ended; only the vendor's answer shows it",
            "remove group Deployers: held \u{2192} taken away; cannot be undone",
        ]
    );
    let waiting = lines(&message, "While it waits").join("\n");
    for part in ["the account is active", "3 sessions stay open", "1 credential go on", "2 permissions"] {
        assert!(waiting.contains(part), "{part} in {waiting}");
    }
    assert!(lines(&message, "If it is denied").join("\n").contains("its owner gets a task"));
    assert_eq!(fact(&message, "Person"), Some("riley.owner (EMP-10002)"));
    assert_eq!(fact(&message, "Asked"), Some("sam.admin, taylor.admin"));
    let until = fact(&message, "Decide until").unwrap();
    assert!(until.starts_with(&at(1_440).to_string()) && until.contains(&at(60).to_string()), "{until}");
    let buttons = message.buttons.unwrap();
    assert_eq!(buttons.approval.to_string(), "case-1~github~1");
    assert_eq!(buttons.choices, [Decision::Approve, Decision::Deny, Decision::Escalate]);
}

#[test]
fn what_is_decided_has_no_buttons_and_says_by_whom() {
    let mut decided = system();
    let approval = decided.approval.as_mut().unwrap();
    approval.status = ApprovalStatus::Denied;
    approval.decisions.push(Decided {
        by: "sam.admin".parse().unwrap(),
        decision: Decision::Deny,
        reason: "still investigating".into(),
        at: at(5),
        through: "slack".into(),
    });
    let message = of_system(&policy(), &decided, &case()).unwrap();
    assert_eq!(message.outcome.as_deref(), Some("denied by sam.admin"));
    assert_eq!(message.buttons, None);
    assert!(lines(&message, "Decisions")[0].ends_with("(slack): still investigating"));
    assert!(lines(&message, "While it waits").is_empty());
    assert_ne!(message.digest(), of_system(&policy(), &system(), &case()).unwrap().digest());
    decided.approval.as_mut().unwrap().status = ApprovalStatus::Expired;
    let expired = of_system(&policy(), &decided, &case()).unwrap();
    assert!(expired.outcome.unwrap().contains("nobody decided, and nothing was done"));
}

#[test]
fn the_last_level_and_named_approvers_cannot_escalate() {
    let choices = |change: fn(&mut Approval)| {
        let mut system = system();
        change(system.approval.as_mut().unwrap());
        of_system(&taller(), &system, &case()).unwrap().buttons.unwrap().choices
    };
    let two = [Decision::Approve, Decision::Deny];
    assert_eq!(choices(|_| ()).len(), 3);
    assert_eq!(choices(|approval| approval.level = policy().levels.len() - 1), two);
    assert_eq!(choices(|approval| approval.asked.push("quinn.sec".parse().unwrap())), two);
    assert_eq!(choices(|approval| approval.requested_by = "quinn.sec".into()), two);
    assert_eq!(choices(|approval| approval.need.only = ["sam.admin".parse().unwrap()].into()), two);
}

/// In the shipped policy the second level is the first one once more.
#[test]
fn a_level_that_asks_nobody_new_is_not_announced() {
    let message = of_system(&policy(), &system(), &case()).unwrap();
    assert_eq!(message.buttons.as_ref().unwrap().choices, [Decision::Approve, Decision::Deny]);
    assert_eq!(fact(&message, "Decide until"), Some(at(1_440).to_string().as_str()));
    let of = |asked| {
        let policy = ApprovalPolicy { levels: vec![Asked::Approvers, asked], ..policy() };
        of_system(&policy, &system(), &case()).unwrap().buttons.unwrap().choices.len()
    };
    assert_eq!(of(Asked::Manager), 3);
    assert_eq!(of(Asked::Person("jane.smith".parse().unwrap())), 3);
    assert_eq!(of(Asked::Person("sam.admin".parse().unwrap())), 2);
    assert_eq!(of(Asked::Person("riley.owner".parse().unwrap())), 2, "the subject");
}

#[test]
fn no_message_holds_the_task_token_or_changes_with_what_is_shown() {
    let mut shown = system();
    let before = of_system(&policy(), &shown, &case()).unwrap();
    assert!(!serde_json::to_string(&before).unwrap().contains("TASK-TOKEN"));
    let approval = shown.approval.as_mut().unwrap();
    approval.task_token = None;
    approval.shown.push(crate::approval::Shown {
        to: None,
        channel: "C".into(),
        ts: "1".into(),
        content: Digest::ZERO,
    });
    shown.version += 1;
    assert_eq!(of_system(&policy(), &shown, &case()).unwrap().digest(), before.digest());
    assert_eq!(of_system(&policy(), &SystemRecord { approval: None, ..shown }, &case()), None);
}

fn measure(what: What) -> Measure {
    Measure {
        measure_id: "measure-1".parse().unwrap(),
        what,
        person: Some(subject()),
        requested_by: "jane.smith".into(),
        reason: "to hand over".into(),
        requested_at: at(0),
        until: Some(at(600)),
        status: MeasureStatus::Requested,
        approval: approval(),
        look_at: None,
        archive_hold: None,
        cases: vec![],
        log: vec![],
        version: 1,
    }
}

#[test]
fn every_kind_of_measure_says_what_it_does_and_what_a_denial_means() {
    let case: crate::id::CaseId = "case-9".parse().unwrap();
    let permission = Permission { system: "github".parse().unwrap(), grant: "Deployers".into() };
    let kinds = [
        What::Exception { what: ExceptionKind::MailForwarding, renews: Some("measure-0".parse().unwrap()) },
        What::Grant { permissions: [permission].into() },
        What::BreakGlass { case: case.clone() },
        What::Restore { case },
        What::Extension { until: "2026-06-30".parse().unwrap() },
        What::HoldRelease,
        What::Release { held_for: "mass_action".into() },
    ];
    for what in kinds {
        let mut measure = measure(what.clone());
        let message = of_measure(&policy(), &measure);
        assert!(message.title.ends_with('?'), "{}", message.title);
        for heading in ["What would be done", "While it waits", "If it is denied"] {
            assert!(!lines(&message, heading).is_empty(), "{heading} of {what:?}");
        }
        assert!(lines(&message, "What would be done")[0].contains('\u{2192}'));
        assert_eq!(fact(&message, "Why"), Some("to hand over"));
        assert_eq!(message.buttons.as_ref().unwrap().approval.to_string(), "measure-1");
        measure.approval.status = ApprovalStatus::Approved;
        assert_eq!(of_measure(&policy(), &measure).buttons, None);
    }
    let message = of_measure(&policy(), &measure(What::Grant { permissions: Default::default() }));
    assert!(message.title.contains("0 permissions"));
}

#[test]
fn a_notice_is_a_message_without_buttons() {
    let notice = Message::new("EMERGENCY: nobody was asked").fact("Case", "case-1").section("What", ["x"]);
    assert_eq!(
        (notice.buttons.is_none(), notice.summary()),
        (true, "EMERGENCY: nobody was asked".to_owned())
    );
}

proptest! {
    #[test]
    fn every_text_is_one_visible_line_within_its_limit(
        text in "\\PC{0,400}|[\\x00-\\x1f\u{202a}-\u{202e}a]{0,400}",
        many in 0_usize..200,
    ) {
        let mut system = system();
        system.plan = Plan((0..many).map(|n| Action::contain(ActionKind::RevokeToken, n.to_string(), text.clone())).collect());
        system.risk.as_mut().unwrap().findings[0].evidence = vec![text.clone(); many];
        let case = CaseRecord { reason: text.clone(), ..case() };
        let message = of_system(&policy(), &system, &case).unwrap();
        prop_assert!(message.facts.len() <= MAX_PARTS && message.sections.len() <= MAX_PARTS);
        let facts = message.facts.iter().flat_map(|fact| [&fact.name, &fact.value]);
        let sections = message.sections.iter().flat_map(|of| of.lines.iter().chain([&of.heading]));
        for line in facts.chain(sections).chain([&message.title]) {
            prop_assert!(line.chars().count() <= MAX_LINE);
            let hides = line.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
            prop_assert!(!hides);
        }
        for section in &message.sections {
            prop_assert!(section.lines.len() <= MAX_LINES + 1);
        }
    }
}

#[test]
fn the_notice_about_emergency_access_says_until_when_it_lasts_and_that_somebody_has_to_look() {
    let case = "case-9".parse().unwrap();
    let about = crate::reviews::About {
        kind: crate::reviews::ReviewKind::BreakGlass,
        case: &case,
        person: &subject(),
        reason: "an outage",
        not_by: ["jane.smith".to_owned(), "riley.owner".to_owned()].into(),
        not_before: Some(at(120)),
    };
    let review = crate::reviews::open(&policy(), about, &Default::default(), "leaver", at(0));
    let message = of_review(&review);
    let expected =
        format!("EMERGENCY: riley.owner has their access back until {}, to be reviewed then", at(120));
    assert_eq!(message.title, expected);
    let fact =
        |name: &str| message.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str());
    assert_eq!(fact("Not to be reviewed by"), Some("jane.smith, riley.owner"));
    assert_eq!(fact("Until"), Some(review.due_at.to_string().as_str()));
}
