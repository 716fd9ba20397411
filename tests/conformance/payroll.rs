//! Gusto's payroll: one termination, its day, and both ways back.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::{Stage, now, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next},
    person::Person,
    plan::ActionKind,
};
use serde_json::{Value, json};

const ID: &str = "payroll";

/// Lets the case name a last day so many days from today, and tells it.
fn leaves_in(who: &mut Person, days: i64) -> String {
    let mut day = who.day_of(now());
    for _ in 0..days.abs() {
        day = if days < 0 { day.yesterday() } else { day.tomorrow() }.expect("a day");
    }
    who.last_day = Some(day);
    day.to_string()
}

async fn written(stage: &Stage) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = stage.requests(ID).await;
    let writes = all.iter().filter(|request| request["method"] != "GET");
    writes
        .map(|request| {
            let path = text(&request["path"]).rsplit('/').next().unwrap_or_default().to_owned();
            (text(&request["method"]), path, request["body"].clone())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_is_the_cases_or_today_and_final_pay_stays_on_the_schedule() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let (_, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let today = john.person.day_of(now()).to_string();
    let body = json!({"effective_date": today, "run_termination_payroll": false});
    assert_eq!(written(&stage).await, [("POST".to_owned(), "terminations".to_owned(), body)]);

    let stage = Stage::start_with([(ID, "run_termination_payroll", "true")]).await;
    let mut john = Leaver::of("john.doe");
    let last = leaves_in(&mut john.person, 9);
    let (_, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let account = report.after.expect("a reading").account.expect("an employee");
    assert_eq!((account.status, account.facts["cancelable"].as_str()), (AccountStatus::Suspended, "false"));
    let body = json!({"effective_date": last, "run_termination_payroll": true});
    assert_eq!(written(&stage).await, [("POST".to_owned(), "terminations".to_owned(), body)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_on_record_stands_and_another_day_is_a_task() {
    let stage = Stage::start().await;
    let mut john = Leaver::of("john.doe");
    leaves_in(&mut john.person, 20);
    let to = stage.connect(ID, BUDGET);
    assert_eq!(john.revoke(&to).await.1.fault, None);
    leaves_in(&mut john.person, 3);
    let (survey, report) = john.revoke(&to).await;
    assert_eq!((report.fault, survey.plan.0.len()), (None, 0));
    let tasks: Vec<_> = survey.found.assets.iter().map(|asset| (asset.kind.as_str(), asset.next)).collect();
    assert_eq!(tasks, [("termination", Next::Task)]);
}

/// Another request was faster: Gusto refuses the second termination, and a read shows that the first one stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_second_termination_is_looked_at_and_not_repeated() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    let survey = john.survey(&to).await;
    assert_eq!(john.revoke(&to).await.1.fault, None);
    let fault = to.adapter.apply(&to.http, &survey.found, &survey.plan.0[0]).await.expect_err("a refusal");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert_eq!(john.survey(&to).await.plan.0, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_begun_is_cancelled_and_what_has_is_followed_by_a_rehire() {
    let stage = Stage::start().await;
    let mut john = Leaver::of("john.doe");
    leaves_in(&mut john.person, 5);
    let to = stage.connect(ID, BUDGET);
    let (survey, _) = john.revoke(&to).await;
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    let steps: Vec<(String, String)> =
        written(&stage).await.into_iter().map(|(method, path, _)| (method, path)).collect();
    let step = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    assert_eq!(steps, [step("POST", "terminations"), step("DELETE", "terminations")]);

    // Weeks ago: in force, and past what can be cancelled.
    leaves_in(&mut john.person, -70);
    let (survey, report) = john.revoke(&to).await;
    let status = report.after.and_then(|after| after.account).map(|account| account.status);
    assert_eq!((report.fault, status), (None, Some(AccountStatus::Deactivated)));
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    let rehire = written(&stage).await.pop().expect("a write");
    assert_eq!((rehire.0.as_str(), rehire.1.as_str()), ("POST", "rehire"));
    assert_eq!(rehire.2["file_new_hire_report"], true, "they were gone for more than sixty days");
    assert_eq!(rehire.2["employment_status"], "full_time");
}

/// Restored by mistake: the rehire that has not begun is called off, so that the termination stands again.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_again_before_the_rehire_begins_is_not_terminated_twice() {
    let stage = Stage::start().await;
    let mut john = Leaver::of("john.doe");
    john.person.time_zone = Some("UTC".into());
    let to = stage.connect(ID, BUDGET);
    let (survey, _) = john.revoke(&to).await;
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    let (survey, report) = john.revoke(&to).await;
    assert_eq!((report.fault, survey.plan.0[0].kind), (None, ActionKind::RecordEnd));
    let last = written(&stage).await.pop().expect("a write");
    assert_eq!((last.0.as_str(), last.1.as_str()), ("DELETE", "rehire"));
    assert_eq!(stage.account(ID, "john.doe").await["active"], false);
}

/// The search goes by names: a namesake without the address is somebody else, and another spelling is no absence.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_decides_and_not_the_name() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let mut john = Leaver::of("john.doe");
    let known = john.survey(&to).await.found.account.expect("an employee").id;
    john.person.name = "Jonathan Döe".into();
    assert_eq!(john.survey(&to).await.found.account.expect("an employee").id, known);
    john.person.name = "John Doe".into();
    john.person.email = "john@elsewhere.example".into();
    assert_eq!(john.survey(&to).await.found.account, None);
}
