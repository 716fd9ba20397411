//! Cases that are held alone, and cases that are called off.

use crate::brake::{carry_out, decide};
use leaver_domain::{
    approval::{ApprovalId, Decision},
    case::CaseStatus,
    deciding,
    id::{CaseId, MeasureId, Username},
    ledger::EventKind,
    measure::MeasureStatus,
    person::{Person, PersonStatus},
    ports::{CaseStore, Execution},
};
use leaver_tests::{
    flow::{House, body, event},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

async fn cancel(house: &House, who: &str, roles: &str, case: &CaseId) -> (i64, Value) {
    let path = format!("/api/v1/cases/{case}/cancel");
    house.call((who, roles), "POST", &path, r#"{"reason": "sent by mistake"}"#, now()).await
}

async fn person(house: &House, username: &str) -> Person {
    let username: Username = username.parse().unwrap();
    house.cases.person(&username).await.unwrap().unwrap()
}

async fn protected(username: &str) -> (House, CaseId) {
    let mut house = House::new().await;
    house.policy.protected.insert(username.parse().unwrap());
    let case = crate::recorded(&house, username).await;
    (house, case)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_account_waits_for_security_and_then_runs_to_its_end() {
    let (house, case) = protected("john.doe").await;
    let (held, _) = house.case(&case).await;
    let id = held.measure.clone().unwrap();
    assert_eq!(house.workflow.executions(), [Execution::Measure(id.clone())]);
    assert_eq!(held.log.last().unwrap().kind, EventKind::CaseHeld);
    let measure = house.cases.measure(&id).await.unwrap().unwrap();
    assert_eq!(measure.username(), Some(&held.person.username));
    assert_eq!(measure.cases, std::slice::from_ref(&case));
    assert!(decide(&house, &id, "jane.smith", Decision::Approve).await.is_err(), "the manager is not enough");
    assert!(decide(&house, &id, "john.doe", Decision::Approve).await.is_err(), "about oneself");
    decide(&house, &id, "sam.admin", Decision::Approve).await.unwrap();
    assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended);
    let (released, _) = house.case(&case).await;
    assert_eq!((released.status, released.run), (CaseStatus::Recorded, 2));
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete, "it was held for the same once more");
    house.feed().await;
    let log = house.log().await;
    for kind in [EventKind::CaseHeld, EventKind::CaseReleased, EventKind::MeasureEnded] {
        assert_eq!(log.iter().filter(|(entry, _)| entry.kind == kind).count(), 1, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_became_protected_is_held_when_it_starts_and_a_dry_run_never() {
    let mut house = House::new().await;
    let case = crate::recorded(&house, "john.doe").await;
    house.policy.protected.insert("john.doe".parse().unwrap());
    assert!(house.plan(&house.cases, &case).await.unwrap().systems.is_empty());
    let id = house.case(&case).await.0.measure.unwrap();
    assert!(house.workflow.executions().contains(&Execution::Measure(id.clone())));
    decide(&house, &id, "sam.admin", Decision::Deny).await.unwrap();
    carry_out(&house, &id).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Cancelled);
    assert_eq!(person(&house, "john.doe").await.status, PersonStatus::Active);
    let open = json!({"person": "john.doe", "reason": "what if", "dry_run": true}).to_string();
    let (status, view) = house.call(("sam.admin", "security"), "POST", "/api/v1/cases", &open, now()).await;
    assert_eq!((status, &view["status"]), (202, &json!("recorded")));
    let dry: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    assert!(!house.plan(&house.cases, &dry).await.unwrap().systems.is_empty());
    assert_eq!(house.cases.brake().await.unwrap().version, 0, "it passed the brake");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_username_can_be_called_off_and_never_released() {
    let house = House::new().await;
    let case = crate::recorded(&house, "john.doe").await;
    let mut other = person(&house, "john.doe").await;
    other.employee_id = "EMP-99999".parse().unwrap();
    other.version += 1;
    house.cases.put_person(&other).await.unwrap();
    assert!(house.plan(&house.cases, &case).await.unwrap().systems.is_empty());
    let (held, _) = house.case(&case).await;
    assert_eq!(
        (held.status, held.measure),
        (CaseStatus::Held, None),
        "nobody is asked what nobody may allow"
    );
    let (status, view) = cancel(&house, "harper.hr", "hr", &case).await;
    assert_eq!((status, &view["status"]), (200, &json!("cancelled")), "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_call_what_off() {
    let house = House::new().await;
    let case = crate::recorded(&house, "john.doe").await;
    for (who, roles, expected) in [
        ("avery.audit", "auditor", 403),
        ("jane.smith", "manager", 403),
        ("casey.contract", "manager", 404),
        ("john.doe", "hr", 403),
    ] {
        assert_eq!(cancel(&house, who, roles, &case).await.0, expected, "{who}");
    }
    let path = format!("/api/v1/cases/{case}/cancel");
    for (text, expected) in
        [("", 400), ("{", 400), ("{}", 422), (r#"{"reason": " "}"#, 422), (r#"{"reason": "r", "x": 1}"#, 422)]
    {
        let (status, problem) = house.call(("harper.hr", "hr"), "POST", &path, text, now()).await;
        assert_eq!((status, problem["detail"].is_string()), (expected, true), "{text}");
    }
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Recorded, "somebody refused changed it");
    let (status, view) = cancel(&house, "harper.hr", "hr", &case).await;
    assert_eq!((status, &view["status"]), (200, &json!("cancelled")));
    assert_eq!(person(&house, "john.doe").await.status, PersonStatus::Active);
    assert_eq!(cancel(&house, "harper.hr", "hr", &case).await.0, 409);
    // Its execution may begin all the same: it finds nothing to do.
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Cancelled);
    let (record, _) = house.case(&case).await;
    let row = record.log.last().unwrap();
    assert_eq!((row.kind, row.actor.as_str()), (EventKind::CaseCancelled, "harper.hr"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_calls_off_what_they_opened_before_its_time() {
    let house = House::new().await;
    let later = now().plus(Duration::from_secs(86_400));
    let open = json!({"person": "robin.mover", "reason": "leaves", "effective_at": later}).to_string();
    let (status, view) = house.call(("jane.smith", "manager"), "POST", "/api/v1/cases", &open, now()).await;
    assert_eq!(status, 202, "{view}");
    let case: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(person(&house, "robin.mover").await.status, PersonStatus::Leaving);
    assert_eq!(cancel(&house, "jane.smith", "manager", &case).await.0, 200);
    assert_eq!(person(&house, "robin.mover").await.status, PersonStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_or_is_over_cannot_be_called_off() {
    let house = House::new().await;
    let case = crate::recorded(&house, "casey.contract").await;
    house.plan(&house.cases, &case).await.unwrap();
    let (status, problem) = cancel(&house, "harper.hr", "hr", &case).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("restore"), "{problem}");
    house.execute(&case).await;
    assert_eq!(cancel(&house, "harper.hr", "hr", &case).await.0, 409);
}

/// The person goes back to where the cases that were not called off have put them.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_cases_the_last_one_that_stands_says_where_the_person_is() {
    let house = House::new().await;
    let mut cases = Vec::new();
    for number in 0..3 {
        let answer = house.post(&house.cases, &event("john.doe", &format!("evt-{number}")).to_string()).await;
        cases.push(body(&answer)["case_id"].as_str().unwrap().parse::<CaseId>().unwrap());
    }
    // The one in the middle is called off first: it is not the one that the person stands under.
    assert_eq!(cancel(&house, "harper.hr", "hr", &cases[1]).await.0, 200);
    assert_eq!(person(&house, "john.doe").await.case, Some(cases[2].clone()));
    assert_eq!(cancel(&house, "harper.hr", "hr", &cases[2]).await.0, 200);
    let now_under = person(&house, "john.doe").await;
    assert_eq!((now_under.status, now_under.case), (PersonStatus::Leaving, Some(cases[0].clone())));
    assert_eq!(cancel(&house, "harper.hr", "hr", &cases[0]).await.0, 200);
    let now_under = person(&house, "john.doe").await;
    assert_eq!((now_under.status, now_under.case), (PersonStatus::Active, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn calling_off_what_is_held_withdraws_the_question_about_it() {
    let (house, case) = protected("john.doe").await;
    let id = house.case(&case).await.0.measure.unwrap();
    assert_eq!(cancel(&house, "harper.hr", "hr", &case).await.0, 200);
    let measure = house.cases.measure(&id).await.unwrap().unwrap();
    assert_eq!(measure.status, MeasureStatus::Ended);
    assert!(decide(&house, &id, "sam.admin", Decision::Approve).await.is_err());
    assert!(house.cases.asking(10).await.unwrap().is_empty());
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Cancelled);
}

/// A feed that has gone mad and lets everybody go, those who decide included, does not take the brake from their hands.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_held_themselves_can_still_stop_it() {
    let house = crate::brake::house(1).await;
    for username in ["john.doe", "sam.admin", "taylor.admin", "harper.hr", "robin.mover"] {
        let case = crate::recorded(&house, username).await;
        house.plan(&house.cases, &case).await.unwrap();
    }
    let own = |username: &'static str| {
        let house = &house;
        async move { person(house, username).await.case.unwrap() }
    };
    let (sam, taylor) = (own("sam.admin").await, own("taylor.admin").await);
    let id = house.case(&sam).await.0.measure.unwrap();
    assert!(decide(&house, &id, "sam.admin", Decision::Deny).await.is_err(), "about their own case");
    assert_eq!(cancel(&house, "sam.admin", "security", &sam).await.0, 403);
    assert_eq!(cancel(&house, "sam.admin", "security", &taylor).await.0, 200);
    decide(&house, &id, "taylor.admin", Decision::Deny).await.unwrap();
    carry_out(&house, &id).await;
    assert_eq!(house.case(&sam).await.0.status, CaseStatus::Cancelled);
    assert_eq!(person(&house, "sam.admin").await.status, PersonStatus::Active);
}

/// A case of an approver and one that they opened: neither of them decides about it, whichever way.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_releases_what_they_opened_themselves() {
    let mut house = House::new().await;
    house.policy.protected.insert("john.doe".parse().unwrap());
    let open = json!({"person": "john.doe", "reason": "leaves"}).to_string();
    let (status, view) = house.call(("sam.admin", "security"), "POST", "/api/v1/cases", &open, now()).await;
    assert_eq!((status, &view["status"]), (202, &json!("held")), "{view}");
    let id: MeasureId = view["measure"].as_str().unwrap().parse().unwrap();
    let measure = house.cases.measure(&id).await.unwrap().unwrap();
    assert_eq!(measure.requested_by, "sam.admin");
    assert_eq!(measure.approval.asked, ["taylor.admin".parse::<Username>().unwrap()]);
    for decision in [Decision::Approve, Decision::Deny, Decision::Escalate] {
        assert!(
            decide(&house, &id, "sam.admin", decision).await.is_err(),
            "{decision:?} of their own request"
        );
    }
    decide(&house, &id, "taylor.admin", Decision::Approve).await.unwrap();
}

/// The list of what the brake holds grows: who must not decide is seen when they decide. Where that is the whole team, it
/// hears of it all the same, and single cases can be called off.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_about_many_of_which_one_is_their_own() {
    let house = crate::brake::house(1).await;
    let mut cases = Vec::new();
    for username in ["john.doe", "robin.mover"] {
        let case = crate::recorded(&house, username).await;
        house.plan(&house.cases, &case).await.unwrap();
        cases.push(case);
    }
    let id = house.case(&cases[1]).await.0.measure.unwrap();
    let open =
        json!({"person": "taylor.admin", "reason": "moves", "scope": {"grants": ["Deployers"]}}).to_string();
    let (status, view) = house.call(("sam.admin", "security"), "POST", "/api/v1/cases", &open, now()).await;
    assert_eq!(status, 202, "{view}");
    let case: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    house.plan(&house.cases, &case).await.unwrap();
    assert_eq!(house.case(&case).await.0.measure.as_ref(), Some(&id));
    assert_eq!(person(&house, "taylor.admin").await.status, PersonStatus::Active);
    for who in ["sam.admin", "taylor.admin"] {
        for decision in [Decision::Approve, Decision::Deny, Decision::Escalate] {
            let refused = decide(&house, &id, who, decision).await.unwrap_err();
            assert!(refused.to_string().contains("one of the held cases"), "{who} {decision:?}: {refused}");
        }
    }
    let asked = ApprovalId::Measure(id.clone());
    let gate = deciding::look_after(&house.cases, &house.policy, &asked, now()).await.unwrap();
    assert_eq!(gate.approval.asked.len(), 2, "nobody hears of it");
    let late = now().plus(Duration::from_secs(house.policy.approvals.expires_seconds.into()));
    deciding::look_after(&house.cases, &house.policy, &asked, late).await.unwrap();
    let again = carry_out(&house, &id).await;
    assert_eq!((again.approval.round, again.approval.asked.len()), (2, 2), "nobody is asked again");
    assert_eq!(cancel(&house, "harper.hr", "hr", &case).await.0, 200);
    decide(&house, &id, "taylor.admin", Decision::Approve).await.unwrap();
    carry_out(&house, &id).await;
    assert_eq!(house.case(&cases[1]).await.0.status, CaseStatus::Recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_leaving_opens_and_asks_for_nothing() {
    let house = House::new().await;
    crate::recorded(&house, "sam.admin").await;
    let version = person(&house, "john.doe").await.version;
    let post = async |path: &str, text: Value| {
        house.call(("sam.admin", "security"), "POST", path, &text.to_string(), now()).await
    };
    for (path, text) in [
        ("/api/v1/cases", json!({"person": "john.doe", "reason": "r", "emergency": true})),
        ("/api/v1/cases", json!({"person": "john.doe", "reason": "r", "dry_run": true})),
        ("/api/v1/employees/john.doe/grants", json!({"permissions": ["okta:x"], "for": "7d", "reason": "r"})),
        ("/api/v1/employees/john.doe/legal-hold", json!({"reason": "r"})),
    ] {
        let (status, problem) = post(path, text).await;
        assert_eq!(status, 403, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("leaving"), "{path}: {problem}");
    }
    assert_eq!(person(&house, "john.doe").await.version, version);
}
