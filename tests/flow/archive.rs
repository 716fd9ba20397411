//! The archive of a leaver's data: whole or not there, named by a row, and under a legal hold for as long as the person is.

use crate::recorded;
use leaver_archive::{Archived, Archiving};
use leaver_domain::{
    approval::{ApprovalId, Decision},
    archive::MANIFEST,
    case::{CaseRecord, CaseStatus},
    deciding::{self, Who},
    digest::Digest,
    id::CaseId,
    ledger::{EventKind, Outcome},
    measure::{ArchiveHold, ExceptionKind, Measure, MeasureStatus, What},
    measures::{self, Asked},
    person::Person,
    ports::{CaseStore, Change, StoreError},
    time::Timestamp,
    vault::{Keep, Stored, StoredPage, Vault},
};
use leaver_platform::memory_vault::MemoryVault;
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, api_request, appending, body},
    sandbox::now,
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// A vault whose k-th call fails, before it takes effect or after.
struct Faulty<'a> {
    inner: &'a MemoryVault,
    left: AtomicI64,
    after: bool,
}

impl Faulty<'_> {
    async fn go<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return call.await;
        }
        if self.after {
            call.await?;
        }
        Err(StoreError::Unavailable("injected".into()))
    }
}

#[async_trait::async_trait]
impl Vault for Faulty<'_> {
    async fn keep(&self, key: &str, bytes: &[u8], keep: Keep) -> Result<(), StoreError> {
        self.go(self.inner.keep(key, bytes, keep)).await
    }
    async fn versions(&self, prefix: &str, from: Option<(&str, &str)>) -> Result<StoredPage, StoreError> {
        self.go(self.inner.versions(prefix, from)).await
    }
    async fn hold(&self, of: &Stored, held: bool) -> Result<(), StoreError> {
        self.go(self.inner.hold(of, held)).await
    }
    fn link(&self, of: &Stored, lifetime: Duration) -> Result<String, StoreError> {
        self.inner.link(of, lifetime)
    }
}

async fn archive_at(
    house: &House,
    store: &dyn CaseStore,
    vault: &dyn Vault,
    at: Timestamp,
) -> Option<Archived> {
    let archiving = Archiving { policy: &house.policy, store, vault, now: at };
    leaver_archive::handle(&archiving).await.ok()
}

fn later() -> Timestamp {
    now().plus(Duration::from_secs(7_200))
}

async fn archive(house: &House, vault: &MemoryVault) -> Archived {
    archive_at(house, &house.cases, vault, later()).await.unwrap()
}

async fn left(house: &House, username: &str) -> CaseId {
    let case = recorded(house, username).await;
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    case
}

fn line(case: &CaseRecord) -> Vec<&Value> {
    let ours = case.log.iter().filter(|line| line.kind == EventKind::DataArchived);
    ours.map(|line| &line.facts).collect()
}

/// The archive is what its manifest says.
fn check(vault: &MemoryVault, case: &CaseRecord) -> Value {
    let made = case.archive.as_ref().unwrap().made.as_ref().unwrap();
    let list = vault.newest(&format!("{}{MANIFEST}", made.prefix)).unwrap();
    assert_eq!(Digest::of(&list), made.manifest);
    let list: Value = serde_json::from_slice(&list).unwrap();
    let objects = list["objects"].as_array().unwrap();
    assert_eq!(objects.len(), made.objects);
    for object in objects {
        let bytes = vault.newest(&format!("{}{}", made.prefix, object["name"].as_str().unwrap())).unwrap();
        assert_eq!(object["sha256"], json!(Digest::of(&bytes)), "{object}");
    }
    list
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_made_once_behind_the_case_and_its_row_names_the_manifest() {
    let (house, vault) = (House::new().await, MemoryVault::default());
    let case = recorded(&house, "john.doe").await;
    assert_eq!(archive(&house, &vault).await, Archived::default(), "never before access is gone");
    house.execute(&case).await;
    assert_eq!(archive_at(&house, &house.cases, &vault, now()).await.unwrap().made, 0, "not at once");
    assert_eq!(archive(&house, &vault).await.made, 1);
    assert_eq!(archive(&house, &vault).await, Archived::default());
    let (record, systems) = house.case(&case).await;
    let list = check(&vault, &record);
    let rows = line(&record);
    assert_eq!(
        (rows.len(), &rows[0]["manifest"]),
        (1, &json!(record.archive.as_ref().unwrap().made.as_ref().unwrap().manifest))
    );
    let names: Vec<&str> =
        list["objects"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    for system in &systems {
        for file in ["record.json", "before.json", "after.json", "owned.jsonl"] {
            assert!(names.contains(&format!("systems/{}/{file}", system.system).as_str()), "{names:?}");
        }
    }
    let all = vault.all();
    assert!(all.iter().all(|one| one.key.starts_with(&format!("archive/users/john.doe/{case}/"))));
    assert!(all.iter().all(|one| one.until > later() && !one.held));
    assert_eq!(all.last().unwrap().key, format!("archive/users/john.doe/{case}/{MANIFEST}"), "written last");
    // Its row is covered as every other.
    assert_eq!((record.status, record.checkpoint_size), (CaseStatus::Complete, None));
    house.feed().await;
    house.publish().await;
    let log = appending(&house.ledger);
    let at = now().plus(Duration::from_secs(700));
    let sweep = leaver_sweep::Sweep {
        policy: &house.policy,
        store: &house.cases,
        workflow: &house.workflow,
        log,
        now: at,
    };
    assert_eq!(leaver_sweep::handle(&sweep).await.unwrap().sealed, 1);
    assert_eq!(archive(&house, &vault).await, Archived::default(), "sealed anew, not archived anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_dies_an_archive_is_whole_in_the_end_and_has_one_row() {
    let house = House::new().await;
    let case = left(&house, "john.doe").await;
    let pristine = house.cases.copy();
    for after in [false, true] {
        for k in 0.. {
            let (vault, store) = (MemoryVault::default(), pristine.copy());
            let faulty = Faulty { inner: &vault, left: AtomicI64::new(k), after };
            let first = archive_at(&house, &store, &faulty, later()).await.unwrap();
            let hit = faulty.left.load(Ordering::SeqCst) < 0;
            let record = store.case(&case).await.unwrap().unwrap();
            if first.failed > 0 {
                assert!(line(&record).is_empty() && record.archive.as_ref().unwrap().made.is_none());
                assert!(record.archive.as_ref().unwrap().fault.is_some(), "it shows");
            }
            let again = later().plus(Duration::from_secs(3_600));
            archive_at(&house, &store, &vault, again).await.unwrap();
            let record = store.case(&case).await.unwrap().unwrap();
            check(&vault, &record);
            assert_eq!(line(&record).len(), 1, "call {k}");
            if !hit {
                assert!(k > 10);
                break;
            }
        }
    }
    for when in [When::Before, When::After] {
        for call in 0.. {
            let (vault, store) = (MemoryVault::default(), pristine.copy());
            let failing = Failing::at(&store, call, when);
            let _ = archive_at(&house, &failing, &vault, later()).await;
            let hit = failing.has_failed();
            archive_at(&house, &store, &vault, later().plus(Duration::from_secs(3_600))).await.unwrap();
            let record = store.case(&case).await.unwrap().unwrap();
            check(&vault, &record);
            assert_eq!(line(&record).len(), 1, "call {call}, {when:?}");
            if !hit {
                break;
            }
        }
    }
}

pub(crate) async fn hold(house: &House) -> Measure {
    let asked = Asked {
        what: What::Hold,
        person: "john.doe".parse().unwrap(),
        requested_by: "sam.admin".parse().unwrap(),
        reason: "matter 7".into(),
        until: None,
        only: Default::default(),
        request_id: "hold-1".into(),
        body: Digest::of(b"hold"),
    };
    measures::hold(&house.cases, &house.policy, asked, now()).await.unwrap()
}

async fn john(house: &House) -> Person {
    house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap()
}

async fn release(house: &House, measure: &Measure) {
    let mut person = john(house).await;
    person.legal_hold = None;
    person.version += 1;
    let mut measure = house.cases.measure(&measure.measure_id).await.unwrap().unwrap();
    measure.archive_hold = Some(ArchiveHold::wanted(now()));
    measure.version += 1;
    house
        .cases
        .commit(&[Change::Person(Box::new(person)), Change::Measure(Box::new(measure))])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_reaches_what_is_there_already_and_keeps_it_beyond_its_time() {
    let (house, vault) = (House::new().await, MemoryVault::default());
    left(&house, "john.doe").await;
    archive(&house, &vault).await;
    let placed = hold(&house).await;
    // Wherever it dies, the next run goes on.
    for k in 0..4 {
        let faulty = Faulty { inner: &vault, left: AtomicI64::new(k), after: k % 2 == 1 };
        assert_eq!(archive_at(&house, &house.cases, &faulty, later()).await.unwrap().failed, 1);
    }
    assert_eq!(archive(&house, &vault).await.held, 1);
    assert!(vault.all().iter().all(|one| one.held));
    let years = now().plus(Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(vault.expire(years), 0, "nothing deletes what is held");
    let measure = house.cases.measure(&placed.measure_id).await.unwrap().unwrap();
    assert_eq!(measure.archive_hold.as_ref().unwrap().objects, vault.all().len());
    let told: Vec<Outcome> =
        measure.log.iter().filter(|line| line.kind == EventKind::DataHeld).map(|line| line.outcome).collect();
    assert_eq!(told, [Outcome::Success]);
    assert_eq!(archive(&house, &vault).await, Archived::default(), "once");
    release(&house, &placed).await;
    assert_eq!(archive(&house, &vault).await.held, 1);
    assert!(vault.all().iter().all(|one| !one.held));
    assert_eq!(vault.expire(now()), 0, "its own time is not over");
    assert!(vault.expire(years) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_archived_under_a_hold_is_held_from_its_first_moment_whatever_policy_says() {
    let (mut house, vault) = (House::new().await, MemoryVault::default());
    house.policy.data.archive = false;
    hold(&house).await;
    let case = left(&house, "john.doe").await;
    let run = archive(&house, &vault).await;
    assert_eq!((run.made, run.failed), (1, 0));
    assert!(vault.all().iter().all(|one| one.held));
    assert!(house.case(&case).await.0.archive.unwrap().made.unwrap().held);
    let other = left(&house, "robin.mover").await;
    archive(&house, &vault).await;
    assert_eq!(house.case(&other).await.0.archive, None, "switched off, and nothing asks for it");
}

fn in_a_year() -> Timestamp {
    now().plus(Duration::from_secs(365 * 86_400))
}

/// A retention hold, from its request to its being in force.
async fn retain(house: &House, until: Timestamp) -> Measure {
    let asked = Asked {
        what: What::Exception { what: ExceptionKind::RetentionHold, renews: None },
        person: "john.doe".parse().unwrap(),
        requested_by: "harper.hr".parse().unwrap(),
        reason: "tax audit".into(),
        until: Some(until),
        only: Default::default(),
        request_id: "retain-1".into(),
        body: Digest::of(b"retain"),
    };
    let (store, workflow, policy) = (&house.cases, &house.workflow, &house.policy);
    let (measure, _) = measures::request(store, workflow, policy, asked, now()).await.expect("a request");
    let id = ApprovalId::Measure(measure.measure_id.clone());
    let who = Who { username: "sam.admin".parse().unwrap(), roles: None, through: "api" };
    let decided = deciding::decide(store, workflow, policy, &id, &who, Decision::Approve, "agreed", now());
    decided.await.expect("a decision");
    let approved = store.measure(&measure.measure_id).await.unwrap().unwrap();
    measures::begin(store, workflow, policy, approved, now()).await.expect("a beginning")
}

/// Its time is over.
async fn over(house: &House, retained: &Measure) {
    let (store, workflow, policy) = (&house.cases, &house.workflow, &house.policy);
    let measure = store.measure(&retained.measure_id).await.unwrap().unwrap();
    let ended =
        measures::end(store, workflow, policy, measure, retained.until.unwrap()).await.expect("an end");
    assert_eq!(ended.status, MeasureStatus::Ended);
}

/// Whether everything that is archived is held; nothing of it is held otherwise.
fn is_held(vault: &MemoryVault) -> bool {
    let all = vault.all();
    let held = all.iter().filter(|one| one.held).count();
    assert!(!all.is_empty() && (held == 0 || held == all.len()), "{held} of {}", all.len());
    held > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_hold_reaches_what_is_there_already_until_it_is_over() {
    let (house, vault) = (House::new().await, MemoryVault::default());
    left(&house, "john.doe").await;
    archive(&house, &vault).await;
    assert!(!is_held(&vault));
    let retained = retain(&house, in_a_year()).await;
    assert_eq!(archive(&house, &vault).await.held, 1);
    assert!(is_held(&vault));
    let locked =
        now().plus(Duration::from_secs(u64::from(house.policy.data.retention_days) * 86_400 + 9_000));
    assert!(locked < in_a_year());
    assert_eq!(vault.expire(locked), 0, "it outlives the archive's own time");
    over(&house, &retained).await;
    assert_eq!(archive_at(&house, &house.cases, &vault, in_a_year()).await.unwrap().held, 1);
    assert!(!is_held(&vault));
    assert!(vault.expire(in_a_year()) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_archived_under_a_retention_hold_is_held_from_its_first_moment() {
    let (mut house, vault) = (House::new().await, MemoryVault::default());
    house.policy.data.archive = false;
    retain(&house, in_a_year()).await;
    let case = left(&house, "john.doe").await;
    let run = archive(&house, &vault).await;
    assert_eq!((run.made, run.failed), (1, 0));
    assert!(is_held(&vault));
    assert!(house.case(&case).await.0.archive.unwrap().made.unwrap().held);
}

/// Whichever of two holds ends first, the other one still keeps everything.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_holds_keep_goes_with_the_second_of_them() {
    for legal_ends_first in [true, false] {
        let (house, vault) = (House::new().await, MemoryVault::default());
        left(&house, "john.doe").await;
        archive(&house, &vault).await;
        let (placed, retained) = (hold(&house).await, retain(&house, in_a_year()).await);
        assert_eq!(archive(&house, &vault).await.held, 2);
        let mut at = later();
        for legal in [legal_ends_first, !legal_ends_first] {
            assert!(is_held(&vault), "{legal_ends_first}");
            if legal {
                release(&house, &placed).await;
            } else {
                over(&house, &retained).await;
                at = in_a_year();
            }
            assert_eq!(archive_at(&house, &house.cases, &vault, at).await.unwrap().held, 1);
        }
        assert!(!is_held(&vault), "{legal_ends_first}");
    }
}

/// A vault beside which somebody places a hold while an archive is being written.
struct Meeting<'a> {
    inner: &'a MemoryVault,
    house: &'a House,
}

#[async_trait::async_trait]
impl Vault for Meeting<'_> {
    async fn keep(&self, key: &str, bytes: &[u8], keep: Keep) -> Result<(), StoreError> {
        if key.ends_with("case.json") {
            hold(self.house).await;
            archive(self.house, self.inner).await;
        }
        self.inner.keep(key, bytes, keep).await
    }
    async fn versions(&self, prefix: &str, from: Option<(&str, &str)>) -> Result<StoredPage, StoreError> {
        self.inner.versions(prefix, from).await
    }
    async fn hold(&self, of: &Stored, held: bool) -> Result<(), StoreError> {
        self.inner.hold(of, held).await
    }
    fn link(&self, of: &Stored, lifetime: Duration) -> Result<String, StoreError> {
        self.inner.link(of, lifetime)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_placed_while_an_archive_is_written_misses_nothing() {
    let (house, vault) = (House::new().await, MemoryVault::default());
    left(&house, "john.doe").await;
    let meeting = Meeting { inner: &vault, house: &house };
    Box::pin(archive_at(&house, &house.cases, &meeting, later())).await.unwrap();
    let free: Vec<String> = vault.all().into_iter().filter(|one| !one.held).map(|one| one.key).collect();
    assert!(free.is_empty(), "{free:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn compliance_alone_sees_it_by_short_links_and_each_look_is_a_row() {
    let (house, vault) = (House::new().await, MemoryVault::default());
    let case = left(&house, "john.doe").await;
    archive(&house, &vault).await;
    let signer = leaver_platform::memory_log::MemorySigner::new([7; 32]);
    let ask = async |who: (&str, &str), vault: Option<&MemoryVault>, path: &str| {
        let api = leaver_api::Api {
            signals: leaver_api::Signals { issuer: "https://issuer", signer: &signer },
            policy: &house.policy,
            cases: &house.cases,
            rosters: &house.cases,
            ledger: &house.ledger,
            workflow: &house.workflow,
            evidence: &house.cases,
            objects: &house.objects,
            archives: &house.objects,
            tokens: &leaver_api::Accepted { issuer: "i".into(), audience: "a".into() },
            now: now(),
            vault: vault.map(|vault| vault as &dyn Vault),
            sleep: &|_| Box::pin(async {}),
        };
        let answer = leaver_api::handle(&api, &api_request(who, "GET", path, "", "k")).await;
        (answer.status_code, body(&answer))
    };
    let path = "/api/v1/employees/john.doe/archive";
    let looks = async || {
        let (record, _) = house.case(&case).await;
        let ours = record.log.into_iter().filter(|line| line.kind == EventKind::ArchiveRead);
        ours.map(|line| line.actor).collect::<Vec<_>>()
    };
    for role in ["security", "hr", "manager", "approver", "operator", "auditor"] {
        assert_eq!(ask(("sam.admin", role), Some(&vault), path).await.0, 403, "{role}");
    }
    assert!(looks().await.is_empty());
    assert_eq!(ask(("cody.law", "compliance"), None, path).await.0, 503);
    let (status, shown) = ask(("cody.law", "compliance"), Some(&vault), path).await;
    assert_eq!(status, 200, "{shown}");
    let archives = shown["archives"].as_array().unwrap();
    assert_eq!((archives.len(), &archives[0]["complete"]), (1, &json!(true)));
    assert_eq!(archives[0]["objects"].as_array().unwrap().len(), vault.all().len());
    assert!(archives[0]["objects"][0]["url"].as_str().unwrap().contains("seconds=900"));
    assert_eq!(looks().await, ["cody.law"]);
    let nothing = ask(("cody.law", "compliance"), Some(&vault), "/api/v1/employees/jane.smith/archive").await;
    assert_eq!((nothing.0, &nothing.1["archives"]), (200, &json!([])));
}
