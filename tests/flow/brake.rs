//! The brake against mass action: too many at once, whichever way they came, are recorded and held, and one decision
//! releases or calls off all of them.

use leaver_domain::{
    approval::{ApprovalId, Decision},
    brake::Brake,
    case::{CaseRecord, CaseStatus, Mode, Trigger},
    deciding::{self, Who},
    digest::Digest,
    effective::Dates,
    fault::FaultKind,
    holds,
    id::{CaseId, MeasureId, Username},
    intake::{self, Request},
    ledger::EventKind,
    measure::{Measure, MeasureStatus},
    person::PersonStatus,
    ports::{CaseStore, Change, Execution},
    problem::NotDone,
    time::Timestamp,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, appending, body, event},
    sandbox::now,
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// The shipped policy with a smaller limit.
pub(crate) async fn house(max_people: u32) -> House {
    let mut house = House::new().await;
    house.policy.brake.max_people = max_people;
    house.policy.brake.min_people_for_share = 1;
    house
}

/// So many people who decide nothing themselves.
fn crowd(count: usize) -> Vec<String> {
    let people = leaver_sandbox::people::load().unwrap();
    let plain = people.into_iter().filter(|sample| sample.roles.is_empty() && !sample.person.protected);
    let names: Vec<String> = plain.map(|sample| sample.person.username.to_string()).take(count).collect();
    assert_eq!(names.len(), count);
    names
}

/// Records terminations one after the other and plans each.
async fn plan_all(house: &House, people: &[String]) -> Vec<CaseId> {
    let mut cases = Vec::new();
    for username in people {
        let case = crate::recorded(house, username).await;
        house.plan(&house.cases, &case).await.unwrap();
        cases.push(case);
    }
    cases
}

async fn by_status(house: &House, cases: &[CaseId], status: CaseStatus) -> Vec<CaseRecord> {
    let mut found = Vec::new();
    for case in cases {
        let (record, _) = house.case(case).await;
        found.extend((record.status == status).then_some(record));
    }
    found
}

/// Takes a decision as the API does.
pub(crate) async fn decide(
    house: &House,
    measure: &MeasureId,
    by: &str,
    decision: Decision,
) -> Result<Measure, NotDone> {
    let who = Who { username: by.parse().unwrap(), roles: None, through: "api" };
    let (store, workflow, asked) = (&house.cases, &house.workflow, ApprovalId::Measure(measure.clone()));
    deciding::decide(store, workflow, &house.policy, &asked, &who, decision, "looked at the list", now())
        .await?;
    Ok(house.cases.measure(measure).await?.unwrap())
}

/// Does what was decided, as often as it takes.
pub(crate) async fn carry_out(house: &House, measure: &MeasureId) -> Measure {
    for _ in 0..10 {
        let record = house.cases.measure(measure).await.unwrap().unwrap();
        if holds::release(&house.cases, &house.workflow, &house.policy, &record, now()).await.unwrap() {
            return house.cases.measure(measure).await.unwrap().unwrap();
        }
    }
    panic!("{measure} is never done");
}

async fn person_status(house: &House, username: &str) -> PersonStatus {
    let username: Username = username.parse().unwrap();
    house.cases.person(&username).await.unwrap().unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_webhooks_in_a_row_the_rest_is_held_and_one_decision_releases_them_all() {
    let house = house(5).await;
    let people = crowd(31);
    let cases = plan_all(&house, &people[..30]).await;
    assert_eq!(by_status(&house, &cases, CaseStatus::Running).await.len(), 5);
    let held = by_status(&house, &cases, CaseStatus::Held).await;
    assert_eq!(held.len(), 25);
    let id = held[0].measure.clone().unwrap();
    for case in &held {
        assert_eq!(case.measure.as_ref(), Some(&id));
        assert!(case.log.iter().any(|line| line.kind == EventKind::CaseHeld));
        assert!(house.plan(&house.cases, &case.case_id).await.unwrap().systems.is_empty(), "it would run");
    }
    let asked = house.workflow.executions().into_iter().filter(|of| *of == Execution::Measure(id.clone()));
    assert_eq!(asked.count(), 1);
    let measure = house.cases.measure(&id).await.unwrap().unwrap();
    assert_eq!((measure.status, measure.person.is_none()), (MeasureStatus::Requested, true));
    assert!(measure.reason.contains("6 within"), "{}", measure.reason);
    assert!(holds::release(&house.cases, &house.workflow, &house.policy, &measure, now()).await.unwrap());
    assert_eq!(by_status(&house, &cases, CaseStatus::Held).await.len(), 25, "nobody decided");

    let decided = decide(&house, &id, "sam.admin", Decision::Approve).await.unwrap();
    assert_eq!(house.cases.measures_due(now(), 10).await.unwrap(), std::slice::from_ref(&id));
    // Whoever comes now was in no list that anybody saw: they wait until the others are released.
    let late = crate::recorded(&house, &people[30]).await;
    let fault = house.plan(&house.cases, &late).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert_eq!(decided.status, MeasureStatus::Approved);
    assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended);
    assert!(house.cases.measures_due(now(), 10).await.unwrap().is_empty());
    for case in by_status(&house, &cases, CaseStatus::Recorded).await {
        assert_eq!(case.run, 2);
        let row = case.log.iter().find(|line| line.kind == EventKind::CaseReleased).unwrap();
        assert_eq!((row.actor.as_str(), &row.facts["reason"]), ("sam.admin", &json!("looked at the list")));
        assert!(house.workflow.executions().contains(&Execution::of_case(&case)));
        assert!(!house.plan(&house.cases, &case.case_id).await.unwrap().systems.is_empty());
    }
    assert_eq!(by_status(&house, &cases, CaseStatus::Running).await.len(), 30, "all of them run");
    // They took nobody's place in the new window.
    assert!(!house.plan(&house.cases, &late).await.unwrap().systems.is_empty());
    house.execute(&held[0].case_id).await;
    assert_ne!(house.case(&held[0].case_id).await.0.status, CaseStatus::Running);
    house.feed().await;
    house.log().await;
}

/// More than one call of the release can settle: it says so, and the next call goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_great_many_are_released_in_several_goes() {
    let house = house(1).await;
    let mut cases = plan_all(&house, &crowd(2)).await;
    for number in 0..120 {
        let username = crowd(32)[number % 30 + 2].clone();
        let answer = house.post(&house.cases, &event(&username, &format!("evt-{number}")).to_string()).await;
        let case: CaseId = body(&answer)["case_id"].as_str().unwrap().parse().unwrap();
        house.plan(&house.cases, &case).await.unwrap();
        cases.push(case);
    }
    let id = house.case(&cases[1]).await.0.measure.unwrap();
    let measure = decide(&house, &id, "sam.admin", Decision::Approve).await.unwrap();
    let release = || holds::release(&house.cases, &house.workflow, &house.policy, &measure, now());
    assert_eq!(release().await, Ok(false));
    assert_eq!(by_status(&house, &cases, CaseStatus::Held).await.len(), 21);
    assert!(house.cases.brake().await.unwrap().engaged.is_some());
    assert_eq!(house.cases.measures_due(now(), 10).await.unwrap(), std::slice::from_ref(&id));
    assert_eq!(release().await, Ok(true));
    assert_eq!(by_status(&house, &cases, CaseStatus::Recorded).await.len(), 121);
    assert_eq!(house.cases.brake().await.unwrap().engaged, None);
    assert_eq!(release().await, Ok(false), "what the caller knew of it is out of date");
    assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended);
}

/// A case that is held while the release looks at the list is not left behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_while_the_release_ends_is_not_left_behind() {
    let house = house(1).await;
    let people = crowd(4);
    let cases = plan_all(&house, &people[..2]).await;
    let id = house.case(&cases[1]).await.0.measure.unwrap();
    let measure = decide(&house, &id, "sam.admin", Decision::Approve).await.unwrap();
    // As a plan would that had read the measure before it was decided.
    let late = crate::recorded(&house, &people[2]).await;
    let brake = house.cases.brake().await.unwrap();
    let mut held = house.case(&late).await.0;
    holds::hold(&mut held, holds::MASS_ACTION, Some(id.clone()), "leaver/plan", now());
    held.version += 1;
    let next = Brake { version: brake.version + 1, ..brake.clone() };
    let changes = vec![
        Change::Case(Box::new(held)),
        Change::Brake(Box::new(next)),
        Change::Hold(id.clone(), late.clone()),
    ];
    let slow = Failing::meeting(&house.cases, changes);
    let ended = holds::release(&slow, &house.workflow, &house.policy, &measure, now()).await;
    assert_eq!(ended, Ok(false), "it ended over a case that it did not see");
    assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended);
    assert_eq!(house.case(&late).await.0.status, CaseStatus::Recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_calls_all_of_them_off_and_releases_nobody() {
    let house = house(2).await;
    let people = crowd(7);
    let cases = plan_all(&house, &people[..6]).await;
    let id = by_status(&house, &cases, CaseStatus::Held).await[0].measure.clone().unwrap();
    assert_eq!(person_status(&house, &people[5]).await, PersonStatus::Leaving);
    assert_eq!(
        decide(&house, &id, "taylor.admin", Decision::Deny).await.unwrap().status,
        MeasureStatus::Denied
    );
    assert_eq!(
        house.cases.measures_due(now(), 10).await.unwrap(),
        std::slice::from_ref(&id),
        "there is work left"
    );
    assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended);
    let off = by_status(&house, &cases, CaseStatus::Cancelled).await;
    assert_eq!(off.len(), 4);
    for case in &off {
        let row = case.log.last().unwrap();
        assert_eq!((row.kind, row.actor.as_str()), (EventKind::CaseCancelled, "taylor.admin"));
        assert_eq!(person_status(&house, case.person.username.as_str()).await, PersonStatus::Active);
        assert!(house.plan(&house.cases, &case.case_id).await.unwrap().systems.is_empty());
        let account = house.stage.account("okta", case.person.username.as_str()).await;
        assert_eq!(account["active"], true);
    }
    assert_eq!(by_status(&house, &cases, CaseStatus::Running).await.len(), 2);
    // A refusal lets nobody through: the next one is asked about anew.
    let late = plan_all(&house, &people[6..]).await;
    let late = &by_status(&house, &late, CaseStatus::Held).await[0];
    assert_ne!(late.measure, Some(id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_plans_at_once_no_more_pass_than_may() {
    let house = Arc::new(house(3).await);
    let mut cases = Vec::new();
    for username in crowd(14) {
        cases.push(crate::recorded(&house, &username).await);
    }
    let plans = cases.iter().flat_map(|case| [case, case]).map(|case| {
        let (house, case) = (house.clone(), case.clone());
        tokio::spawn(async move {
            for _ in 0..50 {
                match house.plan(&house.cases, &case).await {
                    Err(fault) if fault.kind == FaultKind::Conflict => tokio::task::yield_now().await,
                    other => return other.map(|_| ()),
                }
            }
            panic!("never planned");
        })
    });
    for plan in plans.collect::<Vec<_>>() {
        plan.await.unwrap().unwrap();
    }
    assert_eq!(by_status(&house, &cases, CaseStatus::Running).await.len(), 3);
    let held = by_status(&house, &cases, CaseStatus::Held).await;
    assert_eq!(held.len(), 11);
    let id = held[0].measure.clone().unwrap();
    assert!(held.iter().all(|case| case.measure.as_ref() == Some(&id)), "they are held under two measures");
    assert_eq!(house.cases.held(&id, 100).await.unwrap().len(), 11);
}

/// Wherever the plan, the release or the calling off dies, their repeat comes to the same.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_at_any_call_is_finished_by_its_repeat() {
    for (decision, comes_to) in
        [(Decision::Approve, CaseStatus::Recorded), (Decision::Deny, CaseStatus::Cancelled)]
    {
        for when in [When::Before, When::After] {
            for call in 0.. {
                let house = house(1).await;
                let people = crowd(3);
                let mut cases = plan_all(&house, &people[..2]).await;
                let last = crate::recorded(&house, &people[2]).await;
                let planning = Failing::at(&house.cases, call, when);
                let _ = house.plan(&planning, &last).await;
                house.plan(&house.cases, &last).await.unwrap();
                cases.push(last);
                let held = by_status(&house, &cases, CaseStatus::Held).await;
                assert_eq!(held.len(), 2, "{when:?} {call}");
                let id = held[0].measure.clone().unwrap();
                let measure = decide(&house, &id, "sam.admin", decision).await.unwrap();
                let failing = Failing::at(&house.cases, call, when);
                let _ = holds::release(&failing, &house.workflow, &house.policy, &measure, now()).await;
                assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended, "{when:?} {call}");
                for case in by_status(&house, &cases, comes_to).await {
                    let rows = case.log.iter().filter(|line| {
                        matches!(line.kind, EventKind::CaseReleased | EventKind::CaseCancelled)
                    });
                    assert_eq!(rows.count(), 1, "{when:?} {call}");
                }
                assert_eq!(by_status(&house, &cases, comes_to).await.len(), 2, "{when:?} {call}");
                assert!(house.cases.held(&id, 10).await.unwrap().is_empty());
                assert_eq!(house.cases.brake().await.unwrap().engaged, None);
                if decision == Decision::Approve {
                    sweep(&house, now().plus(Duration::from_secs(30))).await;
                    let started = house.workflow.started();
                    for case in &held {
                        let runs = started.iter().filter(|one| **one == case.case_id).count();
                        assert_eq!(runs, 2, "{when:?} {call}: its second run was lost or doubled");
                    }
                }
                if !failing.has_failed() {
                    assert!(call > 4);
                    break;
                }
            }
        }
    }
}

async fn sweep(house: &House, at: Timestamp) -> leaver_sweep::Swept {
    let (store, workflow, log) = (&house.cases, &house.workflow, appending(&house.ledger));
    let sweep = leaver_sweep::Sweep { policy: &house.policy, store, workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_everybody_is_too_many_as_well() {
    let mut house = house(40).await;
    house.policy.brake.max_share_percent = 10;
    let known = house.cases.headcount().await.unwrap();
    let limit = usize::try_from(known / 10).unwrap();
    let cases = plan_all(&house, &crowd(limit + 2)).await;
    assert_eq!(by_status(&house, &cases, CaseStatus::Running).await.len(), limit);
    assert_eq!(house.cases.brake().await.unwrap().headcount.unwrap().people, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_the_future_meet_the_brake_when_they_start() {
    let house = house(2).await;
    let mut cases = Vec::new();
    let days = |count: u64| now().plus(Duration::from_secs(count * 86_400));
    for username in crowd(4) {
        let mut event = event(&username, &format!("evt-{username}"));
        event["metadata"]["last_working_day"] = json!(&days(3).to_string()[..10]);
        let answer = body(&house.post(&house.cases, &event.to_string()).await);
        cases.push(answer["case_id"].as_str().unwrap().parse::<CaseId>().unwrap());
    }
    assert_eq!(by_status(&house, &cases, CaseStatus::Recorded).await.len(), 4);
    assert_eq!(house.plan(&house.cases, &cases[0]).await.unwrap_err().kind, FaultKind::Conflict);
    assert_eq!(house.cases.brake().await.unwrap().version, 0, "nobody passed yet");
    for case in &cases {
        house.plan_at(&house.cases, case, days(5)).await.unwrap();
    }
    assert_eq!(by_status(&house, &cases, CaseStatus::Held).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_and_another_case_of_the_same_person_take_nobodys_place() {
    let house = house(2).await;
    let people = crowd(3);
    let first = crate::recorded(&house, &people[0]).await;
    house.plan(&house.cases, &first).await.unwrap();
    let brake = house.cases.brake().await.unwrap();
    house.plan(&house.cases, &first).await.unwrap();
    assert_eq!(house.cases.brake().await.unwrap(), brake);
    let answer = body(&house.post(&house.cases, &event(&people[0], "evt-again").to_string()).await);
    let again: CaseId = answer["case_id"].as_str().unwrap().parse().unwrap();
    house.plan(&house.cases, &again).await.unwrap();
    let others = plan_all(&house, &people[1..]).await;
    assert_eq!(house.case(&again).await.0.status, CaseStatus::Running);
    assert_eq!(by_status(&house, &others, CaseStatus::Running).await.len(), 1);
}

/// An emergency counts and passes, and says so; what takes nothing, or was decided one by one, is not asked.
#[tokio::test(flavor = "multi_thread")]
async fn emergencies_pass_loudly_and_what_takes_nothing_does_not_count() {
    let house = house(1).await;
    let people = crowd(6);
    let open = |username: &str, source: &str, event_id: &str| Request {
        trigger: Trigger {
            source: source.into(),
            event_id: event_id.parse().unwrap(),
            by: "sam.admin".into(),
            kind: "manual".into(),
            at: now(),
            received_at: now(),
            body: Digest::of(username.as_bytes()),
        },
        mode: Mode::Leave,
        reason: "r".into(),
        dates: Dates::default(),
        effective_at: now(),
        dry_run: false,
        emergency: false,
        grants: None,
        permissions: BTreeSet::default(),
        moves: None,
        measure: None,
    };
    let run = async |username: &str, request: Request| {
        let person = house.cases.person(&username.parse().unwrap()).await.unwrap().unwrap();
        let (store, workflow) = (&house.cases, &house.workflow);
        let (receipt, _) =
            intake::submit(store, workflow, &house.policy, &person, &request, now()).await.unwrap();
        house.plan(&house.cases, &receipt.case_id).await.unwrap();
        house.case(&receipt.case_id).await.0
    };
    let api = "api:sam.admin";
    let dry = Request { dry_run: true, ..open(&people[0], api, "dry") };
    assert_eq!(run(&people[0], dry).await.status, CaseStatus::Running);
    let back = Request { mode: Mode::Reactivate, ..open(&people[1], api, "back") };
    assert_eq!(run(&people[1], back).await.status, CaseStatus::Running);
    let decided = open(&people[2], "leaver", "measure-1-end");
    assert_eq!(run(&people[2], decided).await.status, CaseStatus::Running);
    assert_eq!(house.cases.brake().await.unwrap().version, 0, "one of them passed the brake");
    let quiet = Request { emergency: true, ..open(&people[3], api, "quiet") };
    let quiet = run(&people[3], quiet).await;
    assert!(quiet.findings.iter().all(|finding| finding.kind != holds::MASS_ACTION));
    // The emergency has taken the only place.
    assert_eq!(run(&people[4], open(&people[4], api, "held")).await.status, CaseStatus::Held);
    let loud = Request { emergency: true, ..open(&people[5], api, "loud") };
    let loud = run(&people[5], loud).await;
    assert_eq!(loud.status, CaseStatus::Running);
    assert!(loud.findings.iter().any(|finding| finding.kind == holds::MASS_ACTION));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_decides_in_time_they_stay_held_and_are_asked_about_again() {
    let house = house(1).await;
    let cases = plan_all(&house, &crowd(2)).await;
    let id = by_status(&house, &cases, CaseStatus::Held).await[0].measure.clone().unwrap();
    let late = now().plus(Duration::from_secs(house.policy.approvals.expires_seconds.into()));
    let asked = ApprovalId::Measure(id.clone());
    deciding::look_after(&house.cases, &house.policy, &asked, late).await.unwrap();
    let expired = house.cases.measure(&id).await.unwrap().unwrap();
    assert_eq!(expired.status, MeasureStatus::Expired);
    assert_eq!(house.cases.measures_due(late, 10).await.unwrap(), std::slice::from_ref(&id));
    assert!(holds::release(&house.cases, &house.workflow, &house.policy, &expired, late).await.unwrap());
    let again = house.cases.measure(&id).await.unwrap().unwrap();
    assert_eq!((again.status, again.approval.round), (MeasureStatus::Requested, 2));
    assert_eq!(by_status(&house, &cases, CaseStatus::Held).await.len(), 1, "silence is no consent");
    decide(&house, &id, "sam.admin", Decision::Approve).await.unwrap();
    carry_out(&house, &id).await;
    assert_eq!(by_status(&house, &cases, CaseStatus::Recorded).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_was_asked_is_asked_by_the_tick() {
    let house = house(1).await;
    let cases = plan_all(&house, &crowd(2)).await;
    let id = by_status(&house, &cases, CaseStatus::Held).await[0].measure.clone().unwrap();
    let workflow = leaver_platform::memory::MemoryWorkflow::default();
    let tick = async |seconds| {
        let humans = leaver_approval::Humans {
            policy: &house.policy,
            store: &house.cases,
            workflow: &workflow,
            messenger: None,
            now: now().plus(Duration::from_secs(seconds)),
        };
        leaver_approval::handle(&humans, leaver_approval::Input::Tick).await.unwrap();
    };
    tick(5).await;
    assert_eq!(workflow.executions(), [], "whoever held it may still be about to ask");
    tick(30).await;
    tick(31).await;
    assert_eq!(workflow.executions(), [Execution::Measure(id)]);
}
