//! The other ways in: over the API now and later, in part, tried again, by the nightly look, and with days of grace.

use crate::{
    house::House,
    humans::{approved, case_with, get, post, until},
    night::reconciled,
    roles::invoke,
};
use leaver_domain::{id::Username, person::Person, ports::CaseStore};
use leaver_tests::sandbox::now;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

async fn opened(house: &House, asked: &Value) -> String {
    let (status, view) = post(house, "harper.hr", "cases", asked).await;
    assert_eq!(status, 202, "{view}");
    view["case_id"].as_str().expect("a case").to_owned()
}

async fn is_active(house: &House, system: &str, person: &str) -> bool {
    house.account(system, person).await["active"] == true
}

async fn holds(house: &House, system: &str, person: &str) -> Vec<String> {
    let account = house.account(system, person).await;
    let all = account["grants"].as_array().expect("a list").clone();
    all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

async fn record(house: &House, person: &str) -> Person {
    let name: Username = person.parse().expect("a name");
    house.cases().person(&name).await.expect("the store").expect("known")
}

/// The case that a measure opened.
async fn case_of(house: &House, measure: &str) -> String {
    until("the measure's case", async || {
        let shown = get(house, "security", &format!("measures/{measure}")).await;
        shown["cases"][0].as_str().map(str::to_owned)
    })
    .await
}

/// Two cases lie ahead: one is called off, the other comes when its time does.
pub(crate) async fn what_lies_ahead_is_listed_called_off_or_comes(house: Arc<House>) {
    let [soon, never] = &house.others()[10..12] else { panic!("two") };
    let at = |wait: Duration| now().plus(wait);
    let later = json!({"person": never, "reason": "end of project", "effective_at": at(DAY)});
    let called_off = opened(&house, &later).await;
    let case = opened(
        &house,
        &json!({"person": soon, "reason": "end of project", "effective_at": at(Duration::from_secs(5))}),
    )
    .await;
    let listed = get(&house, "harper.hr", "cases?scheduled=true").await;
    let ids: Vec<&str> = listed["cases"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["case_id"].as_str())
        .collect();
    assert!(ids.contains(&called_off.as_str()), "{listed}");
    assert!(is_active(&house, "okta", soon).await);
    let why = json!({"reason": "the project goes on"});
    let (status, answer) = post(&house, "harper.hr", &format!("cases/{called_off}/cancel"), &why).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(record(&house, never).await.status, leaver_domain::person::PersonStatus::Active);
    house.hr("terminate", soon).await;
    // Whoever opened it gets some time to start it; then the minute's look does.
    until("the start", async || {
        invoke(&house, "leaver-local-sweep", &json!({})).await;
        let view = get(&house, "security", &format!("cases/{case}")).await;
        (view["status"] != "recorded").then_some(())
    })
    .await;
    case_with(&house, &case, "complete").await;
    assert!(!is_active(&house, "okta", soon).await && is_active(&house, "okta", never).await);
}

/// One permission, then what a role needs: nothing else goes, and no account is shut.
pub(crate) async fn a_part_goes_by_its_name_or_by_a_role_and_the_rest_stays(house: Arc<House>) {
    let person = &house.others()[12];
    let before = holds(&house, "okta", person).await;
    let one = before.iter().find(|name| *name == "Wiki").expect("an engineer reads the wiki");
    let asked =
        json!({"person": person, "reason": "too much", "scope": {"permissions": [format!("okta:{one}")]}});
    let case = opened(&house, &asked).await;
    let view = case_with(&house, &case, "complete").await;
    assert_eq!(view["mode"], "partial", "{view}");
    let after = holds(&house, "okta", person).await;
    let without: Vec<String> = before.iter().filter(|name| *name != one).cloned().collect();
    assert_eq!((after, is_active(&house, "okta", person).await), (without, true));
    let asked = json!({"person": person, "reason": "another project", "scope": {"role": "engineer"}});
    let case = opened(&house, &asked).await;
    case_with(&house, &case, "complete").await;
    let left = holds(&house, "okta", person).await;
    assert!(!left.iter().any(|name| name == "Engineering"), "{left:?}");
    for system in ["okta", "slack", "google_workspace"] {
        assert!(is_active(&house, system, person).await, "{system}");
    }
}

/// A vendor that is away leaves the case incomplete; once it is back, the same case is finished.
pub(crate) async fn what_is_incomplete_is_tried_again_by_force(house: Arc<House>) {
    let person = &house.others()[14];
    house.fault(json!({"system": "linear", "status": 403, "body": {"errors": []}})).await;
    let case = house.terminate(person).await;
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "incomplete", "{view}");
    let faults = format!("{}/_sandbox/faults", house.local.sandbox_url);
    assert_eq!(house.raw(house.http.delete(faults)).await.0, 204);
    let path = format!("cases/{case}/force");
    let why = json!({"reason": "Linear is back"});
    assert_eq!(post(&house, "harper.hr", &path, &why).await.0, 403);
    let (status, answer) = post(&house, "sam.admin", &path, &why).await;
    assert_eq!(status, 202, "{answer}");
    case_with(&house, &case, "complete").await;
    assert!(!is_active(&house, "linear", person).await);
}

/// Suspended over the API, given back by a restore; dismissed, and hired anew: each is asked for by one and decided by another.
pub(crate) async fn a_suspension_is_restored_and_a_leaver_hired_anew_over_the_api(house: Arc<House>) {
    let person = &house.others()[16];
    let asked = json!({"person": person, "mode": "suspend", "reason": "a violation is looked into"});
    let suspension = opened(&house, &asked).await;
    case_with(&house, &suspension, "complete").await;
    assert!(!is_active(&house, "okta", person).await && is_active(&house, "payroll", person).await);
    let why = json!({"reason": "nothing was found"});
    let (status, refused) = post(&house, "harper.hr", &format!("employees/{person}/rehire"), &why).await;
    assert_eq!(status, 409, "{refused}");
    let (status, measure) = post(&house, "harper.hr", &format!("cases/{suspension}/restore"), &why).await;
    assert_eq!(status, 202, "{measure}");
    let back = case_of(&house, &approved(&house, &measure, "harper.hr").await).await;
    case_with(&house, &back, "complete").await;
    assert!(is_active(&house, "okta", person).await);
    let left = house.terminate(person).await;
    assert_eq!(house.settled(&left).await["status"], "complete");
    house.hr("hire", person).await;
    let why = json!({"reason": "they changed their mind"});
    let (status, measure) = post(&house, "harper.hr", &format!("employees/{person}/rehire"), &why).await;
    assert_eq!(status, 202, "{measure}");
    let back = case_of(&house, &approved(&house, &measure, "harper.hr").await).await;
    let view = case_with(&house, &back, "complete").await;
    assert_eq!((&view["mode"], &view["restores"]), (&json!("reactivate"), &json!(left)), "{view}");
    assert!(is_active(&house, "okta", person).await && is_active(&house, "slack", person).await);
}

/// The nightly look suspends who was not here for 120 days, and nobody but their manager lets them back.
pub(crate) async fn whoever_was_not_here_is_suspended_until_their_manager_lets_them_back(house: Arc<House>) {
    let person = "pat.idle";
    reconciled(&house).await;
    let access = get(&house, "security", &format!("employees/{person}/access")).await;
    assert_eq!(access["person"]["status"], "suspended", "{access}");
    let case = access["case"]["case_id"].as_str().expect("a case").to_owned();
    let view = case_with(&house, &case, "complete").await;
    assert_eq!((&view["mode"], &view["trigger"]["kind"]), (&json!("suspend"), &json!("inactive")), "{view}");
    assert!(!is_active(&house, "okta", person).await);
    let why = json!({"reason": "back from leave"});
    let (status, measure) = post(&house, "harper.hr", &format!("cases/{case}/restore"), &why).await;
    assert_eq!(status, 202, "{measure}");
    let path = format!("approvals/{}", measure["measure_id"].as_str().expect("an id"));
    let yes = json!({"decision": "approve", "reason": "they are"});
    assert_eq!(post(&house, "taylor.admin", &path, &yes).await.0, 403, "it is their manager's to say");
    let (status, decided) = post(&house, "jane.smith", &path, &yes).await;
    assert_eq!(status, 200, "{decided}");
    let back = case_of(&house, measure["measure_id"].as_str().expect("an id")).await;
    case_with(&house, &back, "complete").await;
    assert!(is_active(&house, "okta", person).await);
}

/// Days ahead of its end somebody is asked about a contract; with their yes it lasts a week longer.
pub(crate) async fn a_contract_lasts_longer_where_grace_is_given(house: Arc<House>) {
    let person = &house.others()[18];
    let mut event = house.event(person);
    let end = now().plus(DAY * 2).to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    event["event_type"] = json!("user_updated");
    event["user"]["contract_end"] = json!(end);
    let (status, _, answer) = house.raw(house.webhook(event.to_string())).await;
    assert_eq!(status, 202, "{answer}");
    // The index by which people are found may be a moment behind.
    until("the question", async || {
        let looked = invoke(&house, "leaver-local-contracts", &json!({})).await;
        looked["asked"].to_string().contains(person.as_str()).then_some(())
    })
    .await;
    let asked = until("the request", async || {
        let waiting = get(&house, "taylor.admin", "approvals").await;
        let all = waiting["approvals"].as_array().expect("a list").clone();
        all.into_iter()
            .find(|one| one["person"] == person.as_str() && one["about"]["what"]["kind"] == "extension")
    })
    .await;
    let path = format!("approvals/{}", asked["id"].as_str().expect("an id"));
    let yes = json!({"decision": "approve", "reason": "the handover takes longer"});
    let (status, decided) = post(&house, "taylor.admin", &path, &yes).await;
    assert_eq!(status, 200, "{decided}");
    let week = end.checked_add(jiff::Span::new().days(7)).expect("a day");
    until("the later end", async || (record(&house, person).await.contract_end == Some(week)).then_some(()))
        .await;
    let looked = invoke(&house, "leaver-local-contracts", &json!({})).await;
    assert!(!looked["asked"].to_string().contains(person.as_str()), "grace is given once: {looked}");
}
