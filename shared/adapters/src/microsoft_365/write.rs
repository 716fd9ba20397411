//! What is written: one command for each action, and the reads that prove what leaves no other trace.

use super::{
    Microsoft365,
    read::{METHODS, Marks, users},
};
use crate::http::{Command, Reader, Writer};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Inventory, Sessions},
    plan::{Action, ActionKind, Outcome},
    time::Timestamp,
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use std::time::Duration;

/// A password that nobody ever gets to know.
fn unknown_password() -> Result<String, Fault> {
    let mut bytes = [0_u8; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Fault::new(FaultKind::Internal, "the system gives no random numbers"))?;
    // The ending satisfies every rule about kinds of characters.
    Ok(format!("{}-aA1", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

/// Reads a user back until an instant of its record has moved. The directory is replicated: the first read can be old.
async fn moved(http: &Reader, id: &str, what: &str, has: impl Fn(&Marks) -> bool) -> Result<Outcome, Fault> {
    for wait in [0, 300, 700] {
        if wait > 0 && !http.pause(Duration::from_millis(wait)).await {
            break;
        }
        let query =
            users([id]).query("$select", "signInSessionsValidFromDateTime,lastPasswordChangeDateTime");
        if has(&http.ask(query).await?.json()?) {
            return Ok(Outcome::Done);
        }
    }
    Err(Fault::new(FaultKind::NotVerified, format!("a read does not show yet that {what}")))
}

fn eligibility(id: &str, role: &str, scope: &str, action: &str) -> Value {
    json!({"action": action, "principalId": id, "roleDefinitionId": role, "directoryScopeId": scope,
           "justification": "changed by leaver"})
}

impl Microsoft365 {
    fn removal(id: &str, target: &[&str]) -> Option<Command> {
        Some(match target {
            ["group", group] => Command::delete(["groups", group, "members", id, "$ref"]),
            ["role", _, _, held] => Command::delete(["roleManagement", "directory", "roleAssignments", held]),
            ["eligible", role, scope, _] => {
                Command::post(["roleManagement", "directory", "roleEligibilityScheduleRequests"])
                    .json(eligibility(id, role, scope, "adminRemove"))
            }
            ["app", _, _, held] => Command::delete(["users", id, "appRoleAssignments", held]),
            ["licence", sku] => Command::post(["users", id, "assignLicense"])
                .json(json!({"addLicenses": [], "removeLicenses": [sku]})),
            ["consent", consent] => Command::delete(["oauth2PermissionGrants", consent]),
            ["method", path, method] if METHODS.iter().any(|(_, known, _)| known == path) => {
                Command::delete(["users", id, "authentication", path, method])
            }
            ["device", device] => Command::patch(["devices", device]).json(json!({"accountEnabled": false})),
            _ => return None,
        })
    }

    fn addition(&self, id: &str, target: &[&str], now: Timestamp) -> Option<Command> {
        Some(match target {
            ["group", group] => Command::post(["groups", group, "members", "$ref"])
                .json(json!({"@odata.id": format!("{}{id}", self.directory)})),
            ["role", role, scope, _] => Command::post(["roleManagement", "directory", "roleAssignments"])
                .json(json!({"principalId": id, "roleDefinitionId": role, "directoryScopeId": scope})),
            ["eligible", role, scope, until] => {
                let mut body = eligibility(id, role, scope, "adminAssign");
                let expiration = match *until {
                    "" => json!({"type": "noExpiration"}),
                    until => json!({"type": "afterDateTime", "endDateTime": until}),
                };
                body["scheduleInfo"] = json!({"startDateTime": now, "expiration": expiration});
                Command::post(["roleManagement", "directory", "roleEligibilityScheduleRequests"]).json(body)
            }
            ["app", resource, role, _] => Command::post(["users", id, "appRoleAssignments"])
                .json(json!({"principalId": id, "resourceId": resource, "appRoleId": role})),
            ["licence", sku, plans @ ..] => {
                let off: Vec<&str> = plans.iter().flat_map(|plans| plans.split(',')).collect();
                Command::post(["users", id, "assignLicense"]).json(
                    json!({"addLicenses": [{"skuId": sku, "disabledPlans": off}], "removeLicenses": []}),
                )
            }
            ["device", device] => Command::patch(["devices", device]).json(json!({"accountEnabled": true})),
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
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let id = account.id.as_str();
        let target: Vec<&str> = action.target.split('|').collect();
        let command = match action.kind {
            ActionKind::DisableAccount | ActionKind::EnableAccount
                if account.facts.contains_key("synced") =>
            {
                let detail = "the account is mastered in Active Directory: what is set there arrives with the next sync";
                return Err(Fault::new(FaultKind::Conflict, detail));
            }
            ActionKind::DisableAccount => return patch(http, id, json!({"accountEnabled": false})).await,
            ActionKind::EnableAccount => return patch(http, id, json!({"accountEnabled": true})).await,
            ActionKind::EndSessions => {
                let Sessions::ValidFrom(before) = found.sessions else { return Ok(Outcome::Already) };
                http.tell(Command::post(["users", id, "revokeSignInSessions"])).await?;
                let has = |marks: &Marks| marks.sign_in_sessions_valid_from_date_time > before;
                return moved(http, id, "sessions were ended", has).await;
            }
            ActionKind::RevokeToken if action.target == "password" => {
                let password = unknown_password()?;
                let profile = json!({"forceChangePasswordNextSignIn": true, "password": password});
                patch(http, id, json!({"passwordProfile": profile})).await?;
                let before = account.facts.get("password_changed").and_then(|at| at.parse().ok());
                let has = |marks: &Marks| marks.last_password_change_date_time > before;
                return moved(http, id, "the password was replaced", has).await;
            }
            ActionKind::AddGrant | ActionKind::EnableApiKey => self.addition(id, &target, http.now()),
            _ => Self::removal(id, &target),
        };
        let unknown = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        http.tell(command.ok_or_else(unknown)?).await.map(|_| Outcome::Done)
    }
}

/// Changes a user's record, which Graph answers without a body.
async fn patch(http: &Writer, id: &str, body: Value) -> Result<Outcome, Fault> {
    http.tell(Command::patch(["users", id]).json(body)).await.map(|_| Outcome::Done)
}
