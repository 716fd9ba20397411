//! Tells the security team of what was done without asking first. Whoever cannot be told now is told by the next tick.

use crate::{Humans, Ticked};
use leaver_domain::{
    case::Happening,
    ledger::{EventKind, Outcome},
    messages,
    ports::{Change, Messenger, StoreError},
    reviews::Review,
    tasks::TaskId,
};
use serde_json::json;

/// Tells of every open review that somebody has not heard of.
pub(crate) async fn reviews(
    humans: &Humans<'_>,
    limit: usize,
    ticked: &mut Ticked,
) -> Result<(), StoreError> {
    let Some(messenger) = humans.messenger else { return Ok(()) };
    for task in humans.store.tasks(limit).await? {
        let TaskId::Review(id) = task else { continue };
        let told = match humans.store.review(&id).await {
            Ok(Some(review)) => tell(humans, messenger, review).await,
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        match told {
            Ok(more) => ticked.told += more,
            // Somebody closed it meanwhile.
            Err(StoreError::Conflict) => {}
            Err(error) => {
                tracing::error!(review = %id, %error, "could not be told of");
                ticked.failed += 1;
            }
        }
    }
    Ok(())
}

/// How many messages there are more.
async fn tell(
    humans: &Humans<'_>,
    messenger: &dyn Messenger,
    mut review: Review,
) -> Result<usize, StoreError> {
    let (store, policy, before) = (humans.store, &humans.policy.approvals, review.shown.len());
    // The whole team hears of it, and not those alone who may close it.
    let people = policy.security_team.iter().chain(&review.owners).cloned().collect::<Vec<_>>();
    let (message, shown) = (messages::of_review(&review), &mut review.shown);
    let delivered = messages::notify(messenger, store, policy, &people, shown, &message).await;
    for (to, error) in &delivered.failed {
        tracing::warn!(review = %review.review_id, to, %error, "could not be told; it is tried again");
    }
    if !delivered.changed {
        return Ok(0);
    }
    let new: Vec<_> = review.shown.iter().skip(before).map(|shown| &shown.to).collect();
    let told = new.len();
    if told > 0 {
        review.log.push(Happening {
            kind: EventKind::NotificationSent,
            at: humans.now,
            actor: "leaver/approval".into(),
            action: "tell security".into(),
            outcome: Outcome::Success,
            risk: None,
            facts: json!({"kind": review.kind, "case_id": review.case, "told": new, "through": "slack"}),
        });
    }
    review.version += 1;
    store.commit(&[Change::Review(Box::new(review))]).await?;
    Ok(told)
}
