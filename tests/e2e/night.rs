//! A night on the emulator: every system's own function lists its accounts, and what is nobody's is found.

use crate::{house::House, roles::invoke};
use leaver_domain::{
    id::SystemId,
    inventory::AccountStatus,
    orphans::{Found, matching::Class, night},
    ports::{CaseStore, Change, StoreError},
    roster::{Mark, Page, RosterStore, Seen, night_of, split, whole},
};
use leaver_tests::sandbox::now;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Longest time for all systems to be listed, in tries of two seconds.
const TRIES: u32 = 60;

/// A night in which every system was read.
pub(crate) async fn reconciled(house: &House) -> Value {
    let mut judged = invoke(house, "leaver-local-reconcile", &json!({})).await;
    for _ in 0..TRIES {
        if judged["unread"] == json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        judged = invoke(house, "leaver-local-reconcile", &json!({})).await;
    }
    assert_eq!(judged["unread"], json!([]), "{judged}");
    judged
}

pub(crate) async fn every_system_is_listed_and_what_is_nobodys_is_found(house: Arc<House>) {
    let judged = reconciled(&house).await;
    let read = judged["read"].as_object().expect("systems");
    assert!(read.len() >= 15, "{judged}");
    assert!(read.values().all(|accounts| accounts.as_u64() > Some(0)), "{judged}");
    // The directory's built-in administrator is nobody's of the sample people.
    let auditor = house.api("auditor");
    let found = auditor.get("/api/v1/orphans?system=active_directory").await.expect("the orphans");
    let one = found["orphans"].as_array().expect("a list").iter().find(|one| one["login"] == "Administrator");
    let one = one.unwrap_or_else(|| panic!("{found}"));
    assert_eq!((&one["class"]["kind"], &one["privileged"]), (&json!("nobody"), &json!(true)));
    let id = one["orphan_id"].as_str().expect("an id");
    let rows = house.rows(id, 1).await;
    assert_eq!(
        (&rows[0]["event_type"], &rows[0]["system"]),
        (&json!("orphan_found"), &json!("active_directory"))
    );
    let tomorrow = night_of(now().plus(Duration::from_secs(86_400)));
    let said = json!({"decision": "ignore", "reason": "the emergency administrator", "until": tomorrow});
    let (_, decided) =
        house.api("security").post(&format!("/api/v1/orphans/{id}"), &said).await.expect("decided");
    assert_eq!(decided["standing"]["is"], "ignored");
    assert_eq!(house.rows(id, 2).await[1]["event_type"], "orphan_settled");
    let again = invoke(&house, "leaver-local-reconcile", &json!({})).await;
    assert_eq!((&again["written"], &again["unread"]), (&json!(0), &json!([])), "{again}");
}

/// What the table promises of rosters and orphans, as the one in memory does.
pub(crate) async fn rosters_and_orphans_are_kept_in_the_table(house: Arc<House>) {
    let cases = house.cases();
    let system: SystemId = "custom_store_test".parse().expect("an id");
    let tonight = night_of(now());
    let seen = |number: usize| Seen::new(format!("id-{number}"), "login", AccountStatus::Active);
    let page = |from: usize, next: Option<&str>| Page {
        seen: (from..from + 600).map(seen).collect(),
        next: next.map(|next| Mark(next.to_owned())),
    };
    for part in split(&system, now(), 0, &page(0, Some("2"))) {
        cases.keep_part(&part).await.expect("kept");
    }
    assert_eq!(whole(&cases.parts(&system).await.expect("read"), tonight), None);
    for part in split(&system, now(), 2, &page(600, None)) {
        cases.keep_part(&part).await.expect("kept");
        cases.keep_part(&part).await.expect("kept again");
    }
    let all = whole(&cases.parts(&system).await.expect("read"), tonight).expect("all of it");
    assert_eq!(all.len(), 1_200);
    let owner = "sam.admin".parse().expect("a name");
    let found: Vec<Found<'_>> = all.iter().take(3).map(|seen| (seen, &Class::Nobody)).collect();
    let orphans = night(&system, &owner, &[], &found, now());
    let changes: Vec<Change> = orphans.iter().cloned().map(Box::new).map(Change::Orphan).collect();
    cases.commit(&changes).await.expect("written");
    assert_eq!(cases.commit(&changes).await, Err(StoreError::Conflict), "written twice");
    let mut listed = cases.orphans(&system).await.expect("read");
    listed.sort_by(|one, other| one.orphan_id.cmp(&other.orphan_id));
    assert_eq!(listed, orphans);
    let first = &orphans[0];
    assert_eq!(cases.orphan(&first.orphan_id).await.expect("read").as_ref(), Some(first));
    let people = RosterStore::people(&cases).await.expect("read");
    assert_eq!(people.len() as u64, cases.headcount().await.expect("a count"));
}
