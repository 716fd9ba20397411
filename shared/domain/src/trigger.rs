//! Events from the HRIS, parsed out of untrusted bytes.

use crate::{
    digest::Digest,
    effective::{BadDates, Dates},
    id::{EmployeeId, EventId, Username},
    people::Facts,
    person::{EmploymentType, Person},
    problem::Problem,
    text,
    time::Timestamp,
};
use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Longest name of a person, a role, a department or a place, in characters.
const MAX_WORDS: usize = 120;
/// Largest body of an event, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// What the HRIS reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// The employment ends.
    UserTerminated,
    /// Another role or department.
    UserRoleChanged,
    /// Suspended pending something.
    UserSuspended,
    /// A contractor's contract has run out.
    ContractorExpired,
    /// Somebody who had left comes back.
    UserRehired,
    /// Somebody new.
    UserHired,
    /// A change of a person's record.
    UserUpdated,
    /// A ping.
    Test,
}

impl EventType {
    /// Every type, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::UserTerminated,
        Self::UserRoleChanged,
        Self::UserSuspended,
        Self::ContractorExpired,
        Self::UserRehired,
        Self::UserHired,
        Self::UserUpdated,
        Self::Test,
    ];

    /// Whether each such event opens a case. The others do where they change what somebody is entitled to.
    pub fn opens_a_case(self) -> bool {
        matches!(self, Self::UserTerminated | Self::UserSuspended | Self::ContractorExpired)
    }
}

/// What the HRIS is called as a source of events.
pub const HRIS: &str = "hris";

/// An authenticated, well-formed event.
#[derive(Debug, Clone, PartialEq)]
pub struct HrEvent {
    /// What happened.
    pub kind: EventType,
    /// The HRIS's number for it.
    pub id: EventId,
    /// When the HRIS says it happened.
    pub at: Timestamp,
    /// Whom it is about; `None` only for a `test`.
    pub user: Option<HrUser>,
    /// The dates, in the person's calendar.
    pub dates: Dates,
    /// When access ends.
    pub effective_at: Timestamp,
    /// SHA-256 of the body: the same id with another digest is another event under a used id.
    pub body: Digest,
}

/// Whom an event is about, with every field that the HRIS sent.
#[derive(Debug, Clone, PartialEq)]
pub struct HrUser {
    /// Login name in the directory.
    pub username: Username,
    /// The HRIS's number.
    pub employee_id: EmployeeId,
    /// E-mail address in lower case, where given.
    pub email: Option<String>,
    /// Why, in HR's words.
    pub reason: Option<String>,
    /// What the event says of the person.
    pub facts: Facts,
    /// Fields that leaver does not know, kept as they came.
    pub unknown: Map<String, Value>,
}

#[derive(Deserialize)]
struct Wire {
    event_type: String,
    event_id: EventId,
    timestamp: Timestamp,
    user: Option<WireUser>,
    #[serde(default)]
    metadata: WireMetadata,
}

#[derive(Deserialize)]
struct WireUser {
    username: Username,
    employee_id: EmployeeId,
    email: Option<String>,
    termination_date: Option<civil::Date>,
    #[serde(alias = "suspension_reason", alias = "reason")]
    termination_reason: Option<String>,
    name: Option<String>,
    #[serde(alias = "new_role")]
    role: Option<String>,
    new_department: Option<String>,
    #[serde(alias = "employment_type")]
    employment: Option<EmploymentType>,
    #[serde(default, deserialize_with = "told")]
    contract_end: Option<Option<civil::Date>>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Deserialize, Default)]
struct WireMetadata {
    last_working_day: Option<civil::Date>,
    #[serde(default, deserialize_with = "told")]
    time_zone: Option<Option<String>>,
    department: Option<String>,
    #[serde(default, deserialize_with = "told")]
    manager: Option<Option<Username>>,
    #[serde(default, deserialize_with = "told")]
    location: Option<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    clearance: Option<Option<String>>,
}

/// Tells a field that is there and null, by which HR takes a fact back, from one that is not there.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

fn invalid(detail: String) -> Problem {
    Problem::new(422, "invalid-event", detail)
}

impl HrEvent {
    /// Parses a body.
    ///
    /// # Errors
    /// As a problem for the sender: 413 for too much, 400 for what is not JSON, 422 for what is not an event.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.len() > MAX_BODY {
            return Err(Problem::new(
                413,
                "body-too-large",
                format!("The body is larger than {MAX_BODY} bytes."),
            ));
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Problem::new(
                422,
                "invalid-event",
                format!("The event is not complete or a field is wrong: {error}."),
            ),
            _ => Problem::new(400, "malformed-json", format!("The body is not JSON: {error}.")),
        })?;
        let kind: EventType =
            serde_json::from_value(Value::String(wire.event_type.clone())).map_err(|_| {
                let name: String = wire.event_type.chars().take(64).collect();
                Problem::new(422, "unknown-event-type", format!("leaver knows no event type `{name}`."))
            })?;
        let dates = Dates {
            last_working_day: wire.metadata.last_working_day,
            termination_date: wire.user.as_ref().and_then(|user| user.termination_date),
            time_zone: wire.metadata.time_zone.clone().flatten(),
        };
        let effective_at =
            dates.effective(wire.timestamp).map_err(|error: BadDates| invalid(format!("{error}.")))?;
        let metadata = wire.metadata;
        let user = wire.user.map(|user| HrUser::from_wire(user, metadata)).transpose()?;
        if user.is_none() && kind != EventType::Test {
            return Err(invalid("The event has no `user`.".to_owned()));
        }
        let (id, at) = (wire.event_id, wire.timestamp);
        Ok(Self { kind, id, at, user, dates, effective_at, body: Digest::of(body) })
    }

    /// The event with its days in the person's own calendar, where it does not say in which they are.
    ///
    /// # Errors
    /// 422 for a day that cannot be computed there.
    pub fn in_calendar_of(&self, person: &Person) -> Result<Self, Problem> {
        let dates = self.dates.or_in(person.time_zone.as_deref());
        let effective_at = dates.effective(self.at).map_err(|error| invalid(format!("{error}.")))?;
        Ok(Self { dates, effective_at, ..self.clone() })
    }
}

impl HrUser {
    fn from_wire(wire: WireUser, metadata: WireMetadata) -> Result<Self, Problem> {
        let within = |name: String, value: Option<String>, max| match value {
            None => Ok(None),
            Some(value) => {
                text::clean(&value, max).map(Some).map_err(|error| invalid(format!("`{name}` is {error}.")))
            }
        };
        let field = |name: &str, value, max| within(format!("user.{name}"), value, max);
        let beside = |name: &str, value| within(format!("metadata.{name}"), value, MAX_WORDS);
        let told =
            |name: &str, value: Option<Option<String>>| value.map(|value| beside(name, value)).transpose();
        let facts = Facts {
            name: field("name", wire.name, MAX_WORDS)?,
            role: field("role", wire.role, MAX_WORDS)?,
            department: match field("new_department", wire.new_department, MAX_WORDS)? {
                Some(department) => Some(department),
                None => beside("department", metadata.department)?,
            },
            manager: metadata.manager,
            location: told("location", metadata.location)?,
            time_zone: metadata.time_zone,
            clearance: told("clearance", metadata.clearance)?,
            employment: wire.employment,
            contract_end: wire.contract_end,
        };
        Ok(Self {
            username: wire.username,
            employee_id: wire.employee_id,
            email: field("email", wire.email, 254)?.map(|email| email.to_lowercase()),
            reason: field("termination_reason", wire.termination_reason, 500)?,
            facts,
            unknown: wire.unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"event_type":"user_terminated","event_id":"evt_123456","timestamp":"2026-02-03T14:30:00Z",
        "user":{"username":"john.doe","employee_id":"EMP-12345","email":"John.Doe@example.com","shoe_size":44,
                "termination_date":"2026-02-03","termination_reason":"Resignation"},
        "metadata":{"department":"Engineering","manager":"jane.smith","last_working_day":"2026-02-03","time_zone":"Europe/Berlin"}}"#;

    #[test]
    fn the_documented_payload_is_understood_and_unknown_fields_are_kept() {
        let event = HrEvent::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(event.kind, EventType::UserTerminated);
        assert_eq!(event.effective_at.to_string(), "2026-02-03T14:30:00.000Z");
        let user = event.user.unwrap();
        assert_eq!(user.email.as_deref(), Some("john.doe@example.com"));
        assert_eq!(user.unknown["shoe_size"], 44);
    }

    #[test]
    fn every_documented_event_type_parses() {
        // As the contract names them.
        let names = "user_terminated user_role_changed user_suspended contractor_expired user_rehired user_hired \
                     user_updated test";
        assert_eq!(names.split(' ').count(), EventType::ALL.len());
        for (name, kind) in names.split(' ').zip(EventType::ALL) {
            assert_eq!(serde_json::json!(kind), name);
            let body = SAMPLE.replace("\"user_terminated\"", &format!("\"{name}\""));
            assert!(HrEvent::parse(body.as_bytes()).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_right_status() {
        let status = |body: &str| HrEvent::parse(body.as_bytes()).unwrap_err().status;
        assert_eq!(status("{"), 400);
        assert_eq!(status(""), 400);
        assert_eq!(status("[]"), 422);
        assert_eq!(status(&SAMPLE.replace("user_terminated", "user_promoted")), 422);
        assert_eq!(status(&SAMPLE.replace("john.doe\"", "john doe\"")), 422);
        assert_eq!(status(&SAMPLE.replace("2026-02-03T14:30:00Z", "yesterday")), 422);
        assert_eq!(status(&SAMPLE.replace("Europe/Berlin", "Nowhere")), 422);
        assert_eq!(status(&SAMPLE.replace("Resignation", "\\u202eevil")), 422);
        assert_eq!(status(&SAMPLE.replace("\"event_id\"", "\"event_id\":\"x\",\"event_id\"")), 422);
        assert_eq!(status(&format!("{}{}", SAMPLE, " ".repeat(MAX_BODY))), 413);
        assert_eq!(HrEvent::parse(b"\xff\xfe").unwrap_err().status, 400);
        let ping = r#"{"event_type":"test","event_id":"p1","timestamp":"2026-02-03T14:30:00Z"}"#;
        assert_eq!(HrEvent::parse(ping.as_bytes()).unwrap().kind, EventType::Test);
        assert_eq!(status(&ping.replace("test", "user_hired")), 422);
    }

    #[test]
    fn a_fact_that_is_null_is_taken_back_and_one_that_is_missing_is_not_told() {
        let facts = |body: &str| HrEvent::parse(body.as_bytes()).unwrap().user.unwrap().facts;
        let silent = facts(SAMPLE);
        assert_eq!((silent.contract_end, silent.location, silent.clearance), (None, None, None));
        assert_eq!(silent.time_zone, Some(Some("Europe/Berlin".to_owned())));
        let body = SAMPLE
            .replace("\"shoe_size\":44", "\"contract_end\":null")
            .replace("\"jane.smith\"", "null,\"location\":null,\"clearance\":null")
            .replace("\"Europe/Berlin\"", "null");
        let cleared = facts(&body);
        assert_eq!((cleared.contract_end, cleared.manager), (Some(None), Some(None)));
        assert_eq!(
            (cleared.location, cleared.clearance, cleared.time_zone),
            (Some(None), Some(None), Some(None))
        );
        let dated = facts(&SAMPLE.replace("\"shoe_size\":44", "\"contract_end\":\"2027-01-31\""));
        assert_eq!(dated.contract_end, Some(Some(civil::date(2027, 1, 31))));
    }

    #[test]
    fn a_day_is_over_where_the_person_is_unless_the_event_says_where() {
        let mut john: Person = serde_json::from_value(serde_json::json!({
            "username": "john.doe", "employee_id": "EMP-12345", "email": "john.doe@example.com", "name": "J", "role": "r",
            "employment": "employee", "department": "Engineering", "status": "active", "time_zone": "America/Los_Angeles",
        }))
        .unwrap();
        let ends = |john: &Person, day: &str, zone: &str| {
            let body = SAMPLE
                .replace("\"last_working_day\":\"2026-02-03\"", &format!("\"last_working_day\":\"{day}\""))
                .replace(",\"time_zone\":\"Europe/Berlin\"", zone);
            let event = HrEvent::parse(body.as_bytes()).unwrap().in_calendar_of(john).unwrap();
            (event.effective_at.to_string(), event.dates.time_zone)
        };
        let there = Some("America/Los_Angeles".to_owned());
        for zone in ["", ",\"time_zone\":null"] {
            // The clocks go forward in the night before the second of these days is over.
            assert_eq!(
                ends(&john, "2026-03-07", zone),
                ("2026-03-08T08:00:00.000Z".to_owned(), there.clone())
            );
            assert_eq!(
                ends(&john, "2026-03-08", zone),
                ("2026-03-09T07:00:00.000Z".to_owned(), there.clone())
            );
        }
        let (berlin, _) = ends(&john, "2026-03-07", ",\"time_zone\":\"Europe/Berlin\"");
        assert_eq!(berlin, "2026-03-07T23:00:00.000Z");
        john.time_zone = None;
        assert_eq!(ends(&john, "2026-03-07", "").0, "2026-03-08T00:00:00.000Z");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = HrEvent::parse(&body);
        }
    }
}
