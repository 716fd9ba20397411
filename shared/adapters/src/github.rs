//! GitHub Enterprise Cloud: one organisation, through a GitHub App.
//!
//! Order: authorised credentials first (a removed member's cannot be listed any more), then fine-grained tokens, roles,
//! the Copilot seat and codespaces, the membership last. Teams and repositories go with the membership; they are looked
//! at afterwards, and named so that a partial revocation can take them alone. Codespaces are stopped, not deleted:
//! they can hold work that exists nowhere else.

mod graph;
mod log;
mod read;
mod roster;
mod write;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, Exchange, SigningKey},
    http::{Reader, Writer},
    missing_by_reads,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::Fault,
    inventory::{Account, AccountStatus, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use read::{Membership, User, get};
use serde_json::Value;
use std::collections::BTreeMap;

/// The media type of GitHub's REST API.
const GITHUB: &str = "application/vnd.github+json";
/// The header that pins the API's version, and the version.
const VERSION: &str = "x-github-api-version";
const API: &str = "2022-11-28";
/// Targets of the actions that take all of a kind in one call.
const AUTHORIZATIONS: &str = "sso-authorizations";
const TOKENS: &str = "fine-grained-tokens";
/// The fact that holds what ties the account to the organisation: `active`, `pending`, `outside` or `none`.
const TIE: &str = "membership";

/// What is known of GitHub without asking it.
pub const SPEC: Spec = Spec {
    id: "github",
    name: "GitHub",
    part: Part::Account,
    hosts: &[("", "https://api.github.com")],
    settings: &[
        ("app_id", "id of the GitHub App that leaver acts as"),
        ("private_key", "private key of that App, PEM"),
        ("installation_id", "id of its installation in the organisation"),
        ("org", "login of the organisation"),
    ],
    scopes: &[
        "members: write",
        "organization_administration: write",
        "organization_custom_org_roles: write",
        "organization_personal_access_tokens: write",
        "organization_copilot_seat_management: write",
        "organization_codespaces: write",
        "organization_hooks: read",
        "repository_hooks: read",
        "administration: write",
        "metadata: read",
    ],
    order: &[
        "Revoke SAML authorizations of tokens and SSH keys, then approved personal access tokens, while the person is still a member.",
        "Take organisation roles, the Copilot seat and codespaces.",
        "Remove the member, or the outside collaborator and every invitation.",
        "Read that the membership is gone and the list of authorizations is empty.",
    ],
    residuals: &[
        "Clones that were made are out of reach.",
        "Membership by an enterprise team ends where that team is managed.",
        "Removing a member deletes private forks.",
        "Repositories of the person's own account are out of the organisation's reach: nobody can be made their owner.",
    ],
    setup: &[
        "Make a GitHub App in the organisation with the permissions below and install it for all repositories.",
        "Generate a private key of the App.",
        "Put the App's id, the key, the installation's id and the organisation's login into the system's secret.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every member of the organisation, and with it those of outside collaborators; GitHub tells no logins, and addresses of verified domains only.",
    ),
    source: "GitHub REST API for Enterprise Cloud, OpenAPI 23.0.2; GitHub GraphQL API",
};

/// A login that nobody can have, for it is too long: what is not allowed is refused all the same.
const NOBODY: &str = "leaver-asks-about-nobody-who-could-be-there";

struct Github {
    org: String,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or the key is none.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let org = settings.text("org")?;
    let key = SigningKey::from_pem(settings.secret("private_key")?)?;
    let mut url = settings.url("", "https://api.github.com")?;
    let installation = settings.text("installation_id")?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["app", "installations", &installation, "access_tokens"]);
    }
    let exchange = Exchange::GithubApp { app_id: settings.text("app_id")?, key };
    Ok((Box::new(Github { org }), Auth::token(url, exchange)))
}

/// Of somebody who was only invited, by an address that belongs to no known account.
fn invited(email: &str, invitations: Vec<Grant>) -> Inventory {
    let Some(first) = invitations.first() else { return Inventory::absent() };
    let account = Account {
        id: first.id.clone(),
        login: email.to_owned(),
        status: AccountStatus::Suspended,
        matched_by: "email".into(),
        privileged: false,
        last_login: None,
        facts: BTreeMap::from([(TIE.to_owned(), "invited".to_owned())]),
    };
    Inventory { grants: invitations, ..Inventory::of(account, Sessions::Listed(Vec::new())) }
}

/// What ties an account to the organisation, and whether it gives access.
fn tie(membership: Option<&Membership>, repositories: bool) -> (&'static str, AccountStatus) {
    match membership {
        Some(member) if member.state == "active" => ("active", AccountStatus::Active),
        // An invitation that was sent to the account gives nothing until it is accepted.
        Some(_) => ("pending", AccountStatus::Suspended),
        None if repositories => ("outside", AccountStatus::Active),
        None => ("none", AccountStatus::Deactivated),
    }
}

impl Github {
    /// The account's id, and its membership where it has one.
    async fn account(&self, http: &Reader, login: &str) -> Result<Option<(User, Option<Membership>)>, Fault> {
        let membership = http.find(get(["orgs", &self.org, "memberships", login])).await?;
        let mut membership = membership.map(|answer| answer.json::<Membership>()).transpose()?;
        if let Some(user) = membership.as_mut().and_then(|membership| membership.user.take()) {
            return Ok(Some((user, membership)));
        }
        let user = http.find(get(["users", login])).await?;
        Ok(user.map(|answer| answer.json::<User>()).transpose()?.map(|user| (user, membership)))
    }
}

/// Actions on credentials: all authorised ones and all fine-grained tokens go in one call each.
fn revoke_credentials(found: &Inventory, todo: &mut Vec<Action>) {
    let live = |prefix: &'static str| {
        found.credentials.iter().filter(move |one| one.active && one.id.starts_with(prefix))
    };
    let every = [(AUTHORIZATIONS, "sso:", "authorised credentials"), (TOKENS, "pat:", "fine-grained tokens")];
    for (target, prefix, what) in every {
        let count = live(prefix).count();
        if count > 0 {
            let label = format!("{count} {what}");
            todo.push(Action::contain(ActionKind::RevokeToken, target, label).irreversible());
        }
    }
}

#[async_trait]
impl Adapter for Github {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let org = self.org.as_str();
        let (invitations, login) =
            tokio::try_join!(read::invitations(http, org, &who.email), graph::login_of(http, org, who))?;
        let Some((login, matched_by)) = login else { return Ok(invited(&who.email, invitations)) };
        let Some((user, membership)) = self.account(http, &login).await? else {
            return Ok(invited(&who.email, invitations));
        };
        let login = user.login;
        let (teams, repositories, roles, credentials, copilot, hooks) = tokio::try_join!(
            graph::teams(http, org, &login),
            graph::repositories(http, org, &login),
            read::roles(http, org, &login),
            read::credentials(http, org, &login),
            read::copilot(http, org, &login),
            read::hooks(http, org, &login),
        )?;
        let mut assets = read::of_repositories(http, org, &login, &repositories).await?;
        assets.extend(hooks);
        let mut grants: Vec<Grant> = Vec::new();
        if let Some(membership) = &membership {
            grants.extend(read::membership_role(http, org, membership).await?);
            let indirect = &membership.enterprise_teams_providing_indirect_membership;
            let listed = |slug: &String| teams.iter().any(|team| team.id == format!("team:{slug}:member"));
            grants
                .extend(indirect.iter().filter(|slug| !listed(slug)).map(|slug| read::enterprise_team(slug)));
        }
        grants.extend(roles);
        grants.extend(copilot);
        grants.extend(teams);
        let given = |one: &graph::Repository| one.permission.map(|permission| (one.name.clone(), permission));
        grants.extend(repositories.iter().filter_map(given).map(|(name, permission)| Grant {
            id: format!("repo:{name}:{permission}"),
            kind: GrantKind::Resource,
            name: format!("repository {name}"),
            privileged: false,
            fixed: None,
            sole_holder: false,
        }));
        let direct = grants.iter().any(|grant| grant.kind == GrantKind::Resource);
        let (tie, status) = tie(membership.as_ref(), direct);
        grants.extend(invitations);
        let account = Account {
            id: user.id.to_string(),
            login,
            status,
            matched_by: matched_by.to_owned(),
            privileged: grants.iter().any(|grant| grant.privileged),
            last_login: None,
            facts: BTreeMap::from([(TIE.to_owned(), tie.to_owned())]),
        };
        Ok(Inventory { credentials, grants, assets, ..Inventory::of(account, Sessions::Unreadable) })
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, &self.org, &who.login, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        revoke_credentials(found, &mut todo);
        let removable = |kind: GrantKind| {
            found.grants.iter().filter(move |grant| grant.kind == kind && grant.fixed.is_none())
        };
        let taken = |grant: &Grant| Action::contain(ActionKind::RemoveGroup, &grant.id, &grant.name);
        todo.extend(removable(GrantKind::Role).map(taken));
        for seat in removable(GrantKind::Licence) {
            todo.push(Action::contain(ActionKind::RemoveLicence, &seat.id, &seat.name));
        }
        for space in found.credentials.iter().filter(|one| one.active && one.id.starts_with("codespace:")) {
            todo.push(Action::contain(ActionKind::EndSessions, &space.id, &space.label).irreversible());
        }
        if account.facts.get(TIE).is_some_and(|tie| matches!(tie.as_str(), "active" | "pending" | "outside"))
        {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.login, &account.login));
        }
        let (open, given): (Vec<&Grant>, Vec<&Grant>) =
            removable(GrantKind::Resource).partition(|grant| grant.id.starts_with("invitation:"));
        todo.extend(open.into_iter().map(|grant| taken(grant).irreversible()));
        let later = |grant: &Grant| Action::clean_up(ActionKind::RemoveGroup, &grant.id, &grant.name);
        todo.extend(removable(GrantKind::Group).chain(given).map(later));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let tie = |of: &Inventory| of.account.as_ref().and_then(|account| account.facts.get(TIE).cloned());
        let (Some(was), is) = (&before.account, tie(now)) else { return Vec::new() };
        if tie(before).as_deref() == Some("active") && is.as_deref() != Some("active") {
            // Roles, teams and a seat can be given to members only: the next reading asks for them.
            return vec![Action::contain(ActionKind::EnableAccount, &was.login, &was.login)];
        }
        if now.account.is_none() {
            return Vec::new();
        }
        let missing = before.grants.iter().filter(|grant| {
            let held = now.grants.iter().any(|held| held.kind == grant.kind && held.name == grant.name);
            grant.fixed.is_none() && !grant.id.starts_with("invitation:") && !held
        });
        missing.map(|grant| Action::clean_up(ActionKind::AddGrant, &grant.id, &grant.name)).collect()
    }

    /// Whoever maintains a team is a member of it as well.
    fn is_named(&self, held: &Grant, name: &str) -> bool {
        let of_team = |team: &str| held.id.strip_suffix(":maintainer") == Some(team);
        held.id == name || held.name == name || name.strip_suffix(":member").is_some_and(of_team)
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        let place: Vec<&str> = id.split(':').collect();
        self.add("", &place).map(|_| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        self.write(http, found, action).await
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        if !before.is_active() {
            return Vec::new();
        }
        let outlives = |what: String| Residue { what, lasts: None };
        let mut left =
            vec![outlives("clones of the organisation's repositories on the person's own machines".into())];
        for asset in &before.assets {
            left.extend(match asset.kind.as_str() {
                "private_fork" => Some(outlives(format!(
                    "copies of the private fork {}; the fork itself is deleted with the access",
                    asset.name
                ))),
                "deploy_key" => {
                    Some(outlives(format!("the deploy key {}, until it is replaced", asset.name)))
                }
                "webhook" => Some(outlives(format!("{}, which goes on sending events", asset.name))),
                _ => None,
            });
        }
        let spaces = before.credentials.iter().filter(|one| one.id.starts_with("codespace:"));
        left.extend(spaces.map(|one| outlives(format!("unpushed work in the stopped {}", one.label))));
        left
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let of = |rest: &str| get(["orgs", &self.org, rest]).query("per_page", 1);
        let nobody = |rest: &str| get(["orgs", &self.org, "members", NOBODY, rest]);
        let reads = [
            ("metadata: read", get(["orgs", &self.org])),
            ("members: write", of("members")),
            ("organization_administration: write", of("credential-authorizations")),
            ("organization_custom_org_roles: write", get(["orgs", &self.org, "organization-roles"])),
            ("organization_personal_access_tokens: write", of("personal-access-tokens")),
            ("organization_copilot_seat_management: write", nobody("copilot")),
            ("organization_codespaces: write", nobody("codespaces")),
        ];
        missing_by_reads(http, reads).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, &self.org, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let answer = http.ask(get(["orgs", &self.org])).await?;
        answer.json::<Value>().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{fault_of, receive};
    use leaver_domain::{
        fault::FaultKind,
        inventory::{Credential, CredentialKind},
    };

    const ADAPTER: fn() -> Github = || Github { org: "example".into() };

    fn grant(id: &str, kind: GrantKind) -> Grant {
        Grant { id: id.into(), kind, name: id.into(), privileged: false, fixed: None, sole_holder: false }
    }

    fn credential(id: &str) -> Credential {
        let kind = CredentialKind::PersonalAccessToken;
        Credential { id: id.into(), kind, label: id.into(), created_at: None, last_used: None, active: true }
    }

    fn member(tie: &str, status: AccountStatus) -> Inventory {
        let account = Account {
            id: "1".into(),
            login: "octo".into(),
            status,
            matched_by: "login".into(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::from([(TIE.to_owned(), tie.to_owned())]),
        };
        Inventory::of(account, Sessions::Unreadable)
    }

    #[test]
    fn the_membership_goes_after_what_can_only_be_read_of_members() {
        let mut found = member("active", AccountStatus::Active);
        found.credentials = ["codespace:c", "pat:1", "sso:1", "sso:2"].into_iter().map(credential).collect();
        found.grants = vec![
            grant("team:platform:member", GrantKind::Group),
            grant("copilot", GrantKind::Licence),
            grant("role:7", GrantKind::Role),
            Grant { fixed: Some("x".into()), ..grant("team:ent:all:member", GrantKind::Group) },
        ];
        let targets: Vec<String> = ADAPTER().revoke(&found).into_iter().map(|action| action.target).collect();
        let expected = [
            "sso-authorizations",
            "fine-grained-tokens",
            "role:7",
            "copilot",
            "codespace:c",
            "octo",
            "team:platform:member",
        ];
        assert_eq!(targets, expected);
    }

    #[test]
    fn a_removed_member_is_revoked_and_an_invited_one_is_not() {
        assert_eq!(ADAPTER().revoke(&member("none", AccountStatus::Deactivated)), []);
        assert_eq!(ADAPTER().revoke(&member("pending", AccountStatus::Suspended)).len(), 1);
        let by_mail = invited("a@example.com", vec![grant("invitation:3", GrantKind::Resource)]);
        assert_eq!(ADAPTER().revoke(&by_mail)[0].target, "invitation:3");
        assert_eq!(invited("a@example.com", Vec::new()), Inventory::absent());
    }

    #[test]
    fn somebody_who_cannot_be_found_any_more_can_be_brought_back() {
        let before = member("active", AccountStatus::Active);
        let todo = ADAPTER().restore(&before, &Inventory::absent());
        assert_eq!((todo[0].kind, todo[0].target.as_str()), (ActionKind::EnableAccount, "octo"));
        assert_eq!(ADAPTER().restore(&before, &before), []);
    }

    #[test]
    fn grants_come_back_once_the_membership_is_there() {
        let mut before = member("active", AccountStatus::Active);
        before.grants = vec![grant("role:7", GrantKind::Role)];
        let now = member("active", AccountStatus::Active);
        assert_eq!(ADAPTER().restore(&before, &now)[0].kind, ActionKind::AddGrant);
        let pending = member("pending", AccountStatus::Suspended);
        assert_eq!(ADAPTER().restore(&before, &pending)[0].kind, ActionKind::EnableAccount);
    }

    #[tokio::test]
    async fn an_exhausted_limit_is_no_missing_permission() {
        let limited = ::http::Response::builder().status(403).header("x-ratelimit-remaining", "0");
        let cases = [
            (limited.header("x-ratelimit-reset", "1700000030"), FaultKind::Throttled),
            (::http::Response::builder().status(403).header("retry-after", "60"), FaultKind::Throttled),
            (::http::Response::builder().status(403), FaultKind::PermissionMissing),
        ];
        let now = Timestamp::from_millis(1_700_000_000_000).unwrap();
        for (response, kind) in cases {
            let response = reqwest::Response::from(response.body("{}").unwrap());
            let fault = fault_of(&receive(response, "GET /".into()).await.unwrap(), now);
            assert_eq!(fault.kind, kind);
            assert_eq!(fault.retry_after.is_some(), kind == FaultKind::Throttled);
        }
    }
}
