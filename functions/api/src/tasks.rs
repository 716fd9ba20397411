//! Tasks and reviews: whose they are, closing them with a statement, and the files that were given with it.

use crate::{Api, Call, Reply, Role, call::invalid, not_done, stored};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    case::Attachment,
    digest::Digest,
    ports::{StoreError, Unless},
    problem::Problem,
    tasks::{self, Closer, Host, MAX_BYTES, MAX_FILES, TaskId},
    text,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Most tasks that are looked at for a list, and most that are shown.
const READ: usize = 1_000;
const SHOWN: usize = 200;
/// Longest body of a request, in bytes: the files in base64, and room for the rest.
const MAX_BODY: usize = MAX_BYTES / 3 * 4 + 64 * 1024;
/// Longest name of a file, in characters.
const MAX_NAME: usize = 120;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    statement: String,
    #[serde(default)]
    evidence: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    media_type: String,
    data: String,
}

/// `GET /api/v1/tasks`: the open tasks that the caller may know of, the earliest due first.
pub(crate) async fn list(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    let ids = api.cases.tasks(READ).await.map_err(stored)?;
    let (mut shown, mut more): (Vec<Value>, bool) = (Vec::new(), ids.len() >= READ);
    for id in ids {
        // The index is a little behind: what was closed meanwhile is not shown.
        let host = match Host::find(api.cases, &id).await {
            // One that cannot be read hides no other.
            Err(StoreError::Corrupt(why)) => {
                tracing::error!(task = %id, why, "cannot be read");
                continue;
            }
            found => found.map_err(stored)?.filter(Host::is_open),
        };
        if let Some(host) = host
            && visible(api, call, &host).await?
        {
            if shown.len() >= SHOWN {
                more = true;
                break;
            }
            shown.push(host.view(api.now));
        }
    }
    Reply::json(200, &json!({"tasks": shown, "more": more}))
}

/// Whether the caller may know of a task: security, operators and auditors of every one; others of their own and, as
/// managers, of those about their reports.
async fn visible(api: &Api<'_>, call: &Call, host: &Host) -> Result<bool, Problem> {
    let everything = [Role::Security, Role::Operator, Role::Auditor];
    if call.caller.is(&everything) || host.owners().contains(&call.caller.username) {
        return Ok(true);
    }
    if !call.caller.is(&[Role::Manager]) {
        return Ok(false);
    }
    let person = api.cases.person(host.subject()).await.map_err(stored)?;
    Ok(person.is_some_and(|person| call.caller.manages(&person)))
}

/// The task of an id, where the caller may know of it.
async fn find(api: &Api<'_>, call: &Call, id: &str) -> Result<Host, Problem> {
    let id: TaskId = id.parse().map_err(|_| Problem::not_found())?;
    let host = Host::find(api.cases, &id).await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    if visible(api, call, &host).await? { Ok(host) } else { Err(Problem::not_found()) }
}

/// `POST /api/v1/tasks/{id}`: closes a task. Everything that can be refused is refused before a file is stored.
pub(crate) async fn close(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let host = find(api, call, id).await?;
    // What security may close for others, operators may as well, but not look after an emergency.
    let stewards: &[Role] = match &host {
        Host::System(..) => &[Role::Security, Role::Operator],
        Host::Review(_) => &[Role::Security],
    };
    let by = Closer { username: call.caller.username.clone(), steward: call.caller.is(stewards) };
    let gone = tasks::gone(api.cases, [&by.username]).await.map_err(stored)?;
    host.may_close(&by, !gone.is_empty(), api.now)?;
    let asked: Close = call.json(MAX_BODY)?;
    let said = tasks::statement(&asked.statement)?;
    let files = files(&asked.evidence)?;
    for (attachment, bytes) in &files {
        keep(api, &host, attachment, bytes).await?;
    }
    let evidence: Vec<Attachment> = files.into_iter().map(|(attachment, _)| attachment).collect();
    let closed = tasks::close(api.cases, api.workflow, &host.id(), &by, &said, &evidence, api.now).await;
    let closed = closed.map_err(not_done)?;
    if let Some(error) = closed.not_started {
        tracing::error!(task = %host.id(), %error, "closed, but the case was not started: the sweep will start it");
    }
    Reply::json(200, &closed.host.view(api.now))
}

/// The files of a request, checked.
fn files(given: &[File]) -> Result<Vec<(Attachment, Vec<u8>)>, Problem> {
    if given.len() > MAX_FILES {
        return Err(invalid(format!("`evidence` holds more than {MAX_FILES} files.")));
    }
    let mut files = Vec::new();
    let mut total = 0;
    for file in given {
        let name = text::clean(&file.name, MAX_NAME)
            .map_err(|error| invalid(format!("The name of a file is {error}.")))?;
        if name.contains(['/', '\\']) {
            return Err(invalid(format!("`{name}` is a path, and not the name of a file.")));
        }
        if !is_media_type(&file.media_type) {
            return Err(invalid(format!("The media type of `{name}` is not one, such as `image/png`.")));
        }
        let bytes = BASE64_STANDARD.decode(&file.data);
        let bytes = bytes.map_err(|_| invalid(format!("`data` of `{name}` is not base64 (RFC 4648, 4).")))?;
        if bytes.is_empty() {
            return Err(invalid(format!("`{name}` is empty.")));
        }
        total += bytes.len();
        if total > MAX_BYTES {
            let detail = format!("The files are larger than {MAX_BYTES} bytes together.");
            return Err(Problem::new(413, "body-too-large", detail));
        }
        let attachment = Attachment {
            name,
            media_type: file.media_type.clone(),
            size: bytes.len() as u64,
            sha256: Digest::of(&bytes),
        };
        files.push((attachment, bytes));
    }
    Ok(files)
}

fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    text.len() <= 100 && text.split_once('/').is_some_and(|(one, other)| part(one) && part(other))
}

/// Stores a file under its digest, for as long as the ledger is kept. One that is there already is the same.
async fn keep(api: &Api<'_>, host: &Host, file: &Attachment, bytes: &[u8]) -> Result<(), Problem> {
    let lasts = Duration::from_secs(86_400 * u64::from(api.policy.ledger.retention_days));
    let until = Some(api.now.plus(lasts));
    let placed = api.objects.put(&host.key_of(file), bytes, Unless::Exists, until).await;
    placed.map(|_| ()).map_err(stored)
}

/// `GET /api/v1/tasks/{id}/evidence/{sha256}`: a file that was given when the task was closed.
pub(crate) async fn evidence(api: &Api<'_>, call: &Call, id: &str, sha256: &str) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Security, Role::Auditor])?;
    let host = find(api, call, id).await?;
    let given = host.closed().map(|closed| closed.evidence.as_slice()).unwrap_or_default();
    let file = given.iter().find(|file| file.sha256.to_string() == sha256);
    let file = file.ok_or_else(Problem::not_found)?;
    let object = api.objects.get(&host.key_of(file)).await.map_err(stored)?;
    let object = object.ok_or_else(Problem::not_found)?;
    if Digest::of(&object.bytes) != file.sha256 {
        return Err(stored(StoreError::Corrupt(format!("{} is not what was given", host.key_of(file)))));
    }
    // Never shown as what it claims to be: a browser must not run what somebody gave as evidence.
    Ok(Reply::bytes("application/octet-stream", object.bytes, false))
}
