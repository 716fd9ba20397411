//! What the Public API tells of members, groups and collections. Its lists are not split into pages.

use crate::http::{Query, Reader};
use leaver_domain::{
    fault::Fault,
    inventory::{Asset, Grant, GrantKind, Next},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// `status` of a revoked member; the others are invited, accepted, confirmed.
pub(super) const REVOKED: i64 = -1;
const CONFIRMED: i64 = 2;
/// `type` of an owner.
pub(super) const OWNER: i64 = 0;
const ADMIN: i64 = 1;
const CUSTOM: i64 = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) id: String,
    /// The id in the event log; nobody has one before they accepted the invitation.
    pub(super) user_id: Option<String>,
    pub(super) email: String,
    pub(super) status: i64,
    #[serde(rename = "type")]
    pub(super) kind: i64,
    pub(super) external_id: Option<String>,
    pub(super) name: Option<String>,
    collections: Option<Vec<Reference>>,
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permissions {
    #[serde(default)]
    edit_any_collection: bool,
}

#[derive(Deserialize)]
pub(super) struct Group {
    id: String,
    name: String,
    collections: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Collection {
    id: String,
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

impl Member {
    pub(super) fn is_confirmed_owner(&self) -> bool {
        self.kind == OWNER && self.status == CONFIRMED
    }

    /// Whether the role administers others.
    pub(super) fn is_privileged(&self) -> bool {
        matches!(self.kind, OWNER | ADMIN | CUSTOM)
    }

    /// Whether the role alone opens every collection.
    fn reaches_all(&self) -> bool {
        let edits = || self.permissions.as_ref().is_some_and(|granted| granted.edit_any_collection);
        matches!(self.kind, OWNER | ADMIN) || (self.kind == CUSTOM && edits())
    }
}

async fn list<T: DeserializeOwned>(http: &Reader, of: &str) -> Result<Vec<T>, Fault> {
    let list: List<T> = http.ask(Query::get(["public", of])).await?.json()?;
    Ok(list.data)
}

/// All members, without their collections.
pub(super) async fn members(http: &Reader) -> Result<Vec<Member>, Fault> {
    list(http, "members").await
}

/// One member, with the collections that they hold directly.
pub(super) async fn member(http: &Reader, id: &str) -> Result<Member, Fault> {
    http.ask(Query::get(["public", "members", id])).await?.json()
}

pub(super) async fn group_ids(http: &Reader, id: &str) -> Result<Vec<String>, Fault> {
    http.ask(Query::get(["public", "members", id, "group-ids"])).await?.json()
}

/// All groups, with their collections.
pub(super) async fn groups(http: &Reader) -> Result<Vec<Group>, Fault> {
    list(http, "groups").await
}

/// All collections but the members' own default ones. Their names are encrypted and not told.
pub(super) async fn collections(http: &Reader) -> Result<Vec<Collection>, Fault> {
    list(http, "collections").await
}

/// The role, the groups and the collections that this member holds.
pub(super) fn grants(member: &Member, held: &[String], groups: &[Group], last_owner: bool) -> Vec<Grant> {
    let void =
        |what: &str| Some(format!("{what} is void while the membership is revoked, and comes back with it"));
    let mut grants = Vec::new();
    let role = match member.kind {
        OWNER => Some("owner"),
        ADMIN => Some("admin"),
        CUSTOM => Some("custom role"),
        _ => None,
    };
    grants.extend(role.map(|role| Grant {
        id: format!("role:{role}"),
        kind: GrantKind::Role,
        name: role.to_owned(),
        privileged: true,
        fixed: void("a role"),
        sole_holder: last_owner,
    }));
    grants.extend(held.iter().map(|id| {
        let known = groups.iter().find(|group| group.id == *id);
        let name = known.map_or(id, |group| &group.name).clone();
        let (id, kind) = (id.clone(), GrantKind::Group);
        Grant { id, kind, name, privileged: false, fixed: None, sole_holder: false }
    }));
    grants.extend(member.collections.iter().flatten().map(|collection| Grant {
        id: format!("collection:{}", collection.id),
        kind: GrantKind::Resource,
        name: format!("collection {}", collection.id),
        privileged: false,
        fixed: void("access to a collection"),
        sole_holder: false,
    }));
    grants
}

/// The collections that this member can read, and through what: all of their secrets are known to them.
pub(super) fn reachable(
    member: &Member,
    held: &[String],
    groups: &[Group],
    collections: &[Collection],
) -> Vec<Asset> {
    let mut through: BTreeMap<&str, String> = BTreeMap::new();
    for collection in member.collections.iter().flatten() {
        through.insert(&collection.id, "given directly".to_owned());
    }
    for group in groups.iter().filter(|group| held.contains(&group.id)) {
        for collection in group.collections.iter().flatten() {
            through.entry(&collection.id).or_insert_with(|| format!("through the group {}", group.name));
        }
    }
    if member.reaches_all() {
        for collection in collections {
            through.entry(&collection.id).or_insert_with(|| "by the member's role".to_owned());
        }
    }
    let asset = |(id, how): (&str, String)| {
        let known = collections.iter().find(|collection| collection.id == id);
        let name = known.and_then(|known| known.external_id.as_deref()).unwrap_or(id);
        Asset {
            id: id.to_owned(),
            kind: "collection".to_owned(),
            name: format!("collection {name}, {how}"),
            live_automation: false,
            next: Next::Rotate,
        }
    };
    through.into_iter().map(asset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn collection(id: &str) -> Collection {
        serde_json::from_value(json!({"id": id, "externalId": null})).unwrap()
    }

    #[test]
    fn a_collection_is_reached_directly_through_a_group_or_by_the_role() {
        let groups: Vec<Group> = serde_json::from_value(json!([
            {"id": "g1", "name": "Engineering", "collections": [{"id": "c1"}, {"id": "c2"}]},
            {"id": "g2", "name": "Finance", "collections": [{"id": "c3"}]},
        ]))
        .unwrap();
        let all = ["c1", "c2", "c3", "c4"].map(collection);
        let reached = |kind: i64, permissions: serde_json::Value| -> Vec<String> {
            let member: Member = serde_json::from_value(json!({
                "id": "m", "userId": null, "email": "a@example.com", "status": 2, "type": kind, "externalId": null,
                "collections": [{"id": "c1"}], "permissions": permissions,
            }))
            .unwrap();
            reachable(&member, &["g1".to_owned()], &groups, &all)
                .into_iter()
                .map(|asset| asset.name)
                .collect()
        };
        let two = ["collection c1, given directly", "collection c2, through the group Engineering"];
        assert_eq!(reached(2, json!(null)), two);
        assert_eq!(reached(CUSTOM, json!({"manageUsers": true})), two);
        assert_eq!(reached(CUSTOM, json!({"editAnyCollection": true})).len(), 4);
        assert_eq!(reached(ADMIN, json!(null)).len(), 4);
    }
}
