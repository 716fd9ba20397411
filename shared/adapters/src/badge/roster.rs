//! All access users. One answer lists them; until when a badge opens says each one's own record, so that they are gone
//! through a few at a time, in the order of their ids.

use super::read::{self, Member, holder_of};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    roster::{Kind, Mark, Page, Seen},
};

/// Records that are read for one page.
const AT_ONCE: usize = 25;

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let mut all = Vec::new();
    for member in read::members(http).await? {
        let Some(id) = member.user_id.clone() else {
            return Err(Fault::shape("an access user without an id"));
        };
        all.push((id, member));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.retain(|(id, _)| from.is_none_or(|mark| *id > mark.0));
    let more = all.len() > AT_ONCE;
    all.truncate(AT_ONCE);
    let next = all.last().filter(|_| more).map(|(id, _)| id.clone());
    let mut seen = Vec::new();
    for (id, member) in all {
        seen.extend(one(http, id, member).await?);
    }
    page::of_roster(seen, next, from)
}

/// `None` for somebody who is gone by now.
async fn one(http: &Reader, id: String, member: Member) -> Result<Option<Seen>, Fault> {
    let Some(answer) = http.find(holder_of(&id)).await? else { return Ok(None) };
    let account = read::account_of(&answer.json()?, &member, "", http.now());
    Ok(Some(Seen {
        email: member.email,
        employee_id: member.employee_id.filter(|number| !number.is_empty()),
        name: member.full_name,
        kind: if member.is_visitor == Some(true) { Kind::Guest } else { Kind::Person },
        ..Seen::new(account.id, account.login, account.status)
    }))
}
