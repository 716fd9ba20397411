//! SharePoint and OneDrive through Microsoft Graph: what is left of a person there once the Entra account is disabled.
//!
//! Disabling the account is the work of the row `microsoft_365`, and SharePoint has no account of its own. What outlives it
//! is taken away here: links that open to anybody without a sign-in go on opening, and permissions that were given to the
//! person by name are there again the moment the account is. Active therefore means: there is still such a link or
//! permission.
//!
//! Order: links for anybody first, as they open now; then permissions by name, those that own a library before the others.
//! A link cannot be brought back, because a new one has another address; a permission to read or write can.

mod read;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Command, Query, Reader, Writer},
    microsoft_365, missing_by_reads,
    restore::{given_again, lost},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Grant, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    time::Timestamp,
};
use serde_json::json;
use std::collections::BTreeMap;

/// What is known of SharePoint without asking it.
pub const SPEC: Spec = Spec {
    id: "sharepoint",
    name: "SharePoint and OneDrive",
    part: Part::Shares,
    hosts: &[("", "https://graph.microsoft.com/v1.0/"), ("login", "https://login.microsoftonline.com/")],
    settings: &[
        ("tenant_id", "id or domain of the Entra tenant"),
        ("client_id", "application (client) id of leaver's app registration"),
        ("client_secret", "a client secret of that app registration"),
        (
            "sites",
            "optional: ids of the sites to look at, separated by blanks; all sites of the tenant where missing",
        ),
        (
            "links",
            "optional: `onedrive` (the default) to look for links in the person's OneDrive, `everywhere` to look at every file of those sites as well",
        ),
    ],
    scopes: &["User.Read.All", "Sites.Read.All", "Files.ReadWrite.All"],
    order: &[
        "Disable the Entra account in the row microsoft_365: SharePoint has no account of its own.",
        "Delete the links for anybody that the person made: they open without a sign-in, whatever becomes of the account.",
        "Take away the permissions on document libraries that the person holds by name, those that own a library first.",
        "Hand the OneDrive over to the manager, and look at what guests were given: both are listed, as no call does them.",
    ],
    residuals: &[
        "What somebody downloaded by a link, or a device synchronised, stays where it is.",
        "A deleted link cannot be brought back: a new one has another address.",
        "Site collection administrators and SharePoint groups cannot be read by Microsoft Graph: review them in the SharePoint admin centre.",
        "Permissions on single files and folders of sites, and files that colleagues shared from their own OneDrive, are not looked at: they open to nobody while the account is disabled.",
        "With `links` left at `onedrive`, links that the person made in a site's library stay.",
        "An access token already issued may open files for up to ninety minutes.",
        "The OneDrive stays the person's: an administrator makes whoever takes over its owner.",
    ],
    setup: &[
        "In the Entra admin centre, register an application for leaver, or take the one of microsoft_365.",
        "Under API permissions, add the application permissions User.Read.All, Sites.Read.All and Files.ReadWrite.All of Microsoft Graph.",
        "Grant admin consent for them.",
        "Under Certificates & secrets, create a client secret, and note when it ends.",
        "Put tenant, client id and secret into the secret; in a large tenant, name the sites that matter in `sites`.",
    ],
    roster: Roster::Unlisted("Its accounts are those of Microsoft 365, which lists them."),
    source: "Microsoft Graph v1.0 reference, learn.microsoft.com/graph/api: site-getallsites, drive-list, drive-get, driveitem-delta, driveitem-list-permissions, driveitem-invite, permission-delete",
};

struct Sharepoint {
    /// The sites to look at; all where empty.
    sites: Vec<String>,
    /// Whether links are looked for in the sites as well.
    everywhere: bool,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let everywhere = match settings.optional("links").as_deref() {
        None | Some("onedrive") => false,
        Some("everywhere") => true,
        Some(_) => {
            let detail = "`links` in the secret of sharepoint is neither `onedrive` nor `everywhere`";
            return Err(Fault::new(FaultKind::CredentialRejected, detail));
        }
    };
    let sites = settings.optional("sites").unwrap_or_default();
    let sites = sites.split_whitespace().map(str::to_owned).collect();
    let auth = microsoft_365::authentication(settings, SPEC.hosts)?;
    Ok((Box::new(Sharepoint { sites, everywhere }), auth))
}

/// The parts of a permission's id: drive, item and role. Of a link's: drive, item and permission.
fn parts<'a>(id: &'a str, kind: &str) -> Option<[&'a str; 3]> {
    let mut parts = id.split('|');
    let found = (parts.next()?, [parts.next()?, parts.next()?, parts.next()?]);
    (found.0 == kind && parts.next().is_none()).then_some(found.1)
}

/// Whether an invitation can give this role. Owning cannot be given by one.
fn can_be_given(id: &str) -> bool {
    parts(id, "library").is_some_and(|[_, _, role]| matches!(role, "read" | "write"))
}

fn item<'a>(drive: &'a str, item: &'a str, rest: &[&'a str]) -> impl Iterator<Item = &'a str> {
    ["drives", drive, "items", item].into_iter().chain(rest.to_vec())
}

/// Takes every permission of this role that the item gives the person by name. Which these are is read now: their ids
/// are the vendor's own, and a permission that was taken and given again may have another.
async fn take(http: &Writer, account: &Account, target: [&str; 3]) -> Result<Outcome, Fault> {
    let [drive, id, role] = target;
    let held = read::permissions(http, drive, id).await?;
    let theirs: Vec<_> = held.iter().filter(|one| one.is_of(account) && one.role() == role).collect();
    for permission in &theirs {
        http.tell(Command::delete(item(drive, id, &["permissions", &permission.id]))).await?;
    }
    Ok(if theirs.is_empty() { Outcome::Already } else { Outcome::Done })
}

#[async_trait]
impl Adapter for Sharepoint {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((user, matched_by)) = microsoft_365::read::user(http, who).await? else {
            return Ok(Inventory::absent());
        };
        let account = Account {
            id: user.id,
            login: user.user_principal_name,
            status: AccountStatus::Suspended,
            matched_by: matched_by.to_owned(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::new(),
        };
        let mut grants: Vec<Grant> = Vec::new();
        let mut assets = read::onedrive(http, &account).await?;
        for library in read::libraries(http, &self.sites).await? {
            grants.extend(read::by_name(http, &library, &account).await?);
            if self.everywhere {
                let shared = read::shared(http, &library.drive, Some(&account)).await?;
                assets.extend(shared);
            }
        }
        let mut found = Inventory::of(account, Sessions::Unreadable);
        let open = !grants.is_empty() || assets.iter().any(|asset| asset.next == Next::Revoke);
        if let Some(account) = &mut found.account {
            account.privileged = grants.iter().any(|grant| grant.privileged);
            account.status = if open { AccountStatus::Active } else { AccountStatus::Suspended };
        }
        (found.grants, found.assets) = (grants, assets);
        Ok(found)
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        let why = "who opened and shared what is in the unified audit log, which Microsoft Graph searches in jobs that take longer than a case";
        Ok(Activity::unavailable(since, why))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let links = found.assets.iter().filter(|asset| asset.next == Next::Revoke);
        let mut todo: Vec<Action> = links
            .map(|link| Action::contain(ActionKind::RevokeToken, &link.id, &link.name).irreversible())
            .collect();
        let mut grants: Vec<&Grant> = found.grants.iter().collect();
        grants.sort_by_key(|grant| !grant.privileged);
        todo.extend(grants.into_iter().map(|grant| {
            let action = Action::contain(ActionKind::RemoveGroup, &grant.id, &grant.name);
            if can_be_given(&grant.id) { action } else { action.irreversible() }
        }));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        if now.account.is_none() {
            return Vec::new();
        }
        given_again(lost(before, now).filter(|grant| can_be_given(&grant.id))).collect()
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        can_be_given(id).then(|| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let unknown = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        let command = match action.kind {
            ActionKind::RevokeToken => {
                let [drive, id, link] = parts(&action.target, "link").ok_or_else(unknown)?;
                Command::delete(item(drive, id, &["permissions", link]))
            }
            ActionKind::RemoveGroup => {
                let target = parts(&action.target, "library").ok_or_else(unknown)?;
                return take(http, account, target).await;
            }
            ActionKind::AddGrant => {
                let [drive, id, role] = parts(&action.target, "library").ok_or_else(unknown)?;
                Command::post(item(drive, id, &["invite"])).json(json!({
                    "recipients": [{"objectId": account.id}], "roles": [role],
                    "requireSignIn": true, "sendInvitation": false,
                }))
            }
            _ => return Err(unknown()),
        };
        http.tell(command).await.map(|_| Outcome::Done)
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let mut all = Vec::new();
        if before.assets.iter().any(|asset| asset.next == Next::Revoke) {
            let what = "files that somebody downloaded by a link for anybody stay with whoever has them";
            all.push(Residue { what: what.into(), lasts: None });
        }
        if before.assets.iter().any(|asset| asset.kind == "onedrive") {
            let what = "the OneDrive of a deleted account is deleted as well, thirty days later unless the tenant says otherwise";
            all.push(Residue { what: what.into(), lasts: None });
        }
        all
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let sites = match self.sites.first() {
            Some(site) => Query::get(["sites", site]),
            None => Query::get(["sites", "getAllSites"]).query("$top", 1),
        };
        let users = microsoft_365::read::users([]).query("$top", 1).query("$select", "id");
        missing_by_reads(http, [("User.Read.All", users), ("Sites.Read.All", sites)]).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(Query::get(["sites", "root"]).query("$select", "id")).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaver_domain::inventory::{Asset, GrantKind};

    fn found(grants: &[(&str, bool)]) -> Inventory {
        let account = Account {
            id: "u1".into(),
            login: "john@example.com".into(),
            status: AccountStatus::Active,
            matched_by: "user principal name".into(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::new(),
        };
        let mut found = Inventory::of(account, Sessions::Unreadable);
        let grant = |(id, privileged): &(&str, bool)| Grant {
            id: (*id).into(),
            kind: GrantKind::Resource,
            name: (*id).into(),
            privileged: *privileged,
            fixed: None,
            sole_holder: false,
        };
        found.grants = grants.iter().map(grant).collect();
        found
    }

    fn adapter() -> Sharepoint {
        Sharepoint { sites: Vec::new(), everywhere: false }
    }

    #[test]
    fn links_for_anybody_go_before_permissions_and_owning_before_the_rest() {
        let mut all = found(&[("library|d|r|read", false), ("library|d|r|owner", true)]);
        let asset = |id: &str, next| Asset {
            id: id.into(),
            kind: "anonymous_link".into(),
            name: id.into(),
            live_automation: false,
            next,
        };
        all.assets = vec![asset("drive|d", Next::Transfer), asset("link|d|i|p", Next::Revoke)];
        let todo = adapter().revoke(&all);
        let targets: Vec<_> = todo.iter().map(|one| (one.target.as_str(), one.reversible)).collect();
        let order = [("link|d|i|p", false), ("library|d|r|owner", false), ("library|d|r|read", true)];
        assert_eq!(targets, order);
    }

    #[test]
    fn only_reading_and_writing_can_be_given() {
        let before = found(&[("library|d|r|owner", true), ("library|d|r|write", false)]);
        let targets: Vec<_> = adapter().restore(&before, &found(&[])).into_iter().map(|a| a.target).collect();
        assert_eq!(targets, ["library|d|r|write"]);
        assert!(adapter().grant("library|d|r|read").is_some());
        for none in ["library|d|r|owner", "library|d|r", "link|d|i|p", "library|d|r|read|x"] {
            assert!(adapter().grant(none).is_none(), "{none}");
        }
    }
}
