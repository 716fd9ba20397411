//! The sample data: secrets, people, users with their roles and tokens, and the file that says where everything is.

use super::{
    Environment, Local, REGION, Tables,
    aws::{Aws, Refused},
    sandbox::Sandbox,
    state::State,
    write_private,
};
use crate::failure::{Context as _, Failure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::try_join_all;
use leaver_domain::{
    custom,
    person::Person,
    ports::{CaseStore as _, StoreError},
};
use leaver_platform::DynamoCases;
use leaver_sandbox::{
    credentials::Maker,
    people::{self, SamplePerson},
    receiver, slack_app,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a token must still be good for the file to be left as it is, in seconds.
const TOKEN_LEFT: i64 = 6 * 3600;

/// Fills a fresh deployment, or only makes new tokens where those of the file grow old.
pub(super) async fn fill(
    env: &Environment,
    aws: &Aws,
    sandbox: &Sandbox,
    state: &mut State,
) -> Result<Local, Failure> {
    let kept = env.local().ok().filter(|_| state.filled.as_ref() == Some(&sandbox.digest));
    if let Some(local) = kept.filter(|local| local.tokens.values().all(|token| is_good(token))) {
        return Ok(local);
    }
    let step = env.progress.step("Loading the sample data");
    let samples = people::load_with(state.people.unwrap_or(people::GENERATED)).map_err(Failure::Failed)?;
    let outputs = Outputs(&state.outputs);
    let mut make = Maker::default();
    let earlier = env.local().ok().filter(|_| state.filled.is_some());
    let hris_token = earlier.map(|local| local.hris_token);
    let slack = sandbox.settings.get(slack_app::ID).and_then(|app| app.get("signing_secret"));
    let local = Local {
        api_url: api_url(aws.base(), outputs.get("ApiUrl")?)?,
        dashboard_url: None,
        hris_token: hris_token.unwrap_or_else(|| make.token("hris_")),
        slack_signing_secret: slack.cloned().unwrap_or_default(),
        endpoint_url: aws.base().to_owned(),
        region: REGION.to_owned(),
        tables: Tables {
            cases: outputs.get("CaseTableName")?.to_owned(),
            ledger: outputs.get("LedgerTableName")?.to_owned(),
        },
        state_machine_arn: outputs.get("StateMachineArn")?.to_owned(),
        evidence_bucket: outputs.get("EvidenceBucketName")?.to_owned(),
        sandbox_url: sandbox.url.clone(),
        tokens: {
            step.note("users and their roles");
            users(aws, &outputs, &samples, &mut make).await?
        },
        policy_path: env.root.canonicalize().context(env.root.display())?.join("infra/policy.yaml"),
    };
    if state.filled.as_ref() != Some(&sandbox.digest) {
        step.note("secrets");
        secrets(aws, &local.hris_token, sandbox).await?;
        super::sandbox::introduce(&sandbox.url, &local.api_url, outputs.get("ApiUrl")?).await?;
        step.note("people");
        seed_people(aws, &local.tables.cases, &samples).await?;
    }
    write_private(&env.file(), &serde_json::to_vec_pretty(&local).context("local.json")?)?;
    state.filled = Some(sandbox.digest.clone());
    let systems = sandbox.settings.keys().filter(|system| is_system(system)).count();
    step.done(&format!("{} people, {systems} systems", samples.len()));
    Ok(local)
}

struct Outputs<'a>(&'a BTreeMap<String, String>);

impl Outputs<'_> {
    fn get(&self, name: &str) -> Result<&str, Failure> {
        self.0.get(name).map(String::as_str).ok_or_else(|| Failure::new(format!("the stack tells no {name}")))
    }
}

/// The API's address by path: its own host name is one that no resolver knows.
fn api_url(base: &str, output: &str) -> Result<String, Failure> {
    let host = output.split("://").nth(1).unwrap_or(output);
    match host.split_once('.') {
        Some((api, _)) if !api.is_empty() => Ok(format!("{base}/_aws/execute-api/{api}/$default")),
        _ => Err(Failure::new(format!("`{output}` is not an API's address"))),
    }
}

/// Whether a token of ours is good for some time yet. Only its own word is read: the API checks it for good.
fn is_good(token: &str) -> bool {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let expires = claims.and_then(|claims| claims["exp"].as_i64()).unwrap_or(0);
    expires - jiff::Timestamp::now().as_second() > TOKEN_LEFT
}

/// Whether a stand-in is one of a system in which people have access.
fn is_system(id: &str) -> bool {
    ![receiver::ID, slack_app::ID].contains(&id)
}

async fn secrets(aws: &Aws, hris_token: &str, sandbox: &Sandbox) -> Result<(), Failure> {
    let put = async |name: String, value: Value| {
        let asked = json!({"SecretId": name, "SecretString": value.to_string()});
        aws.json("secretsmanager", "secretsmanager.PutSecretValue", &asked).await.context(name).map(drop)
    };
    put("leaver/local/hris".to_owned(), json!({"bearer_token": hris_token, "signing_secret": null})).await?;
    for (system, settings) in sandbox.settings.iter().filter(|(system, _)| is_system(system)) {
        let name = format!("leaver/local/systems/{system}");
        if system.starts_with(custom::PREFIX) {
            // The template knows no such system: whoever configures one makes its secret.
            let asked = json!({"Name": name});
            let made = aws.json("secretsmanager", "secretsmanager.CreateSecret", &asked).await;
            if let Err(error) = made.map(drop)
                && error.code != "ResourceExistsException"
            {
                return Err(error).context(name);
            }
        }
        put(name, json!(settings)).await?;
    }
    put("leaver/local/canary".to_owned(), canary(sandbox)).await?;
    let app = sandbox.settings.get(slack_app::ID);
    put("leaver/local/slack".to_owned(), app.map_or_else(|| json!({}), |app| json!(app))).await?;
    let known = sandbox.settings.get(receiver::ID);
    let known = known.map(|of| json!({"sandbox": {"url": of.get("url"), "token": of.get("token")}}));
    put("leaver/local/signals".to_owned(), known.unwrap_or_else(|| json!({}))).await
}

/// The canary's secret: it gets its first credentials when it is let go first.
fn canary(sandbox: &Sandbox) -> Value {
    let one = |system: &str| {
        let base = sandbox.settings.get(system).and_then(|of| of.get("base_url"));
        let issue = format!("{}/_sandbox/{system}/accounts/canary.leaver/credentials", sandbox.url);
        (system.to_owned(), json!({"base_url": base, "issue_url": issue}))
    };
    Value::Object(["github", "okta", "slack"].map(one).into_iter().collect())
}

/// Puts the sample people into the case table. Those who are there already, with whatever happened to them, stay.
async fn seed_people(aws: &Aws, table: &str, samples: &[SamplePerson]) -> Result<(), Failure> {
    let cases = DynamoCases::new(&aws.sdk()?, table);
    let put = async |sample: &SamplePerson| {
        let days = sample.traits.contract_days.map(|days| jiff::Span::new().days(i64::from(days)));
        let contract_end = days.and_then(|days| jiff::Zoned::now().date().checked_add(days).ok());
        let person = Person { version: 1, contract_end, ..sample.person.clone() };
        match cases.put_person(&person).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error).context(format!("{} cannot be stored", person.username)),
        }
    };
    for some in samples.chunks(16) {
        try_join_all(some.iter().map(put)).await?;
    }
    Ok(())
}

/// Whose token is that of a role: the first holder's who is not that of another role already, so that whoever asks in one role
/// is not whoever decides in another; where there is none, the first holder's.
fn faces(samples: &[SamplePerson]) -> BTreeMap<&str, &str> {
    let mut faces: BTreeMap<&str, &str> = BTreeMap::new();
    for role in samples.iter().flat_map(|sample| &sample.roles) {
        let holders = || {
            let of = samples.iter().filter(|sample| sample.roles.contains(role));
            of.map(|sample| sample.person.username.as_str())
        };
        let free = holders().find(|name| faces.values().all(|taken| taken != name));
        if let Some(face) = free.or_else(|| holders().next())
            && !faces.contains_key(role.as_str())
        {
            faces.insert(role, face);
        }
    }
    faces
}

/// Makes everybody with a role a user of the API; a token by user name, and one by role.
async fn users(
    aws: &Aws,
    outputs: &Outputs<'_>,
    samples: &[SamplePerson],
    make: &mut Maker,
) -> Result<BTreeMap<String, String>, Failure> {
    let (pool, client) = (outputs.get("UserPoolId")?, outputs.get("UserPoolClientId")?);
    let call = async |action: &str, body: Value| {
        aws.json("cognito-idp", &format!("AWSCognitoIdentityProviderService.{action}"), &body).await
    };
    let mut tokens = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.roles.is_empty()) {
        let name = sample.person.username.as_str();
        // Drawn anew each time and kept nowhere: only the token is handed on.
        let password = format!("Local-{}", make.token("A1"));
        let user = json!({"UserPoolId": pool, "Username": name, "TemporaryPassword": password, "MessageAction": "SUPPRESS",
            "UserAttributes": [{"Name": "email", "Value": sample.person.email}, {"Name": "email_verified", "Value": "true"}]});
        match call("AdminCreateUser", user).await {
            Err(Refused { code, .. }) if code == "UsernameExistsException" => {}
            other => {
                other?;
            }
        }
        let set = json!({"UserPoolId": pool, "Username": name, "Password": password, "Permanent": true});
        call("AdminSetUserPassword", set).await?;
        for role in &sample.roles {
            let group = json!({"UserPoolId": pool, "Username": name, "GroupName": role});
            call("AdminAddUserToGroup", group).await?;
        }
        let login = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client,
            "AuthParameters": {"USERNAME": name, "PASSWORD": password}});
        let answer = call("InitiateAuth", login).await?;
        let token = answer["AuthenticationResult"]["IdToken"].as_str();
        let token = token.ok_or_else(|| Failure::new(format!("{name} got no token")))?;
        tokens.insert(name.to_owned(), token.to_owned());
    }
    for (role, name) in faces(samples) {
        let token = tokens.get(name).cloned();
        tokens.extend(token.map(|token| (role.to_owned(), token)));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_reached_by_path() {
        let url = api_url("http://127.0.0.1:1", "http://abc123.execute-api.127.0.0.1:1").unwrap();
        assert_eq!(url, "http://127.0.0.1:1/_aws/execute-api/abc123/$default");
        assert!(api_url("b", "nothing").is_err());
    }

    #[test]
    fn whoever_opens_a_case_is_not_whoever_approves_it() {
        let samples = people::load().unwrap();
        let faces = faces(&samples);
        assert_eq!((faces["security"], faces["approver"]), ("sam.admin", "taylor.admin"));
        assert_eq!(faces["operator"], "sam.admin", "nobody else holds it");
        let roles: Vec<&str> = faces.keys().copied().collect();
        assert_eq!(roles, ["approver", "auditor", "compliance", "hr", "manager", "operator", "security"]);
    }

    #[test]
    fn an_old_or_broken_token_is_not_good() {
        let token = |exp: i64| format!("h.{}.s", URL_SAFE_NO_PAD.encode(json!({"exp": exp}).to_string()));
        let now = jiff::Timestamp::now().as_second();
        assert!(is_good(&token(now + 86_400)));
        assert!(!is_good(&token(now + 60)) && !is_good("nonsense") && !is_good(""));
    }
}
