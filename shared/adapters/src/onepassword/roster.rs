//! All users of the account, by the way that the company chose.

use super::{Way, bridge, users};
use crate::http::Reader;
use leaver_domain::{
    fault::Fault,
    roster::{Mark, Page},
};

pub(super) async fn page(way: &Way, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    match way {
        Way::Users(account) => users::roster(http, account, from).await,
        Way::Bridge => bridge::roster(http, from).await,
    }
}
