//! Figma, by SCIM: members of an organisation, their seat, whether they administer it, and its SCIM groups; its activity log,
//! at another host and with a token of its own.
//!
//! Order: an administrator stops being one, then `active` becomes false, which removes the member from the organisation and
//! keeps their SCIM record, so that they can come back; groups and the paid seat are tidied afterwards. DELETE is never used:
//! it is permanent.

mod log;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Reader, Writer},
    restore::{given_again, lost},
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

const USERS: &str = "SCIM token of an organisation administrator: users";
const GROUPS: &str = "SCIM token of an organisation administrator: groups";
const LOG: &str = "org:activity_log_read";

/// The extension that says who administers the organisation.
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:figma:enterprise:2.0:User";
const ADMINISTRATOR: &str = "role:figmaAdmin";
/// The seat that costs nothing and cannot edit.
const FREE_SEAT: &str = "View";

/// What is known of Figma without asking it.
pub const SPEC: Spec = Spec {
    id: "figma",
    name: "Figma",
    part: Part::Account,
    hosts: &[("", "https://www.figma.com/scim/v2/your-tenant-id"), (log::HOST, "https://api.figma.com")],
    settings: &[
        ("base_url", "`https://www.figma.com/scim/v2/` and the organisation's tenant id"),
        ("token", "SCIM API token of the organisation"),
        (
            "log_token",
            "OAuth token with `org:activity_log_read`, Enterprise only; without it the activity log is not read",
        ),
    ],
    scopes: &[USERS, GROUPS, LOG],
    order: &[
        "the user is found by user name, and read by their id; SCIM groups are read with their members",
        "the activity log of the whole organisation is read, newest first, and only what the person did is kept",
        "an organisation administrator stops being one",
        "`active` becomes false: the user is removed from the organisation, and their SCIM record stays",
        "the person is taken out of every SCIM group, and with it of the workspace or billing group that it is linked to",
        "a paid seat becomes View, so that no seat is waiting for them",
        "user and groups are read again",
    ],
    residuals: &[
        "the Figma account itself belongs to the person and lives on outside the organisation, with its sessions and tokens; they reach nothing of the organisation any more",
        "sessions and personal access tokens are not listed by any call",
        "files and drafts that they own are not listed by any call: an administrator transfers them",
        "links that open a file to anybody stay open",
        "only users whom SCIM provisioned or took over are seen, guests are not",
    ],
    setup: &[
        "as an organisation administrator, open Admin settings, Login and provisioning, SCIM provisioning, and generate an API token",
        "copy the tenant id from SAML SSO in the same section",
        "put `https://www.figma.com/scim/v2/` with the tenant id, and the token, into the secret of `figma` as `base_url` and `token`",
        "on the Enterprise plan, register an OAuth app, let an administrator authorise it for `org:activity_log_read`, and put the access token into the secret as `log_token`",
        "renew `log_token` before it expires: leaver works on without the log then, and says so",
    ],
    roster: Roster::Listed("Every user that SCIM lists; logins are not in the list."),
    source: "Figma SCIM API reference (no machine-readable description), over RFC 7643 and RFC 7644; Figma REST API, OpenAPI 0.37.0",
};

struct Figma(Client);

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the address or the SCIM token is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    settings.text("base_url")?;
    let mut hosts = std::collections::BTreeMap::from([("", Auth::bearer(settings.secret("token")?.clone()))]);
    if let Ok(token) = settings.secret("log_token") {
        hosts.insert(log::HOST, Auth::bearer(token.clone()));
    }
    // The user name is the e-mail address; the other attribute that can be filtered by is the identity provider's id.
    let quirks = Quirks { filter: vec![FilterBy::UserName, FilterBy::ExternalId], ..Quirks::default() };
    let client = Client { quirks, media_type: "application/json" };
    Ok((Box::new(Figma(client)), Auth::ByHost(hosts)))
}

fn is_admin(user: &User) -> bool {
    user.more
        .get(EXTENSION)
        .is_some_and(|of| of["figmaAdmin"] == json!(true) || of["figmaAdmin"] == json!("true"))
}

/// The paid seat, on plans where SCIM tells it.
fn seat(user: &User) -> Option<Grant> {
    let is_seat = |role: &&Value| role["type"] == json!("seatType");
    let role = user.more.get("roles")?.as_array()?.iter().find(is_seat)?;
    let name = role["value"].as_str().filter(|name| *name != FREE_SEAT)?;
    Some(grant(format!("seat:{name}"), GrantKind::Licence, format!("{name} seat")))
}

fn grant(id: String, kind: GrantKind, name: String) -> Grant {
    Grant { id, kind, name, privileged: kind == GrantKind::Role, fixed: None, sole_holder: false }
}

impl Figma {
    /// What the user's own record grants. Of somebody who was removed nothing of it has an effect.
    async fn own(&self, http: &Reader, user: &User) -> Result<Vec<Grant>, Fault> {
        if !user.active {
            return Ok(Vec::new());
        }
        let mut held: Vec<Grant> = seat(user).into_iter().collect();
        if is_admin(user) {
            let all = self.0.everybody(http).await?;
            let other = |one: &User| one.id != user.id && one.active && is_admin(one);
            let role =
                grant(ADMINISTRATOR.to_owned(), GrantKind::Role, "organisation administrator".to_owned());
            held.push(Grant { sole_holder: !all.iter().any(other), ..role });
        }
        Ok(held)
    }

    async fn set_admin(&self, http: &Writer, id: &str, to: bool) -> Result<Outcome, Fault> {
        self.0.replace_in(http, id, EXTENSION, json!({"figmaAdmin": to})).await
    }

    async fn set_seat(&self, http: &Writer, id: &str, to: &str) -> Result<Outcome, Fault> {
        self.0.replace(http, id, "roles", json!([{"type": "seatType", "value": to}])).await
    }
}

#[async_trait]
impl Adapter for Figma {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = self.0.find(http, SPEC.id, who).await? else {
            return Ok(Inventory::absent());
        };
        let (own, groups) = tokio::try_join!(self.own(http, &user), self.0.groups_of(http, &user))?;
        let privileged = own.iter().any(|grant| grant.privileged);
        let account = user.account(matched_by, AccountStatus::Deactivated, privileged);
        let mut found = Inventory::of(account, Sessions::Unreadable);
        found.grants = own.into_iter().chain(groups).collect();
        found.assets = vec![Asset {
            id: "files".to_owned(),
            kind: "files".to_owned(),
            name: "files and drafts that they own, which no call lists".to_owned(),
            live_automation: false,
            next: Next::Transfer,
        }];
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, who, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let of = |kind: GrantKind| {
            found.grants.iter().filter(move |grant| grant.kind == kind && grant.fixed.is_none())
        };
        let mut todo = Vec::new();
        let roles = of(GrantKind::Role);
        todo.extend(roles.map(|role| Action::contain(ActionKind::RemoveGroup, &role.id, &role.name)));
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let groups = of(GrantKind::Group);
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        let seats = of(GrantKind::Licence);
        todo.extend(seats.map(|seat| Action::clean_up(ActionKind::RemoveLicence, &seat.id, &seat.name)));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            todo.push(Action::contain(ActionKind::EnableAccount, &is.id, &is.login));
        }
        // Seat and role are part of the membership in the organisation, and are read once it is back.
        let can_hold = |grant: &&Grant| grant.kind == GrantKind::Group || is.status == AccountStatus::Active;
        todo.extend(given_again(lost(before, now).filter(can_hold)));
        todo
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        match action.kind {
            ActionKind::DisableAccount => self.0.set_active(http, id, false).await,
            ActionKind::EnableAccount => self.0.set_active(http, id, true).await,
            ActionKind::RemoveLicence => self.set_seat(http, id, FREE_SEAT).await,
            ActionKind::RemoveGroup if target == ADMINISTRATOR => self.set_admin(http, id, false).await,
            ActionKind::RemoveGroup => self.0.leave(http, target, id).await,
            ActionKind::AddGrant if target == ADMINISTRATOR => self.set_admin(http, id, true).await,
            ActionKind::AddGrant => match target.strip_prefix("seat:") {
                Some(seat) => self.set_seat(http, id, seat).await,
                None => self.0.join(http, target, id).await,
            },
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let own = Residue {
            what: "the person's own Figma account with its sessions and tokens, outside the organisation"
                .into(),
            lasts: None,
        };
        before.account.iter().map(|_| own.clone()).collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let mut missing = self.0.missing(http, USERS, GROUPS).await?;
        match http.ask(log::newest()).await {
            Ok(_) => {}
            // A token of its own: that it is missing, expired or of another scope says nothing of the other one.
            Err(fault) if log::is_closed(&fault) => {
                missing.push(Missing { scope: LOG, shown_by: fault.detail })
            }
            Err(fault) => return Err(fault),
        }
        Ok(missing)
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        self.0.roster(http, from, AccountStatus::Deactivated, |user| Some(is_admin(user))).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        self.0.probe(http).await
    }
}
