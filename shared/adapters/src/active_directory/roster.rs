//! All user objects below the base. Where a page of the directory ends is known to its connection only, so that the whole
//! list is one page of the roster.

use super::{
    read::{USER, id_of, missing, people},
    values::{DISABLED, instant, written},
};
use crate::{
    ldap::{Entry, Search, Wanted, all},
    page,
};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Page, Seen},
};

pub(super) async fn page(search: &mut Search<'_>, base: &str) -> Result<Page, Fault> {
    let wanted = Wanted { base, deep: true, filter: all(people()), attributes: USER };
    let entries = search.everything(&wanted).await?;
    let seen: Result<Vec<Seen>, Fault> = entries.iter().map(seen).collect();
    page::of_roster(seen?, None, None)
}

fn seen(user: &Entry) -> Result<Seen, Fault> {
    let control = user.number("userAccountControl").ok_or_else(|| missing("userAccountControl"))?;
    let login = user.text("sAMAccountName").ok_or_else(|| missing("sAMAccountName"))?;
    let status = if control & DISABLED == 0 { AccountStatus::Active } else { AccountStatus::Suspended };
    let is_managed = user.texts("objectClass").any(|class| class.ends_with("ManagedServiceAccount"));
    Ok(Seen {
        email: user.text("mail").map(str::to_owned),
        employee_id: user.text("employeeID").map(str::to_owned),
        name: user.text("displayName").map(str::to_owned),
        last_login: user.number("lastLogonTimestamp").and_then(instant),
        created_at: user.text("whenCreated").and_then(written),
        kind: if is_managed { Kind::Service } else { Kind::Person },
        privileged: Some(user.number("adminCount") == Some(1)),
        ..Seen::new(id_of(user)?, login, status)
    })
}
