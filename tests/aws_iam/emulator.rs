//! An AWS emulator of the test's own (MiniStack), with every policy enforced.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What the role of leaver's function may do, as in the deployed template.
const ADAPTER_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":["iam:DeactivateMFADevice","iam:DeleteLoginProfile","iam:DeleteUserPolicy",
  "iam:DetachUserPolicy","iam:AttachUserPolicy","iam:GetLoginProfile","iam:GetUser","iam:GetUserPolicy",
  "iam:ListAccessKeys","iam:ListAttachedUserPolicies","iam:ListGroupsForUser","iam:ListMFADevices",
  "iam:ListServiceSpecificCredentials","iam:ListSigningCertificates","iam:ListSSHPublicKeys","iam:ListUserPolicies",
  "iam:ListUserTags","iam:PutUserPolicy","iam:UpdateAccessKey","iam:UpdateServiceSpecificCredential",
  "iam:UpdateSigningCertificate","iam:UpdateSSHPublicKey"],"Resource":"arn:aws:iam::*:user/*"},
 {"Effect":"Allow","Action":["iam:AddUserToGroup","iam:RemoveUserFromGroup"],
  "Resource":["arn:aws:iam::*:group/*","arn:aws:iam::*:user/*"]},
 {"Effect":"Allow","Action":["cloudtrail:LookupEvents","iam:GetAccessKeyLastUsed"],"Resource":"*"}]}"#;
const ROOT: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";

/// A running emulator; ends with the value.
pub(crate) struct Emulator {
    /// Its address.
    pub(crate) url: String,
    child: Child,
    folder: PathBuf,
    client: reqwest::Client,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The emulator's program, installed if it is not there yet.
fn command() -> PathBuf {
    leaver_cli::local::emulator_program(
        &leaver_cli::local::repository(),
        &leaver_cli::progress::Progress::detect(),
    )
    .unwrap_or_else(|why| panic!("the emulator cannot be installed: {why:?}"))
}

impl Emulator {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        let program = command();
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ministack-{port}"));
        fs::create_dir_all(&folder).expect("a folder");
        let url = format!("http://127.0.0.1:{port}");
        let path = std::env::join_paths(
            program.parent().map(Path::to_path_buf).into_iter().chain(["/usr/bin".into(), "/bin".into()]),
        );
        let child = Command::new(&program)
            .env_clear()
            .env("PATH", path.expect("a path"))
            .envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1"), ("AUTH", "true")])
            .envs([("CLOUDTRAIL_RECORDING", "1"), ("IOT_MTLS_ENABLED", "0")])
            .envs([("MINISTACK_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", url.as_str())])
            .env("GATEWAY_PORT", port.to_string())
            .envs(["HOME", "STATE_DIR", "S3_DATA_DIR", "TMPDIR"].map(|name| (name, &folder)))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator");
        let client = leaver_adapters::http::client().expect("a client");
        let emulator = Self { url, child, folder, client };
        for _ in 0..200 {
            let health = emulator.client.get(format!("{}/_ministack/health", emulator.url)).send().await;
            if health.is_ok_and(|answer| answer.status() == 200) {
                return emulator;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the emulator did not start");
    }

    async fn call(&self, action: &str, more: &[(&str, &str)]) -> String {
        let form = [&[("Action", action), ("Version", "2010-05-08")], more].concat();
        let request = self.client.post(&self.url).header("authorization", ROOT).form(&form);
        let answer = request.send().await.expect("the emulator");
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        assert_eq!(status, 200, "{action}: {text}");
        text
    }

    /// A session of a role with no more rights than the deployed function has: its key, secret and token.
    pub(crate) async fn adapter_session(&self) -> [(&'static str, String); 3] {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},
            "Action":"sts:AssumeRole"}]}"#;
        let role = ("RoleName", "leaver-adapter-aws-iam");
        self.call("CreateRole", &[role, ("AssumeRolePolicyDocument", trust)]).await;
        let policy = [role, ("PolicyName", "adapter"), ("PolicyDocument", ADAPTER_POLICY)];
        self.call("PutRolePolicy", &policy).await;
        let arn = format!("arn:aws:iam::000000000000:role/{}", role.1);
        let form = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "leaver"),
        ];
        let root = ROOT.replace("/iam/", "/sts/");
        let request = self.client.post(&self.url).header("authorization", root).form(&form);
        let answer = request.send().await.expect("the emulator").text().await.expect("a text");
        [
            ("access_key_id", "AccessKeyId"),
            ("secret_access_key", "SecretAccessKey"),
            ("session_token", "SessionToken"),
        ]
        .map(|(setting, name)| (setting, part(&answer, name)))
    }

    /// A further key of a user: id and secret.
    pub(crate) async fn create_key(&self, user: &str) -> (String, String) {
        let made = self.call("CreateAccessKey", &[("UserName", user)]).await;
        (part(&made, "AccessKeyId"), part(&made, "SecretAccessKey"))
    }

    /// Sets a key's status.
    pub(crate) async fn set_key(&self, user: &str, id: &str, status: &str) {
        self.call("UpdateAccessKey", &[("UserName", user), ("AccessKeyId", id), ("Status", status)]).await;
    }

    /// Puts an inline policy on a user.
    pub(crate) async fn put_policy(&self, user: &str, name: &str, document: &str) {
        let more = [("UserName", user), ("PolicyName", name), ("PolicyDocument", document)];
        self.call("PutUserPolicy", &more).await;
    }

    /// The statuses of a user's keys.
    pub(crate) async fn statuses(&self, user: &str) -> Vec<String> {
        let listed = self.call("ListAccessKeys", &[("UserName", user)]).await;
        let parts = listed.split("<Status>").skip(1);
        parts.filter_map(|part| part.split('<').next().map(str::to_owned)).collect()
    }
}

fn part(answer: &str, name: &str) -> String {
    let (_, rest) = answer.split_once(&format!("<{name}>")).expect(answer);
    rest.split('<').next().unwrap_or_default().to_owned()
}
