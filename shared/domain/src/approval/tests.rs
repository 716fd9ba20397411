//! The rules of deciding, each refused and allowed, and what must hold for any sequence of them.

use super::*;
use crate::{
    person::{EmploymentType, Person, PersonStatus},
    risk::{RiskFinding, RiskLevel, RiskSummary, Rule, Severity},
};
use proptest::prelude::*;
use std::{collections::BTreeSet, time::Duration};

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn names<const N: usize>(all: [&str; N]) -> BTreeSet<Username> {
    all.map(name).into()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000).unwrap().plus(Duration::from_secs(seconds))
}

fn policy() -> ApprovalPolicy {
    ApprovalPolicy {
        sla_seconds: 100,
        expires_seconds: 1_000,
        review_seconds: 86_400,
        approvers: names(["ann", "bob"]),
        security_team: names(["sec", "sue"]),
        delegates: [(name("leaver"), name("dora")), (name("ann"), name("dave"))].into(),
        levels: vec![Asked::Manager, Asked::Approvers, Asked::SecurityTeam],
        security_decides: Stricter { from: Some(Severity::Critical), rules: [Rule::LastAdmin].into() },
        two_approvers: Stricter { from: None, rules: [Rule::BulkDownload].into() },
        slack_channel: None,
    }
}

fn person(username: &str, manager: &str) -> Person {
    Person {
        username: name(username),
        employee_id: "E-1".parse().unwrap(),
        email: format!("{username}@example.com"),
        former_emails: Vec::new(),
        name: username.into(),
        employment: EmploymentType::Employee,
        role: "r".into(),
        department: "d".into(),
        manager: Some(name(manager)),
        location: None,
        clearance: None,
        time_zone: None,
        status: PersonStatus::Leaving,
        case: None,
        legal_hold: None,
        protected: false,
        contract_end: None,
        last_day: None,
        moving: None,
        logins: Default::default(),
        version: 1,
    }
}

fn about(subject: &Person) -> Concerned<'_> {
    Concerned { subject: Some(subject), requested_by: "hr", ..Concerned::default() }
}

fn decider(policy: &ApprovalPolicy, who: &str, concerned: &Concerned<'_>) -> Decider {
    let username = name(who);
    let entitled = entitlement(policy, &username, concerned);
    Decider { username, entitled, through: "api" }
}

fn request(policy: &ApprovalPolicy, concerned: &Concerned<'_>, need: Need) -> Approval {
    Approval::ask(policy, concerned, Digest::of(b"plan"), need, 1, at(0))
}

fn risk(rule: Rule, severity: Severity) -> RiskSummary {
    let finding = RiskFinding { rule, severity, evidence: vec![] };
    RiskSummary { level: RiskLevel::Flagged, findings: vec![finding], events: 0, last_login: None }
}

/// One decision about a fresh request of a leaver who reports to `boss`.
fn once(who: &str, need: Need, decision: Decision, now: u64) -> Result<Approval, NotDecided> {
    let (policy, subject) = (policy(), person("leaver", "boss"));
    let concerned = about(&subject);
    let approval = request(&policy, &concerned, need);
    decide(&policy, &concerned, &approval, &decider(&policy, who, &concerned), decision, "because", at(now))
}

#[test]
fn what_is_the_managers_is_decided_by_them_and_by_nobody_else() {
    let mut policy = policy();
    policy.levels.retain(|level| *level != Asked::Manager);
    let (subject, other) = (person("leaver", "eve"), person("leaver", "dora"));
    let need = || Need::manager(name("eve"));
    let of = |concerned: &Concerned<'_>, who: &str, need: Need| {
        let approval = request(&policy, concerned, need);
        let decider = decider(&policy, who, concerned);
        decide(&policy, concerned, &approval, &decider, Decision::Approve, "because", at(1))
            .map(|done| done.status)
    };
    assert_eq!(of(&about(&subject), "eve", need()), Ok(ApprovalStatus::Approved));
    assert!(matches!(of(&about(&subject), "sec", need()), Err(NotDecided::Named(_))));
    // Somebody who is the manager no longer, and somebody who was only named, have nothing but policy's lists.
    assert_eq!(of(&about(&other), "eve", need()), Err(NotDecided::NotEntitled));
    let named = Need { manager: false, ..need() };
    assert_eq!(of(&about(&subject), "eve", named), Err(NotDecided::NotEntitled));
}

#[test]
fn the_manager_decides_beside_the_others_where_they_are_asked_as_well() {
    let mut policy = policy();
    policy.levels.retain(|level| *level != Asked::Manager);
    let subject = person("leaver", "eve");
    let need = || Need { manager: true, ..Need::one() };
    let approval = request(&policy, &about(&subject), need());
    assert_eq!(approval.asked, [name("ann"), name("bob"), name("eve")]);
    for who in ["eve", "bob", "sec"] {
        let concerned = about(&subject);
        let by = decider(&policy, who, &concerned);
        let done = decide(&policy, &concerned, &approval, &by, Decision::Approve, "because", at(1));
        assert_eq!(done.map(|done| done.status), Ok(ApprovalStatus::Approved), "{who}");
    }
    assert!(!request(&policy, &about(&subject), Need::one()).asked.contains(&name("eve")));
    let gone = Concerned { gone: names(["eve"]), ..about(&subject) };
    assert_eq!(request(&policy, &gone, need()).asked, [name("ann"), name("bob")]);
    let listed = person("leaver", "bob");
    assert_eq!(request(&policy, &about(&listed), need()).asked, [name("ann"), name("bob")]);
}

#[test]
fn those_entitled_decide_and_nobody_else() {
    for who in ["ann", "bob", "sec", "sue", "boss", "dave"] {
        let decided = once(who, Need::one(), Decision::Approve, 1).unwrap();
        assert_eq!(decided.status, ApprovalStatus::Approved, "{who}");
    }
    assert_eq!(once("eve", Need::one(), Decision::Approve, 1), Err(NotDecided::NotEntitled));
    assert_eq!(once("leaver", Need::one(), Decision::Approve, 1), Err(NotDecided::OwnPerson));
    assert_eq!(once("hr", Need::one(), Decision::Approve, 1), Err(NotDecided::OwnRequest));
    assert_eq!(once("dora", Need::one(), Decision::Approve, 1), Err(NotDecided::NotEntitled));
}

#[test]
fn a_right_that_comes_through_the_subject_is_none() {
    let mut policy = policy();
    policy.approvers.insert(name("leaver"));
    let subject = person("leaver", "boss");
    let concerned = about(&subject);
    let approval = request(&policy, &concerned, Need::one());
    let of = |who| {
        decide(&policy, &concerned, &approval, &decider(&policy, who, &concerned), Decision::Deny, "r", at(1))
    };
    assert_eq!(of("dora"), Err(NotDecided::ThroughSubject));
    let other = person("other", "boss");
    let elsewhere = about(&other);
    let approval = request(&policy, &elsewhere, Need::one());
    let by = decider(&policy, "dora", &elsewhere);
    assert!(decide(&policy, &elsewhere, &approval, &by, Decision::Approve, "r", at(1)).is_ok());
}

#[test]
fn where_policy_asks_for_security_a_manager_or_an_approver_is_not_enough() {
    let policy = policy();
    assert!(policy.need(&risk(Rule::LastAdmin, Severity::High)).security);
    assert!(policy.need(&risk(Rule::NewCountry, Severity::Critical)).security);
    assert_eq!(policy.need(&risk(Rule::NewCountry, Severity::High)), Need::one());
    for who in ["boss", "ann"] {
        assert_eq!(once(who, Need::security(), Decision::Approve, 1), Err(NotDecided::SecurityNeeded));
    }
    assert!(once("sec", Need::security(), Decision::Approve, 1).is_ok());
}

#[test]
fn two_approvers_are_two_people() {
    let (policy, subject) = (policy(), person("leaver", "boss"));
    let concerned = about(&subject);
    let need = policy.need(&risk(Rule::BulkDownload, Severity::High));
    assert_eq!(need.approvers, 2);
    let approval = request(&policy, &concerned, need);
    let say = |approval: &Approval, who| {
        decide(
            &policy,
            &concerned,
            approval,
            &decider(&policy, who, &concerned),
            Decision::Approve,
            "r",
            at(1),
        )
    };
    let one = say(&approval, "ann").unwrap();
    assert_eq!(one.status, ApprovalStatus::Pending);
    assert_eq!(say(&one, "ann"), Err(NotDecided::Twice));
    assert_eq!(say(&one, "bob").unwrap().status, ApprovalStatus::Approved);
}

#[test]
fn a_decision_is_used_once_and_comes_in_time() {
    let (policy, subject) = (policy(), person("leaver", "boss"));
    let concerned = about(&subject);
    let approval = request(&policy, &concerned, Need::one());
    let by = decider(&policy, "ann", &concerned);
    let say = |approval: &Approval, decision, now| {
        decide(&policy, &concerned, approval, &by, decision, "r", at(now))
    };
    let denied = say(&approval, Decision::Deny, 1).unwrap();
    assert_eq!(denied.status, ApprovalStatus::Denied);
    for decision in [Decision::Approve, Decision::Deny, Decision::Escalate] {
        assert!(matches!(say(&denied, decision, 2), Err(NotDecided::Already(_))));
    }
    assert_eq!(say(&approval, Decision::Approve, 1_000), Err(NotDecided::Expired(at(1_000))));
    assert!(say(&approval, Decision::Approve, 999).is_ok());
    assert!(matches!(
        decide(&policy, &concerned, &approval, &by, Decision::Approve, "  ", at(1)),
        Err(NotDecided::Reason(_))
    ));
}

#[test]
fn who_was_named_alone_decides() {
    let need = Need { only: names(["bob"]), ..Need::one() };
    assert_eq!(once("ann", need.clone(), Decision::Approve, 1), Err(NotDecided::Named("bob".into())));
    assert!(once("bob", need.clone(), Decision::Approve, 1).is_ok());
    assert_eq!(once("bob", need, Decision::Escalate, 1), Err(NotDecided::NoFurtherLevel));
}

#[test]
fn silence_goes_from_level_to_level_and_expires_without_consent() {
    let (policy, subject) = (policy(), person("leaver", "boss"));
    let concerned = about(&subject);
    let first = request(&policy, &concerned, Need::one());
    assert_eq!(first.asked, [name("boss")]);
    assert_eq!(overdue(&policy, &concerned, &first, at(99)), None);
    let second = overdue(&policy, &concerned, &first, at(100)).unwrap();
    assert_eq!((second.level, second.asked.len(), second.due_at), (1, 3, at(200)));
    let third = overdue(&policy, &concerned, &second, at(200)).unwrap();
    assert_eq!((third.level, third.asked.len()), (2, 5));
    let last = overdue(&policy, &concerned, &third, at(300)).unwrap();
    assert_eq!((last.level, last.due_at, last.status), (2, at(1_000), ApprovalStatus::Pending));
    assert_eq!(overdue(&policy, &concerned, &last, at(999)), None);
    let over = overdue(&policy, &concerned, &last, at(1_000)).unwrap();
    assert_eq!((over.status, over.approvals()), (ApprovalStatus::Expired, 0));
}

#[test]
fn whoever_is_gone_or_concerned_is_replaced() {
    let (policy, subject) = (policy(), person("leaver", "boss"));
    let mut concerned = about(&subject);
    concerned.gone = names(["boss"]);
    assert_eq!(panel(&policy, 0, &Need::one(), &concerned), [name("sec"), name("sue")]);
    concerned.gone = names(["ann"]);
    assert_eq!(panel(&policy, 1, &Need::one(), &concerned), [name("bob"), name("dave")]);
    concerned.requested_by = "bob";
    assert_eq!(panel(&policy, 1, &Need::one(), &concerned), [name("dave")]);
    let security = person("sec", "sue");
    assert_eq!(panel(&policy, 2, &Need::one(), &about(&security)), [name("sue")]);
}

#[test]
fn whoever_is_asked_may_decide() {
    let mut policy = policy();
    policy.delegates.insert(name("boss"), name("vice"));
    policy.delegates.insert(name("named"), name("deputy"));
    policy.levels = vec![Asked::Manager, Asked::Person(name("named")), Asked::Approvers, Asked::SecurityTeam];
    let subject = person("leaver", "boss");
    let concerned = Concerned { gone: names(["boss", "named"]), ..about(&subject) };
    assert_eq!(panel(&policy, 0, &Need::one(), &concerned), [name("vice")]);
    assert_eq!(panel(&policy, 1, &Need::one(), &concerned), [name("deputy")]);
    for need in [Need::one(), Need::security()] {
        for level in 0..policy.levels.len() {
            for who in panel(&policy, level, &need, &concerned) {
                let approval = request(&policy, &concerned, need.clone());
                let by = decider(&policy, who.as_str(), &concerned);
                let decided =
                    decide(&policy, &concerned, &approval, &by, Decision::Approve, "because", at(1));
                assert!(decided.is_ok(), "{who} at level {level} of {need:?}: {decided:?}");
            }
        }
    }
}

#[test]
fn where_the_whole_team_is_barred_it_hears_of_it_and_decides_nothing() {
    let policy = policy();
    let concerned =
        Concerned { requested_by: "leaver", barred: names(["sec", "sue"]), ..Concerned::default() };
    let approval = request(&policy, &concerned, Need::security());
    assert_eq!(approval.asked, ["ann", "bob", "dave", "dora", "sec", "sue"].map(name));
    for who in ["sec", "sue"] {
        let by = decider(&policy, who, &concerned);
        let decided = decide(&policy, &concerned, &approval, &by, Decision::Deny, "mine", at(1));
        assert_eq!(decided, Err(NotDecided::OwnCase), "{who}");
    }
    // Of two in the team one is the subject, and the other one opened the case: they alone can call it off.
    let sue = person("sue", "boss");
    let single = Concerned { requested_by: "sec", barred: names(["sec", "sue"]), ..about(&sue) };
    assert_eq!(
        request(&policy, &single, Need::security()).asked,
        ["ann", "bob", "dave", "dora", "sec"].map(name)
    );
    let one = Concerned { barred: names(["sec"]), ..concerned };
    assert_eq!(request(&policy, &one, Need::security()).asked, [name("sue")]);
}

#[test]
fn a_decision_is_worth_what_was_asked_for_it() {
    let two = Need { approvers: 2, ..Need::one() };
    let both = Need { approvers: 2, ..Need::security() };
    for (asked, decided, met) in [
        (Need::one(), Need::one(), true),
        (Need::one(), both.clone(), true),
        (two.clone(), Need::one(), false),
        (Need::security(), two.clone(), false),
        (two, Need::security(), false),
        (both.clone(), both, true),
    ] {
        assert_eq!(asked.is_within(&decided), met, "{asked:?} {decided:?}");
    }
}

#[test]
fn ids_survive_being_written_and_read() {
    let id: ApprovalId = "case-0123~github~2".parse().unwrap();
    assert_eq!(id.to_string(), "case-0123~github~2");
    let measure: ApprovalId = "measure-0123".parse().unwrap();
    assert!(matches!(measure, ApprovalId::Measure(_)));
    for bad in ["", "a~b", "a~b~c", "a~b~-1", "a~b~1~2", "a b", "a~B~1"] {
        assert!(bad.parse::<ApprovalId>().is_err(), "{bad}");
    }
}

fn actor() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["leaver", "hr", "boss", "ann", "bob", "sec", "sue", "dora", "dave", "eve"])
}

fn decision() -> impl Strategy<Value = Decision> {
    prop::sample::select(vec![Decision::Approve, Decision::Deny, Decision::Escalate])
}

proptest! {
    /// Whoever calls in whatever order: approved means enough different people who may, in time, and nobody concerned.
    #[test]
    fn nothing_is_approved_but_by_enough_people_who_may(
        calls in prop::collection::vec((actor(), decision(), 0_u64..1_200), 0..24),
        security in any::<bool>(),
        two in any::<bool>(),
    ) {
        let (policy, subject) = (policy(), person("leaver", "boss"));
        let concerned = about(&subject);
        let need = Need { approvers: if two { 2 } else { 1 }, security, ..Need::one() };
        let mut approval = request(&policy, &concerned, need.clone());
        let mut calls = calls;
        calls.sort_by_key(|(_, _, now)| *now);
        for (who, decision, now) in calls {
            let settled = !approval.is_pending();
            let by = decider(&policy, who, &concerned);
            let next = decide(&policy, &concerned, &approval, &by, decision, "because", at(now));
            prop_assert!(!(settled && next.is_ok()), "decided twice");
            if let Ok(next) = next {
                prop_assert!(now < 1_000);
                approval = next;
            }
            if let Some(next) = overdue(&policy, &concerned, &approval, at(now)) {
                prop_assert!(next.status != ApprovalStatus::Approved);
                approval = next;
            }
        }
        let yes: BTreeSet<&str> = approval.decisions.iter()
            .filter(|decided| decided.decision == Decision::Approve)
            .map(|decided| decided.by.as_str()).collect();
        for who in &yes {
            prop_assert!(!["leaver", "hr", "eve", "dora"].contains(who), "{who}");
            prop_assert!(!security || ["sec", "sue"].contains(who), "{who}");
        }
        let approved = approval.status == ApprovalStatus::Approved;
        prop_assert_eq!(approved, yes.len() >= usize::from(need.approvers));
    }
}
