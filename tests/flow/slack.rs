//! A flagged system is decided in Slack: the message, the press, and what stands there afterwards; and Slack's stand-in,
//! which refuses what Slack would refuse.

use crate::recorded;
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use leaver_approval::slack::{Slack, interactions, show};
use leaver_domain::{
    approval::{ApprovalStatus, Decision, Shown},
    case::SystemRecord,
    deciding::{Gate, Host},
    digest::Digest,
    id::CaseId,
    messages::{Buttons, Message},
    ports::{CaseStore, Messenger, Place, Recipient, StoreError},
    secret::Secret,
};
use leaver_sandbox::slack_app;
use leaver_tests::{
    flow::{House, request},
    sandbox::{Stage, now},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_secs(20);

fn recipient(username: &str) -> Recipient {
    Recipient::Person { username: username.parse().unwrap(), email: format!("{username}@example.com") }
}

fn shown(place: &Place) -> Shown {
    Shown { to: None, channel: place.channel.clone(), ts: place.ts.clone(), content: Digest::ZERO }
}

fn asking(title: &str) -> Message {
    let approval = "case-1~okta~1".parse().unwrap();
    let buttons = Some(Buttons { approval, choices: vec![Decision::Approve, Decision::Deny] });
    Message { buttons, ..Message::new(title) }
}

fn unavailable(result: Result<impl std::fmt::Debug, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Presses in the stand-in, and gives the request that Slack would send.
async fn pressed(stage: &Stage, press: Value) -> ApiGatewayV2httpRequest {
    let (status, signed) = stage.press(press).await;
    assert_eq!(status, 200, "{signed}");
    let headers: Vec<(&str, &str)> = signed["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    request(signed["body"].as_str().unwrap(), &headers)
}

async fn answer(house: &House, messenger: &dyn Messenger, request: &ApiGatewayV2httpRequest) -> i64 {
    let secret = Secret::new(house.stage.settings[slack_app::ID]["signing_secret"].clone());
    let work = Slack {
        signing_secret: &secret,
        store: &house.cases,
        workflow: &house.workflow,
        policy: &house.policy,
        messenger,
        now: now(),
    };
    interactions(&work, request).await.status_code
}

/// A case with a flagged system, shown to whoever is asked.
async fn waiting(house: &House, messenger: &dyn Messenger) -> (CaseId, SystemRecord) {
    let case = recorded(house, "riley.owner").await;
    house.execute_until_close(&case).await;
    let (_, systems) = house.case(&case).await;
    let system = systems.into_iter().find(|system| system.asking().is_some()).expect("a flagged system");
    let (id, _) = system.asking().unwrap();
    let (host, _) = Host::find(&house.cases, &id).await.unwrap().unwrap();
    let approval = host.approval().cloned().unwrap();
    show(&house.cases, messenger, &house.policy, Gate { host, approval }).await.unwrap();
    let system = house.cases.system(&case, &system.system).await.unwrap().unwrap();
    (case, system)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flagged_system_is_approved_in_slack_and_every_message_says_so() {
    let house = House::new().await;
    let messenger = house.stage.messenger(BUDGET);
    let (case, system) = waiting(&house, &messenger).await;
    let view = house.stage.slack().await;
    let messages = view["messages"].as_array().unwrap();
    let to: Vec<_> = messages.iter().map(|message| message["recipient"].as_str().unwrap()).collect();
    assert_eq!(to, ["sam.admin", "taylor.admin"]);
    let text = messages[0]["blocks"].to_string();
    for part in
        ["riley.owner", "While it waits", "If it is denied", "What would be done", "Why it waits: flagged"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let ts = messages[0]["ts"].clone();
    let request =
        pressed(&house.stage, json!({"ts": ts, "username": "sam.admin", "action": "approve"})).await;
    let began = Instant::now();
    assert_eq!(answer(&house, &messenger, &request).await, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "Slack waits three seconds");
    let decided = house.cases.system(&case, &system.system).await.unwrap().unwrap();
    let approval = decided.approval.as_ref().unwrap();
    assert_eq!(
        (approval.status, approval.decisions[0].through.as_str()),
        (ApprovalStatus::Approved, "slack")
    );
    let view = house.stage.slack().await;
    for message in view["messages"].as_array().unwrap() {
        assert_eq!(message["edited"], 1);
        assert!(message["text"].as_str().unwrap().contains("approved by sam.admin"), "{message}");
        assert!(!message["blocks"].to_string().contains("action_id"), "buttons are left: {message}");
    }
    // Slack's repeat: the same answer, and nothing more is written.
    let written = house.cases.changes().len();
    assert_eq!(answer(&house, &messenger, &request).await, 200);
    assert_eq!(house.cases.changes().len(), written);
    assert_eq!(house.stage.slack().await["responses"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_is_told_in_slack_alone() {
    let house = House::new().await;
    let messenger = house.stage.messenger(BUDGET);
    let (case, system) = waiting(&house, &messenger).await;
    let ts = house.stage.slack().await["messages"][0]["ts"].clone();
    let blind = json!({"ts": ts, "username": "riley.owner", "action": "approve"});
    assert_eq!(house.stage.press(blind).await.0, 403, "not their conversation");
    for (username, says) in [("riley.owner", "decides nothing"), ("john.doe", "approver whom policy names")] {
        let press = json!({"ts": ts, "username": username, "action": "approve", "anyway": true});
        let request = pressed(&house.stage, press).await;
        assert_eq!(answer(&house, &messenger, &request).await, 200);
        let responses = house.stage.slack().await["responses"].clone();
        let last = &responses.as_array().unwrap().last().unwrap()["body"];
        assert_eq!((&last["response_type"], &last["replace_original"]), (&json!("ephemeral"), &json!(false)));
        assert!(last["text"].as_str().unwrap().contains(says), "{last}");
    }
    let press = json!({"ts": ts, "username": "sam.admin", "action": "deny", "signing_secret": "another"});
    let request = pressed(&house.stage, press).await;
    assert_eq!(answer(&house, &messenger, &request).await, 401);
    assert_eq!(house.cases.system(&case, &system.system).await.unwrap().unwrap(), system);
    let press =
        json!({"ts": ts, "username": "sam.admin", "action": "deny", "reason": "the audit <runs> & runs"});
    let request = pressed(&house.stage, press).await;
    assert_eq!(answer(&house, &messenger, &request).await, 200);
    let text = house.stage.slack().await["messages"].to_string();
    assert!(
        text.contains("the audit &lt;runs&gt; &amp; runs") && text.contains("denied by sam.admin"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_posted_replaced_and_posted_anew_where_somebody_deleted_them() {
    let stage = Stage::start().await;
    let messenger = stage.messenger(BUDGET);
    let place = messenger.show(&recipient("sam.admin"), &asking("One"), None).await.unwrap();
    assert!(place.channel.starts_with('D'));
    let again = messenger.show(&recipient("sam.admin"), &asking("Two"), Some(&shown(&place))).await.unwrap();
    assert_eq!(again, place);
    let gone = Shown { ts: "1.000001".into(), ..shown(&place) };
    let anew = messenger.show(&recipient("sam.admin"), &asking("Three"), Some(&gone)).await.unwrap();
    assert_ne!(anew.ts, place.ts);
    let channel = Recipient::Channel("#leaver-approvals".into());
    let posted = messenger.show(&channel, &asking("Four"), None).await.unwrap();
    assert_eq!(posted.channel, "C0APPROVALS");
    let texts: Vec<_> =
        stage.slack().await["messages"].as_array().unwrap().iter().map(|one| one["text"].clone()).collect();
    assert_eq!(texts, ["Two", "Three", "Four"]);
    let why = unavailable(messenger.show(&recipient("no.body"), &asking("x"), None).await);
    assert!(why.contains("users_not_found"), "{why}");
    let why = unavailable(messenger.show(&Recipient::Channel("C1".into()), &asking("x"), None).await);
    assert!(why.contains("channel_not_found"), "{why}");
    let who = messenger.who("U00000001").await.unwrap().unwrap();
    assert_eq!(who.id, "U00000001");
    assert!(who.email.ends_with("@example.com"));
    assert_eq!(messenger.who("U99999999").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_limits_are_waited_out_and_its_refusals_told_without_secrets() {
    let stage = Stage::start().await;
    let messenger = stage.messenger(BUDGET);
    let limited = json!({"system": "slack", "match": "chat.postMessage", "status": 429, "times": 1,
                         "headers": {"retry-after": "1"}, "body": {"ok": false, "error": "ratelimited"}});
    stage.fault(limited).await;
    let began = Instant::now();
    messenger.show(&recipient("sam.admin"), &asking("x"), None).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    // A wait that is too long for a step is left to the next one.
    stage.fault(json!({"system": "slack", "match": "chat.postMessage", "status": 429, "headers": {"retry-after": "60"}})).await;
    let began = Instant::now();
    unavailable(messenger.show(&recipient("sam.admin"), &asking("x"), None).await);
    assert!(began.elapsed() < Duration::from_secs(30));
    stage.clear().await;
    for code in ["invalid_auth", "is_archived", "account_inactive"] {
        let body = json!({"ok": false, "error": code});
        stage.fault(json!({"system": "slack", "match": "chat.", "body": body, "times": 1})).await;
        let why = unavailable(messenger.show(&recipient("sam.admin"), &asking("x"), None).await);
        assert!(why.contains(code) && !why.contains("xoxb"), "{why}");
    }
    let token = &stage.settings[slack_app::ID]["bot_token"];
    let heard = json!(stage.requests("slack").await).to_string();
    assert!(!heard.contains(token.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_takes_the_largest_message_and_refuses_what_slack_would() {
    let stage = Stage::start().await;
    let messenger = stage.messenger(BUDGET);
    for text in ["<!channel> & ", "\u{6587}\u{5b57}", "\u{1f512}", "plain "] {
        let mut message = asking(&text.repeat(50));
        for number in 0..12 {
            message = message.fact("Fact", text.repeat(100));
            message = message.section(&format!("Section {number}"), (0..60).map(|_| text.repeat(100)));
        }
        let place = messenger.show(&recipient("sam.admin"), &message, None).await.unwrap();
        // It comes back with every press, and is not too long then.
        let press = json!({"ts": place.ts, "username": "sam.admin", "action": "approve"});
        let request = pressed(&stage, press).await;
        let length = request.body.as_ref().unwrap().len();
        assert!(length < leaver_approval::slack::MAX_BODY, "{length}");
    }
    assert!(!stage.slack().await.to_string().contains("<!channel>"));
    let settings = &stage.settings[slack_app::ID];
    let client = leaver_adapters::http::client().unwrap();
    let post = async |method: &str, token: &str, body: Value| {
        let sent = client.post(format!("{}/{method}", settings["base_url"])).bearer_auth(token).json(&body);
        let answer: Value = sent.send().await.unwrap().json().await.unwrap();
        answer["error"].as_str().unwrap_or("ok").to_owned()
    };
    let bot = settings["bot_token"].as_str();
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let with = |blocks: Value| json!({"channel": "C0APPROVALS", "text": "x", "blocks": blocks});
    let bare = json!({"channel": "C0APPROVALS", "text": "x"});
    for (token, body, says) in [
        (bot, bare.clone(), "ok"),
        ("xoxb-wrong", bare.clone(), "invalid_auth"),
        (&stage.settings["slack"]["token"], bare.clone(), "missing_scope"),
        (bot, json!({"channel": "C0APPROVALS"}), "no_text"),
        (bot, json!({"channel": "C9", "text": "x"}), "channel_not_found"),
        (bot, with(json!(vec![section("x"); 51])), "invalid_blocks"),
        (bot, with(json!([section(&"x".repeat(3_001))])), "invalid_blocks"),
        (bot, with(json!([section("")])), "invalid_blocks"),
        (bot, with(json!([{"type": "section"}])), "invalid_blocks"),
        (bot, with(json!(vec![section(&"x".repeat(2_900)); 5])), "msg_blocks_too_long"),
        (bot, with(json!([{"type": "actions", "elements": []}])), "invalid_blocks"),
        (bot, with(json!("x")), "invalid_blocks_format"),
    ] {
        assert_eq!(post("chat.postMessage", token, body.clone()).await, says, "{body}");
    }
    let edit = |ts: &str, channel: &str| json!({"channel": channel, "ts": ts, "text": "x"});
    assert_eq!(post("chat.update", bot, edit("1.1", "C0APPROVALS")).await, "message_not_found");
    assert_eq!(post("chat.update", bot, edit("1.1", "U00000001")).await, "channel_not_found");
    assert_eq!(post("admin.users.session.reset", bot, json!({})).await, "not_allowed_token_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_press_goes_to_slack_and_nowhere_else() {
    let (stage, other) = (Stage::start().await, Stage::start().await);
    let messenger = stage.messenger(BUDGET);
    let user = stage.url.trim_start_matches("http://");
    for address in [
        format!("{}/_sandbox/slack/response/1", other.url),
        format!("http://a:b@{user}/_sandbox/slack/response/1"),
        "https://hooks.slack.com.evil.example/x".to_owned(),
        "https://hooks.slack.com@evil.example/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "nothing".to_owned(),
    ] {
        let why = unavailable(messenger.answer(&address, "x").await);
        assert!(why.contains("not one of Slack's"), "{address}: {why}");
    }
    let unknown = format!("{}/_sandbox/slack/response/1", stage.url);
    assert!(unavailable(messenger.answer(&unknown, "x").await).contains("HTTP 404"));
}

/// Slack sends the press to an address, as it does to a deployment.
#[tokio::test(flavor = "multi_thread")]
async fn a_press_is_passed_on_to_an_address_on_this_machine() {
    let stage = Stage::start().await;
    let place = stage.messenger(BUDGET).show(&recipient("sam.admin"), &asking("x"), None).await.unwrap();
    let press = |to: &str| json!({"ts": place.ts, "username": "sam.admin", "action": "deny", "to": to});
    let (status, passed) = stage.press(press(&format!("{}/okta/nothing", stage.url))).await;
    assert_eq!((status, passed["status"].is_u64()), (200, true), "{passed}");
    assert_eq!(stage.press(press("https://example.com/")).await.0, 400);
    let (status, _) =
        stage.press(json!({"ts": place.ts, "username": "sam.admin", "action": "escalate"})).await;
    assert_eq!(status, 409, "no such button");
}
