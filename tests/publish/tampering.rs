//! A log or a bucket that is not what it was: nothing is signed.

use crate::{Backend, NotPublished, object, policy, publish, published, with, work};
use leaver_platform::memory_log::MemorySigner;
use leaver_publish::handle;

/// The run is refused as a contradiction, and leaves everything as it is.
async fn refused(backend: &Backend, what: &str) -> String {
    let before =
        (backend.objects.names(), object(backend, "checkpoint").await, backend.log(|log| log.kept.clone()));
    for renew in [false, true] {
        let policy = policy("local");
        match handle(&leaver_publish::Publish { renew, ..work(backend, &policy) }).await {
            Err(why @ NotPublished::Inconsistent(_)) => {
                assert_eq!(why.alarm(), "checkpoint_inconsistent");
                let after = (
                    backend.objects.names(),
                    object(backend, "checkpoint").await,
                    backend.log(|log| log.kept.clone()),
                );
                assert_eq!(before, after, "{what}");
                if renew {
                    return why.to_string();
                }
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    unreachable!("both were refused")
}

#[tokio::test]
async fn a_table_that_was_put_back_is_refused_whatever_grows_on_it() {
    for (published, back, again) in [(300, 290, 290), (300, 290, 299), (300, 0, 0), (257, 255, 256)] {
        let backend = with(back).await;
        let old = backend.log(|log| log.clone());
        backend.log(|log| log.grow(published, "truth"));
        let policy = policy("local");
        assert_eq!(crate::published(&backend, &policy).await.size, published);
        backend.log(|log| *log = old);
        backend.log(|log| log.grow(again, "truth"));
        refused(&backend, "shorter").await;
        backend.log(|log| log.grow(published, "another story"));
        refused(&backend, "as long, and another").await;
        backend.log(|log| log.grow(published + 10, "another story"));
        refused(&backend, "longer, and another").await;
    }
}

#[tokio::test]
async fn a_fork_is_refused_even_where_only_the_last_published_row_differs() {
    let backend = with(9).await;
    let old = backend.log(|log| log.clone());
    backend.log(|log| log.grow(10, "truth"));
    published(&backend, &policy("local")).await;
    let kept = backend.log(|log| log.kept.clone());
    backend.log(|log| *log = old);
    backend.log(|log| log.grow(12, "another story"));
    backend.log(|log| log.kept = kept);
    let why = refused(&backend, "a fork").await;
    assert!(why.contains("row 10"), "{why}");
}

#[tokio::test]
async fn a_new_row_that_is_not_what_the_head_says_is_refused() {
    for change in 0..5 {
        let backend = with(250).await;
        backend.log(|log| {
            log.grow(260, "suite");
            match change {
                0 => log.rows[255].leaf[40] ^= 1,
                1 => log.rows[255].evidence.push(' '),
                2 => drop(log.rows.remove(255)),
                3 => log.rows.swap(254, 255),
                _ => log.head.last.0[0] ^= 1,
            }
        });
        refused(&backend, &format!("change {change}")).await;
    }
}

/// The newest checkpoint is no secret, and an older one of it is well signed: the locked ones show that it was not the last.
#[tokio::test]
async fn a_checkpoint_that_was_put_back_does_not_hide_the_last_one() {
    let backend = with(20).await;
    let (old, note) = (backend.log(|log| log.clone()), object(&backend, "checkpoint").await.expect("a note"));
    backend.log(|log| log.grow(30, "truth"));
    published(&backend, &policy("local")).await;
    backend.objects.tamper("checkpoint", Some(&note));
    backend.log(|log| *log = old);
    refused(&backend, "both put back").await;
    backend.log(|log| log.grow(40, "another story"));
    refused(&backend, "both put back, and grown").await;
    backend.objects.tamper("checkpoint", None);
    backend.log(|log| log.kept = None);
    refused(&backend, "both taken away").await;
}

#[tokio::test]
async fn another_key_is_refused() {
    let mut backend = with(5).await;
    backend.signer = MemorySigner::new([2; 32]);
    refused(&backend, "idle").await;
    backend.log(|log| log.grow(6, "suite"));
    refused(&backend, "grown").await;
}

#[tokio::test]
async fn a_bucket_without_what_was_published_is_refused() {
    // 300 rows lie in one full and one partial tile.
    let names = with(300).await.objects.names();
    let size = "checkpoints/00000000000000000300";
    for name in names.iter().filter(|name| !name.ends_with("/000") && name.as_str() != "checkpoint") {
        for content in [None, Some(&b"something else"[..]), Some(b"")] {
            let backend = with(300).await;
            backend.log(|log| log.grow(310, "suite"));
            backend.objects.tamper(name, content);
            refused(&backend, name).await;
        }
    }
    assert!(names.iter().any(|name| name == size));
    let backend = with(300).await;
    for name in &names {
        backend.objects.tamper(name, None);
    }
    let why = refused(&backend, "an empty bucket").await;
    assert!(why.contains("gone"), "{why}");
    // A newest checkpoint that says nothing is a contradiction; one that is missing is written again.
    let backend = with(300).await;
    backend.objects.tamper("checkpoint", Some(b"nonsense"));
    refused(&backend, "nonsense").await;
    backend.objects.tamper("checkpoint", None);
    assert!(publish(&backend, &policy("local")).await.expect("alive").is_ok());
    assert_eq!(crate::checked(&backend).await, Some(300));
}

/// A tile of the next size that somebody put there before.
#[tokio::test]
async fn what_lies_in_the_way_is_refused() {
    for name in ["tile/0/000.p/6", "tile/entries/000.p/6", "checkpoints/00000000000000000006"] {
        let backend = with(5).await;
        backend.log(|log| log.grow(6, "suite"));
        backend.objects.tamper(name, Some(b"something else"));
        let result = publish(&backend, &policy("local")).await.expect("alive");
        assert!(matches!(result, Err(NotPublished::Inconsistent(_))), "{name}: {result:?}");
        assert_eq!(
            object(&backend, "checkpoint").await.map(String::from_utf8).unwrap().unwrap().lines().nth(1),
            Some("5")
        );
    }
}
