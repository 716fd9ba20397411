//! The OpenAPI document, the template's routes, and what the API answers.

use crate::{read, root, template::template};
use leaver_api::openapi::document;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_kept_document_is_what_the_code_says() {
    let text = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(root().join("infra/openapi.json"), &text).expect("written");
    }
    assert!(read("infra/openapi.json") == text, "drifted: BLESS=1 cargo test -p leaver-tests --test wiring");
}

#[test]
fn it_describes_every_route_of_the_template_and_no_other() {
    let described: BTreeSet<String> = document()["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
        })
        .collect();
    let routes = template();
    let deployed: BTreeSet<String> = routes["Resources"]
        .as_mapping()
        .expect("resources")
        .values()
        .filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Route")
        .map(|route| route["Properties"]["RouteKey"].as_str().expect("a key").replace("{path+}", "{path}"))
        .collect();
    assert_eq!(described, deployed);
}

/// A route without a token in the template is one without in the document, and the other way round.
#[test]
fn it_asks_for_a_token_where_the_template_does() {
    let (document, routes) = (document(), template());
    for route in routes["Resources"].as_mapping().expect("resources").values() {
        if route["Type"] != "AWS::ApiGatewayV2::Route" {
            continue;
        }
        let properties = &route["Properties"];
        let key = properties["RouteKey"].as_str().expect("a key").replace("{path+}", "{path}");
        let (method, path) = key.split_once(' ').expect("a method");
        let security = &document["paths"][path][method.to_lowercase()]["security"];
        let asks = security[0]["token"].is_array();
        assert_eq!(asks, properties["AuthorizationType"] == "JWT", "{key}: {security}");
    }
}

/// Every reference leads somewhere.
#[test]
fn it_refers_to_nothing_that_is_not_there() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
                ("$ref", Value::String(to)) => found.push(to.clone()),
                _ => references(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for to in found {
        assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
    }
}
