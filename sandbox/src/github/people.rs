//! The sample people of GitHub's stand-in.

use super::{Github, shapes};
use crate::{people::SamplePerson, twin::World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The organisation's login.
pub(super) const ORG: &str = "example-org";
/// Predefined roles of the organisation.
pub(super) const ROLES: [(u64, &str); 3] =
    [(138, "all_repo_read"), (8130, "security_manager"), (9210, "ci_cd_admin")];
/// Teams: slug and name.
pub(super) const TEAMS: [(&str, &str); 9] = [
    ("everyone", "Everyone"),
    ("engineering", "Engineering"),
    ("platform", "Platform"),
    ("sales", "Sales"),
    ("finance", "Finance"),
    ("support", "Support"),
    ("security", "Security"),
    ("people", "People"),
    ("audit", "Audit"),
];
/// Repositories: name, and whether it is private.
pub(super) const REPOSITORIES: [(&str, bool); 5] =
    [("website", false), ("payments", true), ("platform", true), ("handbook", true), ("sdk", false)];

/// A credential that a member authorised for the organisation.
pub(super) struct Authorized {
    pub(super) id: u64,
    pub(super) kind: &'static str,
    pub(super) title: String,
}

impl Authorized {
    /// As the API shows it.
    pub(super) fn json(&self, login: &str) -> Value {
        json!({
            "login": login, "credential_id": self.id, "credential_type": self.kind,
            "credential_authorized_at": "2025-11-03T10:00:00Z", "credential_accessed_at": "2026-01-05T09:00:00Z",
            "authorized_credential_id": self.id, "authorized_credential_title": self.title,
        })
    }
}

/// Somebody with a GitHub account, in the organisation or beside it.
pub(super) struct Member {
    pub(super) login: String,
    pub(super) id: u64,
    pub(super) username: String,
    pub(super) email: String,
    /// Whether the organisation's identity provider knows them.
    pub(super) linked: bool,
    pub(super) state: Option<&'static str>,
    pub(super) role: &'static str,
    pub(super) sessions: u32,
    pub(super) authorized: Vec<Authorized>,
    pub(super) tokens: BTreeSet<u64>,
    pub(super) teams: BTreeMap<String, String>,
    pub(super) roles: BTreeSet<String>,
    pub(super) repositories: BTreeMap<String, String>,
    pub(super) codespaces: BTreeMap<String, &'static str>,
    pub(super) seat: bool,
}

impl Member {
    pub(super) fn is_owner(&self) -> bool {
        self.state == Some("active") && self.role == "admin"
    }

    /// Everything that ends with the membership, or with the last repository of an outside collaborator.
    pub(super) fn leave(&mut self) {
        self.state = None;
        self.role = "member";
        self.sessions = 0;
        self.teams.clear();
        self.roles.clear();
        self.repositories.clear();
        self.tokens.clear();
        self.seat = false;
    }

    /// The account as lists show it.
    pub(super) fn user(&self) -> Value {
        shapes::user(&self.login, self.id)
    }

    pub(super) fn membership(&self) -> Value {
        let url = format!("https://api.github.com/orgs/{ORG}/memberships/{}", self.login);
        json!({"url": url, "state": self.state, "role": self.role, "direct_membership": true,
               "enterprise_teams_providing_indirect_membership": [], "user": self.user(),
               "organization_url": format!("https://api.github.com/orgs/{ORG}"),
               "organization": shapes::organisation()})
    }

    pub(super) fn token(&self, id: u64) -> Value {
        json!({"id": id, "owner": self.user(), "repository_selection": "all", "repositories_url": "",
               "permissions": {"repository": {"contents": "read"}}, "access_granted_at": "2025-12-01T10:00:00Z",
               "token_id": id, "token_name": format!("build-{id}"), "token_expired": false,
               "token_expires_at": null, "token_last_used_at": "2026-01-05T09:00:00Z"})
    }
}

impl Github {
    pub(super) fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let (person, number) = (&sample.person, index as u64);
        let usual = format!("{}-ex", person.username.as_str().replace('.', "-"));
        let recorded = person.login(super::ID);
        let login = recorded.map_or(usual, str::to_owned);
        // Somebody whom the identity provider does not know works on single repositories, from outside.
        let outside = recorded.is_some();
        let engineer = sample.is_engineer();
        let owner =
            sample.traits.sole_admin_of.contains(super::ID) || sample.traits.admin_of.contains(super::ID);
        let kinds =
            [("personal access token", "laptop"), ("SSH key", "workstation"), ("OAuth app token", "editor")];
        let department = person.department.to_ascii_lowercase();
        let teams =
            ["everyone".to_owned(), department].into_iter().chain(engineer.then(|| "platform".into()));
        let authorized = kinds.into_iter().zip(0..).map(|((kind, title), one): (_, u64)| Authorized {
            id: 100 * (number + 1) + one,
            kind,
            title: format!("{}-{title}", person.username),
        });
        self.log(world, sample, &login, number);
        if engineer && !outside {
            self.keys.push(("platform".into(), key(500 + number, &login)));
            self.forks.push(("payments".into(), login.clone()));
            self.hooks.push(("website".into(), hook(700 + number)));
        }
        self.members.push(Member {
            id: 4_000_000 + number,
            username: person.username.to_string(),
            email: sample.email_in(super::ID).to_owned(),
            linked: !outside,
            state: (!outside).then_some("active"),
            role: if owner { "admin" } else { "member" },
            sessions: if outside { 0 } else { 1 },
            authorized: if outside { Vec::new() } else { authorized.collect() },
            tokens: if engineer && !outside {
                (0..3).map(|one| 9000 + 10 * number + one).collect()
            } else {
                [].into()
            },
            teams: if outside { [].into() } else { teams.map(|slug| (slug, "member".to_owned())).collect() },
            roles: if engineer && !outside { [ROLES[0].0.to_string()].into() } else { [].into() },
            repositories: match (outside, engineer) {
                (true, _) => [("website".into(), "push".into()), ("sdk".into(), "pull".into())].into(),
                (false, true) => [("payments".into(), "push".into())].into(),
                (false, false) => [].into(),
            },
            codespaces: if engineer && !outside { spaces(&login) } else { [].into() },
            seat: engineer && !outside,
            login,
        });
    }

    fn log(&mut self, world: &World, sample: &SamplePerson, login: &str, number: u64) {
        let idle = sample.traits.idle_days.unwrap_or(1) * 24;
        let mut event = |action: &str, hours: u32, more: Value| {
            let count = self.log.len();
            let at = world.hours_ago(hours).millis();
            let mut event = json!({"@timestamp": at, "created_at": at, "action": action, "actor": login,
                                   "_document_id": format!("doc-{count}"), "org": ORG,
                                   "actor_location": {"country_name": sample.country}});
            if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
                event.extend(more.clone());
            }
            self.log.push((login.to_owned(), event));
        };
        if sample.is_engineer() {
            let made = json!({"hook_id": 700 + number, "repo": format!("{ORG}/website")});
            event("hook.create", 24 * 40, made);
        }
        for hours in [72, 48, 0] {
            event("org.sso_response", idle + hours, json!({}));
        }
        event("git.clone", idle, json!({"repo": format!("{ORG}/handbook")}));
        if sample.traits.bulk_download_in.contains(super::ID) {
            for one in 0..300 {
                event("git.clone", 24, json!({"repo": format!("{ORG}/repository-{one}")}));
            }
        }
    }
}

fn spaces(login: &str) -> BTreeMap<String, &'static str> {
    [("Available", "blue"), ("Shutdown", "grey"), ("Available", "green")]
        .into_iter()
        .map(|(state, name)| (format!("{login}-{name}"), state))
        .collect()
}

/// A deploy key that nothing has used for long.
fn key(id: u64, login: &str) -> Value {
    json!({"id": id, "key": "ssh-ed25519 AAAA", "url": "", "title": format!("ci-{id}"), "verified": true,
           "created_at": "2025-03-01T08:00:00Z", "read_only": true, "added_by": login,
           "last_used": "2025-04-01T08:00:00Z", "enabled": true})
}

/// A webhook whose deliveries fail.
fn hook(id: u64) -> Value {
    let url = format!("https://api.github.com/repos/{ORG}/website/hooks/{id}");
    json!({"type": "Repository", "id": id, "name": "web", "active": true, "events": ["push"],
           "config": {"content_type": "json"}, "updated_at": "2025-03-01T08:00:00Z",
           "created_at": "2025-03-01T08:00:00Z", "url": url, "test_url": format!("{url}/tests"),
           "ping_url": format!("{url}/pings"),
           "last_response": {"code": 502, "status": "misconfigured", "message": "Bad Gateway"}})
}
