//! Who has not logged in anywhere for as long as policy says is suspended. Each case follows from the person and their newest login, so
//! that a repeat opens no other; whoever comes back and still does not log in is suspended again after as long a time.

use crate::{Reconciling, Rosters};
use leaver_domain::{
    case::{Mode, Trigger},
    digest::Digest,
    id::{EventId, Username},
    intake::{self, INACTIVE, Refused, Request},
    orphans::idle::{self, Inactivity, Verdict},
    person::Person,
    ports::StoreError,
    time::Timestamp,
};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Why nobody was judged, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<String>,
    /// Who is suspended, with the days since their newest login, or since the account was made where there never was one.
    pub idle: BTreeMap<Username, u64>,
    /// Who would be, but for a reason.
    pub listed: BTreeMap<Username, String>,
    /// Of whom no system reports a login, or says that there never was one.
    pub no_data: Vec<Username>,
}

/// Judges everybody, once all the systems whose logins count are read.
pub(crate) async fn judge(
    of: &Reconciling<'_>,
    here: &[Person],
    rosters: &Rosters,
) -> Result<Judged, StoreError> {
    let Some(rules) = &of.policy.inactivity else {
        return Ok(Judged { not: Some("policy has no `inactivity`".into()), ..Judged::default() });
    };
    if let Some(missing) = rules.systems.iter().find(|system| !rosters.contains_key(*system)) {
        return Ok(Judged { not: Some(format!("{missing} is not read yet")), ..Judged::default() });
    }
    let counting = rosters.iter().filter(|(system, _)| rules.systems.contains(*system));
    let used = idle::gather(counting.map(|(system, roster)| (system, roster.as_slice())));
    let mut judged = Judged::default();
    for person in here {
        let username = person.username.clone();
        match idle::judge(person, used.get(&person.username), of.policy, rules, of.now) {
            // What they could not use, they did not leave unused.
            Verdict::Idle { .. } if is_lately_back(of, rules, person).await? => {}
            Verdict::Idle { days, since, ever, system } => {
                let reason = match ever {
                    true => format!("No login for {days} days: the last one was at {since}, in {system}."),
                    false => format!("Never logged in: the account in {system} is {days} days old."),
                };
                suspend(of, rules, person, (since, days), reason).await?;
                judged.idle.insert(username, days);
            }
            Verdict::Listed { why, .. } => {
                judged.listed.insert(username, why);
            }
            Verdict::NoData => judged.no_data.push(username),
            Verdict::InUse | Verdict::New | Verdict::NotConcerned => {}
        }
    }
    Ok(judged)
}

/// Whether their access came back less than so many days ago as make somebody inactive.
async fn is_lately_back(
    of: &Reconciling<'_>,
    rules: &Inactivity,
    person: &Person,
) -> Result<bool, StoreError> {
    let Some(by) = &person.case else { return Ok(false) };
    let back = of.cases.case(by).await?.filter(|case| case.mode == Mode::Reactivate);
    Ok(back.is_some_and(|case| of.now.since(case.closed_at.unwrap_or(case.effective_at)) < rules.time()))
}

/// The number of the case: one for each time of inactivity, and one more each time it has become as long again.
fn number(rules: &Inactivity, person: &Person, since: Timestamp, days: u64) -> Result<EventId, StoreError> {
    let times = days / u64::from(rules.days.max(1));
    let number = format!("inactive-{}-{}-{times}", person.employee_id, since.seconds());
    number.parse().map_err(|error: leaver_domain::id::BadId| StoreError::Corrupt(error.to_string()))
}

async fn suspend(
    of: &Reconciling<'_>,
    rules: &Inactivity,
    person: &Person,
    (since, days): (Timestamp, u64),
    reason: String,
) -> Result<(), StoreError> {
    let event_id = number(rules, person, since, days)?;
    let body = json!({"inactive": person.username, "last_login": since});
    let trigger = Trigger {
        source: "leaver".into(),
        event_id,
        by: "leaver/reconcile".into(),
        kind: INACTIVE.into(),
        at: of.now,
        received_at: of.now,
        body: Digest::of(body.to_string().as_bytes()),
    };
    let request = Request::plain(trigger, Mode::Suspend, reason, of.now);
    match intake::submit(of.cases, of.workflow, of.policy, person, &request, of.now).await {
        Ok((_, not_started)) => {
            if let Some(error) = not_started {
                tracing::error!(person = %person.username, %error, "recorded, and not started: the sweep will");
            }
            Ok(())
        }
        Err(Refused::Store(error)) => Err(error),
        // One person whom the rules of a case refuse keeps nobody else waiting.
        Err(refused) => {
            tracing::error!(person = %person.username, %refused, alarm = "not_suspended", "nothing was done");
            Ok(())
        }
    }
}
