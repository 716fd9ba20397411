//! statemachine.json against the faults of the code, the registry and the template.

use crate::read;
use leaver_adapters::SPECS;
use leaver_domain::fault::FaultKind;
use serde_json::Value;
use std::collections::BTreeSet;

fn machine() -> Value {
    serde_json::from_str(&read("statemachine.json")).expect("JSON")
}

/// Every object under a key, wherever it stands.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            if name == key {
                found.push(field);
            }
            all(field, key, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

fn errors(machine: &Value, key: &str) -> BTreeSet<String> {
    let mut blocks = Vec::new();
    all(machine, key, &mut blocks);
    let mut names = Vec::new();
    blocks.iter().for_each(|block| all(block, "ErrorEquals", &mut names));
    names
        .iter()
        .flat_map(|list| list.as_array().expect("a list"))
        .map(|n| n.as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn retries_name_exactly_the_faults_that_can_be_retried() {
    let known = |name: &str| FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
    let named = errors(&machine(), "Retry");
    let ours: BTreeSet<&str> = named.iter().map(String::as_str).filter(|n| known(n).is_some()).collect();
    let retryable = FaultKind::ALL.into_iter().filter(|kind| kind.is_retryable());
    assert_eq!(ours, retryable.map(FaultKind::name).collect());
    for name in named.iter().filter(|name| known(name).is_none()) {
        let aws =
            ["States.", "Lambda.", "Sandbox.", "Runtime."].iter().any(|prefix| name.starts_with(prefix));
        assert!(aws, "{name} is no fault of leaver and no error of AWS");
    }
}

/// In an inline Map one failing item ends all: each item catches everything itself.
#[test]
fn every_map_item_catches_everything_and_states_all_stands_alone() {
    let machine = machine();
    let mut maps = Vec::new();
    all(&machine, "ItemProcessor", &mut maps);
    assert_eq!(maps.len(), 3);
    for map in maps {
        for (name, state) in map["States"].as_object().expect("states") {
            if state["Type"] == "Task" {
                let last = state["Catch"].as_array().and_then(|catches| catches.last());
                let last = last.expect("it catches what fails");
                assert_eq!(last["ErrorEquals"], serde_json::json!(["States.ALL"]), "{name}");
            }
        }
    }
    let mut lists = Vec::new();
    all(&machine, "ErrorEquals", &mut lists);
    for list in lists {
        let list = list.as_array().expect("a list");
        assert!(list.len() == 1 || !list.iter().any(|name| name == "States.ALL"), "States.ALL among others");
    }
}

#[test]
fn every_retry_and_every_task_has_an_end() {
    let machine = machine();
    let mut retries = Vec::new();
    all(&machine, "Retry", &mut retries);
    for retry in retries.iter().flat_map(|retry| retry.as_array().expect("a list")) {
        // Plan and Close talk to leaver's own tables only: they outlast an hour without them, so that no case is lost.
        let tries = retry["MaxAttempts"].as_u64().expect("a number");
        assert!(tries <= 6 || tries == 60);
        assert!(retry["MaxDelaySeconds"].as_u64().expect("a number") <= 60);
        assert_eq!(retry["JitterStrategy"], "FULL");
    }
    let mut tasks = Vec::new();
    all(&machine, "States", &mut tasks);
    for (name, state) in tasks.iter().flat_map(|states| states.as_object().expect("states")) {
        assert!(state["Type"] != "Task" || state["TimeoutSeconds"].is_u64(), "{name} may run for ever");
    }
}

#[test]
fn the_machine_names_no_system() {
    let text = read("statemachine.json");
    for spec in SPECS {
        assert!(!text.contains(spec.id), "{}", spec.id);
    }
}

#[test]
fn every_substitution_is_given_and_used() {
    let text = read("statemachine.json");
    let used: BTreeSet<&str> =
        text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
    let template = read("infra/template.yaml");
    let (_, rest) = template.split_once("DefinitionSubstitutions:\n").expect("substitutions");
    let given: BTreeSet<&str> = rest
        .lines()
        .take_while(|line| line.starts_with("        "))
        .filter_map(|line| line.trim().split_once(':').map(|(name, _)| name))
        .collect();
    assert_eq!(used, given);
}

/// Where a state leads to, by whatever way.
fn leads_to(state: &Value) -> BTreeSet<String> {
    let mut found = Vec::new();
    for key in ["Next", "Default"] {
        all(state, key, &mut found);
    }
    found.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a token, a timeout or an error leads to is the gate, which reads what was decided. Nothing but its "approved" leads to
/// the step that writes.
#[test]
fn nothing_but_an_approval_that_the_gate_has_read_leads_to_a_write() {
    let machine = machine();
    let decide = &machine["States"]["Finish"]["Branches"][1]["States"]["Decide"]["ItemProcessor"]["States"];
    let states = decide.as_object().expect("states");
    let to = |name: &str| leads_to(&states[name]).into_iter().collect::<Vec<_>>();
    assert_eq!(to("Gate"), ["Decided", "Pause"]);
    assert_eq!(to("Ask"), ["Gate", "Pause"], "also where its token times out");
    assert_eq!(to("Pause"), ["Gate"]);
    assert_eq!(to("Decided"), ["Apply", "Ask", "HandOver"]);
    assert_eq!(to("Route"), ["Done", "Gate", "HandOver", "Settle"]);
    assert_eq!(to("Apply"), ["HandOver", "Route"], "what comes back with another plan is asked about again");
    assert_eq!(to("ReadAgain"), ["Done", "HandOver"]);
    assert_eq!(to("HandOver"), ["Done"]);
    let before: Vec<&String> =
        states.iter().filter(|(_, state)| leads_to(state).contains("Apply")).map(|(name, _)| name).collect();
    assert_eq!(before, ["Decided"]);
    let choices = states["Decided"]["Choices"].as_array().expect("choices");
    let approved: Vec<&Value> = choices.iter().filter(|choice| choice["Next"] == "Apply").collect();
    assert_eq!(approved.len(), 1);
    assert_eq!(approved[0]["Condition"], "{% $states.input.decision = 'approved' %}");
    assert_eq!(states["Decided"]["Default"], "HandOver");
    assert_eq!(states["Apply"]["Arguments"]["Payload"]["step"], "run");
}
