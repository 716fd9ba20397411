//! Taking back what was given for a time, once that time is over.

use super::{Given, TRIES, again, cases, line, to_take};
use crate::{
    case::{CaseRecord, CaseStatus, MAX_BACK, Mode, SystemRecord},
    id::CaseId,
    intake,
    inventory::Inventory,
    ledger::{EventKind, Outcome},
    measure::{ArchiveHold, ExceptionKind, Measure, MeasureStatus, Permission, What},
    person::{Person, PersonStatus},
    plan::{Action, ActionKind},
    policy::Policy,
    ports::{CaseStore, Change, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// For how long behind its end a measure waits for the case with which it gave, where that is still under way. One that hangs
/// longer is not waited for: it may give nothing any more (see [`super::may_still_give`]).
const SETTLE: Duration = Duration::from_secs(900);

/// After this long at least, a measure is looked at again that is not through with its end.
const SOON: Duration = Duration::from_secs(10);

/// After this long at most, one is looked at again whose case that takes back hangs.
const PATIENCE: Duration = Duration::from_secs(900);

/// What a measure works with.
struct End<'a> {
    store: &'a dyn CaseStore,
    workflow: &'a dyn Workflow,
    policy: &'a Policy,
    now: Timestamp,
}

/// What there is to be done at an end.
enum Back {
    /// Nothing, and why.
    Nothing(Value),
    /// What a case of this mode takes; of a partial one, these permissions.
    Take(Mode, BTreeSet<Permission>),
    /// It is not yet known.
    Wait,
}

/// Brings a measure whose end has come to it: what it gave is taken back, and only when that is done it is over. Everything
/// else is left as it is, so that it may be repeated, and is, until it is over.
///
/// # Errors
/// Where the store does not answer, or somebody else changed the same records again and again.
pub async fn end(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    measure: Measure,
    now: Timestamp,
) -> Result<Measure, StoreError> {
    let work = End { store, workflow, policy, now };
    let mut measure = measure;
    let mut conflicts = 0;
    // Each round is one write at most: end it, open the case, see what it came to.
    while conflicts < TRIES {
        let before = measure.version;
        let ended = match measure.status {
            MeasureStatus::Active if measure.until.is_some_and(|until| until <= now) => {
                work.over(measure.clone()).await
            }
            MeasureStatus::Ending => work.ending(measure.clone()).await,
            _ => return Ok(measure),
        };
        match ended {
            Err(StoreError::Conflict) => {
                conflicts += 1;
                measure = again(store, &measure.measure_id).await?;
            }
            Ok(next) if next.version == before => return Ok(next),
            Ok(next) => measure = next,
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

impl End<'_> {
    /// Its time is over. From here on it gives nothing any more, whatever becomes of taking it back.
    async fn over(&self, mut measure: Measure) -> Result<Measure, StoreError> {
        let nothing_to_take = match measure.what {
            What::Exception { what, .. } => what != ExceptionKind::MailForwarding,
            What::Grant { .. } | What::BreakGlass { .. } => false,
            _ => true,
        };
        if matches!(measure.what, What::Exception { what: ExceptionKind::RetentionHold, .. }) {
            // The archive stays held where something else still keeps it.
            measure.archive_hold = Some(ArchiveHold::wanted(self.now));
        }
        if nothing_to_take {
            return self.ended(measure, Outcome::Success, json!({"cases": []})).await;
        }
        let facts = json!({"until": measure.until, "cases": measure.cases});
        measure.log.push(line(EventKind::MeasureEnded, "come to the end", Outcome::Pending, facts, self.now));
        measure.status = MeasureStatus::Ending;
        self.write(measure).await
    }

    async fn ending(&self, mut measure: Measure) -> Result<Measure, StoreError> {
        let id = cases::taking_back(&measure.measure_id)?;
        if let Some(case) = self.store.case(&id).await? {
            if !measure.cases.contains(&id) {
                measure.cases.push(id);
                return self.write(measure).await;
            }
            return self.taken_back(measure, &case).await;
        }
        let back = match &measure.what {
            What::Grant { .. } => self.grant(&measure).await?,
            What::BreakGlass { case } => self.break_glass(&measure, case).await?,
            _ => self.forwarding(&measure).await?,
        };
        match back {
            Back::Wait => self.later(measure, SOON).await,
            Back::Nothing(why) => self.ended(measure, Outcome::Success, why).await,
            Back::Take(mode, permissions) => {
                let (store, workflow, policy) = (self.store, self.workflow, self.policy);
                let takes = (mode, permissions);
                let case = cases::take_back(store, workflow, policy, &measure, takes, self.now).await?;
                measure.cases.push(case);
                self.write(measure).await
            }
        }
    }

    /// It is over when the case is through; until then somebody may still hold what it gave.
    async fn taken_back(&self, measure: Measure, case: &CaseRecord) -> Result<Measure, StoreError> {
        let outcome = match case.status {
            CaseStatus::Complete => Outcome::Success,
            CaseStatus::Cancelled | CaseStatus::Rejected => Outcome::Failure,
            _ => return self.later(measure, PATIENCE).await,
        };
        let facts = json!({"taken_back_by": case.case_id, "came_to": case.status});
        self.ended(measure, outcome, facts).await
    }

    async fn ended(
        &self,
        mut measure: Measure,
        outcome: Outcome,
        facts: Value,
    ) -> Result<Measure, StoreError> {
        let action = format!("end {}", measure.what.name());
        measure.log.push(line(EventKind::MeasureEnded, &action, outcome, facts, self.now));
        measure.status = MeasureStatus::Ended;
        measure.look_at = None;
        self.write(measure).await
    }

    /// It is not through. It is looked at again later, and the longer it has been like that, the later: one that hangs must
    /// not keep others from their end. The write is what moves it.
    async fn later(&self, mut measure: Measure, at_most: Duration) -> Result<Measure, StoreError> {
        if measure.look_at.is_some_and(|at| at > self.now) {
            return Ok(measure);
        }
        let since = measure.log.last().map_or(measure.requested_at, |line| line.at);
        measure.look_at = Some(self.now.plus(self.now.since(since).clamp(SOON, at_most)));
        self.write(measure).await
    }

    async fn write(&self, mut measure: Measure) -> Result<Measure, StoreError> {
        measure.version += 1;
        self.store.commit(&[Change::Measure(Box::new(measure.clone()))]).await?;
        Ok(measure)
    }

    async fn person(&self, measure: &Measure) -> Result<Option<Person>, StoreError> {
        match measure.username() {
            Some(username) => self.store.person(username).await,
            None => Ok(None),
        }
    }

    async fn others(&self, measure: &Measure) -> Result<Vec<Measure>, StoreError> {
        let Some(username) = measure.username() else { return Ok(Vec::new()) };
        let mut others = self.store.measures_of(username).await?;
        others.retain(|other| other.measure_id != measure.measure_id);
        Ok(others)
    }

    /// Whether the case with which it gave is still at it.
    async fn still_gives(&self, measure: &Measure) -> Result<bool, StoreError> {
        let patience = measure.until.is_some_and(|until| self.now < until.plus(SETTLE));
        let case = self.store.case(&cases::giving(&measure.measure_id)?).await?;
        Ok(patience && case.is_some_and(|case| cases::is_under_way(&case)))
    }

    /// Forwarding goes when the person has left and no other exception still lets it be.
    async fn forwarding(&self, measure: &Measure) -> Result<Back, StoreError> {
        let lets_be = |other: &Measure| {
            let forwarding =
                matches!(other.what, What::Exception { what: ExceptionKind::MailForwarding, .. });
            forwarding && other.in_force_at(self.now)
        };
        if let Some(other) = self.others(measure).await?.iter().find(|other| lets_be(other)) {
            return Ok(Back::Nothing(json!({"still_excepted_by": other.measure_id})));
        }
        let person = match self.person(measure).await? {
            // A termination that lies ahead takes it when its time comes, and everything else with it.
            Some(person) => Some(intake::as_begun(self.store, person, self.now).await?),
            None => None,
        };
        let stays = person.is_none_or(|person| {
            // Who is suspended has not left: their mail goes on as it is.
            matches!(person.status, PersonStatus::Active | PersonStatus::Suspended)
        });
        if stays {
            return Ok(Back::Nothing(json!({"why": "the person has not left"})));
        }
        Ok(Back::Take(Mode::Leave, BTreeSet::new()))
    }

    /// It goes again as the restored case had taken it, so that whoever was suspended is suspended and has not left; unless the
    /// person has meanwhile got their access back for good.
    async fn break_glass(&self, measure: &Measure, restored: &CaseId) -> Result<Back, StoreError> {
        if self.still_gives(measure).await? {
            return Ok(Back::Wait);
        }
        let others = self.others(measure).await?;
        let is_emergency = |other: &&Measure| matches!(other.what, What::BreakGlass { .. });
        if let Some(other) = others.iter().filter(is_emergency).find(|other| other.in_force_at(self.now)) {
            return Ok(Back::Nothing(json!({"still_given_by": other.measure_id})));
        }
        // What was restored since is restored for good.
        for other in others.iter().filter(|other| other.since() >= measure.since()) {
            let (What::Restore { case } | What::Rehire { case }) = &other.what else { continue };
            let given = other.status == MeasureStatus::Approved || !other.cases.is_empty();
            let whole = self.store.case(case).await?.is_some_and(|case| case.mode.shuts());
            if given && whole {
                return Ok(Back::Nothing(json!({"given_for_good_by": other.measure_id})));
            }
        }
        if let Some(case) = self.hired_anew(measure, restored).await? {
            return Ok(Back::Nothing(json!({"given_for_good_by": case})));
        }
        let restored = self.store.case(restored).await?;
        // Where nothing is known of it, access is shut and nothing else is done.
        let mode = restored.map_or(Mode::Suspend, |case| case.mode);
        Ok(Back::Take(mode, BTreeSet::new()))
    }

    /// The case by which the HRIS had them hired anew meanwhile, if it did. Whatever shut them since goes on for itself.
    async fn hired_anew(&self, measure: &Measure, restored: &CaseId) -> Result<Option<CaseId>, StoreError> {
        let mut next = self.person(measure).await?.and_then(|person| person.case);
        for _ in 0..MAX_BACK {
            let Some(id) = next else { break };
            let Some(case) = self.store.case(&id).await? else { break };
            let called_off = matches!(case.status, CaseStatus::Cancelled | CaseStatus::Rejected);
            let anew = case.mode == Mode::Reactivate && case.by_role && case.measure.is_none();
            if anew && !called_off && case.restores.as_ref() == Some(restored) {
                return Ok(Some(id));
            }
            next = case.person_was.and_then(|was| was.case);
        }
        Ok(None)
    }

    async fn grant(&self, measure: &Measure) -> Result<Back, StoreError> {
        if self.still_gives(measure).await? {
            return Ok(Back::Wait);
        }
        let mut all = self.given(measure).await?;
        for other in self.others(measure).await? {
            all.extend(self.given(&other).await?);
        }
        let take = to_take(&measure.measure_id, &all);
        if take.is_empty() {
            return Ok(Back::Nothing(
                json!({"why": "others still give it, it was held before, or it was not given"}),
            ));
        }
        Ok(Back::Take(Mode::Partial, take))
    }

    /// The permissions of a grant, with what was read before them.
    async fn given(&self, measure: &Measure) -> Result<Vec<Given>, StoreError> {
        let (What::Grant { permissions }, Some(from)) = (&measure.what, measure.since()) else {
            return Ok(Vec::new());
        };
        let case = cases::giving(&measure.measure_id)?;
        let mut all = Vec::new();
        for permission in permissions {
            let record = self.store.system(&case, &permission.system).await?;
            let before = self.store.before(&case, &permission.system).await?;
            let names = names(permission, record.as_ref(), before.as_ref());
            let started = record.as_ref().and_then(|record| record.started_at);
            let held = |before: &Inventory| {
                before.grants.iter().any(|grant| names.contains(&grant.id) || names.contains(&grant.name))
            };
            all.push(Given {
                measure: measure.measure_id.clone(),
                permission: permission.clone(),
                before: before.as_ref().map(|before| (started.unwrap_or(from), held(before))),
                names,
                in_force: measure.status == MeasureStatus::Approved && measure.in_force_at(self.now)
                    || measure.is_active(self.now),
                from,
                over: measure.over_at(),
                by_hand: record.is_some_and(|record| record.task.is_some()),
            });
        }
        Ok(all)
    }
}

/// The names of a permission, as far as the case that gave it read or used them.
fn names(
    permission: &Permission,
    record: Option<&SystemRecord>,
    before: Option<&Inventory>,
) -> BTreeSet<String> {
    let asked = &permission.grant;
    let mut names = BTreeSet::from([asked.clone()]);
    let mut know = |id: &str, name: &str| {
        if asked == id || asked == name {
            names.extend([id.to_owned(), name.to_owned()]);
        }
    };
    for grant in before.iter().flat_map(|before| &before.grants) {
        know(&grant.id, &grant.name);
    }
    let planned = record.iter().flat_map(|record| &record.plan.0);
    let done = record.iter().flat_map(|record| record.actions.iter().map(|taken| &taken.action));
    let gives = |action: &&Action| action.kind == ActionKind::AddGrant;
    planned.chain(done).filter(gives).for_each(|action| know(&action.target, &action.label));
    names
}
