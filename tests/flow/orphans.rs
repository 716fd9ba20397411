//! A night: every system lists its accounts, HR's people are held against them, and somebody decides about what is left over.

use crate::recorded;
use leaver_adapter::Step;
use leaver_adapters::http::Command;
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Mode, SystemStatus},
    ledger::EventKind,
    orphans::{Orphan, Standing, matching::Class},
    person::{Person, PersonStatus},
    ports::{CaseStore, Execution},
    roster::RosterStore,
    tasks::TaskId,
    time::Timestamp,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, SIX},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const SECURITY: (&str, &str) = ("sam.admin", "security");
const DAY: Duration = Duration::from_secs(86_400);

/// A house in which inactivity is judged by systems that it has.
async fn house() -> House {
    let mut house = House::new().await;
    let rules = house.policy.inactivity.as_mut().expect("rules");
    rules.systems = ["google_workspace", "microsoft_365", "okta"].map(|id| id.parse().expect("an id")).into();
    house
}

/// Has everything listed and judges it.
async fn night(house: &House) -> leaver_reconcile::Reconciled {
    for system in SIX {
        house.step_of_system(&house.cases, system, Step::Roster).await.expect(system);
    }
    house.reconcile(&house.cases, now()).await.expect("a night")
}

async fn orphans(house: &House, system: &str) -> Vec<Orphan> {
    house.cases.orphans(&system.parse().expect("an id")).await.expect("the store")
}

/// The orphan of one account, by its login's beginning.
async fn orphan(house: &House, system: &str, login: &str) -> Orphan {
    let all = orphans(house, system).await;
    all.into_iter().find(|one| one.account.login.starts_with(login)).expect("an orphan")
}

async fn person(house: &House, username: &str) -> Person {
    house.cases.person(&username.parse().expect("a name")).await.expect("the store").expect("a person")
}

async fn has_left(house: &House, username: &str) {
    let mut person = person(house, username).await;
    person.status = PersonStatus::Left;
    person.version += 1;
    house.cases.put_person(&person).await.expect("written");
}

/// Somebody whom HR forgot: their accounts carry what nobody carries any more.
async fn is_forgotten(house: &House, username: &str) {
    let mut person = person(house, username).await;
    person.employee_id = "EMP-77777".parse().expect("a number");
    person.email = "somebody.else@example.com".into();
    person.version += 1;
    house.cases.put_person(&person).await.expect("written");
}

async fn decide(house: &House, who: (&str, &str), of: &Orphan, said: Value) -> (i64, Value) {
    let path = format!("/api/v1/orphans/{}", of.orphan_id);
    house.call(who, "POST", &path, &said.to_string(), now()).await
}

async fn case(house: &House, id: &str) -> CaseRecord {
    house.cases.case(&id.parse().expect("an id")).await.expect("the store").expect("a case")
}

fn in_okta(username: &str, step: &str) -> Command {
    let id = format!("{username}@example.com");
    Command::post(["api", "v1", "users", &id, "lifecycle", step])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_finds_whose_accounts_are_left_over_and_a_repeat_changes_nothing() {
    let house = house().await;
    let first = house.reconcile(&house.cases, now()).await.expect("the first");
    assert_eq!((first.unread.len(), first.read.len()), (SIX.len(), 0));
    let started = house.workflow.executions();
    assert!(matches!(started.as_slice(), [Execution::Roster { .. }]), "{started:?}");
    has_left(&house, "goran.fischer02").await;
    is_forgotten(&house, "robin.mover").await;
    let judged = night(&house).await;
    assert_eq!((judged.unread.len(), judged.read.len()), (0, SIX.len()));
    for system in SIX {
        let left: Vec<Orphan> = orphans(&house, system).await;
        let of = |class: fn(&Class) -> bool| left.iter().filter(|one| class(&one.class)).count();
        // In AWS, everybody has a user of IAM and one of Identity Center.
        let each = if system == "aws_iam" { 2 } else { 1 };
        assert_eq!(of(|class| matches!(class, Class::Nobody)), each, "{system}: {left:?}");
        assert_eq!(of(|class| matches!(class, Class::Left { .. })), each, "{system}: {left:?}");
        let shared = usize::from(matches!(system, "okta" | "microsoft_365"));
        assert_eq!(of(|class| matches!(class, Class::Unclear { .. })), shared, "{system}: {left:?}");
    }
    assert_eq!(judged.open, 2 * (SIX.len() + 1) + 2);
    let rows = house.cases.changes().len();
    let again = night(&house).await;
    let parts = house.cases.changes()[rows..].iter().filter(|(key, ..)| !key.starts_with("PART#")).count();
    assert_eq!((again.written, again.open, parts), (0, judged.open, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_fails_says_nothing_and_goes_on_where_it_stopped() {
    let house = house().await;
    has_left(&house, "goran.fischer02").await;
    night(&house).await;
    let found = orphan(&house, "okta", "goran.fischer02").await;
    // The next night: of okta, a few pages only.
    house.stage.fault(json!({"system": "okta", "status": 500, "skip": 3})).await;
    let tomorrow = now().plus(DAY);
    let unread = house.reconcile(&house.cases, tomorrow).await.expect("a night");
    assert_eq!(unread.unread.len(), SIX.len(), "yesterday's lists are none of today");
    assert_eq!(orphan(&house, "okta", "goran.fischer02").await, found);
    house.stage.clear().await;
    // The same night again, in a house whose lists are not there yet: what was read before the fault is not read again.
    let house = House { policy: house.policy.clone(), ..House::new().await };
    house.stage.fault(json!({"system": "okta", "status": 500, "skip": 3})).await;
    house.step_of_system(&house.cases, "okta", Step::Roster).await.expect_err("a fault");
    let kept = house.cases.parts(&"okta".parse().expect("an id")).await.expect("the store").len();
    assert_eq!(kept, 3, "the pages that came");
    assert!(house.reconcile(&house.cases, now()).await.expect("a night").unread.len() == SIX.len());
    house.stage.clear().await;
    let before = house.stage.requests("okta").await.len();
    house.step_of_system(&house.cases, "okta", Step::Roster).await.expect("the rest");
    let first = house.stage.requests("okta").await[before].clone();
    assert_eq!(first["query"]["after"], "6", "{first}");
    let judged = house.reconcile(&house.cases, now()).await.expect("a night");
    assert_eq!(judged.unread.len(), SIX.len() - 1);
    let before = house.stage.requests("okta").await.len();
    house.step_of_system(&house.cases, "okta", Step::Roster).await.expect("nothing to do");
    assert_eq!(house.stage.requests("okta").await.len(), before, "a whole roster is not read twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_dies_anywhere_is_finished_by_the_next_try() {
    let house = house().await;
    has_left(&house, "goran.fischer02").await;
    for system in SIX {
        house.step_of_system(&house.cases, system, Step::Roster).await.expect(system);
    }
    let whole = House { policy: house.policy.clone(), cases: house.cases.copy(), ..House::new().await };
    let wanted = whole.reconcile(&whole.cases, now()).await.expect("a night").open;
    for when in [When::Before, When::After] {
        for call in (0..60).step_by(3) {
            let house =
                House { policy: house.policy.clone(), cases: house.cases.copy(), ..House::new().await };
            let failing = Failing::at(&house.cases, call, when);
            let died = house.reconcile(&failing, now()).await;
            assert_eq!(died.is_err(), failing.has_failed(), "{call}");
            let judged = house.reconcile(&house.cases, now()).await.expect("a night");
            assert_eq!(judged.open, wanted, "{call} {when:?}");
            let goran = orphan(&house, "okta", "goran.fischer02").await;
            assert_eq!(goran.log.len(), 1, "{call} {when:?}: found once");
            if !failing.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_any_more_is_closed() {
    let house = house().await;
    has_left(&house, "goran.fischer02").await;
    night(&house).await;
    let to = house.stage.connect("okta", Duration::from_secs(10));
    to.http.tell(in_okta("goran.fischer02", "suspend")).await.expect("suspended");
    // Another night: the parts of this one are taken away.
    let okta = "okta".parse().expect("an id");
    for mut part in house.cases.parts(&okta).await.expect("the store") {
        part.night = part.night.yesterday().expect("a day");
        house.cases.keep_part(&part).await.expect("kept");
    }
    night(&house).await;
    let goran = orphan(&house, "okta", "goran.fischer02").await;
    assert!(matches!(goran.standing, Standing::Gone { .. }), "{:?}", goran.standing);
    let kinds: Vec<EventKind> = goran.log.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [EventKind::OrphanFound, EventKind::OrphanSettled]);
    let (status, said) =
        decide(&house, SECURITY, &goran, json!({"decision": "revoke", "reason": "gone"})).await;
    assert_eq!((status, &said["type"]), (409, &json!("/problems/orphan-is-gone")));
}

#[tokio::test(flavor = "multi_thread")]
async fn security_and_auditors_see_them_and_only_security_decides() {
    let house = house().await;
    has_left(&house, "goran.fischer02").await;
    night(&house).await;
    let list =
        async |who, query: &str| house.call(who, "GET", &format!("/api/v1/orphans{query}"), "", now()).await;
    let (status, said) = list(("avery.audit", "auditor"), "").await;
    let all = said["orphans"].as_array().expect("a list").clone();
    assert_eq!((status, all.len()), (200, SIX.len() + 1 + 2));
    let one = all.iter().find(|one| one["class"]["kind"] == "left").expect("one");
    assert_eq!((&one["owner"], &one["age_days"]), (&json!("sam.admin"), &json!(0)));
    assert_eq!(
        (&one["standing"]["is"], &one["class"]["username"]),
        (&json!("open"), &json!("goran.fischer02"))
    );
    assert_eq!(list(("jane.smith", "manager"), "").await.0, 403);
    let of = orphan(&house, "okta", "goran.fischer02").await;
    let revoke = json!({"decision": "revoke", "reason": "r"});
    assert_eq!(decide(&house, ("avery.audit", "auditor"), &of, revoke.clone()).await.0, 403);
    for wrong in [
        json!({"decision": "adopt", "reason": "r"}),
        json!({"decision": "adopt", "reason": "r", "user": "no.body"}),
        json!({"decision": "ignore", "reason": "r"}),
        json!({"decision": "ignore", "reason": "r", "until": "2020-01-01"}),
        json!({"decision": "ignore", "reason": "r", "until": "2999-01-01"}),
        json!({"decision": "revoke", "reason": " "}),
        json!({"decision": "revoke", "reason": "r", "user": "a"}),
        json!({"decision": "delete", "reason": "r"}),
    ] {
        let (status, said) = decide(&house, SECURITY, &of, wrong.clone()).await;
        assert_eq!(status, 422, "{wrong}: {said}");
    }
    assert_eq!(orphan(&house, "okta", "goran.fischer02").await, of, "nothing was changed");
    let nowhere =
        house.call(SECURITY, "POST", "/api/v1/orphans/orphan-okta-1", &revoke.to_string(), now()).await;
    assert_eq!(nowhere.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_leaves_once_more_and_a_repeat_opens_no_other_case() {
    let house = house().await;
    has_left(&house, "goran.fischer02").await;
    night(&house).await;
    let of = orphan(&house, "okta", "goran.fischer02").await;
    let (status, said) =
        decide(&house, SECURITY, &of, json!({"decision": "revoke", "reason": "came back"})).await;
    assert_eq!(status, 200, "{said}");
    let id = said["standing"]["case"].as_str().expect("a case").to_owned();
    let opened = case(&house, &id).await;
    assert_eq!((opened.mode, opened.person.username.as_str()), (Mode::Leave, "goran.fischer02"));
    assert_eq!(opened.trigger.by, "sam.admin");
    assert_eq!(person(&house, "goran.fischer02").await.status, PersonStatus::Leaving);
    let (status, said) =
        decide(&house, SECURITY, &of, json!({"decision": "revoke", "reason": "again"})).await;
    assert_eq!((status, &said["type"]), (409, &json!("/problems/already-decided")));
    let contained = house.contain(&opened.case_id).await;
    assert!(!contained.is_empty());
    assert_eq!(house.stage.account("okta", "goran.fischer02").await["active"], false);
}

/// Leaving once more would take what systems find by their address, which is somebody else's by now.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_does_not_leave_once_more_where_their_address_is_somebody_elses() {
    let house = house().await;
    has_left(&house, "goran.fischer02").await;
    night(&house).await;
    let of = orphan(&house, "okta", "goran.fischer02").await;
    let mut other = person(&house, "john.doe").await;
    other.email = person(&house, "goran.fischer02").await.email.to_uppercase();
    other.version += 1;
    house.cases.put_person(&other).await.expect("written");
    let opened = async || house.cases.cases(None, 50).await.expect("the store").cases.len();
    let before = opened().await;
    let revoke = json!({"decision": "revoke", "reason": "came back"});
    let (status, said) = decide(&house, SECURITY, &of, revoke.clone()).await;
    assert_eq!((status, &said["type"]), (409, &json!("/problems/address-reused")), "{said}");
    assert!(said["detail"].as_str().expect("a text").contains("john.doe"), "{said}");
    assert_eq!(opened().await, before);
    assert_eq!(person(&house, "goran.fischer02").await.status, PersonStatus::Left);
    // It was a slip: now nobody else is found by it.
    other.email = "john.doe@example.com".into();
    other.version += 1;
    house.cases.put_person(&other).await.expect("written");
    assert_eq!(decide(&house, SECURITY, &of, revoke).await.0, 200);
    assert_eq!(opened().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_is_a_task_of_the_systems_owner_and_its_case_closes_with_it() {
    let house = house().await;
    is_forgotten(&house, "robin.mover").await;
    night(&house).await;
    let of = orphan(&house, "slack", "robin.mover").await;
    assert_eq!(of.class, Class::Nobody);
    let (status, said) =
        decide(&house, SECURITY, &of, json!({"decision": "revoke", "reason": "nobody's"})).await;
    assert_eq!(status, 200, "{said}");
    let id = said["standing"]["case"].as_str().expect("a case").to_owned();
    let opened = case(&house, &id).await;
    assert_eq!((opened.status, opened.systems.len()), (CaseStatus::Incomplete, 1));
    assert!(opened.archive.is_none() && opened.watch.is_none(), "there is nobody whose data could be kept");
    let slack = house.system(&opened.case_id, "slack").await;
    assert_eq!(slack.status, SystemStatus::ManualTask);
    assert!(slack.task.as_ref().is_some_and(|task| task.instructions.contains("robin.mover")));
    let tasks = house.cases.tasks(10).await.expect("the store");
    assert!(tasks.contains(&TaskId::System(opened.case_id.clone(), slack.system.clone())));
    // Nobody's account is no person: none was made up.
    let username = opened.person.username.clone();
    assert_eq!(house.cases.person(&username).await.expect("the store"), None);
    let close = json!({"statement": "Deactivated in the admin console."}).to_string();
    let path = format!("/api/v1/tasks/{id}~slack");
    let (status, said) = house.call(SECURITY, "POST", &path, &close, now()).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(case(&house, &id).await.run, 2);
    let planned = house.plan(&house.cases, &opened.case_id).await.expect("a plan");
    assert_eq!(case(&house, &id).await.status, CaseStatus::Running);
    for item in planned.systems {
        let step = house.step(&house.cases, &opened.case_id, &item.system, leaver_adapter::Step::Run).await;
        assert_eq!(step.expect("nothing to do"), Some(SystemStatus::ManualTask));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_somebodys_from_the_decision_on() {
    let house = house().await;
    let mut robin = person(&house, "robin.mover").await;
    is_forgotten(&house, "robin.mover").await;
    night(&house).await;
    let of = orphan(&house, "github", "robin").await;
    let adopt = |user: &str| json!({"decision": "adopt", "user": user, "reason": "asked them"});
    assert_eq!(decide(&house, SECURITY, &of, adopt("sam.admin")).await.0, 403, "for themselves");
    let (status, said) = decide(&house, SECURITY, &of, adopt("john.doe")).await;
    assert_eq!((status, &said["standing"]["username"]), (200, &json!("john.doe")), "{said}");
    let john = person(&house, "john.doe").await;
    assert_eq!(john.login("github"), Some(of.account.login.as_str()));
    // The account of okta carries a number: nobody else's it is by somebody's word.
    let numbered = orphan(&house, "okta", "robin").await;
    let (status, said) = decide(&house, SECURITY, &numbered, adopt("john.doe")).await;
    assert_eq!((status, &said["type"]), (409, &json!("/problems/another-number")));
    let (status, _) = decide(
        &house,
        SECURITY,
        &numbered,
        json!({"decision": "ignore", "reason": "a robot", "until": far()}),
    )
    .await;
    assert_eq!(status, 200);
    let rows: Vec<EventKind> =
        orphan(&house, "okta", "robin").await.log.iter().map(|line| line.kind).collect();
    assert_eq!(rows, [EventKind::OrphanFound, EventKind::OrphanSettled]);
    let (_, shown) = house.call(SECURITY, "GET", "/api/v1/orphans", "", now()).await;
    let decided = |one: &&Value| {
        one["orphan_id"] == json!(numbered.orphan_id) || one["orphan_id"] == json!(of.orphan_id)
    };
    assert_eq!(shown["orphans"].as_array().expect("a list").iter().filter(decided).count(), 0);
    robin.version = 3;
    house.cases.put_person(&robin).await.expect("HR corrects itself");
    let judged = house.reconcile(&house.cases, now()).await.expect("a night");
    assert!(judged.written > 0);
    assert!(!orphan(&house, "okta", "robin").await.is_there());
}

fn far() -> String {
    leaver_domain::roster::night_of(now().plus(DAY * 30)).to_string()
}

/// Everybody logged in yesterday but one.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_logged_in_for_long_is_suspended_once() {
    let house = house().await;
    let judged = night(&house).await;
    let idle: Vec<(&str, u64)> =
        judged.inactive.idle.iter().map(|(who, days)| (who.as_str(), *days)).collect();
    assert_eq!(idle, [("pat.idle", 120)], "{:?}", judged.inactive);
    let started = house.workflow.started();
    let [id] = started.as_slice() else { panic!("{started:?}") };
    let opened = case(&house, id.as_str()).await;
    assert_eq!((opened.mode, opened.person.username.as_str()), (Mode::Suspend, "pat.idle"));
    assert_eq!((opened.trigger.source.as_str(), opened.trigger.kind.as_str()), ("leaver", "inactive"));
    assert!(opened.reason.contains("120 days"), "{}", opened.reason);
    assert_eq!(person(&house, "pat.idle").await.status, PersonStatus::Suspended);
    let again = night(&house).await;
    assert!(again.inactive.idle.is_empty(), "{:?}", again.inactive);
    assert_eq!(house.workflow.started().len(), 1);
    // Let back without a login, and judged in the same night: the same case, and nothing new.
    let mut pat = person(&house, "pat.idle").await;
    pat.status = PersonStatus::Active;
    pat.version += 1;
    house.cases.put_person(&pat).await.expect("written");
    night(&house).await;
    assert_eq!(house.workflow.started().iter().collect::<std::collections::BTreeSet<_>>().len(), 1);
}

/// The list was read before they went: it shows what was taken since.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_after_the_lists_were_read_has_left_nothing_behind() {
    let house = house().await;
    for system in SIX {
        house.step_of_system(&house.cases, system, Step::Roster).await.expect(system);
    }
    let case = recorded(&house, "robin.mover").await;
    house.execute(&case).await;
    assert_eq!(person(&house, "robin.mover").await.status, PersonStatus::Left);
    house.reconcile(&house.cases, now()).await.expect("a night");
    for system in SIX {
        let of_robin = |one: &Orphan| one.account.login.starts_with("robin");
        assert!(!orphans(&house, system).await.iter().any(of_robin), "{system}");
    }
    // By a list that is younger, they have.
    let mut closed = self::case(&house, case.as_str()).await;
    closed.closed_at = Some(now().minus(DAY));
    closed.version += 1;
    house.cases.put_case(&closed).await.expect("written");
    house.reconcile(&house.cases, now()).await.expect("a night");
    assert!(matches!(orphan(&house, "okta", "robin").await.class, Class::Left { .. }));
}

/// The vendor still says when they logged in last before they went.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_let_back_has_as_long_as_everybody_to_log_in() {
    let house = house().await;
    let suspended = case(
        &house,
        night(&house)
            .await
            .inactive
            .idle
            .first_key_value()
            .map(|_| house.workflow.started().pop().expect("a case"))
            .expect("somebody")
            .as_str(),
    )
    .await;
    let mut back = CaseRecord {
        case_id: "case-back".parse().expect("an id"),
        mode: Mode::Reactivate,
        version: 1,
        ..suspended
    };
    for (ago, is_idle) in [(0, false), (89, false), (91, true)] {
        back.closed_at = Some(now().minus(DAY * ago));
        house.cases.put_case(&back).await.expect("written");
        back.version += 1;
        let mut pat = person(&house, "pat.idle").await;
        (pat.status, pat.case) = (PersonStatus::Active, Some(back.case_id.clone()));
        pat.version += 1;
        house.cases.put_person(&pat).await.expect("written");
        let judged = night(&house).await.inactive;
        assert_eq!(judged.idle.contains_key(&pat.username), is_idle, "{ago} days: {judged:?}");
    }
}

/// A hold forbids deleting, and a suspension deletes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_never_logged_in_is_suspended_although_a_legal_hold_lasts() {
    let house = house().await;
    night(&house).await;
    assert!(person(&house, "morgan.hold").await.legal_hold.is_some());
    assert_eq!(person(&house, "morgan.hold").await.status, PersonStatus::Active);
    for system in ["google_workspace", "microsoft_365", "okta"] {
        for mut part in house.cases.parts(&system.parse().expect("an id")).await.expect("the store") {
            for seen in part.seen.iter_mut().filter(|seen| seen.login.starts_with("morgan.hold")) {
                (seen.last_login, seen.created_at) = (None, Some(now().minus(DAY * 900)));
            }
            house.cases.keep_part(&part).await.expect("kept");
        }
    }
    let judged = house.reconcile(&house.cases, now()).await.expect("a night");
    let idle: Vec<(&str, u64)> =
        judged.inactive.idle.iter().map(|(who, days)| (who.as_str(), *days)).collect();
    assert_eq!(idle, [("morgan.hold", 900)], "{:?}", judged.inactive);
    let morgan = person(&house, "morgan.hold").await;
    assert_eq!(morgan.status, PersonStatus::Suspended);
    let opened = case(&house, morgan.case.expect("a case").as_str()).await;
    assert!(opened.reason.starts_with("Never logged in"), "{}", opened.reason);
}

/// Their manager alone lets them back.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_suspended_for_inactivity_comes_back_by_their_manager() {
    let house = house().await;
    night(&house).await;
    let id = house.workflow.started().pop().expect("a case");
    let mut suspended = case(&house, id.as_str()).await;
    suspended.status = CaseStatus::Complete;
    suspended.version += 1;
    house.cases.put_case(&suspended).await.expect("written");
    let path = format!("/api/v1/cases/{id}/restore");
    let said = json!({"reason": "back from leave"}).to_string();
    let (status, asked) = house.call(SECURITY, "POST", &path, &said, now()).await;
    assert_eq!((status, &asked["approval"]["asked"]), (202, &json!(["jane.smith"])), "{asked}");
    let path = format!("/api/v1/approvals/{}", asked["approval"]["approval_id"].as_str().expect("an id"));
    let yes = json!({"decision": "approve", "reason": "they are back"}).to_string();
    assert_eq!(house.call(("taylor.admin", "security"), "POST", &path, &yes, now()).await.0, 403);
    let (status, decided) = house.call(("jane.smith", "manager"), "POST", &path, &yes, now()).await;
    assert_eq!(status, 200, "{decided}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_suspended_while_a_system_whose_logins_count_is_not_read() {
    let house = house().await;
    for system in SIX.into_iter().filter(|system| *system != "okta") {
        house.step_of_system(&house.cases, system, Step::Roster).await.expect(system);
    }
    let judged = house.reconcile(&house.cases, now()).await.expect("a night");
    assert_eq!(judged.inactive.not.as_deref(), Some("okta is not read yet"));
    assert!(judged.inactive.idle.is_empty());
    assert_eq!(person(&house, "pat.idle").await.status, PersonStatus::Active);
}

#[test]
fn a_nights_attempts_have_names_of_their_own() {
    let night = leaver_domain::roster::night_of("2026-02-03T01:10:00Z".parse::<Timestamp>().expect("a time"));
    assert_eq!(Execution::Roster { night, round: 1 }.name(), "roster-2026-02-03-1");
}
