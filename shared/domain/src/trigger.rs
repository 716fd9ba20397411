//! Events from the HRIS, parsed out of untrusted bytes.

use crate::{
    digest::Digest,
    effective::{BadDates, Dates},
    id::{EmployeeId, EventId, Username},
    people::Facts,
    person::EmploymentType,
    problem::Problem,
    text,
    time::Timestamp,
};
use jiff::civil;
use serde::{Deserialize, Serialize};
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
    contract_end: Option<civil::Date>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Deserialize, Default)]
struct WireMetadata {
    last_working_day: Option<civil::Date>,
    time_zone: Option<String>,
    department: Option<String>,
    manager: Option<Username>,
    location: Option<String>,
    clearance: Option<String>,
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
            time_zone: wire.metadata.time_zone.clone(),
        };
        let invalid = |detail: String| Problem::new(422, "invalid-event", detail);
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
}

impl HrUser {
    fn from_wire(wire: WireUser, metadata: WireMetadata) -> Result<Self, Problem> {
        let within = |name: String, value: Option<String>, max| match value {
            None => Ok(None),
            Some(value) => text::clean(&value, max)
                .map(Some)
                .map_err(|error| Problem::new(422, "invalid-event", format!("`{name}` is {error}."))),
        };
        let field = |name: &str, value, max| within(format!("user.{name}"), value, max);
        let beside = |name: &str, value| within(format!("metadata.{name}"), value, MAX_WORDS);
        let facts = Facts {
            name: field("name", wire.name, MAX_WORDS)?,
            role: field("role", wire.role, MAX_WORDS)?,
            department: match field("new_department", wire.new_department, MAX_WORDS)? {
                Some(department) => Some(department),
                None => beside("department", metadata.department)?,
            },
            manager: metadata.manager,
            location: beside("location", metadata.location)?,
            time_zone: metadata.time_zone,
            clearance: beside("clearance", metadata.clearance)?,
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

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = HrEvent::parse(&body);
        }
    }
}
