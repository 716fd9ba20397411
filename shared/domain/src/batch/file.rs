//! The file: what it must look like, line by line. Every bad line is named, so that one look is enough to put it right.

use super::Line;
use crate::{case::Mode, id::Username, text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most lines of a file, without its header.
pub const MAX_LINES: usize = 10_000;
/// Most bytes of a file.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// The columns, in any order.
const COLUMNS: [&str; 4] = ["username", "reason", "revocation_type", "preserve_data"];

/// A line that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// Its number in the file; the header is line 1.
    pub line: u32,
    /// The username that stands there, as far as it can be shown.
    pub username: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// Why a file is no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotABatch {
    /// The file as a whole.
    #[error("{0}")]
    File(String),
    /// Single lines.
    #[error("{} of its lines cannot be taken", .0.len())]
    Lines(Vec<BadLine>),
}

/// Which column stands where.
struct Columns(BTreeMap<&'static str, usize>);

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, NotABatch> {
        let wanted = "the first line must name the columns username,reason,revocation_type,preserve_data, in any order and \
                      divided by commas";
        let mut columns = BTreeMap::new();
        for (place, name) in header.iter().enumerate() {
            let name = name.trim_start_matches('\u{feff}').to_ascii_lowercase();
            let Some(known) = COLUMNS.into_iter().find(|column| *column == name) else {
                let name = text::line(&name, 40);
                return Err(NotABatch::File(format!("the column `{name}` is not known: {wanted}")));
            };
            if columns.insert(known, place).is_some() {
                return Err(NotABatch::File(format!("the column `{known}` stands there twice: {wanted}")));
            }
        }
        match COLUMNS.into_iter().find(|column| !columns.contains_key(column)) {
            Some(missing) => Err(NotABatch::File(format!("there is no column `{missing}`: {wanted}"))),
            None => Ok(Self(columns)),
        }
    }

    fn get<'a>(&self, record: &'a csv::StringRecord, column: &str) -> &'a str {
        self.0.get(column).and_then(|place| record.get(*place)).unwrap_or_default()
    }
}

/// What `revocation_type` says.
fn mode(text: &str) -> Result<Mode, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "leave" | "full" => Ok(Mode::Leave),
        "suspend" => Ok(Mode::Suspend),
        other => Err(format!(
            "`revocation_type` is `{}`: it must be `leave`, `suspend` or empty",
            text::line(other, 40)
        )),
    }
}

fn preserve_data(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "" | "false" => Ok(false),
        other => Err(format!(
            "`preserve_data` is `{}`: it must be `true`, `false` or empty",
            text::line(other, 40)
        )),
    }
}

/// One line, or everything that is wrong with it.
fn line(number: u32, record: &csv::StringRecord, columns: &Columns) -> Result<Line, String> {
    let mut wrong = Vec::new();
    if record.len() != COLUMNS.len() {
        wrong.push(format!(
            "it has {} values and not {}: a text with commas stands in quotes",
            record.len(),
            COLUMNS.len()
        ));
        return Err(wrong.join("; "));
    }
    let mut note = |why: String| wrong.push(why);
    let username =
        columns.get(record, "username").parse::<Username>().map_err(|error| note(error.to_string())).ok();
    let reason = text::clean(columns.get(record, "reason"), MAX_REASON)
        .map_err(|error| note(format!("`reason` is {error}")))
        .ok();
    let mode = mode(columns.get(record, "revocation_type")).map_err(&mut note).ok();
    let preserve_data = preserve_data(columns.get(record, "preserve_data")).map_err(&mut note).ok();
    match (username, reason, mode, preserve_data) {
        (Some(username), Some(reason), Some(mode), Some(preserve_data)) => {
            Ok(Line { line: number, username, reason, mode, preserve_data, first: false })
        }
        _ => Err(wrong.join("; ")),
    }
}

/// The lines of a file, asked for by somebody.
///
/// # Errors
/// What is wrong with the file, or with each of its lines: a value that cannot be meant, somebody who stands there twice, and
/// whoever asks.
pub fn parse(bytes: &[u8], by: &Username) -> Result<Vec<Line>, NotABatch> {
    if bytes.len() > MAX_BYTES {
        return Err(NotABatch::File(format!("the file is larger than {MAX_BYTES} bytes: divide it")));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| NotABatch::File("the file is not UTF-8: save it as CSV in UTF-8".to_owned()))?;
    // Of a line that ends in two characters the reader counts the second one to the next line.
    let text = text.replace("\r\n", "\n");
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| NotABatch::File(format!("the file is no CSV: {error}"));
    let columns = Columns::of(reader.headers().map_err(unreadable)?)?;
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<Username, u32> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let number = record.position().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
        if lines.len() + bad.len() >= MAX_LINES {
            return Err(NotABatch::File(format!("the file has more than {MAX_LINES} lines: divide it")));
        }
        let username = text::line(columns.get(&record, "username"), 64);
        let taken = line(number, &record, &columns).and_then(|line| {
            if line.username == *by {
                return Err(
                    "nobody takes their own access away: somebody else has to ask for this".to_owned()
                );
            }
            match seen.insert(line.username.clone(), number) {
                Some(before) => Err(format!("the same person stands in line {before}")),
                None => Ok(line),
            }
        });
        match taken {
            Ok(line) => lines.push(line),
            Err(why) => bad.push(BadLine { line: number, username, why }),
        }
    }
    if !bad.is_empty() {
        return Err(NotABatch::Lines(bad));
    }
    if lines.is_empty() {
        return Err(NotABatch::File("the file names nobody".to_owned()));
    }
    Ok(lines)
}
