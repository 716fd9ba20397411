//! One system of one case. The same code is deployed once per system, each time with that system's secret and no other.
//!
//! Every step may be repeated, die in the middle, or run twice at once: the record is written by compare-and-swap, the
//! before-state is kept once, and what is done follows from a fresh read.

mod between;
mod ending;
mod gate;
mod handover;
mod logs;
mod neighbours;
mod restore;
mod reverify;
mod roster;
mod run;
mod target;
mod verify;

use leaver_adapters::{Adapter, http::Writer, run::discover};
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Mode, SystemRecord, SystemStatus},
    fault::{Fault, FaultKind},
    gathering::Gathering,
    id::{CaseId, SystemId},
    intake,
    measure::Measure,
    measures, people,
    person::Person,
    plan::Scope,
    policy::Policy,
    ports::{CaseStore, StoreError},
    preservation,
    roster::RosterStore,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the function works with.
pub struct System<'a> {
    /// The system's id.
    pub id: &'a SystemId,
    /// Its adapter.
    pub adapter: &'a dyn Adapter,
    /// Its connection, good for this invocation.
    pub http: &'a Writer,
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// Where rosters are kept.
    pub rosters: &'a dyn RosterStore,
    /// Where the systems of a case wait for each other; `None` where each is worked on by itself.
    pub gathering: Option<&'a dyn Gathering>,
}

/// Which part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Read, judge, plan, apply, read back.
    Run,
    /// Read again, later and independently.
    Verify,
    /// Read once more, days after the case. Writes nothing to the system.
    Reverify,
    /// See whether address and credential work.
    Check,
    /// List all accounts.
    Roster,
    /// Read the logs that are still owed.
    Logs,
    /// Look after transfers of ownership that are open.
    Transfers,
}

/// One item of the Map.
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    /// The case; `None` in a check, and where accounts or logs are read.
    #[serde(default)]
    pub case_id: Option<CaseId>,
    /// Which part of the work.
    pub step: Step,
}

/// What the item came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// The case; `None` in a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// The system.
    pub system: SystemId,
    /// Where it stands; `null` in a check that went well.
    pub status: Option<SystemStatus>,
    /// What a check found wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Scopes that a check found missing, each with what showed it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<&'static str, String>,
}

/// Does one step.
///
/// # Errors
/// What the system or the table says; the state machine repeats what can be repeated.
pub async fn handle(system: &System<'_>, input: Input) -> Result<Output, Fault> {
    let output = |status| Output {
        case_id: input.case_id.clone(),
        system: system.id.clone(),
        status,
        fault: None,
        missing: BTreeMap::new(),
    };
    if input.step == Step::Check {
        // First the scopes: where one is missing, some vendors let nothing through, and would not say why.
        let missing = system.adapter.missing(system.http).await;
        let (missing, fault) = match missing {
            Ok(missing) if missing.is_empty() => (missing, system.adapter.probe(system.http).await.err()),
            Ok(missing) => (missing, None),
            Err(fault) => (Vec::new(), Some(fault)),
        };
        let missing = missing.into_iter().map(|one| (one.scope, one.shown_by)).collect();
        return Ok(Output { fault, missing, ..output(None) });
    }
    if input.step == Step::Roster {
        roster::run(system).await?;
        return Ok(output(None));
    }
    if input.step == Step::Logs {
        logs::read_owed(system).await?;
        return Ok(output(None));
    }
    let id = input.case_id.as_ref().ok_or_else(|| internal("the item names no case"))?;
    let case = system.store.case(id).await.map_err(stored)?;
    let case = case.ok_or_else(|| internal(format!("there is no case {id}")))?;
    let record = system.store.system(id, system.id).await.map_err(stored)?;
    let record = record.ok_or_else(|| internal(format!("{id} has no record for {}", system.id)))?;
    if input.step == Step::Transfers {
        handover::follow(system, &case, record).await?;
        return Ok(output(None));
    }
    let status = match input.step {
        // Only the execution's first step lets a case run, and it opens the review of an emergency. Until then, and where
        // the case is held or called off, no system is touched, whoever invokes this.
        Step::Run if !matches!(case.status, CaseStatus::Running | CaseStatus::AwaitingApproval) => {
            record.status
        }
        Step::Run if case.mode == Mode::Reactivate => restore::run(system, &case, record).await?,
        Step::Run => run::run(system, &case, record).await?,
        Step::Reverify => reverify::reverify(system, &case, record).await?,
        Step::Verify | Step::Check | Step::Roster | Step::Logs | Step::Transfers => {
            verify::verify(system, &case, record).await?
        }
    };
    Ok(output(Some(status)))
}

fn internal(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Internal, detail)
}

fn stored(error: StoreError) -> Fault {
    let kind = if error == StoreError::Conflict { FaultKind::Conflict } else { FaultKind::Internal };
    Fault::new(kind, error.to_string())
}

impl System<'_> {
    fn now(&self) -> Timestamp {
        self.http.now()
    }

    /// The person of a case, as they stand now, by what has begun.
    async fn person(&self, case: &CaseRecord) -> Result<Person, Fault> {
        let person = self.store.person(&case.person.username).await.map_err(stored)?;
        let person = person.ok_or_else(|| internal("the person is not known any more"))?;
        match case.mode {
            Mode::Partial => Ok(person),
            // The end of emergency access takes whatever that gave.
            _ if case.ends().is_some() => Ok(person),
            // Until a termination that lies ahead begins, they are here with what came back.
            Mode::Reactivate | Mode::Leave | Mode::Suspend => {
                intake::as_begun(self.store, person, self.now()).await.map_err(stored)
            }
        }
    }

    /// The person as they are looked for in this system: by former addresses only where the one of now finds no account, and by
    /// none that is somebody else's by now. Everybody is read to know that, so it is asked only then.
    async fn sought(&self, person: &Person) -> Result<Person, Fault> {
        let mut sought = Person { former_emails: Vec::new(), ..person.clone() };
        if person.former_emails.is_empty() {
            return Ok(sought);
        }
        // Where the system cannot be read now, the reading that follows tells.
        let found = discover(self.adapter, self.http, &sought).await;
        if found.is_ok_and(|found| found.account.is_some()) {
            return Ok(sought);
        }
        for email in &person.former_emails {
            let then = Person { email: email.clone(), ..person.clone() };
            if people::also_addressed(self.store, &then).await.map_err(stored)?.is_none() {
                sought.former_emails.push(then.email);
            }
        }
        Ok(sought)
    }

    /// What the case may take here, given the measures that were in force at the first attempt.
    async fn scope(&self, person: &Person, case: &CaseRecord, record: &SystemRecord) -> Result<Scope, Fault> {
        let measures = self.store.measures_of(&case.person.username).await.map_err(stored)?;
        let at = record.started_at.unwrap_or_else(|| self.now());
        let scope = measures::scope_for(self.policy, person, case, self.id, &measures, at);
        Ok(self.within(scope, person, case, record, &measures))
    }

    /// The same, days later: by the measures that are in force now.
    async fn scope_again(
        &self,
        person: &Person,
        case: &CaseRecord,
        record: &SystemRecord,
    ) -> Result<Scope, Fault> {
        let measures = self.store.measures_of(&case.person.username).await.map_err(stored)?;
        let scope = measures::scope_again(self.policy, person, case, self.id, &measures, self.now());
        Ok(self.within(scope, person, case, record, &measures))
    }

    /// What was preserved at the first attempt stays so: a hold that is released between a step and the read behind it must not
    /// make the read fail.
    fn within(
        &self,
        mut scope: Scope,
        person: &Person,
        case: &CaseRecord,
        record: &SystemRecord,
        measures: &[Measure],
    ) -> Scope {
        let reason = || preservation::reason(Some(case), person, measures, self.now());
        scope.preserve = record.preserved.is_some() || reason().is_some();
        scope
    }

    /// Why the person's data has to be kept, if so.
    async fn preserved(&self, person: &Person, case: &CaseRecord) -> Result<Option<String>, Fault> {
        let measures = self.store.measures_of(&case.person.username).await.map_err(stored)?;
        Ok(preservation::reason(Some(case), person, &measures, self.now()))
    }

    /// Writes a record that was changed; its version goes up by one.
    async fn save(&self, record: &mut SystemRecord) -> Result<(), Fault> {
        record.version += 1;
        self.store.put_system(record).await.map_err(stored)
    }
}

/// What is done, in the word of the rows.
fn verb(case: &CaseRecord) -> &'static str {
    if case.mode == Mode::Reactivate { "restore" } else { "revoke" }
}
