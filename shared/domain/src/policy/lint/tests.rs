//! Everything that is wrong is said at once, each thing in its place.

use super::*;
use serde_json::json;

fn shipped() -> Value {
    serde_norway::from_str(include_str!("../../../../../infra/policy.yaml")).unwrap()
}

fn changed(change: impl FnOnce(&mut Value)) -> Vec<Remark> {
    let mut document = shipped();
    change(&mut document);
    remarks(&document, "prod", None)
}

fn rule(document: &mut Value, sentence: &str) {
    document["routing"].as_array_mut().unwrap().push(sentence.into());
}

fn person(username: &str, role: &str, department: &str) -> Person {
    serde_json::from_value(json!({
        "username": username, "employee_id": "E1", "email": "e@example.com", "name": "N", "employment": "employee",
        "role": role, "department": department, "status": "active",
    }))
    .unwrap()
}

/// The place and a part of what is said of each.
fn are(found: &[Remark], expected: &[(Level, &str, &str)]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (level, place, what) in expected {
        let here = found.iter().find(|one| one.place == *place && one.what.contains(what));
        assert_eq!(here.map(|one| one.level), Some(*level), "{place}: {what}\n{found:#?}");
    }
}

#[test]
fn nothing_is_wrong_with_the_shipped_policy() {
    for environment in ["prod", "staging", "local"] {
        are(&remarks(&shipped(), environment, None), &[]);
    }
}

#[test]
fn every_section_of_the_wrong_shape_is_said_beside_what_is_wrong_in_the_others() {
    let found = changed(|document| {
        document["timing"]["termination_secondz"] = 1.into();
        document["systems"]["okta"]["onwer"] = "x".into();
        document["systems"]["slack"] = json!({});
        document["systems"]["Bad"] = json!({"owner": "sam.admin"});
        document["brake"]["max_people"] = 0.into();
        document["risks"] = json!({});
        document["roles"]["engineer"] = json!({"gihub": []});
        document.as_object_mut().unwrap().remove("ledger");
        rule(document, "Everybody hvae okta.");
        rule(document, "Everybody has payrol.");
        document["routing"].as_array_mut().unwrap().push(7.into());
    });
    use Level::Error;
    let rules = shipped()["routing"].as_array().unwrap().len();
    let place = |more: usize| format!("routing, rule {}", rules + more);
    are(
        &found,
        &[
            (Error, "timing", "termination_secondz"),
            (Error, "systems.okta", "onwer"),
            (Error, "systems.slack", "owner"),
            (Error, "systems.Bad", "lower-case"),
            (Error, "brake.max_people", "between 1"),
            (Error, "risks", "no section"),
            (Error, "roles.engineer", "did you mean github?"),
            (Error, "ledger", "missing"),
            (Error, &place(1), "“hvae”"),
            (Error, &place(2), "did you mean payroll?"),
            (Error, &place(3), "no sentence"),
        ],
    );
}

#[test]
fn a_document_that_is_no_policy_at_all_is_no_good_policy() {
    for document in [Value::Null, json!([]), json!({}), json!({"routing": {}, "systems": []})] {
        let found = remarks(&document, "prod", None);
        assert!(found.iter().any(|one| one.level == Level::Error), "{document}");
    }
}

/// What parsing refuses, the check says as well, and the other way round.
#[test]
fn the_check_and_the_build_agree_on_what_can_be_used() {
    let changes: [(&str, Value); 12] = [
        ("/version", 2.into()),
        ("/timing/verification_delay_seconds", 0.into()),
        ("/approvals/approvers", json!([])),
        ("/approvals/levels", json!(["somebody"])),
        ("/ledger/quorum", 3.into()),
        ("/systems/okta", json!({"owner": "sam.admin", "custom": {}})),
        ("/routing", json!(["Everybody has okta."])),
        ("/protected", json!(["break.glass"])),
        ("/batch/max_running", 0.into()),
        ("/contracts/ask_days", json!([0])),
        ("/data/retention_days", 0.into()),
        ("/reverify_days", json!([0])),
    ];
    for (pointer, value) in changes {
        let mut document = shipped();
        *document.pointer_mut(pointer).unwrap() = value;
        let refused = Policy::parse(document.clone(), "prod").is_err();
        let errors = remarks(&document, "prod", None).iter().any(|one| one.level == Level::Error);
        assert_eq!(refused, errors, "{pointer}");
    }
}

#[test]
fn a_rule_that_never_decides_is_an_error_and_a_system_that_nobody_has_too() {
    let found = changed(|document| {
        rule(document, "People in Legal have badge and vpn.");
        rule(document, "Everybody has no badge.");
    });
    assert!(found.iter().all(|one| one.level == Level::Error));
    let nobody = found.iter().find(|one| one.what.contains("no rule leads to badge"));
    assert_eq!(nobody.map(|one| one.place.as_str()), Some("routing"));
    let lost: Vec<&Remark> = found.iter().filter(|one| one.what.contains("never decides")).collect();
    assert_eq!(lost.len(), 2, "those of Field Sales and of Legal: {found:#?}");
    assert!(lost.iter().all(|one| one.what.contains("about badge:") && one.fix.is_some()));
}

#[test]
fn an_overlay_counts_in_its_environment_alone() {
    let mut document = shipped();
    document["environments"]["staging"] = json!({"brake": {"max_people": 0}});
    are(&remarks(&document, "prod", None), &[]);
    are(&remarks(&document, "staging", None), &[(Level::Error, "brake.max_people", "between 1")]);
}

#[test]
fn approvers_who_can_decide_nothing_are_warned_of() {
    let found = changed(|document| {
        document["approvals"]["security_decides"] = json!({"from": "high"});
        document["approvals"]["approvers"] = json!(["jane.smith", "sam.admin"]);
        document["approvals"]["levels"] = json!(["security_team"]);
        document["approvals"]["two_approvers"] = json!({"from": "critical"});
        document["approvals"]["delegates"] = json!({"john.doe": "sam.admin"});
    });
    use Level::Warning;
    are(
        &found,
        &[
            (Warning, "approvals.security_decides.from", "jane.smith cannot decide"),
            (Warning, "approvals.approvers", "no level asks"),
            (Warning, "approvals.security_team", "one is left"),
            (Warning, "approvals.delegates", "john.doe, who decides nothing"),
        ],
    );
}

#[test]
fn those_who_are_named_must_work_here() {
    let mut document = shipped();
    document["roles"] = json!({});
    document["systems"]["okta"]["owner"] = "sam.amdin".into();
    document["systems"]["figma"]["owner"] = "le.ft".into();
    document["approvals"]["approvers"] = json!(["ro.bot"]);
    document["protected"] = json!(["break.glass"]);
    rule(&mut document, "People named no.body have vpn.");
    let sam = person("sam.admin", "security_engineer", "Security");
    let people = [
        sam.clone(),
        Person { username: "taylor.admin".parse().unwrap(), ..sam.clone() },
        Person { username: "harper.hr".parse().unwrap(), ..sam.clone() },
        Person { username: "le.ft".parse().unwrap(), status: PersonStatus::Left, ..sam.clone() },
        Person { username: "ro.bot".parse().unwrap(), employment: EmploymentType::Service, ..sam },
    ];
    let found = remarks(&document, "prod", Some(Known { people: &people, all: false }));
    use Level::{Error, Warning};
    let last = format!("routing, rule {}", document["routing"].as_array().unwrap().len());
    are(
        &found,
        &[
            (Error, "systems.okta.owner", "sam.amdin is not among"),
            (Error, "systems.figma.owner", "le.ft does not work here"),
            (Error, "approvals.approvers", "ro.bot is a service account"),
            (Warning, "protected", "break.glass"),
            (Error, &last, "no.body"),
        ],
    );
}

#[test]
fn whom_exemptions_and_the_canary_name_must_be_known() {
    let sam = person("sam.admin", "security_engineer", "Security");
    let people = [
        sam.clone(),
        Person { username: "taylor.admin".parse().unwrap(), ..sam.clone() },
        Person { username: "harper.hr".parse().unwrap(), ..sam.clone() },
        Person { username: "le.ft".parse().unwrap(), status: PersonStatus::Left, ..sam.clone() },
        Person { username: "ca.nary".parse().unwrap(), employment: EmploymentType::Service, ..sam },
    ];
    let of = |canary: &str| {
        let mut document = shipped();
        document["roles"] = json!({});
        let exempt =
            |name: &str| json!({"username": name, "reason": "parental leave", "until": "2026-12-31"});
        document["inactivity"]["exempt"] = json!([exempt("on.leav"), exempt("le.ft")]);
        document["canary"] = document["environments"]["local"]["canary"].clone();
        document["canary"]["person"] = canary.into();
        remarks(&document, "prod", Some(Known { people: &people, all: false }))
    };
    use Level::{Error, Warning};
    let exempt = (Error, "inactivity.exempt", "it exempts nobody: on.leav");
    are(&of("ca.nary"), &[exempt]);
    are(&of("ca.narry"), &[exempt, (Warning, "canary.person", "ca.narry is not among the people")]);
    are(&of("sam.admin"), &[exempt, (Error, "canary.person", "sam.admin is no service account")]);
}

#[test]
fn everybody_shows_which_sentences_and_profiles_are_about_nobody() {
    let mut document = shipped();
    document["routing"] = json!([
        "Everybody has aws_iam, active_directory, badge, benefits, bitwarden, custom_crm, custom_sessions and custom_wiki.",
        "Everybody has equipment, figma, github, google_workspace, hris, linear, microsoft_365, notion and okta.",
        "Everybody has onepassword, payroll, postgresql, sharepoint, slack and vpn.",
        "People in Sales have salesforce.",
        "People in Facilities have facilities_keys.",
    ]);
    document["roles"] = json!({"engineer": {"okta": [], "salesforce": []}, "pilot": {"okta": []}});
    let people = [
        person("sam.admin", "security_engineer", "Security"),
        person("taylor.admin", "Engineer", "Engineering"),
        person("harper.hr", "engineer", "Sales"),
    ];
    let found = remarks(&document, "prod", Some(Known { people: &people, all: true }));
    use Level::{Error, Warning};
    are(
        &found,
        &[
            (Warning, "batch.first.departments", "nobody is in Infrastructure today"),
            (Warning, "batch.first.roles", "nobody has the role platform_engineer today"),
            (Warning, "routing, rule 5", "about nobody today"),
            (Warning, "roles.pilot", "nobody has this role"),
            (Warning, "roles", "`security_engineer` has no profile"),
            (Error, "roles.Engineer", "it needs salesforce, and no rule leads there for taylor.admin"),
        ],
    );
}
