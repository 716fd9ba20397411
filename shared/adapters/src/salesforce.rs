//! Salesforce: one organisation, by its REST API and SOQL, with a signed assertion instead of a password.
//!
//! Order: freeze first, which is at once and refused to nobody; then sessions, because a frozen user keeps those that are
//! open, and the tokens of applications. Permission sets, groups and licences follow, and the user is deactivated last:
//! that gives the licence back, and Salesforce refuses it while the user stands in one of its defaults. The freeze stays
//! then, and a human gets the reason.

mod owned;
mod read;
mod roster;
mod soql;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, Exchange, SigningKey},
    handover::{account_of, misnamed, parts},
    http::{Answer, Command, Query, Reader, Writer},
    restore::{given_again, lost},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Credential, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    secret::Secret,
    time::Timestamp,
};
use read::Held;
use serde::Deserialize;
use serde_json::{Value, json};
use soql::{API, quoted};

/// Where production users log in; it has to stand in the assertion, whatever the organisation's own address is.
const AUDIENCE: &str = "https://login.salesforce.com";
/// The fact with the id of the row that holds whether a user is frozen.
const LOGIN_ROW: &str = "user_login";
const FROZEN: &str = "frozen";

/// What is known of Salesforce without asking it.
pub const SPEC: Spec = Spec {
    id: "salesforce",
    name: "Salesforce",
    part: Part::Account,
    hosts: &[("", "https://your-organisation.my.salesforce.com")],
    settings: &[
        ("base_url", "https address of the organisation's My Domain"),
        ("client_id", "consumer key of the external client app that leaver acts as"),
        ("private_key", "private key whose certificate that app holds, PEM"),
        ("username", "user name of leaver's integration user"),
        ("audience", "https://test.salesforce.com for a sandbox; left out for production"),
    ],
    scopes: &read::SCOPES,
    order: &[
        "Freeze the user: nobody can log in from then on.",
        "End all sessions, which a freeze leaves open.",
        "Revoke the OAuth tokens of every application that the user let in.",
        "Take permission sets, permission set groups, public groups and queues away.",
        "Give accounts, and open leads, opportunities and cases to whoever takes over.",
        "Give permission set licences back.",
        "Deactivate the user, which gives the user licence back.",
    ],
    residuals: &[
        "The profile stays on the deactivated user: Salesforce knows no user without one.",
        "Closed records, reports and dashboards stay the user's until somebody gives them to somebody else.",
        "Scheduled jobs go on until somebody schedules them anew under another user.",
        "Delegated groups and the user's own verification methods stay with the deactivated user.",
    ],
    setup: &[
        "Make a key and a certificate, and an external client app with the JWT bearer flow that holds the certificate; scopes: api, refresh_token.",
        "Make an integration user for leaver and a permission set with the permissions named below Manage All Private Reports and Dashboards, and Transfer Record.",
        "Assign the permission set, and let administrators pre-authorise the app for that user.",
        "Put My Domain's address, consumer key, private key and user name into this system's secret.",
        "For a sandbox organisation, set `audience` to https://test.salesforce.com.",
    ],
    roster: Roster::Listed(
        "Every user of the organisation, with the last login; integration users and guests are marked.",
    ),
    source: "REST API Developer Guide and Object Reference for the Salesforce Platform, version 66.0 \
             (UserLogin, AuthSession, OauthToken, PermissionSetAssignment, GroupMember), developer.salesforce.com",
};

struct Salesforce {
    /// leaver's own user, which counts as nobody's colleague and is never touched.
    own: String,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or the key is none.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let key = SigningKey::from_pem(settings.secret("private_key")?)?;
    let own = settings.text("username")?;
    let mut url = settings.url("", "https://your-organisation.my.salesforce.com")?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["services", "oauth2", "token"]);
    }
    let exchange = Exchange::Assertion {
        issuer: settings.text("client_id")?,
        subject: own.clone(),
        audience: settings.optional("audience").unwrap_or_else(|| AUDIENCE.to_owned()),
        key,
    };
    Ok((Box::new(Salesforce { own }), Auth::token(url, exchange)))
}

/// A row of an object.
fn row<'a>(object: &'a str, id: &'a str) -> [&'a str; 6] {
    ["services", "data", API, "sobjects", object, id]
}

/// That something was done, which one status alone says. A page in between that answers 200 to everything would let the
/// calls that build on this one fail for another reason.
fn confirmed(answer: &Answer, status: u16) -> Result<Outcome, Fault> {
    if answer.status == status {
        return Ok(Outcome::Done);
    }
    Err(Fault::shape(format!("Salesforce confirms a change with {status}, and answered {}", answer.status)))
}

async fn delete(http: &Writer, object: &str, id: &str) -> Result<Outcome, Fault> {
    confirmed(&http.tell(Command::delete(row(object, id))).await?, 204)
}

async fn update(http: &Writer, object: &str, id: &str, fields: Value) -> Result<Outcome, Fault> {
    confirmed(&http.tell(Command::patch(row(object, id)).json(fields)).await?, 204)
}

async fn insert(http: &Writer, object: &str, fields: Value) -> Result<Outcome, Fault> {
    let path = ["services", "data", API, "sobjects", object];
    confirmed(&http.tell(Command::post(path).json(fields)).await?, 201)
}

/// Ends what is open now. Ending one session ends those that it opened: what is gone meanwhile is no failure.
async fn end_sessions(http: &Writer, user: &str) -> Result<Outcome, Fault> {
    for session in read::sessions(http, user).await? {
        match delete(http, "AuthSession", &session).await {
            Err(fault) if fault.kind != FaultKind::NotFound => return Err(fault),
            _ => {}
        }
    }
    Ok(Outcome::Done)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Token {
    delete_token: Option<Secret>,
}

/// Revokes what an application was given. The text that revokes a token is read only here, and kept nowhere.
async fn revoke_tokens(http: &Writer, user: &str, app: &str) -> Result<Outcome, Fault> {
    let which = match app.is_empty() {
        true => "AppName = null".to_owned(),
        false => format!("AppName = '{}'", quoted(app)),
    };
    let text = format!("SELECT DeleteToken FROM OauthToken WHERE UserId = '{}' AND {which}", quoted(user));
    for token in soql::all::<Token>(http, &text).await?.into_iter().filter_map(|token| token.delete_token) {
        let revoke = Command::post(["services", "oauth2", "revoke"]);
        http.tell(revoke.form([("token", token.expose())])).await?;
    }
    Ok(Outcome::Done)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
}

/// Takes a grant away: its row has an id of its own, and a new one each time.
async fn take(http: &Writer, user: &str, held: &Held<'_>) -> Result<Outcome, Fault> {
    let text = format!("SELECT Id FROM {} WHERE {}", held.object(), held.condition(user));
    let rows = soql::all::<Row>(http, &text).await?;
    if rows.is_empty() {
        return Ok(Outcome::Already);
    }
    for Row { id } in rows {
        delete(http, held.object(), &id).await?;
    }
    Ok(Outcome::Done)
}

/// A refusal to change whether a user is active, with what it means.
fn explained(mut fault: Fault, means: &str) -> Fault {
    if fault.kind == FaultKind::Conflict {
        fault.detail = format!("{means} ({})", fault.detail);
    }
    fault
}

const NOT_DEACTIVATED: &str = "Salesforce does not deactivate a user who is a default lead or case owner, the default \
workflow user, or the sole recipient of an alert: put somebody else there. The user stays frozen and keeps the licence";
const NOT_ACTIVATED: &str = "Salesforce does not activate the user, mostly because no licence is left";

#[async_trait]
impl Adapter for Salesforce {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = read::user_of(http, who).await? else {
            return Ok(Inventory::absent());
        };
        if user.username.eq_ignore_ascii_case(&self.own) {
            let detail = "the account is leaver's own integration user, which leaver never touches";
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
        let id = user.id.clone();
        let (login, sessions, credentials, grants) = tokio::try_join!(
            read::login(http, &id),
            read::sessions(http, &id),
            read::credentials(http, &id),
            read::grants(http, &user, &self.own)
        )?;
        let assets = owned::assets(http, &id).await?;
        let privileged = grants.iter().any(|grant| grant.privileged);
        let account = user.account(matched_by, &login, privileged);
        Ok(Inventory { credentials, grants, assets, ..Inventory::of(account, Sessions::Listed(sessions)) })
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        read::activity(http, &who.id, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if let (AccountStatus::Active, Some(login)) = (account.status, account.facts.get(LOGIN_ROW)) {
            let label = format!("freeze {}", account.login);
            todo.push(Action::contain(ActionKind::DisableAccount, login, label));
        }
        let open = match &found.sessions {
            Sessions::Listed(open) => open.len(),
            Sessions::ValidFrom(_) | Sessions::Unreadable => 0,
        };
        if open > 0 {
            let label = format!("{open} sessions of {}", account.login);
            todo.push(Action::contain(ActionKind::EndSessions, &account.id, label).irreversible());
        }
        let token = |held: &Credential| {
            Action::contain(ActionKind::RevokeToken, &held.id, &held.label).irreversible()
        };
        todo.extend(found.credentials.iter().map(token));
        // A permission set may need its licence: the licences go afterwards.
        let free = found.grants.iter().filter(|held| held.fixed.is_none());
        let (licences, sets): (Vec<&Grant>, Vec<&Grant>) =
            free.partition(|held| held.kind == GrantKind::Licence);
        let take = |kind, held: &Grant| Action::clean_up(kind, &held.id, &held.name);
        todo.extend(sets.into_iter().map(|held| take(ActionKind::RemoveGroup, held)));
        todo.extend(licences.into_iter().map(|held| take(ActionKind::RemoveLicence, held)));
        if account.status != AccountStatus::Deactivated {
            let label = format!("deactivate {}", account.login);
            todo.push(Action::clean_up(ActionKind::RemoveLicence, &account.id, label));
        }
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status != AccountStatus::Deactivated && is.status == AccountStatus::Deactivated {
            let label = format!("activate {}", is.login);
            todo.push(Action::contain(ActionKind::EnableAccount, &is.id, label));
        }
        let frozen = is.facts.get(FROZEN).is_some_and(|frozen| frozen == "true");
        if let (AccountStatus::Active, true, Some(login)) = (was.status, frozen, is.facts.get(LOGIN_ROW)) {
            let label = format!("unfreeze {}", is.login);
            todo.push(Action::contain(ActionKind::EnableAccount, login, label));
        }
        let mut missing: Vec<&Grant> = lost(before, now).collect();
        missing.sort_by_key(|had| had.kind != GrantKind::Licence);
        todo.extend(given_again(missing.into_iter()));
        todo
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        Held::parse(id).map(|held| Grant { kind: held.kind(), ..crate::asked_for(id) })
    }

    fn hands_over(&self, asset: &Asset) -> bool {
        asset.id.starts_with(owned::RECORDS_OF)
    }

    async fn heir(&self, http: &Reader, who: &Person) -> Result<Option<Account>, Fault> {
        let Some((user, matched_by)) = read::user_of(http, who).await? else { return Ok(None) };
        let login = read::login(http, &user.id).await?;
        Ok(account_of(Some(user.account(matched_by, &login, false))))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        if action.kind == ActionKind::TransferOwnership {
            let (records, heir) = parts(target).ok_or_else(misnamed)?;
            return owned::give(http, id, records, heir).await;
        }
        let (user, login) = (target == id, account.facts.get(LOGIN_ROW).is_some_and(|row| row == target));
        let active = |active: bool| update(http, "User", id, json!({"IsActive": active}));
        let frozen = |frozen: bool| update(http, "UserLogin", target, json!({"IsFrozen": frozen}));
        match action.kind {
            ActionKind::DisableAccount if login => frozen(true).await,
            ActionKind::EnableAccount if login => frozen(false).await,
            ActionKind::EnableAccount if user => {
                active(true).await.map_err(|fault| explained(fault, NOT_ACTIVATED))
            }
            ActionKind::RemoveLicence if user => {
                active(false).await.map_err(|fault| explained(fault, NOT_DEACTIVATED))
            }
            ActionKind::EndSessions => end_sessions(http, id).await,
            ActionKind::RevokeToken => {
                revoke_tokens(http, id, target.strip_prefix(read::APP).unwrap_or(target)).await
            }
            ActionKind::RemoveGroup | ActionKind::RemoveLicence | ActionKind::AddGrant => {
                let held = Held::parse(target);
                let held =
                    held.ok_or_else(|| Fault::new(FaultKind::Internal, "not a grant of this adapter"))?;
                match action.kind {
                    ActionKind::AddGrant => insert(http, held.object(), held.fields(id)).await,
                    _ => take(http, id, &held).await,
                }
            }
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let live = before.assets.iter().filter(|asset| asset.live_automation);
        let what = |name: &str| format!("the {name} goes on until it is scheduled anew under another user");
        live.map(|asset| Residue { what: what(&format!("{} {}", asset.kind, asset.name)), lasts: None })
            .collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        read::missing(http).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(Query::get(["services", "data", API])).await.map(|_| ())
    }
}
