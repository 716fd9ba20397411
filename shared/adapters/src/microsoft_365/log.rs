//! Graph's logs: sign-ins, and what a user changed in the directory.

use super::read::{list, quoted};
use crate::http::{Query, Reader};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::Account,
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;

/// What Graph's logs leave out, said with every reading of them.
const NO_FILES: &str =
    "downloads and shares of files are only in Purview's audit log, which Graph's logs do not hold";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    id: String,
    created_date_time: Timestamp,
    status: Option<SignInStatus>,
    location: Option<SignInLocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignInStatus {
    error_code: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignInLocation {
    country_or_region: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryAudit {
    id: String,
    activity_date_time: Timestamp,
    activity_display_name: String,
}

fn sign_in(event: SignIn) -> ActivityEvent {
    let refused = event.status.and_then(|status| status.error_code).is_some_and(|code| code != 0);
    ActivityEvent {
        id: event.id,
        at: event.created_date_time,
        kind: if refused { ActivityKind::FailedLogin } else { ActivityKind::Login },
        country: event.location.and_then(|location| location.country_or_region),
        count: 1,
    }
}

fn audited(event: DirectoryAudit) -> ActivityEvent {
    let name = event.activity_display_name.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let kind = if has(&["security info"]) {
        ActivityKind::FactorChanged
    } else if has(&[
        "certificates and secrets",
        "principal credentials",
        "consent to app",
        "permission grant",
    ]) {
        ActivityKind::CredentialCreated
    } else if has(&["member to role", "app role assignment", "owner to"]) {
        ActivityKind::PrivilegeChanged
    } else {
        ActivityKind::Other
    };
    ActivityEvent { id: event.id, at: event.activity_date_time, kind, country: None, count: 1 }
}

/// What a user did since an instant, as far as the tenant's plan and the app's permissions tell.
pub(super) async fn activity(http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
    let id = quoted(&who.id);
    let log = |name, filter| Query::get(["auditLogs", name]).query("$filter", filter).query("$top", 500);
    let sign_ins = log("signIns", format!("userId eq '{id}' and createdDateTime ge {since}"));
    let audits =
        log("directoryAudits", format!("initiatedBy/user/id eq '{id}' and activityDateTime ge {since}"));
    let (mut events, mut gaps) = (Vec::new(), vec![NO_FILES]);
    match list(http, sign_ins).await {
        Ok(list) => events.extend(list.into_iter().map(sign_in)),
        Err(fault) if fault.kind == FaultKind::PermissionMissing => {
            gaps.push("sign-ins need AuditLog.Read.All and Entra ID P1");
        }
        Err(fault) => return Err(fault),
    }
    match list(http, audits).await {
        Ok(list) => events.extend(list.into_iter().map(audited)),
        Err(fault) if fault.kind == FaultKind::PermissionMissing => {
            gaps.push("changes in the directory need AuditLog.Read.All");
        }
        Err(fault) => return Err(fault),
    }
    Ok(Activity { since, events, incomplete: Some(gaps.join("; ")) })
}
