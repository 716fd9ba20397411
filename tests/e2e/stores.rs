//! The stores on the emulator keep the same promises as those in memory.

use crate::house::House;
use leaver_domain::{
    inventory::{Asset, Inventory},
    ports::{CaseStore, StoreError},
};
use std::sync::Arc;

pub(crate) async fn every_write_is_conditional(house: Arc<House>) {
    let cases = house.cases();
    let mut person = leaver_tests::sandbox::person("john.doe");
    person.username = "store.test".parse().expect("a name");
    person.version = 1;
    cases.put_person(&person).await.expect("made");
    assert_eq!(cases.put_person(&person).await, Err(StoreError::Conflict), "made twice");
    person.version = 3;
    assert_eq!(cases.put_person(&person).await, Err(StoreError::Conflict), "a version was left out");
    person.version = 2;
    cases.put_person(&person).await.expect("changed");
    assert_eq!(cases.put_person(&person).await, Err(StoreError::Conflict), "changed twice");
    assert_eq!(cases.person(&person.username).await.expect("read").as_ref(), Some(&person));
}

pub(crate) async fn a_before_state_is_kept_once_whatever_its_size(house: Arc<House>) {
    let cases = house.cases();
    let (case, system) = ("case-store-test".parse().expect("an id"), "okta".parse().expect("an id"));
    let mut first = Inventory::absent();
    // More than one item of DynamoDB can hold.
    first.assets = (0..4_000)
        .map(|n| Asset {
            id: format!("id-{n}"),
            kind: "file".into(),
            name: "x".repeat(200),
            live_automation: false,
        })
        .collect();
    assert_eq!(cases.before(&case, &system).await.expect("read"), None);
    cases.keep_before(&case, &system, &first).await.expect("kept");
    cases.keep_before(&case, &system, &Inventory::absent()).await.expect("a repeat changes nothing");
    assert_eq!(cases.before(&case, &system).await.expect("read").as_ref(), Some(&first));
}
