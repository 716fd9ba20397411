//! Every attack on a ledger that an export can show, against both verifiers: found, and located.

use crate::{
    both::{Both, kept},
    forge::{Files, Log, cosign, seal},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::ledger::{EventKind, Note};
use leaver_evidence::{layout, verify::Trust};
use serde_json::{Value, json};

/// The lines of `rows.jsonl`, one of which is changed as a value.
fn change_line(files: &mut Files, row: usize, change: impl FnOnce(&mut Value)) {
    let text = String::from_utf8(files[layout::ROWS_JSONL].clone()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut line: Value = serde_json::from_str(&lines[row]).unwrap();
    change(&mut line);
    // In the order that the pack has.
    let name = |field: &str| line[field].to_string();
    lines[row] = format!(
        "{{\"seq\":{},\"leaf\":{},\"evidence\":{},\"view\":{}}}",
        name("seq"),
        name("leaf"),
        name("evidence"),
        name("view")
    );
    files.insert(layout::ROWS_JSONL.into(), (lines.join("\n") + "\n").into_bytes());
}

fn change_leaf(files: &mut Files, row: usize, change: impl FnOnce(&mut Vec<u8>)) {
    change_line(files, row, |line| {
        let mut leaf = STANDARD.decode(line["leaf"].as_str().unwrap()).unwrap();
        change(&mut leaf);
        line["leaf"] = STANDARD.encode(leaf).into();
    });
}

fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert!(text.contains(from), "{path} does not say `{from}`");
    files.insert(path.into(), text.replacen(from, to, 1).into_bytes());
}

/// What an attacker without the log's key makes of another log: everything of their making, and the true checkpoint.
fn without_key(forged: &Log, honest: &Log) -> Files {
    let mut files = forged.pack();
    let note = honest.note(honest.rows.len());
    let old = String::from_utf8(files.insert(layout::CHECKPOINT.into(), note.clone().into_bytes()).unwrap())
        .unwrap();
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path.ends_with(".tlog-proof")) {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replace(&old, &note).into_bytes();
    }
    seal(&mut files);
    files
}

fn refused(files: &Files, row: Option<u64>, words: &str) {
    Both::of(files, &Trust::default()).refused(row, words);
}

#[test]
fn an_untouched_pack_is_verified_by_both() {
    let log = Log::month();
    let both = Both::of(&log.pack(), &Trust::default());
    both.verified();
    both.unchecked("it was taken from the pack; give the key");
    let small = Log::small();
    let kept = kept([small.note(3).as_str(), &small.note(small.rows.len())]);
    Both::of(&small.pack(), &kept).verified();
}

#[test]
fn a_part_of_a_log_is_verified_by_both() {
    for (first, end) in [(0, 60), (30, 127), (37, 99), (64, 128), (10, 10), (150, 220), (199, 300)] {
        let mut log = Log::month();
        log.part(first, end.min(log.rows.len()));
        let both = Both::of(&log.pack(), &Trust::default());
        both.verified();
        if first > 0 {
            both.unchecked("they are bound by their hashes");
        }
    }
}

#[test]
fn an_edited_row_is_found() {
    let honest = Log::small();
    let mut files = honest.pack();
    change_line(&mut files, 2, |line| {
        let evidence = line["evidence"].as_str().unwrap().replace("john.doe", "jane.doe");
        line["evidence"] = evidence.into();
    });
    refused(&files, Some(2), "rows.jsonl: its bytes are not those that manifest.json lists");
    seal(&mut files);
    refused(&files, Some(2), "row 2: its evidence is not what was recorded");
    // Evidence and entry changed together: the next row's link gives it away.
    let mut forged = honest.clone();
    forged.edit(2, |evidence| evidence["facts"]["attempts"] = 7.into());
    let (mut entry, evidence) = forged.rows[2].clone();
    entry.evidence = leaver_domain::digest::Digest::of(evidence.as_bytes());
    let mut files = honest.pack();
    change_line(&mut files, 2, |line| {
        line["leaf"] = STANDARD.encode(entry.encode()).into();
        line["evidence"] = evidence.into();
    });
    seal(&mut files);
    let both = Both::of(&files, &Trust::default());
    both.same();
    assert!(
        both.first.words().contains("row 3: it does not link to the row before it"),
        "{}",
        both.first.words()
    );
}

#[test]
fn an_edit_with_all_later_rows_rehashed_does_not_come_to_the_signed_root() {
    let honest = Log::month();
    let mut forged = honest.clone();
    forged.edit(5, |evidence| evidence["user"]["employee_id"] = "EMP-0".into());
    forged.list();
    forged.chain();
    refused(&without_key(&forged, &honest), None, "the rows do not come to the root that it signs");
}

#[test]
fn deleted_and_reordered_rows_are_found() {
    let honest = Log::month();
    let mut files = honest.pack();
    let text = String::from_utf8(files[layout::ROWS_JSONL].clone()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(4);
    files.insert(layout::ROWS_JSONL.into(), (lines.join("\n") + "\n").into_bytes());
    seal(&mut files);
    refused(&files, Some(4), "row 4: it says place 5");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(7, 8);
    files.insert(layout::ROWS_JSONL.into(), (lines.join("\n") + "\n").into_bytes());
    seal(&mut files);
    refused(&files, Some(7), "row 7: it says place 8");
    // The same with all later rows made to fit.
    let mut forged = honest.clone();
    forged.rows.remove(2);
    forged.end -= 1;
    forged.chain();
    let both = Both::of(&without_key(&forged, &honest), &Trust::default());
    both.refused(Some(9), "the rows do not come to the root that it signs");
    assert!(both.first.words().contains("row 9: it lists the event"), "{}", both.first.words());
}

#[test]
fn a_cut_tail_is_found() {
    let honest = Log::small();
    let mut files = honest.pack();
    let text = String::from_utf8(files[layout::ROWS_JSONL].clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    files.insert(layout::ROWS_JSONL.into(), (lines[..4].join("\n") + "\n").into_bytes());
    seal(&mut files);
    refused(&files, Some(4), "row 4: it is missing");
    // Half a line.
    files.insert(layout::ROWS_JSONL.into(), text.as_bytes()[..text.len() - 9].to_vec());
    seal(&mut files);
    refused(&files, Some(honest.rows.len() as u64 - 1), "its line in rows.jsonl does not end");
    // Cut together with the checkpoint, signed with a stolen key: whoever kept a newer one sees that the pack is older.
    let mut cut = honest.clone();
    cut.rows.truncate(4);
    cut.end = 4;
    let both = Both::of(&cut.pack(), &kept([honest.note(honest.rows.len()).as_str()]));
    both.verified();
    both.unchecked("it is newer than the pack, which has the log at 4 rows and it at 6");
}

#[test]
fn history_rewritten_with_the_stolen_key_is_found_by_the_kept_checkpoint_and_by_the_witness() {
    let honest = Log::month();
    let mut forged = honest.clone();
    forged.edit(5, |evidence| evidence["user"]["employee_id"] = "EMP-0".into());
    forged.list();
    forged.chain();
    let note = honest.note(40);
    // The witness never saw the forged root.
    let mut unseen = forged.clone();
    unseen.witnessed = false;
    let mut files = unseen.pack();
    files.insert(layout::KEYS.into(), honest.pack()[layout::KEYS].clone());
    seal(&mut files);
    refused(&files, None, "checkpoint: 0 witnesses signed it, 1 must");
    // The witness's keys taken out of the pack as well: only who knows better sees it.
    let both = Both::of(&unseen.pack(), &Trust { keys: vec![crate::forge::witness()], ..Trust::default() });
    both.refused(None, "checkpoint: 0 witnesses signed it, 1 must");
    let words = "the log had another root when it had 40 rows: its history was rewritten";
    Both::of(&unseen.pack(), &kept([note.as_str()])).refused(None, words);
    // A witness that colludes: the kept checkpoint still tells.
    Both::of(&forged.pack(), &Trust::default()).verified();
    Both::of(&forged.pack(), &kept([note.as_str()])).refused(None, words);
    Both::of(&honest.pack(), &kept([note.as_str()])).verified();
}

#[test]
fn a_fork_is_found_by_whoever_holds_the_other_branch() {
    let honest = Log::month();
    let mut fork = honest.clone();
    let last = fork.rows.len() - 1;
    fork.edit(last, |evidence| evidence["facts"]["hr_events_digest"] = "0".into());
    fork.chain();
    let both = Both::of(&fork.pack(), &kept([honest.note(honest.rows.len()).as_str()]));
    both.refused(None, "its history was rewritten");
}

#[test]
fn an_event_that_stands_in_the_log_twice_is_found() {
    let mut log = Log::small();
    let double = log.rows[2].clone();
    log.rows.insert(4, double);
    log.end += 1;
    log.list();
    log.chain();
    refused(&log.pack(), Some(4), "stands in the log already");
}

#[test]
fn a_row_that_was_never_logged_is_missed_by_the_closing_row() {
    let mut log = Log::small();
    let closing = log.place(EventKind::CaseClosed);
    log.edit(closing, |evidence| {
        let listed = evidence["facts"]["rows"].as_array_mut().unwrap();
        listed.push(json!({"event_id": "case-x/okta/0", "hash": "00".repeat(32)}));
    });
    log.chain();
    refused(&log.pack(), Some(closing as u64), "it lists the event `case-x/okta/0`, which has no row");
    let mut log = Log::small();
    log.edit(closing, |evidence| {
        evidence["facts"]["rows"].as_array_mut().unwrap().pop();
    });
    log.chain();
    refused(&log.pack(), Some(closing as u64), "it leaves out 1 rows of its case");
    let mut log = Log::small();
    log.edit(closing, |evidence| evidence["facts"]["rows"][1]["hash"] = "00".repeat(32).into());
    log.chain();
    refused(&log.pack(), Some(closing as u64), "with another hash");
}

#[test]
fn a_case_that_was_never_logged_is_missed_by_the_days_count() {
    let mut log = Log::small();
    let counting = log.place(EventKind::PopulationCounted);
    log.edit(counting, |evidence| evidence["facts"]["cases"] = 2.into());
    log.chain();
    refused(&log.pack(), Some(counting as u64), "it counts other cases on 2026-02-02 than the rows show");
}

#[test]
fn a_backdated_row_is_found() {
    let mut log = Log::small();
    log.rows[3].0.recorded_at = log.rows[0].0.recorded_at;
    log.list();
    log.chain();
    refused(&log.pack(), Some(3), "row 3: it says that it was appended before the row in front of it");
}

#[test]
fn bytes_of_another_form_are_refused() {
    let log = Log::small();
    for (change, words) in [
        (
            Box::new(|leaf: &mut Vec<u8>| leaf.push(0)) as Box<dyn Fn(&mut Vec<u8>)>,
            "1 bytes behind its last field",
        ),
        (Box::new(|leaf| leaf[23] = 2), "field version has a value that is not known"),
        (Box::new(|leaf| leaf[5] ^= 1), "field domain has a value that is not known"),
        (Box::new(|leaf| leaf.truncate(100)), "the entry ends within its field"),
        (Box::new(|leaf| leaf.resize(70_000, 0)), "the entry is longer than 65535 bytes"),
    ] {
        let mut files = log.pack();
        change_leaf(&mut files, 3, change);
        seal(&mut files);
        refused(&files, Some(3), words);
    }
}

/// The two children of an inner node, shown as if they were an entry: hashed as a leaf they come to another hash.
#[test]
fn an_inner_node_is_no_entry() {
    let log = Log::small();
    let mut files = log.pack();
    change_leaf(&mut files, 0, |leaf| {
        *leaf = [log.rows[0].0.hash().0, log.rows[1].0.hash().0].concat();
    });
    seal(&mut files);
    refused(&files, Some(0), "row 0: its bytes are not an entry");
}

#[test]
fn what_is_shown_is_what_was_hashed() {
    let log = Log::small();
    let shown = |path: &str, from: &str, to: &str| {
        let mut files = log.pack();
        replace(&mut files, path, from, to);
        seal(&mut files);
        files
    };
    for (path, from, to, row, words) in [
        (
            layout::ROWS_JSONL,
            "\"action\":\"user_terminated\"",
            "\"action\":\"test\"",
            Some(0),
            "rows.jsonl does not say",
        ),
        (layout::ROWS_CSV, ",okta,revoke", ",slack,revoke", None, ""),
        (layout::ROWS_CSV, "john.doe", "jane.doe", Some(0), "row 0: rows.csv does not say what the row says"),
        (
            layout::POPULATION,
            "Resignation",
            "Dismissal",
            Some(0),
            "row 0: population.csv does not say what the row says",
        ),
        (layout::SAMPLE, "john.doe", "jane.doe", None, "sample.csv: its line 2 is not what the rows say"),
        (
            layout::COMPLETENESS,
            "\"opened\": 1",
            "\"opened\": 2",
            None,
            "completeness.json: it is not what the rows say",
        ),
    ] {
        if !words.is_empty() {
            refused(&shown(path, from, to), row, words);
        }
    }
    for (path, from, to) in [
        (layout::CASES, "john.doe", "jane.doe"),
        (layout::SYSTEMS, "verified", "open"),
        (layout::CONTROLS, "CC6", "CC7"),
        (layout::OSCAL, "satisfied", "not-satisfied"),
        (layout::REPORT, "john.doe", "jane.doe"),
        (layout::README, "leaver", "lever"),
        (layout::VERIFIER, "return 0 if", "return 1 if"),
    ] {
        let both = Both::of(&shown(path, from, to), &Trust::default());
        assert!(!both.first.ok && both.first.words().contains(path), "{path}: {}", both.first.words());
        if path != layout::VERIFIER {
            assert!(
                both.second["unchecked"].to_string().contains(path),
                "{path} is not told: {}",
                both.second
            );
        }
    }
    let month = Log::month();
    for (path, to) in [(layout::APPROVALS, "x,y\n"), (layout::EXCEPTIONS, "late,case\n")] {
        let mut files = month.pack();
        files.get_mut(path).unwrap().extend(to.as_bytes());
        seal(&mut files);
        let both = Both::of(&files, &Trust::default());
        assert!(both.first.words().contains(&format!("{path}: it goes on behind its last line")));
    }
}

#[test]
fn proofs_and_policies_are_checked() {
    let log = Log::small();
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = log.pack();
        change(&mut files);
        seal(&mut files);
        files
    };
    let proof = layout::proof(0);
    let gone = with(&|files| drop(files.remove(&proof)));
    refused(&gone, Some(0), "row 0: the sample has no proof of it");
    let moved = with(&|files| {
        let bytes = files[&proof].clone();
        files.insert(layout::proof(1), bytes);
    });
    refused(&moved, None, "proofs/1.tlog-proof: it is the proof of another row");
    let wrong = with(&|files| {
        let text = String::from_utf8(files[&proof].clone()).unwrap();
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines.swap(2, 3);
        files.insert(proof.clone(), lines.join("\n").into_bytes());
    });
    refused(&wrong, None, "proofs/0.tlog-proof: it does not show that row 0 lies in the log");
    let policy = log.pack().keys().find(|path| path.starts_with(layout::POLICIES)).unwrap().clone();
    let other = with(&|files| files.get_mut(&policy).unwrap().push(b' '));
    refused(&other, None, "its SHA-256 is not its name");
    let none = with(&|files| drop(files.remove(&policy)));
    assert!(!Both::of(&none, &Trust::default()).first.ok);
}

#[test]
fn signatures_of_others_do_not_count() {
    let log = Log::small();
    let mut unsigned = log.clone();
    unsigned.witnessed = false;
    let mut files = log.pack();
    let mut note: Note = Note::parse(&files[layout::CHECKPOINT]).unwrap();
    note.signatures.remove(0);
    files.insert(layout::CHECKPOINT.into(), note.to_string().into_bytes());
    seal(&mut files);
    refused(&files, None, "checkpoint: no key of the log signed it");
    let mut note: Note = Note::parse(unsigned.note(6).as_bytes()).unwrap();
    note.signatures[0].bytes[3] ^= 1;
    cosign(&mut note);
    files.insert(layout::CHECKPOINT.into(), note.to_string().into_bytes());
    seal(&mut files);
    refused(&files, None, "checkpoint: its signature by the log is wrong");
}
