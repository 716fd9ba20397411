//! All users of the tenant. The last sign-in is asked for, and left out where the tenant's plan does not have it.

use super::read::{Page as Listed, User, users};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
};

const SELECT: &str =
    "id,userPrincipalName,mail,displayName,employeeId,userType,accountEnabled,createdDateTime";
const SIGN_IN: &str = ",signInActivity";

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let first = |select: String| users([]).query("$select", select).query("$top", 100);
    let with = first(format!("{SELECT}{SIGN_IN}"));
    let each = |answer: &crate::http::Answer| {
        let page: Listed<User> = answer.json()?;
        Ok((page.value.into_iter().map(seen).collect(), page.next))
    };
    match page::roster_by_link(http, with, from, each).await {
        // The address of a further page carries what was selected: only the first one is asked for otherwise.
        Err(fault) if fault.kind == FaultKind::PermissionMissing && from.is_none() => {
            page::roster_by_link(http, first(SELECT.to_owned()), None, each).await
        }
        answered => answered,
    }
}

fn seen(user: User) -> Seen {
    let enabled = user.account_enabled != Some(false);
    let signed_in = user.sign_in_activity;
    Seen {
        email: user.mail,
        employee_id: user.employee_id,
        name: user.display_name,
        last_login: signed_in
            .and_then(|at| at.last_sign_in_date_time.max(at.last_non_interactive_sign_in_date_time)),
        created_at: user.created_date_time,
        kind: if user.user_type.as_deref() == Some("Guest") { Kind::Guest } else { Kind::Person },
        ..Seen::new(
            user.id,
            user.user_principal_name,
            if enabled { AccountStatus::Active } else { AccountStatus::Suspended },
        )
    }
}
