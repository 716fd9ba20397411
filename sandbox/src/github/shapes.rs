//! What GitHub shows of users, organisations, repositories and codespaces: every field that it describes as always there.

use super::people::ORG;
use serde_json::{Map, Value, json};

const API: &str = "https://api.github.com";
const SITE: &str = "https://github.com";

/// An object with the addresses of what belongs to it, as `<name>_url`.
fn with_addresses(mut shape: Value, base: &str, names: &[&str]) -> Value {
    let addresses = names.iter().map(|name| (format!("{name}_url"), format!("{base}/{name}").into()));
    if let Some(fields) = shape.as_object_mut() {
        fields.extend(addresses.collect::<Map<_, _>>());
        fields.insert("url".into(), base.into());
    }
    shape
}

/// A user as lists show it.
pub(super) fn user(login: &str, id: u64) -> Value {
    let shape = json!({"login": login, "id": id, "node_id": format!("U_{id}"), "type": "User", "site_admin": false,
                       "gravatar_id": "", "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}"),
                       "html_url": format!("{SITE}/{login}")});
    let names = [
        "events",
        "followers",
        "following",
        "gists",
        "organizations",
        "received_events",
        "repos",
        "starred",
        "subscriptions",
    ];
    with_addresses(shape, &format!("{API}/users/{login}"), &names)
}

/// A user as everybody sees them: who they are is theirs to tell.
pub(super) fn profile(login: &str, id: u64) -> Value {
    let mut shape = user(login, id);
    let names = ["bio", "blog", "company", "email", "hireable", "location", "name"];
    if let Some(fields) = shape.as_object_mut() {
        fields.extend(names.map(|name| (name.to_owned(), Value::Null)));
        fields.extend(
            ["followers", "following", "public_gists", "public_repos"]
                .map(|name| (name.to_owned(), json!(0))),
        );
        fields.extend(
            ["created_at", "updated_at"].map(|name| (name.to_owned(), json!("2020-03-01T08:00:00Z"))),
        );
    }
    shape
}

/// The organisation as memberships show it.
pub(super) fn organisation() -> Value {
    let shape = json!({"login": ORG, "id": 9001, "node_id": "O_9001", "description": null,
                       "avatar_url": "https://avatars.githubusercontent.com/u/9001"});
    let names = ["events", "hooks", "issues", "members", "public_members", "repos"];
    with_addresses(shape, &format!("{API}/orgs/{ORG}"), &names)
}

/// The organisation itself.
pub(super) fn organisation_full() -> Value {
    let mut shape = organisation();
    let more = json!({"html_url": format!("{SITE}/{ORG}"), "has_organization_projects": true,
                      "has_repository_projects": true, "public_repos": 2, "public_gists": 0, "followers": 0,
                      "following": 0, "type": "Organization", "created_at": "2020-03-01T08:00:00Z",
                      "updated_at": "2026-01-05T09:00:00Z", "archived_at": null});
    if let (Some(shape), Value::Object(more)) = (shape.as_object_mut(), more) {
        shape.extend(more);
    }
    shape
}

/// A repository as lists show it; a fork where its owner is a person.
pub(super) fn repository(name: &str, owner: Value, id: u64, private: bool, fork: bool) -> Value {
    let full = format!("{}/{name}", owner["login"].as_str().unwrap_or_default());
    let shape = json!({"id": id, "node_id": format!("R_{id}"), "name": name, "full_name": full, "owner": owner,
                       "private": private, "fork": fork, "description": null, "html_url": format!("{SITE}/{full}")});
    let names = [
        "archive",
        "assignees",
        "blobs",
        "branches",
        "collaborators",
        "comments",
        "commits",
        "compare",
        "contents",
        "contributors",
        "deployments",
        "downloads",
        "events",
        "forks",
        "git_commits",
        "git_refs",
        "git_tags",
        "hooks",
        "issue_comment",
        "issue_events",
        "issues",
        "keys",
        "labels",
        "languages",
        "merges",
        "milestones",
        "notifications",
        "pulls",
        "releases",
        "stargazers",
        "statuses",
        "subscribers",
        "subscription",
        "tags",
        "teams",
        "trees",
    ];
    with_addresses(shape, &format!("{API}/repos/{full}"), &names)
}

/// A codespace of somebody, in a state.
pub(super) fn codespace(name: &str, state: &str, owner: Value) -> Value {
    let repository = repository("platform", organisation_as_owner(), 80_003, true, false);
    let shape = json!({"id": 1, "name": name, "environment_id": name, "state": state, "owner": owner,
                       "billable_owner": organisation_as_owner(), "repository": repository, "machine": null,
                       "prebuild": false, "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-06T09:00:00Z",
                       "last_used_at": "2026-01-06T09:00:00Z", "location": "WestEurope", "recent_folders": [],
                       "git_status": {"ahead": 0, "behind": 0, "ref": "main"}, "idle_timeout_minutes": 30,
                       "web_url": format!("https://{name}.github.dev")});
    with_addresses(shape, &format!("{API}/user/codespaces/{name}"), &["machines", "start", "stop", "pulls"])
}

/// The organisation where an owner or payer may also be a person.
fn organisation_as_owner() -> Value {
    let mut owner = user(ORG, 9001);
    owner["type"] = "Organization".into();
    owner
}
