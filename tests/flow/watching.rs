//! What was taken is read again, days and weeks later: what is well, what is back, what cannot be read, and who is left alone.

use crate::{events, recorded, restoring};
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Mode, SystemStatus},
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::{Person, PersonStatus},
    ports::{CaseStore, Execution},
    reviews::{self, ReviewKind},
    time::Timestamp,
    watch::{Look, Target},
};
use leaver_platform::memory_messages::MemoryMessenger;
use leaver_sweep::{Sweep, Swept};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, appending, shipped},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn sweep_at(house: &House, at: Timestamp) -> Swept {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

async fn sweep(house: &House) -> Swept {
    sweep_at(house, now()).await
}

fn looking(case: &CaseId, day: u32) -> Execution {
    Execution::Reverify { case: case.clone(), day, run: 1 }
}

/// Lets so many days go by since a case ended: what counts is the distance.
async fn age(house: &House, case: &CaseId, days: u32) {
    let (mut record, _) = house.case(case).await;
    assert!(record.closed_at.is_some());
    record.closed_at = Some(now().minus(DAY * days));
    record.version += 1;
    house.cases.put_case(&record).await.unwrap();
}

/// A termination that ended so many days ago.
async fn ended(username: &str, days: u32) -> (House, CaseId) {
    let house = House::new().await;
    let case = recorded(&house, username).await;
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    age(&house, &case, days).await;
    (house, case)
}

/// The execution of a look, as the state machine runs it, over another table.
async fn look_over(house: &House, store: &dyn CaseStore, case: &CaseId, day: u32) -> bool {
    let reverify = Some(Target { case_id: case.clone(), day });
    let plan = leaver_plan::Plan { policy: &house.policy, store, workflow: &house.workflow, now: now() };
    let input = leaver_plan::Input { reverify: reverify.clone(), ..Default::default() };
    let Ok(planned) = leaver_plan::handle(&plan, input).await else { return false };
    assert_eq!((&planned.case_id, &planned.reverify), (&None, &reverify));
    for item in &planned.systems {
        assert_eq!((item.step, item.case_id.as_ref()), ("reverify", Some(case)));
        for _ in 0..5 {
            match house.step(store, case, &item.system, Step::Reverify).await {
                Err(fault) if fault.kind.is_retryable() => {}
                _ => break,
            }
        }
    }
    let close = leaver_close::Close {
        policy: &house.policy,
        store,
        ledger: &house.ledger,
        clock: &now,
        wait: &|_| Box::pin(async {}),
        tries: 1,
    };
    let input = leaver_close::Input { case_id: None, system: None, systems: vec![], reverify };
    leaver_close::handle(&close, input).await.is_ok()
}

/// A look that comes to its end; what was seen.
async fn look(house: &House, case: &CaseId, day: u32) -> Look {
    assert!(look_over(house, &house.cases, case, day).await);
    seen(house, case, day).await.expect("a look")
}

async fn seen(house: &House, case: &CaseId, day: u32) -> Option<Look> {
    house.case(case).await.0.watch.unwrap().look(day).cloned()
}

/// Somebody switches the account on again behind leaver's back.
async fn switch_on(house: &House, username: &str) {
    let path = format!("api/v1/users/{username}/lifecycle/unsuspend");
    let token = format!("SSWS {}", house.stage.settings["okta"]["api_token"]);
    let sent = leaver_adapters::http::client().unwrap().post(format!("{}/okta/{path}", house.stage.url));
    assert_eq!(sent.header("authorization", token).send().await.unwrap().status(), 200);
}

/// Everything that is written gets under a checkpoint, and the sweep sees it.
async fn settle(house: &House) {
    house.feed().await;
    house.publish().await;
    sweep_at(house, now().plus(Duration::from_secs(700))).await;
}

/// What the stand-ins hold of somebody.
async fn accounts(house: &House, username: &str) -> Vec<Value> {
    let mut accounts = Vec::new();
    for system in house.policy.automatic() {
        accounts.push(house.stage.account(system.as_str(), username).await);
    }
    accounts
}

fn kinds(look: &Look) -> Vec<&str> {
    look.findings.iter().map(|finding| finding.kind.as_str()).collect()
}

async fn opened(house: &House, look: &Look) -> (CaseRecord, Person) {
    let (record, _) = house.case(look.opened.as_ref().expect("a case")).await;
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    (record, person)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_is_looked_at_once_and_every_read_is_a_row() {
    let (house, case) = ended("john.doe", 0).await;
    let (before, systems) = (accounts(&house, "john.doe").await, house.policy.automatic().count());
    assert_eq!(sweep(&house).await.reverifying, 0, "its day has not come");
    for (day, ago) in [(1, 1), (7, 7), (30, 31)] {
        age(&house, &case, ago).await;
        assert_eq!(sweep(&house).await.reverifying, 1, "day {day}");
        assert_eq!(house.workflow.executions().last(), Some(&looking(&case, day)));
        assert_eq!(sweep(&house).await.reverifying, 0, "its execution is at it");
        let seen = look(&house, &case, day).await;
        assert_eq!((seen.systems_ok, seen.opened.as_ref()), (systems, None), "{seen:?}");
        // The last day was looked at a day late, and that is said.
        let late: &[&str] = if day == 30 { &["reverified_late"] } else { &[] };
        assert_eq!(kinds(&seen), late);
        assert_eq!(house.case(&case).await.0.checkpoint_size, None, "its rows have to be published");
        settle(&house).await;
        assert!(house.case(&case).await.0.checkpoint_size.is_some());
        // A repeat reads nothing and writes nothing.
        let version = house.case(&case).await.0.version;
        assert!(look_over(&house, &house.cases, &case, day).await);
        assert_eq!(house.case(&case).await.0.version, version);
    }
    age(&house, &case, 400).await;
    assert_eq!(sweep(&house).await.reverifying, 0, "there is no further day");
    assert_eq!(accounts(&house, "john.doe").await, before, "nothing was changed in a system");
    let log = house.log().await;
    let of = |day: u64| {
        log.iter().filter(move |(entry, evidence)| {
            entry.kind == EventKind::VerificationCompleted && evidence["facts"]["day"] == day
        })
    };
    for day in [1, 7, 30] {
        assert_eq!(of(day).filter(|(entry, _)| entry.system.is_some()).count(), systems);
        assert_eq!(of(day).filter(|(entry, _)| entry.system.is_none()).count(), 1);
        assert!(of(day).all(|(entry, _)| entry.outcome == Outcome::Success));
    }
    let (_, view) =
        house.call(("sam.admin", "security"), "GET", &format!("/api/v1/cases/{case}"), "", now()).await;
    assert_eq!(view["reverified"].as_array().unwrap().len(), 3, "{view}");
    assert_eq!((&view["status"], &view["reverify_next"]), (&json!("complete"), &Value::Null));
    assert_eq!(view["reverified"][2]["systems_ok"], systems);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_on_which_nobody_swept_are_made_up_for_one_after_the_other() {
    let (house, case) = ended("john.doe", 9).await;
    assert_eq!(sweep(&house).await.reverifying, 1);
    for day in [1, 7] {
        assert_eq!(house.workflow.executions().last(), Some(&looking(&case, day)));
        let seen = look(&house, &case, day).await;
        assert_eq!(kinds(&seen), ["reverified_late"], "day {day}");
        settle(&house).await;
    }
    assert_eq!(sweep(&house).await.reverifying, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_back_is_told_and_taken_again() {
    let (house, case) = ended("john.doe", 7).await;
    look(&house, &case, 1).await;
    settle(&house).await;
    switch_on(&house, "john.doe").await;
    let seen = look(&house, &case, 7).await;
    assert_eq!(kinds(&seen), ["reappeared"], "{seen:?}");
    assert!(seen.findings[0].detail.starts_with("okta, day 7: account"), "{seen:?}");
    let account = house.stage.account("okta", "john.doe").await;
    assert_eq!(account["active"], true, "a look takes nothing");
    let (new, person) = opened(&house, &seen).await;
    assert_eq!(
        (new.status, new.trigger.source.as_str(), new.trigger.kind.as_str()),
        (CaseStatus::Recorded, "leaver", "reappeared")
    );
    assert_eq!(
        (person.status, person.case.as_ref()),
        (PersonStatus::Left, Some(&case)),
        "they left by the first"
    );
    // Nobody but the sweep has to start it.
    let swept = sweep_at(&house, now().plus(Duration::from_secs(30))).await;
    assert_eq!(swept.started, 1);
    house.execute(&new.case_id).await;
    let (done, _) = house.case(&new.case_id).await;
    assert_eq!(done.status, CaseStatus::Complete);
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    assert_eq!(house.cases.brake().await.unwrap().passed.len(), 1, "one person, however often");
    // Security is told by the review.
    let messenger = MemoryMessenger::default();
    let humans = house.humans(&house.cases, Some(&messenger), now());
    leaver_approval::handle(&humans, leaver_approval::Input::Tick).await.unwrap();
    let review =
        house.cases.review(&reviews::id_of(ReviewKind::Reappeared, &new.case_id)).await.unwrap().unwrap();
    assert_eq!(review.shown.len(), house.policy.approvals.security_team.len());
    assert!(review.owners.iter().any(|owner| owner.as_str() == "sam.admin"));
    // Both are looked at from now on.
    settle(&house).await;
    age(&house, &new.case_id, 1).await;
    assert_eq!(look(&house, &new.case_id, 1).await.opened, None);
    age(&house, &case, 30).await;
    assert_eq!(look(&house, &case, 30).await.opened, None);
}

/// Who is suspended stays so until somebody gives it back: what opens meanwhile is shut again, and nothing else is taken.
#[tokio::test(flavor = "multi_thread")]
async fn what_opens_while_somebody_is_suspended_is_shut_again_and_all_of_it_comes_back() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    let before = (events::active(&house, "john.doe").await, accounts(&house, "john.doe").await);
    let event = events::told("user_suspended", "john.doe", "s1", json!({}), json!({}));
    let (suspended, systems) = events::done(&house, &event).await;
    let case = suspended.case_id;
    age(&house, &case, 1).await;
    assert_eq!(sweep(&house).await.reverifying, 1);
    let seen = look(&house, &case, 1).await;
    // Where nothing is an account there was nothing to shut, and there is nothing to look for.
    let looked_into = systems.iter().filter(|system| system.before.is_some()).count();
    assert!(looked_into < house.policy.automatic().count(), "all of them hold accounts: this shows nothing");
    assert_eq!((seen.systems_ok, seen.findings.len()), (looked_into, 0), "{seen:?}");
    settle(&house).await;
    age(&house, &case, 7).await;
    switch_on(&house, "john.doe").await;
    let seen = look(&house, &case, 7).await;
    assert_eq!(kinds(&seen), ["reappeared"], "{seen:?}");
    let (new, person) = opened(&house, &seen).await;
    assert_eq!((new.mode, new.dates.termination_date), (Mode::Suspend, None));
    assert_eq!((person.status, person.case.as_ref()), (PersonStatus::Suspended, Some(&case)));
    house.execute(&new.case_id).await;
    assert_eq!(house.case(&new.case_id).await.0.status, CaseStatus::Complete);
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    for (kind, is_opened) in [(ReviewKind::Reappeared, true), (ReviewKind::Suspension, false)] {
        let review = house.cases.review(&reviews::id_of(kind, &new.case_id)).await.unwrap();
        assert_eq!(review.is_some(), is_opened, "{kind:?}");
    }
    restoring::given_back(&house, "r1", &case).await;
    assert_eq!(events::active(&house, "john.doe").await, before.0);
    for (was, is) in before.1.iter().zip(accounts(&house, "john.doe").await) {
        if was["grants"].is_array() {
            assert_eq!(restoring::names(was), restoring::names(&is));
        }
    }
    // From then on there is nothing to look for.
    settle(&house).await;
    age(&house, &case, 30).await;
    assert_eq!(sweep(&house).await.reverifying, 0);
    let seen = self::seen(&house, &case, 30).await.unwrap();
    assert_eq!(seen.left_alone.as_deref(), Some("the person is active again"));
}

/// They work out their notice, suspended: the termination that lies ahead has taken nothing yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_looked_at_while_a_termination_lies_ahead() {
    for kind in ["user_suspended", "inactive"] {
        let house = House::new().await;
        let case = match kind {
            "inactive" => events::inactive(&house, "john.doe").await,
            kind => {
                let event = events::told(kind, "john.doe", "s1", json!({}), json!({}));
                events::done(&house, &event).await.0.case_id
            }
        };
        let ahead = events::gives_notice(&house, "john.doe").await;
        settle(&house).await;
        age(&house, &case, 1).await;
        switch_on(&house, "john.doe").await;
        assert_eq!(sweep(&house).await.reverifying, 1, "{kind}");
        let seen = look(&house, &case, 1).await;
        assert_eq!(kinds(&seen), ["reappeared"], "{seen:?}");
        let (new, person) = opened(&house, &seen).await;
        assert_eq!((person.status, person.case), (PersonStatus::Leaving, Some(ahead)));
        // Whoever has done nothing is not shut past the risk gate.
        let expected = if kind == "inactive" { ("inactive", false) } else { ("reappeared", true) };
        assert_eq!((new.trigger.kind.as_str(), new.passes_gate()), expected);
        house.execute(&new.case_id).await;
        assert_eq!(house.case(&new.case_id).await.0.status, CaseStatus::Complete);
        assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    }
}

/// Their address is somebody else's by now: systems that know people by it would take what is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_back_under_an_address_of_somebody_else_is_told_and_not_taken() {
    let (house, case) = ended("john.doe", 1).await;
    let john = house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap();
    let mut new = Person {
        username: "jdoe".parse().unwrap(),
        employee_id: "EMP-90009".parse().unwrap(),
        email: john.email.to_uppercase(),
        status: PersonStatus::Active,
        case: None,
        version: 1,
        ..john.clone()
    };
    house.cases.put_person(&new).await.unwrap();
    switch_on(&house, "john.doe").await;
    let seen = look(&house, &case, 1).await;
    assert_eq!(kinds(&seen), ["address_reused"], "{seen:?}");
    let detail = &seen.findings[0].detail;
    assert!(detail.starts_with("okta, day 1: account") && detail.contains("jdoe"), "{detail}");
    assert_eq!(seen.opened, None);
    let (record, _) = house.case(&case).await;
    assert_eq!(record.log.last().unwrap().outcome, Outcome::Failure);
    assert_eq!(house.cases.cases(None, 10).await.unwrap().cases.len(), 1, "nobody takes it");
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], true);
    // Once they are gone as well, it is nobody's who is here.
    (new.status, new.version) = (PersonStatus::Left, 2);
    house.cases.put_person(&new).await.unwrap();
    age(&house, &case, 7).await;
    let seen = look(&house, &case, 7).await;
    assert_eq!(kinds(&seen), ["reappeared"], "{seen:?}");
    assert!(seen.opened.is_some());
}

/// As long as the case that takes it is not through, the next look waits: it would only find the same.
#[tokio::test(flavor = "multi_thread")]
async fn while_what_is_back_is_being_taken_nobody_looks_again() {
    let (house, case) = ended("john.doe", 8).await;
    switch_on(&house, "john.doe").await;
    let seen = look(&house, &case, 1).await;
    settle(&house).await;
    assert_eq!(sweep(&house).await.reverifying, 0);
    assert!(look_over(&house, &house.cases, &case, 7).await);
    assert!(self::seen(&house, &case, 7).await.is_none());
    house.execute(seen.opened.as_ref().unwrap()).await;
    assert_eq!(sweep(&house).await.reverifying, 1);
    assert_eq!(look(&house, &case, 7).await.opened, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_back_in_a_protected_account_is_asked_about() {
    let (mut house, case) = ended("john.doe", 1).await;
    house.policy.protected.insert("john.doe".parse().unwrap());
    switch_on(&house, "john.doe").await;
    let seen = look(&house, &case, 1).await;
    let (new, _) = opened(&house, &seen).await;
    assert_eq!(new.status, CaseStatus::Held);
    assert!(house.cases.measure(new.measure.as_ref().unwrap()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_cannot_be_read_is_its_owners_to_look_at_and_keeps_no_other() {
    let (house, case) = ended("john.doe", 1).await;
    house.stage.fault(json!({"system": "slack", "status": 401})).await;
    let seen = look(&house, &case, 1).await;
    assert_eq!(kinds(&seen), ["not_reverified"], "{seen:?}");
    assert!(seen.findings[0].detail.contains("its owner sam.admin"), "{seen:?}");
    assert_eq!((seen.systems_ok, seen.opened), (house.policy.automatic().count() - 1, None));
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete, "what was proved then stays proved");
    let slack = systems.iter().find(|one| one.system.as_str() == "slack").unwrap();
    assert_eq!((slack.status, slack.readings[0].tries), (SystemStatus::Verified, 1));
    assert_eq!(slack.log.last().unwrap().outcome, Outcome::Failure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_for_a_while_is_tried_again() {
    let (house, case) = ended("john.doe", 1).await;
    house.stage.fault(json!({"system": "okta", "status": 503, "times": 4})).await;
    let seen = look(&house, &case, 1).await;
    assert_eq!(kinds(&seen), Vec::<&str>::new(), "{seen:?}");
    let okta = house.system(&case, "okta").await;
    assert!(okta.readings[0].tries > 1, "{:?}", okta.readings);
    let rows = okta.log.iter().filter(|line| line.facts["day"] == 1).count();
    assert_eq!(rows, usize::try_from(okta.readings[0].tries).unwrap(), "each read is a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_back_is_left_alone_and_nothing_is_read() {
    for moment in ["before the sweep", "after it"] {
        let (house, case) = ended("john.doe", 1).await;
        let username = "john.doe".parse().unwrap();
        let rehire = async || {
            let mut person = house.cases.person(&username).await.unwrap().unwrap();
            person.status = PersonStatus::Active;
            person.case = Some("case-rehire".parse().unwrap());
            person.version += 1;
            house.cases.put_person(&person).await.unwrap();
            switch_on(&house, "john.doe").await;
        };
        if moment == "before the sweep" {
            rehire().await;
            assert_eq!(sweep(&house).await.reverifying, 0);
        } else {
            assert_eq!(sweep(&house).await.reverifying, 1);
            rehire().await;
            assert!(look_over(&house, &house.cases, &case, 1).await);
        }
        let seen = seen(&house, &case, 1).await.expect("a look");
        assert_eq!(seen.left_alone.as_deref(), Some("the person is active again"), "{moment}");
        assert!(seen.findings.is_empty() && seen.opened.is_none());
        assert!(house.system(&case, "okta").await.readings.is_empty());
        let (record, _) = house.case(&case).await;
        assert_eq!(record.log.last().unwrap().outcome, Outcome::NotApplicable);
    }
}

/// They come back between the reading and the fold: the finding is not written, and nothing is taken.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_while_somebody_looks_keeps_what_they_have() {
    let (house, case) = ended("john.doe", 1).await;
    switch_on(&house, "john.doe").await;
    house.step(&house.cases, &case, "okta", Step::Reverify).await.unwrap();
    assert!(!house.system(&case, "okta").await.readings[0].back.is_empty());
    let mut person = house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap();
    person.status = PersonStatus::Active;
    person.version += 1;
    house.cases.put_person(&person).await.unwrap();
    let seen = look(&house, &case, 1).await;
    assert!(seen.left_alone.is_some() && seen.opened.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_runs_and_what_was_called_off_are_not_looked_at() {
    let house = House::new().await;
    let said = json!({"person": "john.doe", "reason": "just looking", "dry_run": true}).to_string();
    let (_, view) = house.call(("sam.admin", "security"), "POST", "/api/v1/cases", &said, now()).await;
    let dry: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&dry).await;
    assert_eq!(house.case(&dry).await.0.watch, None);
    let case = recorded(&house, "john.doe").await;
    let (mut record, _) = house.case(&case).await;
    record.status = CaseStatus::Cancelled;
    record.closed_at = Some(now().minus(DAY * 40));
    record.version += 1;
    house.cases.put_case(&record).await.unwrap();
    assert_eq!(sweep(&house).await.reverifying, 0);
    assert!(look_over(&house, &house.cases, &case, 1).await);
    assert!(seen(&house, &case, 1).await.is_none());
}

/// What its owner has not done yet is passed over; the rest is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_with_an_open_task_is_looked_at_as_far_as_it_is_through() {
    let house = House::new().await;
    house.stage.fault(json!({"system": "okta", "status": 401})).await;
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    house.stage.clear().await;
    let (mut record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    record.created_at = now().minus(DAY * 2);
    record.effective_at = record.created_at;
    record.version += 1;
    house.cases.put_case(&record).await.unwrap();
    settle(&house).await;
    assert_eq!(house.workflow.executions().last(), Some(&looking(&case, 1)));
    let seen = look(&house, &case, 1).await;
    assert_eq!(seen.systems_ok, house.policy.automatic().count() - 1);
    assert_eq!(seen.opened, None, "what was never gone is not back");
}

/// Wherever a step dies: after another execution the day was looked at once, and one case takes what is back.
#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_look_dies_another_one_finishes_it_and_nothing_is_done_twice() {
    let (mut house, case) = ended("john.doe", 1).await;
    house.policy.systems.retain(|id, _| id.as_str() == "okta");
    switch_on(&house, "john.doe").await;
    for when in [When::Before, When::After] {
        for call in 0..400 {
            let copy = house.cases.copy();
            let failing = Failing::at(&copy, call, when);
            look_over(&house, &failing, &case, 1).await;
            if !failing.has_failed() {
                assert!(call > 10, "{call}");
                break;
            }
            assert!(look_over(&house, &copy, &case, 1).await, "{when:?} {call}");
            let record = copy.case(&case).await.unwrap().unwrap();
            let looks = &record.watch.as_ref().unwrap().looks;
            assert_eq!(looks.len(), 1, "{when:?} {call}");
            assert_eq!(kinds(&looks[0]), ["reappeared"], "{when:?} {call}: {:?}", looks[0]);
            let new = copy.case(looks[0].opened.as_ref().unwrap()).await.unwrap().unwrap();
            assert_eq!((new.version, new.status), (1, CaseStatus::Recorded));
            let rows = record.log.iter().filter(|line| line.facts["day"] == 1).count();
            assert_eq!(rows, 1, "{when:?} {call}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_whose_execution_died_gets_another() {
    let (house, case) = ended("john.doe", 1).await;
    assert_eq!(sweep(&house).await.reverifying, 1);
    house.workflow.end(looking(&case, 1));
    assert_eq!(sweep(&house).await.reverifying, 1);
    let second = Execution::Reverify { case: case.clone(), day: 1, run: 2 };
    assert_eq!(house.workflow.executions().last(), Some(&second));
    assert_eq!(second.name(), format!("{case}-day-1-run-2"));
    assert_eq!(sweep(&house).await.reverifying, 0, "the other one is at it");
    look(&house, &case, 1).await;
    assert_eq!(house.case(&case).await.0.watch.unwrap().run, 1, "each day counts for itself");
}
