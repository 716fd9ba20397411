//! Benefits at Gusto: every enrolment that is active is ended.
//!
//! An enrolment is changed under its version: what changed meanwhile is refused, and read anew before it is tried
//! again. Nothing is deleted, since payroll and the authorities need the enrolment's past. Continued cover (COBRA in the United
//! States) is offered by people, so it is a task.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    gusto::{self, Company},
    http::{Command, Reader, Writer},
    missing_by_reads,
    settings::Settings,
};
use async_trait::async_trait;
use jiff::civil::Date;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Grant, GrantKind, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What is known of benefits without asking.
pub const SPEC: Spec = Spec {
    id: "benefits",
    name: "Benefits (Gusto)",
    part: Part::Record,
    hosts: gusto::HOSTS,
    settings: &[
        ("company_id", "UUID of the company at Gusto"),
        ("access_token", "company access token of an application that is authorised for this company"),
    ],
    scopes: &[
        "employees:read",
        "employee_benefits:read",
        "employee_benefits:read:phi",
        "employee_benefits:write",
    ],
    order: &[
        "Find the employee by work e-mail address, those who left included",
        "Read every enrolment, those that begin later included",
        "Set each active one to inactive, under the version that was just read",
        "Read them all again",
        "Leave a task to offer continued cover",
    ],
    residuals: &[
        "Cover that is paid for lasts as long as the carrier's contract says, often to the end of the month",
        "Continued cover (COBRA) may be chosen for 60 days after the notice, and lasts 18 months or longer",
        "Enrolments that the application may not see, for lack of the scope employee_benefits:read:phi, are not ended",
    ],
    setup: &[
        "Register an application in Gusto's developer portal, and let Gusto approve it for production",
        "Ask for the scopes employees:read, employee_benefits:read, employee_benefits:read:phi and employee_benefits:write; whether the last two were granted shows with their first use only",
        "Authorise it as a primary or full-access administrator, for this one company",
        "Put the company's UUID and the access token into leaver's secret for benefits",
        "Let whatever holds the refresh token write each new access token there: one lives for two hours, and a refresh token works once",
    ],
    roster: Roster::Unlisted("Enrolments are no accounts."),
    source: gusto::SOURCE,
};

/// What stands before an enrolment's id in a target.
const BENEFIT: &str = "benefit:";

struct Benefits {
    company: Company,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let (company, auth) = gusto::open(settings)?;
    Ok((Box::new(Benefits { company }), auth))
}

#[derive(Deserialize)]
struct Enrolment {
    uuid: String,
    company_benefit_uuid: Option<String>,
    version: Option<String>,
    active: bool,
    expiration_date: Option<Date>,
}

impl Enrolment {
    /// Whether it gives cover now or later.
    fn is_alive(&self, today: Date) -> bool {
        self.active && self.expiration_date.is_none_or(|last| last >= today)
    }
}

/// Those that begin later are listed as further versions of what there is now: each is named once.
fn alive(all: &[Enrolment], today: Date) -> Vec<Grant> {
    let mut seen = BTreeSet::new();
    let alive = all.iter().filter(|one| one.is_alive(today) && seen.insert(one.uuid.as_str()));
    let grant = |one: &Enrolment| Grant {
        id: format!("{BENEFIT}{}", one.uuid),
        kind: GrantKind::Resource,
        name: format!("benefit {}", one.company_benefit_uuid.as_ref().unwrap_or(&one.uuid)),
        privileged: false,
        fixed: None,
        sole_holder: false,
    };
    alive.map(grant).collect()
}

fn enrolment(id: &str) -> [&str; 2] {
    ["employee_benefits", id]
}

fn enrolments(employee: &str) -> crate::http::Query {
    gusto::get(["employees", employee, "employee_benefits"]).query("include", "all_benefits")
}

#[async_trait]
impl Adapter for Benefits {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((employee, matched_by)) = self.company.find(http, who, SPEC.id).await? else {
            return Ok(Inventory::absent());
        };
        let all: Vec<Enrolment> = gusto::all(http, enrolments(&employee.uuid)).await?;
        if all.is_empty() {
            return Ok(Inventory::absent());
        }
        let grants = alive(&all, who.day_of(http.now()));
        let account = Account {
            id: employee.uuid.clone(),
            login: employee.work_email.unwrap_or_else(|| who.email.clone()),
            status: if grants.is_empty() { AccountStatus::Suspended } else { AccountStatus::Active },
            matched_by: matched_by.to_owned(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::new(),
        };
        let mut found = Inventory::of(account, Sessions::Listed(Vec::new()));
        found.grants = grants;
        found.assets.push(Asset {
            id: format!("continuation:{}", employee.uuid),
            kind: "continued_cover".into(),
            name: "offer continued cover (COBRA) to the person and their family, within the legal time"
                .into(),
            live_automation: false,
            next: Next::Task,
        });
        Ok(found)
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "Gusto has no log of what an employee did that its API shows"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let end = |grant: &Grant| {
            Action::clean_up(ActionKind::RecordEnd, &grant.id, format!("end of {}", grant.name))
        };
        found.grants.iter().map(end).collect()
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let held = |had: &&Grant| now.grants.iter().any(|held| held.id == had.id);
        let missing = before.grants.iter().filter(|had| now.account.is_some() && !held(had));
        missing.map(|had| Action::clean_up(ActionKind::EnableAccount, &had.id, &had.name)).collect()
    }

    /// An enrolment can be brought back, and leaver makes none.
    fn grant(&self, _: &str) -> Option<Grant> {
        None
    }

    /// Reads the enrolment before it is written: the version is part of the write, and what is so already stays.
    async fn apply(&self, http: &Writer, _: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let active = match action.kind {
            ActionKind::RecordEnd => false,
            ActionKind::EnableAccount => true,
            _ => return Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        };
        let id = action.target.strip_prefix(BENEFIT).unwrap_or(&action.target);
        let now: Enrolment = http.ask(gusto::get(enrolment(id))).await?.json()?;
        if now.active == active {
            return Ok(Outcome::Already);
        }
        let version = now.version.ok_or_else(|| Fault::shape("the enrolment has no version"))?;
        let command = Command::put(["v1"].into_iter().chain(enrolment(id)));
        let command = command.json(json!({"version": version, "active": active}));
        http.tell(gusto::with_version(command)).await.map(|_| Outcome::Done)
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        if before.grants.is_empty() {
            return Vec::new();
        }
        let residue = |what: &str, lasts| Residue { what: what.into(), lasts };
        vec![
            residue("cover that is paid for, to the end that the carrier's contract names", None),
            residue("the choice of continued cover (COBRA)", Some(Duration::from_secs(60 * 86_400))),
        ]
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let missing = missing_by_reads(http, [("employees:read", self.company.some())]).await?;
        if !missing.is_empty() {
            return Ok(missing);
        }
        let Some(uuid) = self.company.anybody(http).await? else { return Ok(Vec::new()) };
        missing_by_reads(http, [("employee_benefits:read", enrolments(&uuid))]).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(self.company.some()).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_no_benefit_and_what_begins_later_is_one() {
        let one = |uuid: &str, active, until: Option<&str>| Enrolment {
            uuid: uuid.into(),
            company_benefit_uuid: None,
            version: None,
            active,
            expiration_date: until.map(|day| day.parse().unwrap()),
        };
        let all = [
            one("a", true, None),
            one("a", true, None),
            one("b", false, None),
            one("c", true, Some("2026-05-30")),
            one("d", true, Some("2026-05-31")),
        ];
        let ids: Vec<String> =
            alive(&all, "2026-05-31".parse().unwrap()).into_iter().map(|grant| grant.id).collect();
        assert_eq!(ids, ["benefit:a", "benefit:d"]);
    }
}
