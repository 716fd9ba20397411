//! leaver's own app in Slack's stand-in: the messages that it wrote, and people who press their buttons.
//!
//! `GET /_sandbox/slack/messages` shows the messages as they stand and what was told to those who pressed.
//! `POST /_sandbox/slack/press` `{ts, username, action, reason?, to?, signing_secret?, anyway?}` presses a button as Slack
//! would pass it on: to `to`, or, without one, it gives the signed request itself. Whoever cannot see a message can press
//! its button only with `anyway`.

use crate::{
    credentials::{Maker, pairs},
    slack::{TEAM, refused},
    twin::{Ask, Face, Outgoing, Reply, World},
};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Its name among the settings: its token is another one than the one with which access is revoked.
pub const ID: &str = "slack_app";
/// The channel that it is a member of, by its id and its name.
const CHANNEL: (&str, &str) = ("C0APPROVALS", "leaver-approvals");
/// How long Slack waits for the answer to a press.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most messages, and most answers, that are kept.
const KEPT: usize = 2_000;

/// Its settings: what leaver's secret says of it.
pub fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", format!("{base}/slack/api")),
        ("hooks_url", base.to_owned()),
        ("bot_token", make.token("xoxb-")),
        ("signing_secret", make.token("")),
    ])
}

/// Somebody of the workspace.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) handle: String,
    pub(crate) active: bool,
}

struct Sent {
    channel: String,
    recipient: Option<String>,
    ts: String,
    text: String,
    blocks: Value,
    edited: u64,
}

/// The app.
pub(crate) struct App {
    token: String,
    signing_secret: String,
    hooks: String,
    messages: Vec<Sent>,
    responses: Vec<Value>,
    pressed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Press {
    ts: String,
    username: String,
    action: String,
    reason: Option<String>,
    to: Option<String>,
    signing_secret: Option<String>,
    #[serde(default)]
    anyway: bool,
}

impl App {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            token: world.setting(ID, "bot_token"),
            signing_secret: world.setting(ID, "signing_secret"),
            hooks: world.setting(ID, "hooks_url"),
            messages: Vec::new(),
            responses: Vec::new(),
            pressed: 0,
        }
    }

    /// Whether a token is the app's.
    pub(crate) fn knows(&self, token: &str) -> bool {
        !self.token.is_empty() && token == self.token
    }

    /// `chat.postMessage` and `chat.update`.
    pub(crate) fn chat(&mut self, ask: &Ask, method: &str, members: &[Member]) -> Reply {
        let arguments = arguments(ask);
        let of = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        let (text, blocks) = (of("text"), arguments["blocks"].clone());
        match check(&text, &blocks) {
            Ok(()) => {}
            Err(("invalid_blocks", why)) => {
                let metadata = json!({"messages": [format!("[ERROR] {why}")]});
                let body = json!({"ok": false, "error": "invalid_blocks", "errors": [why], "response_metadata": metadata});
                return Reply::json(200, body);
            }
            Err((code, _)) => return refused(code),
        }
        if method == "chat.update" {
            return self.update(&of("channel"), &of("ts"), text, blocks, members);
        }
        let Some((channel, recipient)) = conversation(&of("channel"), members) else {
            return refused("channel_not_found");
        };
        if self.messages.len() >= KEPT {
            self.messages.remove(0);
        }
        let number = self
            .messages
            .last()
            .map_or(0, |last| last.ts.rsplit('.').next().and_then(|n| n.parse().ok()).unwrap_or(0) + 1);
        let ts = format!("{}.{number:06}", ask.at.seconds());
        let reply = json!({"ok": true, "channel": channel, "ts": ts, "message": {"type": "message", "text": text, "ts": ts}});
        self.messages.push(Sent { channel, recipient, ts, text, blocks, edited: 0 });
        Reply::json(200, reply)
    }

    fn update(&mut self, channel: &str, ts: &str, text: String, blocks: Value, members: &[Member]) -> Reply {
        // As the vendor: a user's id or a channel's name is no conversation here.
        let known = self.messages.iter().any(|sent| sent.channel == channel) || channel == CHANNEL.0;
        let is_member = members.iter().any(|member| member.id == channel);
        if !known || is_member {
            return refused("channel_not_found");
        }
        let sent = self.messages.iter_mut().find(|sent| sent.channel == channel && sent.ts == ts);
        let Some(sent) = sent else { return refused("message_not_found") };
        (sent.text, sent.blocks, sent.edited) = (text.clone(), blocks, sent.edited + 1);
        Reply::json(200, json!({"ok": true, "channel": channel, "ts": ts, "text": text}))
    }

    /// The sandbox's own face.
    pub(crate) fn face(&mut self, ask: &Ask, members: &[Member]) -> Option<Face> {
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", ["slack", "messages"]) => Some(Face::Answer(Reply::json(200, self.view()))),
            ("POST", ["slack", "press"]) => Some(self.press(ask, members)),
            ("POST", ["slack", "response", number]) => {
                let known = number.parse::<u64>().is_ok_and(|number| (1..=self.pressed).contains(&number));
                if !known || self.responses.len() >= KEPT {
                    return Some(Face::Answer(Reply::json(
                        404,
                        json!({"ok": false, "error": "expired_url"}),
                    )));
                }
                self.responses.push(json!({"press": number.parse::<u64>().ok(), "body": ask.json()}));
                Some(Face::Answer(Reply::json(200, json!({"ok": true}))))
            }
            _ => None,
        }
    }

    fn view(&self) -> Value {
        let one = |sent: &Sent| {
            json!({"channel": sent.channel, "recipient": sent.recipient, "ts": sent.ts, "text": sent.text,
                   "blocks": sent.blocks, "edited": sent.edited})
        };
        json!({"messages": self.messages.iter().map(one).collect::<Vec<_>>(), "responses": self.responses})
    }

    fn press(&mut self, ask: &Ask, members: &[Member]) -> Face {
        let refuse = |status, why: &str| Face::Answer(Reply::json(status, json!({"error": why})));
        let press: Press = match serde_json::from_slice(&ask.body) {
            Ok(press) => press,
            Err(error) => return refuse(400, &error.to_string()),
        };
        let Some(sent) = self.messages.iter().find(|sent| sent.ts == press.ts) else {
            return refuse(404, "there is no such message");
        };
        let Some(member) = members.iter().find(|member| member.username == press.username) else {
            return refuse(404, "there is no such user");
        };
        let sees = sent.recipient.as_ref().is_none_or(|username| *username == member.username);
        if !(press.anyway || sees && member.active) {
            return refuse(403, "this user cannot see that message");
        }
        let Some((block, button)) = button(&sent.blocks, &press.action) else {
            return refuse(409, "the message has no such button");
        };
        self.pressed += 1;
        let address =
            if self.hooks.is_empty() { ask.base.trim_end_matches("/_sandbox") } else { &self.hooks };
        let address = format!("{address}/_sandbox/slack/response/{}", self.pressed);
        let payload = payload(ask, &press, sent, member, (&block, &button), &address);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("payload", &payload.to_string()).finish();
        let secret = press.signing_secret.as_deref().unwrap_or(&self.signing_secret);
        let time = ask.at.seconds().to_string();
        let headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)".to_owned()),
            ("x-slack-request-timestamp", time.clone()),
            ("x-slack-signature", sign(secret, &time, &body)),
        ];
        match press.to {
            Some(to) => Face::Send(Outgoing { to, headers, body, within: PATIENCE }),
            None => {
                let headers: BTreeMap<_, _> = headers.into_iter().collect();
                Face::Answer(Reply::json(200, json!({"headers": headers, "body": body})))
            }
        }
    }
}

fn sign(secret: &str, time: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let code = hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
    code.as_ref().iter().fold("v0=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn arguments(ask: &Ask) -> Value {
    let is_json = ask.headers.get("content-type").is_some_and(|of| of.starts_with("application/json"));
    if is_json {
        return ask.json();
    }
    let mut arguments = json!(ask.form());
    if let Some(blocks) = arguments["blocks"].as_str() {
        arguments["blocks"] = serde_json::from_str(blocks).unwrap_or(json!("no JSON"));
    }
    arguments
}

/// The conversation that a message to this channel, name or user goes to, and whose it is alone.
fn conversation(to: &str, members: &[Member]) -> Option<(String, Option<String>)> {
    if to == CHANNEL.0 || to.trim_start_matches('#') == CHANNEL.1 {
        return Some((CHANNEL.0.to_owned(), None));
    }
    let direct = |member: &Member| format!("D{}", member.id.trim_start_matches('U'));
    let member = members.iter().find(|member| member.id == to || direct(member) == to)?;
    member.active.then(|| (direct(member), Some(member.username.clone())))
}

/// The block and the button of a name.
fn button(blocks: &Value, action: &str) -> Option<(Value, Value)> {
    blocks.as_array()?.iter().filter(|block| block["type"] == "actions").find_map(|block| {
        let button = block["elements"].as_array()?.iter().find(|one| one["action_id"] == action)?;
        Some((block.clone(), button.clone()))
    })
}

fn payload(
    ask: &Ask,
    press: &Press,
    sent: &Sent,
    member: &Member,
    (block, button): (&Value, &Value),
    address: &str,
) -> Value {
    let mut values = json!({});
    for block in sent.blocks.as_array().into_iter().flatten().filter(|block| block["type"] == "input") {
        let (id, element) = (&block["block_id"], &block["element"]["action_id"]);
        if let (Some(id), Some(element)) = (id.as_str(), element.as_str()) {
            values[id][element] = json!({"type": "plain_text_input", "value": press.reason});
        }
    }
    let name = if sent.recipient.is_some() { "directmessage" } else { CHANNEL.1 };
    let (seconds, millis) = (ask.at.seconds(), ask.at.millis().rem_euclid(1000));
    json!({
        "type": "block_actions", "api_app_id": "A0LEAVER", "token": "", "trigger_id": format!("{seconds}.1.x"),
        "user": {"id": member.id, "username": member.handle, "name": member.handle, "team_id": TEAM},
        "container": {"type": "message", "message_ts": sent.ts, "channel_id": sent.channel, "is_ephemeral": false},
        "team": {"id": TEAM, "domain": "sandbox"}, "enterprise": null, "is_enterprise_install": false,
        "channel": {"id": sent.channel, "name": name}, "response_url": address, "state": {"values": values},
        "message": {"type": "message", "user": "U0LEAVER", "bot_id": "B0LEAVER", "ts": sent.ts, "text": sent.text,
                    "team": TEAM, "blocks": sent.blocks},
        "actions": [{"action_id": button["action_id"], "block_id": block["block_id"], "text": button["text"],
                     "value": button["value"], "type": "button", "action_ts": format!("{seconds}.{millis:03}000")}],
    })
}

/// What the vendor refuses of a message's content: the code, and what is wrong.
fn check(text: &str, blocks: &Value) -> Result<(), (&'static str, String)> {
    let wrong = |why: &str| Err(("invalid_blocks", why.to_owned()));
    if text.chars().count() > 40_000 {
        return Err(("msg_too_long", String::new()));
    }
    let blocks = match blocks {
        Value::Null if text.is_empty() => return Err(("no_text", String::new())),
        Value::Null => return Ok(()),
        Value::Array(blocks) => blocks,
        _ => return Err(("invalid_blocks_format", String::new())),
    };
    if blocks.is_empty() || blocks.len() > 50 {
        return wrong("no more than 50 items allowed [json-pointer:/blocks]");
    }
    let mut ids = BTreeSet::new();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(why) = block_fault(block) {
            return wrong(&format!("{why} [json-pointer:/blocks/{index}]"));
        }
        if let Some(id) = block["block_id"].as_str()
            && !ids.insert(id)
        {
            return wrong("`block_id` already exists");
        }
    }
    // No page says so, but the vendor refuses more than this.
    match blocks.iter().map(weight).sum::<usize>() {
        0..=13_000 => Ok(()),
        _ => Err(("msg_blocks_too_long", String::new())),
    }
}

/// How many characters of text a block shows.
fn weight(block: &Value) -> usize {
    block["text"]["text"].as_str().map_or(0, |text| text.encode_utf16().count())
}

fn text_fault(of: &Value, max: usize, kinds: &[&str]) -> Option<String> {
    let kind = of["type"].as_str().unwrap_or_default();
    match of["text"].as_str() {
        _ if !kinds.contains(&kind) => Some(format!("unsupported type of text: {kind:?}")),
        None | Some("") => Some("missing required field: text".to_owned()),
        Some(text) if text.encode_utf16().count() > max => {
            Some(format!("must be less than {} characters", max + 1))
        }
        Some(_) => None,
    }
}

fn block_fault(block: &Value) -> Option<String> {
    if block["block_id"].as_str().is_some_and(|id| id.len() > 255) {
        return Some("block_id is too long".to_owned());
    }
    match block["type"].as_str().unwrap_or_default() {
        "divider" => None,
        "header" => text_fault(&block["text"], 150, &["plain_text"]),
        "section" => text_fault(&block["text"], 3_000, &["plain_text", "mrkdwn"]),
        "input" => {
            let element = &block["element"];
            let is_field = element["type"] == "plain_text_input" && element["action_id"].is_string();
            let length = element["max_length"].as_u64().unwrap_or(3_000);
            text_fault(&block["label"], 2_000, &["plain_text"])
                .or_else(|| (!is_field).then(|| "missing required field: element".to_owned()))
                .or_else(|| (!(1..=3_000).contains(&length)).then(|| "max_length is out of range".to_owned()))
        }
        "actions" => {
            let elements = block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
            if elements.is_empty() || elements.len() > 25 {
                return Some("must have 1 to 25 elements".to_owned());
            }
            let ids: BTreeSet<_> = elements.iter().map(|one| one["action_id"].as_str()).collect();
            if ids.len() != elements.len() {
                return Some("`action_id` already exists".to_owned());
            }
            elements.iter().find_map(button_fault)
        }
        kind => Some(format!("unsupported type: {kind:?}")),
    }
}

fn button_fault(button: &Value) -> Option<String> {
    if button["type"] != "button" {
        return Some("unsupported element".to_owned());
    }
    let long = |name: &str, max| button[name].as_str().is_none_or(|text| text.is_empty() || text.len() > max);
    let style = button["style"].as_str();
    if style.is_some_and(|style| !matches!(style, "primary" | "danger")) {
        return Some("unsupported style".to_owned());
    }
    if long("action_id", 255) || long("value", 2_000) {
        return Some("action_id or value is missing or too long".to_owned());
    }
    text_fault(&button["text"], 75, &["plain_text"])
}
