//! Who may not decide, and what nobody may send: nothing is written.

use super::*;

/// Policy asks the manager first, so that whom it names decides by that alone.
async fn house() -> House {
    let mut house = House::new().await;
    house.policy.approvals.levels = vec![Asked::Manager, Asked::Approvers, Asked::SecurityTeam];
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_decide_is_told_so_and_writes_nothing() {
    let house = house().await;
    let (case, items) = waiting(&house).await;
    leaves(&house, "pat.idle").await;
    let written = house.cases.changes().len();
    let (github, mail) = (&items[0], &mail(&items));
    for decision in ["approve", "deny", "escalate"] {
        for (who, item, expected) in [
            // About oneself, in whatever role.
            (("riley.owner", "security approver"), github, 403),
            (("riley.owner", ""), github, 403),
            // Policy asks for security where somebody is the last administrator.
            (JANE, github, 403),
            (("kim.other", "approver"), github, 403),
            // The right to read is none to decide.
            (HR, mail, 403),
            (("avery.audit", "auditor"), mail, 403),
            (("olga.ops", "operator"), mail, 403),
            // Who has left decides nothing, whatever the token still says.
            (("pat.idle", "security approver"), mail, 403),
            // Another's manager, somebody without a role, and a manager by policy alone of somebody else learn nothing.
            (("john.doe", "manager"), mail, 404),
            (("casey.contract", ""), mail, 404),
        ] {
            let (status, problem) = house.decide(who, item, decision).await;
            assert_eq!(status, expected, "{who:?} {decision}: {problem}");
            assert!(problem["detail"].is_string(), "{problem}");
        }
    }
    for who in [("john.doe", "manager"), ("casey.contract", ""), HR] {
        let (status, _) = house.call(who, "GET", &path(github, 1), "", now()).await;
        assert!(matches!(status, 403 | 404), "{who:?} {status}");
        let (_, listed) = house.call(who, "GET", "/api/v1/approvals", "", now()).await;
        assert!(listed["approvals"].as_array().is_none_or(Vec::is_empty), "{who:?} {listed}");
    }
    assert_eq!(house.cases.changes().len(), written, "a refusal was written down");
    assert_eq!(house.workflow.woken(), Vec::<String>::new());
    assert_eq!(house.case(&case).await.0.status, CaseStatus::AwaitingApproval);
    // The manager is enough where policy asks for nobody else.
    let (status, shown) = house.decide(JANE, mail, "approve").await;
    assert_eq!((status, &shown["status"]), (200, &json!("approved")), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_decision_is_refused_and_an_unknown_id_is_not_found() {
    let house = house().await;
    let (case, items) = waiting(&house).await;
    let written = house.cases.changes().len();
    let good = r#"{"decision": "approve", "reason": "looked at it"}"#;
    for path in [
        path(&items[0], 2),
        path(&items[0], 0),
        format!("/api/v1/approvals/{case}~okta~1"),
        format!("/api/v1/approvals/{case}~nothing~1"),
        format!("/api/v1/approvals/{case}~github"),
        format!("/api/v1/approvals/{case}~github~1~1"),
        "/api/v1/approvals/case-of-nobody~github~1".to_owned(),
        "/api/v1/approvals/measure-of-nobody".to_owned(),
        "/api/v1/approvals/%00".to_owned(),
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(house.call(SAM, method, &path, good, now()).await.0, 404, "{method} {path}");
        }
    }
    let long = json!({"decision": "approve", "reason": "x".repeat(1_001)}).to_string();
    let huge = json!({"decision": "approve", "reason": "x".repeat(20_000)}).to_string();
    for (text, expected) in [
        ("", 400),
        ("{", 400),
        ("{}", 422),
        ("[]", 422),
        (r#"{"decision": "deny"}"#, 422),
        (r#"{"decision": "maybe", "reason": "r"}"#, 422),
        (r#"{"decision": "approved", "reason": "r"}"#, 422),
        (r#"{"decision": "approve", "reason": ""}"#, 422),
        (r#"{"decision": "approve", "reason": " \n "}"#, 422),
        (r#"{"decision": "approve", "reason": 1}"#, 422),
        (r#"{"decision": "approve", "reason": "r", "for": "john.doe"}"#, 422),
        (&long, 422),
        (&huge, 413),
    ] {
        let (status, problem) = house.call(SAM, "POST", &path(&items[0], 1), text, now()).await;
        assert_eq!((status, problem["detail"].is_string()), (expected, true), "{text}: {problem}");
    }
    assert_eq!(house.cases.changes().len(), written, "a refusal was written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_for_it_does_not_decide_about_it() {
    let house = house().await;
    let open = r#"{"person": "riley.owner", "reason": "leaves"}"#;
    let (status, shown) = house.call(SAM, "POST", "/api/v1/cases", open, now()).await;
    assert_eq!(status, 202, "{shown}");
    let case: CaseId = shown["case_id"].as_str().unwrap().parse().unwrap();
    let mut items = house.contain(&case).await;
    house.go_on_all(&mut items, now()).await;
    items.retain(|item| item.at != At::Done);
    let asked = approval(&house, &items[0]).await;
    assert_eq!(asked.requested_by, "sam.admin");
    for decision in ["approve", "deny", "escalate"] {
        assert_eq!(house.decide(SAM, &items[0], decision).await.0, 403, "{decision}");
    }
    assert_eq!(approval(&house, &items[0]).await, asked);
    assert_eq!(house.decide(TAYLOR, &items[0], "approve").await.0, 200);
}
