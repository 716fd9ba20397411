//! Arrows point down only: functions, cli -> adapters, platform -> domain.

use crate::{read, root};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// Each crate of the workspace and those of the workspace that it depends on, tests and build scripts aside.
fn arrows() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |package: &Value| {
        let needs = package["dependencies"].as_array().expect("a list").iter();
        let needs = needs.filter(|need| need["kind"].is_null()).filter_map(|need| need["name"].as_str());
        let ours = needs.filter(|name| name.starts_with("leaver-")).map(str::to_owned).collect();
        (package["name"].as_str().expect("a name").to_owned(), ours)
    };
    metadata["packages"].as_array().expect("a list").iter().map(of).collect()
}

#[test]
fn arrows_point_down_only() {
    let arrows = arrows();
    let needs = |name: &str| arrows[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(needs("leaver-domain"), [""; 0]);
    assert_eq!(needs("leaver-adapters"), ["leaver-domain"]);
    assert_eq!(needs("leaver-platform"), ["leaver-domain"]);
    assert_eq!(needs("leaver-evidence"), ["leaver-domain"]);
    assert_eq!(needs("leaver-export"), ["leaver-domain", "leaver-evidence"]);
    for function in
        ["webhook", "plan", "close", "ledger", "publish", "sweep", "population", "signals", "canary", "api"]
    {
        assert_eq!(needs(&format!("leaver-{function}")), ["leaver-domain"], "{function}");
    }
    for function in ["adapter", "reconcile"] {
        assert_eq!(needs(&format!("leaver-{function}")), ["leaver-adapters", "leaver-domain"], "{function}");
    }
    for (name, needs) in &arrows {
        let is_top = ["leaver-bootstrap", "leaver-cli", "leaver-tests"].contains(&name.as_str());
        assert!(is_top || !needs.contains(&"leaver-platform".to_owned()), "{name} names the platform");
        let may_sandbox = ["leaver-cli", "leaver-conformance", "leaver-tests"].contains(&name.as_str());
        assert!(may_sandbox || !needs.contains(&"leaver-sandbox".to_owned()), "{name} needs the sandbox");
    }
}

#[test]
fn only_the_platform_names_an_aws_sdk() {
    for line in ["domain", "adapters"] {
        let manifest = read(&format!("shared/{line}/Cargo.toml"));
        assert!(!manifest.contains("aws-sdk") && !manifest.contains("aws-smithy"), "{line}");
    }
    for function in [
        "webhook",
        "plan",
        "adapter",
        "close",
        "ledger",
        "publish",
        "sweep",
        "population",
        "contracts",
        "reconcile",
        "canary",
        "export",
        "signals",
        "api",
        "bootstrap",
    ] {
        assert!(!read(&format!("functions/{function}/Cargo.toml")).contains("aws-sdk"), "{function}");
    }
}

/// The slow TLS provider and the second HTTP stack cost half a second at start-up.
#[test]
fn what_is_deployed_links_neither_the_slow_tls_nor_two_http_stacks() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "leaver-bootstrap", "--edges", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .expect("cargo tree");
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(tree.contains("ring v"), "{tree}");
    for unwanted in ["aws-lc-", "openssl-sys", "hyper v0.14", "h2 v0.3", "serde_norway"] {
        assert!(!tree.contains(unwanted), "the artefact links {unwanted}");
    }
}
