//! Every request that an adapter sends, and every answer of its stand-in, held against the vendor's own description.
//!
//! The descriptions lie outside the repository. Where they are missing, the tests say what they skip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod aws;
mod checker;
mod exchange;
mod graphql;
mod install;
mod known;
mod moto;
mod openapi;
mod play;
mod prism;
mod rows;
mod schema;
mod scim;

use exchange::Exchange;
use known::KNOWN;
use rows::{Follows, ROWS, Row, Source};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Says something even when the test passes: the test runner keeps what is printed in the usual way to itself.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr().lock(), "specs: {what}");
}

/// The folder of the vendors' descriptions; says that it is skipped where there is none. A working tree may lie one
/// folder further down than the repository itself.
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository");
    let beside = ["../shared/specs", "../../shared/specs"].map(|path| root.join(path));
    let found = beside.into_iter().find(|path| path.is_dir());
    if found.is_none() {
        say("SKIPPED: the vendors' descriptions are not there");
    }
    found
}

fn read(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A description that was read.
enum Description {
    OpenApi(Box<openapi::OpenApi>, &'static str),
    Aws(aws::Model),
    GraphQl(graphql::GraphQl),
    Scim(scim::Scim, &'static str),
}

impl Description {
    /// `None`, and said aloud, where it has to be fetched and cannot.
    fn read(folder: &Path, source: &Source) -> Option<Self> {
        Some(match source {
            Source::OpenApi(file, mount) => {
                Self::OpenApi(Box::new(openapi::OpenApi::parse(&read(folder, file))), mount)
            }
            Source::Aws(file) => Self::Aws(aws::Model::parse(&read(folder, file))),
            Source::GraphQl(file) => Self::GraphQl(graphql::GraphQl::parse(&read(folder, file))),
            Source::GraphQlOf(package, version) => Self::GraphQl(graphql::GraphQl::parse(&read(
                &install::npm(package, version)?,
                "schema.graphql",
            ))),
            Source::Scim(mount) => Self::Scim(scim::Scim::parse(&read(folder, "scim-rfc7643.json")), mount),
        })
    }

    fn judge(&self, exchange: &Exchange) -> Option<openapi::Judged> {
        match self {
            Self::OpenApi(described, mount) => {
                let path = exchange.path.strip_prefix(mount).filter(|path| path.starts_with('/'))?;
                described.judge(exchange, path)
            }
            Self::Scim(described, mount) => described.judge(exchange, exchange.path.strip_prefix(mount)?),
            Self::Aws(model) => model.judge(exchange),
            Self::GraphQl(schema) => schema.judge(exchange),
        }
    }
}

/// What is wrong with an exchange, as lines that name the operation.
fn judge(descriptions: &[Description], exchange: &Exchange) -> Vec<String> {
    let Some(judged) = descriptions.iter().find_map(|description| description.judge(exchange)) else {
        return vec![format!("{} {}: no description has this operation", exchange.method, exchange.path)];
    };
    judged.problems.into_iter().map(|problem| format!("{}: {problem}", judged.operation)).collect()
}

/// What a row's exchanges have that its descriptions do not allow, and nobody gave a reason for.
async fn unexplained(folder: &Path, row: &Row, sources: &[Source]) -> Vec<String> {
    let descriptions: Vec<_> =
        sources.iter().filter_map(|source| Description::read(folder, source)).collect();
    let complete = descriptions.len() == sources.len();
    let exchanges = play::recorded(row.id).await;
    let count = exchanges.len();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for line in exchanges.iter().flat_map(|exchange| judge(&descriptions, exchange)) {
        *found.entry(line).or_default() += 1;
    }
    let known: Vec<_> = KNOWN.iter().filter(|known| known.row == row.id).collect();
    let mut needed = BTreeSet::new();
    let mut left = Vec::new();
    for (line, times) in &found {
        let explaining: Vec<_> = known.iter().filter(|known| known.explains(line)).collect();
        if explaining.is_empty() {
            left.push(format!("{}: {line} ({times} times)", row.id));
        }
        needed.extend(explaining.into_iter().map(|known| known.line));
    }
    if !complete {
        left.retain(|line| !line.contains("no description has this operation"));
    }
    let idle = known.iter().filter(|known| complete && !needed.contains(known.line));
    left.extend(idle.map(|known| format!("{}: not needed any more: {}", row.id, known.line)));
    say(&format!("{}: {count} exchanges, {} known differences", row.id, needed.len()));
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exchange_is_as_the_vendor_describes_it() {
    let Some(folder) = folder() else { return };
    let mut running = Vec::new();
    for row in rows::rows() {
        if let Follows::These(sources) = &row.follows {
            let folder = folder.clone();
            running.push(tokio::spawn(async move { unexplained(&folder, row, sources).await }));
        }
    }
    let mut left = Vec::new();
    for one in running {
        left.extend(one.await.expect("a row"));
    }
    assert!(left.is_empty(), "{} differences:\n{}", left.len(), left.join("\n"));
}

#[test]
fn every_row_says_which_description_it_follows() {
    for spec in leaver_adapters::SPECS {
        let said = ROWS.iter().filter(|row| row.id == spec.id).count();
        assert_eq!(said, 1, "{}: say in tests/specs/rows.rs which description it follows", spec.id);
    }
    for row in ROWS {
        let held = leaver_adapters::SPECS.iter().any(|spec| spec.id == row.id);
        match row.follows {
            _ if !held => say(&format!("{}: not in the registry", row.id)),
            Follows::Nothing(why) => say(&format!("{}: nothing to hold it against: {why}", row.id)),
            Follows::These(_) => {}
        }
    }
    let ids: Vec<_> = ROWS.iter().map(|row| row.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    for known in KNOWN {
        let follows = ROWS.iter().any(|row| row.id == known.row && matches!(row.follows, Follows::These(_)));
        assert!(follows && known.why.len() > 20, "{}: {}", known.row, known.line);
    }
}
