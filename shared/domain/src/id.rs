//! Identifiers, parsed once at the edge and trusted afterwards.

use crate::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{fmt, str::FromStr};

/// A text that cannot be the identifier it is meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters out of {alphabet}")]
pub struct BadId {
    what: &'static str,
    max: usize,
    alphabet: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $alphabet:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.chars().all(allowed) {
                    return Err(BadId { what: $what, max: $max, alphabet: $alphabet });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'_, str>::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-+@".contains(c)
}

fn token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-:".contains(c)
}

id!(/// A person's login name in the company's directory, such as `john.doe`.
    Username, "username", 64, "letters, digits and . _ - + @", plain);
id!(/// The HRIS's number for a person, such as `EMP-12345`.
    EmployeeId, "employee_id", 64, "letters, digits and . _ - :", token);
id!(/// The HRIS's number for an event; the same id is the same event, however often it is delivered.
    EventId, "event_id", 128, "letters, digits and . _ - :", token);
id!(/// One person's work opened by one trigger.
    CaseId, "case_id", 64, "letters, digits and . _ -", |c| token(c) && c != ':');
id!(/// Something that a human asked for and another human decides about.
    MeasureId, "measure_id", 64, "letters, digits and . _ -", |c| token(c) && c != ':');
id!(/// Many cases that were asked for with one file.
    BatchId, "batch_id", 64, "letters, digits and . _ -", |c| token(c) && c != ':');
id!(/// Something that was done without asking first, and that somebody else has to look at afterwards.
    ReviewId, "review_id", 64, "letters, digits and . _ -", |c| token(c) && c != ':');
id!(/// An outside product whose access is revoked, such as `okta`. Ids are those of the adapter registry.
    SystemId, "system", 32, "lower-case letters, digits and _", |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');

impl CaseId {
    /// The case that a trigger opens. It follows from the trigger alone, so that whoever handles the same
    /// trigger again, at whatever point an earlier attempt died, comes to the same case and the same execution.
    pub fn of_trigger(source: &str, event: &EventId) -> Self {
        let digest =
            Digest::of_parts(&[b"leaver/case/v1\0", source.as_bytes(), b"\0", event.as_str().as_bytes()]);
        Self(format!("case-{}", &digest.to_string()[..24]))
    }
}

impl MeasureId {
    /// The measure that a request of somebody asks for. It follows from the request alone, as with [`CaseId::of_trigger`].
    pub fn of_request(kind: &str, request: &str) -> Self {
        let digest = Digest::of_parts(&[b"leaver/measure/v1\0", kind.as_bytes(), b"\0", request.as_bytes()]);
        Self(format!("measure-{}", &digest.to_string()[..24]))
    }
}

impl BatchId {
    /// The batch that a request of somebody asks for. It follows from the request alone, as with [`CaseId::of_trigger`].
    pub fn of_request(by: &Username, request: &EventId) -> Self {
        let (by, request) = (by.as_str().as_bytes(), request.as_str().as_bytes());
        let digest = Digest::of_parts(&[b"leaver/batch/v1\0", by, b"\0", request]);
        Self(format!("batch-{}", &digest.to_string()[..24]))
    }
}

impl ReviewId {
    /// The review that a case asks for. It follows from the case alone, as with [`CaseId::of_trigger`].
    pub fn of_case(kind: &str, case: &CaseId) -> Self {
        let digest =
            Digest::of_parts(&[b"leaver/review/v1\0", kind.as_bytes(), b"\0", case.as_str().as_bytes()]);
        Self(format!("review-{}", &digest.to_string()[..24]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_could_break_a_key_or_a_url() {
        for bad in ["", "a b", "a/b", "a#b", "a\u{202e}b", "é", &"x".repeat(65)] {
            assert!(bad.parse::<Username>().is_err(), "{bad}");
        }
        assert_eq!("john.doe".parse::<Username>().unwrap().as_str(), "john.doe");
        assert!("Okta".parse::<SystemId>().is_err());
    }

    #[test]
    fn a_case_id_follows_from_its_trigger() {
        let event: EventId = "evt_123456".parse().unwrap();
        assert_eq!(CaseId::of_trigger("hris", &event), CaseId::of_trigger("hris", &event));
        assert_ne!(CaseId::of_trigger("hris", &event), CaseId::of_trigger("api", &event));
        assert!(CaseId::of_trigger("hris", &event).as_str().parse::<CaseId>().is_ok());
    }
}
