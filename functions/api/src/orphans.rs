//! Orphans: accounts that work and are nobody's who is here, and what somebody decides about them.

use crate::{Api, Call, Reply, Role, call::invalid, not_done, stored};
use jiff::civil::Date;
use leaver_domain::{
    id::{SystemId, Username},
    orphans::{
        Orphan, OrphanId,
        decide::{self, Decision, Desk},
    },
    problem::Problem,
};
use serde::Deserialize;
use serde_json::json;

/// Longest body of a decision, in bytes.
const MAX_BODY: usize = 8 * 1024;
/// Most orphans that are shown.
const SHOWN: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    decision: Word,
    reason: String,
    user: Option<Username>,
    until: Option<Date>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Adopt,
    Ignore,
    Revoke,
}

impl Decide {
    fn decision(self) -> Result<(Decision, String), Problem> {
        let decision = match (self.decision, self.user, self.until) {
            (Word::Adopt, Some(user), None) => Decision::Adopt(user),
            (Word::Adopt, ..) => {
                return Err(invalid("To adopt, say whose account it is as `user`, and no `until`."));
            }
            (Word::Ignore, user, Some(until)) => Decision::Ignore(user, until),
            (Word::Ignore, _, None) => {
                return Err(invalid("To ignore, say until when as `until`, such as 2026-12-31."));
            }
            (Word::Revoke, None, None) => Decision::Revoke,
            (Word::Revoke, ..) => return Err(invalid("To revoke, give a `reason` and nothing else.")),
        };
        Ok((decision, self.reason))
    }
}

/// `GET /api/v1/orphans`: those of one system, or of all; the privileged and the oldest first. With `all=true` also those that
/// somebody has decided about, and the accounts of people whom policy routes elsewhere.
pub(crate) async fn list(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Security, Role::Auditor])?;
    let all = match call.query.get("all").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("`all` is `true` or `false`.")),
    };
    let systems: Vec<SystemId> = match call.query.get("system") {
        None => api.policy.systems.keys().cloned().collect(),
        Some(name) => {
            let known = name.parse().ok().filter(|id: &SystemId| api.policy.systems.contains_key(id));
            vec![known.ok_or_else(|| {
                invalid(format!("`system`: policy knows no system `{}`.", crate::cases::safe(name)))
            })?]
        }
    };
    let mut found: Vec<Orphan> = Vec::new();
    for system in &systems {
        let of = api.rosters.orphans(system).await.map_err(stored)?;
        let wanted = |orphan: &Orphan| match all {
            true => orphan.is_there(),
            false => orphan.is_open() && !orphan.class.is_information(),
        };
        found.extend(of.into_iter().filter(wanted));
    }
    found.sort_by_key(|orphan| {
        (orphan.account.privileged != Some(true), orphan.first_seen, orphan.orphan_id.clone())
    });
    let shown: Vec<_> = found.iter().take(SHOWN).map(|orphan| orphan.view(api.now)).collect();
    Reply::json(200, &json!({"orphans": shown, "more": found.len() > SHOWN}))
}

/// `POST /api/v1/orphans/{id}`
pub(crate) async fn decide(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Security])?;
    let id: OrphanId = id.parse().map_err(|_| Problem::not_found())?;
    let (decision, reason) = call.json::<Decide>(MAX_BODY)?.decision()?;
    let desk = Desk {
        policy: api.policy,
        cases: api.cases,
        rosters: api.rosters,
        workflow: api.workflow,
        now: api.now,
    };
    let decided = decide::decide(&desk, &id, &call.caller.username, &decision, &reason).await;
    Reply::json(200, &decided.map_err(not_done)?.view(api.now))
}
