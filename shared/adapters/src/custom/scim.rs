//! Any SCIM 2.0 server as a system, by configuration and no code: users by the attributes that the server can be asked for,
//! their groups, and the quirks that [`Scim`] names.
//!
//! Order: deactivate, then take the groups. SCIM knows neither sessions nor tokens and has no log, so that both are said to
//! be unknown.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Reader, Writer},
    scim::Client,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    custom::Scim,
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};

const USERS: &str = "users: read and write";
const GROUPS: &str = "groups: read and write, where the server has groups";

/// What is known of every system of this kind without asking it.
pub const SPEC: Spec = Spec {
    id: "scim",
    name: "A system that speaks SCIM 2.0",
    part: Part::Account,
    hosts: &[("", "https://wiki.example.com/scim/v2")],
    settings: &[
        ("base_url", "address of its SCIM service, below which /Users and /Groups lie"),
        ("token", "bearer token of that service"),
    ],
    scopes: &[USERS, GROUPS],
    order: &[
        "the account is found by every attribute that the configuration names, and then read by its id",
        "`active` becomes false, by PATCH, by PUT or, where the configuration says that it deactivates, by DELETE",
        "the person is taken out of every group, one at a time",
        "account and groups are read again",
    ],
    residuals: &[
        "sessions and tokens of the system live as long as it lets them: SCIM neither lists nor ends them",
        "what the person owns in the system is not listed by SCIM",
        "memberships that the server shows neither with its groups nor with the user are not seen",
    ],
    setup: &[
        "make a token for leaver in the system's SCIM settings, with the right to read and write users and groups",
        "put the service's address and the token into the system's secret as `base_url` and `token`",
        "say in the configuration where the server departs from the standard",
        "run `leaver doctor`, and preview a case for somebody who has an account there",
    ],
    roster: Roster::Listed("Every user that the server lists; a system of SCIM tells no logins."),
    source: "RFC 7643 and RFC 7644",
};

struct ScimSystem {
    system: String,
    client: Client,
}

/// The adapter of one such system and its authentication.
///
/// # Errors
/// `CredentialRejected` where the secret lacks the address or the token.
pub fn open(system: &str, config: &Scim, settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    settings.text("base_url")?;
    let client = Client { quirks: config.quirks.clone(), media_type: "application/scim+json" };
    let auth = Auth::bearer(settings.secret("token")?.clone());
    Ok((Box::new(ScimSystem { system: system.to_owned(), client }), auth))
}

#[async_trait]
impl Adapter for ScimSystem {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = self.client.find(http, &self.system, who).await? else {
            return Ok(Inventory::absent());
        };
        let account = user.account(matched_by, AccountStatus::Suspended, false);
        let mut found = Inventory::of(account, Sessions::Unreadable);
        found.grants = self.client.groups_of(http, &user).await?;
        Ok(found)
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "SCIM has no log"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let groups =
            found.grants.iter().filter(|grant| grant.kind == GrantKind::Group && grant.fixed.is_none());
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        todo
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        match action.kind {
            ActionKind::DisableAccount => self.client.set_active(http, id, false).await,
            ActionKind::EnableAccount => self.client.set_active(http, id, true).await,
            ActionKind::RemoveGroup => self.client.leave(http, target, id).await,
            ActionKind::AddGrant => self.client.join(http, target, id).await,
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let sessions = Residue {
            what: "sessions and tokens that the system gave before, which SCIM neither lists nor ends".into(),
            lasts: None,
        };
        before.account.iter().map(|_| sessions.clone()).collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        self.client.missing(http, USERS, GROUPS).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        self.client.roster(http, from, AccountStatus::Suspended, |_| None).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        self.client.probe(http).await
    }
}
