//! What the checkers must not let through: each flaw, put into an exchange that is right without it.

use crate::{Description, exchange::Exchange, folder, judge, rows::Source};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn exchange(method: &str, path: &str, body: Value, status: u16, answer: Value) -> Exchange {
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    let (method, path) = (method.to_owned(), path.to_owned());
    let media_type = "application/json".to_owned();
    Exchange { method, path, query: BTreeMap::new(), headers, body, status, media_type, answer }
}

/// Words that tell a flaw, and what puts it into an exchange.
type Wrong<'a> = (&'a str, &'a dyn Fn(&mut Exchange));

/// Asserts that an exchange is right, and that each change of it is found and told with these words.
fn found(sources: &[Source], right: &Exchange, wrong: &[Wrong<'_>]) {
    let Some(folder) = folder() else { return };
    let read = |source| Description::read(&folder, source).expect("a description");
    let descriptions: Vec<_> = sources.iter().map(read).collect();
    assert_eq!(judge(&descriptions, right), Vec::<String>::new());
    for (told, change) in wrong {
        let mut changed = right.clone();
        change(&mut changed);
        let lines = judge(&descriptions, &changed);
        assert!(lines.iter().any(|line| line.contains(told)), "{told}: {lines:?}");
    }
}

const OKTA: &[Source] = &[Source::OpenApi("okta-management.json", "")];
const SLACK: &[Source] = &[Source::OpenApi("slack.json", "/api")];
const GRAPH: &[Source] = &[Source::OpenApi("microsoft-graph.json", "/v1.0")];
const AWS: &[Source] = &[Source::Aws("aws-iam.service-2.json"), Source::Aws("aws-cloudtrail.service-2.json")];
const LINEAR: &[Source] = &[Source::GraphQl("linear.graphql")];
const SCIM: &[Source] = &[Source::Scim("/scim/v2")];

#[test]
fn openapi_requests() {
    let right = exchange(
        "PUT",
        "/api/v1/users/00u1/risk",
        json!({"riskLevel": "HIGH"}),
        200,
        json!({"riskLevel": "HIGH"}),
    );
    found(
        OKTA,
        &right,
        &[
            ("other methods only", &|one| one.method = "POST".into()),
            ("no description has this operation", &|one| one.path = "/api/v1/users/00u1/risks".into()),
            ("\"riskLevel\" is a required property", &|one| one.body = json!({})),
            ("body/riskLevels is not described", &|one| one.body["riskLevels"] = "HIGH".into()),
            ("body/riskLevel", &|one| one.body["riskLevel"] = "ENORMOUS".into()),
            ("body/riskLevel", &|one| one.body["riskLevel"] = json!(7)),
            ("the body is missing", &|one| one.body = Value::Null),
            ("a body of type text/plain", &|one| {
                one.headers.insert("content-type".into(), "text/plain; charset=utf-8".into());
            }),
            ("query parameter force is not described", &|one| {
                one.query.insert("force".into(), "true".into());
            }),
        ],
    );
    let right = exchange("DELETE", "/api/v1/users/00u1/sessions", Value::Null, 204, Value::Null);
    found(
        OKTA,
        &right,
        &[
            ("parameter oauthTokens: value is not of type \"boolean\"", &|one| {
                one.query.insert("oauthTokens".into(), "banana".into());
            }),
            ("a body is not described", &|one| one.body = json!({})),
        ],
    );
}

#[test]
fn openapi_answers() {
    let group = json!([{"id": "00g1", "type": "OKTA_GROUP", "profile": {"name": "Wiki"}}]);
    let right = exchange("GET", "/api/v1/users/00u1/groups", Value::Null, 200, group);
    found(
        OKTA,
        &right,
        &[
            ("status 206 is not described", &|one| one.status = 206),
            ("value is not of type \"array\"", &|one| one.answer = json!({})),
            ("/*/id: value is not of type \"string\"", &|one| one.answer[0]["id"] = json!(7)),
            ("/*/type", &|one| one.answer[0]["type"] = "GROUP".into()),
            ("/*/kind is not described", &|one| one.answer[0]["kind"] = "GROUP".into()),
            ("the body is missing", &|one| one.answer = Value::Null),
            ("an answer of type text/html", &|one| one.media_type = "text/html".into()),
        ],
    );
    let right = exchange("PATCH", "/v1.0/users/7", json!({"accountEnabled": false}), 204, Value::Null);
    found(
        GRAPH,
        &right,
        &[
            ("body/accountEnabled", &|one| one.body["accountEnabled"] = "no".into()),
            ("body/acountEnabled is not described", &|one| one.body["acountEnabled"] = false.into()),
        ],
    );
}

#[test]
fn slack_refuses_with_200() {
    let mut right = exchange(
        "GET",
        "/api/users.lookupByEmail",
        Value::Null,
        200,
        json!({"ok": false, "error": "users_not_found"}),
    );
    right.query.insert("email".into(), "a@example.com".into());
    found(
        SLACK,
        &right,
        &[
            ("query parameter email is missing", &|one| one.query.clear()),
            ("\"user\" is a required property", &|one| one.answer = json!({"ok": true})),
            ("answer 200", &|one| one.answer = json!({"ok": false, "error": "no_such_code"})),
        ],
    );
}

fn aws(form: Value, answer: &str) -> Exchange {
    let mut one = exchange("POST", "/", form, 200, answer.into());
    one.media_type = "text/xml".into();
    one
}

#[test]
fn the_query_protocol_of_aws() {
    let listed = "<ListAccessKeysResponse><ListAccessKeysResult><IsTruncated>false</IsTruncated><AccessKeyMetadata><member>\
                  <UserName>a</UserName><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><Status>Active</Status></member>\
                  </AccessKeyMetadata></ListAccessKeysResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
                  </ListAccessKeysResponse>";
    let form =
        json!({"Action": "ListAccessKeys", "Version": "2010-05-08", "UserName": "a", "MaxItems": "100"});
    let swap = |from: &'static str, to: &'static str| {
        move |one: &mut Exchange| one.answer = one.answer.as_str().expect("a text").replace(from, to).into()
    };
    found(
        AWS,
        &aws(form, listed),
        &[
            ("parameter Marked is not described", &|one| one.body["Marked"] = "x".into()),
            ("MaxItems is not of type", &|one| one.body["MaxItems"] = "many".into()),
            ("no such operation", &|one| one.body["Action"] = "ListKeys".into()),
            ("no description has this operation", &|one| one.body["Version"] = "2011-01-01".into()),
            ("/Status is not one", &swap("Active", "Alive")),
            ("/IsTruncated is not of type", &swap("false", "no")),
            ("/AccessKeyMetadata is missing", &swap("AccessKeyMetadata", "Keys")),
            ("/Keys is not described", &swap("AccessKeyMetadata", "Keys")),
            ("has an entry that is no member", &swap("member>", "entry>")),
            ("has no result", &swap("ListAccessKeysResult", "Result")),
        ],
    );
    let form = json!({"Action": "UpdateAccessKey", "Version": "2010-05-08", "UserName": "a",
                      "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"});
    let done = "<UpdateAccessKeyResponse><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></UpdateAccessKeyResponse>";
    let refusal = "<ErrorResponse><Error><Code>NoSuchKey</Code></Error></ErrorResponse>";
    found(
        AWS,
        &aws(form, done),
        &[
            ("parameter Status is missing", &|one| {
                one.body.as_object_mut().expect("a form").remove("Status");
            }),
            ("Status is not one", &|one| one.body["Status"] = "Off".into()),
            ("NoSuchKey is not described", &|one| {
                one.status = 404;
                one.answer = refusal.into();
            }),
        ],
    );
}

#[test]
fn the_json_protocol_of_aws() {
    let body =
        json!({"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "a"}], "MaxResults": 50});
    let mut right =
        exchange("POST", "/cloudtrail", body, 200, json!({"Events": [{"EventId": "1", "EventTime": 1.5}]}));
    let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
    right.headers.insert("x-amz-target".into(), target.into());
    right.headers.insert("content-type".into(), "application/x-amz-json-1.1".into());
    found(
        AWS,
        &right,
        &[
            ("body/LookupAttributes/*/AttributeValue is missing", &|one| {
                one.body["LookupAttributes"] = json!([{"AttributeKey": "Username"}]);
            }),
            ("body/LookupAttributes/*/AttributeKey is not one", &|one| {
                one.body["LookupAttributes"][0]["AttributeKey"] = "User".into();
            }),
            ("body/Since is not described", &|one| one.body["Since"] = 7.into()),
            ("/EventTime is not of type", &|one| one.answer["Events"][0]["EventTime"] = "now".into()),
            ("the body's type", &|one| {
                one.headers.insert("content-type".into(), "application/json".into());
            }),
        ],
    );
}

#[test]
fn graphql() {
    let query =
        "query($email:String!){users(filter:{email:{eq:$email}},includeDisabled:true){nodes{id active}}}";
    let body = json!({"query": query, "variables": {"email": "a@example.com"}});
    let answer = json!({"data": {"users": {"nodes": [{"id": "u1", "active": true}]}}});
    let right = exchange("POST", "/graphql", body, 200, answer);
    let other = |from: &'static str, to: &'static str| {
        move |one: &mut Exchange| one.body["query"] = query.replace(from, to).into()
    };
    found(
        LINEAR,
        &right,
        &[
            ("alive", &other("active", "alive")),
            ("filters", &other("filter:", "filters:")),
            ("email", &|one| one.body["variables"] = json!({})),
            ("variable more is not declared", &|one| one.body["variables"]["more"] = 7.into()),
            ("/active is null", &|one| one.answer["data"]["users"]["nodes"][0]["active"] = Value::Null),
            ("/active is no Boolean", &|one| {
                one.answer["data"]["users"]["nodes"][0]["active"] = "yes".into()
            }),
            ("/more was not asked for", &|one| one.answer["data"]["users"]["more"] = 7.into()),
            ("/active is missing", &|one| one.answer["data"]["users"]["nodes"][0] = json!({"id": "u1"})),
            ("neither data nor errors", &|one| one.answer = json!({})),
        ],
    );
}

#[test]
fn scim() {
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                      "Operations": [{"op": "replace", "path": "active", "value": false}]});
    let answer = json!({"schemas": [user], "id": "1", "userName": "a", "active": false});
    let right = exchange("PATCH", "/scim/v2/Users/1", body, 200, answer);
    found(
        SCIM,
        &right,
        &[
            ("SCIM has no such operation", &|one| one.method = "POST".into()),
            ("does not name PatchOp", &|one| one.body["schemas"] = json!([])),
            ("no operation of RFC 7644", &|one| one.body["Operations"][0]["op"] = "set".into()),
            ("/userName is missing", &|one| one.answer = json!({"schemas": [user], "id": "1"})),
            ("/active is of another type", &|one| one.answer["active"] = "no".into()),
            ("/alive is not described", &|one| one.answer["alive"] = false.into()),
            ("/id is missing", &|one| one.answer["id"] = Value::Null),
            ("no Error", &|one| one.status = 400),
        ],
    );
}

/// A reason is asked for once: an entry that explains nothing is told by the suite itself.
#[test]
fn reasons_are_for_one_line() {
    let one = crate::known::Known { row: "okta", line: "GET /users/{}: query parameter a is", why: "" };
    assert!(one.explains("GET /users/7: query parameter a is not described"));
    assert!(!one.explains("GET /users/7: query parameter b is not described"));
    assert!(!one.explains("PUT /users/7: query parameter a is not described"));
    assert!(!one.explains("GET /users/7 x: query parameter a is not described"));
}
