//! The stores on the emulator keep the same promises as those in memory.

use crate::house::House;
use leaver_domain::{
    approval::{Approval, ApprovalId, ApprovalStatus, Concerned, Need},
    case::{Mode, Trigger},
    digest::Digest,
    gathering::Gathering as _,
    id::{CaseId, MeasureId},
    intake::{self, Request},
    inventory::{Asset, Inventory, Next},
    measure::{Measure, MeasureStatus, What},
    pace::{Budget, Call, Pacer as _},
    person::{Person, PersonStatus},
    ports::{CaseStore, Change, Recorded, StoreError},
};
use std::{sync::Arc, time::Duration};

pub(crate) async fn every_write_is_conditional(house: Arc<House>) {
    let cases = house.cases();
    let mut person = leaver_tests::sandbox::person("john.doe");
    person.username = "store.test".parse().expect("a name");
    person.employee_id = "STORE-1".parse().expect("a number");
    person.version = 1;
    cases.put_person(&person).await.expect("made");
    assert_eq!(cases.put_person(&person).await, Err(StoreError::Conflict), "made twice");
    person.version = 3;
    assert_eq!(cases.put_person(&person).await, Err(StoreError::Conflict), "a version was left out");
    person.version = 2;
    cases.put_person(&person).await.expect("changed");
    assert_eq!(cases.put_person(&person).await, Err(StoreError::Conflict), "changed twice");
    assert_eq!(cases.person(&person.username).await.expect("read").as_ref(), Some(&person));
    let by_number =
        async |number: &str| cases.person_of_number(&number.parse().expect("a number")).await.expect("read");
    assert_eq!(by_number("STORE-1").await.as_ref(), Some(&person));
    assert_eq!(by_number("STORE-2").await, None);
    let other = leaver_domain::person::Person {
        username: "store.test2".parse().expect("a name"),
        version: 1,
        ..person.clone()
    };
    cases.put_person(&other).await.expect("made");
    assert_eq!(by_number("STORE-1").await, None, "two with one number are nobody");
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
            next: Next::Task,
        })
        .collect();
    assert_eq!(cases.before(&case, &system).await.expect("read"), None);
    cases.keep_before(&case, &system, &first).await.expect("kept");
    cases.keep_before(&case, &system, &Inventory::absent()).await.expect("a repeat changes nothing");
    assert_eq!(cases.before(&case, &system).await.expect("read").as_ref(), Some(&first));
}

/// The brake's writes: what is held is listed at once and for as long as it is held, and a lost race leaves no trace.
pub(crate) async fn what_is_held_is_listed_as_long_as_it_is(house: Arc<House>) {
    let cases = house.cases();
    let measure = MeasureId::of_request("release", "store-test");
    let ids: Vec<CaseId> = (0..5).map(|n| format!("case-store-{n}").parse().expect("an id")).collect();
    let brake = cases.brake().await.expect("read");
    let mut next = brake.clone();
    next.version += 1;
    let hold = |id: &CaseId| Change::Hold(measure.clone(), id.clone());
    let mut changes: Vec<Change> = ids.iter().map(hold).collect();
    changes.push(Change::Brake(Box::new(next)));
    cases.commit(&changes).await.expect("held");
    assert_eq!(cases.held(&measure, 100).await.expect("read"), ids);
    assert_eq!(cases.held(&measure, 2).await.expect("read").len(), 2);
    let unhold = Change::Unhold(measure.clone(), ids[0].clone());
    let stale = [unhold.clone(), changes[5].clone()];
    assert_eq!(cases.commit(&stale).await, Err(StoreError::Conflict), "the brake had moved on");
    assert_eq!(cases.held(&measure, 100).await.expect("read").len(), 5);
    cases.commit(&[unhold]).await.expect("no longer held");
    assert_eq!(cases.held(&measure, 100).await.expect("read"), ids[1..]);
}

pub(crate) async fn whoever_has_not_left_is_counted(house: Arc<House>) {
    let cases = house.cases();
    let before = cases.headcount().await.expect("a count");
    assert!(before >= 40, "{before}: the sample people");
    let mut person = leaver_tests::sandbox::person("john.doe");
    person.username = "store.count".parse().expect("a name");
    person.version = 1;
    cases.put_person(&person).await.expect("made");
    assert_eq!(cases.headcount().await.expect("a count"), before + 1);
    person.status = PersonStatus::Left;
    person.version = 2;
    cases.put_person(&person).await.expect("changed");
    assert_eq!(cases.headcount().await.expect("a count"), before);
}

/// More than one batch of reads brings, and each of them: those first about which something has to happen first.
pub(crate) async fn every_request_is_listed_and_the_most_urgent_first(house: Arc<House>) {
    let (cases, policy) = (house.cases(), leaver_tests::flow::shipped("local"));
    let now = leaver_tests::sandbox::now();
    let concerned = Concerned { requested_by: "leaver", ..Concerned::default() };
    let asked = Approval::ask(&policy.approvals, &concerned, Digest::ZERO, Need::one(), 1, now);
    let mut all = Vec::new();
    for number in (0..130_u64).rev() {
        let due_at = now.plus(Duration::from_secs(600 + number));
        let approval = Approval { due_at, asked: Vec::new(), ..asked.clone() };
        let measure = Measure {
            measure_id: MeasureId::of_request("hold", &format!("asking-test-{number}")),
            what: What::HoldRelease,
            person: None,
            requested_by: "leaver".into(),
            reason: "a test of the store".into(),
            requested_at: now,
            until: None,
            status: MeasureStatus::Requested,
            approval,
            look_at: None,
            archive_hold: None,
            cases: Vec::new(),
            log: Vec::new(),
            version: 1,
        };
        cases.commit(&[Change::Measure(Box::new(measure.clone()))]).await.expect("written");
        all.push(measure);
    }
    all.reverse();
    let ids: Vec<ApprovalId> = all.iter().map(|one| ApprovalId::Measure(one.measure_id.clone())).collect();
    let mut listed = cases.asking(1_000).await.expect("read");
    listed.retain(|id| ids.contains(id));
    assert_eq!(listed, ids);
    assert_eq!(cases.asking(3).await.expect("read").len(), 3);
    for mut measure in all {
        (measure.approval.status, measure.status) = (ApprovalStatus::Expired, MeasureStatus::Expired);
        measure.version = 2;
        cases.commit(&[Change::Measure(Box::new(measure))]).await.expect("written");
    }
    assert!(cases.asking(1_000).await.expect("read").iter().all(|id| !ids.contains(id)));
}

/// Over all shards the earliest first, whether their end lies ahead or they are being taken back.
pub(crate) async fn measures_are_due_in_the_order_of_their_time(house: Arc<House>) {
    let (cases, policy) = (house.cases(), leaver_tests::flow::shipped("local"));
    let now = leaver_tests::sandbox::now();
    // So far ahead that nobody brings them to an end meanwhile.
    let far = |number: u64| now.plus(Duration::from_secs(86_400 * (36_500 + number)));
    let concerned = Concerned { requested_by: "leaver", ..Concerned::default() };
    let asked = Approval::ask(&policy.approvals, &concerned, Digest::ZERO, Need::one(), 1, now);
    let approval = Approval { status: ApprovalStatus::Approved, ..asked };
    let mut all = Vec::new();
    for number in [5, 2, 7, 0, 3, 6, 1, 4] {
        let is_ending = number % 2 == 1;
        let measure = Measure {
            measure_id: MeasureId::of_request("hold", &format!("store-test-{number}")),
            what: What::Hold,
            person: None,
            requested_by: "leaver".into(),
            reason: "a test of the store".into(),
            requested_at: now,
            archive_hold: None,
            until: Some(if is_ending { now } else { far(number) }),
            status: if is_ending { MeasureStatus::Ending } else { MeasureStatus::Active },
            approval: approval.clone(),
            look_at: is_ending.then(|| far(number)),
            cases: Vec::new(),
            log: Vec::new(),
            version: 1,
        };
        cases.commit(&[Change::Measure(Box::new(measure.clone()))]).await.expect("written");
        all.push((number, measure));
    }
    all.sort_by_key(|(number, _)| *number);
    let ids: Vec<MeasureId> = all.iter().map(|(_, measure)| measure.measure_id.clone()).collect();
    let due = async |number: u64| {
        let mut due = cases.measures_due(far(number), 1_000).await.expect("read");
        due.retain(|id| ids.contains(id));
        due
    };
    assert_eq!(due(7).await, ids);
    assert_eq!(due(3).await, ids[..4]);
    for (_, mut measure) in all {
        (measure.status, measure.version) = (MeasureStatus::Ended, 2);
        cases.commit(&[Change::Measure(Box::new(measure))]).await.expect("written");
    }
    assert_eq!(due(7).await, [], "what is over is not looked at");
}

/// Forty calls at once at one lane: each gets a place of its own, and no two share one.
pub(crate) async fn a_lane_is_moved_on_once_by_each(house: Arc<House>) {
    let pace = house.pace();
    let budget = Budget { lane: "test", calls: 60, seconds: 60, burst: 8 };
    let (now, patience) = (leaver_tests::sandbox::now(), Duration::from_secs(4));
    let enter = |_| pace.enter("e2e", &budget, Call::Write, now, patience);
    let mut waits: Vec<u64> = futures_util::future::join_all((0..40).map(enter))
        .await
        .into_iter()
        .filter_map(|entered| entered.expect("the lanes"))
        .map(|wait| u64::try_from(wait.as_millis()).expect("short"))
        .collect();
    waits.sort_unstable();
    // Eight at once, then one a second for as long as somebody is patient.
    assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000]);
    assert_eq!(pace.held("e2e", now).await.expect("read"), None);
    let (soon, later) = (now.plus(Duration::from_secs(5)), now.plus(Duration::from_secs(9)));
    pace.hold("e2e", later).await.expect("written");
    pace.hold("e2e", soon).await.expect("a shorter wait changes nothing");
    assert_eq!(pace.held("e2e", now).await.expect("read"), Some(later));
    assert_eq!(pace.held("e2e", later).await.expect("read"), None);
}

pub(crate) async fn whoever_comes_to_a_gathering_is_seen_by_all(house: Arc<House>) {
    let pace = house.pace();
    let (case, now) =
        (format!("case-gathering-{}", leaver_tests::sandbox::now()), leaver_tests::sandbox::now());
    assert!(pace.present(&case).await.expect("read").is_empty());
    let names: Vec<String> = (0..14).map(|n| format!("system_{n:02}")).collect();
    let come = |name: &String| {
        let (pace, case, name) = (&pace, &case, name.clone());
        async move { pace.come(case, &name, now).await.expect("written").contains(&name) }
    };
    let saw_themselves = futures_util::future::join_all(names.iter().map(come)).await;
    assert!(saw_themselves.into_iter().all(|saw| saw));
    pace.come(&case, "system_00", now).await.expect("a repeat changes nothing");
    let present: Vec<String> = pace.present(&case).await.expect("read").into_iter().collect();
    assert_eq!(present, names);
}

/// Somebody's cases, however they were written; those whose time has not come, a page at a time; and who has an address.
pub(crate) async fn cases_are_found_by_their_person_and_by_their_time(house: Arc<House>) {
    let cases = house.cases();
    let policy = leaver_tests::flow::shipped("local");
    let person = Person {
        username: "found.test".parse().expect("a name"),
        employee_id: "STORE-9".parse().expect("a number"),
        email: "Found.Test@example.com".into(),
        version: 1,
        ..leaver_tests::sandbox::person("john.doe")
    };
    cases.put_person(&person).await.expect("made");
    // Far ahead, so that no sweep begins any of them.
    let at = leaver_tests::sandbox::now().plus(Duration::from_secs(3_000 * 86_400));
    let opening = |number: u64| {
        let created = leaver_tests::sandbox::now().plus(Duration::from_millis(number));
        let trigger = Trigger {
            source: "store".into(),
            event_id: format!("found-{number}").parse().expect("an id"),
            by: "store".into(),
            kind: "manual".into(),
            at: created,
            received_at: created,
            body: Digest::ZERO,
        };
        intake::open(&person, &Request::plain(trigger, Mode::Partial, "found", at), &policy, created)
    };
    let mut opened = Vec::new();
    for number in 0..3 {
        let opening = opening(number);
        let (case, _) = opening.case.clone().expect("a case");
        // The last one as a look does that finds something back.
        match number {
            2 => cases.commit(&[Change::Case(Box::new(case.clone()))]).await.expect("written"),
            _ => assert_eq!(cases.record(&opening).await.expect("recorded"), Recorded::New),
        }
        opened.push(case.case_id);
    }
    opened.reverse();
    let found = cases.cases_about(&person.username, 10).await.expect("read");
    assert_eq!(found.into_iter().map(|case| case.case_id).collect::<Vec<_>>(), opened);
    assert_eq!(cases.cases_about(&person.username, 1).await.expect("read").len(), 1);
    let (mut ahead, mut from): (Vec<CaseId>, Option<String>) = (Vec::new(), None);
    loop {
        let now = leaver_tests::sandbox::now();
        let page = cases.scheduled(now, from.as_deref(), 2).await.expect("read");
        assert!(page.cases.len() <= 2);
        ahead.extend(page.cases.into_iter().map(|case| case.case_id));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(ahead.iter().filter(|case| opened.contains(case)).count(), 3, "each once: {ahead:?}");
    let addressed = cases.addressed("found.test@EXAMPLE.com").await.expect("read");
    assert_eq!(addressed, std::slice::from_ref(&person));
}
