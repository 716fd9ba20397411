//! The whole way of a press, over the stores in memory.

use super::*;
use hmac::{Hmac, KeyInit as _, Mac as _};
use leaver_domain::{
    approval::{Approval, ApprovalId, ApprovalStatus, Concerned, Need},
    case::{CaseRecord, CaseStatus, Mode, SystemRecord, SystemStatus, Trigger},
    holds,
    id::{CaseId, EventId, MeasureId},
    intake,
    ledger::EventKind,
    messages::deliver,
    person::{EmploymentType, PersonStatus},
    ports::Change,
};
use leaver_platform::{
    memory::{MemoryCases, MemoryWorkflow},
    memory_messages::MemoryMessenger,
};
use serde_json::json;
use sha2::Sha256;

const SECRET: &str = "the-signing-secret";
const START: i64 = 1_770_129_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000).unwrap()
}

fn policy() -> Policy {
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    let mut policy = Policy::parse(document, "prod").unwrap();
    policy.approvals.approvers.insert("sam.admin".parse().unwrap());
    policy.approvals.slack_channel = Some("C0APPROVALS".into());
    policy.approvals.levels = vec![Asked::Approvers, Asked::Person("jane.smith".parse().unwrap())];
    policy
}

fn person(username: &str, slack: Option<&str>) -> Person {
    Person {
        username: username.parse().unwrap(),
        employee_id: format!("E-{username}").parse().unwrap(),
        email: format!("{username}@example.com"),
        former_emails: Vec::new(),
        name: username.into(),
        employment: EmploymentType::Employee,
        role: "engineer".into(),
        department: "Engineering".into(),
        manager: None,
        location: None,
        clearance: None,
        time_zone: None,
        contract_end: None,
        last_day: None,
        moving: None,
        status: PersonStatus::Active,
        case: None,
        legal_hold: None,
        protected: false,
        logins: slack.map(|login| ("slack".parse().unwrap(), login.to_owned())).into_iter().collect(),
        version: 1,
    }
}

/// A case with one flagged system that waits, shown to everybody who is asked.
struct Scene {
    cases: MemoryCases,
    workflow: MemoryWorkflow,
    messenger: MemoryMessenger,
    policy: Policy,
    secret: Secret,
    case: CaseId,
}

/// What is pressed: by whom, which button, and when, in seconds.
struct Press<'a> {
    user: &'a str,
    action: &'a str,
    reason: Option<&'a str>,
    at: i64,
}

impl<'a> Press<'a> {
    fn of(user: &'a str, action: &'a str) -> Self {
        Self { user, action, reason: None, at: 10 }
    }
}

impl Scene {
    async fn new() -> Self {
        let (cases, workflow, policy) = (MemoryCases::default(), MemoryWorkflow::default(), policy());
        for username in ["riley.owner", "sam.admin", "john.doe", "jane.smith"] {
            cases.put_person(&person(username, None)).await.unwrap();
        }
        // An address in Slack that is not that of the record; the record names the account.
        cases.put_person(&person("taylor.admin", Some("UTAYLOR"))).await.unwrap();
        let messenger = MemoryMessenger::default();
        for username in ["riley.owner", "sam.admin", "john.doe", "jane.smith"] {
            messenger.know(&format!("U.{username}"), &format!("{username}@example.com"));
        }
        messenger.know("UTAYLOR", "tay@elsewhere.example");
        messenger.know("U.impostor", "sam.admin@evil.example");
        let riley = person("riley.owner", None);
        let trigger = Trigger {
            source: "hris".into(),
            event_id: "evt-1".parse().unwrap(),
            by: "hris".into(),
            kind: "user_terminated".into(),
            at: at(0),
            received_at: at(0),
            body: Digest::ZERO,
        };
        let case = CaseId::of_trigger("hris", &"evt-1".parse::<EventId>().unwrap());
        let request = intake::Request::plain(trigger, Mode::Leave, "Resignation", at(0));
        intake::submit(&cases, &workflow, &policy, &riley, &request, at(0)).await.unwrap();
        let scene = Self { cases, workflow, messenger, policy, secret: Secret::new(SECRET), case };
        scene.ask(&riley).await;
        scene
    }

    /// The approval that the gate would ask for, shown to everybody.
    async fn ask(&self, riley: &Person) {
        let concerned = Concerned { subject: Some(riley), requested_by: "hris", ..Concerned::default() };
        let mut approval =
            Approval::ask(&self.policy.approvals, &concerned, Digest::ZERO, Need::one(), 1, at(0));
        approval.task_token = Some(Secret::new("token-1"));
        let mut system = self.system().await;
        system.status = SystemStatus::AwaitingApproval;
        system.approval = Some(approval.clone());
        let case = self.cases.case(&self.case).await.unwrap().unwrap();
        let message = messages::of_system(&self.policy.approvals, &system, &case).unwrap();
        let delivered =
            deliver(&self.messenger, &self.cases, &self.policy.approvals, &mut approval, &message).await;
        assert!(delivered.changed && delivered.failed.is_empty(), "{delivered:?}");
        system.approval = Some(approval);
        system.version += 1;
        self.cases.put_system(&system).await.unwrap();
    }

    async fn system(&self) -> SystemRecord {
        self.cases.system(&self.case, &"github".parse().unwrap()).await.unwrap().unwrap()
    }

    async fn approval(&self) -> Approval {
        self.system().await.approval.unwrap()
    }

    async fn id(&self) -> ApprovalId {
        let system = self.system().await;
        system.approval_id(system.approval.as_ref().unwrap())
    }

    async fn request(&self, press: &Press<'_>) -> ApiGatewayV2httpRequest {
        self.request_about(&self.id().await, press).await
    }

    async fn request_about(&self, id: &ApprovalId, press: &Press<'_>) -> ApiGatewayV2httpRequest {
        let approval = self.approval().await;
        let shown = approval.shown.first().unwrap();
        let payload = json!({
            "type": "block_actions", "user": {"id": press.user},
            "container": {"channel_id": "C0APPROVALS", "message_ts": shown_in(&approval, None).ts},
            "response_url": "https://hooks.slack.com/actions/T/1/x",
            "actions": [{"action_id": press.action, "value": id, "action_ts": format!("{}.500000", at(press.at).seconds())}],
            "state": {"values": {"reason": {"reason": {"value": press.reason}}}},
        });
        assert!(!shown.ts.is_empty());
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        signed(&body, at(press.at))
    }

    async fn send(&self, request: &ApiGatewayV2httpRequest, now: i64) -> i64 {
        let work = Slack {
            signing_secret: &self.secret,
            store: &self.cases,
            workflow: &self.workflow,
            policy: &self.policy,
            messenger: &self.messenger,
            now: at(now),
        };
        let response = interactions(&work, request).await;
        if response.status_code == 200 {
            assert_eq!(response.body, None);
        }
        response.status_code
    }

    async fn press(&self, press: Press<'_>) -> i64 {
        let (request, now) = (self.request(&press).await, press.at + 1);
        self.send(&request, now).await
    }

    fn told(&self) -> Vec<String> {
        self.messenger.answers().into_iter().map(|(_, text)| text).collect()
    }

    async fn rows(&self) -> usize {
        let log = self.system().await.log;
        log.iter().filter(|line| line.kind == EventKind::ApprovalDecided).count()
    }
}

fn shown_in<'a>(approval: &'a Approval, to: Option<&str>) -> &'a Shown {
    let hit = |shown: &&Shown| shown.to.as_ref().map(Username::as_str) == to;
    approval.shown.iter().find(hit).unwrap()
}

fn signed(body: &str, at: Timestamp) -> ApiGatewayV2httpRequest {
    let time = at.seconds().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{time}:{body}").as_bytes());
    let signature = format!("v0={}", Digest(mac.finalize().into_bytes().into()));
    let mut request = ApiGatewayV2httpRequest::default();
    request.body = Some(body.to_owned());
    request.headers.insert("x-slack-request-timestamp", HeaderValue::from_str(&time).unwrap());
    request.headers.insert("x-slack-signature", HeaderValue::from_str(&signature).unwrap());
    request
}

#[tokio::test]
async fn an_approver_presses_and_every_message_shows_the_decision() {
    let scene = Scene::new().await;
    // Two approvers and the channel.
    assert_eq!(scene.messenger.messages().len(), 3);
    assert_eq!(scene.press(Press::of("U.sam.admin", "approve")).await, 200);
    let approval = scene.approval().await;
    assert_eq!(approval.status, ApprovalStatus::Approved);
    let decided = &approval.decisions[0];
    assert_eq!(
        (decided.by.as_str(), decided.through.as_str(), decided.reason.as_str()),
        ("sam.admin", "slack", BY_BUTTON)
    );
    assert_eq!(scene.workflow.woken(), ["token-1"]);
    for (place, _, message, replaced) in scene.messenger.messages() {
        assert_eq!((replaced, message.buttons), (1, None), "{place:?}");
        assert_eq!(message.outcome.as_deref(), Some("approved by sam.admin"));
    }
    assert_eq!(scene.told(), [""; 0]);
    assert_eq!(scene.rows().await, 1);
}

#[tokio::test]
async fn a_denial_needs_a_reason_that_somebody_typed_in() {
    let scene = Scene::new().await;
    assert_eq!(scene.press(Press::of("U.sam.admin", "deny")).await, 200);
    assert!(scene.approval().await.is_pending());
    assert!(scene.told()[0].contains("Write the reason"));
    let reason = Some("the audit still runs");
    assert_eq!(scene.press(Press { reason, ..Press::of("U.sam.admin", "deny") }).await, 200);
    let approval = scene.approval().await;
    assert_eq!(approval.status, ApprovalStatus::Denied);
    assert_eq!(approval.decisions[0].reason, "the audit still runs");
}

#[tokio::test]
async fn held_cases_are_not_decided_about_by_a_mere_button() {
    let scene = Scene::new().await;
    let id: MeasureId = "measure-release".parse().unwrap();
    let case = scene.cases.case(&scene.case).await.unwrap().unwrap();
    let riley = scene.cases.person(&case.person.username).await.unwrap().unwrap();
    let held = CaseRecord { status: CaseStatus::Held, measure: Some(id.clone()), ..case };
    let asked =
        holds::request_for(&scene.policy, BTreeSet::new(), &riley, &held, holds::PROTECTED, at(0)).unwrap();
    scene.cases.commit(&[Change::Measure(Box::new(asked))]).await.unwrap();
    let about = ApprovalId::Measure(id.clone());
    let status = async || scene.cases.measure(&id).await.unwrap().unwrap().approval.status;
    for action in ["approve", "escalate", "deny"] {
        let bare = scene.request_about(&about, &Press::of("U.sam.admin", action)).await;
        assert_eq!(scene.send(&bare, 11).await, 200);
        assert!(scene.told().last().unwrap().contains("Write the reason"), "{action}: {:?}", scene.told());
        assert_eq!(status().await, ApprovalStatus::Pending, "{action}");
    }
    let press = Press { reason: Some("it is right"), ..Press::of("U.sam.admin", "approve") };
    assert_eq!(scene.send(&scene.request_about(&about, &press).await, 11).await, 200);
    assert_eq!(status().await, ApprovalStatus::Approved);
}

#[tokio::test]
async fn whoever_may_not_decide_is_told_so_and_changes_nothing() {
    let scene = Scene::new().await;
    let before = scene.system().await;
    for (user, says) in [
        ("U.riley.owner", "leaving"),
        ("U.john.doe", "approver whom policy names"),
        ("U.nobody", "knows nobody"),
        // The name before the @ is an approver's; the address is not.
        ("U.impostor", "knows nobody"),
    ] {
        let seen = scene.told().len();
        assert_eq!(scene.press(Press::of(user, "approve")).await, 200, "{user}");
        let told = scene.told();
        assert!(told.len() == seen + 1 && told[seen].contains(says), "{user}: {told:?}");
    }
    assert_eq!(scene.system().await, before);
    assert_eq!(scene.workflow.woken(), [""; 0]);
}

#[tokio::test]
async fn an_account_that_the_record_names_is_that_person() {
    let scene = Scene::new().await;
    assert_eq!(scene.press(Press::of("UTAYLOR", "approve")).await, 200);
    assert_eq!(scene.approval().await.decisions[0].by.as_str(), "taylor.admin");
}

#[tokio::test]
async fn the_same_press_again_answers_the_same_and_decides_nothing_more() {
    let scene = Scene::new().await;
    for action in ["escalate", "approve"] {
        let request = scene.request(&Press::of("U.sam.admin", action)).await;
        assert_eq!(scene.send(&request, 11).await, 200);
        let (once, rows) = (scene.approval().await, scene.rows().await);
        for now in [12, 40, 200] {
            assert_eq!(scene.send(&request, now).await, 200);
        }
        assert_eq!(
            (scene.approval().await.decisions, scene.rows().await),
            (once.decisions, rows),
            "{action}"
        );
        assert_eq!(scene.told(), [""; 0]);
    }
    assert_eq!(scene.approval().await.level, 1);
    assert_eq!(scene.rows().await, 2);
}

#[tokio::test]
async fn a_new_press_after_the_decision_is_told_what_was_decided() {
    let scene = Scene::new().await;
    assert_eq!(scene.press(Press::of("U.sam.admin", "approve")).await, 200);
    let reason = Some("no");
    let late = Press { reason, at: 100, ..Press::of("U.jane.smith", "deny") };
    assert_eq!(scene.press(late).await, 200);
    assert!(scene.told()[0].contains("decided already: approve by sam.admin"), "{:?}", scene.told());
    assert_eq!(scene.approval().await.status, ApprovalStatus::Approved);
    assert_eq!(scene.rows().await, 1);
}

#[tokio::test]
async fn a_press_after_the_expiry_counts_for_nothing() {
    let scene = Scene::new().await;
    let late = i64::from(scene.policy.approvals.expires_seconds) + 1;
    assert_eq!(scene.press(Press { at: late, ..Press::of("U.sam.admin", "approve") }).await, 200);
    assert!(scene.told()[0].contains("expired at"));
    assert_eq!((scene.approval().await.decisions.len(), scene.rows().await), (0, 0));
}

#[tokio::test]
async fn of_two_at_the_same_instant_one_decides() {
    let scene = Scene::new().await;
    let no = Press { reason: Some("no"), ..Press::of("U.jane.smith", "deny") };
    let (yes, no) = (scene.request(&Press::of("U.sam.admin", "approve")).await, scene.request(&no).await);
    let answers = tokio::join!(scene.send(&yes, 11), scene.send(&no, 11), scene.send(&yes, 11));
    assert_eq!(answers, (200, 200, 200));
    let approval = scene.approval().await;
    assert_eq!((approval.decisions.len(), scene.rows().await, scene.workflow.woken().len()), (1, 1, 1));
    assert_eq!(scene.told().len(), 1, "{:?}", scene.told());
}

#[tokio::test]
async fn stale_forged_and_malformed_requests_are_refused_and_change_nothing() {
    let scene = Scene::new().await;
    let before = scene.system().await;
    let good = scene.request(&Press::of("U.sam.admin", "approve")).await;
    assert_eq!(scene.send(&good, 311).await, 401);
    assert_eq!(scene.send(&good, -291).await, 401);
    let mut forged = good.clone();
    forged.body = forged.body.map(|body| body.replace("sam.admin", "tom.admin"));
    assert_eq!(scene.send(&forged, 11).await, 401);
    let mut bare = good.clone();
    bare.headers.remove("x-slack-signature");
    assert_eq!(scene.send(&bare, 11).await, 401);
    assert_eq!(scene.send(&ApiGatewayV2httpRequest::default(), 11).await, 401);
    for body in ["", "payload=", "payload={}", "x"] {
        assert_eq!(scene.send(&signed(body, at(10)), 11).await, 400, "{body}");
    }
    assert_eq!(scene.send(&signed(&"x".repeat(MAX_BODY + 1), at(10)), 11).await, 413);
    assert_eq!(scene.system().await, before);
}

#[tokio::test]
async fn an_unknown_approval_is_told_and_slack_that_fails_is_asked_again() {
    let scene = Scene::new().await;
    scene.messenger.fail_for(&["U.sam.admin"]);
    assert_eq!(scene.press(Press::of("U.sam.admin", "approve")).await, 503);
    assert!(scene.approval().await.is_pending());
    // A message that cannot be replaced does not undo the decision; the next step replaces it.
    scene.messenger.fail_for(&["taylor.admin@example.com"]);
    assert_eq!(scene.press(Press::of("U.sam.admin", "approve")).await, 200);
    let mut approval = scene.approval().await;
    assert_eq!(approval.status, ApprovalStatus::Approved);
    let replaced = |scene: &Scene| scene.messenger.messages().iter().filter(|one| one.3 > 0).count();
    assert_eq!(replaced(&scene), 2);
    scene.messenger.fail_for(&[]);
    let case = scene.cases.case(&scene.case).await.unwrap().unwrap();
    let message = messages::of_system(&scene.policy.approvals, &scene.system().await, &case).unwrap();
    let approvals = &scene.policy.approvals;
    assert!(deliver(&scene.messenger, &scene.cases, approvals, &mut approval, &message).await.changed);
    assert_eq!(replaced(&scene), 3);
    assert_eq!(
        deliver(&scene.messenger, &scene.cases, approvals, &mut approval, &message).await,
        Default::default()
    );
}

#[tokio::test]
async fn a_message_whose_place_was_lost_is_replaced_all_the_same() {
    let scene = Scene::new().await;
    let request = scene.request(&Press::of("U.sam.admin", "approve")).await;
    let mut system = scene.system().await;
    system.approval.as_mut().unwrap().shown.retain(|shown| shown.to.is_some());
    system.version += 1;
    scene.cases.put_system(&system).await.unwrap();
    assert_eq!(scene.send(&request, 11).await, 200);
    assert!(scene.messenger.messages().iter().all(|(_, _, message, _)| message.buttons.is_none()));
    assert_eq!(scene.approval().await.shown.len(), 3);
}

#[tokio::test]
async fn who_is_asked_is_shown_once_and_who_is_gone_not_at_all() {
    let scene = Scene::new().await;
    let taylor = scene.cases.person(&"taylor.admin".parse().unwrap()).await.unwrap().unwrap();
    let gone = Person { status: PersonStatus::Leaving, version: taylor.version + 1, ..taylor };
    scene.cases.put_person(&gone).await.unwrap();
    let mut approval = Approval { shown: Vec::new(), ..scene.approval().await };
    approval.asked.push("nobody.known".parse().unwrap());
    let (message, approvals) = (messages::Message::new("x"), &scene.policy.approvals);
    scene.messenger.fail_for(&["sam.admin@example.com"]);
    let first = deliver(&scene.messenger, &scene.cases, approvals, &mut approval, &message).await;
    assert_eq!((first.changed, first.failed.len(), first.failed[0].0.as_str()), (true, 1, "sam.admin"));
    assert_eq!(approval.shown.iter().map(|shown| &shown.to).collect::<Vec<_>>(), [&None]);
    scene.messenger.fail_for(&[]);
    assert!(deliver(&scene.messenger, &scene.cases, approvals, &mut approval, &message).await.changed);
    assert_eq!(approval.shown.len(), 2);
    let again = deliver(&scene.messenger, &scene.cases, approvals, &mut approval, &message).await;
    assert_eq!(again, Default::default());
}
