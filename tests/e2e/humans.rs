//! Humans decide: over the API and in Slack, about what is flagged, what somebody asks for, and what the brake holds.

use crate::house::House;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    brake::Passed,
    ports::{CaseStore, Change},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) async fn post(house: &House, who: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/v1/{path}", house.local.api_url);
    let (status, _, answer) =
        house.raw(house.http.post(url).bearer_auth(&house.local.tokens[who]).json(body)).await;
    (status, answer)
}

pub(crate) async fn get(house: &House, who: &str, path: &str) -> Value {
    house.api(who).get(&format!("/api/v1/{path}")).await.expect("an answer")
}

/// Looks again and again until something is found.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(90), "{what} does not come");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

pub(crate) async fn case_with(house: &House, case: &str, status: &str) -> Value {
    until(&format!("{case} {status}"), async || {
        let view = get(house, "security", &format!("cases/{case}")).await;
        (view["status"] == status).then_some(view)
    })
    .await
}

fn system<'a>(view: &'a Value, id: &str) -> &'a Value {
    view["systems"].as_array().expect("systems").iter().find(|one| one["system"] == id).expect("the system")
}

/// What waits about somebody, by what is decided.
async fn asked(house: &House, person: &str) -> Vec<Value> {
    let waiting = get(house, "security", "approvals").await;
    let all = waiting["approvals"].as_array().expect("a list").clone();
    all.into_iter().filter(|one| one["person"] == person).collect()
}

/// A message in somebody's Slack whose text holds all of this.
async fn message(house: &House, to: &str, parts: &[&str]) -> Value {
    let url = format!("{}/_sandbox/slack/messages", house.local.sandbox_url);
    until(&format!("a message to {to} about {parts:?}"), async || {
        let (_, _, shown) = house.raw(house.http.get(&url)).await;
        let all = shown["messages"].as_array().expect("a list").clone();
        let about = |text: &Value| parts.iter().all(|part| text.as_str().unwrap_or_default().contains(part));
        all.into_iter().find(|one| one["recipient"] == to && about(&one["text"]))
    })
    .await
}

/// Presses a button as Slack would pass it on.
async fn press(house: &House, mut press: Value) -> Value {
    press["to"] = json!(format!("{}/api/v1/slack/interactions", house.local.api_url));
    let url = format!("{}/_sandbox/slack/press", house.local.sandbox_url);
    house.raw(house.http.post(url).json(&press)).await.2
}

/// The minute's look at what waits or has come to its end.
async fn tick(house: &House) {
    let ticked = crate::roles::invoke(house, "leaver-local-approval", &json!({"step": "tick"})).await;
    assert_eq!(ticked["failed"], 0, "{ticked}");
}

/// Three systems of one case wait, each for its own decision: one is approved over the API, one in Slack, one is denied.
pub(crate) async fn each_flagged_system_runs_or_not_as_a_human_decides(house: Arc<House>) {
    let waiting = asked(&house, "riley.owner").await;
    let of = |id: &str| waiting.iter().find(|one| one["about"]["system"] == id).expect("it waits").clone();
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    let github = of("github");
    for field in ["risk", "plan", "before"] {
        assert!(!github["about"][field].is_null(), "{field} of {github}");
    }
    let case = github["about"]["case_id"].as_str().expect("a case").to_owned();
    let path = |one: &Value| format!("approvals/{}", one["id"].as_str().expect("an id"));
    let yes = json!({"decision": "approve", "reason": "handed over to the team"});
    for (who, status) in [("jane.smith", 403), ("harper.hr", 403), ("avery.audit", 403)] {
        assert_eq!(post(&house, who, &path(&github), &yes).await.0, status, "{who}");
    }
    assert_eq!(
        post(&house, "sam.admin", &path(&github), &json!({"decision": "deny"})).await.0,
        422,
        "a no needs a reason"
    );
    assert_eq!(house.account("github", "riley.owner").await["active"], true, "nobody approved it yet");
    let (status, decided) = post(&house, "sam.admin", &path(&github), &yes).await;
    assert_eq!(status, 200, "{decided}");
    assert_eq!(post(&house, "taylor.admin", &path(&github), &yes).await.0, 409, "it is decided");

    let shown = message(&house, "taylor.admin", &["riley.owner", "google_workspace"]).await;
    let button = |action: &str| json!({"ts": shown["ts"], "username": "taylor.admin", "action": action});
    let mut forged = button("approve");
    forged["signing_secret"] = json!("somebody else's");
    let answer = press(&house, forged).await;
    assert_eq!(answer["status"], 401, "{answer}");
    let mut theirs = button("approve");
    (theirs["username"], theirs["anyway"]) = (json!("pat.idle"), json!(true));
    let answer = press(&house, theirs).await;
    assert_eq!(answer["status"], 200, "Slack's request is good, and whoever pressed is told: {answer}");
    let still = get(&house, "taylor.admin", &path(&of("google_workspace"))).await;
    assert_eq!((&still["status"], &still["decisions"]), (&json!("pending"), &json!([])), "{still}");
    let answer = press(&house, button("approve")).await;
    assert_eq!(answer["status"], 200, "{answer}");
    message(&house, "taylor.admin", &["riley.owner", "google_workspace", "approved by taylor.admin"]).await;

    // The second level hears of it where the first one passes it on, or has let its time go by.
    let further = json!({"decision": "escalate", "reason": "whose workspace is it?"});
    let (status, passed_on) = post(&house, "taylor.admin", &path(&of("slack")), &further).await;
    assert!(matches!(status, 200 | 409), "{passed_on}");
    let now = get(&house, "taylor.admin", &path(&of("slack"))).await;
    assert_eq!((&now["asked"], &now["level"]), (&json!(["taylor.admin", "sam.admin"]), &json!(1)), "{now}");
    message(&house, "sam.admin", &["riley.owner", "slack"]).await;

    let no = json!({"decision": "deny", "reason": "the workspace would be without an owner"});
    let (status, denied) = post(&house, "taylor.admin", &path(&of("slack")), &no).await;
    assert_eq!(status, 200, "{denied}");
    let view = case_with(&house, &case, "incomplete").await;
    let google = system(&view, "google_workspace");
    assert_eq!(google["status"], "verified", "{google}");
    assert_eq!(house.account("google_workspace", "riley.owner").await["active"], false);
    let slack = system(&view, "slack");
    assert_eq!((&slack["status"], &slack["actions"]), (&json!("denied"), &json!([])), "{slack}");
    assert_eq!(house.account("slack", "riley.owner").await["active"], true, "denied stays denied");
    // Approved, and refused by the vendor, who keeps the last owner.
    assert_eq!(system(&view, "github")["status"], "manual_task", "{view}");
    for system in ["github", "slack"] {
        the_task_is_closed(&house, &case, system).await;
    }
    case_with(&house, &case, "complete").await;
}

/// What was denied, or could not be done, is somebody's task; with the last statement the case is complete.
async fn the_task_is_closed(house: &House, case: &str, system: &str) {
    let path = format!("tasks/{case}~{system}");
    let listed = get(house, "sam.admin", "tasks").await;
    let ours = |one: &&Value| one["case_id"] == case && one["system"] == system;
    assert!(listed["tasks"].as_array().expect("a list").iter().any(|one| ours(&one)), "{listed}");
    let proof = b"the new owner's confirmation";
    let done = json!({
        "statement": "There is a new owner; the account was deactivated by hand.",
        "evidence": [{"name": "owner.txt", "media_type": "text/plain", "data": BASE64_STANDARD.encode(proof)}],
    });
    assert_eq!(post(house, "sam.admin", &path, &json!({"statement": " "})).await.0, 422);
    let (status, closed) = post(house, "sam.admin", &path, &done).await;
    assert_eq!(status, 200, "{closed}");
    assert_eq!(post(house, "sam.admin", &path, &done).await.0, 409, "it is closed");
    let sha256 = closed["closed"]["evidence"][0]["sha256"].as_str().expect("a digest").to_owned();
    let url = format!("{}/api/v1/{path}/evidence/{sha256}", house.local.api_url);
    let file = house.http.get(url).bearer_auth(&house.local.tokens["auditor"]).send().await.expect("a file");
    assert_eq!(
        (file.status().as_u16(), file.bytes().await.expect("bytes").as_ref()),
        (200, proof.as_slice())
    );
}

/// An emergency waits for nobody, security is told, and somebody else has to look at it.
pub(crate) async fn an_emergency_is_told_and_reviewed_by_somebody_else(house: Arc<House>) {
    let person = "alex.twin";
    let asked = json!({"person": person, "emergency": true, "reason": "keys were found outside"});
    let without = json!({"person": person, "emergency": true});
    assert_eq!(post(&house, "sam.admin", "cases", &without).await.0, 422, "an emergency needs a reason");
    let (status, opened) = post(&house, "sam.admin", "cases", &asked).await;
    assert_eq!(status, 202, "{opened}");
    let case = opened["case_id"].as_str().expect("a case").to_owned();
    let review = until("the review", async || {
        let listed = get(&house, "taylor.admin", "tasks").await;
        let all = listed["tasks"].as_array().expect("a list").clone();
        all.into_iter().find(|one| one["case_id"] == case.as_str() && one["kind"] == "emergency")
    })
    .await;
    tick(&house).await;
    for who in ["sam.admin", "taylor.admin"] {
        message(&house, who, &["EMERGENCY", person]).await;
    }
    let path = format!("tasks/{}", review["task_id"].as_str().expect("an id"));
    let seen = json!({"statement": "The keys were real; nothing has to be given back."});
    assert_eq!(post(&house, "sam.admin", &path, &seen).await.0, 403, "whoever asked for it");
    let (status, closed) = post(&house, "taylor.admin", &path, &seen).await;
    assert_eq!((status, &closed["closed"]["by"]), (200, &json!("taylor.admin")), "{closed}");
    house.settled(&case).await;
}

/// Something asked for by one and approved by another holds during a termination; what that took comes back the same way.
pub(crate) async fn what_is_asked_for_is_decided_holds_and_gives_back(house: Arc<House>) {
    let person = &house.others()[0];
    let wanted = json!({"what": "retention_hold", "for": "7d", "reason": "an audit is announced"});
    let path = format!("employees/{person}/exceptions");
    assert_eq!(post(&house, "jane.smith", &path, &wanted).await.0, 403);
    let (status, measure) = post(&house, "harper.hr", &path, &wanted).await;
    assert_eq!((status, &measure["status"]), (202, &json!("requested")), "{measure}");
    let id = approved(&house, &measure, "harper.hr").await;
    until("the exception", async || {
        (get(&house, "harper.hr", &format!("measures/{id}")).await["status"] == "active").then_some(())
    })
    .await;

    let case = house.terminate(person).await;
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "complete", "{view}");
    let found: Vec<&Value> =
        view["findings"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert!(found.contains(&&json!("legal_hold")), "{found:?}");
    assert_eq!(house.account("okta", person).await["active"], false);

    let back = json!({"reason": "the resignation was withdrawn"});
    let (status, measure) = post(&house, "harper.hr", &format!("cases/{case}/restore"), &back).await;
    assert_eq!(status, 202, "{measure}");
    let id = approved(&house, &measure, "harper.hr").await;
    let given = until("the way back", async || {
        let shown = get(&house, "harper.hr", &format!("measures/{id}")).await;
        shown["cases"][0].as_str().map(str::to_owned)
    })
    .await;
    let view = case_with(&house, &given, "complete").await;
    assert_eq!((&view["mode"], &view["restores"]), (&json!("reactivate"), &json!(case)), "{view}");
    house.hr("hire", person).await;
    for system in house.systems() {
        assert_eq!(house.account(&system, person).await["active"], true, "{system}");
    }
    let access = get(&house, "avery.audit", &format!("employees/{person}/access")).await;
    assert_eq!(access["person"]["status"], "active", "{access}");
}

/// Approves a measure in a name other than that of whoever asked, who may not; its id.
pub(crate) async fn approved(house: &House, measure: &Value, by: &str) -> String {
    let id = measure["measure_id"].as_str().expect("an id").to_owned();
    let yes = json!({"decision": "approve", "reason": "agreed"});
    assert_eq!(post(house, by, &format!("approvals/{id}"), &yes).await.0, 403, "their own request");
    let (status, decided) = post(house, "taylor.admin", &format!("approvals/{id}"), &yes).await;
    assert_eq!(status, 200, "{decided}");
    id
}

/// With as many people let through as policy allows, the next ones are held together, and released by one decision.
pub(crate) async fn the_brake_holds_who_comes_too_many_until_security_releases_them(house: Arc<House>) {
    let cases = house.cases();
    let mut brake = cases.brake().await.expect("the store");
    let (now, limit) = (leaver_tests::sandbox::now(), leaver_tests::flow::shipped("local").brake.max_people);
    let passed = |number: u32| Passed {
        username: format!("passed.{number:02}").parse().expect("a name"),
        case: format!("case-passed-{number:02}").parse().expect("an id"),
        at: now,
    };
    let kept = std::mem::take(&mut brake.passed);
    brake.passed = (0..limit).map(passed).collect();
    brake.version += 1;
    cases.commit(&[Change::Brake(Box::new(brake))]).await.expect("written");
    let mut held = Vec::new();
    for person in &house.others()[1..3] {
        held.push(house.terminate(person).await);
    }
    for case in &held {
        let view = case_with(&house, case, "held").await;
        assert!(
            view["systems"].as_array().expect("systems").iter().all(|one| one["status"] == "queued"),
            "{view}"
        );
    }
    let release = until("the question", async || {
        let waiting = get(&house, "security", "approvals").await;
        let all = waiting["approvals"].as_array().expect("a list").clone();
        all.into_iter().find(|one| one["about"]["what"]["kind"] == "release")
    })
    .await;
    let path = format!("approvals/{}", release["id"].as_str().expect("an id"));
    let shown = get(&house, "sam.admin", &path).await;
    assert_eq!(shown["about"]["held"]["count"], 2, "{shown}");
    message(&house, "taylor.admin", &["held", "mass action"]).await;
    let yes = json!({"decision": "approve", "reason": "the reorganisation that was announced"});
    let (status, decided) = post(&house, "sam.admin", &path, &yes).await;
    assert_eq!(status, 200, "{decided}");
    for (case, person) in held.iter().zip(&house.others()[1..3]) {
        case_with(&house, case, "complete").await;
        assert_eq!(house.account("okta", person).await["active"], false);
    }
    // Those who come after this one are counted as before.
    let mut brake = cases.brake().await.expect("the store");
    assert_eq!(brake.engaged, None);
    (brake.passed, brake.version) = (kept, brake.version + 1);
    cases.commit(&[Change::Brake(Box::new(brake))]).await.expect("written");
}
