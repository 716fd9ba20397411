//! Okta: users, their administrative roles, groups, OAuth grants and tokens, API tokens.
//!
//! Order: administrative roles first (an administrator cannot be suspended by a lesser one), then suspend, end sessions
//! together with OAuth tokens, grants, API tokens, universal logout, groups. Suspension keeps the account restorable;
//! deactivation does not, and is used only where a status cannot be suspended.

mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Answer, Command, Query, Reader, Writer},
    missing_by_reads, page,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Credential, CredentialKind, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::{Activity, ActivityEvent, ActivityKind},
    roster::{Mark, Page},
    time::Timestamp,
};
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// What is known of Okta without asking it.
pub const SPEC: Spec = Spec {
    id: "okta",
    name: "Okta",
    part: Part::Account,
    hosts: &[("", "https://your-organisation.okta.com")],
    settings: &[
        ("base_url", "https address of the organisation"),
        ("api_token", "SSWS token of a super administrator"),
    ],
    scopes: &[
        "okta.users.manage",
        "okta.roles.manage",
        "okta.groups.manage",
        "okta.apiTokens.manage",
        "okta.logs.read",
        "okta.universalLogout.manage",
    ],
    order: &[
        "Take administrative roles away, because an administrator cannot be suspended by a lesser one.",
        "Suspend the user; one whose status cannot be suspended is deactivated.",
        "End all sessions together with OAuth tokens, then revoke consents and API tokens.",
        "Ask for universal logout, which ends sessions of native and web applications too.",
        "Take the user out of groups.",
    ],
    residuals: &[
        "Access tokens that resource servers do not introspect, for up to an hour.",
        "Memberships that an application manages.",
        "Live sessions cannot be listed: ending them is evidenced by Okta's answer.",
    ],
    setup: &[
        "In the Admin Console, make a service account with the role of a super administrator: only one can suspend other administrators.",
        "Signed in as it, make a token under Security, API, Tokens.",
        "Put the organisation's address and the token into the system's secret.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every user that is not deprovisioned, with status, last login and employee number; administrative roles are not in the list.",
    ),
    source: "Okta Admin Management API and Okta OAuth API, OpenAPI 2026.06.3",
};

/// An id that no user has: what is not allowed is refused all the same.
const NOBODY: &str = "00u0leavernobody0000";

struct Okta;

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the token is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let value = settings.secret("api_token")?.clone();
    Ok((Box::new(Okta), Auth::Header { name: AUTHORIZATION, prefix: "SSWS ", value }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    status: String,
    created: Option<Timestamp>,
    last_login: Option<Timestamp>,
    profile: Profile,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    login: String,
    email: Option<String>,
    employee_number: Option<String>,
}

#[derive(Deserialize)]
struct Role {
    id: String,
    r#type: String,
    label: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    r#type: String,
    profile: GroupProfile,
}

#[derive(Deserialize)]
struct GroupProfile {
    name: String,
}

#[derive(Deserialize)]
struct Client {
    client_id: String,
    client_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsentGrant {
    id: String,
    scope_id: String,
    created: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiToken {
    id: String,
    name: String,
    user_id: Option<String>,
    created: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEvent {
    uuid: String,
    published: Timestamp,
    event_type: String,
    outcome: Option<LogOutcome>,
    client: Option<LogClient>,
}

#[derive(Deserialize)]
struct LogOutcome {
    result: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogClient {
    geographical_context: Option<LogPlace>,
}

#[derive(Deserialize)]
struct LogPlace {
    country: Option<String>,
}

fn users<'a>(id: &'a str, rest: &[&'a str]) -> Query {
    Query::get(["api", "v1", "users", id].into_iter().chain(rest.iter().copied()))
}

fn list<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<Vec<T>, Fault> {
    answer.json()
}

/// A text inside a filter expression: quotes and backslashes cannot end it.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Everybody who could be meant. The read by login is exact and current; the search only adds candidates, so that a
/// second account with the same address or number is seen. Search alone would not do: it lags and hides the deactivated.
async fn candidates(http: &Reader, who: &Person) -> Result<Vec<(User, &'static str)>, Fault> {
    let login = who.login_or_email("okta");
    let mut all: Vec<(User, &'static str)> = Vec::new();
    if let Some(answer) = http.find(users(login, &[])).await? {
        all.push((answer.json()?, "login"));
    }
    let filter = format!(
        "profile.email eq \"{}\" or profile.employeeNumber eq \"{}\"",
        quoted(&who.email),
        quoted(who.employee_id.as_str())
    );
    let query = Query::get(["api", "v1", "users"]).query("search", filter).query("limit", 200);
    for user in page::by_link(http, query, list::<User>).await? {
        if all.iter().all(|(known, _)| known.id != user.id) {
            all.push((user, "search"));
        }
    }
    Ok(all)
}

fn status_of(word: &str) -> AccountStatus {
    match word {
        "SUSPENDED" => AccountStatus::Suspended,
        "DEPROVISIONED" => AccountStatus::Deactivated,
        _ => AccountStatus::Active,
    }
}

fn account_of(user: User, matched_by: &str, privileged: bool) -> Account {
    let status = status_of(&user.status);
    let facts = BTreeMap::from([("status".to_owned(), user.status)]);
    Account {
        id: user.id,
        login: user.profile.login,
        status,
        matched_by: matched_by.to_owned(),
        privileged,
        last_login: user.last_login,
        facts,
    }
}

async fn grants(http: &Reader, id: &str) -> Result<Vec<Grant>, Fault> {
    let (roles, groups) = tokio::try_join!(
        http.ask(users(id, &["roles"])),
        page::by_link(http, users(id, &["groups"]), list::<Group>)
    )?;
    let roles: Vec<Role> = roles.json()?;
    let mut grants: Vec<Grant> = Vec::new();
    for role in roles {
        // Okta adds a standard role again by its type; a custom one belongs to a resource set.
        let custom = role.r#type == "CUSTOM";
        grants.push(Grant {
            id: role.id,
            kind: GrantKind::Role,
            name: if custom { role.label.unwrap_or(role.r#type) } else { role.r#type },
            privileged: true,
            fixed: None,
            sole_holder: false,
        });
    }
    for group in groups {
        let fixed = match group.r#type.as_str() {
            "OKTA_GROUP" => None,
            "APP_GROUP" => Some("managed by the application that it comes from".to_owned()),
            _ => Some("everybody belongs to it".to_owned()),
        };
        grants.push(Grant {
            id: group.id,
            kind: GrantKind::Group,
            name: group.profile.name,
            privileged: false,
            fixed,
            sole_holder: false,
        });
    }
    Ok(grants)
}

async fn credentials(http: &Reader, id: &str) -> Result<Vec<Credential>, Fault> {
    let mut all = Vec::new();
    let credential = |id: String, kind, label: String, created_at| Credential {
        id,
        kind,
        label,
        created_at,
        last_used: None,
        active: true,
    };
    let (clients, consents, tokens) = tokio::try_join!(
        page::by_link(http, users(id, &["clients"]), list::<Client>),
        page::by_link(http, users(id, &["grants"]), list::<ConsentGrant>),
        page::by_link(http, Query::get(["api", "v1", "api-tokens"]), list::<ApiToken>)
    )?;
    for client in clients {
        let label = format!("OAuth tokens of {}", client.client_name.as_ref().unwrap_or(&client.client_id));
        all.push(credential(client.client_id, CredentialKind::OauthToken, label, None));
    }
    for grant in consents {
        let label = format!("OAuth grant {}", grant.scope_id);
        all.push(credential(format!("grant:{}", grant.id), CredentialKind::OauthToken, label, grant.created));
    }
    for token in tokens.into_iter().filter(|token| token.user_id.as_deref() == Some(id)) {
        let label = format!("API token {}", token.name);
        all.push(credential(token.id, CredentialKind::ApiKey, label, token.created));
    }
    Ok(all)
}

fn event_of(event: LogEvent) -> ActivityEvent {
    let failed = event.outcome.is_some_and(|outcome| outcome.result == "FAILURE");
    let kind = match event.event_type.as_str() {
        "user.session.start" | "user.authentication.sso" if failed => ActivityKind::FailedLogin,
        "user.session.start" | "user.authentication.sso" => ActivityKind::Login,
        "system.api_token.create" | "app.oauth2.client.lifecycle.create" => ActivityKind::CredentialCreated,
        kind if kind.starts_with("user.mfa.factor.") => ActivityKind::FactorChanged,
        "user.account.privilege.grant" | "group.privilege.grant" => ActivityKind::PrivilegeChanged,
        _ => ActivityKind::Other,
    };
    let place = event.client.and_then(|client| client.geographical_context);
    let country = place.and_then(|place| place.country);
    ActivityEvent { id: event.uuid, at: event.published, kind, country, count: 1 }
}

#[async_trait]
impl Adapter for Okta {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let mut all = candidates(http, who).await?;
        let Some((user, matched_by)) = all.pop() else { return Ok(Inventory::absent()) };
        if !all.is_empty() {
            let detail = format!("{} accounts carry this person's login, e-mail or number", all.len() + 1);
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
        let number = user.profile.employee_number.as_deref();
        if number.is_some_and(|number| number != who.employee_id.as_str()) {
            let detail = format!("the account {} carries another employee number", user.profile.login);
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
        if number.is_none() && user.profile.email.as_deref() != Some(&who.email) {
            let detail = format!("the account {} carries another e-mail address", user.profile.login);
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
        let id = user.id.clone();
        let (grants, credentials) = tokio::try_join!(grants(http, &id), credentials(http, &id))?;
        let privileged = grants.iter().any(|grant| grant.privileged);
        let mut found = Inventory::of(account_of(user, matched_by, privileged), Sessions::Unreadable);
        found.grants = grants;
        found.credentials = credentials;
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        let query = Query::get(["api", "v1", "logs"])
            .query("filter", format!("actor.id eq \"{}\"", quoted(&who.id)))
            .query("since", since)
            .query("until", http.now())
            .query("limit", 1000);
        match page::by_link(http, query, list::<LogEvent>).await {
            Ok(events) => {
                Ok(Activity { since, events: events.into_iter().map(event_of).collect(), incomplete: None })
            }
            Err(fault) if fault.kind == FaultKind::PermissionMissing => {
                Ok(Activity::unavailable(since, "the token may not read the system log"))
            }
            Err(fault) => Err(fault),
        }
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        for role in found.grants.iter().filter(|grant| grant.kind == GrantKind::Role) {
            todo.push(Action::contain(ActionKind::RemoveGroup, &role.id, format!("role {}", role.name)));
        }
        if account.status == AccountStatus::Active {
            let action = Action::contain(ActionKind::DisableAccount, &account.id, &account.login);
            let suspendable = account.facts.get("status").is_some_and(|status| status == "ACTIVE");
            todo.push(if suspendable { action } else { action.irreversible() });
        }
        if account.status != AccountStatus::Deactivated {
            let session = |target: String, label| {
                Action::contain(ActionKind::EndSessions, target, label).irreversible().by_receipt()
            };
            todo.push(session(account.id.clone(), "Okta sessions and OAuth tokens"));
            todo.push(session(format!("global:{}", account.id), "universal logout from all applications"));
        }
        for credential in &found.credentials {
            let kind = match credential.kind {
                CredentialKind::ApiKey => ActionKind::DisableApiKey,
                _ => ActionKind::RevokeToken,
            };
            todo.push(Action::contain(kind, &credential.id, &credential.label).irreversible());
        }
        let groups =
            found.grants.iter().filter(|grant| grant.kind == GrantKind::Group && grant.fixed.is_none());
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            todo.push(Action::contain(ActionKind::EnableAccount, &is.id, &is.login));
        }
        let missing = before.grants.iter().filter(|grant| {
            grant.fixed.is_none()
                && !now.grants.iter().any(|held| held.kind == grant.kind && held.name == grant.name)
        });
        for grant in missing {
            let target = match grant.kind {
                GrantKind::Role if grant.name.chars().any(|c| c.is_ascii_lowercase()) => continue,
                GrantKind::Role => format!("role:{}", grant.name),
                _ => grant.id.clone(),
            };
            todo.push(Action::clean_up(ActionKind::AddGrant, target, &grant.name));
        }
        todo
    }

    /// A role's id is that of its assignment and a new one each time: one is asked for as `role:` and its type.
    fn is_named(&self, held: &Grant, name: &str) -> bool {
        let role = held.kind == GrantKind::Role && name.strip_prefix("role:") == Some(held.name.as_str());
        role || held.id == name || held.name == name
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        let user =
            |rest: &[&'static str]| ["api", "v1", "users"].into_iter().chain([id]).chain(rest.to_vec());
        let is_role = found.grants.iter().any(|grant| grant.kind == GrantKind::Role && grant.id == target);
        let command = match action.kind {
            ActionKind::DisableAccount if action.reversible => Command::post(user(&["lifecycle", "suspend"])),
            ActionKind::DisableAccount => Command::post(user(&["lifecycle", "deactivate"])),
            ActionKind::EnableAccount if account.status == AccountStatus::Suspended => {
                Command::post(user(&["lifecycle", "unsuspend"]))
            }
            ActionKind::EnableAccount => {
                Command::post(user(&["lifecycle", "activate"])).query("sendEmail", false)
            }
            ActionKind::EndSessions if target.starts_with("global:") => {
                Command::post(["oauth2", "v1", "global-token-revocation"])
                    .json(json!({"sub_id": {"format": "opaque", "id": id}}))
            }
            ActionKind::EndSessions => Command::delete(user(&["sessions"])).query("oauthTokens", true),
            ActionKind::RevokeToken => match target.strip_prefix("grant:") {
                Some(grant) => Command::delete(["api", "v1", "users", id, "grants", grant]),
                None => Command::delete(["api", "v1", "users", id, "clients", target, "tokens"]),
            },
            ActionKind::DisableApiKey => Command::delete(["api", "v1", "api-tokens", target]),
            ActionKind::RemoveGroup if is_role => {
                Command::delete(["api", "v1", "users", id, "roles", target])
            }
            ActionKind::RemoveGroup => Command::delete(["api", "v1", "groups", target, "users", id]),
            ActionKind::AddGrant => match target.strip_prefix("role:") {
                Some(role) => Command::post(user(&["roles"])).json(json!({"type": role})),
                None => Command::put(["api", "v1", "groups", target, "users", id]),
            },
            _ => return Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        };
        http.tell(command).await.map(|_| Outcome::Done)
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let oauth = before.credentials.iter().any(|credential| credential.kind == CredentialKind::OauthToken);
        let token = Residue {
            what: "OAuth access tokens already issued are honoured by resource servers that do not introspect them".into(),
            lasts: Some(Duration::from_secs(3600)),
        };
        if oauth { vec![token] } else { Vec::new() }
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let reads = [
            ("okta.users.manage", Query::get(["api", "v1", "users"]).query("limit", 1)),
            ("okta.roles.manage", users(NOBODY, &["roles"])),
            ("okta.groups.manage", users(NOBODY, &["groups"])),
            ("okta.apiTokens.manage", Query::get(["api", "v1", "api-tokens"])),
            ("okta.logs.read", Query::get(["api", "v1", "logs"]).query("limit", 1)),
        ];
        missing_by_reads(http, reads).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(Query::get(["api", "v1", "users"]).query("limit", 1)).await.map(|_| ())
    }
}
