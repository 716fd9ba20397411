//! `GET /api/v1/employees/{id}/archive`: what is archived of somebody, with links that are good for a short while. Whoever
//! looks leaves a row with each case that is shown, before they see anything.

use crate::{Api, Call, Reply, Role, employees::whom, stored};
use leaver_domain::{
    archive::{MANIFEST, prefix_of_person},
    case::Happening,
    id::CaseId,
    ledger::{EventKind, Outcome},
    ports::StoreError,
    problem::Problem,
    vault::{self, Stored},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// How long a link is good.
const LINK: Duration = Duration::from_secs(900);
/// Most objects that are shown at once.
const MOST: usize = 2_000;
/// Tries against others who change the same case.
const TRIES: usize = 5;

pub(crate) async fn show(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Compliance])?;
    let person = whom(api, call, id, true).await?;
    let not_here = || Problem::new(503, "not-served-here", "Archives are not served by this function.");
    let vault = api.vault.ok_or_else(not_here)?;
    let prefix = prefix_of_person(&person.username);
    let mut found = vault::all(vault, &prefix).await.map_err(stored)?;
    found.retain(|one| one.is_latest);
    let mut by_case: BTreeMap<CaseId, Vec<(String, Stored)>> = BTreeMap::new();
    for one in found.into_iter().take(MOST) {
        let place = one.key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
        let Some((Ok(case), name)) = place.map(|(case, name)| (case.parse::<CaseId>(), name)) else {
            continue;
        };
        let name = name.to_owned();
        by_case.entry(case).or_default().push((name, one));
    }
    if let Some(wanted) = call.query.get("case") {
        by_case.retain(|case, _| case.as_str() == wanted);
    }
    for case in by_case.keys() {
        told(api, call, case).await?;
    }
    let until = api.now.plus(LINK);
    let mut archives = Vec::new();
    for (case, objects) in &by_case {
        // Without its manifest it is not whole.
        let whole = objects.iter().any(|(name, _)| name == MANIFEST);
        let mut shown = Vec::new();
        for (name, one) in objects {
            let url = vault.link(one, LINK).map_err(stored)?;
            shown.push(
                json!({"name": name, "size": one.size, "version": one.version, "at": one.at, "url": url}),
            );
        }
        archives.push(json!({"case_id": case, "complete": whole, "objects": Value::Array(shown)}));
    }
    let answer = json!({
        "user": person.username, "legal_hold": person.legal_hold, "archives": archives, "links_expire_at": until,
    });
    Reply::json(200, &answer)
}

/// Writes the row that says who looked.
async fn told(api: &Api<'_>, call: &Call, id: &CaseId) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let Some(mut case) = api.cases.case(id).await.map_err(stored)? else { return Ok(()) };
        if case.is_closing() {
            let detail = "The case is just being closed. Try again in a moment.";
            return Err(Problem::new(409, "not-possible-now", detail));
        }
        case.log.push(Happening {
            kind: EventKind::ArchiveRead,
            at: api.now,
            actor: call.caller.username.to_string(),
            action: "look at the archive".into(),
            outcome: Outcome::Success,
            risk: None,
            facts: json!({"links_for_seconds": LINK.as_secs()}),
        });
        case.checkpoint_size = None;
        case.version += 1;
        match api.cases.put_case(&case).await {
            Err(StoreError::Conflict) => {}
            other => return other.map_err(stored),
        }
    }
    Err(stored(StoreError::Conflict))
}
