//! Active Directory beyond what every system must do: that it is only ever reached inside TLS by whom it trusts, that
//! nobody's change is undone, and how the vendor's refusals are read.

use crate::Leaver;
use leaver_adapters::{
    http::Reader,
    ldap::{Search, Server, Wanted, has},
    run,
    settings::Settings,
};
use leaver_conformance::sandbox::{Connected, Stage, now};
use leaver_domain::{
    fault::FaultKind,
    inventory::{CredentialKind, Next},
    plan::{Action, ActionKind, Outcome},
    risk::{RiskLevel, Rule},
};
use std::{collections::BTreeMap, time::Duration};

const SYSTEM: &str = "active_directory";
const BUDGET: Duration = Duration::from_secs(25);

fn with(stage: &Stage, changes: &[(&str, String)]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut settings = stage.settings.clone();
    let of = settings.get_mut(SYSTEM).expect("its settings");
    changes.iter().for_each(|(name, value)| {
        of.insert((*name).to_owned(), value.clone());
    });
    settings
}

async fn probe(to: Connected) -> FaultKind {
    to.adapter.probe(&to.http).await.expect_err("a refusal").kind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_authority_or_name_gets_no_password() {
    let stage = Stage::start().await;
    let other = leaver_sandbox::credentials::Certified::of(&["127.0.0.1"]).expect("a certificate").ca;
    // An authority of its own, and none at all: the public web's did not sign this one.
    for ca in [other, String::new()] {
        let settings = with(&stage, &[("ca", ca)]);
        assert_eq!(probe(stage.connect_with(SYSTEM, &settings, BUDGET)).await, FaultKind::CredentialRejected);
    }
    let port = stage.url.rsplit_once(':').expect("a port").1;
    let settings = with(&stage, &[("url", format!("ldaps://127.0.0.2:{port}"))]);
    let kind = probe(stage.connect_with(SYSTEM, &settings, Duration::from_secs(3))).await;
    assert!(matches!(kind, FaultKind::CredentialRejected | FaultKind::Unavailable), "{kind}");
    assert!(stage.requests(SYSTEM).await.is_empty());
    for url in ["ldap://127.0.0.1:389", "https://127.0.0.1", "ldaps://u:p@127.0.0.1", "ldaps://"] {
        let settings = with(&stage, &[("url", url.to_owned())]);
        let settings = Settings::from_pairs(SYSTEM, settings[SYSTEM].clone());
        let fault = leaver_adapters::open(SYSTEM, &settings).err().expect("a refusal");
        assert_eq!(fault.kind, FaultKind::CredentialRejected, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_a_rejected_credential() {
    let stage = Stage::start().await;
    let settings = with(&stage, &[("bind_password", "Aa1-of-somebody-else".to_owned())]);
    assert_eq!(probe(stage.connect_with(SYSTEM, &settings, BUDGET)).await, FaultKind::CredentialRejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_the_account_is_found() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let john = Leaver::of("john.doe").survey(&to).await;
    let mut kinds: Vec<_> = john.found.credentials.iter().map(|credential| credential.kind).collect();
    kinds.sort();
    use CredentialKind::{Certificate, Factor, Password};
    assert_eq!(kinds, [Password, Certificate, Certificate, Factor, Factor]);
    let names: Vec<_> =
        john.found.grants.iter().map(|grant| (grant.name.as_str(), grant.fixed.is_some())).collect();
    for expected in [("Engineering", false), ("VPN Users", false), ("Wiki", false), ("Domain Users", true)] {
        assert!(names.contains(&expected), "{names:?}");
    }
    let assets = &john.found.assets;
    assert!(assets.len() == 3 && assets.iter().all(|asset| asset.next == Next::Transfer), "{assets:?}");
    assert!(john.found.account.expect("an account").last_login.is_some());

    let riley = Leaver::of("riley.owner").survey(&to).await;
    assert_eq!(riley.risk.level, RiskLevel::Flagged);
    assert!(riley.risk.findings.iter().any(|finding| finding.rule == Rule::LiveAutomation));
    let sam = Leaver::of("sam.admin").survey(&to).await;
    let rules: Vec<_> = sam.risk.findings.iter().map(|finding| finding.rule).collect();
    assert!(rules.contains(&Rule::PrivilegedRole) && !rules.contains(&Rule::LastAdmin), "{rules:?}");
    // One of the two leaves: the other is the last one, whatever the built-in administrator may do.
    assert_eq!(Leaver::of("taylor.admin").revoke(&to).await.1.fault, None);
    let sam = Leaver::of("sam.admin").survey(&to).await;
    assert!(sam.risk.findings.iter().any(|finding| finding.rule == Rule::LastAdmin), "{:?}", sam.risk);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_disabled_first_and_its_new_password_is_nowhere_to_be_seen() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    assert_eq!(Leaver::of("john.doe").revoke(&to).await.1.fault, None);
    let requests = stage.requests(SYSTEM).await;
    let writes: Vec<_> = requests.iter().filter(|request| request["method"] == "MODIFY").collect();
    let attributes: Vec<_> =
        writes.iter().filter_map(|write| write["body"]["changes"][0]["attribute"].as_str()).collect();
    assert_eq!(attributes[..3], ["userAccountControl", "unicodePwd", "unicodePwd"]);
    assert_eq!(attributes.iter().filter(|name| **name == "member").count(), 3, "{attributes:?}");
    assert_eq!(writes[0]["body"]["changes"][0]["operation"], "delete");
    assert_eq!(writes[1]["body"]["changes"][0]["password"], "[secret]");
}

/// What the directory refuses in the same words is told apart by a read, and a change by somebody else is not undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_write_is_already_so_and_an_overtaken_one_is_a_conflict() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let found = Leaver::of("john.doe").survey(&to).await.found;
    let group = found.grants.iter().find(|grant| grant.fixed.is_none()).expect("a group");
    let apply = async |kind, target: &str| {
        to.adapter.apply(&to.http, &found, &Action::contain(kind, target, target)).await
    };
    for (kind, outcomes) in [
        (ActionKind::RemoveGroup, [Outcome::Done, Outcome::Already]),
        (ActionKind::AddGrant, [Outcome::Done, Outcome::Already]),
    ] {
        for outcome in outcomes {
            assert_eq!(apply(kind, &group.id).await, Ok(outcome));
        }
    }
    let certificate = found.credentials.iter().find(|key| key.kind == CredentialKind::Certificate);
    let certificate = &certificate.expect("a certificate").id;
    assert_eq!(apply(ActionKind::DisableApiKey, certificate).await, Ok(Outcome::Done));
    assert_eq!(apply(ActionKind::DisableApiKey, certificate).await, Ok(Outcome::Already));
    let id = &found.account.as_ref().expect("an account").id;
    assert_eq!(apply(ActionKind::DisableAccount, id).await, Ok(Outcome::Done));
    // The bits are not those that were read any more.
    let late = apply(ActionKind::DisableAccount, id).await.expect_err("a conflict");
    assert_eq!(late.kind, FaultKind::Conflict);
    // The parked deletion is nobody's to carry out.
    assert!(apply(ActionKind::DisableAccount, &format!("delete:{id}")).await.is_err());
    let unknown = apply(ActionKind::AddGrant, "CN=Domain Admins,CN=Users,DC=example,DC=com").await;
    assert_eq!(unknown.expect_err("no id").kind, FaultKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_a_filters_own_signs_match_nothing_else() {
    let stage = Stage::start().await;
    let mut hostile = Leaver::of("john.doe");
    hostile.person.email = "*)(objectClass=*".into();
    hostile.person.employee_id = "EMP-99999".parse().expect("an id");
    hostile.person.username = "no.body".parse().expect("a username");
    let survey = hostile.survey(&stage.connect(SYSTEM, BUDGET)).await;
    assert_eq!(survey.found.account, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_persons_number_on_the_account_stops_the_run() {
    let stage = Stage::start().await;
    let mut john = Leaver::of("john.doe");
    john.person.employee_id = "EMP-99999".parse().expect("an id");
    let to = stage.connect(SYSTEM, BUDGET);
    let fault = run::survey(to.adapter.as_ref(), &to.http, &john.job()).await.expect_err("a contradiction");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
    // And with somebody else's number two accounts carry what is known of one person.
    john.person.employee_id = "EMP-10001".parse().expect("an id");
    let fault = run::survey(to.adapter.as_ref(), &to.http, &john.job()).await.expect_err("two accounts");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_through_all_pages_and_what_it_lacks_is_said() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let reader: &Reader = to.http.reader();
    let settings = Settings::from_pairs(SYSTEM, stage.settings[SYSTEM].clone());
    let server = Server::from_settings(&settings).expect("usable settings");
    let wanted = |base| Wanted { base, deep: true, filter: has("objectSid"), attributes: &["objectSid"] };
    let everybody = Search::new(&server, reader).list(&wanted("DC=example,DC=com")).await.expect("a list");
    assert!(everybody.len() > 60, "{}", everybody.len());
    assert!(everybody.iter().all(|entry| entry.bytes("OBJECTSID").is_some()));
    let nowhere = Search::new(&server, reader).list(&wanted("DC=example,DC=org")).await.expect_err("no base");
    assert_eq!(nowhere.kind, FaultKind::NotFound);
    assert_eq!(to.adapter.missing(&to.http).await, Ok(Vec::new()));
    assert!(now() >= to.http.now());
}
