//! A message as Slack's blocks, within Slack's limits whatever the message holds.
//!
//! Everything that comes from outside is escaped, so that no text can mention anybody, and verbatim, so that Slack makes no
//! links of it. A section that does not fit is cut at a line, and says how many lines are missing.

use leaver_domain::{
    approval::Decision,
    messages::{Buttons, Message, Section},
};
use serde_json::{Value, json};

/// Most blocks of a message.
pub(crate) const MAX_BLOCKS: usize = 50;
/// Longest text of a section block, in bytes, which are never fewer than Slack's characters; Slack takes 3,000.
const MAX_TEXT: usize = 2_900;
/// Longest sum of all texts, in bytes. Slack refuses what is longer than about 13,200 with `msg_blocks_too_long`, and sends
/// the whole message back with every press.
const MAX_SUM: usize = 11_000;
/// Longest header; Slack takes 150.
const MAX_HEADER: usize = 150;
/// Longest reason that can be typed in.
const MAX_REASON: usize = 1_000;

/// The text with Slack's three control characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text escaped, cut to this many bytes and never inside an escape.
fn cut(text: &str, max: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let next = escaped(c.encode_utf8(&mut [0; 4]));
        if kept.len() + next.len() > max {
            break;
        }
        kept.push_str(&next);
    }
    kept
}

/// What a notification shows, and programs that show no blocks.
pub fn fallback(message: &Message) -> String {
    cut(&message.summary(), MAX_TEXT)
}

/// The blocks of a message.
pub fn blocks(message: &Message) -> Vec<Value> {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": cut(&message.title, MAX_HEADER), "emoji": false},
    })];
    let mut left = MAX_SUM;
    if let Some(outcome) = &message.outcome {
        blocks.extend(text(vec![format!("*{}*", escaped(outcome))], &mut left));
    }
    let facts =
        message.facts.iter().map(|fact| format!("*{}:* {}", escaped(&fact.name), escaped(&fact.value)));
    let mut half = left / 2;
    blocks.extend(text(facts.collect(), &mut half));
    left -= left / 2 - half;
    let room = MAX_BLOCKS - 3;
    for (index, section) in message.sections.iter().enumerate() {
        if blocks.len() >= room {
            break;
        }
        // What the sections before did not need is shared among those that are left.
        let mut share = left / (message.sections.len() - index);
        let before = share;
        blocks.extend(text(lines(section), &mut share));
        left -= before - share;
    }
    blocks.truncate(room);
    blocks.extend(message.buttons.iter().flat_map(asked));
    blocks
}

fn lines(section: &Section) -> Vec<String> {
    let heading = format!("*{}*", escaped(&section.heading));
    let lines = section.lines.iter().map(|line| escaped(line));
    [heading].into_iter().chain(lines).collect()
}

/// Lines as section blocks, within what is left; `left` is lowered by what they take.
fn text(lines: Vec<String>, left: &mut usize) -> Vec<Value> {
    let (mut texts, mut all) = (vec![String::new()], lines.into_iter());
    // Room for the line that says what is missing.
    let mark = 40;
    for line in all.by_ref() {
        let takes = line.len() + 1;
        if takes + mark > *left || takes > MAX_TEXT {
            let missing = 1 + all.count();
            let more = format!("\u{2026} {missing} more; `leaver approvals show` has all of it");
            *left = left.saturating_sub(more.len() + 1);
            push(&mut texts, &more);
            break;
        }
        *left -= takes;
        push(&mut texts, &line);
    }
    let block =
        |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}});
    texts.into_iter().filter(|text| !text.is_empty()).map(block).collect()
}

fn push(texts: &mut Vec<String>, line: &str) {
    match texts.last_mut().filter(|text| text.len() + 1 + line.len() <= MAX_TEXT) {
        Some(text) if text.is_empty() => text.push_str(line),
        Some(text) => {
            text.push('\n');
            text.push_str(line);
        }
        None => texts.push(line.to_owned()),
    }
}

/// The field for the reason and the buttons. The button's value names the approval; what is pressed is checked again.
fn asked(buttons: &Buttons) -> Vec<Value> {
    let value = buttons.approval.to_string();
    let button = |choice: &Decision| {
        let (label, style) = match choice {
            Decision::Approve => ("Approve", Some("primary")),
            Decision::Deny => ("Deny", Some("danger")),
            Decision::Escalate => ("Ask the next level", None),
        };
        let mut button = json!({
            "type": "button", "action_id": choice.name(), "value": value,
            "text": {"type": "plain_text", "text": label, "emoji": false},
        });
        if let Some(style) = style {
            button["style"] = json!(style);
        }
        button
    };
    let reason = json!({
        "type": "input", "block_id": "reason", "dispatch_action": false, "optional": true,
        "label": {"type": "plain_text", "text": "Reason (needed to deny, and for held cases)", "emoji": false},
        "element": {"type": "plain_text_input", "action_id": "reason", "multiline": false, "max_length": MAX_REASON},
    });
    let elements: Vec<Value> = buttons.choices.iter().map(button).collect();
    vec![reason, json!({"type": "actions", "block_id": "decide", "elements": elements})]
}
