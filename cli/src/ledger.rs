//! Checks the ledger's chain over the API: every row from the first, against the head that the deployment tells.

use crate::{
    api::Client,
    failure::{Context as _, Failure},
    progress::Step,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::ledger::{Chain, Entry, leaf_hash};
use serde_json::{Value, json};

/// Rows asked for at a time.
const PAGE: u64 = 100;

/// What a check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Name of the log.
    pub origin: String,
    /// How many rows were good.
    pub rows: u64,
    /// The root over them.
    pub root: String,
    /// The first thing that is wrong; `None` where nothing is.
    pub broken: Option<String>,
    /// The good rows.
    pub entries: Vec<Entry>,
}

impl Checked {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({"origin": self.origin, "rows": self.rows, "root": self.root,
               "verified": self.broken.is_none(), "broken": self.broken})
    }

    /// In words.
    pub fn words(&self) -> String {
        match &self.broken {
            None => format!("ledger {}: {} rows, chain unbroken, root {}", self.origin, self.rows, self.root),
            Some(broken) => format!("ledger {}: NOT VERIFIED: {broken}", self.origin),
        }
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Result<&'a str, Failure> {
    value[name].as_str().context_missing(name)
}

trait Missing<T> {
    fn context_missing(self, name: &str) -> Result<T, Failure>;
}

impl<T> Missing<T> for Option<T> {
    fn context_missing(self, name: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::new(format!("the API's answer has no `{name}`")))
    }
}

/// Reads and checks all rows that the head counts.
///
/// # Errors
/// Where the API refuses, fails or answers something else. A broken chain is a finding, not an error.
pub async fn verify(api: &Client, step: Option<&mut Step>) -> Result<Checked, Failure> {
    let head = api.get("/api/v1/ledger/status").await?;
    let origin = field(&head, "origin")?.to_owned();
    let size = head["size"].as_u64().context_missing("size")?;
    let mut walk = Walk { chain: Chain::new(&origin), entries: Vec::new(), last: None };
    let broken = walk.run(api, size, step).await?;
    let root = walk.chain.root().to_string();
    let broken = broken.or_else(|| {
        let last = walk.last.clone().unwrap_or_else(|| leaver_domain::digest::Digest::ZERO.to_string());
        let told = |name: &str| head[name].as_str().unwrap_or_default().to_owned();
        if walk.chain.size() != size {
            Some(format!("the head counts {size} rows, there are {}", walk.chain.size()))
        } else if told("root") != root {
            Some(format!("the head says root {}, the rows come to {root}", told("root")))
        } else if told("last") != last {
            Some(format!("the head says its last row is {}, it is {last}", told("last")))
        } else {
            None
        }
    });
    Ok(Checked { origin, rows: walk.chain.size(), root, broken, entries: walk.entries })
}

struct Walk {
    chain: Chain,
    entries: Vec<Entry>,
    last: Option<String>,
}

impl Walk {
    /// The first bad row, in words.
    async fn run(
        &mut self,
        api: &Client,
        size: u64,
        mut step: Option<&mut Step>,
    ) -> Result<Option<String>, Failure> {
        while self.chain.size() < size {
            let from = self.chain.size();
            let page = api.get(&format!("/api/v1/ledger/rows?from={from}&limit={PAGE}")).await?;
            let rows = page["rows"].as_array().context_missing("rows")?;
            if rows.is_empty() {
                return Ok(Some(format!("row {from}: it is missing")));
            }
            for row in rows {
                if self.chain.size() == size {
                    break;
                }
                if let Some(broken) = self.row(row)? {
                    return Ok(Some(broken));
                }
            }
            if let Some(step) = step.as_deref_mut() {
                step.at(self.chain.size(), size);
            }
        }
        Ok(None)
    }

    fn row(&mut self, row: &Value) -> Result<Option<String>, Failure> {
        let leaf = STANDARD.decode(field(row, "leaf")?).context("a row's leaf is not base64")?;
        Ok(match self.chain.check(&leaf, field(row, "evidence")?.as_bytes()) {
            Ok(entry) => {
                self.last = Some(leaf_hash(&leaf).to_string());
                self.entries.push(entry);
                None
            }
            Err(broken) => Some(broken.to_string()),
        })
    }
}
