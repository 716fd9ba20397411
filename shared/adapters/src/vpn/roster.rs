//! All local users of the firewall. One that keeps its users elsewhere has none to list.

use super::Vpn;
use crate::http::Reader;
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Mark, Page, Seen},
};

pub(super) async fn page(vpn: &Vpn, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    match vpn.external {
        true => Ok(Page { seen: Vec::new(), next: None }),
        false => vpn.firewall.roster(http, from).await,
    }
}

/// A local user.
pub(super) fn seen(name: String, email: Option<String>, enabled: bool) -> Seen {
    let status = if enabled { AccountStatus::Active } else { AccountStatus::Suspended };
    Seen { email: email.filter(|email| !email.is_empty()), ..Seen::new(name.clone(), name, status) }
}
