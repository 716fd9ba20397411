//! With the systems: what measures give and except, as the stand-ins hold it then.

use super::{DAY, HOUR, after, grant, name};
use crate::{
    events::{active, done, post, told},
    recorded,
};
use leaver_domain::{
    approval::{Approval, ApprovalId, ApprovalStatus, Concerned, Decision, Need},
    case::{CaseStatus, Mode, SystemRecord, SystemStatus},
    deciding::{self, Who},
    digest::Digest,
    id::CaseId,
    ledger::EventKind,
    measure::{ExceptionKind, Measure, MeasureStatus, What},
    measures::{self, Asked},
    person::PersonStatus,
    plan::{ActionKind, Stage},
    ports::{CaseStore, Change},
    reviews::{self, ReviewKind},
    risk::{RiskLevel, Severity},
    time::Timestamp,
};
use leaver_tests::{
    flow::{House, body, event},
    sandbox::now,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const JOHN: &str = "john.doe";

fn asked(what: What, until: Option<Timestamp>, request: &str) -> Asked {
    let only = match what {
        What::BreakGlass { .. } => [name("sam.admin")].into(),
        _ => BTreeSet::new(),
    };
    Asked {
        what,
        person: name(JOHN),
        requested_by: name("jane.smith"),
        reason: "because".into(),
        until,
        only,
        request_id: request.into(),
        body: Digest::of(request.as_bytes()),
    }
}

/// Asked for, approved, brought about, and its case run.
async fn given(house: &House, asked: Asked) -> Measure {
    let (store, workflow, policy) = (&house.cases, &house.workflow, &house.policy);
    let (measure, _) = measures::request(store, workflow, policy, asked, now()).await.expect("a request");
    let id = ApprovalId::Measure(measure.measure_id.clone());
    let who = Who { username: name("sam.admin"), roles: None, through: "api" };
    let decided = deciding::decide(store, workflow, policy, &id, &who, Decision::Approve, "agreed", now());
    decided.await.expect("a decision");
    let approved = store.measure(&measure.measure_id).await.unwrap().unwrap();
    let measure = measures::begin(store, workflow, policy, approved, now()).await.expect("a beginning");
    for case in &measure.cases {
        house.execute(case).await;
        assert_eq!(house.case(case).await.0.status, CaseStatus::Complete);
    }
    measure
}

/// Its end, which is put to now, with the case that takes back, and what that came to.
pub(crate) async fn ended(house: &House, measure: &Measure) -> (Measure, Option<CaseId>) {
    let (store, workflow, policy) = (&house.cases, &house.workflow, &house.policy);
    let at = now();
    let mut over = measure.clone();
    over.until = Some(at);
    over.version += 1;
    store.commit(&[Change::Measure(Box::new(over.clone()))]).await.unwrap();
    let ending = measures::end(store, workflow, policy, over, at).await.expect("an end");
    let back = ending.cases.iter().find(|case| !measure.cases.contains(case)).cloned();
    if let Some(case) = &back {
        assert_eq!(ending.status, MeasureStatus::Ending);
        house.execute(case).await;
    }
    let over = measures::end(store, workflow, policy, ending, at).await.expect("an end");
    assert_eq!(over.status, MeasureStatus::Ended, "{:?}", over.log.last());
    (over, back)
}

fn grants(account: &Value) -> BTreeSet<String> {
    account["grants"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

async fn of_john(house: &House, system: &str) -> Value {
    house.stage.account(system, JOHN).await
}

/// Two grants of one group overlap: it stays until the second is over, and what was there before stays for good.
#[tokio::test(flavor = "multi_thread")]
async fn overlapping_grants_in_a_real_system_do_not_end_one_another() {
    let house = House::new().await;
    let before = grants(&of_john(&house, "okta").await);
    assert!(before.contains("Wiki") && !before.contains("Finance"));
    let first = grant(&["okta:00gFinance", "okta:00gWiki"]);
    let first = given(&house, asked(first, Some(after(DAY)), "1")).await;
    assert!(grants(&of_john(&house, "okta").await).contains("Finance"));
    let second = given(&house, asked(grant(&["okta:00gFinance"]), Some(after(2 * DAY)), "2")).await;
    let (_, back) = ended(&house, &first).await;
    assert_eq!(back, None, "the second gives the one, and the other was there before");
    assert!(grants(&of_john(&house, "okta").await).contains("Finance"));
    let (over, back) = ended(&house, &second).await;
    let (case, systems) = house.case(&back.expect("a case")).await;
    assert_eq!((case.mode, systems.len()), (Mode::Partial, 1));
    assert_eq!(over.log.last().unwrap().facts["came_to"], "complete");
    assert_eq!(grants(&of_john(&house, "okta").await), before);
    assert_eq!(of_john(&house, "okta").await["active"], true);
    house.feed().await;
    let log = house.log().await;
    let rows = |kind| log.iter().filter(|(entry, _)| entry.kind == kind).count();
    assert_eq!((rows(EventKind::MeasureRequested), rows(EventKind::MeasureBegan)), (2, 2));
    assert_eq!(rows(EventKind::MeasureEnded), 4, "each came to its end, and was over");
}

#[tokio::test(flavor = "multi_thread")]
async fn emergency_access_comes_goes_by_itself_and_is_told() {
    let house = House::new().await;
    let case = recorded(&house, JOHN).await;
    house.execute(&case).await;
    assert_eq!(of_john(&house, "okta").await["active"], false);
    let what = What::BreakGlass { case };
    let emergency = given(&house, asked(what, Some(after(2 * HOUR)), "1")).await;
    assert_eq!(of_john(&house, "okta").await["active"], true);
    let person = house.cases.person(&name(JOHN)).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Active);
    let (over, back) = ended(&house, &emergency).await;
    assert_eq!(house.case(&back.expect("a case")).await.0.mode, Mode::Leave);
    assert_eq!(over.cases.len(), 2);
    for system in house.policy.automatic() {
        assert_eq!(of_john(&house, system.as_str()).await["active"], false, "{system}");
    }
    let person = house.cases.person(&name(JOHN)).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Left);
}

async fn suspended(house: &House) -> CaseId {
    let mut event = event(JOHN, "s1");
    event["event_type"] = json!("user_suspended");
    event["user"].as_object_mut().unwrap().remove("termination_reason");
    let answer = body(&house.post(&house.cases, &event.to_string()).await);
    let case: CaseId = answer["case_id"].as_str().expect("a case").parse().unwrap();
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    case
}

/// Whoever was suspended has not left: nothing is tidied behind them, and a restore can still bring them back.
#[tokio::test(flavor = "multi_thread")]
async fn emergency_access_of_somebody_suspended_ends_with_them_suspended_again() {
    let house = House::new().await;
    let case = suspended(&house).await;
    let held = grants(&of_john(&house, "okta").await);
    let what = What::BreakGlass { case: case.clone() };
    let emergency = given(&house, asked(what, Some(after(2 * HOUR)), "1")).await;
    assert_eq!(of_john(&house, "okta").await["active"], true);
    let (_, back) = ended(&house, &emergency).await;
    let back = back.expect("a case");
    let (record, systems) = house.case(&back).await;
    assert_eq!((record.mode, record.status), (Mode::Suspend, CaseStatus::Complete), "{systems:#?}");
    let mut taken = systems.iter().flat_map(|one| &one.actions);
    assert!(taken.all(|taken| taken.action.stage == Stage::Contain), "{systems:#?}");
    for system in house.policy.automatic() {
        assert_eq!(of_john(&house, system.as_str()).await["active"], false, "{system}");
    }
    assert_eq!(grants(&of_john(&house, "okta").await), held);
    let person = house.cases.person(&name(JOHN)).await.unwrap().unwrap();
    assert_eq!((person.status, person.case.as_ref()), (PersonStatus::Suspended, Some(&back)));
    // The first suspension is looked at by security; that it goes on is not another one.
    for (case, is_reviewed) in [(&case, true), (&back, false)] {
        let id = reviews::id_of(ReviewKind::Suspension, case);
        assert_eq!(house.cases.review(&id).await.unwrap().is_some(), is_reviewed, "{case}");
    }
}

/// Whom HR reports as hired anew while an emergency lets them in, is here for good.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_hired_anew_in_an_emergency_stays_when_it_is_over() {
    for suspended_since in [false, true] {
        let house = House::new().await;
        let held = active(&house, JOHN).await;
        let left = recorded(&house, JOHN).await;
        house.execute(&left).await;
        let what = What::BreakGlass { case: left.clone() };
        let emergency = given(&house, asked(what, Some(after(2 * HOUR)), "1")).await;
        let (back, systems) = done(&house, &told("user_rehired", JOHN, "r1", json!({}), json!({}))).await;
        assert_eq!((back.mode, back.status), (Mode::Reactivate, CaseStatus::Complete), "{systems:#?}");
        assert_eq!((back.by_role, back.measure.as_ref(), back.restores.as_ref()), (true, None, Some(&left)));
        let mut stands = (PersonStatus::Active, Some(back.case_id.clone()));
        if suspended_since {
            stands = (PersonStatus::Suspended, Some(suspended(&house).await));
        }
        let (over, taken) = ended(&house, &emergency).await;
        assert_eq!(taken, None);
        assert_eq!(over.log.last().unwrap().facts["given_for_good_by"], back.case_id.as_str());
        let john = house.cases.person(&name(JOHN)).await.unwrap().unwrap();
        assert_eq!((john.status, john.case), stands);
        if !suspended_since {
            assert_eq!(active(&house, JOHN).await, held);
        }
    }
}

/// What HR reports ends no suspension, while an emergency interrupts it either.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_suspended_is_not_hired_anew_in_an_emergency() {
    let house = House::new().await;
    let case = suspended(&house).await;
    let what = What::BreakGlass { case: case.clone() };
    let emergency = given(&house, asked(what, Some(after(2 * HOUR)), "1")).await;
    let (status, said) = post(&house, &told("user_rehired", JOHN, "r1", json!({}), json!({}))).await;
    assert_eq!((status, &said["type"]), (422, &json!("/problems/suspended")), "{said}");
    assert!(said["detail"].as_str().unwrap().contains(case.as_str()), "{said}");
    let (_, back) = ended(&house, &emergency).await;
    let john = house.cases.person(&name(JOHN)).await.unwrap().unwrap();
    assert_eq!((john.status, john.case), (PersonStatus::Suspended, back));
}

/// What an exception lets be is verified as it is, and looked at again when the exception is over.
#[tokio::test(flavor = "multi_thread")]
async fn forwarding_outlives_the_termination_exactly_as_long_as_its_exception() {
    let takes = |systems: &[leaver_domain::case::SystemRecord]| {
        let actions = systems.iter().flat_map(|system| &system.actions);
        actions.filter(|taken| taken.action.kind == ActionKind::RemoveDelegation).count()
    };
    let house = House::new().await;
    let plain = recorded(&house, JOHN).await;
    house.execute(&plain).await;
    let expected = takes(&house.case(&plain).await.1);
    assert!(expected > 0, "nobody forwards or delegates anything to {JOHN}: this shows nothing");
    let house = House::new().await;
    let what = What::Exception { what: ExceptionKind::MailForwarding, renews: None };
    let exception = given(&house, asked(what, Some(after(DAY)), "1")).await;
    let case = recorded(&house, JOHN).await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!((record.status, takes(&systems)), (CaseStatus::Complete, 0));
    // Gmail shows and does nothing for a suspended user, so that there is nothing left to take there.
    let (_, back) = ended(&house, &exception).await;
    let (record, systems) = house.case(&back.expect("a case")).await;
    assert_eq!(
        (record.mode, record.status, systems.len()),
        (Mode::Leave, CaseStatus::Complete, house.policy.automatic().count())
    );
    let person = house.cases.person(&name(JOHN)).await.unwrap().unwrap();
    assert_eq!((person.status, person.case), (PersonStatus::Left, Some(case)), "they left by the first case");
}

const RILEY: &str = "riley.owner";

/// John has left and has emergency access; from now on whatever is found flags an account.
pub(crate) async fn flagged_in_need(house: &mut House) -> (CaseId, Measure) {
    let left = recorded(house, JOHN).await;
    house.execute(&left).await;
    let what = What::BreakGlass { case: left.clone() };
    let emergency = given(house, asked(what, Some(after(2 * HOUR)), "1")).await;
    house.policy.risk.flag_from = Severity::Low;
    (left, emergency)
}

fn is_flagged(system: &SystemRecord) -> bool {
    system.risk.as_ref().is_some_and(|risk| risk.level == RiskLevel::Flagged)
}

/// Whoever approved emergency access approved that it ends by itself: a flagged system asks nobody once more.
#[tokio::test(flavor = "multi_thread")]
async fn emergency_access_ends_by_itself_where_the_person_is_flagged() {
    let mut house = House::new().await;
    let (left, emergency) = flagged_in_need(&mut house).await;
    let (_, back) = ended(&house, &emergency).await;
    let back = back.expect("a case");
    let (case, systems) = house.case(&back).await;
    assert_eq!(case.status, CaseStatus::Complete);
    assert!(systems.iter().any(is_flagged), "nothing is flagged: this shows nothing");
    house.feed().await;
    let log = house.log().await;
    let ours: Vec<_> = log.iter().filter(|(entry, _)| entry.case_id == back.as_str()).collect();
    assert!(ours.iter().all(|(entry, _)| entry.kind != EventKind::ApprovalRequested));
    let rows: Vec<_> = ours.iter().filter(|(entry, _)| entry.kind == EventKind::AccessRevoked).collect();
    assert_eq!(rows.len(), systems.len());
    for (entry, evidence) in rows {
        let facts = &evidence["facts"];
        assert_eq!(facts["measure"], emergency.measure_id.as_str(), "{entry:?}");
        assert_eq!(facts["used"]["since"], serde_json::json!(emergency.since().unwrap()));
        assert!(facts["used"]["counts"].is_object() && facts["used"]["events"].is_u64(), "{facts}");
        assert!(facts["used"].get("incomplete").is_some(), "whether the log could be read: {facts}");
    }
    // Those that take access for any other reason say nothing of it.
    let first: Vec<_> = log.iter().filter(|(entry, _)| entry.case_id == left.as_str()).collect();
    assert!(first.iter().any(|(entry, _)| entry.kind == EventKind::AccessRevoked));
    assert!(first.iter().all(|(_, evidence)| evidence["facts"].get("used").is_none()));
}

/// What was denied when the person left was never the measure's to give, so that its end does not take it either.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_denied_before_is_asked_about_again() {
    let mut house = House::new().await;
    let (left, emergency) = flagged_in_need(&mut house).await;
    for mut record in house.case(&left).await.1 {
        let concerned = Concerned { requested_by: "hris", ..Concerned::default() };
        let policy = &house.policy.approvals;
        let asked = Approval::ask(policy, &concerned, Digest::ZERO, Need::one(), 1, now());
        record.approval = Some(Approval { status: ApprovalStatus::Denied, ..asked });
        record.version += 1;
        house.cases.put_system(&record).await.unwrap();
    }
    let mut over = emergency.clone();
    (over.until, over.version) = (Some(now()), over.version + 1);
    house.cases.commit(&[Change::Measure(Box::new(over.clone()))]).await.unwrap();
    let ending = measures::end(&house.cases, &house.workflow, &house.policy, over, now()).await.unwrap();
    let back = ending.cases.last().unwrap().clone();
    house.execute(&back).await;
    let (_, systems) = house.case(&back).await;
    assert!(systems.iter().any(is_flagged), "nothing is flagged: this shows nothing");
    for system in systems {
        let waits = system.status == SystemStatus::AwaitingApproval;
        assert_eq!(waits, is_flagged(&system), "{}", system.system);
        if waits {
            let asking = system.log.last().unwrap();
            assert_eq!(asking.kind, EventKind::ApprovalRequested);
            assert!(asking.facts["used"].is_object() && asking.facts.get("measure").is_none(), "{asking:?}");
        }
    }
}

/// A case that a human let go on belongs to a measure as well, and is gated like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_released_case_is_gated_like_any_other() {
    let mut house = House::new().await;
    house.policy.protected.insert(name(RILEY));
    let case = recorded(&house, RILEY).await;
    let id = house.case(&case).await.0.measure.clone().expect("it is held under one");
    crate::brake::decide(&house, &id, "sam.admin", Decision::Approve).await.expect("a decision");
    crate::brake::carry_out(&house, &id).await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.measure, Some(id));
    assert!(systems.iter().any(|one| one.status == SystemStatus::AwaitingApproval), "{systems:?}");
}
