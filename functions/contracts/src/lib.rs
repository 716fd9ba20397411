//! Looks four times an hour at the contracts that end by themselves. Whoever's last day is over leaves by a case like any other; ahead of
//! that somebody is asked whether days of grace are to be given. Each follows from the person and the day, so that a repeat does nothing.
//! Where a human has called the case of an end off, security is given a review, once.

use jiff::civil::Date;
use leaver_domain::{
    case::{CaseStatus, Mode, Trigger},
    contracts::{self, ASKING, KIND, Question, Standing},
    digest::Digest,
    id::{CaseId, Username},
    intake::{self, Refused, Request},
    measure::What,
    measures::{self, Asked},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, StoreError, Workflow},
    problem::NotDone,
    reviews::{self, ReviewKind},
    roster::RosterStore,
    tasks,
    time::Timestamp,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// What the function works with.
pub struct Contracts<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub cases: &'a dyn CaseStore,
    /// Who is here.
    pub people: &'a dyn RosterStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// Now.
    pub now: Timestamp,
}

/// What one look came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Whose contract is over: a case ends their access.
    pub over: Vec<Username>,
    /// Whose contract is over, and the case that was to end their access was called off: security was given a review.
    pub called_off: Vec<Username>,
    /// About whom it is asked whether they get days of grace.
    pub asked: Vec<Username>,
    /// With whom something went wrong; the next look tries again.
    pub failed: Vec<Username>,
}

/// Looks at everybody once.
///
/// # Errors
/// Where the people cannot be read.
pub async fn handle(of: &Contracts<'_>) -> Result<Looked, StoreError> {
    let mut looked = Looked::default();
    for person in of.people.people().await? {
        let username = person.username.clone();
        // What goes wrong with one keeps nobody else's contract from its end.
        match look(of, &person).await {
            Ok(Some(Did::Ended)) => looked.over.push(username),
            Ok(Some(Did::CalledOff)) => looked.called_off.push(username),
            Ok(Some(Did::Asked)) => looked.asked.push(username),
            Ok(None) => {}
            Err(why) => {
                tracing::error!(person = %username, why, alarm = "contract_not_judged", "will be tried again");
                looked.failed.push(username);
            }
        }
    }
    Ok(looked)
}

enum Did {
    Ended,
    CalledOff,
    Asked,
}

async fn look(of: &Contracts<'_>, person: &Person) -> Result<Option<Did>, String> {
    let leaves_by = match &person.case {
        Some(case) if person.status == PersonStatus::Leaving && person.contract_end.is_some() => {
            of.cases.case(case).await.map_err(|error| error.to_string())?
        }
        _ => None,
    };
    let standing = contracts::standing(&of.policy.contracts, person, leaves_by.as_ref(), of.now);
    match standing.map_err(|error| error.to_string())? {
        Standing::Runs => Ok(None),
        Standing::Over { last_day, since } => end(of, person, last_day, since).await,
        Standing::Near(question) => Ok(ask(of, person, &question).await?.then_some(Did::Asked)),
    }
}

async fn end(
    of: &Contracts<'_>,
    person: &Person,
    last_day: Date,
    since: Timestamp,
) -> Result<Option<Did>, String> {
    let (event_id, body, dates) =
        contracts::termination(person, last_day).map_err(|error| error.to_string())?;
    let trigger = Trigger {
        source: ASKING.into(),
        event_id,
        by: "leaver/contracts".into(),
        kind: KIND.into(),
        at: since,
        received_at: of.now,
        body,
    };
    let reason = format!("The contract ended on {last_day}");
    let request = Request { dates, ..Request::plain(trigger, Mode::Leave, reason, since) };
    match intake::submit(of.cases, of.workflow, of.policy, person, &request, of.now).await {
        Ok((receipt, _)) if matches!(receipt.status, CaseStatus::Cancelled | CaseStatus::Rejected) => {
            let told = not_ended(of, &receipt.case_id, last_day).await;
            Ok(told.map_err(|error| error.to_string())?.then_some(Did::CalledOff))
        }
        Ok((_, not_started)) => {
            if let Some(error) = not_started {
                tracing::error!(person = %person.username, %error, "recorded, and not started: the sweep will");
            }
            Ok(Some(Did::Ended))
        }
        // Somebody restored them after this very end: until HR names another last day, this one is done with.
        Err(Refused::Reused) => Ok(Some(Did::Ended)),
        Err(refused) => Err(refused.to_string()),
    }
}

/// Gives security the review of a case that was called off, although its person is here and their contract is over, unless it
/// was given before. Another case for the same end would only be called off by the same human.
async fn not_ended(of: &Contracts<'_>, case: &CaseId, last_day: Date) -> Result<bool, StoreError> {
    let review = reviews::id_of(ReviewKind::ContractNotEnded, case);
    if of.cases.review(&review).await?.is_some() {
        return Ok(false);
    }
    let record = of.cases.case(case).await?;
    let record = record.ok_or_else(|| StoreError::Corrupt(format!("there is no {case}")))?;
    let policy = &of.policy.approvals;
    let gone = tasks::gone(of.cases, &policy.security_team).await?;
    let review = contracts::not_ended(policy, &record, last_day, &gone, of.now);
    match of.cases.commit(&[Change::Review(Box::new(review))]).await {
        Ok(()) => {}
        // Another look was faster.
        Err(StoreError::Conflict) => return Ok(false),
        Err(error) => return Err(error),
    }
    let person = &record.person.username;
    tracing::error!(%person, %case, alarm = "contract_not_ended", "the contract is over, and its case was called off");
    Ok(true)
}

/// Asks whether grace is to be given, unless that was asked or answered already.
async fn ask(of: &Contracts<'_>, person: &Person, question: &Question) -> Result<bool, String> {
    let known = of.cases.measures_of(&person.username).await.map_err(|error| error.to_string())?;
    if !contracts::is_open(question, &known) {
        return Ok(false);
    }
    let number = question.number(person);
    let asked = Asked {
        what: What::Extension { until: question.grace },
        person: person.username.clone(),
        requested_by: ASKING.parse().map_err(|_| "leaver is no name".to_owned())?,
        reason: format!(
            "The contract ends on {}. Approve to let it end on {} instead; without an approval access ends with the first.",
            question.last_day, question.grace
        ),
        until: None,
        only: BTreeSet::new(),
        request_id: number.clone(),
        body: Digest::of(number.as_bytes()),
    };
    match measures::request(of.cases, of.workflow, of.policy, asked, of.now).await {
        Ok(_) => Ok(true),
        Err(NotDone::Store(error)) => Err(error.to_string()),
        Err(NotDone::Refused(problem)) => Err(problem.detail),
    }
}
