//! What Slack says when a button is pressed: a form with one field, which holds JSON.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    approval::{ApprovalId, Decision},
    ports::Place,
    problem::Problem,
    time::Timestamp,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Longest body: a press brings the whole message with it, whose text may be one that grows when it is encoded.
pub const MAX_BODY: usize = 128 * 1024;
/// Longest id or time of Slack's, and longest address.
const MAX_ID: usize = 64;
const MAX_ADDRESS: usize = 1_024;

/// A button that somebody pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    /// What is decided.
    pub approval: ApprovalId,
    /// How.
    pub decision: Decision,
    /// Why, as it was typed in; `None` where nothing was.
    pub reason: Option<String>,
    /// Slack's id of whoever pressed.
    pub user: String,
    /// Where an answer for them alone goes.
    pub response_url: Option<String>,
    /// The message under which the button stands.
    pub place: Option<Place>,
    /// When it was pressed, by Slack's clock. A repeat carries the same time.
    pub at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Payload {
    r#type: String,
    user: Id,
    #[serde(default)]
    actions: Vec<Action>,
    response_url: Option<String>,
    container: Option<Container>,
    state: Option<State>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
    action_ts: Option<String>,
}

#[derive(Deserialize)]
struct Container {
    message_ts: Option<String>,
    channel_id: Option<String>,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, Input>>,
}

#[derive(Deserialize)]
struct Input {
    value: Option<String>,
}

fn malformed(detail: &str) -> Problem {
    Problem::new(400, "malformed-interaction", detail)
}

/// The bytes that were signed.
///
/// # Errors
/// 413 for more than 128 KiB, 400 where the body is not what its encoding says.
pub(super) fn raw_body(request: &ApiGatewayV2httpRequest) -> Result<Vec<u8>, Problem> {
    let too_long = || Problem::new(413, "body-too-large", "The body is longer than 128 KiB.");
    let text = request.body.as_deref().unwrap_or_default();
    if text.len() > MAX_BODY * 2 {
        return Err(too_long());
    }
    let bytes = match request.is_base64_encoded {
        false => text.as_bytes().to_vec(),
        true => {
            BASE64_STANDARD.decode(text).map_err(|_| malformed("The body is not what its encoding says."))?
        }
    };
    if bytes.len() > MAX_BODY { Err(too_long()) } else { Ok(bytes) }
}

impl Pressed {
    /// Reads the form of a press.
    ///
    /// # Errors
    /// 400 for everything that is no press of one of leaver's buttons.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = url::form_urlencoded::parse(body).filter(|(name, _)| name == "payload");
        let (Some((_, payload)), None) = (fields.next(), fields.next()) else {
            return Err(malformed("The form has no field `payload`, or more than one."));
        };
        let payload: Payload = serde_json::from_str(&payload)
            .map_err(|_| malformed("The field `payload` is not the JSON of an interaction."))?;
        if payload.r#type != "block_actions" {
            return Err(malformed("Only `block_actions` are taken here."));
        }
        let [action] = payload.actions.as_slice() else {
            return Err(malformed("An interaction is one action."));
        };
        let choices = [Decision::Approve, Decision::Deny, Decision::Escalate];
        let decision = choices.into_iter().find(|choice| choice.name() == action.action_id);
        let decision = decision.ok_or_else(|| malformed("There is no such button."))?;
        let approval = action.value.as_deref().and_then(|value| value.parse().ok());
        let approval = approval.ok_or_else(|| malformed("The button names no approval."))?;
        let user = Some(payload.user.id).filter(|id| is_id(id));
        let user = user.ok_or_else(|| malformed("The user's id is none."))?;
        let typed =
            payload.state.and_then(|mut state| state.values.remove("reason")?.remove("reason")?.value);
        let place = payload.container.and_then(|container| {
            let (channel, ts) = (container.channel_id?, container.message_ts?);
            (is_id(&channel) && is_id(&ts)).then_some(Place { channel, ts })
        });
        Ok(Self {
            approval,
            decision,
            reason: typed.filter(|reason| !reason.trim().is_empty()),
            user,
            response_url: payload.response_url.filter(|address| address.len() <= MAX_ADDRESS),
            place,
            at: action.action_ts.as_deref().and_then(instant),
        })
    }
}

fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    !text.is_empty() && text.len() <= MAX_ID && text.bytes().all(plain)
}

/// Slack's time: seconds and microseconds since 1970, such as `1548426417.840180`.
fn instant(text: &str) -> Option<Timestamp> {
    let (seconds, micros) = text.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let millis: i64 = micros.get(..3)?.parse().ok()?;
    Timestamp::from_millis(seconds.checked_mul(1000)?.checked_add(millis)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn payload() -> Value {
        json!({
            "type": "block_actions", "user": {"id": "U00000001", "username": "sam"}, "api_app_id": "A1",
            "container": {"type": "message", "message_ts": "1770129000.000100", "channel_id": "D1"},
            "response_url": "https://hooks.slack.com/actions/T/1/x",
            "actions": [{"action_id": "deny", "block_id": "decide", "type": "button", "value": "case-1~okta~1",
                         "action_ts": "1770129001.250000"}],
            "state": {"values": {"reason": {"reason": {"type": "plain_text_input", "value": " still needed "}}}},
        })
    }

    fn form(payload: &Value) -> Vec<u8> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string()).finish().into_bytes()
    }

    fn request(body: &str, base64: bool) -> ApiGatewayV2httpRequest {
        let mut request = ApiGatewayV2httpRequest::default();
        (request.body, request.is_base64_encoded) = (Some(body.to_owned()), base64);
        request
    }

    #[test]
    fn a_press_is_read() {
        let pressed = Pressed::parse(&form(&payload())).unwrap();
        assert_eq!(pressed.approval.to_string(), "case-1~okta~1");
        assert_eq!(pressed.decision, Decision::Deny);
        assert_eq!(pressed.reason.as_deref(), Some(" still needed "));
        assert_eq!(pressed.user, "U00000001");
        assert_eq!(pressed.place, Some(Place { channel: "D1".into(), ts: "1770129000.000100".into() }));
        assert_eq!(pressed.at.map(Timestamp::millis), Some(1_770_129_001_250));
    }

    #[test]
    fn nothing_typed_in_is_no_reason() {
        for values in [
            json!({}),
            json!({"reason": {"reason": {"value": null}}}),
            json!({"reason": {"reason": {"value": " "}}}),
        ] {
            let mut payload = payload();
            payload["state"]["values"] = values;
            assert_eq!(Pressed::parse(&form(&payload)).unwrap().reason, None);
        }
    }

    #[test]
    fn what_is_no_press_of_our_buttons_is_refused() {
        let refuse = |pointer: &str, value: Value| {
            let mut payload = payload();
            *payload.pointer_mut(pointer).unwrap() = value;
            Pressed::parse(&form(&payload)).unwrap_err().status
        };
        for (pointer, value) in [
            ("/type", json!("view_submission")),
            ("/user", json!({})),
            ("/user/id", json!("")),
            ("/user/id", json!("U1/../x")),
            ("/actions", json!([])),
            ("/actions/0/action_id", json!("Approve")),
            ("/actions/0/value", json!("a~b~c~d")),
            ("/actions/0/value", Value::Null),
            ("/state/values", json!([])),
        ] {
            assert_eq!(refuse(pointer, value.clone()), 400, "{pointer} {value}");
        }
        let twice = [form(&payload()), b"&".to_vec(), form(&payload())].concat();
        for body in
            [&b""[..], b"payload=", b"payload=%7B%7D", b"other=1", &twice, b"\xff\xfe", b"payload=%ff"]
        {
            assert_eq!(Pressed::parse(body).unwrap_err().status, 400);
        }
    }

    #[test]
    fn the_raw_bytes_are_those_that_were_sent() {
        assert_eq!(raw_body(&request("a=1", false)).unwrap(), b"a=1");
        assert_eq!(raw_body(&request("YT0x", true)).unwrap(), b"a=1");
        assert_eq!(raw_body(&request("YT0x*", true)).unwrap_err().status, 400);
        assert_eq!(raw_body(&request(&"x".repeat(MAX_BODY + 1), false)).unwrap_err().status, 413);
        assert_eq!(raw_body(&request(&"x".repeat(MAX_BODY * 3), true)).unwrap_err().status, 413);
        assert_eq!(raw_body(&ApiGatewayV2httpRequest::default()).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = Pressed::parse(&bytes);
            let _ = Pressed::parse(&[b"payload=", bytes.as_slice()].concat());
        }

        #[test]
        fn a_press_with_a_part_replaced_is_read_or_refused(at in 0_usize..600, with in any::<u8>()) {
            let mut body = form(&payload());
            if let Some(byte) = body.get_mut(at) {
                *byte = with;
            }
            if let Err(problem) = Pressed::parse(&body) {
                prop_assert_eq!(problem.status, 400);
            }
        }

        #[test]
        fn any_time_is_read_or_left_out(text in "[-0-9.]{0,30}") {
            let _ = instant(&text);
        }
    }
}
