//! The mapping rules that a stand-in cannot show.

use super::{
    read::{Key, LogEvent, event_of, page_of},
    *,
};
use leaver_domain::{plan::Stage, risk::ActivityKind, secret::Secret};
use serde_json::json;

fn who() -> Person {
    serde_json::from_value(json!({
        "username": "john.doe", "employee_id": "EMP-1", "email": "john.doe@example.com", "name": "John Doe",
        "employment": "employee", "role": "engineer", "department": "Engineering", "status": "active",
    }))
    .unwrap()
}

fn credential(id: &str, kind: CredentialKind, active: bool) -> Credential {
    Credential { id: id.into(), kind, label: id.into(), created_at: None, last_used: None, active }
}

fn found(status: AccountStatus) -> Inventory {
    let account = Account {
        id: "AIDA1".into(),
        login: "john.doe".into(),
        status,
        matched_by: "email".into(),
        privileged: false,
        last_login: None,
        facts: BTreeMap::from([("inline:home".into(), "{}".into())]),
    };
    let mut found = Inventory::of(account, Sessions::Unreadable);
    found.credentials = vec![
        credential("AKIA1", CredentialKind::ApiKey, true),
        credential("AKIA2", CredentialKind::ApiKey, false),
        credential(PASSWORD, CredentialKind::Password, true),
        credential("arn:mfa", CredentialKind::Factor, true),
    ];
    found.grants = vec![
        grant("group:dev".into(), GrantKind::Group, "dev".into(), false),
        grant("arn:admin".into(), GrantKind::Policy, "AdministratorAccess".into(), true),
        grant("inline:home".into(), GrantKind::Policy, "home".into(), false),
    ];
    found
}

fn iam() -> AwsIam {
    AwsIam { own_key: "AKIAOWN".into(), center: None }
}

#[test]
fn the_deny_policy_comes_first_and_factors_go_only_when_all_is_contained() {
    let todo: Vec<(ActionKind, String, bool)> = iam()
        .revoke(&found(AccountStatus::Active))
        .into_iter()
        .map(|action| (action.kind, action.target, action.stage == Stage::Contain))
        .collect();
    let expected = [
        (ActionKind::DisableAccount, "AIDA1", true),
        (ActionKind::DisableApiKey, "AKIA1", true),
        (ActionKind::RevokeToken, PASSWORD, true),
        (ActionKind::RemoveGroup, "arn:admin", true),
        (ActionKind::RemoveFactor, "arn:mfa", false),
        (ActionKind::RemoveGroup, "group:dev", false),
        (ActionKind::RemoveGroup, "inline:home", false),
    ];
    assert_eq!(todo, expected.map(|(kind, target, first)| (kind, target.to_owned(), first)));
}

#[test]
fn what_is_given_back_carries_the_text_of_inline_policies_and_opens_the_account_last() {
    let before = found(AccountStatus::Active);
    let mut now = found(AccountStatus::Suspended);
    now.grants.clear();
    now.credentials[0].active = false;
    let todo = iam().restore(&before, &now);
    let targets: Vec<&str> = todo.iter().map(|action| action.target.as_str()).collect();
    assert_eq!(targets, ["group:dev", "arn:admin", "inline:home\n{}", "AKIA1", "AIDA1"]);
    assert_eq!(
        grant_call(&todo[2].target, true),
        Some(("PutUserPolicy", vec![("PolicyName", "home"), ("PolicyDocument", "{}")]))
    );
    assert_eq!(grant_call("inline:home", true), None);
}

#[test]
fn only_the_whole_deny_counts_as_disabled() {
    assert!(denies_all(
        r#"{"Statement":[{"Action":"*","Effect":"Deny","Resource":"*","Sid":"LeaverDenyAll"}],"Version":"2012-10-17"}"#
    ));
    assert!(!denies_all(&DENY.replace(r#""Action":"*""#, r#""Action":"s3:*""#)));
    assert!(!denies_all(&DENY.replace("Deny\"", "Allow\"")));
    assert!(!denies_all("not JSON"));
}

#[test]
fn wide_policies_are_privileged() {
    let policy = |text: &str| administers(&format!(r#"{{"Statement":{text}}}"#));
    assert!(policy(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#));
    assert!(policy(r#"[{"Effect":"Allow","Action":["s3:GetObject","iam:*"],"Resource":"*"}]"#));
    assert!(policy(r#"[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}]"#));
    assert!(!policy(r#"[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]"#));
    assert!(!policy(r#"[{"Effect":"Deny","Action":"*","Resource":"*"}]"#));
}

#[test]
fn tags_confirm_or_contradict() {
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    assert_eq!(confirm(&who(), "john.doe", &tags(&[])), Ok("username"));
    assert_eq!(confirm(&who(), "john.doe", &tags(&[("email", "John.Doe@example.com")])), Ok("email"));
    assert_eq!(confirm(&who(), "john.doe", &tags(&[("employee_id", "EMP-1")])), Ok("employee_id"));
    let other = tags(&[("employee_id", "EMP-1"), ("email", "jo@example.com")]);
    assert_eq!(confirm(&who(), "john.doe", &other).unwrap_err().kind, FaultKind::Ambiguous);
}

#[test]
fn a_key_is_live_automation_only_where_the_tags_say_so_and_it_was_used_lately() {
    let now = Timestamp::from_millis(1_700_000_000_000).unwrap();
    let tagged = BTreeMap::from([("automation".to_owned(), "true".to_owned())]);
    let mut key = credential("AKIA1", CredentialKind::ApiKey, true);
    key.last_used = Some(now.minus(Duration::from_secs(3600)));
    assert_eq!(automation(&[key.clone()], &tagged, now).len(), 1);
    assert_eq!(automation(&[key.clone()], &BTreeMap::new(), now), []);
    key.last_used = Some(now.minus(IN_USE));
    assert_eq!(automation(&[key], &tagged, now), []);
}

#[test]
fn only_a_listing_is_a_list() {
    let keys = |text: &str| page_of::<Key>(text, "ListAccessKeys").map(|(all, next)| (all.len(), next));
    let wrapped = |inner: &str| {
        format!(
            "<ListAccessKeysResponse><ListAccessKeysResult>{inner}</ListAccessKeysResult></ListAccessKeysResponse>"
        )
    };
    let one = "<AccessKeyMetadata><member><AccessKeyId>AKIA1</AccessKeyId><Status>Active</Status>\
               <CreateDate>2026-01-05T09:00:00Z</CreateDate></member></AccessKeyMetadata>";
    assert_eq!(keys(&wrapped(one)), Ok((1, None)));
    let more = format!("{one}<IsTruncated>true</IsTruncated><Marker>m1</Marker>");
    assert_eq!(keys(&wrapped(&more)), Ok((1, Some("m1".into()))));
    assert_eq!(keys(&wrapped("<AccessKeyMetadata/><IsTruncated>false</IsTruncated>")), Ok((0, None)));
    assert_eq!(keys(&wrapped("<IsTruncated>false</IsTruncated>")), Ok((0, None)));
    for wrong in
        ["<html>maintenance</html>", "", "{}", &wrapped(""), &wrapped("<IsTruncated>true</IsTruncated>")]
    {
        assert_eq!(keys(wrong).unwrap_err().kind, FaultKind::UnexpectedShape, "{wrong}");
    }
}

#[test]
fn events_are_sorted_by_what_was_done_and_refusals_did_nothing() {
    let kind = |name: &str, detail: Value| {
        let event: LogEvent = serde_json::from_value(json!({
            "EventId": "e", "EventName": name, "EventTime": 1_700_000_000.25, "CloudTrailEvent": detail.to_string(),
        }))
        .unwrap();
        let event = event_of(event).unwrap();
        assert_eq!(event.at.millis(), 1_700_000_000_250);
        event.kind
    };
    assert_eq!(
        kind("ConsoleLogin", json!({"responseElements": {"ConsoleLogin": "Success"}})),
        ActivityKind::Login
    );
    assert_eq!(
        kind("ConsoleLogin", json!({"responseElements": {"ConsoleLogin": "Failure"}})),
        ActivityKind::FailedLogin
    );
    assert_eq!(kind("CreateAccessKey", json!({})), ActivityKind::CredentialCreated);
    assert_eq!(kind("CreateAccessKey", json!({"errorCode": "AccessDenied"})), ActivityKind::Other);
    assert_eq!(kind("GetSecretValue", json!(null)), ActivityKind::Download);
    assert_eq!(kind("AttachUserPolicy", json!({})), ActivityKind::PrivilegeChanged);
    assert_eq!(kind("ModifySnapshotAttribute", json!({})), ActivityKind::ShareExternal);
    assert_eq!(kind("DescribeInstances", json!({})), ActivityKind::Other);
}

#[test]
fn the_functions_own_role_signs_in_the_home_region() {
    let mut settings = Settings::from_pairs("aws_iam", [("base_url", "https://iam.amazonaws.com")]);
    assert_eq!(open(&settings).err().unwrap().kind, FaultKind::CredentialRejected);
    settings.identity = Some(OwnIdentity {
        access_key_id: "ASIA1".into(),
        secret_access_key: Secret::new("s"),
        session_token: Some(Secret::new("t")),
        region: "eu-west-1".into(),
    });
    let Ok((_, Auth::Aws(identity))) = open(&settings) else { panic!("an AWS identity") };
    assert_eq!((identity.access_key_id.as_str(), identity.region.as_str()), ("ASIA1", "us-east-1"));
}

/// Settings with a key, and these.
fn settings(further: &[(&str, &str)]) -> Settings {
    let key = [("access_key_id", "AKIA1"), ("secret_access_key", "s")];
    Settings::from_pairs("aws_iam", key.into_iter().chain(further.iter().copied()))
}

const CENTER: [(&str, &str); 2] = [
    ("identity_store_id", "d-90670d1fe3"),
    ("instance_arn", "arn:aws:sso:::instance/ssoins-7223b5c0a1d2e3f4"),
];

#[test]
fn identity_center_is_reached_and_signed_for_in_its_own_region() {
    let regions = |further: &[(&str, &str)]| {
        let settings = settings(&[&CENTER, further].concat());
        let Ok((_, Auth::ByHost(hosts))) = open(&settings) else { panic!("a proof for each host") };
        assert_eq!(hosts.len(), SPEC.hosts.len());
        let of = |host: &str| match &hosts[host] {
            Auth::Aws(identity) => identity.region.clone(),
            _ => panic!("an AWS identity"),
        };
        for (host, vendor) in SPEC.hosts.iter().filter(|(host, _)| ["identitystore", "sso"].contains(host)) {
            let url = settings.url(host, vendor).unwrap();
            assert_eq!(url.as_str(), format!("https://{host}.{}.amazonaws.com/", of(host)));
        }
        [of(""), of("cloudtrail"), of("sso")]
    };
    assert_eq!(regions(&[]), ["us-east-1"; 3]);
    assert_eq!(regions(&[("region", "us-gov-west-1")]), ["us-gov-west-1"; 3]);
    let both = [("region", "us-gov-west-1"), ("identity_center_region", "us-gov-east-1")];
    assert_eq!(regions(&both), ["us-gov-west-1", "us-gov-west-1", "us-gov-east-1"]);
}

#[test]
fn identity_center_is_named_whole_or_not_at_all() {
    assert!(matches!(open(&settings(&[])), Ok((_, Auth::Aws(_)))));
    let named = |further: &[(&str, &str)]| open(&settings(further)).err().map(|fault| fault.kind);
    assert_eq!(named(&CENTER), None);
    assert_eq!(named(&CENTER[..1]), Some(FaultKind::CredentialRejected));
    assert_eq!(named(&CENTER[1..]), Some(FaultKind::CredentialRejected));
    let wrong = [CENTER[0], ("instance_arn", "ssoins-7223b5c0a1d2e3f4")];
    assert_eq!(named(&wrong), Some(FaultKind::CredentialRejected));
    let elsewhere = [CENTER[0], CENTER[1], ("identity_center_region", "example.org/")];
    assert_eq!(named(&elsewhere), Some(FaultKind::CredentialRejected));
    assert!(SPEC.needs_no_setting(), "with its function's role it works out of the box");
}

const SET: &str = "arn:aws:sso:::permissionSet/ssoins-7223b5c0a1d2e3f4/ps-0000000000000000";

#[test]
fn both_forms_of_ids_are_known_and_nothing_else_of_them() {
    let (adapter, _) = open(&settings(&CENTER)).unwrap();
    let group = "idc-group:90670d1fe3-00000000-0000-4000-a000-000000000000";
    let assignment = format!("idc-assignment:222222222222/{SET}");
    for id in [group, &assignment] {
        assert_eq!(adapter.grant(id).map(|grant| grant.id), Some(id.to_owned()));
        assert_eq!(iam().grant(id), None, "Identity Center is not set up");
    }
    assert_eq!(Target::parse(&assignment), Some(Target::Assignment { account: "222222222222", set: SET }));
    for id in ["idc-group:", "idc-assignment:2/x", "idc-assignment:222222222222/arn:aws:iam::aws:policy/x"] {
        assert_eq!(adapter.grant(id), None, "{id}");
        assert!(Target::parse(id).is_some(), "never taken for a policy of IAM");
    }
}

/// Of a person who has a user in both, or with `login` empty in Identity Center alone.
fn in_both(status: AccountStatus) -> Inventory {
    let mut both = found(status);
    let account = both.account.as_mut().unwrap();
    account.facts.insert("identity-center-user".into(), "u-1".into());
    account.facts.insert("identity-center-login".into(), "john.doe".into());
    let role = |id: &str, name: &str, privileged| grant(id.into(), GrantKind::Role, name.into(), privileged);
    // What the services list is taken, whatever it looks like.
    let in_account = |number: u64| format!("idc-assignment:{number}/{SET}");
    both.grants.push(grant("idc-group:g1".into(), GrantKind::Group, "builders".into(), false));
    both.grants.push(role(&in_account(1), "View in 1", false));
    both.grants.push(role(&in_account(2), "Admin in 2", true));
    both
}

#[test]
fn assignments_go_before_memberships_and_all_of_it_is_containment() {
    let todo = iam().revoke(&in_both(AccountStatus::Active));
    let there: Vec<_> = todo.iter().filter(|one| Target::parse(&one.target).is_some()).collect();
    let labels: Vec<&str> = there.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["Admin in 2", "View in 1", "builders"]);
    assert!(there.iter().all(|one| one.stage == Stage::Contain));
    let at = |kind| todo.iter().position(|one| one.kind == kind);
    assert_eq!(at(ActionKind::DisableAccount), Some(0));
    let targets: std::collections::BTreeSet<_> = todo.iter().map(|one| &one.target).collect();
    assert_eq!(targets.len(), todo.len(), "nothing twice");
}

#[test]
fn a_user_that_its_source_disabled_is_told_of_when_it_is_to_come_back() {
    let before = in_both(AccountStatus::Active);
    let mut now = before.clone();
    assert_eq!(iam().restore(&before, &now), []);
    now.account.as_mut().unwrap().facts.insert("identity-center-disabled".into(), "true".into());
    let todo = iam().restore(&before, &now);
    assert_eq!(
        todo.iter().map(|one| (one.kind, one.target.as_str())).collect::<Vec<_>>(),
        [(ActionKind::EnableAccount, "u-1")]
    );
    // The IAM user is gone: what it had stays missing, and is never given to a user of the same name.
    let gone = now.account.as_mut().unwrap();
    gone.facts.remove("identity-center-disabled");
    (gone.id, gone.login) = ("u-1".into(), "somebody".into());
    assert!(!identity_center::has_iam_user(gone));
    let todo = iam().restore(&before, &now);
    assert_eq!(todo.iter().map(|one| one.target.as_str()).collect::<Vec<_>>(), ["AIDA1"]);
}
