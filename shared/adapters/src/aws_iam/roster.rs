//! All users of the account, each with its tags and whether everything is denied to it: the list itself says neither.

use super::{
    denies_all,
    read::{self, User},
    sounds_privileged,
};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
};

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let (users, next) = read::users(http, from.map(|mark| mark.0.as_str())).await?;
    let mut seen = Vec::new();
    for user in users {
        seen.extend(one(http, user).await?);
    }
    page::of_roster(seen, next, from)
}

/// `None` for a user who is gone by now.
async fn one(http: &Reader, user: User) -> Result<Option<Seen>, Fault> {
    let name = user.user_name.as_str();
    let (tags, denied, groups) = tokio::try_join!(
        read::tags_if_there(http, name),
        read::deny(http, name),
        read::groups_if_there(http, name)
    )?;
    let (Some(mut tags), Some(groups)) = (tags, groups) else { return Ok(None) };
    let status = match denied.is_some_and(|document| denies_all(&document)) {
        true => AccountStatus::Suspended,
        false => AccountStatus::Active,
    };
    let automation = tags.get("automation").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Some(Seen {
        email: tags.remove("email"),
        employee_id: tags.remove("employee_id"),
        last_login: user.password_last_used,
        created_at: user.create_date,
        kind: if automation { Kind::Service } else { Kind::Person },
        privileged: groups.iter().any(|group| sounds_privileged(group)).then_some(true),
        ..Seen::new(user.user_id, user.user_name, status)
    }))
}
