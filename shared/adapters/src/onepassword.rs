//! 1Password: the users of one account, their groups, and what they opened.
//!
//! Two ways lead to the users, and 1Password allows one of them only. Where provisioning is off, the Users API suspends and
//! reactivates; it knows no groups. Where provisioning is on, the Users API is not supported, and SCIM (hosted by 1Password,
//! or one's own SCIM bridge) does both, users and groups. Which one it is follows from the settings. What was done is read
//! from the Events API, which has a token of its own, in either case.
//!
//! Order: suspend, then leave the groups. Suspending cannot make anybody forget what they read: every item that the usage
//! log shows becomes a line of the worklist, and service accounts that the person made a task, as their tokens live on.

mod bridge;
mod log;
mod roster;
mod users;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, Exchange},
    http::{Reader, Writer},
    missing_by_reads,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Grant, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use std::collections::BTreeMap;

/// What is known of 1Password without asking it.
pub const SPEC: Spec = Spec {
    id: "onepassword",
    name: "1Password",
    part: Part::Account,
    hosts: &[
        ("", "https://api.1password.com"),
        ("scim", "https://your-scim-bridge.example.com/scim"),
        ("events", "https://events.1password.com"),
    ],
    settings: &[
        ("scim_url", "with provisioning: SCIM address of the hosted provisioning or of your SCIM bridge"),
        ("scim_token", "with provisioning: its bearer token"),
        ("account_id", "without provisioning: UUID of the account"),
        ("client_id", "without provisioning: client id of an OAuth application"),
        ("client_secret", "without provisioning: its client secret"),
        ("events_token", "bearer token of an Events Reporting integration"),
    ],
    scopes: &[
        LIST_USERS,
        GET_USERS,
        "suspend users (without provisioning)",
        "reactivate users (without provisioning)",
        "signinattempts",
        "itemusages",
        "auditevents",
    ],
    order: &[
        "Find the user by e-mail address in the whole list, by the Users API or, with provisioning, by SCIM.",
        "List what has to get a new secret: every item of a shared vault that the usage log of the last 30 days shows.",
        "List the service accounts and tokens that the person made in the last 120 days: they outlive the suspension.",
        "Suspend the user. A repeat changes nothing; the last owner is refused.",
        "With provisioning, take the user out of the groups that it manages.",
        "Read the user back: suspended, in no managed group.",
    ],
    residuals: &[
        "Secrets that the person saw stay known to them until they are changed.",
        "Tokens of service accounts keep working until somebody revokes them.",
        "A device that stays offline keeps its encrypted copy until it connects again.",
        "Usage of items is recorded for shared vaults only, and arrives when the client synchronises.",
        "Without provisioning, nothing tells or takes group memberships: a suspended user keeps them.",
        "Hosted provisioning leaves out groups that may recover accounts or manage all groups, such as owners.",
        "An identity provider that feeds the same provisioning can undo it: the person has to leave there, too.",
        "Vaults that the person managed alone need another manager: leaver names nobody.",
    ],
    setup: &[
        "Sign in to your account on 1Password.com as an owner or administrator and open Integrations.",
        "With provisioning: put the SCIM address and bearer token of the provisioning integration into `scim_url` and \
         `scim_token`, and leave `account_id`, `client_id` and `client_secret` out.",
        "Without provisioning: under Directory choose OAuth Application, select the scopes get user, list users, suspend \
         users and reactivate users, and put id, secret and the account's UUID into the secret of `onepassword`.",
        "Under Events Reporting choose Other, issue a token for sign-in attempts, item usage and audit events, and put it \
         into `events_token`.",
        "For an account at 1Password.ca, 1Password.eu or ent.1password.com also set `base_url` and `events_url` to the \
         addresses of that region.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every user of the account, with the date of creation; logins are not in the list, and by the Users API neither is the employee number.",
    ),
    source: "1Password Users API for Partners (v1beta1, public preview), Events API OpenAPI 1.2.0, \
             support.1password.com/scim-endpoints with RFC 7643 and RFC 7644",
};

const LIST_USERS: &str = "list users (without provisioning)";
const GET_USERS: &str = "get user (without provisioning)";

/// By what the users are reached.
enum Way {
    /// The Users API, for the account of this id.
    Users(String),
    /// SCIM, where provisioning is on.
    Bridge,
}

struct OnePassword {
    way: Way,
    /// Whether there is a token for the Events API.
    reports: bool,
}

/// A user, by either way.
struct User {
    id: String,
    login: String,
    status: AccountStatus,
    matched_by: &'static str,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let mut hosts = BTreeMap::new();
    let way = match settings.secret("scim_token") {
        Ok(token) => {
            settings.text("scim_url")?;
            hosts.insert("scim", Auth::bearer(token.clone()));
            Way::Bridge
        }
        Err(_) => {
            let unusable = || Fault::new(FaultKind::CredentialRejected, "`base_url` is not an address");
            let [users, ..] = SPEC.hosts else { return Err(unusable()) };
            let url = settings.url(users.0, users.1)?.join("v1beta1/users/oauth2/token");
            let exchange = Exchange::BasicCredentials {
                client_id: settings.text("client_id")?,
                client_secret: settings.secret("client_secret")?.clone(),
            };
            hosts.insert("", Auth::token(url.map_err(|_| unusable())?, exchange));
            Way::Users(settings.text("account_id")?)
        }
    };
    let token = settings.secret("events_token").ok();
    let reports = token.is_some();
    hosts.extend(token.map(|token| ("events", Auth::bearer(token.clone()))));
    Ok((Box::new(OnePassword { way, reports }), Auth::ByHost(hosts)))
}

/// The only one of those who match.
fn only(mut users: Vec<User>) -> Result<Option<User>, Fault> {
    match users.len() {
        0 | 1 => Ok(users.pop()),
        more => {
            let detail = format!("{more} users carry this person's login, e-mail or number");
            Err(Fault::new(FaultKind::Ambiguous, detail))
        }
    }
}

/// 1Password's refusal to suspend, in words that tell what to do.
fn kept(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Conflict => Fault::new(
            FaultKind::Conflict,
            "1Password does not suspend the last owner or an externally managed administrator; make another owner first",
        ),
        _ => fault,
    }
}

impl OnePassword {
    async fn set_active(&self, http: &Writer, id: &str, active: bool) -> Result<Outcome, Fault> {
        let set = match &self.way {
            Way::Users(account) => users::set_active(http, account, id, active).await,
            Way::Bridge => bridge::set_active(http, id, active).await,
        };
        match set {
            Ok(()) => Ok(Outcome::Done),
            Err(fault) if active => Err(fault),
            Err(fault) => Err(kept(fault)),
        }
    }
}

#[async_trait]
impl Adapter for OnePassword {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let user = match &self.way {
            Way::Users(account) => users::locate(http, account, who).await?,
            Way::Bridge => bridge::locate(http, who).await?,
        };
        let Some(user) = user else { return Ok(Inventory::absent()) };
        let groups = async {
            match self.way {
                Way::Users(_) => Ok(Vec::new()),
                Way::Bridge => bridge::groups(http, &user.id).await,
            }
        };
        let (grants, assets) =
            tokio::try_join!(groups, log::left_behind(http, &user.id, &user.login, self.reports))?;
        let account = Account {
            id: user.id,
            login: user.login,
            status: user.status,
            matched_by: user.matched_by.to_owned(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::new(),
        };
        Ok(Inventory { grants, assets, ..Inventory::of(account, Sessions::Unreadable) })
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        match self.reports {
            true => log::activity(http, &who.id, &who.login, since).await,
            false => Ok(Activity::unavailable(since, log::NO_TOKEN)),
        }
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let groups = found.grants.iter().filter(|grant| grant.fixed.is_none());
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        todo
    }

    /// Groups can be given where provisioning manages them.
    fn grant(&self, id: &str) -> Option<Grant> {
        let uuid = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        (matches!(self.way, Way::Bridge) && uuid).then(|| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        match action.kind {
            ActionKind::DisableAccount => self.set_active(http, id, false).await,
            ActionKind::EnableAccount => self.set_active(http, id, true).await,
            ActionKind::RemoveGroup => bridge::set_member(http, target, id, false).await,
            ActionKind::AddGrant => bridge::set_member(http, target, id, true).await,
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let outlives = |what: String| Residue { what, lasts: None };
        let items = before.assets.iter().filter(|asset| asset.next == Next::Rotate).count();
        let lives_on = before.assets.iter().filter(|asset| log::LIVES_ON.contains(&asset.kind.as_str()));
        let mut left: Vec<Residue> = lives_on
            .map(|asset| outlives(format!("{}, which no suspension of its maker stops", asset.name)))
            .collect();
        if items > 0 {
            left.push(outlives(format!("what the person read in {items} items of shared vaults")));
        }
        if before.account.is_some() {
            left.push(outlives("encrypted copies on devices that stay offline".into()));
        }
        if before.account.is_some() && matches!(self.way, Way::Users(_)) {
            left.push(outlives("memberships of groups, which the Users API does not tell".into()));
        }
        left
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let mut missing = match &self.way {
            Way::Users(account) => {
                let reads = [(LIST_USERS, users::one(account)), (GET_USERS, users::nobody(account))];
                missing_by_reads(http, reads).await?
            }
            Way::Bridge => Vec::new(),
        };
        missing.extend(log::missing(http, self.reports).await?);
        Ok(missing)
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(&self.way, http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let query = match &self.way {
            Way::Users(account) => users::one(account),
            Way::Bridge => bridge::one(),
        };
        http.ask(query).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(pairs: &[(&str, &str)]) -> Result<Box<dyn Adapter>, Fault> {
        open(&Settings::from_pairs(SPEC.id, pairs.iter().copied())).map(|(adapter, _)| adapter)
    }

    const USERS: [(&str, &str); 3] = [("account_id", "A"), ("client_id", "c"), ("client_secret", "s")];

    #[test]
    fn the_settings_say_by_which_way_and_only_provisioning_gives_groups() {
        let group = "ZGUAKTTHLFBB3HQXVMZAXGFHYE";
        assert!(opened(&USERS).unwrap().grant(group).is_none());
        let bridge = [("scim_url", "https://scim.example.com/scim"), ("scim_token", "t")];
        assert!(opened(&bridge).unwrap().grant(group).is_some());
        assert_eq!(opened(&bridge[1..]).err().map(|fault| fault.kind), Some(FaultKind::CredentialRejected));
        assert_eq!(opened(&USERS[1..]).err().map(|fault| fault.kind), Some(FaultKind::CredentialRejected));
    }

    #[test]
    fn only_a_refusal_is_told_in_other_words() {
        let told = |kind| kept(Fault::new(kind, "HTTP 400")).detail;
        assert!(told(FaultKind::Conflict).contains("last owner"));
        assert_eq!(told(FaultKind::Unavailable), "HTTP 400");
    }
}
