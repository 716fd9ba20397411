//! Least privilege: what a role may not do is refused, and what it may do is used.

use crate::house::House;
use serde_json::{Value, json};
use serde_norway::Value as Yaml;
use std::{collections::BTreeSet, sync::Arc};

/// The data-plane actions that the emulator records under their own names. A transaction is allowed by what it holds.
pub(crate) const ACTIONS: &[&str] = &[
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "TransactWriteItems",
    "GetSecretValue",
    "StartExecution",
    "DescribeExecution",
];

/// Invokes a function and gives its answer.
pub(crate) async fn invoke(house: &House, function: &str, payload: &Value) -> Value {
    let url = format!("{}/2015-03-31/functions/{function}/invocations", house.local.endpoint_url);
    let request = house.http.post(url).header("authorization", root("lambda")).json(payload);
    let (status, _, answer) = house.raw(request).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The state transitions of a case's execution, as AWS bills them: each state entered, each task of a Map's items.
pub(crate) async fn transitions(house: &House, case: &str) -> usize {
    let arn = house.local.state_machine_arn.replace(":stateMachine:", ":execution:");
    let body = json!({"executionArn": format!("{arn}:{case}"), "maxResults": 1000});
    let history =
        house.aws.json("states", "AWSStepFunctions.GetExecutionHistory", &body).await.expect("a history");
    let counts = |event: &&Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        kind == "TaskScheduled" || (kind.ends_with("StateEntered") && kind != "TaskStateEntered")
    };
    history["events"].as_array().expect("events").iter().filter(counts).count()
}

/// The suite as a whole shows that no role lacks what it needs: everything in it ran with the roles enforced. This shows
/// that they are: with the credentials of an adapter's role its own secret can be read, and another system's cannot.
pub(crate) async fn a_function_may_not_read_anothers_secret(house: Arc<House>) {
    let role = role_of(&house, "leaver-local-adapter-okta").await;
    assert_ne!(role, role_of(&house, "leaver-local-adapter-slack").await, "two systems share a role");
    let secrets = leaver_platform::Secrets::new(&acting_as(&house, "leaver-local-adapter-okta").await);
    assert!(secrets.read("leaver/local/systems/okta").await.is_ok(), "its own secret");
    for other in ["leaver/local/systems/slack", "leaver/local/hris"] {
        let refused = secrets.read(other).await.expect_err(other).to_string();
        assert!(refused.contains("AccessDenied"), "{other}: {refused}");
    }
}

/// With the credentials of a function's role, as the function itself has them.
pub(crate) async fn acting_as(house: &House, function: &str) -> leaver_platform::Aws {
    let role = role_of(house, function).await;
    let form = [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", role.as_str()),
        ("RoleSessionName", "suite"),
    ];
    let request = house.http.post(&house.local.endpoint_url).header("authorization", root("sts")).form(&form);
    let (status, _, answer) = house.raw(request).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer.as_str().expect("XML").to_owned();
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).expect(name);
        rest.split('<').next().map(str::to_owned)
    };
    let endpoint = house.local.endpoint_url.clone();
    let aws = leaver_platform::Aws::from_environment(&|name| match name {
        "AWS_ACCESS_KEY_ID" => part("AccessKeyId"),
        "AWS_SECRET_ACCESS_KEY" => part("SecretAccessKey"),
        "AWS_SESSION_TOKEN" => part("SessionToken"),
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        _ => None,
    });
    aws.expect("a connection")
}

/// What the emulator takes for all rights.
pub(crate) fn root(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

async fn role_of(house: &House, function: &str) -> String {
    let url = format!("{}/2015-03-31/functions/{function}", house.local.endpoint_url);
    let (_, _, found) = house.raw(house.http.get(url).header("authorization", root("lambda"))).await;
    found["Configuration"]["Role"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned()
}

/// Each role's actions on tables, secrets and the state machine, against what the functions were seen to call during
/// all of the above. A permission that nothing used is reported by name.
pub(crate) async fn no_role_has_a_permission_that_nothing_used(house: Arc<House>) {
    house.after().await;
    let used: Vec<BTreeSet<String>> = {
        let seen = house.used.lock().expect("not poisoned");
        seen.iter()
            .filter(|(key, _)| key.starts_with("ASIA"))
            .map(|(_, names)| as_permissions(names))
            .collect()
    };
    assert!(used.len() >= 12, "only {} functions were seen", used.len());
    let text = std::fs::read_to_string(leaver_cli::local::repository().join("infra/template.yaml"))
        .expect("the template");
    let template: Yaml = serde_norway::from_str(&text).expect("YAML");
    for (name, resource) in template["Resources"].as_mapping().expect("resources") {
        let name = name.as_str().expect("a name");
        if resource["Type"] != "AWS::IAM::Role" || name == "StateMachineRole" {
            continue;
        }
        let granted = granted(resource);
        if granted.is_empty() {
            continue;
        }
        let nearest = used.iter().min_by_key(|one| one.symmetric_difference(&granted).count());
        let spare: Vec<&String> = granted.difference(nearest.expect("functions")).collect();
        let fits = used.iter().any(|one| granted.is_subset(one) && one.is_subset(&granted));
        assert!(fits, "{name} is allowed {granted:?}; nothing used {spare:?}; seen: {used:?}");
    }
}

/// A transaction of puts needs the permission to put.
fn as_permissions(names: &BTreeSet<String>) -> BTreeSet<String> {
    let one = |name: &String| if name == "TransactWriteItems" { "PutItem".to_owned() } else { name.clone() };
    names.iter().map(one).collect()
}

fn granted(role: &Yaml) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for policy in role["Properties"]["Policies"].as_sequence().into_iter().flatten() {
        for statement in policy["PolicyDocument"]["Statement"].as_sequence().into_iter().flatten() {
            let actions: Vec<&str> = match &statement["Action"] {
                Yaml::Sequence(many) => many.iter().filter_map(Yaml::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            let ours = actions.iter().filter_map(|action| action.split_once(':'));
            let ours = ours.filter(|(_, name)| ACTIONS.contains(name)).map(|(_, name)| name.to_owned());
            all.extend(ours);
        }
    }
    all
}
