//! Bringing about what was approved.

use super::{ACTOR, TRIES, again, cases, line};
use crate::{
    approval::Decision,
    case::Mode,
    contracts, holds,
    id::{CaseId, MeasureId},
    ledger::{EventKind, Outcome},
    measure::{ArchiveHold, ExceptionKind, Measure, MeasureStatus, Permission, What},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, StoreError, Workflow},
    reviews::{self, About, ReviewKind},
    tasks,
    time::Timestamp,
};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a measure works with.
struct Begin<'a> {
    store: &'a dyn CaseStore,
    workflow: &'a dyn Workflow,
    policy: &'a Policy,
    now: Timestamp,
}

/// Brings the effect of an approved measure about, and of a decision about held cases whatever it was. Everything else is left
/// as it is, so that it may be repeated.
///
/// # Errors
/// Where the store does not answer, or somebody else changed the same records again and again.
pub async fn begin(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    measure: Measure,
    now: Timestamp,
) -> Result<Measure, StoreError> {
    if let What::Release { .. } | What::Batch { .. } = measure.what {
        // Denied or expired has its effect there too.
        holds::release(store, workflow, policy, &measure, now).await?;
        return again(store, &measure.measure_id).await;
    }
    let work = Begin { store, workflow, policy, now };
    let mut measure = measure;
    for _ in 0..TRIES {
        if measure.status != MeasureStatus::Approved {
            return Ok(measure);
        }
        match work.once(measure.clone()).await {
            Err(StoreError::Conflict) => measure = again(store, &measure.measure_id).await?,
            other => return other,
        }
    }
    Err(StoreError::Conflict)
}

/// What has changed since it was asked for, so that it cannot be done any more.
fn in_the_way(measure: &Measure, person: &Person) -> Option<&'static str> {
    let stays = person.status == PersonStatus::Active;
    match measure.what {
        What::Grant { .. } if !stays => Some("the person is suspended, leaving, or has left"),
        What::BreakGlass { .. } if stays => Some("the person has their access again"),
        // Its end puts them back to where that case had put them.
        What::BreakGlass { ref case } if person.case.as_ref() != Some(case) => {
            Some("the person is to leave, or has left, by another case by now")
        }
        What::Rehire { .. } if person.status == PersonStatus::Suspended => Some("the person is suspended"),
        _ => None,
    }
}

impl Begin<'_> {
    async fn once(&self, measure: Measure) -> Result<Measure, StoreError> {
        let person = match measure.username() {
            Some(username) => self.store.person(username).await?,
            None => None,
        };
        let Some(person) = person else {
            return self.in_vain(measure, "the person is not known any more").await;
        };
        if measure.until.is_some_and(|until| until <= self.now) {
            return self.too_late(measure).await;
        }
        match measure.what.clone() {
            What::Exception { renews, .. } => self.except(measure, renews).await,
            What::Grant { permissions } => self.give(measure, &person, (None, permissions)).await,
            What::BreakGlass { case } | What::Restore { case } | What::Rehire { case } => {
                self.give(measure, &person, (Some(case), BTreeSet::new())).await
            }
            What::Extension { until } => self.extend(measure, person, until).await,
            What::HoldRelease => self.release_hold(measure, person).await,
            // A hold is in force from its first write on, and held cases are released where they are held.
            What::Hold | What::Release { .. } | What::Batch { .. } => Ok(measure),
        }
    }

    /// The measure with what has begun, and, where it is done with that, its end; written together with what changes in the
    /// same instant.
    async fn write(
        &self,
        mut measure: Measure,
        came_to: MeasureStatus,
        facts: Value,
        others: Vec<Change>,
    ) -> Result<Measure, StoreError> {
        let name = measure.what.name();
        let began = format!("begin {name}");
        measure.log.push(line(EventKind::MeasureBegan, &began, Outcome::Success, facts, self.now));
        if came_to == MeasureStatus::Ended {
            let end = format!("end {name}");
            let facts = json!({"cases": measure.cases, "why": "it is done with its beginning"});
            measure.log.push(line(EventKind::MeasureEnded, &end, Outcome::Success, facts, self.now));
        }
        measure.status = came_to;
        self.commit(measure, others).await
    }

    async fn commit(&self, mut measure: Measure, others: Vec<Change>) -> Result<Measure, StoreError> {
        measure.version += 1;
        let mut changes = vec![Change::Measure(Box::new(measure.clone()))];
        changes.extend(others);
        self.store.commit(&changes).await?;
        Ok(measure)
    }

    /// It cannot be brought about any more, and says why.
    async fn in_vain(&self, mut measure: Measure, why: &str) -> Result<Measure, StoreError> {
        let action = format!("begin {}", measure.what.name());
        let facts = json!({"why": why});
        measure.log.push(line(EventKind::MeasureEnded, &action, Outcome::Failure, facts, self.now));
        measure.status = MeasureStatus::Ended;
        self.commit(measure, Vec::new()).await
    }

    /// Its end came before it began. A grant goes on to its end nevertheless: another one that ended meanwhile may have left
    /// the permission to this one.
    async fn too_late(&self, mut measure: Measure) -> Result<Measure, StoreError> {
        if !matches!(measure.what, What::Grant { .. }) {
            return self.in_vain(measure, "its end had come before it could begin").await;
        }
        let facts = json!({"until": measure.until, "why": "its end had come before it could begin"});
        measure.log.push(line(EventKind::MeasureEnded, "come to the end", Outcome::Pending, facts, self.now));
        measure.status = MeasureStatus::Ending;
        self.commit(measure, Vec::new()).await
    }

    /// An exception is in force; the one that it renews, if any, is over with the same write.
    async fn except(&self, mut measure: Measure, renews: Option<MeasureId>) -> Result<Measure, StoreError> {
        if matches!(measure.what, What::Exception { what: ExceptionKind::RetentionHold, .. }) {
            measure.archive_hold = Some(ArchiveHold::wanted(self.now));
        }
        let mut others = Vec::new();
        let renewed = match &renews {
            Some(id) => self.store.measure(id).await?,
            None => None,
        };
        if let Some(mut old) = renewed.filter(|old| old.status == MeasureStatus::Active) {
            let facts = json!({"renewed_by": measure.measure_id, "until": measure.until});
            old.log.push(line(EventKind::MeasureEnded, "renew exception", Outcome::Success, facts, self.now));
            old.status = MeasureStatus::Ended;
            old.version += 1;
            others.push(Change::Measure(Box::new(old)));
        }
        let facts = json!({"until": measure.until, "renews": renews});
        self.write(measure, MeasureStatus::Active, facts, others).await
    }

    /// Opens the case that gives, and writes down that it did.
    async fn give(
        &self,
        mut measure: Measure,
        person: &Person,
        what: (Option<CaseId>, BTreeSet<Permission>),
    ) -> Result<Measure, StoreError> {
        // What stands in the way is looked at once: behind the case, the person is what the case makes of them.
        let begun = self.store.case(&cases::giving(&measure.measure_id)?).await?.is_some();
        if let Some(why) = in_the_way(&measure, person).filter(|_| !begun) {
            return self.in_vain(measure, why).await;
        }
        let restores = what.0.clone();
        let opened = cases::give(self.store, self.workflow, self.policy, &measure, person, what, self.now);
        let case = match opened.await? {
            Ok(case) => case,
            Err(why) => return self.in_vain(measure, &why).await,
        };
        let facts = json!({"until": measure.until, "case": case, "restores": restores});
        let others = self.review(&measure, &case).await?.into_iter().collect();
        let lasts = measure.lasts();
        if !measure.cases.contains(&case) {
            measure.cases.push(case);
        }
        let came_to = if lasts { MeasureStatus::Active } else { MeasureStatus::Ended };
        self.write(measure, came_to, facts, others).await
    }

    /// Emergency access has to be looked at by somebody else, whatever becomes of it. It is told to security at once, and
    /// can be closed when the access is over. Whoever approved it reviews it only where nobody else of security could.
    async fn review(&self, measure: &Measure, case: &CaseId) -> Result<Option<Change>, StoreError> {
        let (What::BreakGlass { .. }, Some(person)) = (&measure.what, &measure.person) else {
            return Ok(None);
        };
        let policy = &self.policy.approvals;
        let gone = tasks::gone(self.store, &policy.security_team).await?;
        let involved: BTreeSet<String> = [measure.requested_by.clone(), person.username.to_string()].into();
        let approved = measure.approval.decisions.iter().filter(|one| one.decision == Decision::Approve);
        let all: BTreeSet<String> =
            approved.map(|one| one.by.to_string()).chain(involved.iter().cloned()).collect();
        let can = |not_by| !reviews::owners(policy, not_by, &person.username, &gone).is_empty();
        let not_by = if !can(&all) && can(&involved) { involved } else { all };
        let about = About {
            kind: ReviewKind::BreakGlass,
            case,
            person,
            reason: &measure.reason,
            not_by,
            not_before: measure.until,
        };
        let review = reviews::open(policy, about, &gone, ACTOR, self.now);
        Ok(Some(Change::Review(Box::new(review))))
    }

    async fn extend(&self, measure: Measure, mut person: Person, until: Date) -> Result<Measure, StoreError> {
        let Some(was) = person.contract_end else {
            return self.in_vain(measure, "the contract has no end any more").await;
        };
        if until <= was {
            return self.in_vain(measure, "the contract ends later than this already").await;
        }
        if let Some(case) = person.case.as_ref().filter(|_| person.status != PersonStatus::Active) {
            let by = self.store.case(case).await?.filter(|case| case.mode == Mode::Leave);
            match by {
                Some(by) if by.has_begun() => {
                    return self.in_vain(measure, "they are leaving, or have left").await;
                }
                // The very end that is put off, which has not begun.
                Some(by) if by.trigger.kind == contracts::KIND && holds::may_cancel(&by).is_ok() => {
                    let bad = |_| StoreError::Corrupt("a measure that nobody asked for".into());
                    let who = measure.requested_by.parse().map_err(bad)?;
                    let why = format!("the contract runs until {until}");
                    holds::cancel(self.store, self.workflow, &by, &who, &why, self.now).await?;
                    let stays = self.store.person(&person.username).await?;
                    person =
                        stays.filter(|stays| stays.contract_end == Some(was)).ok_or(StoreError::Conflict)?;
                }
                _ => {}
            }
        }
        person.contract_end = Some(until);
        person.version += 1;
        let facts = json!({"contract_end": {"before": was, "after": until}});
        let others = vec![Change::Person(Box::new(person))];
        self.write(measure, MeasureStatus::Ended, facts, others).await
    }

    /// The hold goes from the person, and the measures that placed it are over, with one write.
    async fn release_hold(&self, mut measure: Measure, mut person: Person) -> Result<Measure, StoreError> {
        let Some(hold) = person.legal_hold.take() else {
            return self.in_vain(measure, "there is no legal hold on them any more").await;
        };
        if hold.since > measure.requested_at {
            let why = "the legal hold that it was asked about is over, and another was placed since";
            return self.in_vain(measure, why).await;
        }
        person.version += 1;
        let username = person.username.clone();
        let mut others = vec![Change::Person(Box::new(person))];
        for mut placed in self.store.measures_of(&username).await? {
            if placed.what == What::Hold && placed.status == MeasureStatus::Active {
                let facts = json!({"released_by": measure.measure_id});
                placed.log.push(line(EventKind::MeasureEnded, "end hold", Outcome::Success, facts, self.now));
                placed.status = MeasureStatus::Ended;
                placed.version += 1;
                others.push(Change::Measure(Box::new(placed)));
            }
        }
        measure.archive_hold = Some(ArchiveHold::wanted(self.now));
        let facts = json!({"hold": {"since": hold.since, "reason": hold.reason}});
        self.write(measure, MeasureStatus::Ended, facts, others).await
    }
}
