//! Wires up the publisher of the log.

use crate::{
    config::{Environment, Misconfigured},
    serve::{Failure, RESERVE, WARM, internal, now, run},
};
use lambda_runtime::LambdaEvent;
use leaver_adapters::witness::HttpWitnesses;
use leaver_platform::{Aws, DynamoLedger, KmsSigner, S3Objects};
use leaver_publish::{NotPublished, Publish, Published, announce, handle};
use serde_json::Value;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};
use tokio::time::timeout;

/// Serves changes of the log's head, and the clock.
pub(crate) async fn publish(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (policy, origin) = (environment.policy()?, environment.origin()?);
    let ledger = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &origin);
    let bucket = environment.require("EVIDENCE_BUCKET")?;
    let objects = S3Objects::new(aws, &bucket).map_err(|error| Misconfigured(error.to_string()))?;
    let signer = KmsSigner::new(aws, &environment.require("SIGNING_KEY_ID")?);
    let client = leaver_adapters::http::client().map_err(|fault| Misconfigured(fault.detail))?;
    let witnesses = HttpWitnesses::new(client);
    let _ = timeout(WARM, ledger.warm()).await;
    let announced = AtomicBool::new(false);
    run(aws, async |event: LambdaEvent<Value>| {
        let mut work = Publish {
            ledger: &ledger,
            objects: &objects,
            signer: &signer,
            witnesses: &witnesses,
            policy: &policy,
            origin: &origin,
            now: now(),
            // A stream's event says that something was added; any other is the clock's.
            renew: event.payload.get("Records").is_none(),
        };
        if !announced.load(Ordering::Relaxed) {
            // A reader misses it, the log does not: publishing goes on.
            match announce(&work).await {
                Ok(()) => announced.store(true, Ordering::Relaxed),
                Err(why) => tracing::error!(%why, alarm = why.alarm(), "keys and policy are not published"),
            }
        }
        let deadline = event.context.deadline();
        let mut added = 0;
        loop {
            let done = handle(&work).await.map_err(told)?;
            added += done.added;
            let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
            if done.left == 0 || left < RESERVE * 2 {
                return match done.left {
                    0 => Ok(Published { added, ..done }),
                    rows => Err(internal(format!("{rows} rows wait for the next run"))),
                };
            }
            work.renew = false;
        }
    })
    .await
}

fn told(why: NotPublished) -> Failure {
    tracing::error!(%why, alarm = why.alarm(), "the log is not published");
    internal(why)
}
