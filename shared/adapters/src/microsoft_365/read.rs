//! Reading Microsoft Graph: the account and everything that hangs on it.
//!
//! Ids of grants and credentials are `kind|what|...`: enough to take the thing away and to give it back.

use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Credential, CredentialKind, Grant, GrantKind, Next},
    person::Person,
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Everything that is needed of a user; most of it is returned only on `$select`.
const SELECT: &str = "id,userPrincipalName,mail,employeeId,userType,accountEnabled,onPremisesSyncEnabled,\
    licenseAssignmentStates,signInSessionsValidFromDateTime,lastPasswordChangeDateTime";
/// The role that can give every other one: without a holder of it the tenant cannot be administered.
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// Kinds of authentication method that Graph can delete: type, path segment, what people call it.
/// In the order of deletion, because the default method goes only when no other is left, and the authenticator and
/// the phone are the ones that can be the default.
pub(super) const METHODS: [(&str, &str, &str); 7] = [
    ("temporaryAccessPass", "temporaryAccessPassMethods", "temporary access pass"),
    ("email", "emailMethods", "e-mail address for password reset"),
    ("fido2", "fido2Methods", "security key"),
    ("windowsHelloForBusiness", "windowsHelloForBusinessMethods", "Windows Hello"),
    ("softwareOath", "softwareOathMethods", "one-time code app"),
    ("microsoftAuthenticator", "microsoftAuthenticatorMethods", "Microsoft Authenticator"),
    ("phone", "phoneMethods", "phone"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) user_principal_name: String,
    pub(super) mail: Option<String>,
    pub(super) employee_id: Option<String>,
    pub(super) user_type: Option<String>,
    pub(super) account_enabled: Option<bool>,
    pub(super) display_name: Option<String>,
    pub(super) created_date_time: Option<Timestamp>,
    pub(super) sign_in_activity: Option<SignIns>,
    on_premises_sync_enabled: Option<bool>,
    #[serde(default)]
    license_assignment_states: Vec<LicenceState>,
    #[serde(flatten)]
    pub(super) marks: Marks,
}

/// When somebody last signed in, by themselves and by a client in their name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignIns {
    pub(super) last_sign_in_date_time: Option<Timestamp>,
    pub(super) last_non_interactive_sign_in_date_time: Option<Timestamp>,
}

/// The instants by which a user's record shows that sessions were ended and the password was replaced.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marks {
    pub(super) sign_in_sessions_valid_from_date_time: Option<Timestamp>,
    pub(super) last_password_change_date_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LicenceState {
    sku_id: String,
    assigned_by_group: Option<String>,
    #[serde(default)]
    disabled_plans: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next: Option<String>,
}

/// Any object of the directory; what it is says `@odata.type`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    id: String,
    #[serde(rename = "@odata.type", default)]
    kind: String,
    display_name: Option<String>,
    #[serde(default)]
    group_types: Vec<String>,
    on_premises_sync_enabled: Option<bool>,
    mail_enabled: Option<bool>,
    is_assignable_to_role: Option<bool>,
    account_enabled: Option<bool>,
    registration_date_time: Option<Timestamp>,
    approximate_last_sign_in_date_time: Option<Timestamp>,
    created_date_time: Option<Timestamp>,
    phone_type: Option<String>,
    #[serde(default)]
    password_credentials: Vec<AppSecret>,
    #[serde(default)]
    key_credentials: Vec<AppSecret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppSecret {
    end_date_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppRole {
    id: String,
    app_role_id: String,
    resource_id: String,
    resource_display_name: Option<String>,
    principal_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consent {
    id: String,
    client_id: String,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleHeld {
    id: String,
    principal_id: String,
    role_definition_id: String,
    directory_scope_id: Option<String>,
    role_definition: Option<RoleName>,
    member_type: Option<String>,
    end_date_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleName {
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Licence {
    sku_id: String,
    sku_part_number: Option<String>,
}

pub(crate) fn users<'a>(rest: impl IntoIterator<Item = &'a str>) -> Query {
    Query::get(["users"].into_iter().chain(rest))
}

/// A text inside a filter expression: quotes cannot end it.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

/// A list to its end: Graph gives the whole address of each next page.
pub(crate) async fn list<T: DeserializeOwned>(http: &Reader, first: Query) -> Result<Vec<T>, Fault> {
    page::by_token(
        http,
        |link| link.map_or_else(|| Ok(first.clone()), |link| http.follow(&first, link)),
        |answer| answer.json::<Page<T>>().map(|page| (page.value, page.next)),
    )
    .await
}

/// The user who is meant. The read by name is exact and current; the filter only adds candidates, so that a second
/// account with the same address or number is seen.
pub(crate) async fn user(http: &Reader, who: &Person) -> Result<Option<(User, &'static str)>, Fault> {
    let login = who.login_or_email("microsoft_365");
    let mut all: Vec<(User, &'static str)> = Vec::new();
    if let Some(answer) = http.find(users([login]).query("$select", SELECT)).await? {
        all.push((answer.json()?, "user principal name"));
    }
    let (email, number) = (quoted(&who.email), quoted(who.employee_id.as_str()));
    let filter = format!("mail eq '{email}' or userPrincipalName eq '{email}' or employeeId eq '{number}'");
    for user in list::<User>(http, users([]).query("$filter", filter).query("$select", SELECT)).await? {
        if all.iter().all(|(known, _)| known.id != user.id) {
            all.push((user, "e-mail or employee number"));
        }
    }
    let Some((user, matched_by)) = all.pop() else { return Ok(None) };
    let ambiguous = |detail| Err(Fault::new(FaultKind::Ambiguous, detail));
    if !all.is_empty() {
        return ambiguous(format!("{} accounts carry this person's name, e-mail or number", all.len() + 1));
    }
    let name = &user.user_principal_name;
    let number = user.employee_id.as_deref().filter(|number| !number.is_empty());
    if number.is_some_and(|number| number != who.employee_id.as_str()) {
        return ambiguous(format!("the account {name} carries another employee number"));
    }
    let same = |address: &str| address.eq_ignore_ascii_case(&who.email);
    if number.is_none() && !user.mail.as_deref().is_some_and(same) && !same(name) {
        return ambiguous(format!("the account {name} carries another e-mail address"));
    }
    if matched_by == "user principal name" {
        return Ok(Some((user, matched_by)));
    }
    // What a filter found may lag: what is judged is read by id.
    match http.find(users([user.id.as_str()]).query("$select", SELECT)).await? {
        Some(answer) => Ok(Some((answer.json()?, matched_by))),
        None => Ok(None),
    }
}

pub(super) fn account_of(user: &User, matched_by: &str, last_login: Option<Timestamp>) -> Account {
    let mut facts = BTreeMap::new();
    if user.on_premises_sync_enabled == Some(true) {
        facts.insert("synced".to_owned(), "Active Directory".to_owned());
    }
    if user.user_type.as_deref() == Some("Guest") {
        facts.insert("user_type".to_owned(), "Guest".to_owned());
    }
    if let Some(at) = user.marks.last_password_change_date_time {
        facts.insert("password_changed".to_owned(), at.to_string());
    }
    for state in user.license_assignment_states.iter().filter(|state| !state.disabled_plans.is_empty()) {
        facts.insert(format!("plans_off|{}", state.sku_id), state.disabled_plans.join(","));
    }
    // `null` is not "off": only a plain false says that nobody can sign in.
    let disabled = user.account_enabled == Some(false);
    Account {
        id: user.id.clone(),
        login: user.user_principal_name.clone(),
        status: if disabled { AccountStatus::Suspended } else { AccountStatus::Active },
        matched_by: matched_by.to_owned(),
        privileged: false,
        last_login,
        facts,
    }
}

/// The last sign-in, which only tenants with Entra ID P1 may read.
pub(super) async fn last_login(http: &Reader, id: &str) -> Result<Option<Timestamp>, Fault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Seen {
        sign_in_activity: Option<SignInActivity>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SignInActivity {
        last_sign_in_date_time: Option<Timestamp>,
    }
    match http.ask(users([id]).query("$select", "id,signInActivity")).await {
        Ok(answer) => {
            let seen: Seen = answer.json()?;
            Ok(seen.sign_in_activity.and_then(|activity| activity.last_sign_in_date_time))
        }
        Err(fault) if fault.kind == FaultKind::PermissionMissing => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) fn group(object: Object) -> Option<Grant> {
    let fixed = match object.kind.rsplit('.').next() {
        // Directory roles are read with their scopes, below.
        Some("directoryRole") => return None,
        Some("administrativeUnit") => Some("an administrative unit says who administers the account"),
        _ if object.group_types.iter().any(|kind| kind == "DynamicMembership") => {
            Some("membership follows a rule")
        }
        _ if object.on_premises_sync_enabled == Some(true) => Some("managed in Active Directory"),
        _ if object.mail_enabled == Some(true)
            && !object.group_types.iter().any(|kind| kind == "Unified") =>
        {
            Some("a mail group, managed in Exchange")
        }
        _ => None,
    };
    Some(Grant {
        name: object.display_name.unwrap_or_else(|| object.id.clone()),
        id: format!("group|{}", object.id),
        kind: GrantKind::Group,
        privileged: object.is_assignable_to_role == Some(true),
        fixed: fixed.map(str::to_owned),
        sole_holder: false,
    })
}

pub(super) async fn app_roles(http: &Reader, id: &str) -> Result<Vec<Grant>, Fault> {
    let all: Vec<AppRole> = list(http, users([id, "appRoleAssignments"])).await?;
    let grant = |held: AppRole| {
        let resource = held.resource_display_name.unwrap_or_else(|| held.resource_id.clone());
        // The role without a name is plain access to the application.
        let plain = held.app_role_id.bytes().all(|byte| matches!(byte, b'0' | b'-'));
        Grant {
            id: format!("app|{}|{}|{}", held.resource_id, held.app_role_id, held.id),
            kind: GrantKind::Resource,
            name: if plain { resource } else { format!("{resource}: {}", held.app_role_id) },
            privileged: false,
            fixed: (held.principal_type.as_deref() == Some("Group")).then(|| "comes with a group".to_owned()),
            sole_holder: false,
        }
    };
    Ok(all.into_iter().map(grant).collect())
}

fn roles_of(path: &'static str, filter: String) -> Query {
    Query::get(["roleManagement", "directory", path])
        .query("$filter", filter)
        .query("$expand", "roleDefinition")
}

fn named(role: &RoleHeld) -> (String, String) {
    let scope = role.directory_scope_id.clone().unwrap_or_else(|| "/".to_owned());
    let known = role.role_definition.as_ref().and_then(|definition| definition.display_name.clone());
    let name = known.unwrap_or_else(|| role.role_definition_id.clone());
    (if scope == "/" { name } else { format!("{name} in {scope}") }, scope)
}

pub(super) async fn roles(http: &Reader, id: &str) -> Result<Vec<Grant>, Fault> {
    let filter = format!("principalId eq '{}'", quoted(id));
    let held: Vec<RoleHeld> = list(http, roles_of("roleAssignments", filter)).await?;
    let mut grants = Vec::new();
    for role in held {
        let (name, scope) = named(&role);
        let sole_holder = role.role_definition_id == GLOBAL_ADMINISTRATOR
            && scope == "/"
            && !somebody_else_administers(http, id).await?;
        grants.push(Grant {
            id: format!("role|{}|{scope}|{}", role.role_definition_id, role.id),
            kind: GrantKind::Role,
            name,
            privileged: true,
            fixed: None,
            sole_holder,
        });
    }
    Ok(grants)
}

/// Whether another user who can sign in is a global administrator. Groups and applications are not counted: nobody
/// can be sure to get in through them.
async fn somebody_else_administers(http: &Reader, id: &str) -> Result<bool, Fault> {
    let filter = format!("roleDefinitionId eq '{GLOBAL_ADMINISTRATOR}'");
    let holders: Vec<RoleHeld> = list(http, roles_of("roleAssignments", filter)).await?;
    let everywhere = |role: &&RoleHeld| role.directory_scope_id.as_deref().is_none_or(|scope| scope == "/");
    for other in holders.iter().filter(everywhere).filter(|role| role.principal_id != id) {
        let query = users([other.principal_id.as_str()]).query("$select", "id,accountEnabled");
        if let Some(answer) = http.find(query).await?
            && answer.json::<Object>()?.account_enabled == Some(true)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Roles that the person may activate through Privileged Identity Management.
pub(super) async fn eligible(http: &Reader, id: &str) -> Result<Vec<Grant>, Fault> {
    let filter = format!("principalId eq '{}'", quoted(id));
    let held: Vec<RoleHeld> = match list(http, roles_of("roleEligibilityScheduleInstances", filter)).await {
        Ok(held) => held,
        // Without Entra ID P2 there is no such thing. Any other refusal could hide a role, so it stays a failure.
        Err(fault) if fault.detail.contains("AadPremiumLicenseRequired") => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let grant = |role: RoleHeld| {
        let (name, scope) = named(&role);
        let until = role.end_date_time.map(|at| at.to_string()).unwrap_or_default();
        Grant {
            id: format!("eligible|{}|{scope}|{until}", role.role_definition_id),
            kind: GrantKind::Role,
            name: format!("eligible for {name}"),
            privileged: true,
            fixed: (role.member_type.as_deref() == Some("Group")).then(|| "comes with a group".to_owned()),
            sole_holder: false,
        }
    };
    Ok(held.into_iter().map(grant).collect())
}

pub(super) fn licences(user: &User, details: &[Licence]) -> Vec<Grant> {
    let grant = |state: &LicenceState| {
        let part = details.iter().find(|licence| licence.sku_id == state.sku_id);
        let group = state.assigned_by_group.as_deref().filter(|group| !group.is_empty());
        Grant {
            id: match group {
                Some(group) => format!("inherited|{}|{group}", state.sku_id),
                None => format!("licence|{}", state.sku_id),
            },
            kind: GrantKind::Licence,
            name: part.and_then(|part| part.sku_part_number.clone()).unwrap_or_else(|| state.sku_id.clone()),
            privileged: false,
            fixed: group.map(|_| "comes with a group".to_owned()),
            sole_holder: false,
        }
    };
    user.license_assignment_states.iter().map(grant).collect()
}

pub(super) async fn consents(http: &Reader, id: &str) -> Result<Vec<Credential>, Fault> {
    let all: Vec<Consent> = list(http, users([id, "oauth2PermissionGrants"])).await?;
    let credential = |consent: Consent| {
        let scope = consent.scope.unwrap_or_default();
        let label = format!("consent to application {}: {}", consent.client_id, scope.trim());
        credential(format!("consent|{}", consent.id), CredentialKind::OauthToken, label, true)
    };
    Ok(all.into_iter().map(credential).collect())
}

fn credential(id: String, kind: CredentialKind, label: String, active: bool) -> Credential {
    Credential { id, kind, label, created_at: None, last_used: None, active }
}

/// A method of signing in. What cannot be deleted, such as the password, works only while the account does.
pub(super) fn method(object: Object, enabled: bool) -> Credential {
    let kind = object.kind.trim_start_matches("#microsoft.graph.").trim_end_matches("AuthenticationMethod");
    let created_at = object.created_date_time;
    let made = match METHODS.iter().find(|(name, ..)| *name == kind) {
        Some((_, path, label)) => {
            // Never a number or address: the ledger keeps labels.
            let which = object.display_name.or(object.phone_type);
            let label = which.map_or_else(|| (*label).to_owned(), |which| format!("{label} ({which})"));
            credential(format!("method|{path}|{}", object.id), CredentialKind::Factor, label, true)
        }
        None if kind == "password" => {
            credential("password".to_owned(), CredentialKind::Password, "password".to_owned(), enabled)
        }
        None => credential(format!("other|{}", object.id), CredentialKind::Factor, kind.to_owned(), enabled),
    };
    Credential { created_at, ..made }
}

pub(super) fn device(object: Object) -> Credential {
    let label = object.display_name.unwrap_or_else(|| object.id.clone());
    Credential {
        created_at: object.registration_date_time,
        last_used: object.approximate_last_sign_in_date_time,
        ..credential(
            format!("device|{}", object.id),
            CredentialKind::Device,
            label,
            object.account_enabled != Some(false),
        )
    }
}

pub(super) fn asset(object: Object, now: Timestamp) -> Asset {
    let secrets = object.password_credentials.iter().chain(&object.key_credentials);
    // An application signs in with these by itself, and its owner may know them.
    let live = secrets.into_iter().any(|secret| secret.end_date_time.is_none_or(|end| end > now));
    let kind = match object.kind.rsplit('.').next().unwrap_or_default() {
        "servicePrincipal" => "service_principal".to_owned(),
        kind => kind.to_owned(),
    };
    Asset {
        name: object.display_name.unwrap_or_else(|| object.id.clone()),
        id: object.id,
        kind,
        live_automation: live,
        next: Next::Task,
    }
}
