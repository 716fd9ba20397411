//! What is sent to Slack, byte by byte where it matters.

use super::{blocks, blocks::MAX_BLOCKS, fallback};
use leaver_domain::{
    approval::Decision,
    messages::{Buttons, Message},
};
use serde_json::Value;

fn texts(blocks: &[Value]) -> Vec<&str> {
    blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect()
}

fn with_buttons(mut message: Message) -> Message {
    let approval = "case-1~okta~1".parse().unwrap();
    message.buttons =
        Some(Buttons { approval, choices: vec![Decision::Approve, Decision::Deny, Decision::Escalate] });
    message
}

/// As many sections, each as long, as a message can have, out of one text.
fn huge(text: &str) -> Message {
    let mut message = Message::new(text);
    for number in 0..20 {
        message = message.fact(&format!("Fact {number}"), text);
        message =
            message.section(&format!("Section {number}"), (0..100).map(|line| format!("{line} {text}")));
    }
    message.outcome = Some(text.chars().take(300).collect());
    with_buttons(message)
}

#[test]
fn buttons_carry_the_approval_and_a_field_takes_the_reason() {
    let blocks = blocks(&with_buttons(Message::new("Take it away?").fact("Case", "case-1")));
    let [header, facts, input, actions] = blocks.as_slice() else { panic!("{blocks:?}") };
    assert_eq!(header["text"]["text"], "Take it away?");
    assert_eq!(facts["text"]["text"], "*Case:* case-1");
    assert_eq!((&input["block_id"], &input["element"]["action_id"]), (&"reason".into(), &"reason".into()));
    assert_eq!(input["dispatch_action"], false);
    let ids: Vec<&str> =
        actions["elements"].as_array().unwrap().iter().filter_map(|one| one["action_id"].as_str()).collect();
    assert_eq!(ids, ["approve", "deny", "escalate"]);
    for button in actions["elements"].as_array().unwrap() {
        assert_eq!(button["value"], "case-1~okta~1");
    }
    let decided = super::blocks(&Message::new("x"));
    assert!(decided.iter().all(|block| block["type"] == "header"), "{decided:?}");
}

#[test]
fn nothing_from_outside_mentions_anybody_or_becomes_a_link() {
    let hostile = "<!channel> <@U1> <https://evil.example|Approve> & <!here>";
    let message = Message::new(hostile).fact(hostile, hostile).section(hostile, [hostile]);
    let blocks = blocks(&message);
    for block in blocks.iter().filter(|block| block["type"] == "section") {
        let text = block["text"]["text"].as_str().unwrap();
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
        assert!(text.contains("&lt;!channel&gt;") && text.contains("&amp;"), "{text}");
        assert_eq!(block["text"]["verbatim"], true);
    }
    assert!(!fallback(&message).contains('<'));
    assert!(!blocks[0].to_string().contains('<'));
}

#[test]
fn whatever_a_message_holds_stays_within_slacks_limits() {
    for text in ["x", "& < > ", "\u{1f512}", "\u{6587}\u{5b57}", "a long line of text ", "*_~`"] {
        let message = huge(&text.repeat(500 / text.chars().count()));
        let blocks = blocks(&message);
        assert!(blocks.len() <= MAX_BLOCKS, "{} blocks", blocks.len());
        assert_eq!(blocks.last().unwrap()["type"], "actions");
        for text in texts(&blocks) {
            assert!(!text.is_empty() && text.encode_utf16().count() <= 3_000);
        }
        assert!(blocks[0]["text"]["text"].as_str().unwrap().encode_utf16().count() <= 150);
        let sum: usize = texts(&blocks).iter().map(|text| text.encode_utf16().count()).sum();
        assert!(sum <= 13_000, "{sum}");
        assert!(fallback(&message).encode_utf16().count() <= 3_000);
        // An entity is never cut in two.
        for text in texts(&blocks) {
            let entities = ["&amp;", "&lt;", "&gt;"].map(|entity| text.matches(entity).count());
            assert_eq!(text.matches('&').count(), entities.iter().sum::<usize>());
        }
    }
}

#[test]
fn every_section_gets_its_share_and_says_what_is_missing() {
    let blocks = blocks(&huge(&"y".repeat(280)));
    let all = texts(&blocks).join("\n");
    for number in 0..12 {
        assert!(all.contains(&format!("*Section {number}*")), "{number}");
    }
    assert!(all.contains(" more; `leaver approvals show` has all of it"));
    let small = super::blocks(&Message::new("t").section("One", ["a", "b"]).section("Two", ["c"]));
    assert_eq!(texts(&small), ["t", "*One*\na\nb", "*Two*\nc"]);
}
