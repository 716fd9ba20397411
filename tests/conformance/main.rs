//! What must hold for every registry row, against its stand-in over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod active_directory;
mod aws_iam;
mod badge;
mod benefits;
mod bitwarden;
mod custom;
mod custom_scim;
mod equipment;
mod figma;
mod handover;
mod hris;
mod linear;
mod notion;
mod onepassword;
mod pacing;
mod payroll;
mod postgresql;
mod profiles;
mod roster;
mod salesforce;
mod samba;
mod scim2_server;
mod sharepoint;
mod vpn;

use leaver_adapters::{
    Part, SPECS, Spec,
    restore::{self, Wanted},
    run,
};
use leaver_conformance::postgres::Programs;
use leaver_conformance::sandbox::{
    Connected, Stage, comparable, full_scope, now, person, restored, risk_settings,
};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, GrantKind},
    plan::Evidence,
    risk::RiskLevel,
};
use serde_json::json;
use std::{collections::BTreeSet, io::Write as _, sync::Once, time::Duration};

/// One system after another: a failure names its row. `SYSTEMS=figma,notion` leaves the others out, for whoever works on these.
fn rows() -> impl Iterator<Item = &'static str> {
    let only = std::env::var("SYSTEMS").unwrap_or_default();
    let wanted = move |id: &str| only.is_empty() || only.split(',').any(|one| one == id);
    SPECS.iter().map(|spec| spec.id).filter(move |id| wanted(id) && (*id != "postgresql" || has_postgresql()))
}

/// Whether a real PostgreSQL can be had. That its row is left out is said past the capture of what tests print.
fn has_postgresql() -> bool {
    static SAID: Once = Once::new();
    let found = Programs::find();
    if let Err(why) = found {
        SAID.call_once(|| writeln!(std::io::stderr(), "SKIPPED postgresql: {why}").expect("stderr"));
    }
    found.is_ok()
}

/// The rows in which something can be taken away: all but the source, which is only read.
fn revocable() -> impl Iterator<Item = &'static str> {
    rows().filter(|id| part(id) != Part::Source)
}

/// The rows that hold accounts, or permissions of accounts that another row disables.
fn accounts() -> impl Iterator<Item = &'static str> {
    rows().filter(|id| matches!(part(id), Part::Account | Part::Shares))
}

/// What a single permission of such a row is.
fn single(id: &str) -> GrantKind {
    if part(id) == Part::Shares { GrantKind::Resource } else { GrantKind::Group }
}

fn part(id: &str) -> Part {
    Spec::of(id).expect("a row").part
}

const BUDGET: Duration = Duration::from_secs(60);

struct Leaver {
    person: leaver_domain::person::Person,
    scope: leaver_domain::plan::Scope,
    risk: leaver_domain::risk::RiskSettings,
}

impl Leaver {
    fn of(username: &str) -> Self {
        Self { person: person(username), scope: full_scope(), risk: risk_settings() }
    }

    fn job(&self) -> run::Job<'_> {
        run::Job { person: &self.person, scope: &self.scope, ended: now(), risk: &self.risk }
    }

    async fn survey(&self, to: &Connected) -> run::Survey {
        run::survey(to.adapter.as_ref(), &to.http, &self.job()).await.expect("a survey")
    }

    async fn revoke(&self, to: &Connected) -> (run::Survey, run::Report) {
        let survey = self.survey(to).await;
        let none = BTreeSet::new();
        let report = run::revoke(to.adapter.as_ref(), &to.http, &self.job(), survey.clone(), &none).await;
        (survey, report)
    }
}

/// Reads are GETs, or POSTs that the vendor names as queries; what a dry run sent is compared with the state after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_survey_finds_the_person_and_changes_nothing() {
    let stage = Stage::start_for(rows()).await;
    for system in rows() {
        let john = Leaver::of("john.doe");
        let before = stage.account(system, "john.doe").await;
        let survey = john.survey(&stage.connect(system, BUDGET)).await;
        let account = survey.found.account.as_ref().expect(system);
        assert_eq!(account.status, AccountStatus::Active, "{system}");
        assert!(survey.risk.level < RiskLevel::Flagged, "{system}: {:?}", survey.risk);
        let main = part(system).action();
        let planned = main.is_none_or(|main| survey.plan.0.iter().any(|action| action.kind == main));
        assert!(planned, "{system}: {:?}", survey.plan);
        assert_eq!(stage.account(system, "john.doe").await, before, "{system}: a dry run changed something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_confirmed_by_a_fresh_read_and_by_the_stand_in() {
    let stage = Stage::start_for(rows()).await;
    for system in revocable() {
        let john = Leaver::of("john.doe");
        let before = stage.account(system, "john.doe").await;
        assert_eq!(before["active"], true, "{system}");
        let to = stage.connect(system, BUDGET);
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{system}");
        let receipts: BTreeSet<_> = run::receipts_of(&report.done).collect();
        let (_, left) =
            run::remaining(to.adapter.as_ref(), &to.http, &john.job(), &receipts).await.expect(system);
        assert!(left.is_empty(), "{system}: {left:?}");
        let after = stage.account(system, "john.doe").await;
        assert_eq!(after["active"], false, "{system}");
        assert_eq!(after["sessions"], json!([]), "{system}");
        assert_eq!(after["credentials"], json!([]), "{system}");
        assert!(!survey.plan.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_twice_does_nothing_the_second_time() {
    let stage = Stage::start_for(rows()).await;
    for system in revocable() {
        let john = Leaver::of("john.doe");
        let to = stage.connect(system, BUDGET);
        assert_eq!(john.revoke(&to).await.1.fault, None, "{system}");
        let state = stage.account(system, "john.doe").await;
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{system}");
        let again: Vec<_> =
            report.done.iter().filter(|done| done.action.evidence == Evidence::Read).collect();
        assert!(again.is_empty(), "{system}: {again:?}");
        assert_eq!(stage.account(system, "john.doe").await, state, "{system}");
        assert!(survey.plan.0.iter().all(|action| action.evidence == Evidence::Receipt), "{system}");
    }
}

/// Fails the k-th request, for every k that `stride` reaches, in one way; then a run without faults must finish the work.
/// Each system has a sandbox of its own, so that their waits overlap.
async fn fail_each(how: serde_json::Value, stride: usize, expected: &'static [FaultKind]) {
    let systems: Vec<_> =
        revocable().map(|system| tokio::spawn(fail_each_of(system, how.clone(), stride, expected))).collect();
    for system in systems {
        system.await.expect("a system's row");
    }
}

async fn fail_each_of(
    system: &'static str,
    how: serde_json::Value,
    stride: usize,
    expected: &'static [FaultKind],
) {
    let stage = Stage::start_for([system]).await;
    let john = Leaver::of("john.doe");
    for k in (0..).step_by(stride) {
        stage.reset().await;
        let mut fault = json!({"system": system, "skip": k});
        fault.as_object_mut().expect("an object").extend(how.as_object().cloned().expect("an object"));
        stage.fault(fault).await;
        let to = stage.connect(system, Duration::from_secs(8));
        let fault = match run::survey(to.adapter.as_ref(), &to.http, &john.job()).await {
            Err(fault) => Some(fault),
            Ok(survey) => {
                run::revoke(to.adapter.as_ref(), &to.http, &john.job(), survey, &BTreeSet::new()).await.fault
            }
        };
        let injected = stage.requests(system).await.iter().any(|request| request["injected"] == true);
        let state = stage.account(system, "john.doe").await;
        if let Some(fault) = &fault {
            // A run whose time is over before the vendor has done everything says just that.
            let told = expected.contains(&fault.kind) || fault.kind == FaultKind::NotVerified;
            assert!(told, "{system}, request {k}: {fault}");
        } else {
            assert_eq!(state["active"], false, "{system}, request {k} failed: called done, but it is not");
        }
        stage.clear().await;
        let (_, report) = john.revoke(&stage.connect(system, BUDGET)).await;
        assert_eq!(report.fault, None, "{system}: after the fault at request {k} was gone");
        assert_eq!(stage.account(system, "john.doe").await["active"], false, "{system}, request {k}");
        if !injected {
            assert!(k > 5, "{system}: only {k} requests");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_at_any_request_is_survived() {
    fail_each(json!({"status": 500, "times": 1}), 1, &[FaultKind::Unavailable]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_outage_from_any_request_on_is_reported_and_finished_later() {
    fail_each(json!({"status": 503}), 7, &[FaultKind::Unavailable]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_at_any_request_is_survived() {
    fail_each(json!({"drop": true, "times": 1}), 1, &[FaultKind::Unavailable]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_at_any_request_is_waited_for() {
    let headers = json!({"retry-after": "1"});
    fail_each(json!({"status": 429, "headers": headers, "times": 1}), 7, &[FaultKind::Throttled]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_wrong_shape_at_any_request_is_never_taken_for_success() {
    const KINDS: &[FaultKind] =
        &[FaultKind::UnexpectedShape, FaultKind::NotVerified, FaultKind::CredentialRejected];
    fail_each(json!({"status": 200, "body": "<html>maintenance</html>", "times": 1}), 1, KINDS).await;
}

/// A call that gets no answer costs the invocation its time, and nothing else: the next one finishes.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_answered_ends_in_time_and_is_finished_later() {
    const NEVER: Duration = Duration::from_secs(300);
    let row = |system: &'static str| async move {
        let stage = Stage::start_for([system]).await;
        let john = Leaver::of("john.doe");
        for k in [0, 4, 12] {
            stage.reset().await;
            stage
                .fault(json!({"system": system, "latency_ms": NEVER.as_secs() * 1000, "skip": k, "times": 1}))
                .await;
            let to = stage.connect(system, Duration::from_secs(3));
            let began = std::time::Instant::now();
            let fault = match run::survey(to.adapter.as_ref(), &to.http, &john.job()).await {
                Err(fault) => Some(fault),
                Ok(survey) => {
                    run::revoke(to.adapter.as_ref(), &to.http, &john.job(), survey, &BTreeSet::new())
                        .await
                        .fault
                }
            };
            assert!(began.elapsed() < NEVER / 5, "{system}, request {k}: {:?}", began.elapsed());
            if let Some(fault) = fault {
                // A run whose time is over before it comes to that call says just that.
                let told = [FaultKind::Unavailable, FaultKind::NotVerified].contains(&fault.kind);
                assert!(told, "{system}, request {k}: {fault}");
            } else {
                // What hangs may only tidy, and the read behind it come through in the last millisecond.
                let state = stage.account(system, "john.doe").await;
                assert_eq!(state["active"], false, "{system}, request {k}: called done, but it is not");
            }
            stage.clear().await;
            let report = john.revoke(&stage.connect(system, BUDGET)).await.1;
            assert_eq!(report.fault, None, "{system}, request {k}");
        }
    };
    let systems: Vec<_> = revocable().map(|system| tokio::spawn(row(system))).collect();
    for system in systems {
        system.await.expect("a system's row");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_credential_is_said_so() {
    let stage = Stage::start_for(rows()).await;
    for system in rows() {
        stage.fault(json!({"system": system, "status": 401, "body": {"error": "invalid"}})).await;
        let to = stage.connect(system, Duration::from_secs(3));
        let fault = to.adapter.probe(&to.http).await.expect_err(system);
        assert_eq!(fault.kind, FaultKind::CredentialRejected, "{system}");
        stage.clear().await;
        to.adapter.probe(&stage.connect(system, BUDGET).http).await.expect(system);
    }
}

async fn injected(stage: &Stage, system: &str) -> usize {
    stage.requests(system).await.iter().filter(|request| request["injected"] == true).count()
}

/// What `leaver doctor` asks: nothing is missing of a good credential, nothing is changed, and a read that is refused is never
/// taken for one that went well.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_credential_lacks_nothing_and_a_refused_read_is_noticed() {
    let stage = Stage::start_for(rows()).await;
    for system in rows() {
        let before = stage.account(system, "john.doe").await;
        let to = stage.connect(system, BUDGET);
        let missing = to.adapter.missing(&to.http).await.expect(system);
        assert_eq!(missing, [], "{system}");
        assert_eq!(stage.account(system, "john.doe").await, before, "{system}: a check changed something");
        for k in 0.. {
            let seen = injected(&stage, system).await;
            stage
                .fault(json!({"system": system, "status": 403, "body": {"ok": false}, "skip": k, "times": 1}))
                .await;
            let to = stage.connect(system, Duration::from_secs(5));
            let missing = to.adapter.missing(&to.http).await;
            let hit = injected(&stage, system).await > seen;
            stage.clear().await;
            if !hit {
                break;
            }
            let known = &Spec::of(system).expect("a row").scopes;
            match missing {
                // What is refused is named, unless the row has another way to the same.
                Ok(missing) if missing.is_empty() => {
                    let requests = stage.requests(system).await;
                    let refused = requests.iter().rev().find(|one| one["injected"] == true).expect("it was");
                    let line = format!(
                        "{} /{system}{}?",
                        refused["method"].as_str().unwrap(),
                        refused["path"].as_str().unwrap()
                    );
                    stage
                        .fault(json!({"system": system, "match": line, "status": 403, "body": {"ok": false}}))
                        .await;
                    let found =
                        run::survey(to.adapter.as_ref(), &to.http, &Leaver::of("john.doe").job()).await;
                    assert!(found.is_ok(), "{system}, {line}: a refusal that matters went unnoticed");
                    stage.clear().await;
                }
                Ok(missing) => {
                    assert!(missing.iter().all(|one| known.contains(&one.scope)), "{system}: {missing:?}");
                }
                Err(fault) => assert!(!fault.kind.is_retryable(), "{system}, request {k}: {fault}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_an_account_has_nothing_to_revoke() {
    let stage = Stage::start_for(rows()).await;
    for system in rows() {
        let mut nobody = Leaver::of("john.doe");
        nobody.person.username = "no.body".parse().expect("a username");
        nobody.person.email = "no.body@example.com".into();
        nobody.person.employee_id = "EMP-99999".parse().expect("an id");
        let survey = nobody.survey(&stage.connect(system, BUDGET)).await;
        assert_eq!(survey.found.account, None, "{system}");
        assert!(survey.plan.is_empty(), "{system}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restoring_brings_back_what_can_be_restored() {
    let stage = Stage::start_for(rows()).await;
    for system in revocable() {
        let john = Leaver::of("john.doe");
        let to = stage.connect(system, BUDGET);
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{system}");
        let back = restored(&to, &john.person, &survey.found).await;
        assert_eq!(back.fault, None, "{system}");
        assert_eq!(comparable(&back.after.expect(system)), comparable(&survey.found), "{system}");
        assert_eq!(stage.account(system, "john.doe").await["active"], true, "{system}");
        let again = restored(&to, &john.person, &survey.found).await;
        assert_eq!((again.fault, again.done), (None, Vec::new()), "{system}");
    }
}

/// A partial revocation takes the grant of one id and nothing else, and asking for that id gives it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_grant_is_taken_and_given_by_its_id() {
    let stage = Stage::start_for(rows()).await;
    for system in accounts() {
        let john = Leaver::of("john.doe");
        let to = stage.connect(system, BUDGET);
        let (adapter, none) = (to.adapter.as_ref(), BTreeSet::new());
        let before = john.survey(&to).await.found;
        let one = before.grants.iter().find(|grant| {
            grant.fixed.is_none() && grant.kind == single(system) && adapter.grant(&grant.id).is_some()
        });
        let one = one.expect(system);
        let mut partial = Leaver::of("john.doe");
        partial.scope.grants = Some([one.id.clone()].into());
        let (survey, report) = partial.revoke(&to).await;
        assert_eq!((report.fault, survey.plan.0.len()), (None, 1), "{system}: {:?}", survey.plan);
        let after = report.after.expect(system);
        assert!(!after.grants.iter().any(|held| held.id == one.id), "{system}");
        assert_eq!((after.grants.len(), after.is_active()), (before.grants.len() - 1, true), "{system}");
        let permissions = [one.id.clone()].into();
        let wanted = Wanted { before: None, permissions: &permissions };
        for writes in [1, 0] {
            let outlook = restore::survey(adapter, &to.http, &john.person, wanted).await.expect(system);
            let back = restore::restore(adapter, &to.http, &john.person, wanted, outlook, &none).await;
            assert_eq!((back.fault, back.done.len()), (None, writes), "{system}");
            assert_eq!(comparable(&back.after.expect(system)), comparable(&before), "{system}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_debug_errors_or_the_record() {
    let stage = Stage::start_for(rows()).await;
    for system in rows() {
        let john = Leaver::of("john.doe");
        let to = stage.connect(system, BUDGET);
        let (survey, report) = john.revoke(&to).await;
        let record = serde_json::to_string(&stage.requests(system).await).expect("JSON");
        let shown = format!("{survey:?} {report:?} {record}");
        for (name, value) in &stage.settings[system] {
            let secret = value.len() >= 20 && !value.starts_with("http") && !value.starts_with("arn:");
            assert!(!secret || !shown.contains(value.trim()), "{system}: {name} can be seen");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_of_the_sample_person_has_more_than_one_page() {
    let stage = Stage::start_for(rows()).await;
    for system in rows() {
        let john = Leaver::of("john.doe");
        let to = stage.connect(system, BUDGET);
        john.survey(&to).await;
        let requests = stage.requests(system).await;
        let mut seen = BTreeSet::new();
        let again = requests
            .iter()
            .filter(|r| !seen.insert((r["method"].to_string(), r["path"].to_string())))
            .count();
        assert!(again > 0, "{system}: no list was followed to a second page");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_with_an_account_is_in_the_roster_once() {
    roster::everybody_with_an_account_is_in_the_roster_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roster_says_of_an_account_what_a_reading_of_it_says() {
    roster::the_roster_says_of_an_account_what_a_reading_of_it_says().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_any_request_never_shortens_a_roster() {
    roster::a_failure_at_any_request_never_shortens_a_roster().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_list_says_so() {
    roster::who_cannot_list_says_so().await;
}
