//! People: what is asked for about them, and what they have.

use crate::{
    Api, Call, Reply, Role,
    call::invalid,
    cases,
    measures::{self, allowed, ask, asked, parse, until},
    not_done, stored, view,
};
use jiff::{Span, civil::Date, tz::TimeZone};
use leaver_domain::{
    case::{CaseRecord, Mode},
    id::{CaseId, MeasureId, Username},
    intake,
    inventory::AccountStatus,
    measure::{ExceptionKind, Measure, MeasureStatus, Permission, What},
    measures::{hold, lasting},
    person::{Person, PersonStatus},
    problem::Problem,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Most cases of one person among which those are looked for that took something, the newest first.
const CASES: usize = 100;
/// How far back access can be asked for as it was, and how long a case may have waited for its time.
const LOOK_BACK: Duration = Duration::from_secs(366 * 86_400);

/// The person of an address, by login name or by the HRIS's number, where the caller may ask for this about them. A manager
/// learns nothing of who is not their report.
pub(crate) async fn whom(api: &Api<'_>, call: &Call, id: &str, everybody: bool) -> Result<Person, Problem> {
    let named = match id.parse::<Username>() {
        Ok(username) => api.cases.person(&username).await.map_err(stored)?,
        Err(_) => None,
    };
    let person = match (named, id.parse()) {
        (Some(person), _) => Some(person),
        (None, Ok(number)) => api.cases.person_of_number(&number).await.map_err(stored)?,
        (None, Err(_)) => None,
    };
    let person = person.filter(|person| everybody || call.caller.manages(person));
    person.ok_or_else(|| {
        let id: String = id.chars().take(64).collect();
        Problem::new(
            404,
            "unknown-person",
            format!("There is nobody called `{id}` for whom you may ask this."),
        )
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extend {
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    until: Option<Date>,
    reason: String,
}

/// `POST /api/v1/employees/{id}/extend`
pub(crate) async fn extend(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let everybody = allowed(call, &[Role::Security, Role::Hr], true)?;
    let person = whom(api, call, id, everybody).await?;
    let body: Extend = parse(call)?;
    let until = match (body.by.as_deref(), body.until) {
        (None, Some(until)) => until,
        (Some(by), None) => later(api.now, &person, by)?,
        _ => return Err(invalid("Say either `by`, such as `30d`, or `until`, a date.")),
    };
    ask(api, asked(call, What::Extension { until }, &person, id, &body.reason)?).await
}

/// The day that lies so many days behind the contract's end. Where it has none, nothing can be asked for, whatever the day.
fn later(now: Timestamp, person: &Person, by: &str) -> Result<Date, Problem> {
    let detail = "`by` is no number of days or weeks, such as `30d` or `2w`.";
    let lasts = lasting(by).filter(|_| by.trim().ends_with(['d', 'w'])).ok_or_else(|| invalid(detail))?;
    let days = i64::try_from(lasts.as_secs() / 86_400).map_err(|_| invalid(detail))?;
    let today = now.to_jiff().to_zoned(TimeZone::UTC).date();
    let from = person.contract_end.unwrap_or(today);
    Span::new().try_days(days).and_then(|span| from.checked_add(span)).map_err(|_| invalid(detail))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grants {
    permissions: Vec<String>,
    #[serde(default, rename = "for")]
    lasts: Option<String>,
    #[serde(default)]
    until: Option<Timestamp>,
    reason: String,
}

/// `POST /api/v1/employees/{id}/grants`
pub(crate) async fn grant(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let everybody = allowed(call, &[Role::Security], true)?;
    let person = whom(api, call, id, everybody).await?;
    let body: Grants = parse(call)?;
    let permissions: BTreeSet<Permission> =
        body.permissions.iter().map(|text| permission(text)).collect::<Result<_, _>>()?;
    let mut asked = asked(call, What::Grant { permissions }, &person, id, &body.reason)?;
    asked.until = until(api, body.until, body.lasts.as_deref())?;
    ask(api, asked).await
}

fn permission(text: &str) -> Result<Permission, Problem> {
    let parts = text.split_once(':').and_then(|(system, grant)| Some((system.parse().ok()?, grant)));
    let (system, grant) = parts.ok_or_else(|| {
        invalid("`permissions`: each is a system and the vendor's id or name of a permission, such as `okta:00g1`.")
    })?;
    Ok(Permission { system, grant: grant.to_owned() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakGlass {
    #[serde(default)]
    case_id: Option<CaseId>,
    #[serde(default, rename = "for")]
    lasts: Option<String>,
    #[serde(default)]
    until: Option<Timestamp>,
    reason: String,
    approver: Username,
}

/// `POST /api/v1/employees/{id}/break-glass`
pub(crate) async fn break_glass(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    allowed(call, &[Role::Security], false)?;
    let person = whom(api, call, id, true).await?;
    let body: BreakGlass = parse(call)?;
    let case = match body.case_id {
        Some(case) => case,
        None => person.case.clone().ok_or_else(|| {
            let detail =
                format!("No case took access from {}: there is nothing to give back.", person.username);
            Problem::new(409, "not-possible-now", detail)
        })?,
    };
    let mut asked = asked(call, What::BreakGlass { case }, &person, id, &body.reason)?;
    asked.until = until(api, body.until, body.lasts.as_deref())?;
    asked.only.insert(body.approver);
    ask(api, asked).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Except {
    what: ExceptionKind,
    #[serde(default, rename = "for")]
    lasts: Option<String>,
    #[serde(default)]
    until: Option<Timestamp>,
    reason: String,
    #[serde(default)]
    renews: Option<MeasureId>,
}

/// `POST /api/v1/employees/{id}/exceptions`
pub(crate) async fn except(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    allowed(call, &[Role::Security, Role::Hr], false)?;
    let person = whom(api, call, id, true).await?;
    let body: Except = parse(call)?;
    let what = What::Exception { what: body.what, renews: body.renews };
    let mut asked = asked(call, what, &person, id, &body.reason)?;
    asked.until = until(api, body.until, body.lasts.as_deref())?;
    ask(api, asked).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    reason: String,
    #[serde(default)]
    release: bool,
}

/// `POST /api/v1/employees/{id}/legal-hold`: placed at once; its release is asked for.
pub(crate) async fn legal_hold(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    allowed(call, &[Role::Security, Role::Hr], false)?;
    let person = whom(api, call, id, true).await?;
    let body: Hold = parse(call)?;
    if body.release {
        return ask(api, asked(call, What::HoldRelease, &person, id, &body.reason)?).await;
    }
    let asked = asked(call, What::Hold, &person, id, &body.reason)?;
    let measure = hold(api.cases, api.policy, asked, api.now).await.map_err(not_done)?;
    Reply::json(202, &measures::view(&measure))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    reason: Option<String>,
    /// The ticket under which it was agreed elsewhere. It is kept with the reason, and replaces no decision here.
    #[serde(default)]
    approval: Option<String>,
}

impl Restore {
    fn why(&self) -> Result<String, Problem> {
        match (self.reason.as_deref(), self.approval.as_deref()) {
            (Some(reason), Some(ticket)) => Ok(format!("{reason} (ticket {ticket})")),
            (Some(reason), None) => Ok(reason.to_owned()),
            (None, Some(ticket)) => Ok(format!("ticket {ticket}")),
            (None, None) => Err(invalid("Say why: `reason`, or `approval` with a ticket.")),
        }
    }
}

/// `POST /api/v1/cases/{id}/restore`: what a case took comes back.
pub(crate) async fn restore_case(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    allowed(call, &[Role::Security, Role::Hr], false)?;
    let (case, _) = cases::find(api, call, id).await?;
    let person = whom(api, call, case.person.username.as_str(), true).await?;
    let body: Restore = parse(call)?;
    if body.from.is_some() {
        return Err(invalid("`from` belongs to `/employees/{id}/restore`: here the case is named."));
    }
    ask(api, asked(call, What::Restore { case: case.case_id }, &person, id, &body.why()?)?).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehire {
    reason: String,
}

/// `POST /api/v1/employees/{id}/rehire`: what the role that HR's record gives them now needs comes back, out of what they had.
pub(crate) async fn rehire(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    allowed(call, &[Role::Security, Role::Hr], false)?;
    let person = whom(api, call, id, true).await?;
    let body: Rehire = parse(call)?;
    let case = person.case.clone().filter(|_| person.status != PersonStatus::Active);
    let case = case.ok_or_else(|| {
        let detail = format!("{} has not left: there is nobody to hire anew.", person.username);
        Problem::new(409, "not-possible-now", detail)
    })?;
    ask(api, asked(call, What::Rehire { case }, &person, id, &body.reason)?).await
}

/// `POST /api/v1/employees/{id}/restore`: access as it was at an instant. That is what the first case found that took
/// something from the person since then; of somebody who has left, the case by which they left.
pub(crate) async fn restore_from(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    allowed(call, &[Role::Security, Role::Hr], false)?;
    let person = whom(api, call, id, true).await?;
    let body: Restore = parse(call)?;
    let from = body.from.ok_or_else(|| invalid("Say `from`: the instant as of which access comes back."))?;
    if from > api.now || from < api.now.minus(LOOK_BACK) {
        return Err(invalid("`from` has to lie in the past, at most 366 days ago."));
    }
    let why = body.why()?;
    let mut found = taking(api, &person).await?;
    found.retain(|case| case.effective_at.max(case.created_at) >= from);
    if person.status != PersonStatus::Active {
        // What they are to leave by has taken nothing yet.
        let by = intake::as_begun(api.cases, person.clone(), api.now).await.map_err(stored)?.case;
        found.retain(|case| Some(&case.case_id) == by.as_ref());
    }
    for case in found.into_iter().rev() {
        if took_something(api, &case.case_id).await? {
            return ask(api, asked(call, What::Restore { case: case.case_id }, &person, id, &why)?).await;
        }
    }
    let detail = format!("Nothing was taken from {} since {from} that could be given back.", person.username);
    Err(Problem::new(409, "not-possible-now", detail))
}

/// The person's cases that take something, newest first.
async fn taking(api: &Api<'_>, person: &Person) -> Result<Vec<CaseRecord>, Problem> {
    let mut found = api.cases.cases_about(&person.username, CASES).await.map_err(stored)?;
    found.retain(|case| case.mode != Mode::Reactivate);
    // The case that the person's record names is found however long ago it was written down.
    if let Some(id) = person.case.as_ref().filter(|id| found.iter().all(|case| case.case_id != **id)) {
        let named = api.cases.case(id).await.map_err(stored)?;
        found.extend(named.filter(|case| case.mode.shuts() && !case.dry_run));
    }
    found.sort_by_key(|case| std::cmp::Reverse(case.effective_at.max(case.created_at)));
    Ok(found)
}

/// Whether a case found an account in use. One that ran behind another found nothing that could come back.
async fn took_something(api: &Api<'_>, case: &CaseId) -> Result<bool, Problem> {
    let systems = api.cases.systems(case).await.map_err(stored)?;
    let active =
        |state: &leaver_domain::inventory::State| state.account_status == Some(AccountStatus::Active);
    Ok(systems.iter().any(|system| system.before.as_ref().is_some_and(active)))
}

/// `GET /api/v1/employees/{id}/access`: who they are, what is asked for or in force, and what their newest case came to.
pub(crate) async fn access(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let everybody = call.caller.sees_all();
    if !everybody && !call.caller.is(&[Role::Manager]) {
        call.caller.must_be(&[])?;
    }
    let person = whom(api, call, id, everybody).await?;
    let measures = api.cases.measures_of(&person.username).await.map_err(stored)?;
    let newest = api.cases.cases_about(&person.username, 1).await.map_err(stored)?.pop();
    let case = match newest {
        Some(case) => {
            let systems = api.cases.systems(&case.case_id).await.map_err(stored)?;
            let mut shown = view::summary(&case);
            shown["systems"] = systems.iter().map(view::system).collect();
            shown
        }
        None => Value::Null,
    };
    let open = |measure: &&Measure| {
        use MeasureStatus::{Active, Approved, Ending, Requested};
        matches!(measure.status, Requested | Approved | Active | Ending)
    };
    let answer = json!({
        "person": {
            "username": person.username, "employee_id": person.employee_id, "name": person.name,
            "employment": person.employment, "department": person.department, "manager": person.manager,
            "status": person.status, "contract_end": person.contract_end, "legal_hold": person.legal_hold,
        },
        "measures": measures.iter().filter(open).map(measures::view).collect::<Vec<_>>(),
        "case": case,
    });
    Reply::json(200, &answer)
}
