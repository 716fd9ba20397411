//! Reading Google Workspace: the directory's user, what hangs on it, the mailbox's settings, and licences.
//!
//! Ids of grants and credentials are `kind|what|...`: enough to take the thing away and to give it back.

use crate::{
    auth::ACT_AS,
    http::{Answer, Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Credential, CredentialKind, Grant, GrantKind},
    person::Person,
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned, de::IgnoredAny};
use std::collections::BTreeMap;

/// The customer whose administrator the credential acts as.
pub(super) const CUSTOMER: &str = "my_customer";
/// The fact that says why the mailbox's settings are not in the inventory.
pub(super) const MAILBOX: &str = "mailbox";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) primary_email: String,
    suspended: Option<bool>,
    archived: Option<bool>,
    pub(super) is_admin: Option<bool>,
    pub(super) is_delegated_admin: Option<bool>,
    is_mailbox_setup: Option<bool>,
    pub(super) last_login_time: Option<Timestamp>,
    pub(super) creation_time: Option<Timestamp>,
    pub(super) name: Option<Name>,
    #[serde(default)]
    external_ids: Vec<ExternalId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Name {
    pub(super) full_name: Option<String>,
}

impl User {
    pub(super) fn status(&self) -> AccountStatus {
        match self.suspended == Some(true) || self.archived == Some(true) {
            true => AccountStatus::Suspended,
            false => AccountStatus::Active,
        }
    }

    /// The employee number, where the account carries one.
    pub(super) fn employee_number(&self) -> Option<&str> {
        let organisation = |id: &&ExternalId| id.r#type.as_deref() == Some("organization");
        let number = self.external_ids.iter().find(organisation).map(|id| id.value.as_str());
        number.filter(|number| !number.is_empty())
    }
}

#[derive(Deserialize)]
struct ExternalId {
    value: String,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    client_id: String,
    display_text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asp {
    code_id: i64,
    name: Option<String>,
    creation_time: Option<String>,
    last_time_used: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    name: Option<String>,
    email: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleAssignment {
    role_assignment_id: String,
    role_id: String,
    assigned_to: String,
    scope_type: Option<String>,
    org_unit_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    role_id: String,
    role_name: Option<String>,
    is_super_admin_role: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MobileDevice {
    resource_id: String,
    #[serde(default)]
    email: Vec<String>,
    model: Option<String>,
    status: Option<String>,
    first_sync: Option<Timestamp>,
    last_sync: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AutoForwarding {
    #[serde(default)]
    enabled: bool,
    email_address: Option<String>,
    disposition: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delegate {
    delegate_email: String,
}

#[derive(Deserialize)]
struct Filter {
    action: Option<FilterAction>,
}

#[derive(Deserialize)]
struct FilterAction {
    forward: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LicenceAssignment {
    sku_id: String,
    sku_name: Option<String>,
}

pub(super) const DIRECTORY: [&str; 3] = ["admin", "directory", "v1"];

pub(super) fn users<'a>(rest: impl IntoIterator<Item = &'a str>) -> Query {
    Query::get(DIRECTORY.into_iter().chain(["users"]).chain(rest))
}

fn of_customer(rest: &[&'static str]) -> Query {
    Query::get(DIRECTORY.into_iter().chain(["customer", CUSTOMER]).chain(rest.iter().copied()))
}

/// The list under a name, which Google leaves out where it is empty, and the next page's token.
pub(super) fn page_of<T: DeserializeOwned>(
    answer: &Answer,
    name: &str,
) -> Result<(Vec<T>, Option<String>), Fault> {
    let mut body: BTreeMap<String, serde_json::Value> = answer.json()?;
    let token = body.remove("nextPageToken").and_then(|token| token.as_str().map(str::to_owned));
    let list = match body.remove(name) {
        None => Vec::new(),
        Some(list) => serde_json::from_value(list)
            .map_err(|_| Fault::shape(format!("an entry of `{name}` lacks a field or has another type")))?,
    };
    Ok((list, token))
}

pub(super) async fn list<T: DeserializeOwned>(
    http: &Reader,
    first: Query,
    name: &str,
) -> Result<Vec<T>, Fault> {
    let next = |token: Option<&str>| {
        Ok(token.map_or_else(|| first.clone(), |token| first.clone().query("pageToken", token)))
    };
    page::by_token(http, next, |answer| page_of(answer, name)).await
}

/// A text inside a search: quotes cannot end it.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// The user who is meant. The read by address is exact and current; the search only adds candidates, so that a second
/// account with the same number is seen.
pub(super) async fn user(http: &Reader, who: &Person) -> Result<Option<(User, &'static str)>, Fault> {
    let login = who.login_or_email("google_workspace");
    let mut all: Vec<(User, &'static str)> = Vec::new();
    if let Some(answer) = http.find(users([login])).await? {
        all.push((answer.json()?, "address"));
    }
    let search = format!("externalId='{}'", quoted(who.employee_id.as_str()));
    let query = users([]).query("customer", CUSTOMER).query("query", search).query("maxResults", 500);
    for user in list::<User>(http, query, "users").await? {
        if all.iter().all(|(known, _)| known.id != user.id) {
            all.push((user, "employee number"));
        }
    }
    let Some((user, matched_by)) = all.pop() else { return Ok(None) };
    let ambiguous = |detail| Err(Fault::new(FaultKind::Ambiguous, detail));
    if !all.is_empty() {
        return ambiguous(format!("{} accounts carry this person's address or number", all.len() + 1));
    }
    let name = &user.primary_email;
    let number = user.employee_number();
    if number.is_some_and(|number| number != who.employee_id.as_str()) {
        return ambiguous(format!("the account {name} carries another employee number"));
    }
    // Google finds a user by an alias as well: an alias alone does not say that it is the same person.
    if number.is_none() && !name.eq_ignore_ascii_case(login) {
        return ambiguous(format!("the address is an alias of {name}"));
    }
    if matched_by == "address" {
        return Ok(Some((user, matched_by)));
    }
    // What a search found may lag: what is judged is read by id.
    match http.find(users([user.id.as_str()])).await? {
        Some(answer) => Ok(Some((answer.json()?, matched_by))),
        None => Ok(None),
    }
}

pub(super) fn account_of(user: &User, matched_by: &str) -> Account {
    let status = user.status();
    let mut facts = BTreeMap::new();
    if user.archived == Some(true) {
        facts.insert("archived".to_owned(), "true".to_owned());
    }
    if status != AccountStatus::Active {
        // Gmail refuses to act for a suspended user; neither does it deliver or forward anything for one.
        facts.insert(MAILBOX.to_owned(), "not readable while the account is suspended".to_owned());
    }
    Account {
        id: user.id.clone(),
        login: user.primary_email.clone(),
        status,
        matched_by: matched_by.to_owned(),
        privileged: false,
        last_login: user.last_login_time,
        facts,
    }
}

fn credential(id: String, kind: CredentialKind, label: String) -> Credential {
    Credential { id, kind, label, created_at: None, last_used: None, active: true }
}

fn millis(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok().filter(|ms| *ms > 0).and_then(Timestamp::from_millis)
}

pub(super) async fn credentials(http: &Reader, user: &User) -> Result<Vec<Credential>, Fault> {
    let of_user = |name| users([user.id.as_str(), name]);
    let mut all = Vec::new();
    for token in list::<Token>(http, of_user("tokens"), "items").await? {
        let label = token.display_text.unwrap_or_else(|| token.client_id.clone());
        let id = format!("token|{}", token.client_id);
        all.push(credential(id, CredentialKind::OauthToken, format!("access of {label}")));
    }
    for asp in list::<Asp>(http, of_user("asps"), "items").await? {
        let label = format!("app password {}", asp.name.unwrap_or_default());
        all.push(Credential {
            created_at: millis(asp.creation_time),
            last_used: millis(asp.last_time_used),
            ..credential(format!("asp|{}", asp.code_id), CredentialKind::AppPassword, label)
        });
    }
    // The answer holds the codes themselves: only how many there are is kept.
    let codes = list::<IgnoredAny>(http, of_user("verificationCodes"), "items").await?.len();
    if codes > 0 {
        let label = format!("{codes} backup codes");
        all.push(credential("codes".to_owned(), CredentialKind::BackupCodes, label));
    }
    let query = of_customer(&["devices", "mobile"])
        .query("query", format!("email:{}", user.primary_email))
        .query("projection", "BASIC")
        .query("maxResults", 100);
    let mine = |address: &String| address.eq_ignore_ascii_case(&user.primary_email);
    let devices: Vec<MobileDevice> = list(http, query, "mobiledevices").await?;
    for device in devices.into_iter().filter(|device| device.email.iter().any(mine)) {
        let label = device.model.unwrap_or_else(|| device.resource_id.clone());
        let status = device.status.unwrap_or_default().to_ascii_uppercase();
        all.push(Credential {
            created_at: device.first_sync,
            last_used: device.last_sync,
            active: !["BLOCKED", "WIPED", "ACCOUNT_WIPED", "DELETED", "UNPROVISIONED"].contains(&&*status),
            ..credential(format!("device|{}", device.resource_id), CredentialKind::Device, label)
        });
    }
    Ok(all)
}

fn grant(id: String, kind: GrantKind, name: String) -> Grant {
    Grant { id, kind, name, privileged: false, fixed: None, sole_holder: false }
}

pub(super) async fn groups(http: &Reader, id: &str) -> Result<Vec<Grant>, Fault> {
    let query = Query::get(DIRECTORY.into_iter().chain(["groups"])).query("userKey", id);
    let groups: Vec<Group> = list(http, query.query("maxResults", 200), "groups").await?;
    let group = |group: Group| {
        let name = group.name.filter(|name| !name.is_empty()).unwrap_or(group.email);
        grant(format!("group|{}", group.id), GrantKind::Group, name)
    };
    Ok(groups.into_iter().map(group).collect())
}

pub(super) async fn roles(http: &Reader, user: &User) -> Result<Vec<Grant>, Fault> {
    let mut grants = Vec::new();
    if user.is_admin == Some(true) {
        let others = users([])
            .query("customer", CUSTOMER)
            .query("query", "isAdmin=true isSuspended=false")
            .query("maxResults", 500);
        let others: Vec<User> = list(http, others, "users").await?;
        let works = |other: &User| other.is_admin == Some(true) && other.suspended != Some(true);
        let sole_holder = !others.iter().any(|other| other.id != user.id && works(other));
        let name = "Super administrator".to_owned();
        let role = grant("super".to_owned(), GrantKind::Role, name);
        grants.push(Grant { privileged: true, sole_holder, ..role });
    }
    let query = of_customer(&["roleassignments"])
        .query("userKey", &user.id)
        .query("includeIndirectRoleAssignments", true)
        .query("maxResults", 200);
    let held: Vec<RoleAssignment> = list(http, query, "items").await?;
    if held.is_empty() {
        return Ok(grants);
    }
    let roles: Vec<Role> = list(http, of_customer(&["roles"]).query("maxResults", 100), "items").await?;
    for held in held {
        let role = roles.iter().find(|role| role.role_id == held.role_id);
        let direct = held.assigned_to == user.id;
        // Held directly, this one is what `isAdmin` says, and only makeAdmin takes it away.
        if direct && role.is_some_and(|role| role.is_super_admin_role == Some(true)) {
            continue;
        }
        let name = role.and_then(|role| role.role_name.clone()).unwrap_or_else(|| held.role_id.clone());
        let scope = held.scope_type.unwrap_or_else(|| "CUSTOMER".to_owned());
        let unit = held.org_unit_id.unwrap_or_default();
        let name = if unit.is_empty() { name } else { format!("{name} in unit {unit}") };
        let id = format!("role|{}|{scope}|{unit}|{}", held.role_id, held.role_assignment_id);
        let fixed = (!direct).then(|| "comes with a group".to_owned());
        grants.push(Grant { privileged: true, fixed, ..grant(id, GrantKind::Role, name) });
    }
    Ok(grants)
}

/// A call in the name of the mailbox's owner: Gmail lets nobody else in, administrators neither.
fn gmail(owner: &str, what: &'static str) -> Query {
    Query::get(["gmail", "v1", "users", owner, "settings", what]).at("gmail").header(ACT_AS, owner)
}

/// Not being let in as the owner says something about that account, such as a suspension that has just begun or ended,
/// and nothing about leaver's own credential.
pub(super) fn as_owner(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::CredentialRejected => Fault::new(
            FaultKind::Conflict,
            format!("Google does not let leaver act as the owner: {}", fault.detail),
        ),
        _ => fault,
    }
}

/// Where mail goes by itself and who else reads it. `None` where there is no mailbox to ask.
pub(super) async fn mailbox(http: &Reader, user: &User) -> Result<Option<Vec<Grant>>, Fault> {
    if user.is_mailbox_setup == Some(false) {
        return Ok(Some(Vec::new()));
    }
    let owner = user.primary_email.as_str();
    let forwarding: AutoForwarding = match http.ask(gmail(owner, "autoForwarding")).await {
        Ok(answer) => answer.json()?,
        // Gmail is switched off for this user.
        Err(fault) if fault.kind == FaultKind::Conflict && fault.detail.contains("failedPrecondition") => {
            return Ok(None);
        }
        Err(fault) => return Err(as_owner(fault)),
    };
    let mut grants = Vec::new();
    let mut add = |id: String, name: String| grants.push(grant(id, GrantKind::Delegation, name));
    if let Some(to) = forwarding.email_address.filter(|_| forwarding.enabled) {
        let keep = forwarding.disposition.unwrap_or_else(|| "leaveInInbox".to_owned());
        add(format!("forward|{to}|{keep}"), format!("all mail forwarded to {to}"));
    }
    let delegates: Vec<Delegate> =
        list(http, gmail(owner, "delegates"), "delegates").await.map_err(as_owner)?;
    for delegate in delegates {
        let who = delegate.delegate_email;
        add(format!("delegate|{who}"), format!("mailbox delegated to {who}"));
    }
    let filters: Vec<Filter> = list(http, gmail(owner, "filters"), "filter").await.map_err(as_owner)?;
    let to: std::collections::BTreeSet<String> =
        filters.into_iter().filter_map(|filter| filter.action?.forward).collect();
    for to in to {
        add(format!("filter|{to}"), format!("some mail forwarded to {to} by a filter"));
    }
    Ok(Some(grants))
}

/// Google has no list of one user's licences: each that the company has is asked for.
pub(super) async fn licences(
    http: &Reader,
    user: &User,
    known: &[(String, String)],
) -> Result<Vec<Grant>, Fault> {
    let mut grants = Vec::new();
    for (product, sku) in known {
        let path =
            ["apps", "licensing", "v1", "product", product, "sku", sku, "user", user.primary_email.as_str()];
        let Some(answer) = http.find(Query::get(path).at("licensing")).await? else { continue };
        let held: LicenceAssignment = answer.json()?;
        let name = held.sku_name.unwrap_or_else(|| held.sku_id.clone());
        grants.push(grant(format!("licence|{product}|{}", held.sku_id), GrantKind::Licence, name));
    }
    Ok(grants)
}
