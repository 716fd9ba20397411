//! `leaver tasks`.

use super::print;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::Subcommand;
use leaver_cli::{
    Context as _, Exit, Failure,
    api::{Client, segment},
    show,
};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Most bytes of all files together, as the API takes them.
const MAX_BYTES: u64 = 3 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// What waits for somebody: systems that leaver could not finish or has no adapter for, and reviews.
    List,
    /// Say that a task is done.
    Close {
        /// Its id.
        id: String,
        /// What was done.
        #[arg(long)]
        statement: String,
        /// A file that shows it; at most five, 3 MiB together.
        #[arg(long, value_name = "FILE", num_args = 1..)]
        evidence: Vec<PathBuf>,
    },
}

impl Tasks {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let answer = api.get("/api/v1/tasks").await?;
                print(json, &answer, |answer| match answer["tasks"].as_array().map(Vec::as_slice) {
                    None | Some([]) => "no open tasks".to_owned(),
                    Some(tasks) if answer["more"] == true => {
                        format!("{}\nand more: close some of these first", show::tasks(tasks))
                    }
                    Some(tasks) => show::tasks(tasks),
                });
                Ok(Exit::Done)
            }
            Self::Close { id, statement, evidence } => {
                let body = json!({"statement": statement, "evidence": files(evidence)?});
                let (_, closed) = api.post(&format!("/api/v1/tasks/{}", segment(id)), &body).await?;
                print(json, &closed, |closed| {
                    format!(
                        "{}  closed by {}",
                        show::text(closed, "/task_id"),
                        show::text(closed, "/closed/by")
                    )
                });
                Ok(Exit::Done)
            }
        }
    }
}

/// The files as the API takes them; a file that cannot be read is a wrong use.
fn files(paths: &[PathBuf]) -> Result<Vec<Value>, Failure> {
    let mut left = MAX_BYTES;
    let mut files = Vec::new();
    for path in paths {
        let bytes = read(path, left).map_err(|failure| Failure::Usage(failure.to_string()))?;
        left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.push(
            json!({"name": name, "media_type": media_type(path), "data": BASE64_STANDARD.encode(bytes)}),
        );
    }
    Ok(files)
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let mut bytes = Vec::new();
    let file = File::open(path).context(format!("{shown} cannot be read"))?;
    file.take(limit + 1).read_to_end(&mut bytes).context(format!("{shown} cannot be read"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::new(format!(
            "with {shown} the files are larger than {MAX_BYTES} bytes together"
        )));
    }
    Ok(bytes)
}

/// What a file's name says that it is.
fn media_type(path: &Path) -> &'static str {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match ending.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "json" => "application/json",
        "eml" => "message/rfc822",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sent_whole_and_within_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str, length: usize| {
            let path = dir.path().join(name);
            std::fs::write(&path, vec![b'a'; length]).unwrap();
            path
        };
        let sent = files(&[path("off.PNG", 3), path("notes", 1)]).unwrap();
        assert_eq!(sent[0], json!({"name": "off.PNG", "media_type": "image/png", "data": "YWFh"}));
        assert_eq!(sent[1]["media_type"], "application/octet-stream");
        let half = usize::try_from(MAX_BYTES / 2).unwrap();
        assert_eq!(files(&[path("a", half), path("b", half)]).unwrap().len(), 2);
        for wrong in [vec![path("a", half), path("c", half + 1)], vec![dir.path().join("none")]] {
            assert!(matches!(files(&wrong), Err(Failure::Usage(_))));
        }
    }
}
