//! Batches as people read them.

use super::{list, table, text};
use serde_json::Value;

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The lines of a file that cannot be taken, and why.
pub fn bad_lines(lines: &[Value]) -> String {
    let row = |line: &Value| vec![text(line, "/line"), text(line, "/username"), text(line, "/why")];
    table(&["line", "username", "why not"], &lines.iter().map(row).collect::<Vec<_>>())
}

/// What a file that was taken comes to.
pub fn batch_receipt(answer: &Value, dry_run: bool) -> String {
    let lines = list(answer, "lines");
    let count = |is: fn(&Value) -> bool| lines.iter().filter(|line| is(line)).count();
    let (already, without) = (count(|line| line["already"] == true), count(|line| line["accepted"] == false));
    let (id, status) = (text(answer, "/batch_id"), text(answer, "/status"));
    let anew = "`leaver batch FILE --again` sends it anew.";
    let is_over = answer["duplicate"] == true && ["ended", "cancelled"].contains(&status.as_str());
    let mut said = vec![match (dry_run, answer["duplicate"] == true) {
        (true, _) => format!("The file is good: {} lines. Nothing was changed.", lines.len()),
        (false, true) if status == "cancelled" => {
            format!("{id}: this file was taken before, and called off: nothing was recorded. {anew}")
        }
        (false, true) if is_over => {
            format!(
                "{id}: this file was taken before, and has come to rest: nothing new was recorded. {anew}"
            )
        }
        (false, true) => {
            format!("{id}: this file was taken before, and is {status}; it goes on where it is.")
        }
        (false, false) => format!("{id}: {} lines were taken.", lines.len()),
    }];
    if !answer["called_off"].is_null() {
        let (by, reason) = (text(answer, "/called_off/by"), text(answer, "/called_off/reason"));
        said.push(format!("{} lines were called off by {by}: {reason}", number(answer, "/called_off/lines")));
    } else if without > 0 {
        said.push(format!("{without} lines could not be recorded: their people are not known any more."));
    }
    if already > 0 {
        said.push(format!(
            "{already} of the people are leaving, or suspended, already: nothing new happens to them."
        ));
    }
    if !answer["held_by"].is_null() {
        let held = text(answer, "/held_by");
        said.push(match dry_run {
            true => "It is more than the brake lets through at once: security would be asked about the whole of it.".into(),
            false => format!("It is more than the brake lets through at once: security decides about {held}. Nothing was recorded yet."),
        });
    }
    if !dry_run && !is_over {
        said.push(format!("`leaver batch watch {id}` follows it."));
    }
    said.join("\n")
}

/// How fast a batch is, and when it may be done.
pub fn batch_pace(batch: &Value) -> String {
    let rate = batch.pointer("/progress/per_second").and_then(Value::as_f64);
    match (rate, batch.pointer("/progress/ends_at").and_then(Value::as_str)) {
        (Some(rate), Some(end)) => format!("{rate:.1} a second, contained about {end}"),
        (Some(rate), None) => format!("{rate:.1} a second"),
        (None, _) => text(batch, "/status"),
    }
}

/// Batches, one line each.
pub fn batches(batches: &[Value]) -> String {
    let row = |batch: &Value| {
        let done = format!("{} of {}", number(batch, "/progress/finished"), number(batch, "/total"));
        vec![
            text(batch, "/batch_id"),
            text(batch, "/by"),
            text(batch, "/status"),
            done,
            text(batch, "/created_at"),
        ]
    };
    let headers = ["batch", "by", "status", "contained", "created"];
    table(&headers, &batches.iter().map(row).collect::<Vec<_>>())
}

/// A batch: its counts, its pace, and its lines; without `all`, only those that are not simply done or waiting.
pub fn batch(batch: &Value, all: bool) -> String {
    let mut said = vec![format!(
        "{}  {}  {} of {} contained ({})",
        text(batch, "/batch_id"),
        text(batch, "/status"),
        number(batch, "/progress/finished"),
        number(batch, "/total"),
        batch_pace(batch),
    )];
    match number(batch, "/progress/with_somebody") {
        0 => {}
        some => said.push(format!("{some} wait for somebody before all access is gone")),
    }
    if batch["status"] == "held" {
        said.push(format!("security decides about {}: `leaver approvals list`", text(batch, "/held_by")));
    }
    let counts = batch["counts"].as_object().into_iter().flatten();
    let counts = counts.filter(|(_, count)| count.as_u64().unwrap_or(0) > 0);
    let counts: Vec<String> =
        counts.map(|(name, count)| format!("{} {count}", name.replace('_', " "))).collect();
    said.push(counts.join(", "));
    let quiet = ["waiting", "running", "contained", "complete", "skipped"];
    let loud = |line: &&Value| all || !quiet.contains(&line["state"].as_str().unwrap_or_default());
    let rows: Vec<Vec<String>> = list(batch, "lines")
        .iter()
        .filter(loud)
        .map(|line| {
            ["/line", "/username", "/state", "/case_id", "/case_status", "/reason"]
                .map(|pointer| text(line, pointer))
                .to_vec()
        })
        .collect();
    if !rows.is_empty() {
        said.push(String::new());
        said.push(table(&["line", "person", "state", "case", "status", "reason"], &rows));
    }
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn repeat(status: &str, held_by: Value, called_off: Value) -> String {
        let answer = json!({
            "batch_id": "batch-1", "duplicate": true, "status": status, "held_by": held_by, "called_off": called_off,
            "lines": [{"line": 2, "username": "john.doe", "case_id": null, "accepted": called_off.is_null()}],
        });
        batch_receipt(&answer, false)
    }

    #[test]
    fn a_repeat_says_where_the_batch_stands_and_what_would_send_it_anew() {
        let held = repeat("held", json!("measure-1"), Value::Null);
        assert!(held.contains("Nothing was recorded yet") && held.contains("batch watch"), "{held}");
        let running = repeat("running", Value::Null, Value::Null);
        assert!(running.contains("is running; it goes on") && !running.contains("--again"), "{running}");
        let by = json!({"by": "taylor.admin", "reason": "the wrong list", "lines": 1});
        let off = repeat("cancelled", Value::Null, by);
        assert!(off.contains("1 lines were called off by taylor.admin: the wrong list"), "{off}");
        let ended = repeat("ended", Value::Null, Value::Null);
        for over in [off, ended] {
            assert!(over.contains("`leaver batch FILE --again` sends it anew"), "{over}");
            assert!(!over.contains("goes on") && !over.contains("batch watch"), "{over}");
        }
    }
}
