//! Whether a person's data has to be kept, and why. Access goes all the same; what may lose data is not done.

use crate::{
    case::CaseRecord,
    measure::{ExceptionKind, Measure, What},
    person::Person,
    time::Timestamp,
};

/// Why nothing of a person may be destroyed at an instant; `None` where nothing forbids it. Whoever destroys anything asks
/// this first, with records that were read for it.
pub fn reason(
    case: Option<&CaseRecord>,
    person: &Person,
    measures: &[Measure],
    now: Timestamp,
) -> Option<String> {
    if let Some(hold) = &person.legal_hold {
        return Some(format!("legal hold since {}: {}", hold.since, hold.reason));
    }
    let retention = |measure: &&Measure| {
        let is_hold = matches!(&measure.what, What::Exception { what: ExceptionKind::RetentionHold, .. });
        is_hold && measure.is_active(now)
    };
    if let Some(hold) = measures.iter().find(retention) {
        return Some(format!("retention hold ({}): {}", hold.measure_id, hold.reason));
    }
    let asked = case.filter(|case| case.preserve_data)?;
    Some(format!("{} asks for the data to be kept", asked.case_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::LegalHold;

    #[test]
    fn a_legal_hold_is_named_first_and_nothing_is_no_reason() {
        let now: Timestamp = "2026-02-03T14:30:00.000Z".parse().unwrap();
        let mut person: Person = serde_json::from_value(serde_json::json!({
            "username": "john.doe", "employee_id": "E1", "email": "j@example.com", "name": "J", "role": "r",
            "employment": "employee", "department": "d", "status": "leaving",
        }))
        .unwrap();
        assert_eq!(reason(None, &person, &[], now), None);
        person.legal_hold = Some(LegalHold { reason: "matter 7".into(), since: now });
        assert!(reason(None, &person, &[], now).unwrap().contains("matter 7"));
    }
}
