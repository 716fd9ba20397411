//! Why DynamoDB cancelled a transaction: a lost race, too much at once, or something that no repeat makes good.

use aws_sdk_dynamodb::types::CancellationReason;
use leaver_domain::ports::StoreError;

/// What a cancelled transaction means. A race is decided again on what is there now; whatever no repeat makes good comes
/// before everything else, so that it is not taken for one.
pub(crate) fn meaning(reasons: &[CancellationReason]) -> StoreError {
    let (mut race, mut busy) = (false, None);
    for reason in reasons {
        match reason.code() {
            None | Some("None" | "") => {}
            Some("ConditionalCheckFailed" | "TransactionConflict") => race = true,
            Some(code @ ("ThrottlingError" | "ProvisionedThroughputExceeded")) => busy = Some(code),
            Some(code) => {
                let why = reason.message().unwrap_or_default();
                return StoreError::Corrupt(format!("this cannot be written: {code}: {why}"));
            }
        }
    }
    match busy {
        Some(code) if !race => StoreError::Unavailable(code.to_owned()),
        _ => StoreError::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(codes: &[&str]) -> StoreError {
        let reason = |code: &&str| CancellationReason::builder().code(*code).message("m").build();
        meaning(&codes.iter().map(reason).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_race_is_a_conflict() {
        for race in [&["None", "ConditionalCheckFailed"][..], &["TransactionConflict"], &["None"], &[]] {
            assert_eq!(of(race), StoreError::Conflict, "{race:?}");
        }
        assert_eq!(meaning(&[CancellationReason::builder().build()]), StoreError::Conflict);
        for busy in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert_eq!(of(&["None", busy]), StoreError::Unavailable(busy.to_owned()));
            assert_eq!(
                of(&[busy, "ConditionalCheckFailed"]),
                StoreError::Conflict,
                "the race is lost either way"
            );
        }
        for bad in ["ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied"] {
            let error = of(&["ConditionalCheckFailed", "None", bad]);
            assert_eq!(error, StoreError::Corrupt(format!("this cannot be written: {bad}: m")));
        }
    }
}
