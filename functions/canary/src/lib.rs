//! Lets a synthetic leaver go each night, and uses its credentials afterwards, to see that nobody gets in with them.
//!
//! One night is a record with a stage. Each step may be repeated and may die anywhere: what was done is recognised by the night,
//! and a lost tick is made up for by the next.

use leaver_domain::{
    canary::{self, Canary, CanaryPolicy, Knock, Night, Stage},
    case::{CaseRecord, CaseStatus},
    deciding,
    id::{CaseId, SystemId},
    intake::{self, Refused},
    person::Person,
    policy::Policy,
    ports::{CaseStore, Change, StoreError, Workflow},
    reviews::{self, About, ReviewKind},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most steps of one invocation: more than a night has.
const STEPS: usize = 8;

/// What the function works with.
pub struct Cage<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// The canary's own ways in.
    pub canary: &'a dyn Canary,
    /// Now.
    pub now: Timestamp,
}

/// What the schedule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Input {
    /// Begin the night's test, and go on with it.
    Begin,
    /// Go on with what was begun.
    GoOn,
}

/// What one invocation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The night, as it stands; `None` where there is none.
    pub night: Option<Night>,
}

/// Does as much of a night as can be done now.
///
/// # Errors
/// Where the table fails; the next tick goes on.
pub async fn handle(cage: &Cage<'_>, input: Input) -> Result<Output, StoreError> {
    let Some(policy) = &cage.policy.canary else { return Ok(Output { night: None }) };
    let mut night = cage.store.canary().await?;
    if input == Input::Begin
        && let Some(fresh) = canary::fresh(night.as_ref(), cage.now)
    {
        night = Some(write(cage, fresh, Vec::new()).await?);
    }
    for _ in 0..STEPS {
        let Some(now) = &night else { break };
        night = match step(cage, policy, now).await? {
            Some(next) => Some(next),
            // What was told of it stands in the table.
            None => return cage.store.canary().await.map(|night| Output { night }),
        };
    }
    Ok(Output { night })
}

/// The next step of a night; `None` where there is nothing to be done now.
async fn step(cage: &Cage<'_>, policy: &CanaryPolicy, night: &Night) -> Result<Option<Night>, StoreError> {
    match night.stage {
        Stage::Before => before(cage, policy, night).await.map(Some),
        Stage::Leaving => leave(cage, policy, night).await.map(Some),
        Stage::Gone => gone(cage, policy, night).await,
        Stage::Returning => come_back(cage, policy, night).await,
        Stage::Over => Ok(None),
    }
}

/// Writes a night, and what belongs to it, and tells what is wrong.
async fn write(cage: &Cage<'_>, night: Night, mut more: Vec<Change>) -> Result<Night, StoreError> {
    more.push(Change::Canary(Box::new(night.clone())));
    cage.store.commit(&more).await?;
    for finding in night.findings.iter().filter(|finding| finding.at == cage.now) {
        tracing::error!(night = %night.night, alarm = finding.kind, detail = finding.detail, "the canary's night");
    }
    Ok(night)
}

async fn person(cage: &Cage<'_>, policy: &CanaryPolicy) -> Result<Option<Person>, StoreError> {
    cage.store.person(&policy.person).await
}

/// Every credential has to work before, or it proves nothing. One that does not is renewed first, where that can be done.
async fn before(cage: &Cage<'_>, policy: &CanaryPolicy, night: &Night) -> Result<Night, StoreError> {
    if let Err(why) = canary::stands(policy, person(cage, policy).await?.as_ref()) {
        return write(cage, canary::called_off(night, why, cage.now), Vec::new()).await;
    }
    let mut answers = BTreeMap::new();
    for system in policy.systems.keys() {
        let mut answer = cage.canary.log_in(system).await;
        if answer != Knock::Works {
            answer = match cage.canary.renew(system).await {
                Ok(true) => cage.canary.log_in(system).await,
                Ok(false) => answer,
                Err(error) => Knock::Unclear(format!("it could not be renewed: {error}")),
            };
        }
        answers.insert(system.clone(), answer);
    }
    write(cage, canary::answered(night, answers, cage.now), Vec::new()).await
}

/// Opens the termination. It is one like any other.
async fn leave(cage: &Cage<'_>, policy: &CanaryPolicy, night: &Night) -> Result<Night, StoreError> {
    let request = canary::way_out(night, cage.now)?;
    let id = CaseId::of_trigger(&request.trigger.source, &request.trigger.event_id);
    // What was recorded is not judged again: by now the canary is leaving.
    if cage.store.case(&id).await?.is_none() {
        let found = person(cage, policy).await?;
        let why = match (canary::stands(policy, found.as_ref()), found) {
            (Ok(()), Some(person)) => open(cage, &person, &request).await?,
            (Err(why), _) => Some(why),
            (Ok(()), None) => Some("the person is not known any more".to_owned()),
        };
        if let Some(why) = why {
            return write(cage, canary::called_off(night, why, cage.now), Vec::new()).await;
        }
    }
    let next = Night { stage: Stage::Gone, case: Some(id), version: night.version + 1, ..night.clone() };
    write(cage, next, Vec::new()).await
}

/// Why the case cannot be opened; `None` where it is.
async fn open(
    cage: &Cage<'_>,
    person: &Person,
    request: &intake::Request,
) -> Result<Option<String>, StoreError> {
    refused(intake::submit(cage.store, cage.workflow, cage.policy, person, request, cage.now).await.map(drop))
}

/// What was refused for good, in words. What could not be started is started by the sweep.
fn refused(result: Result<(), Refused>) -> Result<Option<String>, StoreError> {
    match result {
        Ok(()) => Ok(None),
        Err(Refused::Store(error)) => Err(error),
        Err(refused) => Ok(Some(refused.to_string())),
    }
}

async fn case(cage: &Cage<'_>, id: Option<&CaseId>) -> Result<CaseRecord, StoreError> {
    let id = id.ok_or_else(|| StoreError::Corrupt("the night names no case".to_owned()))?;
    cage.store.case(id).await?.ok_or_else(|| StoreError::Corrupt(format!("there is no case {id}")))
}

/// Waits for a case; `None` where it is through, and the night to stop with otherwise.
async fn waited(
    cage: &Cage<'_>,
    policy: &CanaryPolicy,
    night: &Night,
    case: &CaseRecord,
) -> Result<Option<Option<Night>>, StoreError> {
    match case.status {
        CaseStatus::Complete => Ok(None),
        CaseStatus::Cancelled | CaseStatus::Rejected => {
            let why = format!("{} was called off", case.case_id);
            write(cage, canary::called_off(night, why, cage.now), Vec::new())
                .await
                .map(|over| Some(Some(over)))
        }
        _ => match canary::stuck(policy, night, case, cage.now) {
            Some(told) => write(cage, told, Vec::new()).await.map(|_| Some(None)),
            None => Ok(Some(None)),
        },
    }
}

/// Uses the credentials once the case is through. Whatever the case says: nobody may get in.
async fn gone(cage: &Cage<'_>, policy: &CanaryPolicy, night: &Night) -> Result<Option<Night>, StoreError> {
    let record = case(cage, night.case.as_ref()).await?;
    if let Some(stop) = waited(cage, policy, night, &record).await? {
        return Ok(stop);
    }
    let mut answers: BTreeMap<SystemId, Knock> = BTreeMap::new();
    for (system, _) in night.before.iter().filter(|(_, knock)| **knock == Knock::Works) {
        answers.insert(system.clone(), cage.canary.log_in(system).await);
    }
    let Some((next, record)) = canary::told(policy, night, &record, answers, cage.now) else {
        return Ok(None);
    };
    let mut changes = vec![Change::Case(Box::new(record.clone()))];
    if next.findings.iter().any(|finding| finding.kind == "canary_alive") {
        changes.push(review(cage, &next, &record).await?);
    }
    write(cage, next, changes).await.map(Some)
}

/// The review by which security hears of a credential that lives.
async fn review(cage: &Cage<'_>, night: &Night, case: &CaseRecord) -> Result<Change, StoreError> {
    let gone = deciding::gone(cage.store, &cage.policy.approvals).await?;
    let alive = night.findings.iter().filter(|finding| finding.kind == "canary_alive");
    let reason = alive.map(|finding| finding.detail.as_str()).collect::<Vec<_>>().join("; ");
    let about = About {
        kind: ReviewKind::CanaryAlive,
        case: &case.case_id,
        person: &case.person,
        reason: &reason,
        not_by: BTreeSet::new(),
        not_before: None,
    };
    let review = reviews::open(&cage.policy.approvals, about, &gone, "leaver/canary", cage.now);
    Ok(Change::Review(Box::new(review)))
}

/// Gives the access back for the next night, by the way on which everybody's comes back.
async fn come_back(
    cage: &Cage<'_>,
    policy: &CanaryPolicy,
    night: &Night,
) -> Result<Option<Night>, StoreError> {
    if night.back.is_some() {
        let record = case(cage, night.back.as_ref()).await?;
        return match waited(cage, policy, night, &record).await? {
            Some(stop) => Ok(stop),
            None => write(cage, canary::ended(night, cage.now), Vec::new()).await.map(Some),
        };
    }
    let left = case(cage, night.case.as_ref()).await?;
    let wanted = canary::way_back(night, &left.case_id, cage.now)?;
    let id = CaseId::of_trigger(&wanted.trigger.source, &wanted.trigger.event_id);
    let Some(person) = person(cage, policy).await? else {
        let why = "the person is not known any more".to_owned();
        return write(cage, canary::called_off(night, why, cage.now), Vec::new()).await.map(Some);
    };
    let back = intake::reactivate(cage.store, cage.workflow, cage.policy, &person, &wanted, cage.now).await;
    if let Some(why) = refused(back.map(drop))? {
        return write(cage, canary::called_off(night, why, cage.now), Vec::new()).await.map(Some);
    }
    let next = Night { back: Some(id), version: night.version + 1, ..night.clone() };
    write(cage, next, Vec::new()).await.map(Some)
}
