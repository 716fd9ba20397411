//! Signed notes and their keys against Go's tests, the specification's example, and a real tree head.

use crate::{json, say};
use leaver_domain::ledger::{Checkpoint, Note, NoteError, VerifierKey};
use serde_json::Value;

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

fn keys(case: &Value) -> Vec<VerifierKey> {
    strings(&case["known_vkeys"]).into_iter().map(|key| key.parse().expect(key)).collect()
}

#[test]
fn notes_are_judged_as_go_does() {
    let Some(known) = json("extracted/signed-note.json") else { return };
    let cases = known["cases"].as_array().unwrap();
    for case in cases {
        let (text, keys) = (case["note"].as_str().unwrap(), keys(case));
        let note = Note::parse(text.as_bytes());
        let verdict = note.as_ref().map_err(Clone::clone).and_then(|note| note.verify(&keys));
        let wanted = case["want"].as_str().unwrap();
        let right = match &verdict {
            Ok(found) => {
                let names: Vec<&str> = found.iter().map(|one| one.key.name()).collect();
                wanted == "ok" && names == strings(&case["verified"])
            }
            Err(NoteError::Unsigned) => wanted == "no verifiable signatures",
            Err(NoteError::Ambiguous(_)) => wanted == "ambiguous key",
            Err(NoteError::Wrong(_)) => wanted == "invalid signature",
            Err(NoteError::Form(_) | NoteError::TooMany | NoteError::Long) => wanted == "malformed",
        };
        assert!(right, "{}: {verdict:?} instead of {wanted}", case["name"]);
        if let Ok(note) = note {
            assert_eq!(note.to_string(), text, "{}", case["name"]);
        }
    }
    // A note that is not UTF-8 cannot be held in JSON.
    let good = cases[0]["note"].as_str().unwrap();
    assert!(matches!(Note::parse(&[&[0xff], good.as_bytes()].concat()), Err(NoteError::Form(_))));
    say(&format!("signed notes: {} ran, and the one that is not UTF-8", cases.len()));
    assert_eq!(cases.len(), 15);
}

#[test]
fn a_real_tree_head_is_read_as_a_checkpoint() {
    let Some(known) = json("extracted/signed-note.json") else { return };
    let case = known["cases"].as_array().unwrap().iter().find(|case| case["verified"][0] == "sum.golang.org");
    let note = Note::parse(case.unwrap()["note"].as_str().unwrap().as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("go.sum database tree", 35_225_469));
    assert_eq!(checkpoint.text(), note.text);
    // Its key has another name than its log, which leaver's own never does.
    assert!(Checkpoint::open(&note, "go.sum database tree", &keys(case.unwrap())).is_err());
}

#[test]
fn every_wrong_key_text_is_refused() {
    let Some(known) = json("extracted/signed-note.json") else { return };
    let bad = strings(&known["bad_vkeys"]);
    for key in &bad {
        assert!(key.parse::<VerifierKey>().is_err(), "{key}");
    }
    let mut derived = 0;
    for key in known["vkeys"].as_object().unwrap().values() {
        let key = key.as_str().unwrap();
        assert_eq!(key.parse::<VerifierKey>().unwrap().to_string(), key);
        for start in 0..key.len() {
            for end in start..=key.len() {
                if (start, end) != (0, key.len()) {
                    assert!(key[start..end].parse::<VerifierKey>().is_err(), "{}", &key[start..end]);
                    derived += 1;
                }
            }
            let mut other = key.as_bytes().to_vec();
            other[start] += 1;
            assert!(String::from_utf8(other).unwrap().parse::<VerifierKey>().is_err(), "{key} at {start}");
            derived += 1;
        }
    }
    say(&format!("keys: {} bad ones and {derived} parts and neighbours of good ones refused", bad.len()));
    assert_eq!(bad.len(), 2);
}
