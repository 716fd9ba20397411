//! What a reader of the published log needs beside it: the keys, and the settings under which cases ran.

use crate::{NotPublished, Publish};
use leaver_domain::ports::{Placed, StoreError, Unless};
use serde_json::json;

/// Name of the list of keys.
const KEYS: &str = "keys.json";

/// Writes the list of keys and the policy in force, where they are not there yet. Once per process is enough: both change
/// with a deployment only.
///
/// # Errors
/// A store or the signer failed, or another policy lies under this one's digest.
pub async fn announce(publish: &Publish<'_>) -> Result<(), NotPublished> {
    let unwritten = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let settings = &publish.policy.ledger;
    let keys = json!({
        "origin": publish.origin,
        "log": [publish.key().await?.to_string()],
        "witnesses": settings.witnesses.iter().map(|witness| &witness.vkey).collect::<Vec<_>>(),
        "quorum": settings.quorum,
    });
    let keys = serde_json::to_vec(&keys).map_err(unwritten)?;
    let there = publish.objects.get(KEYS).await?;
    let changed = there.as_ref().is_none_or(|there| there.bytes != keys);
    let unless = there.map_or(Unless::Exists, |there| Unless::ChangedFrom(there.tag));
    if changed && publish.objects.put(KEYS, &keys, unless, None).await? == Placed::Refused {
        tracing::info!("another publisher wrote the keys at the same time");
    }
    // The digest that stands in every trigger row is that of these bytes.
    let policy = serde_json::to_vec(publish.policy).map_err(unwritten)?;
    publish.keep(&format!("policies/{}.json", publish.policy.digest()), &policy).await
}
