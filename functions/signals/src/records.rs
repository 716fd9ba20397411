//! The records of the ledger table's stream, cut down to rows. Read by hand, so that one of another shape spoils no other.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::signals::{Told, Unreadable};
use serde_json::Value;

/// Why a record is passed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRow {
    /// It has no leaf, or no evidence.
    #[error("the item has no `{0}`")]
    Missing(&'static str),
    /// The leaf is not in Base64.
    #[error("the leaf is not in Base64")]
    Encoding,
    /// It is no row.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// A new item of the ledger table that should be a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The item's two keys, for a human who looks for it.
    pub key: String,
    image: &'a Value,
}

fn text<'a>(item: &'a Value, name: &str, kind: &str) -> Option<&'a str> {
    item.get(name)?.get(kind)?.as_str()
}

impl Record<'_> {
    /// The row.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(&self) -> Result<Told, NoRow> {
        let leaf = text(self.image, "leaf", "B").ok_or(NoRow::Missing("leaf"))?;
        let evidence = text(self.image, "evidence", "S").ok_or(NoRow::Missing("evidence"))?;
        let leaf = BASE64_STANDARD.decode(leaf).map_err(|_| NoRow::Encoding)?;
        Ok(Told::read(&leaf, evidence)?)
    }
}

/// The new entries of a stream event, in its order. The event source is asked for nothing else; what comes all the same,
/// such as the head or a changed item, is passed over.
pub fn records(event: &Value) -> Vec<Record<'_>> {
    let all = event.get("Records").and_then(Value::as_array).into_iter().flatten();
    let entries = all.filter(|record| record.get("eventName").is_some_and(|name| name == "INSERT"));
    entries.filter_map(entry).collect()
}

fn entry(record: &Value) -> Option<Record<'_>> {
    let change = record.get("dynamodb")?;
    let keys = change.get("Keys")?;
    let (pk, sk) = (text(keys, "pk", "S")?, text(keys, "sk", "S")?);
    if !pk.starts_with("CASE#") || !sk.starts_with("ENTRY#") {
        return None;
    }
    Some(Record { key: format!("{pk} {sk}"), image: change.get("NewImage").unwrap_or(&Value::Null) })
}
