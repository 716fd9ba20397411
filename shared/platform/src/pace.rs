//! The lanes of [`leaver_domain::pace`] on DynamoDB: one item each, moved on by one conditional update, so that of many
//! functions at once each gets a place of its own. The meeting places of [`leaver_domain::gathering`] lie beside them.

use crate::{Aws, item::text};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue},
};
use leaver_domain::{
    gathering::Gathering,
    pace::{Budget, Call, Pacer},
    ports::StoreError,
    time::Timestamp,
};
use std::{collections::BTreeSet, time::Duration};

/// How long a lane that nobody uses is kept.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Tries against others who move the same lane on.
const TRIES: u32 = 8;

/// The lanes.
#[derive(Debug, Clone)]
pub struct DynamoPace {
    client: Client,
    table: String,
}

fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.millis().to_string())
}

impl DynamoPace {
    /// In this table.
    pub fn new(aws: &Aws, table: &str) -> Self {
        Self { client: aws.dynamodb(), table: table.to_owned() }
    }

    /// Moves a lane on if the condition holds; where it then stands.
    async fn moved(
        &self,
        lane: &str,
        (set, condition): (&str, &str),
        values: &[(&str, AttributeValue)],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let kept = now.plus(KEPT).seconds().to_string();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("lane", text(lane))
            .update_expression(format!("SET tat = {set}, expires_at = :kept"))
            .condition_expression(condition)
            .expression_attribute_values(":kept", AttributeValue::N(kept))
            .return_values(ReturnValue::UpdatedNew);
        for (name, value) in values {
            update = update.expression_attribute_values(*name, value.clone());
        }
        match update.send().await {
            Ok(done) => {
                let tat = done.attributes().and_then(|new| new.get("tat")).and_then(|tat| tat.as_n().ok());
                let tat = tat.and_then(|tat| tat.parse().ok()).and_then(Timestamp::from_millis);
                tat.map(Some).ok_or_else(|| StoreError::Corrupt("a lane without its instant".to_owned()))
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(crate::cases::trouble(&error)),
        }
    }
}

#[async_trait]
impl Pacer for DynamoPace {
    async fn enter(
        &self,
        system: &str,
        budget: &Budget,
        call: Call,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        let lane = format!("{system}#{}", budget.lane);
        let (interval, tolerance) = (budget.interval(), budget.tolerance(call));
        let step = AttributeValue::N(interval.as_millis().to_string());
        let latest = now.plus(tolerance).plus(patience);
        for _ in 0..TRIES {
            // One that is used up already is begun anew; the others are moved on by one call.
            let anew = (":new", "attribute_not_exists(tat) OR tat <= :now");
            let values = [(":new", millis(now.plus(interval))), (":now", millis(now))];
            if self.moved(&lane, anew, &values, now).await?.is_some() {
                return Ok(Some(Duration::ZERO));
            }
            let on = ("tat + :step", "tat <= :latest");
            let values = [(":step", step.clone()), (":latest", millis(latest))];
            if let Some(tat) = self.moved(&lane, on, &values, now).await? {
                return Ok(Some(tat.minus(interval).since(now).saturating_sub(tolerance)));
            }
            // Either it is full, or it was used up between the two looks.
            if self.stands(&lane).await?.is_some_and(|tat| tat > latest) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    async fn hold(&self, system: &str, until: Timestamp) -> Result<(), StoreError> {
        let later = (":until", "attribute_not_exists(tat) OR tat < :until");
        self.moved(system, later, &[(":until", millis(until))], until).await.map(drop)
    }

    async fn held(&self, system: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.stands(system).await?.filter(|until| *until > now))
    }
}

impl DynamoPace {
    async fn stands(&self, lane: &str) -> Result<Option<Timestamp>, StoreError> {
        let read = self.client.get_item().table_name(&self.table).key("lane", text(lane));
        let found = read.send().await.map_err(|error| crate::cases::trouble(&error))?;
        let tat = found.item().and_then(|item| item.get("tat")).and_then(|tat| tat.as_n().ok());
        Ok(tat.and_then(|tat| tat.parse().ok()).and_then(Timestamp::from_millis))
    }
}

fn place(case: &str) -> String {
    format!("gathering#{case}")
}

/// Everybody of an item, as it was returned.
fn everybody(item: Option<&std::collections::HashMap<String, AttributeValue>>) -> BTreeSet<String> {
    let names = item.and_then(|item| item.get("present")).and_then(|present| present.as_ss().ok());
    names.into_iter().flatten().cloned().collect()
}

#[async_trait]
impl Gathering for DynamoPace {
    async fn come(&self, case: &str, who: &str, now: Timestamp) -> Result<BTreeSet<String>, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("lane", text(place(case)))
            .update_expression("ADD present :who SET expires_at = :kept")
            .expression_attribute_values(":who", AttributeValue::Ss(vec![who.to_owned()]))
            .expression_attribute_values(":kept", AttributeValue::N(now.plus(KEPT).seconds().to_string()))
            .return_values(ReturnValue::AllNew);
        let done = update.send().await.map_err(|error| crate::cases::trouble(&error))?;
        Ok(everybody(done.attributes()))
    }

    async fn present(&self, case: &str) -> Result<BTreeSet<String>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("lane", text(place(case)))
            .consistent_read(true);
        let found = read.send().await.map_err(|error| crate::cases::trouble(&error))?;
        Ok(everybody(found.item()))
    }
}
