//! Random changes of a pack: both verifiers say the same, and neither ever breaks.

use crate::{
    both::Both,
    forge::{Files, Log, seal},
};
use leaver_evidence::{layout, verify::Trust};
use proptest::{prelude::*, test_runner::TestRunner};

/// The files that both recompute as a whole.
const BOTH: [&str; 7] = [
    layout::ROWS_JSONL,
    layout::ROWS_CSV,
    layout::POPULATION,
    layout::SAMPLE,
    layout::CHECKPOINT,
    layout::RANGE,
    layout::KEYS,
];

#[derive(Debug, Clone)]
enum Change {
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Copy(usize, usize, usize),
    SwapLines(usize, usize),
    DropLine(usize),
    DoubleLine(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0_usize..1_000_000;
    prop_oneof![
        (place(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (place(), prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'0'), Just(b'{'), any::<u8>()])
            .prop_map(|(at, byte)| Change::Insert(at, byte)),
        (place(), 1_usize..40).prop_map(|(at, count)| Change::Remove(at, count)),
        (place(), place(), 1_usize..200).prop_map(|(from, to, count)| Change::Copy(from, to, count)),
        (place(), place()).prop_map(|(a, b)| Change::SwapLines(a, b)),
        place().prop_map(Change::DropLine),
        place().prop_map(Change::DoubleLine),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    match *change {
        Change::Flip(at, bit) => bytes[at % length] ^= 1 << bit,
        Change::Insert(at, byte) => bytes.insert(at % length, byte),
        Change::Remove(at, many) => drop(bytes.drain(at % length..(at % length + many).min(length))),
        Change::Copy(from, to, many) => {
            let part = bytes[from % length..(from % length + many).min(length)].to_vec();
            let at = to % length;
            bytes.splice(at..at, part);
        }
        Change::SwapLines(a, b) => lines.swap(a % count, b % count),
        Change::DropLine(at) => drop(lines.remove(at % count)),
        Change::DoubleLine(at) => lines.insert(at % count, lines[at % count].clone()),
    }
    if matches!(change, Change::SwapLines(..) | Change::DropLine(_) | Change::DoubleLine(_)) {
        *bytes = lines.concat();
    }
}

fn run(log: &Log, cases: u32) {
    let files = log.pack();
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let changes = (0..BOTH.len(), proptest::collection::vec(change(), 1..3), any::<bool>());
    let result = runner.run(&changes, |(file, changes, fits)| {
        let mut changed: Files = files.clone();
        let bytes = changed.get_mut(BOTH[file]).unwrap();
        changes.iter().for_each(|change| apply(bytes, change));
        if fits {
            seal(&mut changed);
        }
        let both = Both::of(&changed, &Trust::default());
        both.same();
        prop_assert_eq!(both.first.ok, changed == files, "{}", both.first.words());
        Ok(())
    });
    result.unwrap();
}

#[test]
fn both_say_the_same_of_random_changes_of_a_small_pack() {
    run(&Log::small(), 400);
}

#[test]
fn both_say_the_same_of_random_changes_of_a_month() {
    run(&Log::month(), 60);
}
