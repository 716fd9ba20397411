//! What a human has to do: tasks of systems that leaver could not finish or has no adapter for, and reviews of emergencies.

use crate::recorded;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, SystemStatus},
    digest::Digest,
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    ports::{CaseStore, Execution},
    problem::NotDone,
    reviews::{self, ReviewKind},
    tasks::{self, Closer, Host, TaskId},
    time::Timestamp,
};
use leaver_sweep::{Sweep, Swept};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, appending},
    sandbox::now,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Asks the API something, as somebody with these roles.
async fn ask(house: &House, who: (&str, &str), method: &str, path: &str, said: &Value) -> (i64, Value) {
    house.call(who, method, path, &said.to_string(), now()).await
}

const SAM: (&str, &str) = ("sam.admin", "security approver operator");
const TAYLOR: (&str, &str) = ("taylor.admin", "security approver");

async fn open_tasks(house: &House, who: (&str, &str)) -> Vec<Value> {
    let (status, answer) = ask(house, who, "GET", "/api/v1/tasks", &Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    answer["tasks"].as_array().unwrap().clone()
}

async fn close(house: &House, who: (&str, &str), id: &str, said: &Value) -> (i64, Value) {
    ask(house, who, "POST", &format!("/api/v1/tasks/{id}"), said).await
}

async fn sweep(house: &House, at: Timestamp) -> Swept {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

fn done() -> Value {
    json!({"statement": "Looked at by hand; nothing is left."})
}

/// A termination whose systems of these names refuse leaver.
async fn stuck(house: &House, username: &str, systems: &[&str]) -> CaseId {
    let case = recorded(house, username).await;
    for system in systems {
        house.stage.fault(json!({"system": system, "status": 403})).await;
    }
    house.execute(&case).await;
    house.stage.clear().await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    case
}

/// How many rows of a kind there are.
async fn rows(house: &House, kind: EventKind) -> usize {
    house.feed().await;
    house.log().await.iter().filter(|(entry, _)| entry.kind == kind).count()
}

/// Every row of the case is in the log, the last one names all others by their hashes, and a checkpoint covers them.
async fn is_whole(house: &House, case: &CaseId) {
    house.feed().await;
    let log = house.log().await;
    let ours: Vec<_> = log.iter().filter(|(entry, _)| entry.case_id == case.as_str()).collect();
    let (record, systems) = house.case(case).await;
    let lines = record.log.len() + systems.iter().map(|system| system.log.len()).sum::<usize>();
    assert_eq!(ours.len(), lines);
    let (last, others) = ours.split_last().unwrap();
    assert_eq!(last.0.kind, EventKind::CaseClosed);
    let named: BTreeMap<String, String> = last.1["facts"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["event_id"].as_str().unwrap().to_owned(), row["hash"].as_str().unwrap().to_owned()))
        .collect();
    let hashes = others.iter().map(|(entry, _)| (entry.event_id.clone(), entry.hash().to_string()));
    assert_eq!(named, hashes.collect());
    assert!(record.checkpoint_size.is_some_and(|size| size > last.0.seq));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_task_completes_the_case_under_a_checkpoint_that_covers_the_statement() {
    let house = House::new().await;
    let case = stuck(&house, "john.doe", &["okta"]).await;
    house.feed().await;
    house.publish().await;
    assert_eq!(sweep(&house, later(700)).await.sealed, 1);
    let id = format!("{case}~okta");
    let open = open_tasks(&house, SAM).await;
    assert_eq!((open.len(), &open[0]["task_id"], &open[0]["owners"]), (1, &json!(id), &json!(["sam.admin"])));
    assert_eq!(open[0]["overdue"], false);
    let file = |name: &str, bytes: &[u8]| json!({"name": name, "media_type": "image/png", "data": BASE64_STANDARD.encode(bytes)});
    let said = json!({"statement": "  The account is off. ", "evidence": [file("off.png", b"shot"), file("b.png", b"other")]});
    let (status, shown) = close(&house, SAM, &id, &said).await;
    assert_eq!((status, &shown["closed"]["statement"]), (200, &json!("The account is off.")), "{shown}");
    let sha256 = Digest::of(b"shot").to_string();
    assert_eq!(shown["closed"]["evidence"][0]["sha256"], sha256);
    let key = format!("tasks/{case}/okta/{sha256}");
    let until = house.objects.locked_until(&key);
    assert!(until.is_some_and(|until| until > later(86_300) && until <= later(86_400)), "{until:?}");
    assert_eq!(open_tasks(&house, SAM).await, Vec::<Value>::new());
    let (status, again) = close(&house, TAYLOR, &id, &done()).await;
    assert_eq!((status, again["type"].as_str().unwrap()), (409, "/problems/already-closed"));
    let (record, _) = house.case(&case).await;
    assert_eq!((record.status, record.run, record.checkpoint_size), (CaseStatus::Recorded, 2, None));
    assert_eq!(house.workflow.executions().last(), Some(&Execution::Case { case: case.clone(), run: 2 }));

    let before = house.stage.account("okta", "john.doe").await;
    assert!(house.plan(&house.cases, &case).await.unwrap().systems.iter().all(|item| item.step == "run"));
    house.execute(&case).await;
    assert_eq!(house.stage.account("okta", "john.doe").await, before, "nothing is touched any more");
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    assert!(
        systems
            .iter()
            .all(|system| (system.status == SystemStatus::ManualTask) == (system.system.as_str() == "okta"))
    );
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Left);
    is_whole(&house, &case).await;
    let log = house.log().await;
    let (row, evidence) = log.iter().find(|(entry, _)| entry.kind == EventKind::TaskClosed).unwrap();
    assert_eq!(
        (row.actor.as_str(), row.outcome, row.system.as_deref()),
        ("sam.admin", Outcome::Success, Some("okta"))
    );
    assert_eq!(evidence["facts"]["statement"], "The account is off.");
    assert_eq!(evidence["facts"]["evidence"][0]["sha256"], sha256);
    assert_eq!(rows(&house, EventKind::ValidationCompleted).await, 1);

    let fetch = |who, id: String, sha: String| {
        let house = &house;
        async move { ask(house, who, "GET", &format!("/api/v1/tasks/{id}/evidence/{sha}"), &Value::Null).await }
    };
    let auditor = ("avery.audit", "auditor");
    assert_eq!(fetch(auditor, id.clone(), sha256.clone()).await, (200, json!(b"shot")));
    assert_eq!(fetch(auditor, id.clone(), Digest::of(b"x").to_string()).await.0, 404);
    assert_eq!(fetch(auditor, format!("{case}~slack"), sha256.clone()).await.0, 404);
    assert_eq!(fetch(("harper.hr", "hr"), id.clone(), sha256.clone()).await.0, 403);
    house.objects.tamper(&key, Some(b"something else"));
    assert_eq!(fetch(auditor, id, sha256).await.0, 503, "a file that was changed is not shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let house = House::new().await;
    let case = stuck(&house, "john.doe", &["okta"]).await;
    let id = format!("{case}~okta");
    let before = (house.case(&case).await, house.cases.changes().len());
    let file = |name: &str, media: &str, data: &str| json!({"name": name, "media_type": media, "data": data});
    let with = |files: Vec<Value>| json!({"statement": "done", "evidence": files});
    let large = BASE64_STANDARD.encode(vec![0_u8; 1_100_000]);
    let good = file("a.txt", "text/plain", "YQ==");
    for (who, task, said, expected) in [
        (SAM, id.as_str(), json!({}), 422),
        (SAM, &id, json!({"statement": " "}), 422),
        (SAM, &id, json!({"statement": "x".repeat(2_001)}), 422),
        (SAM, &id, json!({"statement": "a\u{202e}b"}), 422),
        (SAM, &id, json!({"statement": "done", "by": "taylor.admin"}), 422),
        (SAM, &id, with(vec![good.clone(); 6]), 422),
        (SAM, &id, with(vec![file("../a", "text/plain", "YQ==")]), 422),
        (SAM, &id, with(vec![file("a", "text", "YQ==")]), 422),
        (SAM, &id, with(vec![file("a", "text/plain\r\nx: y", "YQ==")]), 422),
        (SAM, &id, with(vec![file("a", "text/plain", "")]), 422),
        (SAM, &id, with(vec![good.clone(), file("a", "text/plain", "%%")]), 422),
        (SAM, &id, with(vec![file("a", "image/png", &large); 3]), 413),
        (SAM, &format!("{case}~github"), done(), 404),
        (SAM, "case-none~okta", done(), 404),
        (SAM, "review-none", done(), 404),
        (SAM, "~", done(), 404),
        // The person whose access it is, whatever they may be in leaver.
        (("john.doe", "security operator"), &id, done(), 403),
        // Their manager sees it and does not own it; so does an auditor.
        (("jane.smith", "manager"), &id, done(), 403),
        (("avery.audit", "auditor"), &id, done(), 403),
        // Who may not know of it.
        (("harper.hr", "hr"), &id, done(), 404),
        (("riley.owner", "manager"), &id, done(), 404),
        (("pat.idle", ""), &id, done(), 404),
    ] {
        let (status, answer) = close(&house, who, task, &said).await;
        let shown = said.to_string();
        assert_eq!(status, expected, "{who:?} {task} {}: {answer}", &shown[..shown.len().min(80)]);
    }
    assert_eq!((house.case(&case).await, house.cases.changes().len()), before);
    assert!(
        house.objects.names().iter().all(|name| !name.starts_with("tasks/")),
        "{:?}",
        house.objects.names()
    );
    for (who, seen) in [
        (SAM, 1),
        (("o", "operator"), 1),
        (("avery.audit", "auditor"), 1),
        (("sam.admin", ""), 1),
        (("jane.smith", "manager"), 1),
        (("riley.owner", "manager"), 0),
        (("harper.hr", "hr approver"), 0),
    ] {
        assert_eq!(open_tasks(&house, who).await.len(), seen, "{who:?}");
    }
    // Somebody who is leaving closes nothing, whatever their token still says.
    let mut sam = house.cases.person(&"sam.admin".parse().unwrap()).await.unwrap().unwrap();
    (sam.status, sam.version) = (PersonStatus::Leaving, sam.version + 1);
    house.cases.put_person(&sam).await.unwrap();
    assert_eq!(close(&house, SAM, &id, &done()).await.0, 403);
    assert_eq!(close(&house, TAYLOR, &id, &done()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_close_a_task_once_and_two_tasks_start_one_execution() {
    let house = House::new().await;
    let case = stuck(&house, "john.doe", &["okta", "slack"]).await;
    let by = |name: &str| Closer { username: name.parse().unwrap(), steward: true };
    let (okta, slack) = (format!("{case}~okta").parse().unwrap(), format!("{case}~slack").parse().unwrap());
    let close = |id, by| {
        let house = &house;
        async move { tasks::close(&house.cases, &house.workflow, id, &by, "done", &[], now()).await }
    };
    let (one, other) = tokio::join!(close(&okta, by("sam.admin")), close(&okta, by("taylor.admin")));
    let refused = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(
        matches!(refused.as_slice(), [NotDone::Refused(problem)] if problem.status == 409),
        "{refused:?}"
    );
    assert_eq!(house.workflow.started().len(), 1, "one is left to be done");
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    close(&slack, by("taylor.admin")).await.unwrap();
    assert_eq!(house.workflow.started().len(), 2);
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    is_whole(&house, &case).await;
    assert_eq!(rows(&house, EventKind::TaskClosed).await, 2);
}

/// Whatever call fails of opening the task, closing it, and closing the case behind it: the repeat finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_opened_and_closed_once_whatever_dies() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let case = recorded(&house, "fran.keys").await;
            let failing = || Failing::at(&house.cases, call, when);
            let mut reached = false;
            let dying = failing();
            let _ = house.plan(&dying, &case).await;
            reached |= dying.has_failed();
            house.execute(&case).await;
            assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete, "{when:?} {call}");
            let id: TaskId = format!("{case}~facilities_keys").parse().unwrap();
            let by = Closer { username: "taylor.admin".parse().unwrap(), steward: true };
            let dying = failing();
            let _ = tasks::close(&dying, &house.workflow, &id, &by, "all came back", &[], now()).await;
            reached |= dying.has_failed();
            match tasks::close(&house.cases, &house.workflow, &id, &by, "all came back", &[], now()).await {
                Ok(_) => {}
                Err(NotDone::Refused(problem)) => assert_eq!(problem.status, 409, "{when:?} {call}"),
                Err(NotDone::Store(error)) => panic!("{when:?} {call}: {error}"),
            }
            // Whoever died before starting it: the sweep does.
            assert_eq!(house.case(&case).await.0.status, CaseStatus::Recorded);
            sweep(&house, later(700)).await;
            assert_eq!(house.workflow.executions().len(), 2, "{when:?} {call}");
            let dying = failing();
            let _ = house.plan(&dying, &case).await;
            reached |= dying.has_failed();
            house.plan(&house.cases, &case).await.unwrap();
            let dying = failing();
            let _ = house.close(&dying, &case).await;
            reached |= dying.has_failed();
            house.close(&house.cases, &case).await.unwrap();
            assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete, "{when:?} {call}");
            is_whole(&house, &case).await;
            for kind in [EventKind::TaskOpened, EventKind::TaskClosed, EventKind::CaseClosed] {
                assert_eq!(rows(&house, kind).await, 1, "{when:?} {call} {kind:?}");
            }
            if !reached {
                assert!(call > 4, "only {call} calls");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_without_an_adapter_is_its_owners_task_and_blocks_closure() {
    let house = House::new().await;
    let everywhere = recorded(&house, "john.doe").await;
    assert!(
        house.case(&everywhere).await.0.systems.iter().all(|system| house.policy.manual(system).is_none())
    );

    let open = json!({"person": "fran.keys", "reason": "Who has keys?", "dry_run": true});
    let (_, dry) = ask(&house, SAM, "POST", "/api/v1/cases", &open).await;
    let dry: CaseId = dry["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&dry).await;
    house.execute(&dry).await;
    let (_, shown) = ask(&house, SAM, "GET", &format!("/api/v1/cases/{dry}"), &Value::Null).await;
    let keys = shown["systems"]
        .as_array()
        .unwrap()
        .iter()
        .find(|system| system["system"] == "facilities_keys")
        .unwrap();
    assert!(keys["manual"]["instructions"].as_str().unwrap().contains("keys"), "{keys}");
    assert_eq!(
        (&keys["status"], &keys["task"], &shown["status"]),
        (&json!("queued"), &Value::Null, &json!("complete"))
    );
    assert_eq!(open_tasks(&house, SAM).await, Vec::<Value>::new());

    let case = recorded(&house, "fran.keys").await;
    let planned = house.plan(&house.cases, &case).await.unwrap();
    assert!(
        planned.systems.iter().all(|item| item.system != "facilities_keys"),
        "there is no function for it"
    );
    let open = open_tasks(&house, SAM).await;
    assert_eq!((open.len(), &open[0]["system"]), (1, &json!("facilities_keys")), "it is given at the start");
    let at = |name: &str| open[0][name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(at("due_at").since(at("opened_at")), Duration::from_secs(86_400));
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    for system in &systems {
        let by_hand = system.system.as_str() == "facilities_keys";
        assert_eq!(system.status == SystemStatus::ManualTask, by_hand, "{}", system.system);
    }
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Leaving);
    house.execute(&case).await;
    assert_eq!(
        house.case(&case).await.0.status,
        CaseStatus::Incomplete,
        "another execution does not get past it"
    );
    assert_eq!(close(&house, SAM, &format!("{case}~facilities_keys"), &done()).await.0, 200);
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    is_whole(&house, &case).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_closed_while_the_case_runs_needs_no_other_execution() {
    let house = House::new().await;
    let case = recorded(&house, "fran.keys").await;
    house.plan(&house.cases, &case).await.unwrap();
    assert_eq!(close(&house, SAM, &format!("{case}~facilities_keys"), &done()).await.0, 200);
    let (record, _) = house.case(&case).await;
    assert_eq!((record.status, record.run), (CaseStatus::Running, 1));
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(house.workflow.executions().len(), 1);
    is_whole(&house, &case).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_is_reviewed_by_somebody_else() {
    let house = House::new().await;
    let open = |dry: bool| json!({"person": "riley.owner", "reason": "Taking data out", "emergency": true, "dry_run": dry});
    let (status, shown) = ask(&house, SAM, "POST", "/api/v1/cases", &open(true)).await;
    let dry: CaseId = shown["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&dry).await;
    assert_eq!((status, open_tasks(&house, SAM).await.len()), (202, 0), "a dry run is no emergency");

    let (_, shown) = ask(&house, SAM, "POST", "/api/v1/cases", &open(false)).await;
    let case: CaseId = shown["case_id"].as_str().unwrap().parse().unwrap_or_else(|_| panic!("{shown}"));
    assert_ne!(case, dry);
    house.plan(&house.cases, &case).await.unwrap();
    house.plan(&house.cases, &case).await.unwrap();
    let passed = house.step(&house.cases, &case, "google_workspace", Step::Run).await.unwrap();
    assert_eq!(passed, Some(SystemStatus::Revoked), "what was flagged is done all the same");
    let id = reviews::id_of(ReviewKind::Emergency, &case).to_string();
    let open = open_tasks(&house, TAYLOR).await;
    assert_eq!((open.len(), &open[0]["task_id"], &open[0]["kind"]), (1, &json!(id), &json!("emergency")));
    assert_eq!(open[0]["owners"], json!(["taylor.admin"]));
    for (who, expected) in [
        (SAM, 403),
        (("riley.owner", "security"), 403),
        (("o", "operator"), 403),
        (("avery.audit", "auditor"), 403),
        (("jane.smith", "manager"), 403),
        (("pat.idle", ""), 404),
    ] {
        assert_eq!(close(&house, who, &id, &done()).await.0, expected, "{who:?}");
    }
    let (status, shown) = close(&house, TAYLOR, &id, &json!({"statement": "It held."})).await;
    assert_eq!((status, &shown["closed"]["by"]), (200, &json!("taylor.admin")), "{shown}");
    assert_eq!(close(&house, ("kim.other", "security"), &id, &done()).await.0, 409);
    house.feed().await;
    let log = house.log().await;
    let ours: Vec<_> = log.iter().filter(|(entry, _)| entry.case_id == id).collect();
    assert_eq!(
        ours.iter().map(|(entry, _)| entry.kind).collect::<Vec<_>>(),
        [EventKind::TaskOpened, EventKind::TaskClosed]
    );
    assert!(
        ours.iter().all(|(entry, evidence)| entry.username == "riley.owner"
            && evidence["review"]["case_id"] == case.as_str())
    );
}

/// The case's first step and its review are one write: neither is there without the other.
#[tokio::test(flavor = "multi_thread")]
async fn no_emergency_begins_without_its_review() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let open = json!({"person": "riley.owner", "reason": "Taking data out", "emergency": true});
            let (_, shown) = ask(&house, SAM, "POST", "/api/v1/cases", &open).await;
            let case: CaseId = shown["case_id"].as_str().unwrap().parse().unwrap();
            let dying = Failing::at(&house.cases, call, when);
            let _ = house.plan(&dying, &case).await;
            let reached = dying.has_failed();
            let begun = house.case(&case).await.0.status == CaseStatus::Running;
            assert_eq!(open_tasks(&house, SAM).await.len(), usize::from(begun), "{when:?} {call}");
            house.plan(&house.cases, &case).await.unwrap();
            assert_eq!(open_tasks(&house, SAM).await.len(), 1, "{when:?} {call}");
            assert_eq!(rows(&house, EventKind::TaskOpened).await, 1);
            if !reached {
                break;
            }
        }
    }
}

async fn leaves(house: &House, username: &str) {
    let mut person = house.cases.person(&username.parse().unwrap()).await.unwrap().unwrap();
    (person.status, person.version) = (PersonStatus::Leaving, person.version + 1);
    house.cases.put_person(&person).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_leaving_is_given_no_task_and_keeps_none() {
    let house = House::new().await;
    let case = stuck(&house, "john.doe", &["okta"]).await;
    assert_eq!(open_tasks(&house, SAM).await[0]["owners"], json!(["sam.admin"]));
    assert_eq!(sweep(&house, now()).await.handed_on, 0);
    leaves(&house, "sam.admin").await;
    assert_eq!(sweep(&house, now()).await.handed_on, 1);
    assert_eq!(sweep(&house, now()).await.handed_on, 0);
    let open = open_tasks(&house, TAYLOR).await;
    assert_eq!((&open[0]["owners"], &open[0]["overdue"]), (&json!(["taylor.admin"]), &json!(false)));
    assert_eq!(open[0]["task_id"], format!("{case}~okta"));
    let fran = recorded(&house, "fran.keys").await;
    house.plan(&house.cases, &fran).await.unwrap();
    let given = house.cases.system(&fran, &"facilities_keys".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(given.task.unwrap().owner.as_str(), "taylor.admin");
    // Where nobody is left, it stays somebody's.
    leaves(&house, "taylor.admin").await;
    assert_eq!(sweep(&house, now()).await.handed_on, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_is_handed_on_once_and_shows() {
    let house = House::new().await;
    let case = stuck(&house, "john.doe", &["okta", "slack"]).await;
    house.feed().await;
    house.publish().await;
    assert_eq!(sweep(&house, later(700)).await, Swept { sealed: 1, ..Swept::default() });
    let late = later(house.policy.timing.manual_task_seconds.into());
    assert_eq!(sweep(&house, late).await.handed_on, 2);
    assert_eq!(sweep(&house, late).await.handed_on, 0);
    assert_eq!(sweep(&house, later(900_000)).await.handed_on, 0, "once is enough");
    let id: TaskId = format!("{case}~okta").parse().unwrap();
    let host = Host::find(&house.cases, &id).await.unwrap().unwrap();
    assert!(host.is_overdue(late));
    assert!(host.due_at().is_some_and(|due| due > late));
    let open = open_tasks(&house, SAM).await;
    assert_eq!((&open[0]["owners"], &open[0]["overdue"]), (&json!(["taylor.admin"]), &json!(true)));
    assert_eq!(house.case(&case).await.0.checkpoint_size, None, "there is a row more to be covered");
    house.feed().await;
    house.publish().await;
    assert_eq!(sweep(&house, late).await.sealed, 1);
    let log = house.log().await;
    let handed = |(entry, _): &&(leaver_domain::ledger::Entry, Value)| entry.action == "hand on overdue task";
    let (row, evidence) = log.iter().find(handed).unwrap();
    assert_eq!((row.kind, &evidence["facts"]["from"]), (EventKind::TaskOpened, &json!("sam.admin")));
    // The new owner needs no role to close it.
    let (status, shown) = close(&house, ("taylor.admin", ""), &id.to_string(), &done()).await;
    assert_eq!((status, &shown["overdue"]), (200, &json!(false)));
}
