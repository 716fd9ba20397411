//! The first step of an execution: validates the case once more at its time, gives what is done by hand to whoever does it,
//! and says which systems to work on.

mod by_hand;
mod withdraw;

use leaver_domain::{
    brake::{self, Headcount, Verdict},
    case::{CaseRecord, CaseStatus, Happening, Mode, SystemRecord},
    contracts, deciding,
    fault::{Fault, FaultKind},
    holds,
    id::{BatchId, CaseId, MeasureId},
    intake,
    ledger::{EventKind, Outcome},
    measure::MeasureStatus,
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, StoreError, Workflow},
    reviews::{self, About, ReviewKind},
    tasks,
    time::Timestamp,
    transfers::Transfer,
    watch::{self, Standing, Target},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the function works with.
pub struct Plan<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine: whoever is to decide about a held case is asked by an execution.
    pub workflow: &'a dyn Workflow,
    /// Now.
    pub now: Timestamp,
}

/// A case to plan, or a check of every adapter.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Input {
    /// The case.
    #[serde(default)]
    pub case_id: Option<CaseId>,
    /// Name of the check, where it is one.
    #[serde(default)]
    pub check: Option<String>,
    /// The night whose rosters are to be read, where it is one.
    #[serde(default)]
    pub roster: Option<String>,
    /// The measure whose approval is to be asked for, where it is one.
    #[serde(default)]
    pub measure: Option<MeasureId>,
    /// The look at a case that is through, where it is one.
    #[serde(default)]
    pub reverify: Option<Target>,
    /// The batch that is to be fed, where it is one.
    #[serde(default)]
    pub batch: Option<BatchId>,
    /// Whether the logs that are still owed are to be read.
    #[serde(default)]
    pub logs: bool,
    /// The case whose open transfers of ownership are to be looked after, where it is that.
    #[serde(default)]
    pub transfers: Option<CaseId>,
}

/// One item of the Map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The case; `None` in a check.
    pub case_id: Option<CaseId>,
    /// The system.
    pub system: String,
    /// `run`, `check`, `reverify`, `roster`, `logs` or `transfers`.
    pub step: &'static str,
}

/// What the state machine goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The case; `None` in a check, and where a case that is through is looked at again.
    pub case_id: Option<CaseId>,
    /// The measure; `None` in a case or a check.
    pub measure: Option<MeasureId>,
    /// The look; `None` in anything else.
    pub reverify: Option<Target>,
    /// The batch; `None` in everything else.
    pub batch: Option<BatchId>,
    /// The items of the Map.
    pub systems: Vec<Item>,
    /// How long to wait before everything is read again.
    pub verification_delay_seconds: u32,
}

fn store(error: StoreError) -> Fault {
    Fault::new(FaultKind::Internal, error.to_string())
}

/// Plans one case.
///
/// # Errors
/// `Internal` where the table fails or the input names no case; the state machine tries again.
pub async fn handle(plan: &Plan<'_>, input: Input) -> Result<Output, Fault> {
    if input.measure.is_some() || input.batch.is_some() {
        return Ok(Output { measure: input.measure, batch: input.batch, ..empty() });
    }
    if input.check.is_some() {
        let systems = plan.policy.automatic().map(|system| item(None, system.as_str(), "check")).collect();
        return Ok(Output { systems, ..empty() });
    }
    if let Some(reverify) = input.reverify {
        let systems = again(plan, &reverify).await?;
        return Ok(Output { reverify: Some(reverify), systems, ..empty() });
    }
    if input.roster.is_some() {
        let systems = plan.policy.automatic().map(|system| item(None, system.as_str(), "roster")).collect();
        return Ok(Output { systems, ..empty() });
    }
    if input.logs {
        return Ok(Output { systems: owing(plan).await?, ..empty() });
    }
    if let Some(case) = input.transfers {
        let records = plan.store.systems(&case).await.map_err(store)?;
        let waiting = records.iter().filter(|record| record.transfers.iter().any(Transfer::is_waiting));
        let systems =
            waiting.map(|record| item(Some(case.clone()), record.system.as_str(), "transfers")).collect();
        // Nothing of the case itself is to be closed afterwards.
        return Ok(Output { systems, ..empty() });
    }
    let id = input.case_id.ok_or_else(|| Fault::new(FaultKind::Internal, "the execution names no case"))?;
    let case = plan.store.case(&id).await.map_err(store)?;
    let case = case.ok_or_else(|| missing(&id))?;
    let case = match case.status {
        CaseStatus::Recorded if is_done(plan, &case).await? => go_on(plan, case).await?,
        CaseStatus::Recorded => validate(plan, case).await?,
        _ => case,
    };
    let mut systems = Vec::new();
    if case.status == CaseStatus::Running {
        withdraw::withdraw(plan, &case).await?;
        by_hand::give(plan, &case).await?;
        // What is finished is left alone by the adapters, too; those that are by hand have none.
        let automatic = case.systems.iter().filter(|system| plan.policy.manual(system).is_none());
        systems = automatic.map(|system| item(Some(id.clone()), system.as_str(), "run")).collect();
    }
    Ok(Output {
        systems,
        case_id: Some(id),
        verification_delay_seconds: plan.policy.timing.verification_delay_seconds,
        ..empty()
    })
}

/// Nothing to do, nothing to wait for and nobody to ask: what each kind of execution begins from.
fn empty() -> Output {
    Output {
        case_id: None,
        measure: None,
        reverify: None,
        batch: None,
        systems: Vec::new(),
        verification_delay_seconds: 0,
    }
}

/// The systems of a case that are to be read again; none where the day was looked on already, or the case is to be left alone.
async fn again(plan: &Plan<'_>, reverify: &Target) -> Result<Vec<Item>, Fault> {
    let id = &reverify.case_id;
    let case = plan.store.case(id).await.map_err(store)?.ok_or_else(|| missing(id))?;
    let is_due = watch::due_now(&case, plan.now).is_some_and(|due| due.day == reverify.day);
    if !is_due || watch::standing_now(plan.store, &case, plan.now).await.map_err(store)? != Standing::Watched
    {
        return Ok(Vec::new());
    }
    let systems = plan.store.systems(id).await.map_err(store)?;
    let read = systems.iter().filter(|record| watch::passed_over(record, plan.policy).is_none());
    Ok(read.map(|record| item(Some(id.clone()), record.system.as_str(), "reverify")).collect())
}

/// The systems whose log is still to be read for somebody.
async fn owing(plan: &Plan<'_>) -> Result<Vec<Item>, Fault> {
    let mut systems = Vec::new();
    for system in plan.policy.automatic() {
        if !plan.store.logs_due(system, plan.now, 1).await.map_err(store)?.is_empty() {
            systems.push(item(None, system.as_str(), "logs"));
        }
    }
    Ok(systems)
}

fn missing(id: &CaseId) -> Fault {
    Fault::new(FaultKind::Internal, format!("there is no case {id}"))
}

fn item(case_id: Option<CaseId>, system: &str, step: &'static str) -> Item {
    Item { case_id, system: system.to_owned(), step }
}

/// Whether another execution has nothing left to do but to close the case: the last of its tasks was closed.
async fn is_done(plan: &Plan<'_>, case: &CaseRecord) -> Result<bool, Fault> {
    if case.run <= 1 || case.dry_run {
        return Ok(false);
    }
    let systems = plan.store.systems(&case.case_id).await.map_err(store)?;
    Ok(!systems.is_empty() && systems.iter().all(SystemRecord::is_finished))
}

/// Nothing will be changed any more, so that nothing has to be validated.
async fn go_on(plan: &Plan<'_>, mut case: CaseRecord) -> Result<CaseRecord, Fault> {
    case.status = CaseStatus::Running;
    case.checkpoint_size = None;
    case.version += 1;
    match plan.store.commit(&[Change::Case(Box::new(case.clone()))]).await {
        Ok(()) => Ok(case),
        // Another attempt of this very step was faster, or the case was called off: what is stored counts.
        Err(StoreError::Conflict) => Err(Fault::new(FaultKind::Conflict, "the case was changed meanwhile")),
        Err(error) => Err(store(error)),
    }
}

/// The reviews that an emergency, or a suspension, asks for, opened once, together with the case's first step. Whoever was
/// suspended for not having been here is waited for by their manager, and by nobody else.
async fn reviews_of(plan: &Plan<'_>, case: &CaseRecord) -> Result<Vec<Change>, Fault> {
    if case.dry_run || case.status != CaseStatus::Running {
        return Ok(Vec::new());
    }
    // What had come back has its own review, which was written with the case.
    let suspends = case.trigger.is_violation(case.mode) && case.trigger.kind != watch::REAPPEARED;
    let asked = [(case.emergency, ReviewKind::Emergency), (suspends, ReviewKind::Suspension)];
    let mut opened = Vec::new();
    for (_, kind) in asked.into_iter().filter(|(is_asked, _)| *is_asked) {
        opened.extend(review(plan, case, kind).await?);
    }
    Ok(opened)
}

async fn review(plan: &Plan<'_>, case: &CaseRecord, kind: ReviewKind) -> Result<Option<Change>, Fault> {
    let id = reviews::id_of(kind, &case.case_id);
    if plan.store.review(&id).await.map_err(store)?.is_some() {
        return Ok(None);
    }
    let policy = &plan.policy.approvals;
    let gone = tasks::gone(plan.store, &policy.security_team).await.map_err(store)?;
    let about = About {
        kind,
        case: &case.case_id,
        person: &case.person,
        reason: &case.reason,
        not_by: [case.trigger.by.clone()].into(),
        not_before: None,
    };
    let review = reviews::open(policy, about, &gone, "leaver/plan", plan.now);
    Ok(Some(Change::Review(Box::new(review))))
}

fn is_protected(plan: &Plan<'_>, person: &Person) -> bool {
    person.protected || plan.policy.protected.contains(&person.username)
}

/// Tries against others who pass, or change, the same records.
const TRIES: usize = 8;

/// Identity, exceptions and the brake as they are now: what was true when the trigger came may have changed since.
async fn validate(plan: &Plan<'_>, mut case: CaseRecord) -> Result<CaseRecord, Fault> {
    for _ in 0..TRIES {
        let decided = decide(plan, &case).await?;
        match plan.store.commit(&decided.changes).await {
            Ok(()) => {
                if decided.case.status == CaseStatus::Held
                    && let Err(error) = holds::ask(plan.store, plan.workflow, &decided.case).await
                {
                    tracing::error!(case = %case.case_id, %error, "held, but nobody is asked yet: the sweep will");
                }
                return Ok(decided.case);
            }
            // Another attempt of this very step was faster, the case was called off, or another case passed the brake:
            // what is stored counts.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(store(error)),
        }
        let now = plan.store.case(&case.case_id).await.map_err(store)?;
        case = now.ok_or_else(|| missing(&case.case_id))?;
        if case.status != CaseStatus::Recorded {
            return Ok(case);
        }
    }
    Err(Fault::new(FaultKind::Conflict, "the case, or the brake, was changed meanwhile"))
}

/// What a validation came to: the case as it will be, and everything that is written with it.
struct Decided {
    case: CaseRecord,
    changes: Vec<Change>,
}

/// Why a case does not run.
struct Stop {
    held_for: &'static str,
    detail: String,
}

async fn decide(plan: &Plan<'_>, case: &CaseRecord) -> Result<Decided, Fault> {
    let person = plan.store.person(&case.person.username).await.map_err(store)?;
    if case.effective_at > plan.now {
        let why = format!("{}: its time has not come", case.case_id);
        return Err(Fault::new(FaultKind::Conflict, why));
    }
    let mut changes = Vec::new();
    let (mut loud, mut measure) = (None, None);
    let begun = match &person {
        Some(person) => Some(intake::as_begun(plan.store, person.clone(), plan.now).await.map_err(store)?),
        None => None,
    };
    let mut stop = stopped(plan, case, begun.as_ref());
    if let (Some(held), Some(person)) = (&stop, &person)
        && held.held_for == holds::PROTECTED
    {
        measure = Some(holds::measure_of(case, held.held_for));
        changes.extend(protected(plan, case, person, measure.clone()).await?);
    }
    let passed = case.has_begun() || holds::released_for(case, holds::MASS_ACTION);
    if stop.is_none() && brake::counts(case) && !passed {
        match braked(plan, case, &mut changes).await? {
            Braked::Passed { alarm } => loud = alarm,
            Braked::Held(id) => {
                let detail =
                    "too many people were leaving at once: a human decides about all of them together";
                stop = Some(Stop { held_for: holds::MASS_ACTION, detail: detail.to_owned() });
                measure = Some(id);
            }
        }
    }
    let mut case = case.clone();
    if let (None, Some(person)) = (&stop, &person) {
        let added = intake::widen(plan.store, plan.policy, person, &mut case).await.map_err(store)?;
        changes.extend(added.into_iter().map(|record| Change::System(Box::new(record))));
    }
    let case = validated(plan, &case, person, stop, measure, loud);
    changes.extend(reviews_of(plan, &case).await?);
    changes.push(Change::Case(Box::new(case.clone())));
    Ok(Decided { case, changes })
}

/// What about the person stops the case. A dry run changes nothing and looks at everybody whom it can find; where two
/// humans have decided about this very person already, nobody is asked once more, nor where the case has begun: half of it
/// is done.
fn stopped(plan: &Plan<'_>, case: &CaseRecord, person: Option<&Person>) -> Option<Stop> {
    let stop = |held_for, detail: &str| Some(Stop { held_for, detail: detail.to_owned() });
    let call_off = "call the case off, and open another one for the right person";
    match person {
        None => stop("unknown_person", &format!("the person is not known any more: {call_off}")),
        Some(person) if person.employee_id != case.person.employee_id => {
            stop("identity_conflict", &format!("the username belongs to somebody else now: {call_off}"))
        }
        // Recording the way back made them active: whoever is not has left anew since.
        Some(person) if case.mode == Mode::Reactivate && person.status != PersonStatus::Active => {
            stop("superseded", "the person is leaving under another case: restore that one")
        }
        Some(person)
            if case.trigger.kind == contracts::KIND && !case.has_begun() && runs_on(case, person) =>
        {
            stop(
                "contract_runs",
                "the contract goes on beyond the day on which this case was to end it: call it off",
            )
        }
        // Nobody has to be protected from getting back what they had.
        Some(person) if case.mode != Mode::Reactivate && is_protected(plan, person) => {
            let decided = case.dry_run
                || case.trigger.is_of_measure()
                || case.has_begun()
                || holds::released_for(case, holds::PROTECTED);
            if decided { None } else { stop(holds::PROTECTED, "the account is protected: a human decides") }
        }
        Some(_) => None,
    }
}

/// Whether somebody's contract has another end by now, or none.
fn runs_on(case: &CaseRecord, person: &Person) -> bool {
    let ended = case.dates.termination_date;
    person.contract_end.is_none_or(|end| ended.is_some_and(|ended| end > ended))
}

/// The request to release a protected account, unless it was asked for already.
async fn protected(
    plan: &Plan<'_>,
    case: &CaseRecord,
    person: &Person,
    id: Option<MeasureId>,
) -> Result<Option<Change>, Fault> {
    let gone = deciding::gone(plan.store, &plan.policy.approvals).await.map_err(store)?;
    let held = CaseRecord { status: CaseStatus::Held, measure: id, ..case.clone() };
    let measure = holds::request_for(plan.policy, gone, person, &held, holds::PROTECTED, plan.now);
    Ok(measure.map(|measure| Change::Measure(Box::new(measure))))
}

/// What the brake said.
enum Braked {
    Passed { alarm: Option<&'static str> },
    Held(MeasureId),
}

async fn braked(plan: &Plan<'_>, case: &CaseRecord, changes: &mut Vec<Change>) -> Result<Braked, Fault> {
    let mut brake = plan.store.brake().await.map_err(store)?;
    if brake.wants_headcount(plan.now) {
        let people = plan.store.headcount().await.map_err(store)?;
        brake.headcount = Some(Headcount { people, at: plan.now });
    }
    let (id, person) = (&case.case_id, &case.person.username);
    match brake::admit(&brake, &plan.policy.brake, id, person, case.emergency, plan.now) {
        Verdict::Pass { next, loud } => {
            changes.extend(next.map(|next| Change::Brake(Box::new(next))));
            let alarm = "it passed the brake against mass action as an emergency";
            Ok(Braked::Passed { alarm: loud.then_some(alarm) })
        }
        Verdict::Hold { next, measure, engages } => {
            match engages {
                Some(why) => {
                    tracing::error!(%measure, ?why, alarm = "mass_action", "the brake engaged");
                    let gone = deciding::gone(plan.store, &plan.policy.approvals).await.map_err(store)?;
                    let asked =
                        holds::request_for_all(plan.policy, gone, measure.clone(), &why, case, plan.now);
                    changes.push(Change::Measure(Box::new(asked)));
                }
                None => still_undecided(plan, &measure).await?,
            }
            changes.push(Change::Brake(Box::new(next)));
            changes.push(Change::Hold(measure.clone(), id.clone()));
            Ok(Braked::Held(measure))
        }
    }
}

/// Nobody releases what they could not see: once it is decided what becomes of those that are held, the next one waits
/// until that has been done, and then meets the brake as if it came only now.
async fn still_undecided(plan: &Plan<'_>, measure: &MeasureId) -> Result<(), Fault> {
    let record = plan.store.measure(measure).await.map_err(store)?;
    match record {
        Some(record) if matches!(record.status, MeasureStatus::Requested | MeasureStatus::Expired) => Ok(()),
        _ => {
            let why = format!("what {measure} holds is being released or called off; this case comes next");
            Err(Fault::new(FaultKind::Conflict, why))
        }
    }
}

/// The case with the row of its validation, and with that of its hold where it is held.
fn validated(
    plan: &Plan<'_>,
    case: &CaseRecord,
    person: Option<Person>,
    stop: Option<Stop>,
    measure: Option<MeasureId>,
    loud: Option<&str>,
) -> CaseRecord {
    let mut case = case.clone();
    let found = stop.as_ref().map(|stop| holds::finding(stop.held_for, stop.detail.clone(), plan.now));
    case.findings.extend(found.clone());
    case.findings.extend(loud.map(|detail| holds::finding(holds::MASS_ACTION, detail, plan.now)));
    case.status = CaseStatus::Running;
    case.log.push(Happening {
        kind: EventKind::ValidationCompleted,
        at: plan.now,
        actor: "leaver/plan".into(),
        action: "validate".into(),
        outcome: if found.is_none() { Outcome::Success } else { Outcome::Pending },
        risk: None,
        facts: json!({
            "systems": case.systems, "policy_digest": plan.policy.digest(), "finding": found,
            "legal_hold": person.and_then(|person| person.legal_hold).map(|hold| hold.reason),
            "passed_the_brake": loud,
        }),
    });
    if let Some(stop) = stop {
        holds::hold(&mut case, stop.held_for, measure, "leaver/plan", plan.now);
    }
    case.checkpoint_size = None;
    case.version += 1;
    case
}
