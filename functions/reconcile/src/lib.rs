//! Holds HR's people against the accounts that the systems list, each night.
//!
//! The adapters list: an execution of the state machine has each read its own system, because nobody else has its secret, and keep
//! what it read in the table. This function starts that execution, and judges what is there when it is invoked again: every system
//! whose roster of this night is whole, by itself. Whatever is repeated comes to the same; what could not be read is not judged.

mod inactive;

use jiff::civil::Date;
use leaver_adapters::Spec;
use leaver_domain::{
    custom::Custom,
    id::{SystemId, Username},
    orphans::{
        Found,
        matching::{Class, Register, classify, wanted},
        night,
    },
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    roster::{RosterStore, Seen, begun, night_of, whole},
    time::Timestamp,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most orphans of one system that one invocation writes: the next one goes on.
const MOST: usize = 1_000;
/// Records that are written together.
const TOGETHER: usize = 20;

/// What the function works with.
pub struct Reconciling<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub cases: &'a dyn CaseStore,
    /// Rosters and orphans.
    pub rosters: &'a dyn RosterStore,
    /// The workflow engine: its execution reads the rosters.
    pub workflow: &'a dyn Workflow,
    /// Now.
    pub now: Timestamp,
}

/// What one invocation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// The night, in UTC.
    pub night: Date,
    /// How many accounts each system lists whose roster is whole.
    pub read: BTreeMap<SystemId, usize>,
    /// The systems whose roster of this night is not whole: nothing is said of them.
    pub unread: Vec<SystemId>,
    /// Orphans that were written now: new, changed or gone.
    pub written: usize,
    /// How many there are that somebody has to decide about.
    pub open: usize,
    /// Who has not logged in anywhere for long.
    pub inactive: inactive::Judged,
}

/// What is known of one system's accounts.
type Rosters = BTreeMap<SystemId, Vec<(Seen, Class)>>;

/// Whether a system of policy lists its accounts.
fn lists(policy: &Policy, id: &SystemId) -> bool {
    match policy.custom(id) {
        Some(custom) => matches!(custom, Custom::Scim(_)),
        None => Spec::of(id.as_str()).is_some_and(|spec| spec.roster.is_listed()),
    }
}

/// Starts the reading of what is not read, and judges what is.
///
/// # Errors
/// Where the table fails; what was written stays, and the next invocation does the rest.
pub async fn handle(of: &Reconciling<'_>) -> Result<Reconciled, StoreError> {
    let night = night_of(of.now);
    let (mut seen, mut unread) = (BTreeMap::new(), Vec::new());
    let mut since = of.now;
    for system in of.policy.automatic().filter(|id| lists(of.policy, id)) {
        let known = of.rosters.orphans(system).await?.iter().filter(|orphan| orphan.is_there()).count();
        let parts = of.rosters.parts(system).await?;
        match whole(&parts, night) {
            // A list of nobody, where there was somebody, is a vendor's slip sooner than the end of all accounts.
            Some(roster) if roster.is_empty() && known > 0 => {
                tracing::error!(%system, alarm = "roster_empty", "the roster is empty, and is not believed");
                unread.push(system.clone());
            }
            Some(roster) => {
                since = begun(&parts, night).map_or(since, |at| since.min(at));
                seen.insert(system.clone(), roster);
            }
            None => unread.push(system.clone()),
        }
    }
    if !unread.is_empty() {
        read(of, night).await?;
    }
    let here = of.rosters.people().await?;
    let rosters = classified(of, &here, seen, since).await?;
    let (mut written, mut open) = (0, 0);
    for (system, roster) in &rosters {
        let (changed, left) = keep(of, system, roster).await?;
        written += changed;
        open += left;
    }
    let inactive = inactive::judge(of, &here, &rosters).await?;
    let read = rosters.iter().map(|(system, roster)| (system.clone(), roster.len())).collect();
    Ok(Reconciled { night, read, unread, written, open, inactive })
}

/// Has the rosters read that are not whole. An attempt of an hour is one execution, however often it is asked for.
async fn read(of: &Reconciling<'_>, night: Date) -> Result<(), StoreError> {
    let hour = of.now.seconds().rem_euclid(86_400) / 3_600;
    let round = u32::try_from(hour).unwrap_or(0);
    of.workflow.start(&Execution::Roster { night, round }).await.map(|_| ())
}

/// What each account is. Who has left is looked up only where nobody who is here explains an account. `since` is when the first of
/// these lists was begun.
async fn classified(
    of: &Reconciling<'_>,
    here: &[Person],
    seen: BTreeMap<SystemId, Vec<Seen>>,
    since: Timestamp,
) -> Result<Rosters, StoreError> {
    let register = Register::of(here);
    let mut gone: BTreeMap<Username, Person> = BTreeMap::new();
    for (system, roster) in &seen {
        let wanted = wanted(&register, system, roster);
        for number in wanted.numbers.iter().filter_map(|number| number.parse().ok()) {
            note(of, &mut gone, of.cases.person_of_number(&number).await?, since).await?;
        }
        for username in wanted.usernames.iter().filter_map(|name| name.parse().ok()) {
            if !gone.contains_key(&username) {
                note(of, &mut gone, of.cases.person(&username).await?, since).await?;
            }
        }
    }
    let all = Register::of(here.iter().chain(gone.values()));
    let classes = |(system, roster): (SystemId, Vec<Seen>)| {
        let classes = classify(&all, of.policy, &system, &roster);
        (system, roster.into_iter().zip(classes).collect())
    };
    Ok(seen.into_iter().map(classes).collect())
}

/// Keeps somebody who has left. A list that was begun before that shows them as they were: the next night tells.
async fn note(
    of: &Reconciling<'_>,
    gone: &mut BTreeMap<Username, Person>,
    found: Option<Person>,
    since: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut person) = found.filter(|person| person.status == PersonStatus::Left) else { return Ok(()) };
    let left_by = match &person.case {
        Some(case) => of.cases.case(case).await?,
        None => None,
    };
    if left_by.and_then(|case| case.closed_at).is_some_and(|at| at >= since) {
        person.status = PersonStatus::Leaving;
    }
    gone.insert(person.username.clone(), person);
    Ok(())
}

/// Writes what this night changes about a system's orphans. How many were written, and how many are open.
async fn keep(
    of: &Reconciling<'_>,
    system: &SystemId,
    roster: &[(Seen, Class)],
) -> Result<(usize, usize), StoreError> {
    let Some(owner) = of.policy.systems.get(system).map(|of| &of.owner) else { return Ok((0, 0)) };
    let known = of.rosters.orphans(system).await?;
    let found: Vec<Found<'_>> = roster.iter().map(|(seen, class)| (seen, class)).collect();
    let mut changed = night(system, owner, &known, &found, of.now);
    if changed.len() > MOST {
        tracing::error!(%system, changed = changed.len(), alarm = "many_orphans", "the next invocation goes on");
        changed.truncate(MOST);
    }
    let mut written = 0;
    for together in changed.chunks(TOGETHER) {
        let changes: Vec<Change> = together.iter().cloned().map(Box::new).map(Change::Orphan).collect();
        match of.cases.commit(&changes).await {
            Ok(()) => written += changes.len(),
            Err(StoreError::Conflict) => written += one_by_one(of, &changes).await?,
            Err(error) => return Err(error),
        }
    }
    let open = of.rosters.orphans(system).await?;
    let open = open.iter().filter(|orphan| orphan.is_open() && !orphan.class.is_information()).count();
    Ok((written, open))
}

/// Somebody decided about one of them meanwhile: the others are written all the same, and that one is looked at again by the next
/// invocation.
async fn one_by_one(of: &Reconciling<'_>, changes: &[Change]) -> Result<usize, StoreError> {
    let mut written = 0;
    for change in changes {
        match of.cases.commit(std::slice::from_ref(change)).await {
            Ok(()) => written += 1,
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
