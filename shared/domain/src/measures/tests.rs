//! Grants that overlap, and what measures in force change.

use super::{Given, may_still_give, scope_for, to_take};
use crate::{
    approval::{Approval, ApprovalStatus, Decided, Decision, Need},
    case::{CaseRecord, CaseStatus, Happening, Mode, Subject, Trigger},
    digest::Digest,
    effective::Dates,
    id::MeasureId,
    ledger::{EventKind, Outcome},
    measure::{ExceptionKind, Measure, MeasureStatus, Permission, What},
    person::Person,
    plan::ActionKind,
    policy::Policy,
    time::Timestamp,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).unwrap()
}

fn id(name: &str) -> MeasureId {
    name.parse().unwrap()
}

fn permission(system: &str, grant: &str) -> Permission {
    Permission { system: system.parse().unwrap(), grant: grant.into() }
}

fn given(measure: &str, grant: &str, from: i64, over: Option<i64>, before: Option<(i64, bool)>) -> Given {
    Given {
        measure: id(measure),
        permission: permission("okta", grant),
        names: [grant.to_owned()].into(),
        in_force: false,
        from: at(from),
        over: over.map(at),
        before: before.map(|(read, held)| (at(read), held)),
        by_hand: false,
    }
}

fn takes(all: &[Given]) -> bool {
    !to_take(&id("a"), all).is_empty()
}

#[test]
fn what_one_grant_gave_goes_with_it() {
    assert!(takes(&[given("a", "p", 0, None, Some((1, false)))]));
    assert!(!takes(&[given("a", "p", 0, None, Some((1, true)))]), "it was held before");
    assert!(!takes(&[given("a", "p", 0, None, None)]), "nothing was read, so that nothing was given");
    let by_hand = Given { by_hand: true, ..given("a", "p", 0, None, None) };
    assert!(takes(&[by_hand]), "a human may have given it");
}

#[test]
fn what_another_grant_still_gives_stays_by_whatever_name() {
    let ours = given("a", "p", 0, None, Some((1, false)));
    let other = |grant: &str| Given { in_force: true, ..given("b", grant, 5, None, Some((6, true))) };
    assert!(!takes(&[ours.clone(), other("p")]));
    assert!(takes(&[ours.clone(), other("q")]));
    let named = Given { names: ["p".to_owned(), "Engineering".to_owned()].into(), ..other("Engineering") };
    assert!(!takes(&[ours.clone(), named]), "one permission by its id and by its name");
    let elsewhere = Given { permission: permission("slack", "p"), ..other("p") };
    assert!(takes(&[ours.clone(), elsewhere]), "of the same name in another system");
    let ending = Given { in_force: false, ..other("p") };
    assert!(takes(&[ours, ending]), "two that end at once do not wait for each other");
}

#[test]
fn what_a_grant_found_because_of_another_was_not_there_before() {
    let first = given("b", "p", 0, Some(10), Some((1, false)));
    let ours = given("a", "p", 5, None, Some((6, true)));
    assert!(takes(&[first.clone(), ours.clone()]), "the first of them gave it");
    // In a chain, the first and ours never met.
    let between = given("c", "p", 9, Some(30), Some((9, true)));
    let late = given("a", "p", 20, None, Some((21, true)));
    assert!(takes(&[first.clone(), between, late.clone()]));
    assert!(!takes(&[first, late]), "what was there after a gap was given by somebody else");
    let held = given("b", "p", 0, Some(10), Some((1, true)));
    assert!(!takes(&[held, ours]), "and was held before the first of them");
}

#[test]
fn the_earliest_reading_counts_whichever_grant_it_was_made_for() {
    // The second grant's case ran before the first one's.
    let ours = given("a", "p", 0, None, Some((9, true)));
    let other = given("b", "p", 2, Some(20), Some((3, false)));
    assert!(takes(&[ours, other]));
}

/// One grant of the simulation.
#[derive(Debug, Clone)]
struct Grant {
    names: BTreeSet<u8>,
    from: Timestamp,
    over: Option<Timestamp>,
    before: Option<(Timestamp, BTreeSet<u8>)>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Approved,
    InForce,
    /// Its case that takes back is written down.
    Ending,
    Over,
}

/// A company with one person, one system, four permissions, and grants whose cases run when they run.
#[derive(Debug, Default)]
struct World {
    held: BTreeSet<u8>,
    grants: Vec<Grant>,
    taking: BTreeMap<usize, BTreeSet<u8>>,
    clock: i64,
}

impl World {
    fn tick(&mut self) -> Timestamp {
        self.clock += 1;
        at(self.clock)
    }

    fn gives(&self, permission: u8, except: usize) -> bool {
        let gives = |(place, grant): (usize, &Grant)| {
            let in_force = matches!(grant.stage, Stage::Approved | Stage::InForce);
            place != except && in_force && grant.names.contains(&permission)
        };
        self.grants.iter().enumerate().any(gives)
    }

    fn givens(&self) -> Vec<Given> {
        let mut all = Vec::new();
        for (place, grant) in self.grants.iter().enumerate() {
            for name in &grant.names {
                let before = grant.before.as_ref().map(|(read, held)| (*read, held.contains(name)));
                all.push(Given {
                    measure: id(&format!("m{place}")),
                    permission: permission("okta", &name.to_string()),
                    names: [name.to_string()].into(),
                    in_force: matches!(grant.stage, Stage::Approved | Stage::InForce),
                    from: grant.from,
                    over: grant.over,
                    before,
                    by_hand: false,
                });
            }
        }
        all
    }

    fn step(&mut self, op: u8, which: usize, names: &BTreeSet<u8>) {
        let now = self.tick();
        if op == 0 || self.grants.is_empty() {
            let grant =
                Grant { names: names.clone(), from: now, over: None, before: None, stage: Stage::Approved };
            return self.grants.push(grant);
        }
        let place = which % self.grants.len();
        match (op, self.grants[place].stage) {
            // The case that gives: reads first, then gives.
            (1, Stage::Approved) => {
                let held = self.held.clone();
                let grant = &mut self.grants[place];
                grant.before = Some((now, held));
                grant.stage = Stage::InForce;
                self.held.extend(grant.names.iter().copied());
            }
            (2, Stage::InForce) => self.end(place),
            (3, Stage::Ending) => self.take_back(place, now),
            _ => {}
        }
    }

    /// The end has come: what is to be taken is written down.
    fn end(&mut self, place: usize) {
        self.grants[place].stage = Stage::Ending;
        let take = to_take(&id(&format!("m{place}")), &self.givens());
        let take = take.into_iter().map(|permission| permission.grant.parse().unwrap()).collect();
        self.taking.insert(place, take);
    }

    /// The case that takes back runs: without what another grant has come to give meanwhile, as [`scope_for`] says.
    fn take_back(&mut self, place: usize, now: Timestamp) {
        let take = self.taking.remove(&place).unwrap_or_default();
        let take: BTreeSet<u8> = take.into_iter().filter(|name| !self.gives(*name, place)).collect();
        self.held.retain(|name| !take.contains(name));
        self.grants[place].over = Some(now);
        self.grants[place].stage = Stage::Over;
    }

    /// Everything that is under way is finished.
    fn settle(&mut self) {
        for place in 0..self.grants.len() {
            self.step(1, place, &BTreeSet::new());
            self.step(3, place, &BTreeSet::new());
        }
    }
}

proptest! {
    /// Whatever grants overlap, in whatever order their cases run: a permission is there if and only if a grant in force
    /// gives it or it was there before them all.
    #[test]
    fn a_permission_is_there_exactly_as_long_as_something_gives_it(
        before in proptest::collection::btree_set(0_u8..4, 0..3),
        ops in proptest::collection::vec((0_u8..4, 0_usize..6, proptest::collection::btree_set(0_u8..4, 1..3)), 1..60),
    ) {
        let mut world = World { held: before.clone(), ..World::default() };
        for (op, which, names) in ops {
            world.step(op, which, &names);
            for permission in 0..4 {
                let in_force = world.grants.iter().any(|grant| {
                    grant.stage == Stage::InForce && grant.names.contains(&permission)
                });
                let owed = in_force || before.contains(&permission);
                prop_assert!(!owed || world.held.contains(&permission), "{permission} is missing: {world:?}");
            }
        }
        world.settle();
        for place in 0..world.grants.len() {
            if world.grants[place].stage == Stage::InForce {
                world.end(place);
                let now = world.tick();
                world.take_back(place, now);
            }
        }
        prop_assert_eq!(&world.held, &before, "{:?}", world);
    }
}

fn measure(what: What, status: MeasureStatus, since: i64, until: Option<i64>) -> Measure {
    let decided = Decided {
        by: "sam.admin".parse().unwrap(),
        decision: Decision::Approve,
        reason: "yes".into(),
        at: at(since),
        through: "api".into(),
    };
    Measure {
        measure_id: id("m1"),
        what,
        person: None,
        requested_by: "x".into(),
        reason: "r".into(),
        requested_at: at(0),
        until: until.map(at),
        status,
        approval: Approval {
            round: 1,
            requested_by: "x".into(),
            subject: None,
            covers: Digest::ZERO,
            need: Need::one(),
            requested_at: at(0),
            level: 0,
            asked: vec![],
            due_at: at(1),
            expires_at: at(2),
            status: ApprovalStatus::Approved,
            decisions: vec![decided],
            task_token: None,
            shown: vec![],
        },
        look_at: None,
        cases: vec![],
        log: vec![],
        version: 1,
    }
}

fn case(mode: Mode, grants: Option<&[&str]>) -> CaseRecord {
    let person = Subject { username: "john".parse().unwrap(), employee_id: "E1".parse().unwrap() };
    let trigger = json!({"source": "leaver", "event_id": "e", "by": "x", "kind": "k", "at": at(0),
        "received_at": at(0), "body": Digest::ZERO});
    let trigger: Trigger = serde_json::from_value(trigger).unwrap();
    let grants: Option<BTreeSet<String>> =
        grants.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    serde_json::from_value(json!({
        "case_id": "c", "mode": mode, "status": CaseStatus::Running, "person": person, "reason": "r",
        "trigger": trigger, "policy_digest": Digest::ZERO, "created_at": at(0), "dates": Dates::default(),
        "effective_at": at(0), "dry_run": false, "emergency": false, "grants": grants, "systems": [], "log": [],
        "version": 1,
    }))
    .unwrap()
}

fn john() -> Person {
    serde_json::from_value(json!({
        "username": "john.doe", "employee_id": "E1", "email": "j@example.com", "name": "J", "employment": "employee",
        "role": "engineer", "department": "Engineering", "status": "active",
    }))
    .unwrap()
}

fn policy() -> Policy {
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    Policy::parse(document, "local").unwrap()
}

#[test]
fn forwarding_stays_as_long_as_an_exception_is_in_force() {
    let (policy, okta) = (policy(), "okta".parse().unwrap());
    let forwarding = What::Exception { what: ExceptionKind::MailForwarding, renews: None };
    let keeps = |measures: &[Measure], mode, now| {
        let scope = scope_for(&policy, &john(), &case(mode, None), &okta, measures, at(now));
        !scope.kinds.contains(&ActionKind::RemoveDelegation)
    };
    let active = measure(forwarding.clone(), MeasureStatus::Active, 10, Some(100));
    assert!(!keeps(&[], Mode::Leave, 50));
    assert!(keeps(std::slice::from_ref(&active), Mode::Leave, 50));
    assert!(!keeps(std::slice::from_ref(&active), Mode::Leave, 100), "its end has come");
    assert!(!keeps(std::slice::from_ref(&active), Mode::Leave, 5), "it was not approved yet");
    let asked = measure(forwarding.clone(), MeasureStatus::Requested, 10, Some(100));
    assert!(!keeps(&[asked], Mode::Leave, 50), "nobody has decided");
    let denied = measure(forwarding.clone(), MeasureStatus::Denied, 10, Some(100));
    assert!(!keeps(&[denied], Mode::Leave, 50));
    let other = What::Exception { what: ExceptionKind::EquipmentReturn, renews: None };
    assert!(!keeps(&[measure(other, MeasureStatus::Active, 10, Some(100))], Mode::Leave, 50));
    // A read behind the end judges by what was in force at the first attempt.
    let mut over = measure(forwarding, MeasureStatus::Ended, 10, Some(100));
    over.log.push(Happening {
        kind: EventKind::MeasureEnded,
        at: at(60),
        actor: "leaver".into(),
        action: "renew exception".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({}),
    });
    assert!(keeps(std::slice::from_ref(&over), Mode::Leave, 50));
    assert!(!keeps(&[over], Mode::Leave, 70), "it was over before its time");
}

#[test]
fn a_case_may_not_give_behind_the_end_of_its_measure() {
    let grant = || What::Grant { permissions: [permission("okta", "p")].into() };
    let may = |status, now| may_still_give(&measure(grant(), status, 0, Some(100)), at(now));
    assert!(may(MeasureStatus::Approved, 50) && may(MeasureStatus::Active, 50));
    assert!(!may(MeasureStatus::Active, 100));
    assert!(!may(MeasureStatus::Ending, 50) && !may(MeasureStatus::Ended, 50));
    let restore = measure(What::Restore { case: "c".parse().unwrap() }, MeasureStatus::Ended, 0, None);
    assert!(may_still_give(&restore, at(1_000)), "a restore is for good");
}

/// The kind's own fields stand beside the measure's: none of them may hide another.
#[test]
fn every_kind_is_read_back_as_it_was_written() {
    let case = || "c".parse().unwrap();
    let exception = What::Exception { what: ExceptionKind::RetentionHold, renews: Some(id("m0")) };
    for what in [
        exception,
        What::Grant { permissions: [permission("okta", "p")].into() },
        What::BreakGlass { case: case() },
        What::Restore { case: case() },
        What::Extension { until: "2026-12-31".parse().unwrap() },
        What::Hold,
        What::HoldRelease,
        What::Release { held_for: "mass_action".into() },
    ] {
        for until in [None, Some(100)] {
            let written = measure(what.clone(), MeasureStatus::Active, 0, until);
            let text = serde_json::to_string(&written).unwrap();
            assert_eq!(serde_json::from_str::<Measure>(&text).unwrap(), written, "{text}");
        }
    }
}

#[test]
fn the_end_of_a_grant_leaves_what_another_gives_and_a_released_case_leaves_nothing() {
    let (policy, okta) = (policy(), "okta".parse().unwrap());
    let other = What::Grant { permissions: [permission("okta", "g")].into() };
    let other = Measure { measure_id: id("m2"), ..measure(other, MeasureStatus::Active, 0, Some(100)) };
    let takes = |source: &str, event: &str, of: &str| {
        let mut case = case(Mode::Partial, Some(&["g", "h"]));
        (case.trigger.source, case.trigger.event_id) = (source.into(), event.parse().unwrap());
        case.measure = Some(id(of));
        scope_for(&policy, &john(), &case, &okta, std::slice::from_ref(&other), at(50)).grants.unwrap()
    };
    assert_eq!(takes("leaver", "measure-1-end", "m1"), ["h".to_owned()].into());
    assert_eq!(
        takes("leaver", "measure-2-end", "m2"),
        ["g".to_owned(), "h".to_owned()].into(),
        "its own end"
    );
    // It was held, and a measure let it go: it takes what it was asked to take.
    for (source, event) in [("hris", "evt-1"), ("api", "measure-1-end")] {
        assert_eq!(takes(source, event, "m1"), ["g".to_owned(), "h".to_owned()].into(), "{source}");
    }
}

#[test]
fn only_what_takes_back_is_the_end_of_a_measure() {
    let ends = |mode, source: &str, event: &str| {
        let mut case = case(mode, None);
        (case.trigger.source, case.trigger.event_id) = (source.into(), event.parse().unwrap());
        case.measure = Some(id("m1"));
        case.ends().is_some()
    };
    assert!(ends(Mode::Leave, "leaver", "measure-1-end") && ends(Mode::Partial, "leaver", "measure-1-end"));
    assert!(!ends(Mode::Reactivate, "leaver", "measure-1-begin"));
    assert!(!ends(Mode::Leave, "hris", "measure-1-end") && !ends(Mode::Leave, "leaver", "evt-1"));
}
