//! Cases: list, show, open.

use crate::{Api, Call, Reply, Role, call::invalid, stored, view};
use leaver_domain::{
    case::{CaseRecord, Mode, SystemRecord, Trigger},
    digest::Digest,
    effective::Dates,
    forcing,
    id::{CaseId, Username},
    intake::{self, Refused, Request},
    measure::Permission,
    person::Person,
    policy::Policy,
    ports::StoreError,
    presence::is_gone,
    problem::{NotDone, Problem},
    routing, sealing, text,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Most cases of one page.
const PAGE: usize = 50;
/// Tries against somebody else who changes the same case.
const TRIES: usize = 4;
/// How long a dry run is waited for. API Gateway gives up after 30 seconds.
const PREVIEW: Duration = Duration::from_secs(24);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenCase {
    person: Username,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    scope: Option<OpenScope>,
    reason: String,
    #[serde(default)]
    effective_at: Option<Timestamp>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    emergency: bool,
    #[serde(default)]
    preserve_data: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenScope {
    /// Groups, roles or permissions, wherever they are held.
    #[serde(default)]
    grants: BTreeSet<String>,
    /// The same, and those of one system: `github:core`.
    #[serde(default)]
    permissions: BTreeSet<String>,
    /// What this role's profile needs.
    #[serde(default)]
    role: Option<String>,
}

/// What a partial case takes: wherever it is held, and in single systems.
type Parts = (BTreeSet<String>, BTreeSet<Permission>);

impl OpenScope {
    /// What is taken wherever it is held, and what is taken in one system. A name whose beginning is no system of the policy is
    /// taken as a whole: vendors have colons in theirs.
    fn parts(&self, policy: &Policy, person: &Person) -> Result<Parts, Problem> {
        let mut grants = self.grants.clone();
        let mut permissions = match &self.role {
            Some(role) => of_role(policy, person, role)?,
            None => BTreeSet::new(),
        };
        for name in &self.permissions {
            let system = |part: &str| part.parse().ok().filter(|system| policy.systems.contains_key(system));
            let of_system = name.split_once(':').and_then(|(part, grant)| Some((system(part)?, grant)));
            match of_system.filter(|(_, grant)| !grant.is_empty()) {
                Some((system, grant)) => {
                    permissions.insert(Permission { system, grant: grant.to_owned() });
                }
                None => {
                    grants.insert(name.clone());
                }
            }
        }
        if !(1..=200).contains(&(grants.len() + permissions.len())) {
            return Err(invalid("`scope` must name 1 to 200 groups, roles or permissions."));
        }
        Ok((grants, permissions))
    }
}

/// What a role's profile needs beyond accounts. What the person's own role needs as well stays, unless it is that very role.
fn of_role(policy: &Policy, person: &Person, role: &str) -> Result<BTreeSet<Permission>, Problem> {
    let Some(profile) = policy.profile_of(role) else {
        let known: Vec<&str> = policy.roles.keys().map(String::as_str).collect();
        let known = known.join(", ");
        return Err(invalid(format!("`scope.role` is no role of the policy. There are: {known}.")));
    };
    let is_theirs = routing::is_same(&person.role, role);
    let own = policy.profile(person).filter(|_| !is_theirs);
    let mut permissions = BTreeSet::new();
    for (system, grants) in &profile.0 {
        let kept = own.and_then(|own| own.needs(system));
        let going = grants.iter().filter(|grant| kept.is_none_or(|kept| !kept.contains(*grant)));
        permissions.extend(going.map(|grant| Permission { system: system.clone(), grant: grant.clone() }));
    }
    if permissions.is_empty() {
        let detail = format!(
            "The role `{role}` needs nothing beyond accounts that {} has not by their own role.",
            person.username
        );
        return Err(invalid(detail));
    }
    Ok(permissions)
}

/// `GET /api/v1/cases`
pub(crate) async fn list(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(&[
        Role::Hr,
        Role::Manager,
        Role::Approver,
        Role::Security,
        Role::Auditor,
        Role::Operator,
    ])?;
    let limit = match call.query.get("limit") {
        None => PAGE,
        Some(limit) => limit.parse().ok().filter(|limit| (1..=PAGE).contains(limit)).ok_or_else(|| {
            Problem::new(400, "invalid-parameter", format!("`limit` must be a number from 1 to {PAGE}."))
        })?,
    };
    let from = call.query.get("from").map(String::as_str);
    let page = match call.query.get("scheduled").map(String::as_str) {
        None | Some("false") => api.cases.cases(from, limit).await,
        Some("true") => api.cases.scheduled(api.now, from, limit).await,
        Some(_) => {
            let detail = "`scheduled` must be `true` or `false`.";
            return Err(Problem::new(400, "invalid-parameter", detail));
        }
    };
    let page = page.map_err(stored)?;
    let mut shown = Vec::new();
    for case in &page.cases {
        if call.caller.sees_all() || visible(api, call, case).await? {
            shown.push(view::summary(case));
        }
    }
    Reply::json(200, &json!({"cases": shown, "next": page.next}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Force {
    reason: String,
}

/// `POST /api/v1/cases/{id}/force`
pub(crate) async fn force(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Security])?;
    let by = &call.caller.username;
    if is_gone(api.cases, by).await.map_err(stored)? {
        return Err(Problem::forbidden("Whoever is leaving, or has left, forces nothing any more."));
    }
    let asked: Force = call.json(MAX_BODY)?;
    let reason = text::clean(&asked.reason, 500).map_err(|error| invalid(format!("`reason` is {error}.")))?;
    for _ in 0..TRIES {
        let (case, _) = find(api, call, id).await?;
        if case.person.username == *by {
            return Err(Problem::forbidden("Nobody forces a case about themselves; somebody else has to."));
        }
        let forced = forcing::force(api.cases, api.workflow, api.policy, &case, (by, &reason), api.now).await;
        match forced {
            Ok((case, not_started)) => {
                if let Some(error) = not_started {
                    tracing::error!(case = %case.case_id, %error, "forced, but not started: the sweep will start it");
                }
                let (case, systems) = find(api, call, id).await?;
                return Reply::json(202, &whole(api, &case, &systems).await?);
            }
            // One of its tasks was closed in between: what is left now counts.
            Err(NotDone::Store(StoreError::Conflict)) => {}
            Err(NotDone::Store(error)) => return Err(stored(error)),
            Err(NotDone::Refused(problem)) => return Err(problem),
        }
    }
    Err(stored(StoreError::Conflict))
}

async fn visible(api: &Api<'_>, call: &Call, case: &CaseRecord) -> Result<bool, Problem> {
    let person = api.cases.person(&case.person.username).await.map_err(stored)?;
    Ok(call.caller.sees(case, person.as_ref()))
}

/// The case of an id, where the caller may know of it. Whoever may not is told what whoever asks for nothing is told.
pub(crate) async fn find(
    api: &Api<'_>,
    call: &Call,
    id: &str,
) -> Result<(CaseRecord, Vec<SystemRecord>), Problem> {
    let id: CaseId = id.parse().map_err(|_| Problem::not_found())?;
    let case = api.cases.case(&id).await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    if !visible(api, call, &case).await? {
        return Err(Problem::not_found());
    }
    let systems = api.cases.systems(&id).await.map_err(stored)?;
    Ok((case, systems))
}

async fn whole(api: &Api<'_>, case: &CaseRecord, systems: &[SystemRecord]) -> Result<Value, Problem> {
    let rows = sealing::rows_of(case, systems);
    let expected = rows.len();
    let coverage = sealing::coverage(api.ledger, rows).await.map_err(stored)?;
    let mut view = view::whole(case, systems, &coverage, expected);
    let shown = view["systems"].as_array_mut().into_iter().flatten();
    for (system, record) in shown.zip(systems) {
        let manual = api.policy.manual(&record.system);
        system["manual"] = manual.map_or(Value::Null, |(owner, manual)| {
            let (what, due) = (&manual.instructions, manual.due_seconds);
            json!({"owner": owner, "instructions": what, "due_seconds": due})
        });
    }
    Ok(view)
}

/// `GET /api/v1/cases/{id}`
pub(crate) async fn show(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let (case, systems) = find(api, call, id).await?;
    Reply::json(200, &whole(api, &case, &systems).await?)
}

/// `POST /api/v1/cases`
pub(crate) async fn open(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Security, Role::Hr, Role::Manager])?;
    if is_gone(api.cases, &call.caller.username).await.map_err(stored)? {
        return Err(Problem::forbidden("Whoever is leaving, or has left, opens nothing any more."));
    }
    let asked: OpenCase = call.json(MAX_BODY)?;
    let person = whom(api, call, &asked.person).await?;
    let request = request(api, call, &asked, &person)?;
    let submitted = intake::submit(api.cases, api.workflow, api.policy, &person, &request, api.now).await;
    let (receipt, not_started) = submitted.map_err(|refused| match refused {
        Refused::Reused => {
            let detail = "This Idempotency-Key was used for another request. Use a new one.";
            Problem::new(409, "idempotency-key-reused", detail)
        }
        Refused::UnknownPerson(_) => Problem::not_found(),
        Refused::NotRestorable(why) => Problem::new(409, "not-restorable", why),
        Refused::Store(error) => stored(error),
    })?;
    if let Some(error) = not_started {
        tracing::error!(case = %receipt.case_id, %error, "recorded, but not started: the sweep will start it");
    }
    if asked.dry_run {
        wait(api, &receipt.case_id).await?;
    }
    let (case, systems) = find(api, call, receipt.case_id.as_str()).await?;
    let status = if asked.dry_run && case.status.is_settled() { 200 } else { 202 };
    Reply::json(status, &whole(api, &case, &systems).await?)
}

/// The person, where the caller may open a case about them. A manager learns nothing of who is not their report.
async fn whom(api: &Api<'_>, call: &Call, username: &Username) -> Result<Person, Problem> {
    let person = api.cases.person(username).await.map_err(stored)?;
    let everybody = call.caller.is(&[Role::Security, Role::Hr]);
    let person = person.filter(|person| everybody || call.caller.manages(person));
    person.ok_or_else(|| {
        let detail = format!("There is nobody called `{username}` whose access you may take away.");
        Problem::new(404, "unknown-person", detail)
    })
}

fn request(api: &Api<'_>, call: &Call, asked: &OpenCase, person: &Person) -> Result<Request, Problem> {
    let reason = text::clean(&asked.reason, 500).map_err(|error| invalid(format!("`reason` is {error}.")))?;
    let mode = asked.mode.unwrap_or(if asked.scope.is_some() { Mode::Partial } else { Mode::Leave });
    match (mode, &asked.scope) {
        (Mode::Partial, None) => {
            return Err(invalid(
                "A partial revocation needs `scope.permissions`, `scope.role` or `scope.grants`.",
            ));
        }
        (Mode::Leave | Mode::Suspend, Some(_)) => {
            return Err(invalid("`scope` belongs to a partial revocation: `\"mode\": \"partial\"`."));
        }
        (Mode::Suspend, None) => call.caller.must_be(&[Role::Security, Role::Hr])?,
        (Mode::Reactivate, _) => {
            return Err(invalid(
                "Access comes back by a restore or a rehire, which somebody else decides about.",
            ));
        }
        (Mode::Leave, None) | (Mode::Partial, Some(_)) => {}
    }
    let (grants, permissions) = match &asked.scope {
        Some(scope) => scope.parts(api.policy, person)?,
        None => Parts::default(),
    };
    if asked.emergency {
        call.caller.must_be(&[Role::Security])?;
    }
    let trigger = Trigger {
        source: format!("api:{}", call.caller.username),
        event_id: call.number()?,
        by: call.caller.username.to_string(),
        kind: "manual".to_owned(),
        at: api.now,
        received_at: api.now,
        body: Digest::of(&call.body),
    };
    Ok(Request {
        trigger,
        mode,
        reason,
        dates: Dates::default(),
        effective_at: asked.effective_at.unwrap_or(api.now),
        dry_run: asked.dry_run,
        emergency: asked.emergency,
        preserve_data: asked.preserve_data,
        // Where only single systems are named, the case is about those alone.
        grants: Some(grants).filter(|grants| !grants.is_empty()),
        permissions,
        moves: None,
        measure: None,
    })
}

/// API Gateway's request ids may carry `=` at their end.
pub(crate) fn safe(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

async fn wait(api: &Api<'_>, id: &CaseId) -> Result<(), Problem> {
    let step = Duration::from_millis(200);
    let mut waited = Duration::ZERO;
    while waited < PREVIEW {
        let case = api.cases.case(id).await.map_err(stored)?;
        if case.is_some_and(|case| case.status.is_settled()) {
            return Ok(());
        }
        (api.sleep)(step).await;
        waited += step;
    }
    Ok(())
}
