//! Rows of the period that are left out at its beginning or its end, and forged rows next to the pack's.

use crate::{
    both::Both,
    forge::{Files, Log, seal},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    ledger::{Entry, leaf_hash},
    time::Timestamp,
};
use leaver_evidence::{layout, verify::Trust};
use serde_json::{Value, json};

const BEGINNING: &str = "rows are missing at the beginning of the period: ";
const END: &str = "rows are missing at the end of the period: ";

/// The month, and two places of it in front of which time has passed.
fn part() -> (Log, usize, usize) {
    let mut log = Log::month();
    let passes = |row: &usize| log.rows[row - 1].0.recorded_at < log.rows[*row].0.recorded_at;
    let (first, end) = ((30..).find(passes).unwrap(), (90..).find(passes).unwrap());
    log.part(first, end);
    (log, first, end)
}

fn missing(files: &Files, words: &str) {
    let both = Both::of(files, &Trust::default());
    both.same();
    both.refused(both.first.first_bad_row, words);
}

/// The pack with another `proofs/range.json`.
fn with(log: &Log, change: impl FnOnce(&mut Value)) -> Files {
    let mut files = log.pack();
    let mut range: Value = serde_json::from_slice(&files[layout::RANGE]).unwrap();
    change(&mut range);
    let text = serde_json::to_string_pretty(&range).unwrap() + "\n";
    files.insert(layout::RANGE.into(), text.into_bytes());
    seal(&mut files);
    files
}

/// The entry that an edge shows, with one thing changed.
fn forged(edge: &Value, change: impl FnOnce(&mut Entry)) -> Value {
    let mut entry = Entry::decode(&STANDARD.decode(edge["leaf"].as_str().unwrap()).unwrap()).unwrap();
    change(&mut entry);
    json!({"leaf": STANDARD.encode(entry.encode()), "proof": edge["proof"]})
}

#[test]
fn a_whole_period_is_verified() {
    let (mut log, first, end) = part();
    Both::of(&log.pack(), &Trust::default()).verified();
    // More than the period is no less: late rows lie behind it.
    (log.first, log.end) = (first - 1, end + 1);
    Both::of(&log.pack(), &Trust::default()).verified();
}

#[test]
fn a_row_left_out_at_an_edge_is_missed() {
    let (log, first, end) = part();
    let mut late = log.clone();
    late.first += 1;
    missing(&late.pack(), &format!("{BEGINNING}row {first} was recorded in it and left out"));
    let mut early = log.clone();
    early.end -= 1;
    missing(&early.pack(), &format!("{END}row {} was recorded in it and left out", end - 1));
    // No rows at all, at either side of them.
    for (place, words) in [(first, END), (end, BEGINNING), (log.rows.len(), BEGINNING), (0, END)] {
        let mut none = log.clone();
        (none.first, none.end) = (place, place);
        missing(&none.pack(), words);
    }
}

#[test]
fn an_edge_that_is_not_shown_is_missed() {
    let (log, first, end) = part();
    let files = with(&log, |range| range["edges"]["before"] = Value::Null);
    missing(&files, &format!("{BEGINNING}row {} is not shown", first - 1));
    let files = with(&log, |range| range["edges"]["behind"] = Value::Null);
    missing(&files, &format!("{END}row {end} is not shown"));
    let not = "proofs/range.json: it is not a range of rows";
    missing(&with(&log, |range| drop(range.as_object_mut().unwrap().remove("edges"))), not);
    for name in ["before", "behind"] {
        let gone = |range: &mut Value| drop(range["edges"].as_object_mut().unwrap().remove(name));
        missing(&with(&log, gone), not);
        for edge in
            [json!(1), json!({}), json!({"leaf": "AA", "proof": []}), json!({"leaf": "AA==", "proof": ["x"]})]
        {
            missing(&with(&log, |range| range["edges"][name] = edge), not);
        }
        missing(&with(&log, |range| range["edges"][name]["more"] = 1.into()), not);
        // Where there is no such row, none may be shown.
        let edge = json!({"leaf": "AA==", "proof": []});
        missing(&with(&Log::small(), |range| range["edges"][name] = edge), not);
    }
}

#[test]
fn a_forged_edge_is_refused() {
    let (log, first, end) = part();
    let mut late = log.clone();
    late.first += 1;
    let from = log.period.0.millis() - 1;
    let earlier = |entry: &mut Entry| {
        entry.recorded_at = Timestamp::from_millis(from).unwrap();
    };
    let files = with(&late, |range| range["edges"]["before"] = forged(&range["edges"]["before"], earlier));
    missing(&files, &format!("{BEGINNING}row {first} does not link to the pack's rows"));
    // The row in front of the right one.
    let honest: Value = serde_json::from_slice(&log.pack()[layout::RANGE]).unwrap();
    let files = with(&late, |range| range["edges"]["before"] = honest["edges"]["before"].clone());
    missing(&files, &format!("{BEGINNING}what is shown as row {first} is not that row"));
    let mut early = log.clone();
    early.end -= 1;
    let to = log.period.1;
    let files = with(&early, |range| {
        range["edges"]["behind"] = forged(&range["edges"]["behind"], |entry| entry.recorded_at = to);
    });
    missing(&files, &format!("{END}it does not show that row {} lies in the log", end - 1));
    let files = with(&early, |range| range["edges"]["behind"] = honest["edges"]["behind"].clone());
    missing(&files, &format!("{END}what is shown as row {} is not that row", end - 1));
    let files = with(&early, |range| {
        range["edges"]["behind"] = forged(&honest["edges"]["behind"], |entry| entry.seq -= 1);
    });
    missing(&files, &format!("{END}row {} does not link to the pack's rows", end - 1));
}

/// A pack without rows at the end of the log: nothing but its own proof ties the row before it to the log.
#[test]
fn a_forged_edge_of_an_empty_pack_is_refused() {
    let (mut log, _, _) = part();
    let size = log.rows.len();
    (log.first, log.end) = (size, size);
    let from = log.period.0.millis() - 1;
    let files = with(&log, |range| {
        let edge = forged(&range["edges"]["before"], |entry| {
            entry.recorded_at = Timestamp::from_millis(from).unwrap();
        });
        let leaf = STANDARD.decode(edge["leaf"].as_str().unwrap()).unwrap();
        range["before"]["last"] = leaf_hash(&leaf).to_string().into();
        range["edges"]["before"] = edge;
    });
    missing(&files, &format!("{BEGINNING}it does not show that row {} lies in the log", size - 1));
}

#[test]
fn an_edge_with_a_wrong_proof_is_refused() {
    let (log, first, end) = part();
    for (name, words) in [
        ("before", format!("{BEGINNING}it does not show that row {} lies", first - 1)),
        ("behind", format!("{END}it does not show that row {end} lies")),
    ] {
        let proof = |change: &dyn Fn(&mut Vec<Value>)| {
            with(&log, |range| change(range["edges"][name]["proof"].as_array_mut().unwrap()))
        };
        missing(&proof(&|hashes| hashes.swap(0, 1)), &words);
        missing(&proof(&|hashes| drop(hashes.pop())), &words);
        missing(&proof(&|hashes| hashes.push("00".repeat(32).into())), &words);
        missing(&proof(&Vec::clear), &words);
    }
}
