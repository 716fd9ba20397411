//! Batches: many cases with one file.

use crate::{Api, Call, Reply, Role, call::invalid, stored};
use futures_util::future::try_join_all;
use leaver_domain::{
    batch::{self, Batch, BatchStatus, Checked, Hold, Line, LineState, NotABatch},
    deciding,
    digest::Digest,
    holds,
    id::{BatchId, CaseId, MeasureId, Username},
    person::Person,
    ports::{Change, Execution, StoreError},
    presence::is_gone,
    problem::Problem,
    text,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest body of a request to cancel, in bytes.
const MAX_BODY: usize = 8 * 1024;
/// Most lines, and most batches, of one page.
const PAGE: usize = 100;
/// How many cases are read at once.
const AT_ONCE: usize = 25;
/// Tries against somebody else who changes the same batch.
const TRIES: usize = 6;
/// Who may ask for a batch, and who may look at one.
const ASKERS: &[Role] = &[Role::Security, Role::Hr];
const READERS: &[Role] = &[Role::Security, Role::Hr, Role::Auditor, Role::Operator];

/// Why a file was not taken, with every bad line.
fn refused(why: &NotABatch) -> Problem {
    let detail = match why {
        NotABatch::File(why) => format!("Nothing was changed: {why}."),
        NotABatch::Lines(bad) => {
            format!(
                "Nothing was changed: {} of the lines cannot be taken. Put them right, and send the file again.",
                bad.len()
            )
        }
    };
    Problem::new(422, "invalid-batch", detail)
}

/// A refusal as a problem document; where lines are bad it names each of them.
fn refusal(why: &NotABatch) -> Result<Reply, Problem> {
    let NotABatch::Lines(bad) = why else { return Err(refused(why)) };
    let mut body = json!(refused(why));
    body["lines"] = json!(bad);
    Reply::problem(422, &body)
}

fn number(call: &Call, name: &str, default: usize, most: usize) -> Result<usize, Problem> {
    let Some(text) = call.query.get(name) else { return Ok(default) };
    text.parse().ok().filter(|number| *number <= most).ok_or_else(|| {
        Problem::new(400, "invalid-parameter", format!("`{name}` must be a number up to {most}."))
    })
}

/// `POST /api/v1/cases/batch`
pub(crate) async fn open(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(ASKERS)?;
    let by = &call.caller.username;
    if is_gone(api.cases, by).await.map_err(stored)? {
        return Err(Problem::forbidden("Whoever is leaving, or has left, opens nothing any more."));
    }
    let dry_run = match call.query.get("dry_run").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("`dry_run` must be `true` or `false`.")),
    };
    let media = call.headers.get("content-type").and_then(|media| media.to_str().ok()).unwrap_or_default();
    if !media.trim_start().to_ascii_lowercase().starts_with("text/csv") {
        let detail = "A batch is a file of comma-separated values: send it with `Content-Type: text/csv`.";
        return Err(Problem::new(415, "unsupported-media-type", detail));
    }
    if call.body.len() > batch::MAX_BYTES {
        let detail = format!("The file is larger than {} bytes: divide it.", batch::MAX_BYTES);
        return Err(Problem::new(413, "body-too-large", detail));
    }
    let id = BatchId::of_request(by, &call.number()?);
    let file = Digest::of(&call.body);
    // A repeat is told by its number before anything is looked at: its people are leaving by now.
    if let Some(known) = api.cases.batch(&id).await.map_err(stored)?.filter(|_| !dry_run) {
        return again(api, &known, &file).await;
    }
    let lines = match batch::parse(&call.body, by) {
        Ok(lines) => lines,
        Err(why) => return refusal(&why),
    };
    let people = people(api, &lines).await?;
    let already = batch::already(api.cases, &lines, &people, api.now).await.map_err(stored)?;
    let checked = match batch::check(lines, &people, &already, api.policy) {
        Ok(checked) => checked,
        Err(why) => return refusal(&why),
    };
    let hold = hold(api, &id, &checked).await?;
    let batch = Batch::recorded(id.clone(), by.clone(), (file, &checked.lines), hold.clone(), api.now);
    if dry_run {
        return receipt(api, (200, false), &batch, &checked.lines, &already).await;
    }
    api.cases.keep_lines(&id, &batch.lines, &checked.lines).await.map_err(stored)?;
    let mut changes = vec![Change::Batch(Box::new(batch.clone()))];
    if let Some(hold) = &hold {
        let gone = deciding::gone(api.cases, &api.policy.approvals).await.map_err(stored)?;
        let measure = holds::request_for_batch(api.policy, gone, &batch, &checked.lines, hold, api.now);
        changes.push(Change::Measure(Box::new(measure)));
    }
    match api.cases.commit(&changes).await {
        Ok(()) => {}
        // The same request came twice at once: whoever was first counts.
        Err(StoreError::Conflict) => {
            let known = api.cases.batch(&id).await.map_err(stored)?;
            return again(api, &known.ok_or_else(Problem::unavailable)?, &file).await;
        }
        Err(error) => return Err(stored(error)),
    }
    start(api, &batch).await;
    receipt(api, (202, false), &batch, &checked.lines, &already).await
}

/// Starts what a batch waits for: the question about it, or its feeding. Where that fails, the minute does it.
async fn start(api: &Api<'_>, batch: &Batch) {
    let execution = match (&batch.measure, batch.status) {
        (Some(measure), BatchStatus::Held) => Execution::Measure(measure.clone()),
        _ => Execution::of_batch(batch),
    };
    if let Err(error) = api.workflow.start(&execution).await {
        tracing::error!(batch = %batch.batch_id, %error, "recorded, but not started: the minute will do it");
    }
}

/// The answer to a repeat: the same batch, and where it stands. One that is over goes on no more.
async fn again(api: &Api<'_>, batch: &Batch, file: &Digest) -> Result<Reply, Problem> {
    if batch.file != *file {
        let detail = "This Idempotency-Key was used for another file. Use a new one.";
        return Err(Problem::new(409, "idempotency-key-reused", detail));
    }
    if matches!(batch.status, BatchStatus::Held | BatchStatus::Running) {
        start(api, batch).await;
    }
    let lines = api.cases.lines(batch).await.map_err(stored)?;
    let waiting = lines.iter().zip(batch.states.iter()).filter(|(_, state)| *state == LineState::Waiting);
    let waiting: Vec<Line> = waiting.map(|(line, _)| line.clone()).collect();
    let people = people(api, &waiting).await?;
    let already = batch::already(api.cases, &waiting, &people, api.now).await.map_err(stored)?;
    receipt(api, (202, true), batch, &lines, &already).await
}

async fn people(api: &Api<'_>, lines: &[Line]) -> Result<BTreeMap<Username, Person>, Problem> {
    let names: Vec<Username> = lines.iter().map(|line| line.username.clone()).collect();
    let people = api.cases.people(&names).await.map_err(stored)?;
    Ok(people.into_iter().map(|person| (person.username.clone(), person)).collect())
}

/// Whether the brake would let fewer people through than the batch is about.
async fn hold(api: &Api<'_>, id: &BatchId, checked: &Checked) -> Result<Option<Hold>, Problem> {
    let brake = api.cases.brake().await.map_err(stored)?;
    let known = match brake.headcount.filter(|_| !brake.wants_headcount(api.now)) {
        Some(count) => count.people,
        None => api.cases.headcount().await.map_err(stored)?,
    };
    let room = brake.room(&api.policy.brake, known, api.now);
    let measure = MeasureId::of_request("batch", id.as_str());
    Ok((checked.people > room).then_some(Hold { measure, people: checked.people, room }))
}

/// Where a batch stands, and a row for each line. `already` says whose lines that wait are done by which case.
async fn receipt(
    api: &Api<'_>,
    (status, duplicate): (u16, bool),
    batch: &Batch,
    lines: &[Line],
    already: &BTreeMap<Username, CaseId>,
) -> Result<Reply, Problem> {
    let mut all: Vec<(&Line, LineState)> = lines.iter().zip(batch.states.iter()).collect();
    all.sort_by_key(|(line, _)| line.line);
    let mut shown = Vec::new();
    for some in all.chunks(AT_ONCE) {
        let of = some.iter().map(|(line, state)| told(api, batch, line, *state, already));
        shown.extend(try_join_all(of).await?);
    }
    let called_off = batch.called_off().map(|row| {
        let (reason, lines) = (&row.facts["reason"], &row.facts["skipped"]);
        json!({"by": row.actor, "at": row.at, "reason": reason, "lines": lines})
    });
    let body = json!({
        "batch_id": batch.batch_id, "duplicate": duplicate, "status": batch.status, "held_by": batch.held_by(),
        "called_off": called_off, "lines": shown,
    });
    Reply::json(status, &body)
}

/// A line: its case, or that by which its person is leaving already; none where it was called off or could not be recorded.
async fn told(
    api: &Api<'_>,
    batch: &Batch,
    line: &Line,
    state: LineState,
    already: &BTreeMap<Username, CaseId>,
) -> Result<Value, Problem> {
    let waits_for_nothing = already.get(&line.username).filter(|_| state == LineState::Waiting);
    let case = match (state, waits_for_nothing) {
        (LineState::Waiting, Some(theirs)) => Some(theirs.clone()),
        (LineState::Waiting, None) => Some(own(batch, line)?),
        _ => case_of(api, batch, line, state).await?,
    };
    let accepted = !matches!(state, LineState::Skipped | LineState::Refused);
    let mut one =
        json!({"line": line.line, "username": line.username, "case_id": case, "accepted": accepted});
    if waits_for_nothing.is_some() || state == LineState::Already {
        one["already"] = json!(true);
    }
    Ok(one)
}

/// The case that a line opens.
fn own(batch: &Batch, line: &Line) -> Result<CaseId, Problem> {
    batch::case_of(&batch.batch_id, line).map_err(|_| Problem::unavailable())
}

/// The case that there is for a line by where it stands.
async fn case_of(
    api: &Api<'_>,
    batch: &Batch,
    line: &Line,
    state: LineState,
) -> Result<Option<CaseId>, Problem> {
    Ok(match state {
        LineState::Waiting | LineState::Skipped | LineState::Refused => None,
        LineState::Already => {
            let event = batch::event_of(&batch.batch_id, line).map_err(|_| Problem::unavailable())?;
            let mark = api.cases.mark(batch::SOURCE, &event).await.map_err(stored)?;
            mark.and_then(|mark| mark.case_id)
        }
        _ => Some(own(batch, line)?),
    })
}

/// A batch without its lines.
fn summary(api: &Api<'_>, batch: &Batch) -> Value {
    json!({
        "batch_id": batch.batch_id, "status": batch.status, "by": batch.by, "created_at": batch.created_at,
        "begun_at": batch.begun_at, "ended_at": batch.ended_at, "file": batch.file, "total": batch.states.len(),
        "counts": batch.states.named_counts(), "progress": batch.progress(api.now),
        "held_by": batch.held_by(), "released": batch.released,
    })
}

/// `GET /api/v1/batches`
pub(crate) async fn list(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(READERS)?;
    let limit = number(call, "limit", 20, PAGE)?.max(1);
    let page = api.cases.batches(call.query.get("from").map(String::as_str), limit).await.map_err(stored)?;
    let batches: Vec<Value> = page.batches.iter().map(|batch| summary(api, batch)).collect();
    Reply::json(200, &json!({"batches": batches, "next": page.next}))
}

async fn find(api: &Api<'_>, id: &str) -> Result<Batch, Problem> {
    let id: BatchId = id.parse().map_err(|_| Problem::not_found())?;
    api.cases.batch(&id).await.map_err(stored)?.ok_or_else(Problem::not_found)
}

/// `GET /api/v1/batches/{id}`
pub(crate) async fn show(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(READERS)?;
    let batch = find(api, id).await?;
    let mut view = summary(api, &batch);
    let limit = number(call, "limit", PAGE, PAGE)?;
    if limit > 0 {
        let from = number(call, "from", 0, batch::MAX_LINES)?;
        let (lines, next) = page(api, &batch, from, limit).await?;
        view["lines"] = json!(lines);
        view["next"] = json!(next);
    }
    Reply::json(200, &view)
}

/// Some lines in the order of the file, each with its case as it stands now.
async fn page(
    api: &Api<'_>,
    batch: &Batch,
    from: usize,
    limit: usize,
) -> Result<(Vec<Value>, Option<usize>), Problem> {
    let lines = api.cases.lines(batch).await.map_err(stored)?;
    let mut all: Vec<(&Line, LineState)> = lines.iter().zip(batch.states.iter()).collect();
    all.sort_by_key(|(line, _)| line.line);
    let wanted: Vec<_> = all.iter().skip(from).take(limit).collect();
    let next = (from + wanted.len() < all.len()).then_some(from + wanted.len());
    let mut shown = Vec::new();
    for some in wanted.chunks(AT_ONCE) {
        let of = some.iter().map(|(line, state)| one(api, batch, line, *state));
        shown.extend(try_join_all(of).await?);
    }
    Ok((shown, next))
}

async fn one(api: &Api<'_>, batch: &Batch, line: &Line, state: LineState) -> Result<Value, Problem> {
    let case = case_of(api, batch, line, state).await?;
    let record = match &case {
        Some(case) => api.cases.case(case).await.map_err(stored)?,
        None => None,
    };
    Ok(json!({
        "line": line.line, "username": line.username, "reason": line.reason, "first": line.first, "state": state,
        "case_id": case, "case_status": record.map(|case| case.status),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    reason: String,
}

/// `POST /api/v1/batches/{id}/cancel`
pub(crate) async fn cancel(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(ASKERS)?;
    let by = &call.caller.username;
    if is_gone(api.cases, by).await.map_err(stored)? {
        return Err(Problem::forbidden("Whoever is leaving, or has left, calls nothing off any more."));
    }
    let asked: Cancel = call.json(MAX_BODY)?;
    let reason = text::clean(&asked.reason, 500).map_err(|error| invalid(format!("`reason` is {error}.")))?;
    for _ in 0..TRIES {
        let batch = find(api, id).await?;
        let cancelled = holds::cancel_batch(api.cases, api.workflow, &batch, by, &reason, api.now).await;
        match cancelled {
            Ok(Some(next)) => return Reply::json(200, &summary(api, &next)),
            Ok(None) => {
                let detail = "Everything of this batch is recorded or was called off. A case that runs goes on; what it took away \
                              can be given back with a restore.";
                return Err(Problem::new(409, "batch-cannot-be-cancelled", detail));
            }
            // A line was claimed in between: what is left now counts.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(stored(error)),
        }
    }
    Err(stored(StoreError::Conflict))
}
