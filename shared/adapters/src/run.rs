//! The loop that drives every adapter: read, judge, plan, apply, read back.
//!
//! Architecture invariant: "verified" means that [`Adapter::revoke`] of a fresh reading asks for nothing more.
//! An adapter has no way to say so by itself.

use crate::{
    Adapter,
    http::{Reader, Writer},
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Grant, Inventory, MAX_ENTRIES},
    person::Person,
    plan::{Action, ActionKey, ActionKind, Evidence, Outcome, Plan, Scope, Stage},
    risk::{self, Activity, RiskSettings, RiskSummary},
    time::Timestamp,
};
use std::{collections::BTreeSet, time::Duration};

/// Rounds of apply and read back within one invocation.
const ROUNDS: u32 = 4;
/// Longest time that access stays open for the sake of reading what was done with it.
const LOG_TIME: Duration = Duration::from_secs(10);

/// What is asked of one system for one person.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// Whose access it is.
    pub person: &'a Person,
    /// How much of it goes.
    pub scope: &'a Scope,
    /// When the entitlement ended.
    pub ended: Timestamp,
    /// How risk is judged.
    pub risk: &'a RiskSettings,
}

/// What a reading found and would do. Made without a single write.
#[derive(Debug, Clone)]
pub struct Survey {
    /// All that was found.
    pub found: Inventory,
    /// What was done with the account lately.
    pub activity: Activity,
    /// Whether the log could not be read now, so that it has to be read afterwards.
    pub log_owed: bool,
    /// What the rules say of it.
    pub risk: RiskSummary,
    /// What would be done.
    pub plan: Plan,
    /// What no case does: it would be done once nobody can come back.
    pub parked: Vec<Action>,
}

/// One action and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What was done.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// When the vendor answered.
    pub at: Timestamp,
}

/// What one run did, and what a fresh read says afterwards.
#[derive(Debug)]
pub struct Report {
    /// The actions done, in order.
    pub done: Vec<Done>,
    /// The fresh reading; `None` where even that failed.
    pub after: Option<Inventory>,
    /// Why what may lose data was left out, where that came to be known only when its turn came.
    pub kept: Option<String>,
    /// Why it is not finished; `None` where a fresh read asks for nothing more.
    pub fault: Option<Fault>,
}

/// Reads everything and says what would be done. Writes nothing.
///
/// # Errors
/// What the reads say.
pub async fn survey(adapter: &dyn Adapter, http: &Reader, job: &Job<'_>) -> Result<Survey, Fault> {
    let found = discover(adapter, http, job.person).await?;
    let since = http.now().minus(job.risk.window());
    let (activity, log_owed) = lately(adapter, http, &found, since).await;
    let risk = risk::assess(&found, &activity, job.ended, job.risk);
    let plan = asked_of(adapter, job.scope, &found);
    let whole = job.scope.grants.is_none();
    let mut parked = if whole { adapter.revoke(&found) } else { Vec::new() };
    parked.retain(|action| action.stage == Stage::Parked && job.scope.allows(action));
    Ok(Survey { found, activity, log_owed, risk, plan, parked })
}

/// What was done with the account lately, and whether that is still owed: a log that is rationed, away, or not
/// to be understood keeps nobody's access open. It is read once there is time for it.
async fn lately(
    adapter: &dyn Adapter,
    http: &Reader,
    found: &Inventory,
    since: Timestamp,
) -> (Activity, bool) {
    let Some(account) = &found.account else {
        return (Activity { since, events: Vec::new(), incomplete: None }, false);
    };
    match adapter.activity(&http.aside(LOG_TIME), account, since).await {
        Ok(activity) => (activity, false),
        Err(fault) => {
            tracing::warn!(system = adapter.spec().id, %fault, "the log is read later");
            (Activity::unavailable(since, format!("it is read later: {fault}")), true)
        }
    }
}

/// What a reading asks for within a scope. What the scope names is looked up among the grants that are held.
fn asked_of(adapter: &dyn Adapter, scope: &Scope, found: &Inventory) -> Plan {
    let mut scope = scope.clone();
    if let Some(names) = &mut scope.grants {
        let named = |held: &&Grant| names.iter().any(|name| adapter.is_named(held, name));
        let ids: Vec<String> = found.grants.iter().filter(named).map(|held| held.id.clone()).collect();
        names.extend(ids);
    }
    Plan::within(&scope, adapter.revoke(found))
}

/// What a fresh reading still asks for, when some actions are evidenced by the vendor's answers already.
///
/// # Errors
/// What the reads say.
pub async fn remaining(
    adapter: &dyn Adapter,
    http: &Reader,
    job: &Job<'_>,
    receipts: &BTreeSet<ActionKey>,
) -> Result<(Inventory, Plan), Fault> {
    let goal = |found: &Inventory| asked_of(adapter, job.scope, found);
    left(adapter, http, job.person, &goal, receipts).await
}

/// What stands between containing a system and tidying it.
#[async_trait]
pub trait Between: Send + Sync {
    /// Called once, when everything was done that contains, and before the first action that only tidies.
    async fn contained(&self, http: &Writer);

    /// Why the data has to be kept by now, if so. Asked right before the first action that may lose some.
    ///
    /// # Errors
    /// Where nobody can say: nothing that may lose data is done then.
    async fn keeps(&self) -> Result<Option<String>, Fault>;
}

/// A system that waits for no other, and whose scope says all there is to say about its data.
pub struct Alone;

#[async_trait]
impl Between for Alone {
    async fn contained(&self, _: &Writer) {}

    async fn keeps(&self) -> Result<Option<String>, Fault> {
        Ok(None)
    }
}

/// Applies a plan and reads back until nothing more is asked for, or what is left cannot be done now.
/// Actions that a fresh reading asks for beyond `plan` are not done: they were not judged.
pub async fn revoke(
    adapter: &dyn Adapter,
    http: &Writer,
    job: &Job<'_>,
    survey: Survey,
    receipts: &BTreeSet<ActionKey>,
) -> Report {
    revoke_with(adapter, http, job, survey, receipts, &Alone).await
}

/// The same, with something between containing and tidying.
pub async fn revoke_with(
    adapter: &dyn Adapter,
    http: &Writer,
    job: &Job<'_>,
    survey: Survey,
    receipts: &BTreeSet<ActionKey>,
    between: &dyn Between,
) -> Report {
    let drive = Drive {
        between,
        who: job.person,
        goal: &|found| asked_of(adapter, job.scope, found),
        allowed: &survey.plan,
        unmet: not_verified,
        beyond: "access appeared that was not there when the risk was judged",
    };
    drive.run(adapter, http, survey.found, survey.plan.clone(), receipts).await
}

/// What a reading asks for until nothing is left to be done.
pub(crate) type Goal<'a> = &'a (dyn Fn(&Inventory) -> Plan + Send + Sync);

/// What one run works towards, and how far it may go.
pub(crate) struct Drive<'a> {
    /// Whose access it is.
    pub who: &'a Person,
    /// What each fresh reading asks for.
    pub goal: Goal<'a>,
    /// What may be done at all.
    pub allowed: &'a Plan,
    /// The fault of a fresh read that still asks for something.
    pub unmet: fn(&Plan) -> Fault,
    /// What it means that a fresh read asks for more than may be done.
    pub beyond: &'static str,
    /// What stands between containing and tidying.
    pub between: &'a dyn Between,
}

impl Drive<'_> {
    /// Applies and reads back, until a fresh read asks for nothing more or what is left cannot be done now.
    pub(crate) async fn run(
        &self,
        adapter: &dyn Adapter,
        http: &Writer,
        mut found: Inventory,
        todo: Plan,
        receipts: &BTreeSet<ActionKey>,
    ) -> Report {
        let mut report = Report { done: Vec::new(), after: None, kept: None, fault: None };
        let mut receipts = receipts.clone();
        let mut todo = todo.without(&receipts);
        for round in 0..ROUNDS {
            report.fault = self.apply_all(adapter, http, &found, &todo, (&mut report, round)).await;
            receipts.extend(receipts_of(&report.done));
            match left(adapter, http, self.who, self.goal, &receipts).await {
                Ok((now, mut left)) => {
                    if report.kept.is_some() {
                        left.0.retain(|action| !action.loses_data);
                    }
                    report.after = Some(now.clone());
                    (found, todo) = (now, left);
                }
                Err(fault) => {
                    report.fault = Some(fault);
                    return report;
                }
            }
            if todo.is_empty() {
                report.fault = None;
                return report;
            }
            if !todo.is_within(self.allowed) {
                let new = todo.0.iter().find(|action| !Plan(vec![(*action).clone()]).is_within(self.allowed));
                let label = new.map(|action| action.label.clone()).unwrap_or_default();
                report.fault = Some(Fault::new(FaultKind::NotVerified, format!("{}: {label}", self.beyond)));
                return report;
            }
            let give_up = report.fault.as_ref().is_some_and(|fault| !fault.kind.is_retryable());
            if give_up || !http.pause(Duration::from_millis(250 * 2_u64.pow(round))).await {
                break;
            }
        }
        report.fault.get_or_insert_with(|| (self.unmet)(&todo));
        report
    }

    /// Does every action in order. One that fails does not stop the others, unless nothing can work any more: what can
    /// be contained is contained. The first failure is kept.
    async fn apply_all(
        &self,
        adapter: &dyn Adapter,
        http: &Writer,
        found: &Inventory,
        todo: &Plan,
        (report, round): (&mut Report, u32),
    ) -> Option<Fault> {
        let mut first: Option<Fault> = None;
        let mut contained = round > 0;
        let mut may_lose: Option<bool> = None;
        for action in &todo.0 {
            if !contained && action.stage != Stage::Contain {
                self.between.contained(http).await;
                contained = true;
            }
            if action.loses_data && may_lose.is_none() {
                may_lose = Some(match self.between.keeps().await {
                    Ok(why) => {
                        report.kept = why;
                        report.kept.is_none()
                    }
                    Err(fault) => {
                        first.get_or_insert(fault);
                        false
                    }
                });
            }
            if action.loses_data && may_lose == Some(false) {
                continue;
            }
            match adapter.apply(http, found, action).await {
                Ok(outcome) => report.done.push(Done { action: action.clone(), outcome, at: http.now() }),
                // It is tried again beside the revocation, which does not wait for it.
                Err(fault) if action.kind == ActionKind::TransferOwnership => {
                    tracing::warn!(system = adapter.spec().id, fault = %fault, "not handed over yet");
                }
                // Somebody else was faster: the fresh read that follows decides.
                Err(fault) if fault.kind == FaultKind::NotFound => {}
                Err(fault) => {
                    let hopeless = matches!(
                        fault.kind,
                        FaultKind::CredentialRejected | FaultKind::Unavailable | FaultKind::Throttled
                    );
                    tracing::warn!(system = adapter.spec().id, action = ?action.kind, fault = %fault, "action failed");
                    first.get_or_insert(fault);
                    if hopeless {
                        break;
                    }
                }
            }
        }
        first
    }
}

/// A fresh reading, and what it asks for beyond what the vendor's answers evidence already.
pub(crate) async fn left(
    adapter: &dyn Adapter,
    http: &Reader,
    who: &Person,
    goal: Goal<'_>,
    receipts: &BTreeSet<ActionKey>,
) -> Result<(Inventory, Plan), Fault> {
    let now = discover(adapter, http, who).await?;
    let plan = goal(&now).without(receipts);
    Ok((now, plan))
}

/// The fault of a fresh read that still finds access.
pub fn not_verified(left: &Plan) -> Fault {
    let labels: Vec<&str> = left.0.iter().take(5).map(|action| action.label.as_str()).collect();
    let detail = format!("a fresh read still finds {} to revoke: {}", left.0.len(), labels.join(", "));
    Fault::new(FaultKind::NotVerified, detail)
}

/// The actions that the vendor's answers evidence.
pub fn receipts_of(done: &[Done]) -> impl Iterator<Item = ActionKey> + '_ {
    done.iter().filter(|done| done.action.evidence == Evidence::Receipt).map(|done| done.action.key())
}

/// What a fresh reading finds of a person: by what they are now, otherwise by the addresses that they had before. Their number
/// stays what it is, so that an account of another one is `Ambiguous` by a former address as well.
///
/// # Errors
/// What the reads say.
pub async fn discover(adapter: &dyn Adapter, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
    let found = by_address(adapter, http, who).await?;
    if found.account.is_some() {
        return Ok(found);
    }
    for email in &who.former_emails {
        let then = Person { email: email.clone(), former_emails: Vec::new(), ..who.clone() };
        let mut by_former = by_address(adapter, http, &then).await?;
        if let Some(account) = &mut by_former.account {
            account.matched_by.push_str(" (a former address)");
            return Ok(by_former);
        }
    }
    Ok(found)
}

async fn by_address(adapter: &dyn Adapter, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
    let found = adapter.discover(http, who).await?;
    if found.len() > MAX_ENTRIES {
        return Err(Fault::shape(format!("more than {MAX_ENTRIES} entries hang on this account")));
    }
    Ok(found)
}
