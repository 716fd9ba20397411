//! The engine for any SCIM server against one that is not ours: scim2-server, from the Python registry.

use crate::{Leaver, custom_scim::engine};
use leaver_adapters::settings::Settings;
use leaver_conformance::sandbox::{Connected, comparable, restored};
use leaver_domain::{
    custom::{FilterBy, Quirks},
    inventory::AccountStatus,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const PACKAGE: &str = "scim2-server==0.8.3";
const TOKEN: &str = "a-token-of-the-double";

/// A running server; ends with the value.
struct Double {
    url: String,
    child: Child,
    client: reqwest::Client,
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, in a Python environment below the target folder, installed if it is not there yet.
fn program() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scim2-server");
    let (program, stamp) = (folder.join("bin/scim2-server"), folder.join("installed"));
    if fs::read_to_string(&stamp).is_ok_and(|found| found == PACKAGE) {
        return Ok(program);
    }
    let run = |command: &mut Command| match command.stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", PACKAGE];
    run(Command::new(folder.join("bin/python")).args(pip))?;
    fs::write(stamp, PACKAGE).map_err(|error| error.to_string())?;
    Ok(program)
}

impl Double {
    async fn start(program: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let child = Command::new(program)
            .args(["--hostname", "127.0.0.1", "--bearer-token", TOKEN, "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server");
        let client = leaver_adapters::http::client().expect("a client");
        let double = Self { url: format!("http://127.0.0.1:{port}/v2"), child, client };
        for _ in 0..200 {
            if double.client.get(format!("{}/Users", double.url)).send().await.is_ok() {
                return double;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server did not start");
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/{path}", self.url);
        let mut request = self.client.request(method.parse().expect("a method"), url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let answer = request.send().await.expect("the server");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn user(&self, username: &str, number: &str) -> String {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let email = format!("{username}@example.com");
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
            "userName": email, "displayName": username, "active": true, "externalId": number,
            "emails": [{"value": email, "primary": true}], enterprise: {"employeeNumber": number},
        });
        self.call("POST", "Users", Some(body)).await["id"].as_str().expect("an id").to_owned()
    }

    /// Two people who share five groups, and one group without the first: the ids of both.
    async fn seed(&self) -> [String; 2] {
        let john = self.user("john.doe", "EMP-12345").await;
        let jane = self.user("jane.smith", "EMP-10001").await;
        for name in ["Architecture", "Finance", "Onboarding", "Operations", "Product", "Managers"] {
            let mut members = vec![json!({"value": jane})];
            if name != "Managers" {
                members.push(json!({"value": john}));
            }
            let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
            let body = json!({"schemas": schemas, "displayName": name, "members": members});
            self.call("POST", "Groups", Some(body)).await;
        }
        [john, jane]
    }

    /// How many groups each has, as the server itself says.
    async fn memberships(&self, people: &[String; 2]) -> [usize; 2] {
        let groups = self.call("GET", "Groups", None).await;
        let groups = groups["Resources"].as_array().expect("a list");
        let has = |group: &Value, id: &String| {
            group["members"].as_array().is_some_and(|all| all.iter().any(|member| member["value"] == **id))
        };
        [0, 1].map(|person| groups.iter().filter(|group| has(group, &people[person])).count())
    }

    fn connect(&self, quirks: Quirks) -> Connected {
        let settings = Settings::from_pairs("directory", [("base_url", self.url.as_str()), ("token", TOKEN)]);
        engine("directory", quirks, &settings)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ours_is_revoked_read_back_and_restored() {
    let program = match program() {
        Ok(program) => program,
        Err(why) => {
            // Past the suite's capture, so that it is seen.
            let line = format!(
                "\nSKIPPED: {PACKAGE} cannot be installed, the SCIM engine was not held against it: {why}\n"
            );
            let _ = std::io::stderr().write_all(line.as_bytes());
            return;
        }
    };
    use FilterBy::{Emails, EmailsValue, EmployeeNumber, ExternalId, UserName};
    let all = vec![UserName, Emails, EmailsValue, ExternalId, EmployeeNumber];
    let small = Quirks { filter: all, page_size: 2, ..Quirks::default() };
    for quirks in [
        small.clone(),
        Quirks { filter: Vec::new(), page_size: 1, ..Quirks::default() },
        Quirks { put_only: true, ..small },
    ] {
        let double = Double::start(&program).await;
        let people = double.seed().await;
        let (john, to) = (Leaver::of("john.doe"), double.connect(quirks.clone()));
        to.adapter.probe(&to.http).await.expect("a credential that works");
        assert_eq!(to.adapter.missing(&to.http).await, Ok(Vec::new()), "{quirks:?}");
        let (survey, report) = john.revoke(&to).await;
        let account = survey.found.account.as_ref().expect("an account");
        assert_eq!((account.status, &account.id), (AccountStatus::Active, &people[0]), "{quirks:?}");
        assert_eq!((report.fault, report.done.len()), (None, 6), "{quirks:?}");
        assert_eq!(double.call("GET", &format!("Users/{}", people[0]), None).await["active"], false);
        assert_eq!(double.call("GET", &format!("Users/{}", people[1]), None).await["active"], true);
        assert_eq!(double.memberships(&people).await, [0, 6], "{quirks:?}");
        let (again, repeated) = john.revoke(&to).await;
        assert!(again.plan.is_empty() && repeated.done.is_empty(), "{quirks:?}: {:?}", again.plan);
        let back = restored(&to, &john.person, &survey.found).await;
        assert_eq!((back.fault, back.done.len()), (None, 6), "{quirks:?}");
        assert_eq!(comparable(&back.after.expect("a reading")), comparable(&survey.found), "{quirks:?}");
        assert_eq!(double.memberships(&people).await, [5, 6], "{quirks:?}");
    }
}
