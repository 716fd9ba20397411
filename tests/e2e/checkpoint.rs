//! The published log: signed within ten seconds, served, locked.

use crate::{house::House, roles};
use leaver_cli::local::aws::Aws;
use leaver_domain::{
    ledger::{Checkpoint, Compact, Note, Tiles, VerifierKey, leaf_hash, new_tiles, unbundle},
    ports::{ObjectStore as _, Signer as _, Unless},
};
use leaver_platform::{KmsSigner, S3Objects};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What the API serves of the published log: status and body.
async fn served(house: &House, path: &str, token: Option<&str>) -> (u16, Vec<u8>) {
    let request = house.http.get(format!("{}/api/v1/ledger/{path}", house.local.api_url));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.bytes().await.expect("a body").to_vec())
}

/// The newest checkpoint, verified with the key that the API names.
async fn newest(house: &House) -> Option<Checkpoint> {
    let (status, keys) = served(house, "keys", None).await;
    if status == 404 {
        return None;
    }
    let keys: Value = serde_json::from_slice(&keys).expect("JSON");
    let key: VerifierKey = keys["log"][0].as_str().expect("a key").parse().expect("a good key");
    let (status, note) = served(house, "checkpoint", None).await;
    let note = (status == 200).then(|| Note::parse(&note).expect("a note"))?;
    Some(Checkpoint::open(&note, keys["origin"].as_str().expect("a name"), [&key]).expect("signed"))
}

/// The newest checkpoint, once it covers this many rows.
async fn covering(house: &House, rows: u64) -> Checkpoint {
    let since = Instant::now();
    loop {
        match newest(house).await {
            Some(checkpoint) if checkpoint.size >= rows => return checkpoint,
            _ => assert!(since.elapsed() < Duration::from_secs(10), "{rows} rows are not covered"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) async fn a_checkpoint_covers_a_termination_within_ten_seconds(house: Arc<House>) {
    let case = house.terminate("robin.mover").await;
    house.settled(&case).await;
    let rows = house.rows(&case, 2 + 2 * house.systems().len()).await;
    let last = rows.iter().filter_map(|row| row["seq"].as_u64()).max().expect("rows");
    let since = Instant::now();
    let checkpoint = covering(&house, last + 1).await;
    eprintln!("covered {:?} after the rows were seen", since.elapsed());
    let status = house.api("auditor").get("/api/v1/ledger/status").await.expect("a status");
    if status["size"] == checkpoint.size {
        assert_eq!(status["root"], checkpoint.root.to_string());
    }
}

pub(crate) async fn tiles_lead_from_the_rows_to_the_signed_root(house: Arc<House>) {
    let status = house.api("auditor").get("/api/v1/ledger/status").await.expect("a status");
    let checkpoint = covering(&house, status["size"].as_u64().expect("a size")).await;
    let token = house.local.tokens.get("auditor").map(String::as_str);
    let (mut tiles, mut tree) = (Tiles::default(), Compact::default());
    for tile in new_tiles(0, checkpoint.size) {
        let (status, bytes) = served(&house, &tile.path(), None).await;
        assert_eq!(status, 200, "{}", tile.path());
        tiles.insert(tile, &bytes).expect("a tile");
        if tile.level == 0 {
            // The entries name people: not without a token, and not to everybody.
            assert_eq!(served(&house, &tile.entries_path(), None).await.0, 401);
            let manager = house.local.tokens.get("manager").map(String::as_str);
            assert_eq!(served(&house, &tile.entries_path(), manager).await.0, 403);
            let (status, bundle) = served(&house, &tile.entries_path(), token).await;
            assert_eq!(status, 200);
            unbundle(&bundle).expect("a bundle").iter().for_each(|entry| tree.push(leaf_hash(entry)));
        }
    }
    assert_eq!((tree.size, tree.root()), (checkpoint.size, checkpoint.root));
    assert_eq!(tiles.compact(checkpoint.size).expect("an edge"), tree);
    for path in ["tile/0/999", "tile/0/000.p/999", "tile/x", "tile/0/..%2f..%2fkeys.json", "tile/9/000"] {
        assert_eq!(served(&house, path, None).await.0, 404, "{path}");
    }
}

/// Deletes the newest version of an object with all rights; the status.
async fn delete(house: &House, key: &str) -> u16 {
    let (base, bucket) = (&house.local.endpoint_url, &house.local.evidence_bucket);
    let listed = house.http.get(format!("{base}/{bucket}?versions&prefix={key}"));
    let (_, _, text) = house.raw(listed.header("authorization", roles::root("s3"))).await;
    let text = text.as_str().expect("XML").to_owned();
    let id = text.split("<VersionId>").nth(1).and_then(|rest| rest.split('<').next()).expect("a version");
    let delete = house.http.delete(format!("{base}/{bucket}/{key}?versionId={id}"));
    house.raw(delete.header("authorization", roles::root("s3"))).await.0
}

pub(crate) async fn what_was_published_cannot_be_taken_away(house: Arc<House>) {
    let checkpoint = newest(&house).await.expect("a checkpoint");
    let tile = new_tiles(0, checkpoint.size).next().expect("a tile");
    let policy = format!("policies/{}.json", leaver_tests::flow::shipped("local").digest());
    let name = format!("checkpoints/{:020}", checkpoint.size);
    for key in [name, tile.path(), tile.entries_path(), policy] {
        assert_eq!(delete(&house, &key).await, 403, "{key}");
    }
    // What is not locked goes: it was the lock that refused.
    let objects = S3Objects::new(&house.aws.sdk().expect("the SDK"), &house.local.evidence_bucket);
    let objects = objects.expect("a bucket");
    objects.put("suite/unlocked", b"x", Unless::Exists, None).await.expect("put");
    assert_eq!(delete(&house, "suite/unlocked").await, 204);
}

/// The publisher's role signs and no other does; and it writes nothing but what belongs to the published log. (That it
/// changes no row is a condition of its role that the emulator does not know; another suite reads it in the template.)
pub(crate) async fn nobody_but_the_publisher_signs(house: Arc<House>) {
    let key = signing_key(&house.aws).await;
    let publisher = roles::acting_as(&house, "leaver-local-publish").await;
    assert!(KmsSigner::new(&publisher, &key).sign(b"x").await.is_ok());
    for other in ["leaver-local-ledger", "leaver-local-api"] {
        let other = roles::acting_as(&house, other).await;
        assert!(KmsSigner::new(&other, &key).sign(b"x").await.is_err());
    }
    let objects = S3Objects::new(&publisher, &house.local.evidence_bucket).expect("a bucket");
    assert!(objects.put("elsewhere", b"x", Unless::Exists, None).await.is_err());
}

async fn signing_key(aws: &Aws) -> String {
    let keys = aws.json("kms", "TrentService.ListKeys", &json!({})).await.expect("keys");
    let ids = keys["Keys"].as_array().expect("a list").iter().filter_map(|key| key["KeyId"].as_str());
    for id in ids {
        let about = aws.json("kms", "TrentService.DescribeKey", &json!({"KeyId": id})).await.expect("a key");
        if about["KeyMetadata"]["KeySpec"] == "ECC_NIST_EDWARDS25519" {
            return id.to_owned();
        }
    }
    panic!("there is no signing key")
}
