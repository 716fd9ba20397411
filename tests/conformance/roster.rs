//! Rosters: every sample person who has an account is in it exactly once, through all pages, and reading it changes nothing.

use super::{BUDGET, Leaver, rows};
use leaver_adapters::Spec;
use leaver_conformance::sandbox::{Connected, Stage};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::AccountStatus,
    roster::{Mark, Page, Seen},
};
use leaver_sandbox::people::{self, SamplePerson};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Systems that give the whole list in one page: one answer of the vendor's, or pages that only a connection knows.
const WHOLE: [&str; 3] = ["active_directory", "bitwarden", "postgresql"];

fn listing() -> impl Iterator<Item = &'static str> {
    rows().filter(|id| Spec::of(id).expect("a row").roster.is_listed())
}

/// All pages, each asked for over a connection of its own, as invocations do. What goes between them is a text.
async fn walk(stage: &Stage, system: &str, budget: Duration) -> Result<Vec<Page>, Fault> {
    let mut pages: Vec<Page> = Vec::new();
    loop {
        let mark = pages.last().and_then(|page| page.next.clone());
        if mark.is_none() && !pages.is_empty() {
            return Ok(pages);
        }
        let mark: Option<Mark> =
            serde_json::from_value(serde_json::to_value(&mark).expect("JSON")).expect("a mark");
        let to: Connected = stage.connect(system, budget);
        pages.push(to.adapter.roster(&to.http, mark.as_ref()).await?);
        assert!(pages.len() < 500, "{system}: the roster has no end");
    }
}

fn seen(pages: &[Page]) -> Vec<Seen> {
    pages.iter().flat_map(|page| page.seen.clone()).collect()
}

/// Whether an account is this person's, by what it carries.
fn is_of(one: &Seen, system: &str, sample: &SamplePerson) -> bool {
    let person = &sample.person;
    let names = [person.username.as_str(), person.login_or_email(system), sample.email_in(system)];
    match &one.employee_id {
        Some(number) => number == person.employee_id.as_str(),
        None => [Some(&one.login), one.email.as_ref()].into_iter().flatten().any(|held| {
            names.iter().any(|name| held.eq_ignore_ascii_case(name))
                || held.strip_suffix(".crm").is_some_and(|held| names.contains(&held))
                || (system == "slack"
                    && held.len() == 21
                    && person.username.as_str().starts_with(held.as_str()))
        }),
    }
}

pub(crate) async fn everybody_with_an_account_is_in_the_roster_once() {
    let stage = Stage::start_for(rows()).await;
    let everybody = people::load().expect("the sample people");
    for system in listing() {
        let before = stage.account(system, "john.doe").await;
        let pages = walk(&stage, system, BUDGET).await.expect(system);
        assert!(pages.len() > 1 || WHOLE.contains(&system), "{system}: one page");
        let all = seen(&pages);
        let ids: BTreeSet<&str> = all.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids.len(), all.len(), "{system}: an account is listed twice");
        for sample in everybody.iter().filter(|sample| sample.has(system)) {
            let shared = everybody.iter().any(|other| {
                other.person.username != sample.person.username
                    && other.has(system)
                    && other.email_in(system) == sample.email_in(system)
            });
            let theirs: Vec<&Seen> = all.iter().filter(|one| is_of(one, system, sample)).collect();
            let name = &sample.person.username;
            // One in each directory of a system that has more than one.
            let mut realms: BTreeMap<Option<&str>, usize> = BTreeMap::new();
            for one in &theirs {
                *realms.entry(one.realm.as_deref()).or_default() += 1;
            }
            let most = if shared { 2 } else { 1 };
            assert!(
                !theirs.is_empty() && realms.values().all(|count| *count <= most),
                "{system}, {name}: {theirs:?}"
            );
            assert!(theirs.iter().all(|one| one.status == AccountStatus::Active), "{system}, {name}");
        }
        assert_eq!(stage.account(system, "john.doe").await, before, "{system}: reading changed something");
        let shown = format!("{pages:?}");
        for (name, value) in &stage.settings[system] {
            let secret = value.len() >= 20 && !value.starts_with("http");
            assert!(!secret || !shown.contains(value.trim()), "{system}: {name} can be seen");
        }
    }
}

/// An account's id and its state are the same in the roster and in a reading of the account.
pub(crate) async fn the_roster_says_of_an_account_what_a_reading_of_it_says() {
    let stage = Stage::start_for(rows()).await;
    for system in listing() {
        let john = Leaver::of("john.doe");
        let to = stage.connect(system, BUDGET);
        let account = john.survey(&to).await.found.account.expect(system);
        let mine = |all: Vec<Seen>| all.into_iter().find(|one| one.id == account.id);
        let one = mine(seen(&walk(&stage, system, BUDGET).await.expect(system))).expect(system);
        assert_eq!((&one.login, one.status), (&account.login, account.status), "{system}");
        if let (Some(listed), Some(read)) = (one.last_login, account.last_login) {
            assert_eq!(listed, read, "{system}");
        }
        let (_, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{system}");
        let after = mine(seen(&walk(&stage, system, BUDGET).await.expect(system)));
        assert!(after.is_none_or(|one| one.status != AccountStatus::Active), "{system}");
    }
}

/// Any request of it may fail: the page is repeated, and never are fewer accounts taken for all of them.
pub(crate) async fn a_failure_at_any_request_never_shortens_a_roster() {
    let ways = [
        (json!({"status": 429, "headers": {"retry-after": "1"}, "times": 1}), [FaultKind::Throttled; 2]),
        (json!({"status": 500, "times": 1}), [FaultKind::Unavailable; 2]),
        (
            json!({"status": 200, "body": "<html>maintenance</html>", "times": 1}),
            [FaultKind::UnexpectedShape, FaultKind::CredentialRejected],
        ),
    ];
    let row = |system: &'static str, ways: [(serde_json::Value, [FaultKind; 2]); 3]| async move {
        let stage = Stage::start_for([system]).await;
        let whole = seen(&walk(&stage, system, BUDGET).await.expect(system));
        for (how, expected) in &ways {
            for k in [0, 1, 2, 7] {
                let mut fault = json!({"system": system, "skip": k});
                fault
                    .as_object_mut()
                    .expect("an object")
                    .extend(how.as_object().cloned().expect("an object"));
                stage.fault(fault).await;
                match walk(&stage, system, Duration::from_secs(8)).await {
                    Ok(pages) => assert_eq!(seen(&pages), whole, "{system}, request {k}: {how}"),
                    Err(fault) => assert!(expected.contains(&fault.kind), "{system}, request {k}: {fault}"),
                }
                stage.clear().await;
            }
        }
    };
    let systems: Vec<_> = listing().map(|system| tokio::spawn(row(system, ways.clone()))).collect();
    for system in systems {
        system.await.expect("a system's row");
    }
}

pub(crate) async fn who_cannot_list_says_so() {
    let stage = Stage::start_for(rows()).await;
    for system in rows().filter(|id| !Spec::of(id).expect("a row").roster.is_listed()) {
        let to = stage.connect(system, BUDGET);
        let fault = to.adapter.roster(&to.http, None).await.expect_err(system);
        assert_eq!(fault.kind, FaultKind::Internal, "{system}");
    }
}
