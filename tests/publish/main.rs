//! Publishing the log: at every size, past every failure, and never past a log that is not what it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod backend;
mod tampering;
mod witnesses;

use backend::{Backend, Log, ORIGIN, When};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Chain, Checkpoint, Compact, Note, Tile, Tiles, VerifierKey, leaf_hash, new_tiles, tiles_of, unbundle,
    },
    policy::Policy,
    ports::{ObjectStore, Signer},
    time::Timestamp,
};
use leaver_platform::memory_log::NoWitnesses;
use leaver_publish::{NotPublished, Publish, Published, announce, handle};
use leaver_tests::flow::policy;
use std::collections::{BTreeMap, BTreeSet};

fn now() -> Timestamp {
    "2026-02-03T15:00:00Z".parse().expect("an instant")
}

fn work<'a>(backend: &'a Backend, policy: &'a Policy) -> Publish<'a> {
    Publish {
        ledger: backend,
        objects: backend,
        signer: backend,
        witnesses: backend,
        policy,
        origin: ORIGIN,
        now: now(),
        renew: false,
    }
}

/// Publishes until nothing is left; `None` where the process was killed.
async fn publish(backend: &Backend, policy: &Policy) -> Option<Result<Published, NotPublished>> {
    let all = async {
        loop {
            match handle(&work(backend, policy)).await {
                Ok(done) if done.left > 0 => {}
                other => return other,
            }
        }
    };
    tokio::select! {
        result = all => Some(result),
        () = backend.hung.notified() => None,
    }
}

async fn published(backend: &Backend, policy: &Policy) -> Published {
    publish(backend, policy).await.expect("alive").expect("published")
}

async fn key(backend: &Backend) -> VerifierKey {
    VerifierKey::ed25519(ORIGIN, backend.signer.public_key().await.expect("a key")).expect("a good key")
}

async fn object(backend: &Backend, name: &str) -> Option<Vec<u8>> {
    backend.objects.get(name).await.expect("memory").map(|object| object.bytes)
}

async fn checkpoint(backend: &Backend, name: &str) -> Option<Checkpoint> {
    let note = Note::parse(&object(backend, name).await?).expect("a note");
    Some(Checkpoint::open(&note, ORIGIN, [&key(backend).await]).expect("a signed checkpoint"))
}

/// Checks what is published from its first row on, as a reader with nothing but the bucket would, and against the rows of
/// the table. How many rows it covers; `None` where no checkpoint is made known.
async fn checked(backend: &Backend) -> Option<u64> {
    let newest = checkpoint(backend, "checkpoint").await?;
    let mut chain = Chain::new(ORIGIN);
    let mut tiles = Tiles::default();
    for tile in new_tiles(0, newest.size) {
        let bytes =
            object(backend, &tile.path()).await.unwrap_or_else(|| panic!("{} is missing", tile.path()));
        tiles.insert(tile, &bytes).expect("a good tile");
        if tile.level == 0 {
            entries(backend, tile, &bytes, &mut chain).await;
        }
    }
    let root =
        if newest.size == 0 { Digest::of(b"") } else { tiles.compact(newest.size).expect("an edge").root() };
    assert_eq!((chain.size(), chain.root(), root), (newest.size, newest.root, newest.root));
    // Each checkpoint there ever was is over a beginning of the same rows.
    let names = backend.objects.names();
    let sizes = names.iter().filter_map(|name| name.strip_prefix("checkpoints/")?.parse().ok());
    let roots = roots(backend, sizes.collect());
    for name in names {
        let mutable = ["checkpoint", "keys.json"].contains(&name.as_str());
        let until = (!mutable).then(|| now().plus(std::time::Duration::from_secs(86_400)));
        assert_eq!(backend.objects.locked_until(&name), until, "{name}");
        if name.starts_with("checkpoints/") {
            let old = checkpoint(backend, &name).await.expect("it is there");
            assert_eq!(name, format!("checkpoints/{:020}", old.size));
            assert_eq!(old.root, roots[&old.size], "{name}");
            for tile in tiles_of(old.size, &leaver_domain::ledger::compact_nodes(old.size)).expect("nodes") {
                assert!(object(backend, &tile.path()).await.is_some(), "{name} lacks {}", tile.path());
            }
        }
    }
    Some(newest.size)
}

/// The roots over so many of the table's rows.
fn roots(backend: &Backend, sizes: BTreeSet<u64>) -> BTreeMap<u64, Digest> {
    backend.log(|log| {
        let mut tree = Compact::default();
        let mut rows = log.rows.iter();
        let grown = sizes.into_iter().map(|size| {
            while tree.size < size {
                tree.push(leaf_hash(&rows.next().expect("a row").leaf));
            }
            (size, tree.root())
        });
        grown.collect()
    })
}

async fn entries(backend: &Backend, tile: Tile, hashes: &[u8], chain: &mut Chain) {
    let bundle = object(backend, &tile.entries_path()).await;
    let bundle = bundle.unwrap_or_else(|| panic!("{} is missing", tile.entries_path()));
    let entries = unbundle(&bundle).expect("a bundle");
    assert_eq!(entries.iter().flat_map(|entry| leaf_hash(entry).0).collect::<Vec<u8>>(), hashes);
    for entry in entries {
        chain.check(entry, b"{}").expect("a good row");
    }
}

/// A backend with so many rows published.
async fn with(rows: u64) -> Backend {
    let mut log = Log::new();
    log.grow(rows, "suite");
    let backend = Backend::new(log, Box::new(NoWitnesses));
    published(&backend, &policy("local")).await;
    backend
}

#[tokio::test]
async fn a_log_is_published_at_every_size_across_the_borders_of_tiles() {
    let (policy, backend) = (policy("local"), with(0).await);
    assert_eq!(checked(&backend).await, Some(0));
    let mut before = 0;
    for size in [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 700, 2_047, 2_048, 2_049, 4_096, 6_500] {
        backend.log(|log| log.grow(size, "suite"));
        let done = published(&backend, &policy).await;
        assert_eq!((done.size, done.left), (size, 0));
        assert!(done.added <= size - before);
        assert_eq!(checked(&backend).await, Some(size));
        assert_eq!(
            backend.log(|log| log.kept.clone()).map(String::into_bytes),
            object(&backend, "checkpoint").await
        );
        before = size;
    }
}

/// The border where a third level of tiles begins.
#[tokio::test]
async fn a_large_log_is_caught_up_with_in_steps() {
    let (policy, backend) = (policy("local"), with(65_535).await);
    assert_eq!(checked(&backend).await, Some(65_535));
    for size in [65_536, 65_537, 65_800] {
        backend.log(|log| log.grow(size, "suite"));
        assert_eq!(published(&backend, &policy).await.size, size);
        assert_eq!(checked(&backend).await, Some(size));
    }
}

#[tokio::test]
async fn an_idle_log_writes_nothing_but_its_sign_of_life() {
    let (policy, backend) = (policy("local"), with(5).await);
    let (names, newest) = (backend.objects.names(), object(&backend, "checkpoint").await);
    backend.fail(None);
    let done = published(&backend, &policy).await;
    assert_eq!((done.size, done.added, done.left), (5, 0, 0));
    let idle = backend.calls.load(std::sync::atomic::Ordering::SeqCst);
    let alive = handle(&Publish { renew: true, ..work(&backend, &policy) }).await.expect("published");
    assert_eq!(alive, done);
    assert_eq!(backend.calls.load(std::sync::atomic::Ordering::SeqCst), 2 * idle + 1, "one write more");
    assert_eq!((backend.objects.names(), object(&backend, "checkpoint").await), (names, newest));
}

/// Each call of a run fails in turn: before it took effect, after it, or with the process ending. The next run finishes.
async fn survives(from: u64, to: u64) {
    let policy = policy("local");
    for when in [When::Before, When::After, When::Killed] {
        let mut at = 0;
        loop {
            let backend = with(from).await;
            backend.log(|log| log.grow(to, "suite"));
            backend.fail(Some((at, when)));
            let result = publish(&backend, &policy).await;
            if !backend.has_failed() {
                assert_eq!(result.expect("alive").expect("published").size, to);
                break;
            }
            assert!(!matches!(result, Some(Err(NotPublished::Inconsistent(_)))), "{when:?} {at}: {result:?}");
            let seen = checked(&backend).await;
            assert!(seen == Some(from) || seen.is_some_and(|seen| seen > from), "{when:?} {at}");
            backend.fail(None);
            assert_eq!(published(&backend, &policy).await.size, to, "{when:?} {at}");
            assert_eq!(checked(&backend).await, Some(to), "{when:?} {at}");
            let kept = backend.log(|log| log.kept.clone()).map(String::into_bytes);
            assert_eq!(kept, object(&backend, "checkpoint").await, "{when:?} {at}");
            at += 1;
        }
        assert!(at >= 10, "only {at} calls");
    }
}

#[tokio::test]
async fn a_run_that_failed_anywhere_is_finished_by_the_next() {
    survives(254, 258).await;
    survives(3, 4).await;
    survives(256, 512).await;
}

/// The very first checkpoint, with nothing published before it.
#[tokio::test]
async fn a_first_run_that_failed_anywhere_is_finished_by_the_next() {
    let policy = policy("local");
    for when in [When::Before, When::After, When::Killed] {
        for at in 0.. {
            let mut log = Log::new();
            log.grow(3, "suite");
            let backend = Backend::new(log, Box::new(NoWitnesses));
            backend.fail(Some((at, when)));
            let _ = publish(&backend, &policy).await;
            if !backend.has_failed() {
                break;
            }
            backend.fail(None);
            assert_eq!(published(&backend, &policy).await.size, 3, "{when:?} {at}");
            assert_eq!(checked(&backend).await, Some(3), "{when:?} {at}");
        }
    }
}

/// Publishers that meet, while the log grows between them.
#[tokio::test]
async fn publishers_that_meet_do_no_harm() {
    let policy = policy("local");
    for shift in 0..20 {
        let backend = with(250).await;
        let mut size = 250;
        let publisher = async |turns: u64| {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            // One may be told that another was quicker; none may see a contradiction.
            match handle(&work(&backend, &policy)).await {
                Err(why @ NotPublished::Inconsistent(_)) => panic!("{why}"),
                other => drop(other),
            }
        };
        let grower = async {
            for _ in 0..10 {
                size += 1;
                backend.log(|log| log.grow(size, "suite"));
                for _ in 0..shift % 7 {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::join!(publisher(0), publisher(shift), grower, publisher(shift * 2));
        assert!(checked(&backend).await.is_some_and(|size| size >= 250));
        assert_eq!(published(&backend, &policy).await.size, 260);
        assert_eq!(checked(&backend).await, Some(260));
    }
}

#[tokio::test]
async fn keys_and_policy_lie_beside_the_log() {
    let (policy, backend) = (policy("local"), with(1).await);
    for _ in 0..2 {
        announce(&work(&backend, &policy)).await.expect("announced");
    }
    let keys: serde_json::Value =
        serde_json::from_slice(&object(&backend, "keys.json").await.expect("keys")).expect("JSON");
    assert_eq!(keys["origin"], ORIGIN);
    assert_eq!(keys["log"], serde_json::json!([key(&backend).await.to_string()]));
    assert_eq!((keys["witnesses"].clone(), keys["quorum"].clone()), (serde_json::json!([]), 0.into()));
    let text = object(&backend, &format!("policies/{}.json", policy.digest())).await.expect("the policy");
    assert_eq!(Digest::of(&text), policy.digest());
    assert_eq!(checked(&backend).await, Some(1));
}
