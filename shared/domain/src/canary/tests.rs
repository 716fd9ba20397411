//! What policy can say of the canary, and what a night comes to.

use super::*;
use crate::{
    case::{CaseRecord, CaseStatus},
    intake,
    ledger::Outcome,
    person::Person,
    policy::Policy,
};
use serde_json::{Value, json};

fn document() -> Value {
    serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap()
}

fn policy() -> Policy {
    Policy::parse(document(), "local").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn night() -> Night {
    fresh(None, at("2026-02-03T02:07:00Z")).unwrap()
}

fn person(employment: &str, status: &str) -> Person {
    serde_json::from_value(json!({
        "username": "canary.leaver", "employee_id": "SVC-1", "email": "c@example.com", "name": "C", "role": "r",
        "employment": employment, "department": "Support", "status": status, "version": 1,
    }))
    .unwrap()
}

fn case() -> CaseRecord {
    let request = way_out(&night(), night().began_at).unwrap();
    let opening = intake::open(&person("service", "active"), &request, &policy(), night().began_at);
    CaseRecord { status: CaseStatus::Complete, checkpoint_size: Some(9), ..opening.case.unwrap().0 }
}

fn knocks<const N: usize>(of: [(&str, Knock); N]) -> BTreeMap<SystemId, Knock> {
    of.into_iter().map(|(system, knock)| (system.parse().unwrap(), knock)).collect()
}

#[test]
fn an_answer_that_is_neither_or_both_shows_nothing() {
    let login = |value: Value| -> Login { serde_json::from_value(value).unwrap() };
    let slack = login(json!({"request": {"method": "GET", "path": "/auth.test"},
        "works": {"body": {"/ok": true}}, "refused": {"body": {"/ok": false}}}));
    assert_eq!(slack.judge(200, Some(&json!({"ok": true}))), Knock::Works);
    assert_eq!(slack.judge(200, Some(&json!({"ok": false}))), Knock::Refused);
    for (status, body) in [(200, json!({})), (503, json!({"ok": true})), (429, json!({"ok": false}))] {
        assert!(matches!(slack.judge(status, Some(&body)), Knock::Unclear(_)), "{status} {body}");
    }
    assert!(matches!(slack.judge(200, None), Knock::Unclear(_)));
    let okta = login(json!({"request": {"method": "GET", "path": "/me"},
        "works": {"status": [200]}, "refused": {"status": [401, 403]}}));
    assert_eq!((okta.judge(200, None), okta.judge(401, None)), (Knock::Works, Knock::Refused));
    assert!(matches!(okta.judge(500, None), Knock::Unclear(_)));
}

#[test]
fn a_canary_that_could_prove_nothing_is_refused() {
    let with = |canary: Value| {
        let mut document = document();
        document["environments"]["prod"] = json!({"canary": canary});
        Policy::parse(document, "prod").map(drop).map_err(|error| error.to_string())
    };
    let login = |works: Value, refused: Value| {
        json!({"person": "canary.leaver", "systems": {"okta": {
            "request": {"method": "GET", "path": "/me"}, "works": works, "refused": refused}}})
    };
    let (yes, no) = (json!({"status": [200]}), json!({"status": [401]}));
    assert_eq!(with(login(yes.clone(), no.clone())), Ok(()));
    assert_eq!(with(login(json!({"body": {"/ok": true}}), json!({"body": {"/ok": false}}))), Ok(()));
    for (canary, why) in [
        (json!({"person": "canary.leaver", "systems": {}}), "1 to 32"),
        (login(yes.clone(), yes.clone()), "both"),
        (login(yes.clone(), json!({"status": [503]})), "2xx to 4xx"),
        (login(json!({"status": [429]}), no.clone()), "429"),
        (login(json!({"body": {"ok": true}}), no.clone()), "JSON pointer"),
        (
            json!({"person": "canary.leaver", "systems": {"nowhere": {
            "request": {"method": "GET", "path": "/me"}, "works": yes, "refused": no}}}),
            "nowhere",
        ),
        (
            json!({"person": "canary.leaver", "systems": {"okta": {
            "request": {"method": "DELETE", "path": "/me"}, "works": yes, "refused": no}}}),
            "only looks",
        ),
    ] {
        let refused = with(canary).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn a_night_begins_once_and_only_behind_one_that_is_over() {
    let first = night();
    assert_eq!((first.night.to_string().as_str(), first.version), ("2026-02-03", 1));
    let later = at("2026-02-04T02:07:00Z");
    assert_eq!(fresh(Some(&first), later), None, "it is not over");
    let over = ended(&first, at("2026-02-03T02:30:00Z"));
    assert_eq!(fresh(Some(&over), at("2026-02-03T23:59:59Z")), None, "that night was held");
    assert_eq!(fresh(Some(&over), later).unwrap().version, over.version + 1);
}

#[test]
fn only_a_synthetic_person_who_is_there_is_let_go() {
    let policy = policy().canary.unwrap();
    assert_eq!(stands(&policy, Some(&person("service", "active"))), Ok(()));
    assert!(stands(&policy, None).unwrap_err().contains("known"));
    assert!(stands(&policy, Some(&person("employee", "active"))).unwrap_err().contains("synthetic"));
    assert!(stands(&policy, Some(&person("service", "left"))).unwrap_err().contains("restore"));
}

#[test]
fn what_worked_and_is_refused_is_a_good_night_and_nothing_else_is() {
    let policy = policy().canary.unwrap();
    let now = at("2026-02-03T02:20:00Z");
    let result = |before: Knock, after: Option<Knock>| {
        let night = answered(&night(), knocks([("okta", before)]), now);
        let after = after.map(|after| knocks([("okta", after)])).unwrap_or_default();
        told(&policy, &night, &case(), after, now)
    };
    let (night, row) = result(Knock::Works, Some(Knock::Refused)).unwrap();
    assert!(night.is_good());
    let last = row.log.last().unwrap();
    assert_eq!(
        (last.outcome, row.checkpoint_size, row.version),
        (Outcome::Success, None, case().version + 1)
    );
    let (night, row) = result(Knock::Works, Some(Knock::Works)).unwrap();
    assert_eq!((night.findings[0].kind.as_str(), row.findings.len()), ("canary_alive", 1));
    assert_eq!(row.log.last().unwrap().outcome, Outcome::Failure);
    let (night, _) = result(Knock::Refused, None).unwrap();
    assert_eq!((night.findings[0].kind.as_str(), night.is_good()), ("canary_blind", false));
    let unclear = Knock::Unclear("503 is neither answer".into());
    assert_eq!(result(Knock::Works, Some(unclear.clone())), None, "there is time to ask again");
    let night = answered(&super::tests::night(), knocks([("okta", Knock::Works)]), now);
    let late = at("2026-02-03T05:00:00Z");
    let (night, _) = told(&policy, &night, &case(), knocks([("okta", unclear)]), late).unwrap();
    assert_eq!((night.findings[0].kind.as_str(), night.is_good()), ("canary_unclear", false));
}

#[test]
fn what_does_not_come_to_an_end_is_told_once() {
    let policy = policy().canary.unwrap();
    let case = CaseRecord { status: CaseStatus::AwaitingApproval, ..case() };
    assert_eq!(stuck(&policy, &night(), &case, at("2026-02-03T03:00:00Z")), None);
    let late = at("2026-02-03T05:00:00Z");
    let told = stuck(&policy, &night(), &case, late).unwrap();
    assert!(told.findings[0].detail.ends_with("awaiting approval"), "{told:?}");
    assert_eq!(stuck(&policy, &told, &case, late), None);
}

#[test]
fn the_verdict_says_how_the_night_was_and_that_none_came_since() {
    let now = at("2026-02-03T03:00:00Z");
    let good = Night {
        stage: Stage::Over,
        before: knocks([("okta", Knock::Works), ("slack", Knock::Works)]),
        after: knocks([("okta", Knock::Refused), ("slack", Knock::Refused)]),
        ..night()
    };
    assert_eq!(good.verdict(now), (true, "2026-02-03: 2 of 2 credentials were refused".to_owned()));
    let (is_good, told) = good.verdict(at("2026-02-05T03:00:00Z"));
    assert!(!is_good && told.contains("no night has begun since"));
    let (is_good, told) = night().verdict(now);
    assert!(is_good && told.contains("under way"));
    let off = called_off(&night(), "why".into(), now);
    assert_eq!(off.verdict(now).0, false);
}

#[test]
fn both_ways_follow_from_the_night_and_are_of_no_measure() {
    let out = way_out(&night(), night().began_at).unwrap();
    assert_eq!(out.trigger.event_id.as_str(), "canary-2026-02-03-out");
    let back = way_back(&night(), &case().case_id, night().began_at).unwrap();
    assert_eq!((back.trigger.kind.as_str(), back.restores), ("canary_back", Some(case().case_id)));
    assert!(!out.trigger.is_of_measure());
}
