//! What sentences mean, what is refused, and which of them count.

use super::*;
use proptest::prelude::*;

fn person(changes: serde_json::Value) -> Person {
    let mut fields = serde_json::json!({
        "username": "john.doe", "employee_id": "E1", "email": "j@example.com", "name": "J", "role": "engineer",
        "employment": "employee", "department": "Engineering", "location": "Berlin", "status": "active",
    });
    for (name, value) in changes.as_object().unwrap() {
        fields[name] = value.clone();
    }
    serde_json::from_value(fields).unwrap()
}

fn routing(sentences: &[&str]) -> Routing {
    sentences.iter().map(|sentence| (*sentence).to_owned()).collect::<Vec<_>>().try_into().unwrap()
}

fn gives(sentences: &[&str], changes: serde_json::Value, system: &str) -> bool {
    routing(sentences).gives(&person(changes), &system.parse().unwrap())
}

fn refused(sentence: &str) -> String {
    sentence.parse::<Rule>().unwrap_err().to_string()
}

#[test]
fn sentences_are_about_whom_they_name() {
    let who = |sentence: &str, changes: serde_json::Value| gives(&[sentence], changes, "okta");
    let none = serde_json::json!({});
    assert!(who("Everybody has okta, slack and github.", none.clone()));
    assert!(who("everybody has slack, github, and okta", none.clone()));
    assert!(!who("Everybody has slack.", none.clone()));
    assert!(who("Employees have okta.", none.clone()));
    assert!(!who("Contractors have okta.", none.clone()));
    assert!(who("Contractors have okta.", serde_json::json!({"employment": "contractor"})));
    assert!(who("Service accounts have okta.", serde_json::json!({"employment": "service"})));
    assert!(who("People in field  sales or ENGINEERING have okta.", none.clone()));
    assert!(!who("People in Field Sales or Legal have okta.", none.clone()));
    assert!(who("People in Engineering and based in Berlin have okta.", none.clone()));
    assert!(who("People in Engineering based in Berlin have okta.", none.clone()));
    assert!(!who("People in Engineering based in Lisbon have okta.", none.clone()));
    assert!(!who("Employees with clearance secret have okta.", none.clone()));
    assert!(who("Employees with clearance secret have okta.", serde_json::json!({"clearance": "Secret"})));
    assert!(who("People working as engineer or analyst have okta.", none.clone()));
    assert!(who("People named jane.smith or john.doe have okta.", none.clone()));
    assert!(!who("People named jane.smith have okta.", none.clone()));
    let quoted = "People in \"Research and Development\" or Legal have okta.";
    assert!(who(quoted, serde_json::json!({"department": "Research and Development"})));
    assert!(who(quoted, serde_json::json!({"department": "Legal"})));
    assert!(!who(quoted, none));
}

#[test]
fn the_last_sentence_that_speaks_of_a_system_and_is_about_somebody_decides() {
    let rules = [
        "Everybody has okta and payroll.",
        "Contractors have no payroll or badge.",
        "People in Legal have payroll.",
    ];
    let of = |employment: &str, department: &str| {
        gives(&rules, serde_json::json!({"employment": employment, "department": department}), "payroll")
    };
    assert!(of("employee", "Sales"));
    assert!(!of("contractor", "Sales"));
    assert!(of("contractor", "Legal"));
    assert!(
        gives(&rules, serde_json::json!({"employment": "contractor"}), "okta"),
        "the others stay as they were"
    );
    assert!(!gives(&rules, serde_json::json!({}), "badge"), "what no sentence gives is not there");
    let (routing, slack) = (routing(&rules), "payroll".parse().unwrap());
    let decided = routing.decides(&person(serde_json::json!({"employment": "contractor"})), &slack).unwrap();
    assert_eq!((decided.number, decided.rule.sentence()), (2, rules[1]));
}

#[test]
fn what_is_kept_is_said_apart_from_who_has_what() {
    let rules = [
        "Everybody has slack.",
        "For contractors in Legal, google_workspace and slack keep licences, groups and keys.",
    ];
    let routing = routing(&rules);
    let contractor = person(serde_json::json!({"employment": "contractor", "department": "Legal"}));
    let slack = "slack".parse().unwrap();
    use ActionKind::{DisableApiKey, RemoveGroup, RemoveLicence};
    assert_eq!(routing.kept(&contractor, &slack), [DisableApiKey, RemoveGroup, RemoveLicence].into());
    assert!(routing.gives(&contractor, &slack));
    assert!(routing.kept(&person(serde_json::json!({})), &slack).is_empty());
}

#[test]
fn what_is_not_understood_is_named_with_what_could_stand_there() {
    for (sentence, parts) in [
        ("Emploees have okta.", ["“Emploees”", "Employees"]),
        ("Everybody hvae okta.", ["“hvae”", "has"]),
        ("People in have okta.", ["“have”", "department"]),
        ("People in Legal and Audit have okta.", ["“Audit”", "based in"]),
        ("People in Legal, Audit have okta.", ["“,”", "has"]),
        ("Everybody has Okta.", ["“Okta”", "system"]),
        ("Everybody has okta or slack.", ["“or”", "`and`"]),
        ("Everybody has okta and.", ["the sentence ends", "system"]),
        ("Everybody has.", ["the sentence ends", "system"]),
        ("", ["the sentence ends", "Everybody"]),
        ("Everybody has okta slack.", ["“slack”", "`and`"]),
        ("People named \"john doe\" have okta.", ["“john doe”", "username"]),
        ("For contractors google_workspace keeps licences.", ["“google_workspace”", "comma"]),
        ("For contractors, google_workspace keeps accounts.", ["“accounts”", "licences"]),
        ("For contractors, google_workspace.", ["the sentence ends", "keeps"]),
        ("For contractors, okta keeps groups or keys.", ["“or”", "`and`"]),
        ("People in \"Legal have okta.", ["quote", "closed"]),
        ("People in Legal in Sales have okta.", ["never matches", "legal and sales"]),
    ] {
        let said = refused(sentence);
        assert!(parts.iter().all(|part| said.contains(part)), "{sentence}: {said}");
    }
    let long = format!("Everybody has {}.", vec!["okta"; 400].join(" and "));
    assert!(refused(&long).contains("1,000"));
    let both = Routing::try_from(vec!["Nobody.".to_owned(), "Everybody has a.".to_owned(), "No.".to_owned()]);
    let said = both.unwrap_err();
    assert!(said.contains("rule 1") && said.contains("rule 3") && !said.contains("rule 2"), "{said}");
}

#[test]
fn a_rule_that_later_ones_always_override_is_found() {
    let lost = |sentences: &[&str]| -> Vec<(usize, Vec<String>)> {
        let shown = |(number, systems): (usize, BTreeSet<SystemId>)| {
            (number, systems.iter().map(ToString::to_string).collect())
        };
        routing(sentences).overridden().into_iter().map(shown).collect()
    };
    let one =
        |number: usize, systems: &[&str]| vec![(number, systems.iter().map(|id| (*id).to_owned()).collect())];
    assert_eq!(lost(&["People in Legal have okta and slack.", "Everybody has slack."]), one(1, &["slack"]));
    assert_eq!(lost(&["Everybody has slack.", "People in Legal have no slack."]), []);
    assert_eq!(
        lost(&[
            "People in Legal have a.",
            "Employees have no a.",
            "Contractors have no a.",
            "Service accounts have no a."
        ]),
        one(1, &["a"]),
        "together they are about everybody"
    );
    assert_eq!(lost(&["People in Legal have a.", "Employees have no a.", "Contractors have no a."]), []);
    assert_eq!(
        lost(&[
            "Employees in Legal or Audit have a.",
            "People in Legal have no a.",
            "People in Audit or Sales have no a."
        ]),
        one(1, &["a"])
    );
    assert_eq!(
        lost(&["Everybody has a.", "For everybody, a keeps groups."]),
        [],
        "they say different things"
    );
    assert_eq!(
        lost(&["Everybody has a.", "For contractors, a keeps groups.", "For everybody, a keeps nothing."]),
        one(2, &["a"])
    );
}

#[test]
fn a_system_counts_as_reached_only_where_a_sentence_still_gives_it_to_somebody() {
    let reaches = |sentences: &[&str]| routing(sentences).reaches(&"a".parse().unwrap());
    assert!(!reaches(&["Everybody has b."]));
    assert!(reaches(&["People named x.y have a."]));
    assert!(!reaches(&["Employees have a.", "Everybody has no a."]));
    assert!(reaches(&["Everybody has a.", "Employees have no a."]));
}

#[test]
fn a_policy_keeps_its_sentences_as_they_were_written() {
    let sentences = ["Everybody has okta.", "For contractors, okta keeps groups."];
    let written = serde_json::to_value(routing(&sentences)).unwrap();
    assert_eq!(written, serde_json::json!(sentences));
    assert_eq!(serde_json::from_value::<Routing>(written).unwrap(), routing(&sentences));
}

/// Sentences about few attributes and values, so that they meet.
fn sentence() -> impl Strategy<Value = String> {
    let who = proptest::sample::select(&["Everybody", "Employees", "Contractors", "Service accounts"][..]);
    let department = proptest::sample::select(&["", " in A", " in B", " in A or B"][..]);
    let location = proptest::sample::select(&["", " based in X", " based in Y or Z"][..]);
    let says = proptest::sample::select(&[" have s.", " have no s."][..]);
    (who, department, location, says)
        .prop_map(|(who, department, location, says)| format!("{who}{department}{location}{says}"))
}

fn crowd() -> Vec<Person> {
    let mut found = Vec::new();
    for employment in ["employee", "contractor", "service"] {
        for department in ["A", "B", "C"] {
            for location in ["X", "Y", "Z", "W"] {
                found.push(person(serde_json::json!({
                    "employment": employment, "department": department, "location": location,
                })));
            }
        }
    }
    found
}

proptest! {
    /// The crowd has somebody of each kind that the sentences can tell apart, so that asking all of them is the answer.
    #[test]
    fn which_rules_count_agrees_with_asking_everybody(sentences in proptest::collection::vec(sentence(), 1..7)) {
        let routing = Routing::try_from(sentences.clone()).unwrap();
        let system: SystemId = "s".parse().unwrap();
        let people = crowd();
        let decide: BTreeSet<usize> =
            people.iter().filter_map(|one| routing.decides(one, &system)).map(|placed| placed.number).collect();
        let overridden: BTreeSet<usize> = routing.overridden().into_iter().map(|(number, _)| number).collect();
        for number in 1..=sentences.len() {
            prop_assert_eq!(!decide.contains(&number), overridden.contains(&number), "rule {}", number);
        }
        prop_assert_eq!(routing.reaches(&system), people.iter().any(|one| routing.gives(one, &system)));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,80}") {
        let _ = text.parse::<Rule>();
    }
}
