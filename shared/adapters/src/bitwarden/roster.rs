//! All members of the organisation, which one answer holds.

use super::read::{self, Member, REVOKED};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Page, Seen},
};

pub(super) async fn page(http: &Reader) -> Result<Page, Fault> {
    let members = read::members(http).await?;
    page::of_roster(members.into_iter().map(seen).collect(), None, None)
}

fn seen(member: Member) -> Seen {
    let status = if member.status == REVOKED { AccountStatus::Suspended } else { AccountStatus::Active };
    Seen {
        email: Some(member.email.clone()),
        privileged: Some(member.is_privileged()),
        name: member.name,
        ..Seen::new(member.id, member.email, status)
    }
}
