//! The shapes of the answers.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UserId {
    pub(super) user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Users {
    pub(super) users: Vec<Described>,
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    pub(super) user_id: String,
    pub(super) user_name: Option<String>,
    pub(super) user_status: Option<String>,
    #[serde(default)]
    pub(super) emails: Vec<Email>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Email {
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Memberships {
    pub(super) group_memberships: Vec<Membership>,
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Membership {
    pub(super) membership_id: String,
    pub(super) group_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Group {
    pub(super) display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Assignments {
    pub(super) account_assignments: Vec<Assignment>,
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Assignment {
    pub(super) account_id: String,
    pub(super) permission_set_arn: String,
    pub(super) principal_id: String,
    pub(super) principal_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PermissionSet {
    pub(super) permission_set: SetName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetName {
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Progress {
    #[serde(alias = "AccountAssignmentCreationStatus", alias = "AccountAssignmentDeletionStatus")]
    pub(super) progress: Operation,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Operation {
    pub(super) status: String,
    pub(super) request_id: Option<String>,
}
