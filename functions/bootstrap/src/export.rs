//! Wires up the making of packs of evidence.

use crate::{
    config::{Environment, Misconfigured},
    serve::{Failure, internal, now, run},
};
use aws_lambda_events::dynamodb::Event as StreamEvent;
use lambda_runtime::LambdaEvent;
use leaver_domain::export::Export;
use leaver_platform::{Aws, DynamoCases, DynamoLedger, S3Objects};
use std::path::Path;

/// Serves changes of the exports that were asked for.
pub(crate) async fn export(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let store = DynamoCases::new(aws, &environment.require("CASE_TABLE")?);
    let ledger = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &environment.origin()?);
    let bucket = environment.require("EVIDENCE_BUCKET")?;
    let objects = S3Objects::new(aws, &bucket).map_err(|error| Misconfigured(error.to_string()))?;
    let dir = environment.get("TMPDIR").unwrap_or_else(|| "/tmp".to_owned());
    run(aws, async |event: LambdaEvent<StreamEvent>| {
        let exporting = leaver_export::Exporting {
            store: &store,
            ledger: &ledger,
            objects: &objects,
            archives: &objects,
            dir: Path::new(&dir),
            clock: &now,
        };
        for record in leaver_ledger::records(&event.payload).iter().filter(|record| record.sk == "EXPORT") {
            let Some(asked) = record.new.as_deref().map(serde_json::from_str::<Export>) else { continue };
            match asked {
                Ok(asked) => drop(leaver_export::handle(&exporting, &asked).await.map_err(internal)?),
                // It stays in the table, where a human can look at it.
                Err(error) => {
                    tracing::error!(pk = record.pk, %error, alarm = "export_unreadable", "set aside")
                }
            }
        }
        Ok::<_, Failure>(())
    })
    .await
}
