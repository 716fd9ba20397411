//! Notion, by SCIM: members of a workspace, their role, their groups.
//!
//! Order: an owner or membership administrator becomes a plain member, then `active` becomes false, which removes the member
//! from the workspace and, as Notion documents, logs them out everywhere; memberships go with it. A removed member is not
//! listed any more, and comes back by being added again under the same address, to the same account.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Reader, Writer},
    restore,
    scim::{Client, User},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    custom::{FilterBy, Quirks},
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Grant, GrantKind, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use serde_json::{Value, json};

const MEMBERS: &str = "SCIM token of a workspace owner: members";
const GROUPS: &str = "SCIM token of a workspace owner: groups";

/// The extension that holds the role in the workspace.
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:notion:2.0:User";
/// The roles that administer others.
const ADMINISTRATORS: [&str; 2] = [OWNER, "membership_admin"];
const OWNER: &str = "owner";

/// What is known of Notion without asking it.
pub const SPEC: Spec = Spec {
    id: "notion",
    name: "Notion",
    part: Part::Account,
    hosts: &[("", "https://www.notion.so/scim/v2")],
    settings: &[("token", "SCIM token of the workspace, made by a workspace owner who stays")],
    scopes: &[MEMBERS, GROUPS],
    order: &[
        "the member is found by e-mail, and read by their id; groups are read with their members",
        "an owner or membership administrator becomes a plain member",
        "`active` becomes false: the member is removed from the workspace and logged out of all sessions, as Notion documents",
        "groups that still hold the person lose them; Notion takes memberships away with the member",
        "the member is looked for again, and must not be there or not be active",
    ],
    residuals: &[
        "guests are not covered by SCIM: a page shared with the person's address as a guest stays shared until somebody takes the share back",
        "the Notion account itself, and other workspaces that it is in, live on: only the person can delete it",
        "private pages stay in the workspace and nobody sees them until an owner transfers them",
        "connections and integrations that the person set up are not listed by SCIM",
        "that sessions end is Notion's word: no call lists them",
        "the audit log is not open to a SCIM token, so nothing is known of recent activity",
    ],
    setup: &[
        "have the Enterprise plan, with SAML single sign-on set up and the e-mail domain verified",
        "as a workspace owner who stays, open Settings, Identity & provisioning, SCIM provisioning, and make a new token",
        "put the token into the secret of `notion` as `token`; each workspace has its own",
        "replace the token before its maker leaves or stops being an owner: Notion revokes it then, and refuses to remove its maker by it",
        "tell people to make shared pages in teamspaces, as private pages have to be transferred by hand",
    ],
    roster: Roster::Listed(
        "Every member that SCIM lists; who was removed is none any more, and logins are not in the list.",
    ),
    source: "Notion help, \"Provision users & groups with SCIM\" (no machine-readable description), over RFC 7643 and RFC 7644",
};

struct Notion(Client);

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the token is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    // The help page names `email`, `given_name` and `family_name` as what can be filtered by, and 100 as the longest page.
    let quirks = Quirks { filter: vec![FilterBy::Email], ..Quirks::default() };
    let client = Client { quirks, media_type: "application/scim+json" };
    Ok((Box::new(Notion(client)), Auth::bearer(settings.secret("token")?.clone())))
}

fn role_of(user: &User) -> Option<&str> {
    user.more.get(EXTENSION)?.get("role").and_then(Value::as_str)
}

impl Notion {
    /// The administrative role as a grant; of an owner also whether there is another.
    async fn role(&self, http: &Reader, user: &User) -> Result<Option<Grant>, Fault> {
        let Some(role) = role_of(user).filter(|role| ADMINISTRATORS.contains(role)) else { return Ok(None) };
        let mut sole_holder = false;
        if role == OWNER && user.active {
            let all = self.0.everybody(http).await?;
            let other = |one: &User| one.id != user.id && one.active && role_of(one) == Some(OWNER);
            sole_holder = !all.iter().any(other);
        }
        Ok(Some(Grant {
            id: format!("role:{role}"),
            kind: GrantKind::Role,
            name: role.to_owned(),
            privileged: true,
            fixed: None,
            sole_holder,
        }))
    }
}

/// What stays behind. No call lists it, so that it stands here once for everybody.
fn assets(role: Option<&Grant>) -> Vec<Asset> {
    let asset = |id: &str, name: &str| Asset {
        id: id.to_owned(),
        kind: id.to_owned(),
        name: name.to_owned(),
        live_automation: false,
        next: Next::Task,
    };
    let mut all = vec![asset("private_pages", "private pages, which an owner transfers after the removal")];
    if role.is_some_and(|role| role.name == OWNER) {
        all.push(asset("scim_tokens", "SCIM tokens that this owner made: they end with the role"));
    }
    all
}

#[async_trait]
impl Adapter for Notion {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = self.0.find(http, SPEC.id, who).await? else {
            return Ok(Inventory::absent());
        };
        let (role, groups) = tokio::try_join!(self.role(http, &user), self.0.groups_of(http, &user))?;
        let account = user.account(matched_by, AccountStatus::Deactivated, role.is_some());
        let mut found = Inventory::of(account, Sessions::Unreadable);
        found.assets = assets(role.as_ref());
        found.grants = role.into_iter().chain(groups).collect();
        Ok(found)
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "Notion's audit log is not open to a SCIM token"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        for role in found.grants.iter().filter(|grant| grant.kind == GrantKind::Role) {
            todo.push(Action::contain(ActionKind::RemoveGroup, &role.id, format!("role {}", role.name)));
        }
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let groups =
            found.grants.iter().filter(|grant| grant.kind == GrantKind::Group && grant.fixed.is_none());
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let Some(was) = &before.account else { return Vec::new() };
        if now.account.is_none() {
            // Removed: Notion adds whoever has this address, with the account that they had.
            let add = Action::contain(ActionKind::EnableAccount, format!("add:{}", was.login), &was.login);
            return if was.status == AccountStatus::Active { vec![add] } else { Vec::new() };
        }
        restore::plainly(before, now)
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let target = action.target.as_str();
        if let (ActionKind::EnableAccount, Some(email)) = (action.kind, target.strip_prefix("add:")) {
            return self.0.create(http, email).await;
        }
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let id = account.id.as_str();
        let role = |role: &str| self.0.replace_in(http, id, EXTENSION, json!({"role": role}));
        match (action.kind, target.strip_prefix("role:")) {
            (ActionKind::DisableAccount, _) => self.0.set_active(http, id, false).await,
            (ActionKind::EnableAccount, _) => self.0.set_active(http, id, true).await,
            (ActionKind::RemoveGroup, Some(_)) => role("member").await,
            (ActionKind::AddGrant, Some(name)) => role(name).await,
            (ActionKind::RemoveGroup, None) => self.0.leave(http, target, id).await,
            (ActionKind::AddGrant, None) => self.0.join(http, target, id).await,
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let guest = Residue {
            what: "pages shared with this address as a guest, which SCIM neither lists nor takes back".into(),
            lasts: None,
        };
        before.account.iter().map(|_| guest.clone()).collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        self.0.missing(http, MEMBERS, GROUPS).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        self.0
            .roster(http, from, AccountStatus::Deactivated, |user| {
                Some(role_of(user).is_some_and(|role| ADMINISTRATORS.contains(&role)))
            })
            .await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        self.0.probe(http).await
    }
}
