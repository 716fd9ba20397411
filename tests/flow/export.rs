//! From cases to the pack that an auditor takes away.

use crate::{
    measures::whole::{ended, flagged_in_need},
    recorded,
};
use flate2::read::GzDecoder;
use leaver_domain::{
    export::{Archive, Export, ExportStatus, Period},
    ledger::EventKind,
    ports::{EvidenceStore, LedgerStore, ObjectStore},
    reviews::{self, ReviewKind},
    tasks::{self, Closer, TaskId},
    time::Timestamp,
};
use leaver_evidence::verify::{Trust, verify};
use leaver_export::Exporting;
use leaver_tests::{flow::House, sandbox::now};
use std::{path::Path, time::Duration};

fn period() -> Period {
    // The day on which this suite's rows are appended.
    Period::parse("2026-02-03", "2026-02-03", now()).expect("a day")
}

/// A house with one clean case, one that waits, and a log that is published.
async fn house() -> House {
    let house = House::new().await;
    for username in ["john.doe", "riley.owner"] {
        let case = recorded(&house, username).await;
        house.execute(&case).await;
    }
    house.feed().await;
    house.publish().await;
    house
}

async fn size(house: &House) -> u64 {
    house.ledger.head().await.unwrap().tree.size
}

async fn make(house: &House, export: &Export) -> Option<Export> {
    let dir = tempfile::tempdir().unwrap();
    let exporting = Exporting {
        store: &house.cases,
        ledger: &house.ledger,
        objects: &house.objects,
        archives: &house.objects,
        dir: dir.path(),
        clock: &now,
    };
    leaver_export::handle(&exporting, export).await.expect("written down");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was left on the disk");
    house.cases.export(&export.export_id).await.unwrap()
}

async fn asked(house: &House) -> Export {
    let export = Export::requested(period(), size(house).await, "avery.audit", now());
    house.cases.put_export(&export).await.unwrap();
    export
}

async fn unpacked(house: &House, archive: &Archive, to: &Path) {
    let bytes = house.objects.get(&archive.key).await.unwrap().expect("an archive").bytes;
    assert_eq!(bytes.len() as u64, archive.bytes);
    tar::Archive::new(GzDecoder::new(bytes.as_slice())).unpack(to).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_real_cases_is_verified_and_the_ledger_says_that_it_was_made() {
    let house = house().await;
    // Settings that no case ran under are none of the pack's.
    let other = br#"{"version":1}"#;
    let name = format!("policies/{}.json", leaver_domain::digest::Digest::of(other));
    house.objects.tamper(&name, Some(other));
    let made = make(&house, &asked(&house).await).await.expect("an export");
    assert_eq!((made.status, &made.failure), (ExportStatus::Ready, &None));
    let archive = made.archive.as_ref().expect("an archive");
    assert_eq!((archive.cases, archive.rows), (2, size(&house).await));
    let dir = tempfile::tempdir().unwrap();
    unpacked(&house, archive, dir.path()).await;
    let verdict = verify(dir.path(), &Trust::default());
    assert!(verdict.ok, "{verdict:?}");
    house.feed().await;
    let log = house.log().await;
    let (entry, evidence) = log.last().unwrap();
    assert_eq!(entry.kind, EventKind::EvidenceExported);
    assert_eq!(evidence["facts"]["manifest"], archive.manifest.to_string());
    assert_eq!(evidence["facts"]["requested_by"], "avery.audit");
    // Asked for again under the newer checkpoint: another pack, and this one now says that the first was taken.
    house.publish().await;
    let again = make(&house, &asked(&house).await).await.expect("an export");
    assert_ne!(again.export_id, made.export_id);
    assert_eq!(again.archive.unwrap().rows, archive.rows + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_export_made_twice_gives_the_same_bytes() {
    let house = house().await;
    let export = asked(&house).await;
    let first = make(&house, &export).await.unwrap().archive.unwrap();
    assert_eq!(make(&house, &export).await.unwrap().version, 2, "what is ready is left alone");
    let other = House { cases: leaver_platform::memory::MemoryCases::default(), ..house };
    other.cases.put_export(&export).await.unwrap();
    assert_eq!(make(&other, &export).await.unwrap().archive.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_begins_where_its_first_row_was_recorded() {
    let house = house().await;
    let rows = house.log().await;
    let late = rows.last().unwrap().0.recorded_at;
    let from = Timestamp::from_millis(late.millis() + 1).unwrap();
    let period = Period { from, to: from.plus(Duration::from_secs(60)) };
    let export = Export::requested(period, size(&house).await, "avery.audit", now());
    house.cases.put_export(&export).await.unwrap();
    let archive = make(&house, &export).await.unwrap().archive.expect("an empty pack is a pack");
    assert_eq!((archive.cases, archive.rows), (0, 0));
    let dir = tempfile::tempdir().unwrap();
    unpacked(&house, &archive, dir.path()).await;
    let verdict = verify(dir.path(), &Trust::default());
    assert!(verdict.ok, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_before_all_rows_shows_the_row_behind_it() {
    let house = house().await;
    let to = house.log().await.first().unwrap().0.recorded_at;
    let period = Period { from: Timestamp::from_millis(to.millis() - 60_000).unwrap(), to };
    let export = Export::requested(period, size(&house).await, "avery.audit", now());
    house.cases.put_export(&export).await.unwrap();
    let archive = make(&house, &export).await.unwrap().archive.expect("an empty pack is a pack");
    assert_eq!((archive.cases, archive.rows), (0, 0));
    let dir = tempfile::tempdir().unwrap();
    unpacked(&house, &archive, dir.path()).await;
    let verdict = verify(dir.path(), &Trust::default());
    assert!(verdict.ok, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_and_asking_again_helps() {
    let house = house().await;
    let export = asked(&house).await;
    let keys = house.objects.get("keys.json").await.unwrap().unwrap().bytes;
    house.objects.tamper("keys.json", None);
    let failed = make(&house, &export).await.unwrap();
    assert_eq!(failed.status, ExportStatus::Failed);
    assert!(failed.failure.as_ref().unwrap().contains("keys.json"), "{failed:?}");
    house.objects.tamper("keys.json", Some(&keys));
    let again = failed.again(now()).expect("asked again");
    house.cases.put_export(&again).await.unwrap();
    assert_eq!(make(&house, &again).await.unwrap().status, ExportStatus::Ready);
}

/// Emergency access over a flagged account, from its beginning to its review, as an auditor finds it in the pack.
#[tokio::test(flavor = "multi_thread")]
async fn emergency_access_is_unreviewed_in_the_pack_until_somebody_who_may_has_looked_at_it() {
    let mut house = House::new().await;
    let (_, emergency) = flagged_in_need(&mut house).await;
    let (_, back) = ended(&house, &emergency).await;
    let review = reviews::id_of(ReviewKind::BreakGlass, &emergency.cases[0]);
    for reviewed in [false, true] {
        if reviewed {
            let by = Closer { username: "taylor.admin".parse().unwrap(), steward: true };
            let (task, over) = (TaskId::Review(review.clone()), emergency.until.unwrap());
            tasks::close(&house.cases, &house.workflow, &task, &by, "in order", &[], over).await.unwrap();
        }
        house.feed().await;
        house.publish().await;
        let archive = make(&house, &asked(&house).await).await.unwrap().archive.expect("an archive");
        let dir = tempfile::tempdir().unwrap();
        unpacked(&house, &archive, dir.path()).await;
        assert!(verify(dir.path(), &Trust::default()).ok);
        let table = std::fs::read_to_string(dir.path().join("exceptions.csv")).unwrap();
        let has = |kind: &str, id: &str| table.contains(&format!("\n{kind},{id},"));
        let (measure, review) = (emergency.measure_id.as_str(), review.as_str());
        assert!(has("emergency", measure) && !has("overdue", measure), "{table}");
        assert_eq!(has("unreviewed", measure), !reviewed, "{table}");
        assert_eq!(
            (has("task_opened", review), has("task_closed", review)),
            (!reviewed, reviewed),
            "{table}"
        );
        assert!(!has("finding", review), "{table}");
        // What was flagged was taken under the measure's approval, which is among the rows.
        assert!(!has("unapproved", back.as_ref().unwrap().as_str()), "{table}");
    }
}
