//! Archives what is known of whoever left, once their case has come to rest, and brings holds to what lies there.
//!
//! Containment never waits for it: it looks for what is due by itself. Each object may be written twice; an archive counts
//! only with its manifest, which is written last, and with its row, which names the manifest's digest.

mod hold;

use leaver_domain::{
    archive::{self, Known, Made, manifest, parts, prefix_of},
    case::{CaseRecord, Happening},
    digest::Digest,
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::Person,
    policy::Policy,
    ports::{CaseStore, StoreError},
    time::Timestamp,
    vault::{Keep, Vault},
};
use serde::Serialize;
use serde_json::json;

/// Most archives made, and most holds brought, in one go.
const LIMIT: usize = 20;
/// Who says so in the rows.
const ACTOR: &str = "leaver/archive";

/// What the function works with.
pub struct Archiving<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// Where archives lie.
    pub vault: &'a dyn Vault,
    /// Now.
    pub now: Timestamp,
}

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Archived {
    /// Archives that are whole now.
    pub made: usize,
    /// Holds that every object has now, or is rid of.
    pub held: usize,
    /// Archives and holds with which something went wrong; a later run tries again.
    pub failed: usize,
}

/// Makes what is due, and brings the holds that are on their way.
///
/// # Errors
/// Where the table cannot be read.
pub async fn handle(archiving: &Archiving<'_>) -> Result<Archived, StoreError> {
    let mut done = Archived::default();
    // A hold goes first: what it protects is there already.
    let holds = archiving.store.holds_due(archiving.now, LIMIT).await;
    for measure in holds.iter().flatten() {
        match hold::bring(archiving, measure).await {
            Ok(true) => done.held += 1,
            // Somebody else was faster, or it is no longer due.
            Ok(false) | Err(StoreError::Conflict) => {}
            Err(error) => {
                tracing::error!(%measure, %error, alarm = "hold_not_brought", "a hold is not on the archive yet");
                done.failed += 1;
            }
        }
    }
    for case in archiving.store.archives_due(archiving.now, LIMIT).await? {
        match make(archiving, &case).await {
            Ok(true) => done.made += 1,
            Ok(false) | Err(StoreError::Conflict) => {}
            Err(error) => {
                tracing::error!(%case, %error, alarm = "not_archived", "could not be archived");
                done.failed += 1;
                give_up_for_now(archiving, &case, &error).await;
            }
        }
    }
    holds.map(|_| done)
}

/// Makes the archive of a case. Whether one was made.
async fn make(archiving: &Archiving<'_>, id: &CaseId) -> Result<bool, StoreError> {
    // The index is a little behind: it may be no longer due.
    let case = archiving.store.case(id).await?.filter(|case| archive::due(case).is_some());
    let Some(mut case) = case else { return Ok(false) };
    let person = person(archiving, &case).await?;
    let systems = archiving.store.systems(id).await?;
    let mut befores = Vec::new();
    for record in &systems {
        befores.push(archiving.store.before(id, &record.system).await?);
    }
    let known: Vec<Known<'_>> = systems
        .iter()
        .zip(&befores)
        .map(|(record, before)| Known { record, before: before.as_ref() })
        .collect();
    let (data, now) = (&archiving.policy.data, archiving.now);
    let until = data.retain_until(now);
    let held = hold::is_held(archiving, &person.username).await?;
    let keep = Keep { lock: data.lock, until, held };
    let prefix = prefix_of(&case.person.username, id, case.run);
    let parts = parts(&person, &case, &known);
    for part in &parts {
        archiving.vault.keep(&format!("{prefix}{}", part.name), &part.bytes, keep).await?;
    }
    let list = manifest(&case, &parts, until, data);
    archiving.vault.keep(&format!("{prefix}{}", list.name), &list.bytes, keep).await?;
    let made = Made {
        at: now,
        run: case.run,
        prefix: prefix.clone(),
        objects: parts.len(),
        bytes: parts.iter().map(|part| part.bytes.len() as u64).sum(),
        manifest: Digest::of(&list.bytes),
        until,
        held,
    };
    // A hold that was placed while this was being written has looked at what was there by then, and not at the rest.
    let held_now = hold::is_held(archiving, &person.username).await?;
    if held_now != held {
        hold::set(archiving, &prefix, held_now).await?;
    }
    case.log.push(row(&case, &made, now));
    if let Some(archive) = &mut case.archive {
        archive.done(made);
    }
    case.checkpoint_size = None;
    case.version += 1;
    archiving.store.put_case(&case).await?;
    tracing::info!(case = %id, prefix, "archived");
    Ok(true)
}

async fn person(archiving: &Archiving<'_>, case: &CaseRecord) -> Result<Person, StoreError> {
    let found = archiving.store.person(&case.person.username).await?;
    found.ok_or_else(|| StoreError::Corrupt(format!("{} is not known any more", case.person.username)))
}

fn row(case: &CaseRecord, made: &Made, now: Timestamp) -> Happening {
    Happening {
        kind: EventKind::DataArchived,
        at: now,
        actor: ACTOR.into(),
        action: "archive".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "prefix": made.prefix, "objects": made.objects, "bytes": made.bytes, "manifest": made.manifest,
            "retained_until": made.until, "legal_hold": made.held, "run": made.run,
            "policy_digest": case.policy_digest,
        }),
    }
}

/// Writes down that it could not be made, so that it is tried again later and shows.
async fn give_up_for_now(archiving: &Archiving<'_>, id: &CaseId, error: &StoreError) {
    let noted = async {
        let case = archiving.store.case(id).await?.filter(|case| archive::due(case).is_some());
        let Some(mut case) = case else { return Ok(()) };
        if let Some(archive) = &mut case.archive {
            archive.failed(error.to_string(), archiving.now);
        }
        case.version += 1;
        archiving.store.put_case(&case).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(case = %id, %error, "the failure could not be written down");
    }
}
