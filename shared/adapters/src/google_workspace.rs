//! Google Workspace: directory users, OAuth tokens, app passwords, administrative roles, groups, devices, the
//! mailbox's forwarding and delegation, licences.
//!
//! Order: the mailbox first, because Gmail refuses to act for a suspended user; then suspend, sign out, tokens, app
//! passwords, backup codes, roles, devices, groups, and licences last.
//!
//! Suspension does not revoke tokens by itself, so each is deleted and read back. Of a suspended user the mailbox cannot
//! be read: what was found before is in the before-state, and a reading of a suspended user says that it does not know.
//! That is no hole: for a suspended user mail is neither delivered nor forwarded, and delegates do not get in.

mod handover;
mod log;
mod read;
mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{ACT_AS, Auth, Exchange, SigningKey},
    handover::{Progress, account_of as handover_to, misnamed, parts},
    http::{Answer, Command, Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, CredentialKind, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use read::{CUSTOMER, DIRECTORY, MAILBOX, users};
use serde::de::IgnoredAny;
use serde_json::json;
use std::time::Duration;

/// What is known of Google Workspace without asking it.
pub const SPEC: Spec = Spec {
    id: "google_workspace",
    name: "Google Workspace",
    part: Part::Account,
    hosts: &[
        ("", "https://admin.googleapis.com/"),
        ("gmail", "https://gmail.googleapis.com/"),
        ("licensing", "https://licensing.googleapis.com/"),
        ("oauth2", "https://oauth2.googleapis.com/"),
    ],
    settings: &[
        ("client_email", "address of the service account with domain-wide delegation"),
        ("private_key", "its private key, PEM"),
        ("admin_email", "super administrator in whose name leaver acts"),
        ("licences", "`product/sku` pairs that the company has, separated by commas; `none` for none"),
    ],
    scopes: &SCOPES,
    order: &[
        "Stop forwarding and delegation of the mailbox first: Gmail refuses suspended users.",
        "Suspend the user and sign them out everywhere.",
        "Revoke OAuth tokens, app passwords and backup codes.",
        "Have files and calendars moved to whoever takes over.",
        "Take administrative roles, groups, mobile devices and licences.",
    ],
    residuals: &[
        "What was delivered to forwarding addresses.",
        "Google moves files and calendars by itself after it was asked; of calendars, events that are private or over stay.",
        "Live sessions cannot be listed: signing out is evidenced by Google's answer.",
    ],
    setup: &[
        "In Google Cloud, make a service account with a key and domain-wide delegation.",
        "In the Admin console, under API controls, allow its client id the scopes below.",
        "Name a super administrator in whose name leaver acts: only one can touch other administrators.",
        "Put the key, both addresses and the company's licences into the system's secret.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every user of the customer, with last login and employee number; super and delegated administrators are marked.",
    ),
    source: "Admin SDK directory_v1 20261104 and reports_v1 20260929, Gmail v1 20261005, Licensing v1 20251108, \
         Data Transfer datatransfer_v1",
};

const SCOPES: [&str; 10] = [
    "https://www.googleapis.com/auth/admin.directory.user",
    "https://www.googleapis.com/auth/admin.directory.user.security",
    "https://www.googleapis.com/auth/admin.directory.group",
    "https://www.googleapis.com/auth/admin.directory.rolemanagement",
    "https://www.googleapis.com/auth/admin.directory.device.mobile",
    "https://www.googleapis.com/auth/admin.datatransfer",
    "https://www.googleapis.com/auth/admin.reports.audit.readonly",
    "https://www.googleapis.com/auth/apps.licensing",
    "https://www.googleapis.com/auth/gmail.settings.basic",
    "https://www.googleapis.com/auth/gmail.settings.sharing",
];

struct GoogleWorkspace {
    /// Products and SKUs that are looked for.
    licences: Vec<(String, String)>,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let unusable = |what| Fault::new(FaultKind::CredentialRejected, what);
    let licences = licences_of(&settings.text("licences")?)
        .ok_or_else(|| unusable("`licences` is not a list of product/sku pairs"))?;
    let vendor = SPEC.hosts.iter().find(|host| host.0 == "oauth2").map_or("", |host| host.1);
    let url = settings.url("oauth2", vendor)?.join("token");
    let exchange = Exchange::JwtBearer {
        issuer: settings.text("client_email")?,
        subject: Some(settings.text("admin_email")?),
        scope: SCOPES.join(" "),
        key: SigningKey::from_pem(settings.secret("private_key")?)?,
        key_id: None,
    };
    let auth = Auth::token(url.map_err(|_| unusable("`oauth2_url` is not an address"))?, exchange);
    Ok((Box::new(GoogleWorkspace { licences }), auth))
}

fn licences_of(text: &str) -> Option<Vec<(String, String)>> {
    if text.trim() == "none" {
        return Some(Vec::new());
    }
    let pair = |pair: &str| {
        let (product, sku) = pair.trim().split_once('/')?;
        (!product.is_empty() && !sku.is_empty()).then(|| (product.to_owned(), sku.to_owned()))
    };
    text.split(',').map(pair).collect()
}

fn removal(grant: &Grant) -> Action {
    let kind = match grant.kind {
        GrantKind::Licence => ActionKind::RemoveLicence,
        GrantKind::Delegation => ActionKind::RemoveDelegation,
        _ => ActionKind::RemoveGroup,
    };
    // The mailbox belongs to the first stage although nobody logs in by it: it has to come before the suspension.
    let action = match grant.privileged || grant.kind == GrantKind::Delegation {
        true => Action::contain(kind, &grant.id, &grant.name),
        false => Action::clean_up(kind, &grant.id, &grant.name),
    };
    // Some time after its licence went, Google deletes what a user had.
    let action = if grant.kind == GrantKind::Licence { action.losing_data() } else { action };
    // A filter's forwarding address would have to be verified by its owner again.
    if grant.id.starts_with("filter|") { action.irreversible() } else { action }
}

/// What makes a grant the same one after it was taken and given again: all of its id but the assignment's own.
fn lasting(id: &str) -> &str {
    let own = id.starts_with("role|").then(|| id.rsplit_once('|')).flatten();
    own.map_or(id, |(lasting, _)| lasting)
}

/// A path in the directory API.
fn directory<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    DIRECTORY.into_iter().chain(rest.iter().copied()).collect()
}

/// A path of the mailbox's settings.
fn mailbox<'a>(owner: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    ["gmail", "v1", "users", owner, "settings"].into_iter().chain(rest.iter().copied()).collect()
}

fn forwarding(owner: &str, body: serde_json::Value) -> Command {
    let command = Command::put(mailbox(owner, &["autoForwarding"])).at("gmail").header(ACT_AS, owner);
    command.json(body)
}

fn suspension(id: &str, suspended: bool) -> Command {
    Command::put(directory(&["users", id])).json(json!({"suspended": suspended}))
}

fn device(resource: &str, action: &str) -> Command {
    Command::post(directory(&["customer", CUSTOMER, "devices", "mobile", resource, "action"]))
        .json(json!({"action": action}))
}

/// The call that takes something away.
fn taking(account: &Account, target: &[&str]) -> Option<Command> {
    let (id, owner) = (account.id.as_str(), account.login.as_str());
    let in_mailbox = |rest: &[&str]| Command::delete(mailbox(owner, rest)).at("gmail").header(ACT_AS, owner);
    Some(match target {
        ["forward", _, _] => forwarding(owner, json!({"enabled": false})),
        ["delegate", who] => in_mailbox(&["delegates", who]),
        ["filter", to] => in_mailbox(&["forwardingAddresses", to]),
        ["token", client] => Command::delete(directory(&["users", id, "tokens", client])),
        ["asp", code] => Command::delete(directory(&["users", id, "asps", code])),
        ["codes"] => Command::post(directory(&["users", id, "verificationCodes", "invalidate"])),
        ["super"] => Command::post(directory(&["users", id, "makeAdmin"])).json(json!({"status": false})),
        ["role", _, _, _, held] => {
            Command::delete(directory(&["customer", CUSTOMER, "roleassignments", held]))
        }
        ["device", resource] => device(resource, "block"),
        ["group", group] => Command::delete(directory(&["groups", group, "members", id])),
        ["licence", product, sku] => {
            let path = ["apps", "licensing", "v1", "product", product, "sku", sku, "user", owner];
            Command::delete(path).at("licensing")
        }
        _ => return None,
    })
}

/// The call that gives something back.
fn giving(account: &Account, target: &[&str]) -> Option<Command> {
    let (id, owner) = (account.id.as_str(), account.login.as_str());
    Some(match target {
        ["forward", to, keep] => {
            forwarding(owner, json!({"enabled": true, "emailAddress": to, "disposition": keep}))
        }
        ["delegate", who] => Command::post(mailbox(owner, &["delegates"]))
            .at("gmail")
            .header(ACT_AS, owner)
            .json(json!({"delegateEmail": who})),
        ["super"] => Command::post(directory(&["users", id, "makeAdmin"])).json(json!({"status": true})),
        ["role", role, scope, unit, _] => {
            let mut body = json!({"roleId": role, "assignedTo": id, "scopeType": scope});
            if !unit.is_empty() {
                body["orgUnitId"] = json!(unit);
            }
            Command::post(directory(&["customer", CUSTOMER, "roleassignments"])).json(body)
        }
        ["device", resource] => device(resource, "approve"),
        ["group", group] => {
            Command::post(directory(&["groups", group, "members"])).json(json!({"id": id, "role": "MEMBER"}))
        }
        ["licence", product, sku] => {
            let path = ["apps", "licensing", "v1", "product", product, "sku", sku, "user"];
            Command::post(path).at("licensing").json(json!({"userId": owner}))
        }
        _ => return None,
    })
}

/// A receipt: Google answers without a body, or with JSON. A page of a proxy in between is neither.
fn receipt(answer: &Answer) -> Result<Outcome, Fault> {
    if !answer.text().trim().is_empty() {
        answer.json::<IgnoredAny>()?;
    }
    Ok(Outcome::Done)
}

#[async_trait]
impl Adapter for GoogleWorkspace {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = read::user(http, who).await? else { return Ok(Inventory::absent()) };
        let mut account = read::account_of(&user, matched_by);
        let known = async {
            match account.status {
                AccountStatus::Active => read::mailbox(http, &user).await,
                _ => Ok(None),
            }
        };
        let (mailbox, roles, groups, licences, credentials) = tokio::try_join!(
            known,
            read::roles(http, &user),
            read::groups(http, &user.id),
            read::licences(http, &user, &self.licences),
            read::credentials(http, &user),
        )?;
        if mailbox.is_none() {
            let why = "not readable: Gmail is switched off for this user";
            account.facts.entry(MAILBOX.to_owned()).or_insert_with(|| why.to_owned());
        }
        account.privileged = roles.iter().any(|role| role.privileged);
        let mut found = Inventory::of(account, Sessions::Unreadable);
        found.grants = mailbox.unwrap_or_default();
        found.grants.extend(roles.into_iter().chain(groups).chain(licences));
        found.credentials = credentials;
        found.assets = handover::assets();
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, who, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let of_kind = |kind| {
            let removable = move |grant: &&Grant| grant.kind == kind && grant.fixed.is_none();
            found.grants.iter().filter(removable).map(removal)
        };
        let mut todo: Vec<Action> = of_kind(GrantKind::Delegation).collect();
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let sessions = Action::contain(ActionKind::EndSessions, &account.id, "web and device sessions");
        todo.push(sessions.irreversible().by_receipt());
        for credential in found.credentials.iter().filter(|credential| credential.active) {
            let action = |kind| Action::contain(kind, &credential.id, &credential.label);
            todo.push(match credential.kind {
                CredentialKind::Device => action(ActionKind::RemoveFactor),
                CredentialKind::BackupCodes => action(ActionKind::RemoveFactor).irreversible(),
                _ => action(ActionKind::RevokeToken).irreversible(),
            });
        }
        for kind in [GrantKind::Role, GrantKind::Group, GrantKind::Licence] {
            todo.extend(of_kind(kind));
        }
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            todo.push(Action::contain(ActionKind::EnableAccount, &is.id, &is.login));
        }
        let blocked = now.credentials.iter().filter(|credential| !credential.active);
        for device in blocked.filter(|credential| credential.kind == CredentialKind::Device) {
            if before.credentials.iter().any(|used| used.id == device.id && used.active) {
                todo.push(Action::clean_up(ActionKind::EnableApiKey, &device.id, &device.label));
            }
        }
        for grant in before.grants.iter().filter(|grant| grant.fixed.is_none()) {
            let is_held = now.grants.iter().any(|held| lasting(&held.id) == lasting(&grant.id));
            if !is_held && !grant.id.starts_with("filter|") {
                todo.push(Action::clean_up(ActionKind::AddGrant, &grant.id, &grant.name));
            }
        }
        todo
    }

    fn is_named(&self, held: &Grant, name: &str) -> bool {
        held.name == name || lasting(&held.id) == lasting(name)
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        let parts: Vec<&str> = id.split('|').collect();
        let known = match parts.as_slice() {
            ["super"] | ["delegate" | "group", _] | ["forward" | "licence", _, _] => true,
            parts => matches!(parts, ["role", _, _, _, _]),
        };
        known.then(|| crate::asked_for(id))
    }

    fn hands_over(&self, _asset: &Asset) -> bool {
        true
    }

    async fn heir(&self, http: &Reader, who: &Person) -> Result<Option<Account>, Fault> {
        let found = read::user(http, who).await?;
        Ok(handover_to(found.map(|(user, matched_by)| read::account_of(&user, matched_by))))
    }

    async fn transferred(
        &self,
        http: &Reader,
        found: &Inventory,
        asset: &str,
        to: &str,
    ) -> Result<Progress, Fault> {
        match &found.account {
            Some(account) => handover::progress(http, account, asset, to).await,
            None => Ok(Progress::Failed("the account is gone, and what it owned with it".to_owned())),
        }
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        if action.kind == ActionKind::TransferOwnership {
            let (asset, heir) = parts(&action.target).ok_or_else(misnamed)?;
            return handover::ask(http, account, asset, heir).await;
        }
        let id = account.id.as_str();
        let target: Vec<&str> = action.target.split('|').collect();
        let command = match action.kind {
            ActionKind::DisableAccount => Some(suspension(id, true)),
            ActionKind::EnableAccount => Some(suspension(id, false)),
            ActionKind::EndSessions => {
                let answer = http.tell(Command::post(directory(&["users", id, "signOut"]))).await?;
                return receipt(&answer);
            }
            ActionKind::AddGrant | ActionKind::EnableApiKey => giving(account, &target),
            _ => taking(account, &target),
        };
        let unknown = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        let told = http.tell(command.ok_or_else(unknown)?).await.map(|_| Outcome::Done);
        let in_mailbox = matches!(target.first(), Some(&("forward" | "delegate" | "filter")));
        if in_mailbox { told.map_err(read::as_owner) } else { told }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let Some(account) = &before.account else { return Vec::new() };
        let mut all = Vec::new();
        if before.credentials.iter().any(|credential| credential.kind == CredentialKind::OauthToken) {
            let what = "access tokens already issued to applications can be honoured until they end";
            all.push(Residue { what: what.into(), lasts: Some(Duration::from_secs(3600)) });
        }
        if let Some(why) = account.facts.get(MAILBOX) {
            let what =
                format!("forwarding and delegation of the mailbox, {why}: they return with the account");
            all.push(Residue { what, lasts: None });
        }
        if before.credentials.iter().any(|credential| credential.kind == CredentialKind::Device) {
            let what = "what a blocked device had synchronised stays on it until it is wiped";
            all.push(Residue { what: what.into(), lasts: None });
        }
        all
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let refused = http.scopes_refused(&SCOPES).await?;
        let shown_by = || "Google gives no token for this scope alone".to_owned();
        Ok(refused.into_iter().map(|scope| Missing { scope, shown_by: shown_by() }).collect())
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(users([]).query("customer", CUSTOMER).query("maxResults", 1)).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaver_domain::risk::ActivityKind;

    #[test]
    fn licences_are_pairs_or_none() {
        assert_eq!(licences_of("none"), Some(Vec::new()));
        let pair = |product: &str, sku: &str| (product.to_owned(), sku.to_owned());
        let both = vec![pair("Google-Apps", "1010020027"), pair("101031", "1010310008")];
        assert_eq!(licences_of("Google-Apps/1010020027, 101031/1010310008"), Some(both));
        assert_eq!(licences_of("Google-Apps"), None);
        assert_eq!(licences_of(""), None);
    }

    fn account(status: AccountStatus) -> Account {
        Account {
            id: "1".into(),
            login: "john@example.com".into(),
            status,
            matched_by: "address".into(),
            privileged: false,
            last_login: None,
            facts: Default::default(),
        }
    }

    fn grant(id: &str, kind: GrantKind) -> Grant {
        let name = id.to_owned();
        Grant { id: id.into(), kind, name, privileged: false, fixed: None, sole_holder: false }
    }

    #[test]
    fn the_mailbox_comes_before_the_suspension() {
        let adapter = GoogleWorkspace { licences: Vec::new() };
        let mut found = Inventory::of(account(AccountStatus::Active), Sessions::Unreadable);
        found.grants = vec![
            grant("group|g", GrantKind::Group),
            grant("delegate|a@example.com", GrantKind::Delegation),
            grant("filter|b@elsewhere.example", GrantKind::Delegation),
        ];
        let todo = adapter.revoke(&found);
        let kinds: Vec<_> = todo.iter().map(|action| (action.kind, action.reversible)).collect();
        use ActionKind::*;
        let expected = [
            (RemoveDelegation, true),
            (RemoveDelegation, false),
            (DisableAccount, true),
            (EndSessions, false),
            (RemoveGroup, true),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_role_given_again_is_the_same_role() {
        let adapter = GoogleWorkspace { licences: Vec::new() };
        let with = |id: &str| {
            let mut found = Inventory::of(account(AccountStatus::Active), Sessions::Unreadable);
            found.grants.push(grant(id, GrantKind::Role));
            found
        };
        let before = with("role|7|ORG_UNIT|u1|100");
        assert!(adapter.restore(&before, &with("role|7|ORG_UNIT|u1|200")).is_empty());
        assert_eq!(adapter.restore(&before, &with("role|7|ORG_UNIT|u2|200")).len(), 1);
    }

    #[test]
    fn log_entries_become_activity() {
        let entry = |application: &str, name: &str, parameters: serde_json::Value| {
            let entry = json!({
                "id": {"time": "2026-02-03T10:00:00Z", "uniqueQualifier": "1", "applicationName": application},
                "networkInfo": {"regionCode": "DE"}, "events": [{"name": name, "parameters": parameters}],
            });
            let event = log::events(&serde_json::from_value(entry).unwrap()).remove(0);
            assert_eq!(event.country.as_deref(), Some("DE"));
            event.kind
        };
        assert_eq!(entry("login", "login_success", json!([])), ActivityKind::Login);
        assert_eq!(entry("login", "login_failure", json!([])), ActivityKind::FailedLogin);
        assert_eq!(entry("drive", "download", json!([])), ActivityKind::Download);
        let outside = json!([{"name": "visibility_change", "value": "external"}]);
        assert_eq!(entry("drive", "change_user_access", outside), ActivityKind::ShareExternal);
        assert_eq!(entry("drive", "change_user_access", json!([])), ActivityKind::Other);
        let forwarding = entry("user_accounts", "email_forwarding_out_of_domain", json!([]));
        assert_eq!(forwarding, ActivityKind::ForwardingSet);
        assert_eq!(entry("user_accounts", "2sv_disable", json!([])), ActivityKind::FactorChanged);
        assert_eq!(entry("token", "authorize", json!([])), ActivityKind::CredentialCreated);
        assert_eq!(entry("admin", "ASSIGN_ROLE", json!([])), ActivityKind::PrivilegeChanged);
    }
}
