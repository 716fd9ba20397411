//! What is written: one command for each action, and what GitHub refuses told before it is asked.

use super::{API, AUTHORIZATIONS, GITHUB, Github, TIE, TOKENS, VERSION, read::get};
use crate::http::{Command, Reader, Writer};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::Inventory,
    plan::{Action, ActionKind, Outcome},
};
use serde_json::json;

fn sent(command: Command) -> Command {
    command.header("accept", GITHUB).header(VERSION, API)
}

impl Github {
    async fn revoke_each(&self, http: &Writer, found: &Inventory) -> Result<Outcome, Fault> {
        let live = found.credentials.iter().filter(|one| one.active);
        for id in live.filter_map(|one| one.id.strip_prefix("sso:")) {
            let command = Command::delete(["orgs", &self.org, "credential-authorizations", id]);
            match http.tell(sent(command)).await {
                Err(fault) if fault.kind != FaultKind::NotFound => return Err(fault),
                _ => {}
            }
        }
        Ok(Outcome::Done)
    }

    fn disable(&self, login: &str, tie: Option<&str>) -> Command {
        let list = if tie == Some("outside") { "outside_collaborators" } else { "memberships" };
        Command::delete(["orgs", &self.org, list, login])
    }

    fn member(&self, login: &str, role: &str) -> Command {
        Command::put(["orgs", &self.org, "memberships", login]).json(json!({"role": role}))
    }

    fn seat(command: Command, login: &str) -> Command {
        command.json(json!({"selected_usernames": [login]}))
    }

    /// Whether a team or repository is still held: both go with the membership, without an answer of their own.
    async fn still_held(&self, http: &Reader, login: &str, place: &[&str]) -> Result<bool, Fault> {
        let query = match place {
            ["team", slug, ..] => get(["orgs", &self.org, "teams", slug, "memberships", login]),
            ["repo", name, ..] => get(["repos", &self.org, name, "collaborators", login]),
            _ => return Ok(true),
        };
        Ok(http.find(query).await?.is_some())
    }

    fn remove(&self, login: &str, place: &[&str]) -> Option<Command> {
        let org = self.org.as_str();
        Some(match place {
            ["owner"] => self.member(login, "member"),
            ["role", id] => Command::delete(["orgs", org, "organization-roles", "users", login, id]),
            ["team", slug, ..] => Command::delete(["orgs", org, "teams", slug, "memberships", login]),
            ["repo", name, ..] => Command::delete(["repos", org, name, "collaborators", login]),
            ["invitation", id] => Command::delete(["orgs", org, "invitations", id]),
            _ => return None,
        })
    }

    /// What gives a grant; `None` where it names none that can be given.
    pub(super) fn add(&self, login: &str, place: &[&str]) -> Option<Command> {
        let org = self.org.as_str();
        Some(match place {
            ["owner"] => self.member(login, "admin"),
            ["role", id] => Command::put(["orgs", org, "organization-roles", "users", login, id]),
            ["team", slug, role] => {
                Command::put(["orgs", org, "teams", slug, "memberships", login]).json(json!({"role": role}))
            }
            ["repo", name, permission] => Command::put(["repos", org, name, "collaborators", login])
                .json(json!({"permission": permission})),
            ["copilot"] => {
                Self::seat(Command::post(["orgs", org, "copilot", "billing", "selected_users"]), login)
            }
            _ => return None,
        })
    }

    /// Carries one action out.
    pub(super) async fn write(
        &self,
        http: &Writer,
        found: &Inventory,
        action: &Action,
    ) -> Result<Outcome, Fault> {
        let (org, target) = (self.org.as_str(), action.target.as_str());
        let tie = found.account.as_ref().and_then(|account| account.facts.get(TIE)).map(String::as_str);
        // Somebody removed may not be found any more; the account to bring back is named by the action itself.
        let login = found.account.as_ref().map_or(target, |account| account.login.as_str());
        let place: Vec<&str> = target.split(':').collect();
        let unknown = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        let last_owner = found.grants.iter().any(|grant| grant.id == "owner" && grant.sole_holder);
        if last_owner && (action.kind == ActionKind::DisableAccount || place == ["owner"]) {
            let detail = "GitHub keeps the last owner of an organisation; make somebody else an owner first";
            return Err(Fault::new(FaultKind::Conflict, detail));
        }
        let (command, outcome) = match action.kind {
            // Only of members can all be revoked at once.
            ActionKind::RevokeToken if target == AUTHORIZATIONS && tie != Some("active") => {
                return self.revoke_each(http, found).await;
            }
            ActionKind::RevokeToken if target == AUTHORIZATIONS => {
                let command = Command::post(["orgs", org, "credential-authorizations", login, "revoke"]);
                (command, Outcome::Accepted)
            }
            ActionKind::RevokeToken if target == TOKENS => {
                let live = found.credentials.iter().filter(|one| one.active);
                let ids = live.filter_map(|one| one.id.strip_prefix("pat:")?.parse::<u64>().ok());
                let body = json!({"action": "revoke", "pat_ids": ids.collect::<Vec<_>>()});
                (Command::post(["orgs", org, "personal-access-tokens"]).json(body), Outcome::Accepted)
            }
            ActionKind::RemoveLicence => {
                let list = Command::delete(["orgs", org, "copilot", "billing", "selected_users"]);
                (Self::seat(list, login), Outcome::Done)
            }
            ActionKind::EndSessions => {
                let name = target.strip_prefix("codespace:").ok_or_else(unknown)?;
                (
                    Command::post(["orgs", org, "members", login, "codespaces", name, "stop"]),
                    Outcome::Accepted,
                )
            }
            ActionKind::DisableAccount => (self.disable(login, tie), Outcome::Done),
            // Invited already: the membership begins when they accept, and a second invitation would only count
            // against the organisation's limit.
            ActionKind::EnableAccount if tie == Some("pending") => return Ok(Outcome::Accepted),
            ActionKind::EnableAccount => (self.member(target, "member"), Outcome::Accepted),
            ActionKind::RemoveGroup if !self.still_held(http, login, &place).await? => {
                return Ok(Outcome::Already);
            }
            ActionKind::RemoveGroup => (self.remove(login, &place).ok_or_else(unknown)?, Outcome::Done),
            ActionKind::AddGrant => (self.add(login, &place).ok_or_else(unknown)?, Outcome::Done),
            _ => return Err(unknown()),
        };
        http.tell(sent(command)).await.map(|_| outcome)
    }
}
