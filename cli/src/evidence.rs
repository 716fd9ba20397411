//! Asks for a pack of evidence, waits for it, fetches it and unpacks it.

use crate::{
    api::{Client, http, segment},
    failure::{Context as _, Failure},
    progress::Progress,
};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{BufReader, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// How long is waited for a pack: longer than making one may take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Exports a period into a directory that is not there yet, or is empty. What the API said about the pack.
///
/// # Errors
/// Where the API refuses, the pack cannot be made or fetched, is not what the API says, or the directory is in use.
pub async fn export(
    api: &Client,
    period: (&str, &str),
    to: &Path,
    progress: &Progress,
) -> Result<Value, Failure> {
    free(to)?;
    let told = made(api, period, progress).await?;
    let field = |name: &str| told.pointer(name).and_then(Value::as_str).unwrap_or_default();
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).context("the directory cannot be made")?;
    let archive = parent.join(format!(".{}.tar.gz", field("/export_id")));
    let fetched = fetch(&told, &archive, progress).await.and_then(|sha256| {
        if sha256 == field("/archive/sha256") {
            unpack(&archive, to)
        } else {
            Err(Failure::new("what was fetched is not the pack that the API named: its SHA-256 differs"))
        }
    });
    // Whatever became of it, the archive has had its use.
    let _ = fs::remove_file(&archive);
    fetched?;
    Ok(told)
}

fn free(dir: &Path) -> Result<(), Failure> {
    let empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    match empty || !dir.exists() {
        true => Ok(()),
        false => {
            Err(Failure::Usage(format!("{} is there already and not an empty directory", dir.display())))
        }
    }
}

/// Asks until the pack is there.
async fn made(api: &Client, (from, to): (&str, &str), progress: &Progress) -> Result<Value, Failure> {
    let step = progress.step("Making the pack");
    let since = Instant::now();
    let mut told = api.get(&format!("/api/v1/evidence?from={}&to={}", segment(from), segment(to))).await?;
    loop {
        match told["status"].as_str() {
            Some("ready") => break,
            Some("building") if since.elapsed() < PATIENCE => {}
            Some("building") => return Err(Failure::new("the pack was not made in time; ask again later")),
            _ => {
                let why = told["failure"].as_str().unwrap_or("no reason was given");
                return Err(Failure::new(format!("the pack could not be made: {why}")));
            }
        }
        tokio::time::sleep(PAUSE).await;
        step.note(format!("{} s", since.elapsed().as_secs()));
        let id = told["export_id"].as_str().unwrap_or_default().to_owned();
        told = api.get(&format!("/api/v1/evidence/{}", segment(&id))).await?;
    }
    let number = |name: &str| told.pointer(name).and_then(Value::as_u64).unwrap_or_default();
    step.done(&format!("{} cases, {} rows", number("/archive/cases"), number("/archive/rows")));
    Ok(told)
}

/// Fetches the archive into a file, in pieces; its SHA-256.
async fn fetch(told: &Value, archive: &Path, progress: &Progress) -> Result<String, Failure> {
    let mut step = progress.step("Fetching the pack");
    let url = told.pointer("/archive/url").and_then(Value::as_str).unwrap_or_default();
    let bytes = told.pointer("/archive/bytes").and_then(Value::as_u64).unwrap_or_default();
    // The address alone gives access: the API's token is not sent along.
    let answer = http()?.get(url).send().await.context("the bucket cannot be reached")?;
    let mut answer = answer.error_for_status().context("the bucket refused the pack")?;
    let mut file = File::create(archive).context("the archive cannot be written")?;
    let (mut hash, mut length) = (Sha256::new(), 0);
    while let Some(chunk) = answer.chunk().await.context("the pack broke off")? {
        hash.update(&chunk);
        file.write_all(&chunk).context("the archive cannot be written")?;
        length += chunk.len() as u64;
        step.at(length.min(bytes), bytes);
    }
    step.done(&format!("{} KB", length.div_ceil(1_000)));
    Ok(leaver_domain::digest::Digest(hash.finalize().into()).to_string())
}

fn unpack(archive: &Path, to: &Path) -> Result<(), Failure> {
    let file = File::open(archive).context("the archive cannot be read")?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    archive.set_preserve_permissions(false);
    fs::create_dir_all(to).context("the directory cannot be made")?;
    archive.unpack(to).context("the pack cannot be unpacked")
}
