//! The adapter of AWS IAM against moto (PyPI), somebody else's emulator of AWS, through the adapter's own address.
//!
//! What moto 5.2.5 lacks, and who answers instead:
//! - service-specific credentials: it has none of their calls; the relay in front of it answers with an empty list;
//! - `cloudtrail:LookupEvents`: HTTP 500; the stand-in answers;
//! - its signatures are not checked, and an inactive key goes on working where they are: what a revoked key can still do
//!   is shown against MiniStack, in the suite of this system;
//! - permissions boundaries and service-last-accessed details: nothing of leaver's uses them.

use crate::install;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, response::IntoResponse};
use leaver_adapters::run;
use leaver_domain::{
    inventory::{AccountStatus, CredentialKind},
    person::Person,
    plan::Evidence,
};
use leaver_tests::sandbox::{Connected, Stage, comparable, full_scope, now, person, restored, risk_settings};
use std::{
    collections::BTreeSet,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

const SYSTEM: &str = "aws_iam";
const NO_PASSWORDS: &str = "<ListServiceSpecificCredentialsResponse><ListServiceSpecificCredentialsResult>\
    <ServiceSpecificCredentials/></ListServiceSpecificCredentialsResult><ResponseMetadata><RequestId>1</RequestId>\
    </ResponseMetadata></ListServiceSpecificCredentialsResponse>";
const ROOT: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;

/// A running moto; ends with the value.
struct Moto {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// Starts one on a free port; `None`, and said aloud, where it cannot be installed.
    async fn start() -> Option<Self> {
        let folder = install::pip("moto[server]", "5.2.5")?;
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let child = Command::new(folder.join("bin/python"))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto");
        let client = leaver_adapters::http::client().expect("a client");
        let moto = Self { child, url: format!("http://127.0.0.1:{port}"), client };
        for _ in 0..600 {
            let health = moto.client.get(format!("{}/moto-api/", moto.url)).send().await;
            if health.is_ok_and(|answer| answer.status() == 200) {
                return Some(moto);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("moto did not start");
    }

    async fn call(&self, action: &str, more: &[(&str, &str)]) -> (u16, String) {
        let form = [&[("Action", action), ("Version", "2010-05-08")], more].concat();
        let request = self.client.post(&self.url).header("authorization", ROOT).form(&form);
        let answer = request.send().await.expect("moto");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    async fn make(&self, action: &str, more: &[(&str, &str)]) -> String {
        let (status, text) = self.call(action, more).await;
        assert_eq!(status, 200, "{action}: {text}");
        text
    }

    /// A user as the company has them: keys, password, second factor, groups, policies.
    async fn seed(&self, who: &Person) {
        let name = who.username.as_str();
        let user = ("UserName", name);
        let tags = [
            ("Tags.member.1.Key", "employee_id"),
            ("Tags.member.1.Value", who.employee_id.as_str()),
            ("Tags.member.2.Key", "email"),
            ("Tags.member.2.Value", who.email.as_str()),
        ];
        self.make("CreateUser", &[&[user], &tags[..]].concat()).await;
        for group in ["developers", "readers", "oncall"] {
            self.make("CreateGroup", &[("GroupName", group)]).await;
            self.make("AddUserToGroup", &[user, ("GroupName", group)]).await;
        }
        for _ in 0..2 {
            self.make("CreateAccessKey", &[user]).await;
        }
        self.make("CreateLoginProfile", &[user, ("Password", "Local-only-0-password")]).await;
        let made = self.make("CreatePolicy", &[("PolicyName", "reports"), ("PolicyDocument", TRUST)]).await;
        self.make("AttachUserPolicy", &[user, ("PolicyArn", part(&made, "Arn"))]).await;
        self.make("PutUserPolicy", &[user, ("PolicyName", "own"), ("PolicyDocument", TRUST)]).await;
        let key = ("SSHPublicKeyBody", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 local");
        self.make("UploadSSHPublicKey", &[user, key]).await;
        let device = self.make("CreateVirtualMFADevice", &[("VirtualMFADeviceName", name)]).await;
        let serial = ("SerialNumber", part(&device, "SerialNumber"));
        let codes = [("AuthenticationCode1", "123456"), ("AuthenticationCode2", "654321")];
        self.make("EnableMFADevice", &[user, serial, codes[0], codes[1]]).await;
    }

    /// The address of a relay that answers what moto does not know.
    async fn relay(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let to = (self.client.clone(), self.url.clone());
        let service = Router::new().fallback(pass).with_state(to).into_make_service();
        tokio::spawn(async move { axum::serve(listener, service).await });
        url
    }
}

async fn pass(
    State((client, to)): State<(reqwest::Client, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    if body.windows(37).any(|part| part == b"Action=ListServiceSpecificCredentials") {
        return (axum::http::StatusCode::OK, NO_PASSWORDS.to_owned());
    }
    let mut request = client.post(to).body(body.to_vec());
    for name in ["authorization", "content-type", "accept", "x-amz-date"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.as_bytes());
        }
    }
    let answer = request.send().await.expect("moto");
    (answer.status(), answer.text().await.expect("a text"))
}

/// The first text of an element of this name.
fn part<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!("<{name}>")).expect(answer);
    rest.split('<').next().unwrap_or_default()
}

async fn revoke(to: &Connected, person: &Person) -> (run::Survey, run::Report) {
    let (scope, risk) = (full_scope(), risk_settings());
    let job = run::Job { person, scope: &scope, ended: now(), risk: &risk };
    let survey = run::survey(to.adapter.as_ref(), &to.http, &job).await.expect("a survey");
    let report = run::revoke(to.adapter.as_ref(), &to.http, &job, survey.clone(), &BTreeSet::new()).await;
    (survey, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_takes_what_the_adapter_of_aws_iam_does() {
    let Some(moto) = Moto::start().await else { return };
    let john = person("john.doe");
    moto.seed(&john).await;
    let mut stage = Stage::start().await;
    let settings = stage.settings.get_mut(SYSTEM).expect("settings");
    settings.insert("base_url".into(), moto.relay().await);
    // IAM alone: what the stand-in holds of Identity Center is not moto's.
    settings.retain(|name, _| !["identity_store_id", "instance_arn"].contains(&name.as_str()));
    let to = stage.connect(SYSTEM, Duration::from_secs(120));
    to.adapter.probe(&to.http).await.expect("an answer");

    let (before, report) = revoke(&to, &john).await;
    assert_eq!(report.fault, None);
    let kinds: BTreeSet<_> = before.found.credentials.iter().map(|credential| credential.kind).collect();
    let expected =
        [CredentialKind::Password, CredentialKind::ApiKey, CredentialKind::SshKey, CredentialKind::Factor];
    assert_eq!(kinds, expected.into());
    assert_eq!(before.found.grants.len(), 5);
    assert_eq!(
        report.after.expect("a reading").account.map(|account| account.status),
        Some(AccountStatus::Suspended)
    );

    // What moto itself says.
    let user = ("UserName", "john.doe");
    for (list, on) in [("ListAccessKeys", "<Status>Active"), ("ListSSHPublicKeys", "<Status>Active")] {
        let text = moto.make(list, &[user]).await;
        assert!(text.contains("<Status>Inactive") && !text.contains(on), "{text}");
    }
    for list in ["ListGroupsForUser", "ListMFADevices", "ListAttachedUserPolicies"] {
        let text = moto.make(list, &[user]).await;
        assert!(!text.contains("<member>"), "{text}");
    }
    assert_eq!(moto.call("GetLoginProfile", &[user]).await.0, 404);
    let policies = moto.make("ListUserPolicies", &[user]).await;
    assert_eq!((part(&policies, "member"), policies.matches("<member>").count()), ("leaver-deny-all", 1));

    let (_, again) = revoke(&to, &john).await;
    assert_eq!(again.fault, None);
    assert!(again.done.iter().all(|done| done.action.evidence == Evidence::Receipt), "{:?}", again.done);

    let back = restored(&to, &john, &before.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&before.found));
    assert!(!moto.make("ListUserPolicies", &[user]).await.contains("leaver-deny-all"));
    assert!(!moto.make("ListAccessKeys", &[user]).await.contains("<Status>Inactive"));
}
