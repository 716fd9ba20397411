//! Checks a log's rows from the first on, as the verifiers do, beside plain SHA-256 over the same bytes and beside the
//! trees of two other implementations, and prints rows per second and ratios as JSON.
//!
//! `CARGO_PROFILE_BENCH_OPT_LEVEL=3 cargo bench -p leaver-evidence --bench log`

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use leaver_domain::{
    ledger::{Chain, Compact, Draft, EventKind, Head, Outcome, leaf_hash},
    time::Timestamp,
};
use sha2::{Digest as _, Sha256};
use std::{error::Error, time::Instant};

/// As many as 10,000 terminations give access rows.
const ROWS: u32 = 150_000;
/// Rows of one batch.
const BATCH: u32 = 98;
/// Each is taken as the best of so many runs.
const RUNS: u32 = 5;

fn draft(n: u32, at: Timestamp) -> Draft {
    let case = format!("case-{:024x}", n / 15);
    Draft {
        event_id: format!("{case}/okta/{}", n % 15),
        case_id: case,
        ordinal: n % 15,
        kind: EventKind::AccessRevoked,
        occurred_at: at,
        username: format!("person.{:05}", n / 15),
        actor: "leaver/adapter/okta".to_owned(),
        system: Some("okta".to_owned()),
        action: "revoke".to_owned(),
        outcome: Outcome::Success,
        risk: None,
        // About as long as what a row of a real system holds.
        evidence: format!("{{\"facts\":\"{n}{}\"}}", "x".repeat(1_500)),
    }
}

/// Rows per second, the best of several runs.
fn rate(mut work: impl FnMut()) -> f64 {
    let run = |()| {
        let began = Instant::now();
        work();
        f64::from(ROWS) / began.elapsed().as_secs_f64()
    };
    (0..RUNS).map(|_| ()).map(run).fold(0.0, f64::max)
}

fn main() -> Result<(), Box<dyn Error>> {
    let at = Timestamp::from_millis(1_770_129_000_000).ok_or("no instant")?;
    let mut head = Head::empty("leaver/bench");
    let mut rows: Vec<(Vec<u8>, String)> = Vec::new();
    for first in (0..ROWS).step_by(BATCH as usize) {
        let drafts: Vec<Draft> = (first..ROWS.min(first + BATCH)).map(|n| draft(n, at)).collect();
        let (next, entries) = head.extend(drafts.iter().map(|draft| (draft.clone(), [7; 16])), at);
        rows.extend(
            entries.iter().map(|entry| entry.encode()).zip(drafts.into_iter().map(|one| one.evidence)),
        );
        head = next;
    }
    let mut good = true;
    let checked = rate(|| {
        let mut chain = Chain::new("leaver/bench");
        good &= rows.iter().all(|(leaf, evidence)| chain.check(leaf, evidence.as_bytes()).is_ok());
        good &= chain.ends_at(&head);
    });
    let hashed = rate(|| {
        for (leaf, evidence) in &rows {
            std::hint::black_box((Sha256::digest(leaf), Sha256::digest(evidence)));
        }
    });
    let tree = rate(|| {
        let mut tree = Compact::default();
        rows.iter().for_each(|(leaf, _)| tree.push(leaf_hash(leaf)));
        good &= tree.root() == head.tree.root();
    });
    let ct_merkle = rate(|| {
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        rows.iter().for_each(|(leaf, _)| tree.push(leaf.clone()));
        good &= tree.root().as_bytes().as_slice() == head.tree.root().0.as_slice();
    });
    let tlog = rate(|| {
        let mut stored = Stored::default();
        for (n, (leaf, _)) in (0..).zip(&rows) {
            let hashes = tlog_tiles::stored_hashes(n, leaf, &stored).unwrap_or_default();
            stored.0.extend(hashes);
        }
        let root = tlog_tiles::tree_hash(ROWS.into(), &stored).map(|root| root.0);
        good &= root.is_ok_and(|root| root == head.tree.root().0);
    });
    let result = serde_json::json!({
        "rows": ROWS, "agree": good,
        "rows_per_second": {
            "check": checked.round(), "sha256_of_the_same_bytes": hashed.round(), "our_tree": tree.round(),
            "ct_merkle_tree": ct_merkle.round(), "tlog_tiles_tree": tlog.round(),
        },
        "check_over_sha256": (checked / hashed * 1_000.0).round() / 1_000.0,
    });
    println!("{result}");
    if good { Ok(()) } else { Err("the implementations disagree".into()) }
}

#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let one = |index: &u64| usize::try_from(*index).ok().and_then(|index| self.0.get(index).copied());
        let found: Option<Vec<_>> = indexes.iter().map(one).collect();
        found.ok_or(tlog_tiles::Error::IndexesNotInTree)
    }
}
