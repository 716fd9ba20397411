//! Reading sites, libraries, permissions and what is shared in a drive.
//!
//! `/sites/{id}/permissions` tells of applications only. What a person holds by name stands on the root of each library.

use crate::{
    http::{Query, Reader},
    microsoft_365::read::{list, users},
    page,
};
use leaver_domain::{
    fault::Fault,
    inventory::{Account, Asset, Grant, GrantKind, Next},
    time::Timestamp,
};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What marks the login of somebody from outside.
const GUEST: &str = "#ext#";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Site {
    id: String,
    display_name: Option<String>,
    is_personal_site: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drive {
    id: String,
    name: Option<String>,
    web_url: Option<String>,
}

/// A document library of a site.
pub(super) struct Library {
    pub(super) drive: String,
    name: String,
}

#[derive(Deserialize)]
struct Root {
    id: String,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    name: Option<String>,
    shared: Option<Shared>,
    deleted: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shared {
    shared_by: Option<Identities>,
}

#[derive(Deserialize)]
struct ItemPage {
    value: Vec<Item>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// A permission. Its link's address opens the file, so it is never read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission {
    pub(super) id: String,
    #[serde(default)]
    roles: Vec<String>,
    granted_to_v2: Option<Identities>,
    #[serde(default)]
    granted_to_identities_v2: Vec<Identities>,
    link: Option<Link>,
    expiration_date_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identities {
    user: Option<Identity>,
    site_user: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    id: Option<String>,
    email: Option<String>,
    login_name: Option<String>,
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    scope: Option<String>,
    r#type: Option<String>,
}

impl Identities {
    fn is(&self, account: &Account) -> bool {
        let user = self.user.as_ref().is_some_and(|user| match &user.id {
            Some(id) => *id == account.id,
            None => user.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(&account.login)),
        });
        // `i:0#.f|membership|john@example.com`: what stands last is the user principal name.
        let name = self.site_user.as_ref().and_then(|user| user.login_name.as_deref());
        let name = name.and_then(|name| name.rsplit('|').next());
        user || name.is_some_and(|name| name.eq_ignore_ascii_case(&account.login))
    }

    fn guest(&self) -> Option<&str> {
        let all = [&self.user, &self.site_user].into_iter().flatten();
        let mut guests = all.filter(|one| {
            let names = [&one.login_name, &one.email].into_iter().flatten();
            names.into_iter().any(|name| name.to_ascii_lowercase().contains(GUEST))
        });
        guests.next().map(|one| one.display_name.as_deref().unwrap_or("a guest"))
    }
}

impl Permission {
    /// Whether it was given to this person by name.
    pub(super) fn is_of(&self, account: &Account) -> bool {
        self.link.is_none() && self.granted_to_v2.as_ref().is_some_and(|to| to.is(account))
    }

    pub(super) fn role(&self) -> String {
        self.roles.join(",")
    }

    fn owns(&self) -> bool {
        self.roles.iter().any(|role| !matches!(role.as_str(), "read" | "write"))
    }

    /// What it leaves behind for others: a link for anybody goes, a guest is looked at.
    fn left(&self, drive: &str, item: &Item, now: Timestamp) -> Option<Asset> {
        if self.expiration_date_time.is_some_and(|at| at <= now) {
            return None;
        }
        let name = item.name.as_deref().unwrap_or(&item.id);
        let scope = self.link.as_ref().and_then(|link| link.scope.as_deref());
        let asset = |kind: &str, name: String, next| Asset {
            id: format!("link|{drive}|{}|{}", item.id, self.id),
            kind: kind.to_owned(),
            name,
            live_automation: false,
            next,
        };
        if scope == Some("anonymous") {
            let kind = self.link.as_ref().and_then(|link| link.r#type.as_deref()).unwrap_or("view");
            return Some(asset("anonymous_link", format!("link for anybody to {kind} {name}"), Next::Revoke));
        }
        let given = self.granted_to_v2.iter().chain(&self.granted_to_identities_v2);
        let guest = given.filter_map(Identities::guest).next()?;
        Some(asset("guest_share", format!("{name}, shared with {guest}"), Next::Task))
    }
}

pub(super) async fn permissions(http: &Reader, drive: &str, item: &str) -> Result<Vec<Permission>, Fault> {
    list(http, Query::get(["drives", drive, "items", item, "permissions"])).await
}

/// Every document library of the sites that are looked at. Personal sites are their owners' OneDrives.
pub(super) async fn libraries(http: &Reader, sites: &[String]) -> Result<Vec<Library>, Fault> {
    let mut all: Vec<Site> = Vec::new();
    for site in sites {
        all.push(http.ask(Query::get(["sites", site]).query("$select", "id,displayName")).await?.json()?);
    }
    if sites.is_empty() {
        let query = Query::get(["sites", "getAllSites"]).query("$select", "id,displayName,isPersonalSite");
        all = list(http, query).await?;
    }
    let mut libraries = Vec::new();
    for site in all.into_iter().filter(|site| site.is_personal_site != Some(true)) {
        let drives: Vec<Drive> =
            list(http, Query::get(["sites", &site.id, "drives"]).query("$select", "id,name,webUrl")).await?;
        let of = site.display_name.as_deref().unwrap_or(&site.id);
        libraries.extend(drives.into_iter().map(|drive| Library {
            name: format!("{of} / {}", drive.name.as_deref().unwrap_or(&drive.id)),
            drive: drive.id,
        }));
    }
    Ok(libraries)
}

/// What the person holds by name on a library.
pub(super) async fn by_name(http: &Reader, library: &Library, who: &Account) -> Result<Vec<Grant>, Fault> {
    let root = Query::get(["drives", &library.drive, "root"]).query("$select", "id");
    let Some(answer) = http.find(root).await? else { return Ok(Vec::new()) };
    let root: Root = answer.json()?;
    let all = permissions(http, &library.drive, &root.id).await?;
    let others_own = all.iter().any(|one| one.owns() && !one.is_of(who));
    let mut seen = BTreeSet::new();
    let held = all.iter().filter(|one| one.is_of(who) && seen.insert(one.role()));
    let grant = |one: &Permission| Grant {
        id: format!("library|{}|{}|{}", library.drive, root.id, one.role()),
        kind: GrantKind::Resource,
        name: format!("{}: {}", library.name, one.role()),
        privileged: one.owns(),
        fixed: None,
        sole_holder: one.owns() && !others_own,
    };
    Ok(held.map(grant).collect())
}

/// What is shared in a drive: all of it, or what one person shared. The list of changes from the beginning names every
/// item, its folders first, and with this preference says of those alone that they are shared which do not only inherit it.
/// OneDrive does not tell which permission an item has from its folder: of one that stands on several items, the first is
/// the one that can be deleted.
pub(super) async fn shared(http: &Reader, drive: &str, by: Option<&Account>) -> Result<Vec<Asset>, Fault> {
    let first = Query::get(["drives", drive, "root", "delta"])
        .query("$select", "id,name,shared,deleted")
        .header("prefer", "hierarchicalsharing");
    let is_meant = |item: &Item| {
        let sharer = item.shared.as_ref().map(|shared| shared.shared_by.as_ref());
        item.deleted.is_none()
            && match (sharer, by) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(sharer), Some(who)) => sharer.is_some_and(|sharer| sharer.is(who)),
            }
    };
    let items = page::by_token(
        http,
        |link| link.map_or_else(|| Ok(first.clone()), |link| http.follow(&first, link)),
        |answer| {
            let page: ItemPage = answer.json()?;
            Ok((page.value.into_iter().filter(|item| is_meant(item)).collect(), page.next))
        },
    )
    .await?;
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for item in items {
        for permission in permissions(http, drive, &item.id).await? {
            if seen.insert(permission.id.clone()) {
                all.extend(permission.left(drive, &item, http.now()));
            }
        }
    }
    Ok(all)
}

/// The person's OneDrive, which the manager gets, and what is shared from it.
pub(super) async fn onedrive(http: &Reader, who: &Account) -> Result<Vec<Asset>, Fault> {
    let query = users([who.id.as_str(), "drive"]).query("$select", "id,name,webUrl");
    let Some(answer) = http.find(query).await? else { return Ok(Vec::new()) };
    let drive: Drive = answer.json()?;
    let mut all = shared(http, &drive.id, None).await?;
    all.push(Asset {
        name: drive.web_url.or(drive.name).unwrap_or_else(|| drive.id.clone()),
        id: format!("drive|{}", drive.id),
        kind: "onedrive".to_owned(),
        live_automation: false,
        next: Next::Transfer,
    });
    Ok(all)
}
