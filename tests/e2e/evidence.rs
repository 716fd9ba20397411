//! A pack of evidence, asked for, fetched and checked as an auditor does it.

use crate::house::House;
use leaver_cli::progress::Progress;
use leaver_domain::{case::CaseStatus, id::CaseId, ports::CaseStore as _};
use leaver_evidence::verify::{Kept, Trust, verify};
use serde_json::Value;
use std::{path::Path, process::Command, sync::Arc, time::Duration};

fn today() -> String {
    // The emulator and the functions run by this machine's clock.
    leaver_tests::sandbox::now().to_string()[..10].to_owned()
}

async fn exported(house: &House, to: &Path) -> Value {
    let day = today();
    leaver_cli::evidence::export(&house.api("auditor"), (&day, &day), to, &Progress::Silent)
        .await
        .expect("an export")
}

pub(crate) async fn an_auditor_takes_a_pack_away_and_checks_it_twice(house: Arc<House>) {
    let dir = tempfile::tempdir().expect("a directory");
    let pack = dir.path().join("pack");
    let told = exported(&house, &pack).await;
    let verdict = verify(&pack, &Trust::default());
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(verdict.rows, told["archive"]["rows"].as_u64().expect("rows"));
    let python = Command::new("python3").arg(pack.join("verify.py")).arg(&pack).output().expect("python3");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stdout));
    // The pack says of every case what the API says of it.
    let population = std::fs::read_to_string(pack.join("population.csv")).expect("a table");
    let cases = house.api("auditor").get("/api/v1/cases").await.expect("cases");
    for case in cases["cases"].as_array().expect("cases") {
        assert!(population.contains(case["case_id"].as_str().expect("an id")), "{case} is not in the pack");
    }
    // A second one, later, continues the first: who kept the first checkpoint can tell.
    let first = std::fs::read(pack.join("checkpoint")).expect("a checkpoint");
    let later = dir.path().join("later");
    house.published_beyond(told["checkpoint_size"].as_u64().expect("a size")).await;
    exported(&house, &later).await;
    let kept = Kept { name: "first".into(), note: first };
    let trust = Trust { checkpoints: vec![kept], ..Trust::default() };
    let verdict = verify(&later, &trust);
    assert!(verdict.ok, "{verdict:?}");
}

/// A case that ended an hour ago and that nobody looked after: the sweep sees that a checkpoint covers its rows by now.
pub(crate) async fn what_was_left_behind_is_sealed_by_the_sweep(house: Arc<House>) {
    let finished = house.terminate("casey.contract").await;
    house.settled(&finished).await;
    let cases = house.cases();
    let id: CaseId = finished.parse().expect("an id");
    let mut case = cases.case(&id).await.expect("the store").expect("the case");
    let then = leaver_tests::sandbox::now().minus(Duration::from_secs(3_600));
    case.case_id = "case-left-behind".parse().expect("an id");
    (case.created_at, case.effective_at, case.version) = (then, then, 1);
    (case.status, case.closed_at, case.checkpoint_size) = (CaseStatus::Incomplete, None, None);
    case.log.truncate(1);
    cases.put_case(&case).await.expect("written");
    house.rows("case-left-behind", 1).await;
    let since = std::time::Instant::now();
    loop {
        let swept = crate::roles::invoke(&house, "leaver-local-sweep", &serde_json::json!({})).await;
        assert_eq!(swept["failed"], 0, "{swept}");
        let now = cases.case(&case.case_id).await.expect("the store").expect("the case");
        if now.checkpoint_size.is_some() {
            assert_eq!((now.status, now.closed_at), (CaseStatus::Incomplete, None));
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "it is not sealed: {swept}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

pub(crate) async fn only_auditors_and_security_may_have_a_pack_and_bad_periods_are_refused(
    house: Arc<House>,
) {
    for who in ["hr", "manager"] {
        let refused = house.api(who).get("/api/v1/evidence?from=2026-01-01&to=2026-01-31").await;
        assert!(
            matches!(refused, Err(leaver_cli::Failure::Refused(problem)) if problem.status == 403),
            "{who}"
        );
    }
    let auditor = house.api("auditor");
    for query in [
        "",
        "?from=2026-01-01",
        "?from=yesterday&to=2026-01-01",
        "?from=2026-02-01&to=2026-01-01",
        "?from=2020-01-01&to=2026-01-01",
    ] {
        let refused = auditor.get(&format!("/api/v1/evidence{query}")).await;
        assert!(
            matches!(refused, Err(leaver_cli::Failure::Refused(problem)) if problem.status == 400),
            "{query}"
        );
    }
    let unknown = auditor.get("/api/v1/evidence/export-unknown").await;
    assert!(matches!(unknown, Err(leaver_cli::Failure::Refused(problem)) if problem.status == 404));
    let none = auditor.get("/api/v1/evidence?from=2025-01-01&to=2025-01-31").await.expect("an empty pack");
    assert!(none["export_id"].is_string());
}

pub(crate) async fn a_past_day_is_counted_and_stands_in_the_log(house: Arc<House>) {
    let counted = crate::roles::invoke(&house, "leaver-local-population", &serde_json::json!({})).await;
    assert_eq!(counted["days"], 7, "{counted}");
    let again = crate::roles::invoke(&house, "leaver-local-population", &serde_json::json!({})).await;
    assert_eq!(again["days"], 0, "{again}");
    let day = leaver_domain::population::day_before(leaver_tests::sandbox::now(), 1).expect("yesterday");
    let rows = house.rows(&format!("population-{day}"), 1).await;
    assert_eq!(rows[0]["event_type"], "population_counted");
    assert_eq!(rows[0]["facts"]["hr_events"], 0);
}
