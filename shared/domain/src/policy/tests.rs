//! What is refused, and what the sentences and profiles of a policy lead to.

use super::*;

fn default_document() -> Value {
    serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap()
}

#[test]
fn the_shipped_policy_is_good_in_every_environment() {
    let delay = |environment| {
        Policy::parse(default_document(), environment).unwrap().timing.verification_delay_seconds
    };
    assert_eq!(delay("prod"), 60);
    assert_eq!(delay("staging"), 60);
    assert_eq!(delay("local"), 5);
}

#[test]
fn a_digest_covers_every_setting_in_force() {
    let policy = |environment| Policy::parse(default_document(), environment).unwrap();
    assert_eq!(policy("prod").digest(), policy("staging").digest());
    assert_ne!(policy("prod").digest(), policy("local").digest());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refuse = |pointer: &str, value: Value| {
        let mut document = default_document();
        *document.pointer_mut(pointer).unwrap() = value;
        Policy::parse(document, "prod").unwrap_err().to_string()
    };
    assert!(refuse("/systems", serde_json::json!({})).contains("systems"));
    assert!(refuse("/actions/disable_account", false.into()).contains("disable_account"));
    assert!(refuse("/timing/verification_delay_seconds", 0.into()).contains("verification_delay"));
    assert!(refuse("/timing", serde_json::json!({"verification_dellay": 1})).contains("verification_dellay"));
    assert!(refuse("/version", 2.into()).contains("version"));
    assert!(refuse("/brake/max_people", 0.into()).contains("brake.max_people"));
    assert!(refuse("/brake/window_seconds", 1.into()).contains("brake.window_seconds"));
}

#[test]
fn what_is_done_by_hand_says_how_and_for_whom() {
    let with = |manual: Value| {
        let mut document = default_document();
        document["systems"]["keys"] = serde_json::json!({"owner": "sam.admin", "manual": manual});
        document["routing"].as_array_mut().unwrap().push("People in Facilities have keys.".into());
        Policy::parse(document, "prod")
    };
    for (manual, why) in [
        (serde_json::json!({"instructions": " ", "due_seconds": 60}), "instructions"),
        (serde_json::json!({"instructions": "a\u{202e}b", "due_seconds": 60}), "instructions"),
        (serde_json::json!({"instructions": "Collect them.", "due_seconds": 1}), "due_seconds"),
        (serde_json::json!({"instructions": "Collect them.", "due_seconds": 60, "onyl": {}}), "onyl"),
        (serde_json::json!({"instructions": "Collect them."}), "due_seconds"),
    ] {
        let refused = with(manual).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let policy = with(serde_json::json!({"instructions": "Collect.", "due_seconds": 60})).unwrap();
    let given = |department: &str, partial: bool| {
        let systems = policy.systems_of(&person("fran.keys", "Facilities", department), partial);
        systems.iter().any(|system| system.as_str() == "keys")
    };
    assert!(given("Facilities", false));
    assert!(!given("Facilities", true), "a partial case takes grants by name");
    assert!(!given("Sales", false));
}

fn person(username: &str, role: &str, department: &str) -> Person {
    serde_json::from_value(serde_json::json!({
        "username": username, "employee_id": "E1", "email": "f@example.com", "name": "F", "role": role,
        "employment": "employee", "department": department, "status": "active",
    }))
    .unwrap()
}

/// The shipped policy with other sentences and profiles.
fn changed(routing: &[&str], roles: Value) -> Result<Policy, BadPolicy> {
    let mut document = default_document();
    let rules = document["routing"].as_array_mut().unwrap();
    rules.extend(routing.iter().map(|rule| Value::from(*rule)));
    document["roles"] = roles;
    Policy::parse(document, "local")
}

#[test]
fn the_shipped_sentences_lead_where_they_always_led() {
    let fourteen = [
        "aws_iam",
        "bitwarden",
        "equipment",
        "figma",
        "github",
        "google_workspace",
        "hris",
        "linear",
        "microsoft_365",
        "notion",
        "okta",
        "onepassword",
        "payroll",
        "slack",
    ];
    let beyond = |department: &str| -> Vec<String> {
        let policy = Policy::parse(default_document(), "prod").unwrap();
        let all = policy.systems_of(&person("p", "r", department), false);
        let all: BTreeSet<&str> = all.iter().map(SystemId::as_str).collect();
        assert!(fourteen.iter().all(|id| all.contains(id)), "{department}");
        all.into_iter().filter(|id| !fourteen.contains(id)).map(str::to_owned).collect()
    };
    assert!(beyond("Engineering").is_empty());
    assert!(beyond("Sales").is_empty());
    assert_eq!(beyond("Infrastructure"), ["active_directory", "postgresql", "vpn"]);
    assert_eq!(beyond("Data"), ["postgresql"]);
    assert_eq!(beyond("Legal"), ["sharepoint"]);
    assert_eq!(beyond("Facilities"), ["facilities_keys"]);
    let field = [
        "active_directory",
        "badge",
        "benefits",
        "custom_crm",
        "custom_sessions",
        "custom_wiki",
        "salesforce",
        "sharepoint",
        "vpn",
    ];
    assert_eq!(beyond("Field Sales"), field);
}

#[test]
fn a_rule_may_speak_of_a_system_that_the_environment_has_not_and_of_no_other() {
    let of = |environment: &str| {
        let policy = Policy::parse(default_document(), environment).unwrap();
        let systems = policy.systems_of(&person("p", "r", "Data"), false);
        systems.iter().any(|id| id.as_str() == "postgresql")
    };
    assert!(of("prod"));
    assert!(!of("local"), "nobody works on what is not there");
    let refused = changed(&["Everybody has gitlab."], serde_json::json!({})).unwrap_err().to_string();
    assert!(refused.contains("gitlab is none of the systems"), "{refused}");
    let refused = changed(&[], serde_json::json!({"engineer": {"gitlab": []}})).unwrap_err().to_string();
    assert!(refused.contains("roles.engineer: gitlab"), "{refused}");
    assert!(changed(&[], serde_json::json!({"engineer": {"postgresql": []}})).is_ok());
}

#[test]
fn a_system_that_no_sentence_leads_to_is_refused() {
    let refused = changed(&["Everybody has no slack."], serde_json::json!({})).unwrap_err().to_string();
    assert!(refused.contains("no rule leads to slack"), "{refused}");
    assert!(changed(&["Everybody has no slack.", "Employees have slack."], serde_json::json!({})).is_ok());
}

#[test]
fn what_a_sentence_keeps_is_left_out_of_what_a_case_may_do() {
    let policy = changed(
        &[
            "For people in Sales, slack and figma keep licences and groups.",
            "For everybody, figma keeps nothing.",
        ],
        serde_json::json!({}),
    )
    .unwrap();
    let gone = |department: &str, system: &str| -> BTreeSet<ActionKind> {
        let scope = policy.scope_in(&person("p", "r", department), &system.parse().unwrap());
        policy.full_scope().kinds.difference(&scope.kinds).copied().collect()
    };
    assert_eq!(gone("Sales", "slack"), [ActionKind::RemoveGroup, ActionKind::RemoveLicence].into());
    assert!(gone("Sales", "figma").is_empty(), "the later sentence decides");
    assert!(gone("Legal", "slack").is_empty());
}

#[test]
fn a_role_has_its_profile_whatever_the_case_of_its_name() {
    let policy = changed(&[], serde_json::json!({"Field  agent": {"okta": ["Wiki"], "github": []}})).unwrap();
    let of = |role: &str| policy.profile(&person("p", role, "Sales")).cloned();
    let okta = "okta".parse().unwrap();
    assert_eq!(of("field agent").unwrap().needs(&okta).unwrap(), &["Wiki".to_owned()].into());
    assert_eq!(of("agent"), None);
    let governed: Vec<String> = policy.governed().iter().map(ToString::to_string).collect();
    assert_eq!(governed, ["github", "okta"]);
}

#[test]
fn witnesses_are_cosigners_each_once_and_enough_for_the_quorum() {
    // Generators of the curve, so that they are good keys.
    let key = |name: &str, first: u8| {
        let mut public = [0x66; 32];
        public[0] = first;
        VerifierKey::cosigner(name, public).map(|key| key.to_string())
    };
    let good: Vec<String> = (0..=255).filter_map(|first| key(&format!("w{first}"), first).ok()).collect();
    let (one, two) = (&good[0], &good[1]);
    let of = |ledger: Value| {
        let mut document = default_document();
        document["ledger"] = ledger;
        Policy::parse(document, "prod").map(|policy| policy.ledger.quorum())
    };
    let witness = |vkey: &str, url: &str| serde_json::json!({"vkey": vkey, "url": url});
    let with = |witnesses: Vec<Value>, quorum: usize| {
        of(serde_json::json!({"retention_days": 1, "witnesses": witnesses, "quorum": quorum}))
    };
    let (a, b) = (witness(one, "https://a.example/w"), witness(two, "http://127.0.0.1:1/w"));
    let quorum = with(vec![a.clone(), b.clone()], 2).unwrap();
    assert_eq!((quorum.witnesses.len(), quorum.needed), (2, 2));
    for (witnesses, quorum) in [
        (vec![a.clone()], 2),
        (vec![a.clone(), a.clone()], 1),
        (vec![witness("w+1+2", "https://a")], 1),
        (vec![witness(one, "http://a.example")], 1),
    ] {
        assert!(with(witnesses, quorum).is_err());
    }
    assert!(of(serde_json::json!({"retention_days": 0})).is_err());
    assert!(of(serde_json::json!({"retention_days": 40_000})).is_err());
}

#[test]
fn an_explanation_names_the_sentence_behind_each_system() {
    let roles = serde_json::json!({"r": {"okta": ["Wiki"]}});
    let policy =
        changed(&["People in Sales have no figma.", "For people in Sales, slack keeps licences."], roles)
            .unwrap();
    let john = Person { manager: Some("sam.admin".parse().unwrap()), ..person("john.doe", "r", "Sales") };
    let explained = explain(&policy, &john, BTreeSet::new());
    let systems: Vec<SystemId> = explained.systems.iter().map(|place| place.system.clone()).collect();
    assert_eq!(systems, policy.systems_of(&john, false), "the same question");
    let place = |id: &str| explained.systems.iter().find(|place| place.system.as_str() == id).unwrap();
    let rules = default_document()["routing"].as_array().unwrap().len();
    assert_eq!(place("okta").rule.as_ref().unwrap().number, 2);
    assert_eq!(place("slack").left_alone, [ActionKind::RemoveLicence].into());
    assert_eq!(place("slack").left_alone_by.as_ref().unwrap().number, rules + 2);
    assert!(place("okta").left_alone.is_empty() && place("okta").left_alone_by.is_none());
    assert_eq!(place("okta").steps, policy.full_scope().kinds);
    let without = |id: &str| explained.without.iter().find(|one| one.system.as_str() == id).unwrap();
    assert_eq!(without("figma").rule.as_ref().unwrap().sentence, "People in Sales have no figma.");
    assert_eq!(without("vpn").rule, None);
    assert_eq!(explained.role.needs.as_ref(), policy.profile(&john));
    let who: Vec<&str> = explained.asked[0].who.iter().map(Username::as_str).collect();
    assert_eq!(who, ["taylor.admin"]);
    assert!(!explained.protected);
    // Whoever is concerned is not asked about themselves.
    let taylor = person("taylor.admin", "r", "Security");
    let about = explain(&policy, &taylor, BTreeSet::new());
    assert!(about.asked.iter().all(|level| !level.who.contains(&taylor.username)));
    let keys = explain(&policy, &person("fran.keys", "r", "Facilities"), BTreeSet::new());
    let keys = keys.systems.iter().find(|place| place.system.as_str() == "facilities_keys").unwrap();
    assert_eq!((keys.how, keys.steps.len()), (How::Manual, 0));
}

/// The block of docs/policy.md that begins with this mark.
fn documented(mark: &str) -> Value {
    let page = include_str!("../../../../docs/policy.md");
    let block = page.split_once(&format!("```yaml {mark}\n")).and_then(|(_, rest)| rest.split_once("\n```"));
    serde_norway::from_str(block.expect(mark).0).unwrap()
}

#[test]
fn what_the_documentation_shows_is_understood_and_does_what_it_says() {
    let mut document = default_document();
    document["roles"] = documented("roles");
    let rules = document["routing"].as_array_mut().unwrap();
    rules.extend(documented("routing").as_array().unwrap().iter().cloned());
    let policy = Policy::parse(document, "prod").unwrap();
    let mut contractor = person("c.d", "account executive", "Legal");
    contractor.employment = crate::person::EmploymentType::Contractor;
    let of = |person: &Person| -> BTreeSet<String> {
        policy.systems_of(person, false).iter().map(ToString::to_string).collect()
    };
    assert!(of(&contractor).contains("salesforce") && !of(&contractor).contains("payroll"));
    let google = "google_workspace".parse().unwrap();
    assert_eq!(policy.routing.kept(&contractor, &google).len(), 3, "the later sentence about Legal");
    let employee = Person {
        clearance: Some("secret".into()),
        location: Some("Berlin".into()),
        ..person("a.b", "r", "Legal")
    };
    assert!(of(&employee).contains("badge") && of(&employee).contains("payroll"));
    assert!(policy.routing.kept(&employee, &google).is_empty());

    use crate::profiles::{Step, difference};
    let role = |name: &str| policy.profile_of(name).unwrap();
    let steps = difference(Some(role("engineer")), role("sales"), &policy.governed());
    let step = |id: &str| &steps[&id.parse::<SystemId>().unwrap()];
    assert!(matches!(step("slack"), Step::Keep { .. }));
    assert_eq!(step("okta").going(), &["Engineering".to_owned()].into());
    assert_eq!(step("okta").missing(), &["Sales".to_owned()].into());
    assert_eq!((step("github"), step("aws_iam")), (&Step::TakeAll, &Step::TakeAll));
    assert!(matches!(step("salesforce"), Step::Give { account: true, .. }));
}
