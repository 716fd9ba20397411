//! Salesforce's query language over HTTP: one text, a list in pages.

use crate::{
    http::{Answer, Query, Reader},
    page,
};
use leaver_domain::fault::Fault;
use serde::{Deserialize, de::DeserializeOwned};

/// The version of the API that is spoken.
pub(super) const API: &str = "v66.0";
/// What every further page's address begins with.
const OURS: &str = "/services/data/";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found<T> {
    records: Vec<T>,
    done: bool,
    next_records_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_size: u64,
}

/// A text between quotes of a query: nothing in it can end them.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn first(text: &str) -> Query {
    Query::get(["services", "data", API, "query"]).query("q", text)
}

/// All records that a query finds.
///
/// # Errors
/// What the calls say; `UnexpectedShape` for a next page elsewhere or a list beyond the limits.
pub(super) async fn all<T: DeserializeOwned>(http: &Reader, text: &str) -> Result<Vec<T>, Fault> {
    page::by_token(http, |next| at(text, next), found).await
}

/// One page of what a query finds, and the address of the next.
///
/// # Errors
/// What the call says; `UnexpectedShape` for a page elsewhere.
pub(super) async fn page<T: DeserializeOwned>(
    http: &Reader,
    text: &str,
    from: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Fault> {
    found(&http.ask(at(text, from)?).await?)
}

fn at(text: &str, next: Option<&str>) -> Result<Query, Fault> {
    match next {
        None => Ok(first(text)),
        // The address is taken apart and put together again: it can lead to no other host.
        Some(next) if next.starts_with(OURS) => Ok(Query::get(next.trim_start_matches('/').split('/'))),
        Some(_) => Err(Fault::shape("the next page's address is none of the API's")),
    }
}

fn found<T: DeserializeOwned>(answer: &Answer) -> Result<(Vec<T>, Option<String>), Fault> {
    let found: Found<T> = answer.json()?;
    let next = found.next_records_url.filter(|_| !found.done);
    if !found.done && next.is_none() {
        return Err(Fault::shape("a page that is not the last one names no next one"));
    }
    Ok((found.records, next))
}

/// How many records a query that counts finds.
///
/// # Errors
/// What the call says.
pub(super) async fn count(http: &Reader, text: &str) -> Result<u64, Fault> {
    let count: Count = http.ask(first(text)).await?.json()?;
    Ok(count.total_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_its_quotes() {
        assert_eq!(quoted(r"o'neill\"), r"o\'neill\\");
    }
}
