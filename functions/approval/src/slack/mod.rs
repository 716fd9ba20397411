//! `POST /api/v1/slack/interactions`: what people press in Slack. Authenticated over the raw bytes, mapped to a person,
//! decided by the same rules as everywhere, and answered within the three seconds that Slack gives.

mod interaction;
mod signature;
#[cfg(test)]
mod tests;

pub use interaction::{MAX_BODY, Pressed};
pub use signature::accept;

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
    http::HeaderValue,
};
use leaver_domain::{
    approval::{Approval, Asked, Decided, Decision, Shown},
    deciding::{self, Gate, Host, Who},
    digest::Digest,
    id::Username,
    messages,
    person::Person,
    policy::Policy,
    ports::{CaseStore, Identity, Messenger, StoreError, Workflow},
    problem::{NotDone, Problem},
    secret::Secret,
    time::Timestamp,
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

/// How long Slack may take to say who pressed.
const WHO_LIMIT: Duration = Duration::from_millis(800);
/// How long the replacing of messages, and the answer to whoever pressed, may take.
const SHOW_LIMIT: Duration = Duration::from_millis(1_500);
/// How far Slack's clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(2);
/// The reason where none was typed in and none is needed.
const BY_BUTTON: &str = "by button in Slack";
/// The system under which a person's record names their Slack account.
const SLACK: &str = "slack";

/// What the endpoint works with.
pub struct Slack<'a> {
    /// What Slack signs with.
    pub signing_secret: &'a Secret,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// The settings in force.
    pub policy: &'a Policy,
    /// Slack itself.
    pub messenger: &'a dyn Messenger,
    /// Now.
    pub now: Timestamp,
}

/// Answers one request. Whoever may not decide, or decides too late, is told so in Slack; Slack itself gets 200.
pub async fn interactions(work: &Slack<'_>, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    match answer(work, request).await {
        Ok(()) => response(200),
        Err(problem) => refuse(&problem),
    }
}

/// The answer to a request that is not taken.
pub fn refuse(problem: &Problem) -> ApiGatewayV2httpResponse {
    let mut response = response(problem.status);
    response.headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
    response.body = serde_json::to_string(problem).ok().map(Body::Text);
    response
}

fn response(status: u16) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response.status_code = status.into();
    response
}

async fn answer(work: &Slack<'_>, request: &ApiGatewayV2httpRequest) -> Result<(), Problem> {
    let body = interaction::raw_body(request)?;
    if !accept(work.signing_secret, &request.headers, &body, work.now) {
        return Err(Problem::unauthorized());
    }
    let pressed = Pressed::parse(&body)?;
    let found = Host::find(work.store, &pressed.approval).await.map_err(stored)?;
    let needed = match &found {
        Some((host, _)) => deciding::needs_reason(host, pressed.decision),
        None => pressed.decision == Decision::Deny,
    };
    if needed && pressed.reason.is_none() {
        tell(work, &pressed, "Nothing was decided. Write the reason into the field, then press again.").await;
        return Ok(());
    }
    let reason = pressed.reason.as_deref().unwrap_or(BY_BUTTON);
    let Some(by) = presser(work, &pressed, found.as_ref().map(|(host, _)| host)).await? else {
        tracing::warn!(user = pressed.user, approval = %pressed.approval, "pressed by somebody who is not known");
        tell(work, &pressed, "Nothing was decided: leaver knows nobody with your account's e-mail address.")
            .await;
        return Ok(());
    };
    if let Some((host, true)) = found
        && repeats(&host, &by, &pressed)
    {
        replace(work, &pressed, &by, host).await;
        return Ok(());
    }
    decide(work, &pressed, by, reason).await
}

async fn decide(work: &Slack<'_>, pressed: &Pressed, by: Username, reason: &str) -> Result<(), Problem> {
    let who = Who { username: by.clone(), roles: None, through: SLACK };
    let (store, asked) = (work.store, &pressed.approval);
    let taken =
        deciding::decide(store, work.workflow, work.policy, asked, &who, pressed.decision, reason, work.now);
    let problem = match taken.await {
        Ok(done) => {
            if let Some(error) = done.not_woken {
                tracing::error!(approval = %asked, %error, "decided, but its execution was not woken: the tick will");
            }
            replace(work, pressed, &by, done.host).await;
            return Ok(());
        }
        Err(NotDone::Store(error)) => return Err(stored(error)),
        Err(NotDone::Refused(problem)) => problem,
    };
    let found = Host::find(store, asked).await.map_err(stored)?;
    let newest = found.and_then(|(host, is_newest)| is_newest.then_some(host));
    match newest {
        // Two deliveries of one press at the same instant: the other one has decided.
        Some(host) if repeats(&host, &by, pressed) => replace(work, pressed, &by, host).await,
        // What was decided or has expired is shown in the place of the buttons that should not be there any more.
        Some(host) if matches!(problem.status, 409 | 410) => {
            tokio::join!(tell(work, pressed, &problem.detail), replace(work, pressed, &by, host));
        }
        _ => tell(work, pressed, &problem.detail).await,
    }
    tracing::info!(%by, approval = %asked, status = problem.status, "a decision in Slack was not taken");
    Ok(())
}

fn stored(error: StoreError) -> Problem {
    tracing::error!(%error, "a press could not be taken");
    Problem::unavailable()
}

/// Whether this press was taken already: the same person has decided the same, not before they pressed.
fn repeats(host: &Host, by: &Username, pressed: &Pressed) -> bool {
    let same = |decided: &Decided| {
        let since = pressed.at.is_none_or(|at| decided.at.plus(SKEW) >= at);
        decided.by == *by && decided.decision == pressed.decision && since
    };
    host.approval().is_some_and(|approval| approval.decisions.iter().any(same))
}

/// Who pressed, as leaver knows them. Slack's e-mail address must be that of the person's record, or the record must name
/// this very account; a name that merely looks alike is nobody.
async fn presser(
    work: &Slack<'_>,
    pressed: &Pressed,
    host: Option<&Host>,
) -> Result<Option<Username>, Problem> {
    let identity = timeout(WHO_LIMIT, work.messenger.who(&pressed.user)).await;
    let identity = identity.unwrap_or_else(|_| Err(StoreError::Unavailable("Slack, not in time".to_owned())));
    let Some(identity) = identity.map_err(stored)? else { return Ok(None) };
    let local = identity.email.split('@').next().and_then(|local| local.parse::<Username>().ok());
    let approvals = &work.policy.approvals;
    let by_name = approvals.levels.iter().filter_map(|level| match level {
        Asked::Person(username) => Some(username),
        Asked::Approvers | Asked::SecurityTeam | Asked::Manager => None,
    });
    let asked = host.and_then(Host::approval).map(|approval| approval.asked.iter());
    let named: BTreeSet<&Username> = (asked.into_iter().flatten())
        .chain(&approvals.approvers)
        .chain(&approvals.security_team)
        .chain(approvals.delegates.values())
        .chain(by_name)
        .collect();
    let others = named.into_iter().filter(|one| local.as_ref() != Some(one)).cloned().collect::<Vec<_>>();
    for candidate in local.iter().chain(&others) {
        let person = work.store.person(candidate).await.map_err(stored)?;
        if person.is_some_and(|person| is(&person, &identity)) {
            return Ok(Some(candidate.clone()));
        }
    }
    Ok(None)
}

fn is(person: &Person, identity: &Identity) -> bool {
    let recorded = person.login(SLACK);
    person.email.eq_ignore_ascii_case(&identity.email)
        || recorded.is_some_and(|login| login == identity.id || login.eq_ignore_ascii_case(&identity.email))
}

/// Shows an approval to everybody who is asked, replaces what stands already, and keeps where. What failed is tried again
/// by whoever calls this next.
///
/// # Errors
/// Where the store fails.
pub async fn show(
    store: &dyn CaseStore,
    messenger: &dyn Messenger,
    policy: &Policy,
    gate: Gate,
) -> Result<(), StoreError> {
    let Some(message) = messages::of(&policy.approvals, &gate.host) else { return Ok(()) };
    let Gate { host, mut approval } = gate;
    let delivered = messages::deliver(messenger, store, &policy.approvals, &mut approval, &message).await;
    for (to, error) in &delivered.failed {
        tracing::warn!(to, %error, "a request could not be shown; it is tried again");
    }
    if delivered.changed {
        deciding::keep_shown(store, &Gate { host, approval }).await?;
    }
    Ok(())
}

async fn tell(work: &Slack<'_>, pressed: &Pressed, text: &str) {
    let Some(address) = &pressed.response_url else { return };
    match timeout(SHOW_LIMIT, work.messenger.answer(address, text)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "whoever pressed could not be told"),
        Err(_) => tracing::warn!("whoever pressed could not be told in time"),
    }
}

/// Replaces the messages that show the approval, the pressed one first. What is not replaced in time is left to the step
/// that settles it.
async fn replace(work: &Slack<'_>, pressed: &Pressed, by: &Username, host: Host) {
    let Some(message) = messages::of(&work.policy.approvals, &host) else { return };
    let Some(mut approval) = host.approval().cloned() else { return };
    let before = stands(&approval);
    put_first(&mut approval, pressed, by);
    match timeout(SHOW_LIMIT, messages::refresh(work.messenger, &mut approval, &message)).await {
        Ok(delivered) => {
            for (to, error) in &delivered.failed {
                tracing::warn!(to, %error, "a message could not be replaced; it is tried again");
            }
        }
        Err(_) => tracing::warn!("not every message was replaced in time; the others follow"),
    }
    // One that nothing was shown in is no place to remember.
    approval.shown.retain(|shown| shown.content != Digest::ZERO);
    if stands(&approval) != before
        && let Err(error) = deciding::keep_shown(work.store, &Gate { host, approval }).await
    {
        tracing::warn!(%error, "where a message stands could not be kept");
    }
}

/// Which messages show what, in no order.
fn stands(approval: &Approval) -> BTreeSet<(String, String, Digest)> {
    let one = |shown: &Shown| (shown.channel.clone(), shown.ts.clone(), shown.content);
    approval.shown.iter().map(one).collect()
}

fn put_first(approval: &mut Approval, pressed: &Pressed, by: &Username) {
    let Some(place) = &pressed.place else { return };
    let there = |shown: &Shown| shown.channel == place.channel && shown.ts == place.ts;
    let first = match approval.shown.iter().position(there) {
        Some(index) => approval.shown.remove(index),
        // It stands there, and was not kept: whoever posted it lost a race.
        None => Shown {
            to: place.channel.starts_with('D').then(|| by.clone()),
            channel: place.channel.clone(),
            ts: place.ts.clone(),
            content: Digest::ZERO,
        },
    };
    approval.shown.insert(0, first);
}
