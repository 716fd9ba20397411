//! All users of the account, each with its tags and whether everything is denied to it: the list itself says neither. Where there is
//! an Identity Center, its users follow.

use super::{
    denies_all,
    identity_center::Center,
    read::{self, User},
    sounds_privileged,
};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
};

/// Before the mark of a page of Identity Center; the first one has nothing behind it.
const CENTER: &str = "identity-center:";

pub(super) async fn page(center: Option<&Center>, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    if let (Some(center), Some(token)) = (center, from.and_then(|mark| mark.0.strip_prefix(CENTER))) {
        let (seen, next) = center.roster(http, Some(token).filter(|token| !token.is_empty())).await?;
        let next = next.filter(|next| !next.is_empty()).map(|next| format!("{CENTER}{next}"));
        return page::of_roster(seen, next, from);
    }
    let (users, next) = read::users(http, from.map(|mark| mark.0.as_str())).await?;
    let mut seen = Vec::new();
    for user in users {
        seen.extend(one(http, user).await?);
    }
    let next = next.or_else(|| center.map(|_| CENTER.to_owned()));
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
        // What is reported is the use of the password, and most who have keys have none.
        without_login: true,
        privileged: groups.iter().any(|group| sounds_privileged(group)).then_some(true),
        ..Seen::new(user.user_id, user.user_name, status)
    }))
}
