//! The same over the API: who may ask for what, and what they are shown.

use super::{DAY, Desk, after, name};
use leaver_domain::{case::Mode, ports::CaseStore};
use leaver_platform::{
    memory::MemoryLedger,
    memory_log::{MemoryObjects, MemorySigner},
};
use leaver_tests::{flow, sandbox::now};
use serde_json::{Value, json};
use std::time::Duration;

impl Desk {
    async fn call(
        &self,
        who: (&str, &str),
        method: &str,
        path: &str,
        body: Value,
        key: &str,
    ) -> (i64, Value) {
        let (ledger, objects) = (MemoryLedger::new("o"), MemoryObjects::default());
        let signer = MemorySigner::new([7; 32]);
        let api = leaver_api::Api {
            signals: leaver_api::Signals { issuer: "https://issuer", signer: &signer },
            policy: &self.policy,
            cases: &self.cases,
            rosters: &self.cases,
            ledger: &ledger,
            workflow: &self.workflow,
            evidence: &self.cases,
            objects: &objects,
            archives: &objects,
            tokens: &leaver_api::Accepted { issuer: "i".into(), audience: "a".into() },
            now: now(),
            vault: None,
            sleep: &|_| Box::pin(async {}),
        };
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = flow::api_request(who, method, &format!("/api/v1/{path}"), &text, key);
        let answer = leaver_api::handle(&api, &request).await;
        (answer.status_code, flow::body(&answer))
    }

    async fn post(&self, who: (&str, &str), path: &str, body: Value) -> (i64, Value) {
        let key = format!("{}", self.cases.changes().len());
        self.call(who, "POST", path, body, &key).await
    }
}

const SECURITY: (&str, &str) = ("taylor.admin", "security");
const HR: (&str, &str) = ("harper.hr", "hr");
const MANAGER: (&str, &str) = ("jane.smith", "manager");
const AUDITOR: (&str, &str) = ("avery.audit", "auditor");
const NOBODY: (&str, &str) = ("pat.idle", "");

fn bodies() -> [(&'static str, Value, [i64; 4]); 6] {
    // Who may: security, HR, a manager of the person, an auditor.
    [
        ("extend", json!({"by": "30d", "reason": "r"}), [202, 202, 202, 403]),
        ("grants", json!({"permissions": ["okta:g"], "for": "7d", "reason": "r"}), [202, 403, 202, 403]),
        ("exceptions", json!({"what": "equipment_return", "for": "7d", "reason": "r"}), [202, 202, 403, 403]),
        ("legal-hold", json!({"reason": "r"}), [202, 202, 403, 403]),
        ("break-glass", json!({"for": "2h", "reason": "r", "approver": "sam.admin"}), [409, 403, 403, 403]),
        ("restore", json!({"from": now(), "reason": "r"}), [409, 409, 403, 403]),
    ]
}

#[tokio::test]
async fn each_role_may_ask_for_what_is_its_business() {
    for (what, body, expected) in bodies() {
        for (who, expected) in [SECURITY, HR, MANAGER, AUDITOR].into_iter().zip(expected) {
            let desk = Desk::new().await;
            desk.contract("john.doe", after(10 * DAY)).await;
            let written = desk.cases.changes().len();
            let (status, answer) = desk.post(who, &format!("employees/john.doe/{what}"), body.clone()).await;
            assert_eq!(status, expected, "{what} by {who:?}: {answer}");
            assert_eq!(desk.cases.changes().len() > written, status == 202, "{what} by {who:?}");
        }
        let desk = Desk::new().await;
        assert_eq!(desk.post(NOBODY, &format!("employees/john.doe/{what}"), body.clone()).await.0, 403);
        let (status, _) = desk.post(SECURITY, &format!("employees/no.body/{what}"), body.clone()).await;
        assert_eq!(status, 404, "{what}");
        assert_eq!(desk.post(SECURITY, &format!("employees/john.doe/{what}"), json!({})).await.0, 422);
        let mut more = body;
        more["unknown"] = json!(1);
        assert_eq!(desk.post(SECURITY, &format!("employees/john.doe/{what}"), more).await.0, 422);
    }
    assert_eq!(Desk::new().await.post(SECURITY, "employees/john.doe/promote", json!({})).await.0, 404);
}

#[tokio::test]
async fn a_manager_learns_nothing_of_who_is_not_their_report() {
    let desk = Desk::new().await;
    let mut person = desk.person("pat.idle").await;
    person.manager = Some(name("sam.admin"));
    person.version += 1;
    desk.cases.put_person(&person).await.unwrap();
    for (what, body, _) in bodies().into_iter().take(2) {
        let of_another = desk.post(MANAGER, &format!("employees/pat.idle/{what}"), body.clone()).await;
        let of_nobody = desk.post(MANAGER, &format!("employees/no.body/{what}"), body).await;
        assert_eq!((of_another.0, of_nobody.0), (404, 404), "{what}");
        let detail = of_another.1["detail"].as_str().unwrap().replace("pat.idle", "no.body");
        assert_eq!(detail, of_nobody.1["detail"].as_str().unwrap());
    }
    assert_eq!(desk.call(MANAGER, "GET", "employees/pat.idle/access", Value::Null, "k").await.0, 404);
    assert_eq!(desk.call(NOBODY, "GET", "employees/john.doe/access", Value::Null, "k").await.0, 403);
    let body = json!({"permissions": ["okta:g"], "for": "7d", "reason": "r"});
    let (_, measure) = desk.post(SECURITY, "employees/pat.idle/grants", body).await;
    let path = format!("measures/{}", measure["measure_id"].as_str().unwrap());
    assert_eq!(desk.call(MANAGER, "GET", &path, Value::Null, "k").await.0, 404);
    assert_eq!(desk.call(NOBODY, "GET", &path, Value::Null, "k").await.0, 404);
    assert_eq!(desk.call(AUDITOR, "GET", &path, Value::Null, "k").await.0, 200);
}

#[tokio::test]
async fn what_is_asked_for_is_shown_with_who_decides_and_without_the_executions_key() {
    let desk = Desk::new().await;
    let body = json!({"permissions": ["okta:g"], "for": "7d", "reason": "audit week"});
    let (status, measure) =
        desk.call(MANAGER, "POST", "employees/EMP-12345/grants", body.clone(), "k1").await;
    assert_eq!((status, &measure["status"], &measure["kind"]), (202, &json!("requested"), &json!("grant")));
    assert_eq!(measure["person"]["username"], "john.doe", "by the HRIS's number");
    assert_eq!(measure["approval"]["asked"], json!(["sam.admin", "taylor.admin"]));
    let asked_at: leaver_domain::time::Timestamp = measure["requested_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(measure["until"], json!(asked_at.plus(Duration::from_secs(7 * DAY))));
    assert_eq!(measure["what"]["permissions"], json!([{"system": "okta", "grant": "g"}]));
    let (again, same) = desk.call(MANAGER, "POST", "employees/EMP-12345/grants", body, "k1").await;
    assert_eq!((again, &same["measure_id"]), (202, &measure["measure_id"]));
    let other = json!({"permissions": ["okta:h"], "for": "7d", "reason": "audit week"});
    assert_eq!(desk.call(MANAGER, "POST", "employees/EMP-12345/grants", other, "k1").await.0, 409);
    let id = measure["measure_id"].as_str().unwrap().parse().unwrap();
    let mut record = desk.cases.measure(&id).await.unwrap().unwrap();
    let token = "the-executions-key";
    record.approval.task_token = Some(leaver_domain::secret::Secret::new(token));
    record.version += 1;
    desk.cases.commit(&[leaver_domain::ports::Change::Measure(Box::new(record))]).await.unwrap();
    let (_, access) = desk.call(MANAGER, "GET", "employees/john.doe/access", Value::Null, "k").await;
    assert_eq!(access["measures"][0]["measure_id"], measure["measure_id"]);
    assert!(access["case"].is_null() && !access.to_string().contains(token));
    let (_, shown) = desk.call(MANAGER, "GET", &format!("measures/{id}"), Value::Null, "k").await;
    assert!(!shown.to_string().contains(token), "{shown}");
}

#[tokio::test]
async fn ends_are_said_once_and_as_people_write_them() {
    let desk = Desk::new().await;
    let both = json!({"what": "equipment_return", "for": "7d", "until": after(DAY), "reason": "r"});
    for body in [
        both,
        json!({"what": "equipment_return", "for": "a week", "reason": "r"}),
        json!({"what": "equipment_return", "reason": "r"}),
        json!({"what": "everything", "for": "7d", "reason": "r"}),
    ] {
        assert_eq!(desk.post(HR, "employees/john.doe/exceptions", body.clone()).await.0, 422, "{body}");
    }
    let by = json!({"by": "30d", "reason": "r"});
    let (status, answer) = desk.post(HR, "employees/casey.contract/extend", by).await;
    assert_eq!(status, 409, "their contract has no end: {answer}");
    desk.contract("casey.contract", after(10 * DAY)).await;
    for body in [
        json!({"reason": "r"}),
        json!({"by": "2h", "reason": "r"}),
        json!({"by": "30d", "until": "2026-12-31", "reason": "r"}),
        json!({"by": "99999w", "reason": "r"}),
    ] {
        assert_eq!(desk.post(HR, "employees/casey.contract/extend", body.clone()).await.0, 422, "{body}");
    }
    for permissions in [json!(["g"]), json!([]), json!(["Okta:g"]), json!(["okta:"])] {
        let body = json!({"permissions": permissions, "for": "1d", "reason": "r"});
        assert_eq!(desk.post(SECURITY, "employees/john.doe/grants", body).await.0, 422, "{permissions}");
    }
    let (_, measure) =
        desk.post(HR, "employees/casey.contract/extend", json!({"by": "30d", "reason": "r"})).await;
    assert_eq!(measure["what"]["last_day"], after(40 * DAY).to_string()[..10]);
}

#[tokio::test]
async fn a_restore_is_of_a_case_or_of_an_instant() {
    let desk = Desk::new().await;
    let case = desk.took("john.doe", Mode::Leave).await;
    let path = format!("cases/{case}/restore");
    assert_eq!(desk.post(SECURITY, &path, json!({})).await.0, 422, "why?");
    assert_eq!(desk.post(SECURITY, "cases/case-x/restore", json!({"reason": "r"})).await.0, 404);
    assert_eq!(desk.post(MANAGER, &path, json!({"reason": "r"})).await.0, 403);
    let (status, measure) = desk.post(HR, &path, json!({"approval": "INC-7"})).await;
    assert_eq!((status, &measure["reason"]), (202, &json!("ticket INC-7")));
    assert_eq!(measure["what"]["case"], case.as_str());
    let before = now().minus(Duration::from_secs(60));
    let (status, measure) =
        desk.post(HR, "employees/john.doe/restore", json!({"from": before, "reason": "r"})).await;
    assert_eq!((status, &measure["what"]["case"]), (202, &json!(case)), "{measure}");
    for (from, status) in [(after(1), 422), (now().minus(Duration::from_secs(400 * DAY)), 422)] {
        let body = json!({"from": from, "reason": "r"});
        assert_eq!(desk.post(HR, "employees/john.doe/restore", body).await.0, status, "{from}");
    }
    let body = json!({"from": before, "reason": "r"});
    assert_eq!(desk.post(HR, "employees/morgan.hold/restore", body).await.0, 409, "nothing was taken");
    let (_, access) = desk.call(AUDITOR, "GET", "employees/john.doe/access", Value::Null, "k").await;
    assert_eq!((&access["person"]["status"], &access["case"]["case_id"]), (&json!("left"), &json!(case)));
    assert_eq!(access["case"]["systems"].as_array().unwrap().len(), desk.policy.automatic().count());
    // Emergency access goes to what they left by, without its being named.
    let body = json!({"for": "2h", "reason": "r", "approver": "sam.admin"});
    let (status, measure) = desk.post(SECURITY, "employees/john.doe/break-glass", body).await;
    assert_eq!((status, &measure["what"]["case"]), (202, &json!(case)), "{measure}");
    assert_eq!(measure["approval"]["only"], json!(["sam.admin"]));
}

#[tokio::test]
async fn whoever_is_suspended_is_not_hired_anew() {
    let desk = Desk::new().await;
    let case = desk.took("john.doe", Mode::Suspend).await;
    let (status, answer) = desk.post(HR, "employees/john.doe/rehire", json!({"reason": "back"})).await;
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains(case.as_str()), "{answer}");
    desk.took("pat.idle", Mode::Leave).await;
    assert_eq!(desk.post(HR, "employees/pat.idle/rehire", json!({"reason": "back"})).await.0, 202);
}

#[tokio::test]
async fn a_hold_is_there_at_once_and_its_release_is_asked_for() {
    let desk = Desk::new().await;
    let (status, measure) =
        desk.post(HR, "employees/john.doe/legal-hold", json!({"reason": "matter 7"})).await;
    assert_eq!((status, &measure["status"]), (202, &json!("active")));
    let (_, access) = desk.call(HR, "GET", "employees/john.doe/access", Value::Null, "k").await;
    assert_eq!(access["person"]["legal_hold"]["reason"], "matter 7");
    let body = json!({"release": true, "reason": "closed"});
    let (status, measure) = desk.post(HR, "employees/john.doe/legal-hold", body).await;
    assert_eq!((status, &measure["status"]), (202, &json!("requested")));
    assert_eq!(measure["approval"]["security"], true);
}
