//! What is written together: all of it, or nothing.

use crate::{
    cancelled,
    cases::{DynamoCases, built, condition, trouble},
    item::{self, Item, Key},
};
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{Put, ReturnConsumedCapacity::Total, TransactWriteItem},
};
use leaver_domain::ports::{Change, Opening, StoreError};

/// What a failed transaction means.
fn not_written(error: &SdkError<TransactWriteItemsError>) -> StoreError {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(why)) => {
            cancelled::meaning(why.cancellation_reasons())
        }
        _ => trouble(error),
    }
}

impl DynamoCases {
    fn put_in_transaction(&self, item: Item, version: u64) -> Result<TransactWriteItem, StoreError> {
        let (condition, before) = condition(version);
        let put = Put::builder().table_name(&self.table).condition_expression(condition).set_item(Some(item));
        let put = match before {
            Some(before) => put.expression_attribute_values(":before", before),
            None => put,
        };
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// The write of a change: conditional on the version before, where its record has one.
    fn change(&self, change: &Change) -> Result<TransactWriteItem, StoreError> {
        match change {
            Change::Case(case) => self.put_in_transaction(item::of_case(case)?, case.version),
            Change::System(system) => self.put_in_transaction(item::of_system(system)?, system.version),
            Change::Person(person) => self.put_in_transaction(item::of_person(person)?, person.version),
            Change::Measure(measure) => self.put_in_transaction(item::of_measure(measure)?, measure.version),
            Change::Review(review) => self.put_in_transaction(item::of_review(review)?, review.version),
            Change::Brake(brake) => self.put_in_transaction(item::of_brake(brake)?, brake.version),
            Change::Orphan(orphan) => self.put_in_transaction(item::of_orphan(orphan)?, orphan.version),
            Change::Canary(night) => self.put_in_transaction(item::of_canary(night)?, night.version),
            Change::Batch(batch) => self.put_in_transaction(item::of_batch(batch)?, batch.version),
            Change::Lease(lease) => self.put_in_transaction(item::of_lease(lease)?, lease.version),
            Change::Hold(measure, case) => self.list(item::of_held(measure, case, true)),
            Change::Unhold(measure, case) => self.list(item::of_held(measure, case, false)),
        }
    }

    /// The write of a place in a list: no condition, because the records beside it have theirs.
    fn list(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// The writes of what a trigger opens.
    pub(crate) fn opening(&self, opening: &Opening) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut writes = vec![self.put_in_transaction(item::of_mark(&opening.mark)?, 1)?];
        if let Some(person) = &opening.person {
            writes.push(self.put_in_transaction(item::of_person(person)?, person.version)?);
        }
        if let Some((case, systems)) = &opening.case {
            writes.push(self.put_in_transaction(item::of_case(case)?, 1)?);
            if !case.dry_run {
                writes.push(self.list(Key::place(case).attributes())?);
            }
            for system in systems {
                writes.push(self.put_in_transaction(item::of_system(system)?, 1)?);
            }
        }
        if let Some(measure) = &opening.measure {
            writes.push(self.put_in_transaction(item::of_measure(measure)?, 1)?);
        }
        if let Some(ahead) = &opening.ahead {
            writes.push(self.put_in_transaction(item::of_case(ahead)?, ahead.version)?);
        }
        Ok(writes)
    }

    /// The writes of changes that belong together.
    pub(crate) fn changes(&self, changes: &[Change]) -> Result<Vec<TransactWriteItem>, StoreError> {
        // A case that is opened together with something else is found by its person as any other.
        let places = changes.iter().filter_map(|change| match change {
            Change::Case(case) if case.version == 1 && !case.dry_run => {
                Some(self.list(Key::place(case).attributes()))
            }
            _ => None,
        });
        changes.iter().map(|change| self.change(change)).chain(places).collect()
    }

    /// Writes all of it in one transaction.
    pub(crate) async fn write_together(&self, writes: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        let transaction = self.client.transact_write_items().set_transact_items(Some(writes));
        let answer = transaction.return_consumed_capacity(Total).send().await;
        let answer = answer.map_err(|error| not_written(&error))?;
        self.meter.write(answer.consumed_capacity());
        Ok(())
    }
}
