//! Following a list to its end, in the ways vendors split lists into pages.

use crate::http::{Answer, Query, Reader};
use leaver_domain::{
    fault::Fault,
    inventory::MAX_ENTRIES,
    roster::{Mark, Page, Seen},
};
use std::collections::BTreeSet;

/// Most pages of one list. A longer list is a fault, never a silent cut: what was not read was not revoked.
pub const MAX_PAGES: usize = 200;

/// Follows `Link: <...>; rel="next"` headers (RFC 8288): Okta, GitHub.
///
/// # Errors
/// What the calls or `each` say; `UnexpectedShape` for a list beyond the limits or a link to another host.
pub async fn by_link<T>(
    http: &Reader,
    first: Query,
    mut each: impl FnMut(&Answer) -> Result<Vec<T>, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    let mut next = Some(first);
    for _ in 0..MAX_PAGES {
        let Some(query) = next else { return Ok(all) };
        let answer = http.ask(query.clone()).await?;
        all.extend(each(&answer)?);
        check(all.len())?;
        next = answer.next_link().map(|link| http.follow(&query, &link)).transpose()?;
    }
    too_long()
}

/// Follows a token that each page gives for the next: Google, Slack, AWS and, with whole addresses, Microsoft Graph.
/// `ask` makes the query for a token; `each` takes a page and says the next token.
///
/// # Errors
/// What the calls or `each` say; `UnexpectedShape` for a list beyond the limits.
pub async fn by_token<T>(
    http: &Reader,
    mut ask: impl FnMut(Option<&str>) -> Result<Query, Fault>,
    mut each: impl FnMut(&Answer) -> Result<(Vec<T>, Option<String>), Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let answer = http.ask(ask(token.as_deref())?).await?;
        let (items, next) = each(&answer)?;
        all.extend(items);
        check(all.len())?;
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(all),
            same if same == token => return Err(Fault::shape("a page names itself as the next one")),
            next => token = next,
        }
    }
    too_long()
}

/// Follows an index that starts with one (SCIM, RFC 7644, 3.4.2.4). `ask` makes the query for an index; `each` takes a page
/// and gives its entries by their ids, and how many there are in all. Pages may be shorter than was asked for, or longer.
///
/// # Errors
/// What the calls or `each` say; `UnexpectedShape` for a list beyond the limits, and for one that ends before it is
/// complete, or repeats itself.
pub async fn by_index<T>(
    http: &Reader,
    ask: impl Fn(usize) -> Query,
    mut each: impl FnMut(&Answer) -> Result<(Vec<(String, T)>, usize), Fault>,
) -> Result<Vec<T>, Fault> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    let mut start = 1;
    for _ in 0..MAX_PAGES {
        let (items, total) = each(&http.ask(ask(start)).await?)?;
        let known = seen.len();
        start += items.len();
        all.extend(items.into_iter().filter(|(id, _)| seen.insert(id.clone())).map(|(_, item)| item));
        check(all.len())?;
        if seen.len() >= total {
            return Ok(all);
        }
        if seen.len() == known {
            return Err(Fault::shape(format!("a list of {total} entries gives only {known}")));
        }
    }
    too_long()
}

fn check(entries: usize) -> Result<(), Fault> {
    if entries > MAX_ENTRIES {
        return too_long();
    }
    Ok(())
}

fn too_long<T>() -> Result<T, Fault> {
    Err(Fault::shape(format!("a list is longer than {MAX_PAGES} pages or {MAX_ENTRIES} entries")))
}

/// A roster's page, with where it goes on.
///
/// # Errors
/// `UnexpectedShape` for a page that names itself as the next one.
pub fn of_roster(seen: Vec<Seen>, next: Option<String>, from: Option<&Mark>) -> Result<Page, Fault> {
    let next = next.filter(|next| !next.is_empty()).map(Mark);
    if next.is_some() && next.as_ref() == from {
        return Err(Fault::shape("a page names itself as the next one"));
    }
    Ok(Page { seen, next })
}

/// One page of a roster that goes on at an address of the vendor's: where `each` does not tell it, by the `Link` header.
///
/// # Errors
/// What the call or `each` say; `UnexpectedShape` for an address on another host.
pub async fn roster_by_link(
    http: &Reader,
    first: Query,
    from: Option<&Mark>,
    each: impl Fn(&Answer) -> Result<(Vec<Seen>, Option<String>), Fault>,
) -> Result<Page, Fault> {
    let query = match from {
        Some(mark) => http.follow(&first, &mark.0)?,
        None => first,
    };
    let answer = http.ask(query).await?;
    let (seen, next) = each(&answer)?;
    of_roster(seen, next.or_else(|| answer.next_link()), from)
}

/// Where a roster goes on that counts its entries from one (SCIM): `None` where these were the last.
pub fn index_after(from: Option<&Mark>, read: usize, total: usize) -> Option<String> {
    let next = index_of(from) + read;
    (read > 0 && next <= total).then(|| next.to_string())
}

/// The place of the first entry of a page of such a roster.
pub fn index_of(from: Option<&Mark>) -> usize {
    from.and_then(|mark| mark.0.parse().ok()).unwrap_or(1)
}
