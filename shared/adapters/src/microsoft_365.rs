//! Microsoft 365 and Entra ID through Microsoft Graph: users, sign-in methods, roles, groups, consents, licences.
//!
//! Order: disable, void the sessions, replace the password, sign-in methods, roles and eligibilities, consents, access
//! to applications, devices, groups, and licences last, because a mailbox goes with its licence.
//!
//! Ended sessions: the user's record tells from when on sessions are valid, but neither when the account was disabled
//! nor when somebody last signed in, at least not without delay. An instant alone therefore proves nothing about an
//! account that somebody else disabled. So ending sessions is evidenced by a receipt, and that receipt is given only
//! after a read has shown that the instant moved; the same holds for the password.

mod log;
pub(crate) mod read;
mod roster;
mod write;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, Exchange},
    http::{Hosts, Query, Reader, Writer},
    missing_by_reads,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, CredentialKind, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use read::{METHODS, users};
use std::time::Duration;

/// What is known of Microsoft 365 without asking it.
pub const SPEC: Spec = Spec {
    id: "microsoft_365",
    name: "Microsoft 365",
    part: Part::Account,
    hosts: &[("", "https://graph.microsoft.com/v1.0/"), ("login", "https://login.microsoftonline.com/")],
    settings: &[
        ("tenant_id", "id or domain of the Entra tenant"),
        ("client_id", "application (client) id of leaver's app registration"),
        ("client_secret", "a client secret of that app registration"),
    ],
    scopes: &[
        "User.ReadWrite.All",
        "User.RevokeSessions.All",
        "User-PasswordProfile.ReadWrite.All",
        "UserAuthenticationMethod.ReadWrite.All",
        "RoleManagement.ReadWrite.Directory",
        "RoleEligibilitySchedule.ReadWrite.Directory",
        "DelegatedPermissionGrant.ReadWrite.All",
        "AppRoleAssignment.ReadWrite.All",
        "Application.Read.All",
        "Device.ReadWrite.All",
        "GroupMember.ReadWrite.All",
        "AuditLog.Read.All",
        "directory role: Privileged Authentication Administrator",
    ],
    order: &[
        "Disable the account, revoke sign-in sessions, reset the password.",
        "Remove authentication methods.",
        "Take directory roles, eligible roles, consents and application roles.",
        "Disable registered devices, take groups, and give licences back at last.",
    ],
    residuals: &[
        "Access tokens live until they expire, up to about an hour, unless the resource evaluates access continuously.",
        "Memberships by rule, and accounts that are synchronised from Active Directory, are changed where they come from.",
        "Secrets of applications that the person owned.",
        "Groups and applications that the person owned keep them as an owner: leaver lists them for somebody to take over.",
    ],
    setup: &[
        "In Entra ID, register an application and grant it the application permissions below, with admin consent.",
        "Give it the directory role Privileged Authentication Administrator.",
        "Make a client secret; put tenant, client id and secret into the system's secret.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every user of the tenant, guests marked; the last sign-in is told where the tenant has Entra ID P1.",
    ),
    source: "Microsoft Graph v1.0, OpenAPI of 2025-01-27, checked against the metadata of 2026-08-20",
};

/// An id that nobody has: what is not allowed is refused all the same.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

struct Microsoft365 {
    /// Where references to directory objects point.
    directory: String,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let auth = authentication(settings, SPEC.hosts)?;
    let (name, vendor) = SPEC.hosts.first().copied().unwrap_or_default();
    let directory = format!("{}directoryObjects/", settings.url(name, vendor)?);
    Ok((Box::new(Microsoft365 { directory }), auth))
}

/// The client credentials of an app registration, for whatever is reached by Microsoft Graph. The token's host is `login`.
pub(crate) fn authentication(settings: &Settings, hosts: Hosts) -> Result<Auth, Fault> {
    let tenant = settings.text("tenant_id")?;
    let unusable = || Fault::new(FaultKind::CredentialRejected, "`tenant_id` is neither an id nor a domain");
    if !tenant.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
        return Err(unusable());
    }
    let (_, vendor) = hosts.iter().copied().find(|(name, _)| *name == "login").ok_or_else(unusable)?;
    let url = settings.url("login", vendor)?.join(&format!("{tenant}/oauth2/v2.0/token"));
    let exchange = Exchange::ClientCredentials {
        client_id: settings.text("client_id")?,
        client_secret: settings.secret("client_secret")?.clone(),
        scope: "https://graph.microsoft.com/.default".to_owned(),
    };
    Ok(Auth::token(url.map_err(|_| unusable())?, exchange))
}

/// What makes a grant the same one after it was taken and given again: all of its id but the assignment's own.
fn lasting(id: &str) -> &str {
    let kind = id.split('|').next().unwrap_or_default();
    let own = matches!(kind, "role" | "app").then(|| id.rsplit_once('|')).flatten();
    own.map_or(id, |(lasting, _)| lasting)
}

fn removal(grant: &Grant) -> Action {
    let kind = match grant.kind {
        GrantKind::Licence => ActionKind::RemoveLicence,
        _ => ActionKind::RemoveGroup,
    };
    let action = match grant.privileged || grant.kind == GrantKind::Resource {
        true => Action::contain(kind, &grant.id, &grant.name),
        false => Action::clean_up(kind, &grant.id, &grant.name),
    };
    // Thirty days after its licence went, Microsoft deletes a mailbox.
    if grant.kind == GrantKind::Licence { action.losing_data() } else { action }
}

#[async_trait]
impl Adapter for Microsoft365 {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = read::user(http, who).await? else { return Ok(Inventory::absent()) };
        let id = user.id.as_str();
        let (last_login, groups, roles, eligible, app_roles, details, consents, methods, devices, owned) = tokio::try_join!(
            read::last_login(http, id),
            read::list(http, users([id, "memberOf"])),
            read::roles(http, id),
            read::eligible(http, id),
            read::app_roles(http, id),
            read::list(http, users([id, "licenseDetails"])),
            read::consents(http, id),
            read::list(http, users([id, "authentication", "methods"])),
            read::list(http, users([id, "registeredDevices"])),
            read::list(http, users([id, "ownedObjects"])),
        )?;
        let account = read::account_of(&user, matched_by, last_login);
        let enabled = account.status == AccountStatus::Active;
        let sessions = Sessions::ValidFrom(user.marks.sign_in_sessions_valid_from_date_time);
        let mut found = Inventory::of(account, sessions);
        found.grants = roles.into_iter().chain(eligible).chain(app_roles).collect();
        found.grants.extend(groups.into_iter().filter_map(read::group));
        found.grants.extend(read::licences(&user, &details));
        found.credentials = methods.into_iter().map(|method| read::method(method, enabled)).collect();
        found.credentials.extend(consents);
        found.credentials.extend(devices.into_iter().map(read::device));
        found.assets = owned.into_iter().map(|object| read::asset(object, http.now())).collect();
        let privileged = found.grants.iter().any(|grant| grant.privileged);
        if let Some(account) = &mut found.account {
            account.privileged = privileged;
        }
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, who, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        let (id, login) = (account.id.as_str(), account.login.as_str());
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, id, login));
        }
        let sessions = Action::contain(ActionKind::EndSessions, id, "refresh tokens and browser sessions");
        todo.push(sessions.irreversible().by_receipt());
        // A synced account's password lives in Active Directory, a guest's in its home organisation.
        let elsewhere = ["synced", "user_type"].iter().any(|fact| account.facts.contains_key(*fact));
        if !elsewhere {
            let password = Action::contain(ActionKind::RevokeToken, "password", "password");
            todo.push(password.irreversible().by_receipt());
        }
        for (_, path, _) in METHODS {
            let mut of_kind: Vec<_> = found.credentials.iter().collect();
            of_kind.retain(|credential| credential.id.starts_with(&format!("method|{path}|")));
            // The first phone stays until the alternate one is gone.
            of_kind.sort_by_key(|credential| credential.label.ends_with("(mobile)"));
            let remove = |credential: &&_| method_removal(credential);
            todo.extend(of_kind.iter().map(remove));
        }
        let removable = |kind| {
            let of_kind = move |grant: &&Grant| grant.kind == kind && grant.fixed.is_none();
            found.grants.iter().filter(of_kind).map(removal)
        };
        todo.extend(removable(GrantKind::Role));
        for credential in found.credentials.iter().filter(|credential| credential.active) {
            let action = |kind| Action::contain(kind, &credential.id, &credential.label);
            match credential.kind {
                CredentialKind::OauthToken => todo.push(action(ActionKind::RevokeToken).irreversible()),
                CredentialKind::Device => todo.push(action(ActionKind::RemoveFactor)),
                _ => {}
            }
        }
        for kind in [GrantKind::Resource, GrantKind::Group, GrantKind::Licence] {
            todo.extend(removable(kind));
        }
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            todo.push(Action::contain(ActionKind::EnableAccount, &is.id, &is.login));
        }
        let disabled = now.credentials.iter().filter(|credential| !credential.active);
        for device in disabled.filter(|credential| credential.kind == CredentialKind::Device) {
            if before.credentials.iter().any(|used| used.id == device.id && used.active) {
                todo.push(Action::clean_up(ActionKind::EnableApiKey, &device.id, &device.label));
            }
        }
        for grant in before.grants.iter().filter(|grant| grant.fixed.is_none()) {
            if now.grants.iter().any(|held| lasting(&held.id) == lasting(&grant.id)) {
                continue;
            }
            let plans =
                grant.id.strip_prefix("licence|").and_then(|sku| was.facts.get(&format!("plans_off|{sku}")));
            let target = plans.map_or_else(|| grant.id.clone(), |plans| format!("{}|{plans}", grant.id));
            todo.push(Action::clean_up(ActionKind::AddGrant, target, &grant.name));
        }
        todo
    }

    fn is_named(&self, held: &Grant, name: &str) -> bool {
        held.name == name || lasting(&held.id) == lasting(name)
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        let parts: Vec<&str> = id.split('|').collect();
        let known =
            matches!(parts.as_slice(), ["group" | "licence", _] | ["role" | "eligible" | "app", _, _, _]);
        known.then(|| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        self.write(http, found, action).await
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let Some(account) = &before.account else { return Vec::new() };
        let mut all = vec![Residue {
            what: "access tokens already issued are honoured until they end by services that do not evaluate access continuously".into(),
            lasts: Some(Duration::from_secs(90 * 60)),
        }];
        if account.facts.contains_key("user_type") {
            let what = "sessions of a guest are ended by its home organisation only";
            all.push(Residue { what: what.into(), lasts: None });
        }
        for asset in before.assets.iter().filter(|asset| asset.live_automation) {
            let what = format!(
                "secrets of the {} {} go on working and may be known to its owner",
                asset.kind, asset.name
            );
            all.push(Residue { what, lasts: None });
        }
        all
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let one = |path: &[&'static str]| Query::get(path.iter().copied()).query("$top", 1);
        let reads = [
            ("User.ReadWrite.All", users([]).query("$top", 1).query("$select", "id")),
            ("UserAuthenticationMethod.ReadWrite.All", users([NOBODY, "authentication", "methods"])),
            ("DelegatedPermissionGrant.ReadWrite.All", users([NOBODY, "oauth2PermissionGrants"])),
            ("AppRoleAssignment.ReadWrite.All", users([NOBODY, "appRoleAssignments"])),
            ("RoleManagement.ReadWrite.Directory", one(&["roleManagement", "directory", "roleAssignments"])),
            (
                "RoleEligibilitySchedule.ReadWrite.Directory",
                one(&["roleManagement", "directory", "roleEligibilityScheduleInstances"]),
            ),
            ("Device.ReadWrite.All", users([NOBODY, "registeredDevices"])),
            ("GroupMember.ReadWrite.All", users([NOBODY, "memberOf"])),
            ("AuditLog.Read.All", one(&["auditLogs", "signIns"])),
        ];
        missing_by_reads(http, reads).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(users([]).query("$top", 1).query("$select", "id")).await.map(|_| ())
    }
}

fn method_removal(credential: &leaver_domain::inventory::Credential) -> Action {
    Action::contain(ActionKind::RemoveFactor, &credential.id, &credential.label).irreversible()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn found(status: AccountStatus, facts: &[(&str, &str)]) -> Inventory {
        let account = Account {
            id: "u1".into(),
            login: "john@example.com".into(),
            status,
            matched_by: "user principal name".into(),
            privileged: false,
            last_login: None,
            facts: facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        };
        Inventory::of(account, Sessions::ValidFrom(None))
    }

    fn adapter() -> Microsoft365 {
        Microsoft365 { directory: "https://graph.microsoft.com/v1.0/directoryObjects/".into() }
    }

    fn object(value: Value) -> read::Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_disabled_account_still_has_its_sessions_ended_by_receipt() {
        let todo = adapter().revoke(&found(AccountStatus::Suspended, &[]));
        let kinds: Vec<_> = todo.iter().map(|action| (action.kind, action.evidence)).collect();
        let receipt = leaver_domain::plan::Evidence::Receipt;
        assert_eq!(kinds, [(ActionKind::EndSessions, receipt), (ActionKind::RevokeToken, receipt)]);
    }

    #[test]
    fn the_password_of_a_synced_account_is_left_to_active_directory() {
        let todo = adapter().revoke(&found(AccountStatus::Active, &[("synced", "Active Directory")]));
        let kinds: Vec<_> = todo.iter().map(|action| action.kind).collect();
        // It stays on the list until the directory's change has arrived: never verified while it can log in.
        assert_eq!(kinds, [ActionKind::DisableAccount, ActionKind::EndSessions]);
    }

    #[test]
    fn memberships_that_graph_cannot_change_say_why() {
        let group = |more: Value| {
            let mut group = json!({"@odata.type": "#microsoft.graph.group", "id": "g", "displayName": "G"});
            group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read::group(object(group)).unwrap().fixed
        };
        assert_eq!(group(json!({"groupTypes": [], "mailEnabled": false})), None);
        assert_eq!(group(json!({"groupTypes": ["Unified"], "mailEnabled": true})), None);
        assert_eq!(group(json!({"groupTypes": ["DynamicMembership"]})).unwrap(), "membership follows a rule");
        assert_eq!(group(json!({"mailEnabled": true})).unwrap(), "a mail group, managed in Exchange");
        assert_eq!(group(json!({"onPremisesSyncEnabled": true})).unwrap(), "managed in Active Directory");
        assert!(
            read::group(object(json!({"@odata.type": "#microsoft.graph.directoryRole", "id": "r"})))
                .is_none()
        );
    }

    #[test]
    fn sign_in_methods_are_removed_with_the_first_phone_last() {
        let method = |kind: &str, id: &str, phone: Option<&str>| {
            let kind = format!("#microsoft.graph.{kind}AuthenticationMethod");
            read::method(object(json!({"@odata.type": kind, "id": id, "phoneType": phone})), true)
        };
        let mut one = found(AccountStatus::Active, &[]);
        one.credentials = vec![
            method("password", "p", None),
            method("phone", "1", Some("mobile")),
            method("phone", "2", Some("alternateMobile")),
            method("qrCodePin", "q", None),
            method("fido2", "f", None),
        ];
        let todo = adapter().revoke(&one);
        let factors = todo.iter().filter(|action| action.kind == ActionKind::RemoveFactor);
        let targets: Vec<_> = factors.map(|action| action.target.as_str()).collect();
        assert_eq!(targets, ["method|fido2Methods|f", "method|phoneMethods|2", "method|phoneMethods|1"]);
    }

    #[test]
    fn an_application_with_a_living_secret_is_live_automation() {
        let now = "2026-02-03T00:00:00Z".parse().unwrap();
        let app = |end: &str| {
            let secrets = json!([{"endDateTime": end}]);
            let app = json!({"@odata.type": "#microsoft.graph.application", "id": "a", "passwordCredentials": secrets});
            read::asset(object(app), now).live_automation
        };
        assert!(app("2026-03-01T00:00:00Z"));
        assert!(!app("2026-02-01T00:00:00Z"));
    }

    #[test]
    fn plans_that_were_off_stay_off_when_a_licence_comes_back() {
        let mut before = found(AccountStatus::Active, &[("plans_off|sku", "p1,p2")]);
        let grant = |id: &str| Grant {
            id: id.into(),
            kind: GrantKind::Licence,
            name: "SPE_E5".into(),
            privileged: false,
            fixed: None,
            sole_holder: false,
        };
        before.grants.push(grant("licence|sku"));
        before.grants.push(grant("app|res|role|old"));
        let mut now = found(AccountStatus::Active, &[]);
        now.grants.push(grant("app|res|role|new"));
        let targets: Vec<_> = adapter().restore(&before, &now).into_iter().map(|a| a.target).collect();
        assert_eq!(targets, ["licence|sku|p1,p2"]);
    }
}
