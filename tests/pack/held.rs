//! What the auditor holds beside the pack: keys, checkpoints of all sizes, HR's list; and the command line.

use crate::{
    both::{Both, SECOND, kept},
    forge::{Folder, Log, witness},
};
use leaver_domain::ledger::VerifierKey;
use leaver_evidence::{
    layout,
    sample_log::{Case, Opening, SampleLog},
    verify::Trust,
};
use std::process::Command;

#[test]
fn keys_that_are_known_replace_those_of_the_pack() {
    let log = Log::small();
    let with = |keys: Vec<VerifierKey>| Both::of(&log.pack(), &Trust { keys, ..Trust::default() });
    let both = with(vec![SampleLog::verifier_key(), witness()]);
    both.verified();
    assert!(!both.first.unchecked.iter().any(|said| said.contains("--key")), "{:?}", both.first.unchecked);
    let other = VerifierKey::ed25519(leaver_evidence::sample_log::ORIGIN, witness().public()).unwrap();
    with(vec![other]).refused(None, "a key given with --key is not among the log's");
    let other = VerifierKey::cosigner("other.example", SampleLog::verifier_key().public()).unwrap();
    with(vec![other]).refused(None, "checkpoint: 0 witnesses signed it, 1 must");
}

#[test]
fn a_kept_checkpoint_of_every_size_is_proved_or_told() {
    let log = Log::month();
    let mut part = log.clone();
    part.part(48, 100);
    let files = part.pack();
    for size in [0, 1, 31, 32, 33, 47, 48, 49, 77, 100, 101, log.rows.len()] {
        let both = Both::of(&files, &kept([log.note(size).as_str()]));
        both.verified();
        let unproved = both.first.unchecked.iter().any(|said| said.contains("kept checkpoint kept-0"));
        // The hashes before the first row tell of 32 and 48 rows.
        assert_eq!(unproved, ![0, 32, 48, 49, 77, 100, log.rows.len()].contains(&size), "{size}");
    }
    let mut longer = log.clone();
    longer.rows.push(log.rows[0].clone());
    longer.rows.last_mut().unwrap().0.event_id = "one-more".into();
    longer.chain();
    let both = Both::of(&files, &kept([longer.note(longer.rows.len()).as_str()]));
    both.verified();
    both.unchecked("it is newer than the pack");
    Both::of(&files, &kept(["not a note"])).refused(None, "kept checkpoint kept-0: it is not a signed note");
}

#[test]
fn hrs_own_list_is_compared_with_the_cases() {
    let log = Log::small();
    let with = |list: &str| Both::of(&log.pack(), &Trust { hr: Some(list.into()), ..Trust::default() });
    with("employee_id,username,termination_date\nEMP-00001,john.doe,2026-02-02\n").verified();
    with("\u{feff}\"Employee_ID\";termination_date\r\nEMP-00001;2026-02-02\r\n\r\n").verified();
    with("username,termination_date\nJohn.Doe,2026-02-28T10:00:00Z\n").verified();
    with("username,termination_date\njohn.doe,2026-02-28\njane.doe,2026-03-01\n").verified();
    with("username,termination_date\njohn.doe,2026-02-28\njane.doe,2026-02-28\n")
        .refused(None, "HR's list: record 3: jane.doe left on 2026-02-28 and has no case in the pack");
    with("username,termination_date\njohn.doe,tomorrow\n")
        .refused(None, "record 2: its termination_date is not a date");
    with("name\nx\n").refused(None, "HR's list: it needs the column termination_date");
    // A case that was called off took nothing: whoever is on the list has none, and nobody is missed on it.
    let mut off = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut off, &Opening::default());
    case.let_go(&mut off, false, "harper.hr", "measure-1");
    let files = off.whole("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z").unwrap();
    let list = |list: &str| Both::of(&files, &Trust { hr: Some(list.into()), ..Trust::default() });
    list("username,termination_date\njohn.doe,2026-02-02\n")
        .refused(None, "HR's list: record 2: john.doe left on 2026-02-02 and has no case in the pack");
    let both = list("username,termination_date\n");
    both.verified();
    assert!(both.first.remarks.is_empty() && both.second["remarks"] == serde_json::json!([]));
    let both = with("employee_id,termination_date\n");
    both.verified();
    assert!(both.first.remarks[0].contains("this person is not on HR's list"));
    assert_eq!(both.second["remarks"], serde_json::json!(both.first.remarks));
}

#[test]
fn both_say_the_same_words() {
    let log = Log::month();
    for files in [log.pack(), Log::small().pack()] {
        let both = Both::of(&files, &Trust::default());
        let words = both.second["words"].as_str().unwrap();
        let (ours, only) = words.rsplit_once('\n').unwrap();
        assert_eq!(ours, both.first.words());
        assert!(only.contains("this verifier does not recompute them"));
    }
}

#[test]
fn the_second_verifier_runs_from_within_the_pack() {
    let folder = Folder::new(&Log::small().pack());
    let run = |arguments: &[&str]| {
        let shipped = folder.file(layout::VERIFIER);
        let output = Command::new("python3").arg(shipped).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, words, _) = run(&[]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.starts_with("VERIFIED: 6 rows from row 0 of the log leaver/sample/"), "{words}");
    assert_eq!(run(&["--json"]).0, Some(0));
    let key = SampleLog::verifier_key().to_string();
    assert_eq!(run(&["--key", &key]).0, Some(0));
    for usage in [&["--key", "x"] as &[&str], &["--checkpoint", "/nowhere"], &["/nowhere"], &["--what"]] {
        let (code, _, error) = run(usage);
        assert_eq!(code, Some(2), "{error}");
        assert!(!error.contains("Traceback"), "{error}");
    }
    folder.put(layout::ROWS_CSV, b"");
    let (code, words, error) = run(&[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(words.starts_with("NOT VERIFIED: "), "{words}");
}

/// The public vectors that both implementations of the proofs and notes are held against; here the second one.
#[test]
fn the_second_verifier_agrees_with_the_public_vectors() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    if !std::path::Path::new(vectors).is_dir() {
        eprintln!("skipped: the public vectors are not there");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/pack/vectors.py");
    let output = Command::new("python3").args([script, SECOND, vectors]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
}
