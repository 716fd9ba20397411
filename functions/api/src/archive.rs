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
    let wanted = call.query.get("case");
    let (mut shown, mut more) = (0, false);
    for one in found {
        let place = one.key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
        let Some((Ok(case), name)) = place.map(|(case, name)| (case.parse::<CaseId>(), name)) else {
            continue;
        };
        if wanted.is_some_and(|wanted| case.as_str() != wanted) {
            continue;
        }
        more = shown == MOST;
        if more {
            break;
        }
        shown += 1;
        let name = name.to_owned();
        by_case.entry(case).or_default().push((name, one));
    }
    for case in by_case.keys() {
        told(api, call, case).await?;
    }
    let until = api.now.plus(LINK);
    let mut archives = Vec::new();
    for (case, objects) in &by_case {
        let whole = is_whole(objects.iter().map(|(name, _)| name.as_str()));
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
        "user": person.username, "legal_hold": person.legal_hold, "archives": archives, "more": more,
        "links_expire_at": until,
    });
    Reply::json(200, &answer)
}

/// Whether the newest run of a case is archived whole: its manifest is written last.
fn is_whole<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let mut runs: BTreeMap<u32, bool> = BTreeMap::new();
    for name in names {
        let of_run = name.strip_prefix("run-").and_then(|rest| rest.split_once('/'));
        let later = of_run.and_then(|(run, name)| run.parse().ok().map(|run| (run, name)));
        let (run, name) = later.unwrap_or((1, name));
        *runs.entry(run).or_default() |= name == MANIFEST;
    }
    runs.last_key_value().is_some_and(|(_, whole)| *whole)
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

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn an_archive_is_whole_once_its_newest_run_is() {
        let whole = |names: &[&str]| is_whole(names.iter().copied());
        assert!(whole(&["events.jsonl", "manifest.json"]));
        assert!(!whole(&["events.jsonl"]) && !whole(&[]));
        assert!(whole(&["run-2/events.jsonl", "run-2/manifest.json"]));
        assert!(!whole(&["manifest.json", "run-2/events.jsonl"]), "the newest one counts");
        assert!(whole(&["run-9/events.jsonl", "run-10/manifest.json"]));
    }
}
