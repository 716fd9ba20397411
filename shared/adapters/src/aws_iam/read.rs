//! The reads of IAM's Query API (XML) and CloudTrail's JSON API, and the shapes of their answers.

use super::{DENY_NAME, PASSWORD};
use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Credential, CredentialKind},
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Entries asked for per page; IAM may answer fewer.
const PAGE: &str = "100";
/// Most pages of events: CloudTrail answers twice a second for the whole account, fifty events each time.
const EVENT_PAGES: usize = 10;
const LOOK_UP: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";

/// The parameters of a call; an empty name for the one that is about no user.
pub(super) fn pairs<'a>(
    action: &'a str,
    user: &'a str,
    more: Vec<(&'a str, &'a str)>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let about = (!user.is_empty()).then_some(("UserName", user));
    [("Action", action), ("Version", "2010-05-08")].into_iter().chain(about).chain(more)
}

/// Asked for JSON, the Query API would answer JSON of an undescribed shape: the header names XML.
fn query(form: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Query {
    Query::post(std::iter::empty()).header("x-amz-service", "iam").header("accept", "text/xml").form(form)
}

#[derive(Deserialize)]
struct Listing<T> {
    #[serde(alias = "ListAccessKeysResult")]
    #[serde(alias = "ListAttachedUserPoliciesResult")]
    #[serde(alias = "ListGroupsForUserResult")]
    #[serde(alias = "ListMFADevicesResult")]
    #[serde(alias = "ListSSHPublicKeysResult")]
    #[serde(alias = "ListServiceSpecificCredentialsResult")]
    #[serde(alias = "ListSigningCertificatesResult")]
    #[serde(alias = "ListUserPoliciesResult")]
    #[serde(alias = "ListUserTagsResult")]
    #[serde(alias = "ListUsersResult")]
    result: Page<T>,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(alias = "AccessKeyMetadata")]
    #[serde(alias = "AttachedPolicies")]
    #[serde(alias = "Certificates")]
    #[serde(alias = "Groups")]
    #[serde(alias = "MFADevices")]
    #[serde(alias = "PolicyNames")]
    #[serde(alias = "SSHPublicKeys")]
    #[serde(alias = "ServiceSpecificCredentials")]
    #[serde(alias = "Tags")]
    #[serde(alias = "Users")]
    members: Option<Members<T>>,
    #[serde(rename = "IsTruncated")]
    truncated: Option<bool>,
    #[serde(rename = "Marker")]
    marker: Option<String>,
}

#[derive(Deserialize)]
struct Members<T> {
    #[serde(default = "Vec::new")]
    member: Vec<T>,
}

/// An answer about one thing.
#[derive(Deserialize)]
struct Single<T> {
    #[serde(alias = "GetUserResult")]
    #[serde(alias = "GetLoginProfileResult")]
    #[serde(alias = "GetUserPolicyResult")]
    #[serde(alias = "GetAccessKeyLastUsedResult")]
    result: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserResult {
    user: User,
}

/// A user.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct User {
    pub(super) user_name: String,
    pub(super) user_id: String,
    pub(super) password_last_used: Option<Timestamp>,
    pub(super) create_date: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyResult {
    policy_document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LastUsedResult {
    access_key_last_used: Option<LastUsed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LastUsed {
    last_used_date: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoginProfileResult {
    login_profile: LoginProfile,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoginProfile {
    create_date: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct Key {
    #[serde(alias = "AccessKeyId")]
    #[serde(alias = "CertificateId")]
    #[serde(alias = "SSHPublicKeyId")]
    #[serde(alias = "ServiceSpecificCredentialId")]
    id: String,
    #[serde(rename = "Status")]
    status: String,
    #[serde(alias = "CreateDate")]
    #[serde(alias = "UploadDate")]
    made: Option<Timestamp>,
    #[serde(rename = "ServiceName")]
    service: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mfa {
    serial_number: String,
    enable_date: Option<Timestamp>,
}

/// An answer's XML. The root's name says nothing: what must be there is the action's own result.
fn xml<T: DeserializeOwned>(answer: &str, action: &str) -> Result<T, Fault> {
    let unlike = |_| Fault::shape(format!("{action}: the answer is not the XML that AWS describes"));
    quick_xml::de::from_str(answer).map_err(unlike)
}

async fn single<T: DeserializeOwned>(
    http: &Reader,
    action: &str,
    user: &str,
    more: Vec<(&str, &str)>,
) -> Result<Option<T>, Fault> {
    match http.find(query(pairs(action, user, more))).await? {
        Some(answer) => Ok(Some(xml::<Single<T>>(answer.text(), action)?.result)),
        None => Ok(None),
    }
}

async fn list<T: DeserializeOwned>(http: &Reader, action: &str, user: &str) -> Result<Vec<T>, Fault> {
    let ask = |marker: Option<&str>| {
        let mut more = vec![("MaxItems", PAGE)];
        more.extend(marker.map(|marker| ("Marker", marker)));
        Ok(query(pairs(action, user, more)))
    };
    page::by_token(http, ask, |answer| page_of(answer.text(), action)).await
}

pub(super) fn page_of<T: DeserializeOwned>(
    answer: &str,
    action: &str,
) -> Result<(Vec<T>, Option<String>), Fault> {
    let page = xml::<Listing<T>>(answer, action)?.result;
    let members = match (page.members, page.truncated) {
        (Some(members), _) => members.member,
        // AWS may leave an empty list out, but not the whole listing.
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(Fault::shape(format!("{action}: the answer has no list"))),
    };
    match (page.truncated, page.marker.filter(|marker| !marker.is_empty())) {
        (Some(true), None) => Err(Fault::shape(format!("{action}: more follows, but nothing says where"))),
        (Some(true), marker) => Ok((members, marker)),
        _ => Ok((members, None)),
    }
}

/// A user that nobody has: "no such user" shows as well as any other answer that address and credential work, and needs
/// no further permission.
pub(super) async fn probe(http: &Reader) -> Result<(), Fault> {
    user(http, "leaver-probe").await.map(|_| ())
}

/// Reads about a user that nobody has, each with the permission that it needs.
pub(super) fn permissions(now: Timestamp) -> impl Iterator<Item = (&'static str, Query)> {
    let reads = [
        ("iam:GetUser", "GetUser"),
        ("iam:GetLoginProfile", "GetLoginProfile"),
        ("iam:ListAccessKeys", "ListAccessKeys"),
        ("iam:ListAttachedUserPolicies", "ListAttachedUserPolicies"),
        ("iam:ListGroupsForUser", "ListGroupsForUser"),
        ("iam:ListMFADevices", "ListMFADevices"),
        ("iam:ListServiceSpecificCredentials", "ListServiceSpecificCredentials"),
        ("iam:ListSigningCertificates", "ListSigningCertificates"),
        ("iam:ListSSHPublicKeys", "ListSSHPublicKeys"),
        ("iam:ListUserPolicies", "ListUserPolicies"),
        ("iam:ListUserTags", "ListUserTags"),
    ];
    let about_nobody = |(scope, action)| (scope, query(pairs(action, "leaver-probe", Vec::new())));
    let all = ("iam:ListUsers", query(pairs("ListUsers", "", vec![("MaxItems", "1")])));
    let log = ("cloudtrail:LookupEvents", events(&asked_of_log(("Username", "leaver-probe"), now)));
    reads.into_iter().map(about_nobody).chain([all, log])
}

/// The user of that name.
pub(super) async fn user(http: &Reader, name: &str) -> Result<Option<User>, Fault> {
    let found = single::<UserResult>(http, "GetUser", name, Vec::new()).await?;
    Ok(found.map(|result| result.user))
}

/// One page of all users, and where the next begins. Few at a time, as each of them is then asked about.
pub(super) async fn users(http: &Reader, marker: Option<&str>) -> Result<(Vec<User>, Option<String>), Fault> {
    let mut more = vec![("MaxItems", "25")];
    more.extend(marker.map(|marker| ("Marker", marker)));
    let answer = http.ask(query(pairs("ListUsers", "", more))).await?;
    page_of(answer.text(), "ListUsers")
}

/// `None` where the user is not there any more.
fn if_there<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The tags of a user who may be gone.
pub(super) async fn tags_if_there(
    http: &Reader,
    user: &str,
) -> Result<Option<BTreeMap<String, String>>, Fault> {
    if_there(tags(http, user).await)
}

/// The groups of a user who may be gone.
pub(super) async fn groups_if_there(http: &Reader, user: &str) -> Result<Option<Vec<String>>, Fault> {
    if_there(groups(http, user).await)
}

/// The text of the policy that stands for "disabled", where the user has one.
pub(super) async fn deny(http: &Reader, user: &str) -> Result<Option<String>, Fault> {
    let policy = single::<PolicyResult>(http, "GetUserPolicy", user, vec![("PolicyName", DENY_NAME)]).await?;
    let text =
        |policy: PolicyResult| percent_decode_str(&policy.policy_document).decode_utf8_lossy().into_owned();
    Ok(policy.map(text))
}

/// The tags by key in lower case, as IAM compares them.
pub(super) async fn tags(http: &Reader, user: &str) -> Result<BTreeMap<String, String>, Fault> {
    let all = list::<Tag>(http, "ListUserTags", user).await?;
    Ok(all.into_iter().map(|tag| (tag.key.to_ascii_lowercase(), tag.value)).collect())
}

/// The names of the user's groups.
pub(super) async fn groups(http: &Reader, user: &str) -> Result<Vec<String>, Fault> {
    let all = list::<Group>(http, "ListGroupsForUser", user).await?;
    Ok(all.into_iter().map(|group| group.group_name).collect())
}

/// Names and ARNs of the managed policies attached to the user.
pub(super) async fn attached_policies(http: &Reader, user: &str) -> Result<Vec<(String, String)>, Fault> {
    let all = list::<AttachedPolicy>(http, "ListAttachedUserPolicies", user).await?;
    Ok(all.into_iter().map(|policy| (policy.policy_name, policy.policy_arn)).collect())
}

/// The inline policies by name, with their texts.
pub(super) async fn inline_policies(http: &Reader, user: &str) -> Result<BTreeMap<String, String>, Fault> {
    let mut all = BTreeMap::new();
    for name in list::<String>(http, "ListUserPolicies", user).await? {
        let more = vec![("PolicyName", name.as_str())];
        // One that is gone by now gives nothing to anybody.
        if let Some(policy) = single::<PolicyResult>(http, "GetUserPolicy", user, more).await? {
            let text = percent_decode_str(&policy.policy_document).decode_utf8_lossy().into_owned();
            all.insert(name, text);
        }
    }
    Ok(all)
}

/// Everything that the user can prove to be itself with.
pub(super) async fn credentials(http: &Reader, user: &str) -> Result<Vec<Credential>, Fault> {
    let mut all = Vec::new();
    for mut key in keys(http, "ListAccessKeys", user, CredentialKind::ApiKey, "access key").await? {
        let more = vec![("AccessKeyId", key.id.as_str())];
        let used = single::<LastUsedResult>(http, "GetAccessKeyLastUsed", "", more).await?;
        key.last_used = used.and_then(|result| result.access_key_last_used?.last_used_date);
        all.push(key);
    }
    all.extend(keys(http, "ListSSHPublicKeys", user, CredentialKind::SshKey, "SSH key").await?);
    let service = "ListServiceSpecificCredentials";
    all.extend(keys(http, service, user, CredentialKind::AppPassword, "service password").await?);
    let certificate = CredentialKind::Certificate;
    all.extend(keys(http, "ListSigningCertificates", user, certificate, "signing certificate").await?);
    let credential = |id: String, kind, label: String, created_at| Credential {
        id,
        kind,
        label,
        created_at,
        last_used: None,
        active: true,
    };
    if let Some(found) = single::<LoginProfileResult>(http, "GetLoginProfile", user, Vec::new()).await? {
        let made = Some(found.login_profile.create_date);
        all.push(credential(PASSWORD.to_owned(), CredentialKind::Password, "console password".into(), made));
    }
    for device in list::<Mfa>(http, "ListMFADevices", user).await? {
        let label = format!("MFA device {}", device.serial_number);
        all.push(credential(device.serial_number, CredentialKind::Factor, label, device.enable_date));
    }
    Ok(all)
}

async fn keys(
    http: &Reader,
    action: &str,
    user: &str,
    kind: CredentialKind,
    what: &str,
) -> Result<Vec<Credential>, Fault> {
    let all = list::<Key>(http, action, user).await?;
    let credential = |key: Key| {
        let service = key.service.map(|service| format!(" for {service}")).unwrap_or_default();
        Credential {
            label: format!("{what}{service} {}", key.id),
            id: key.id,
            kind,
            created_at: key.made,
            last_used: None,
            // A status that is not known yet is not taken for harmless.
            active: !matches!(key.status.as_str(), "Inactive" | "Expired"),
        }
    };
    Ok(all.into_iter().map(credential).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventPage {
    events: Vec<LogEvent>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LogEvent {
    event_id: String,
    event_name: String,
    event_time: f64,
    cloud_trail_event: Option<String>,
}

/// The names of one account in the log.
pub(super) struct Names<'a> {
    /// The IAM user's.
    pub(super) user: Option<&'a str>,
    /// Another, of a user in Identity Center.
    pub(super) other: Option<&'a str>,
}

/// What CloudTrail has of the account in the region asked: by name, and where it has nothing under the IAM user's by each
/// access key, because stores that stand in for CloudTrail name the key instead.
pub(super) async fn activity(http: &Reader, of: &Names<'_>, since: Timestamp) -> Result<Activity, Fault> {
    let (mut found, mut cut) = (Vec::new(), false);
    if let Some(user) = of.user {
        cut |= look_up(http, ("Username", user), since, &mut found).await?;
        if found.is_empty() {
            for key in list::<Key>(http, "ListAccessKeys", user).await? {
                cut |= look_up(http, ("AccessKeyId", &key.id), since, &mut found).await?;
            }
        }
    }
    if let Some(other) = of.other {
        cut |= look_up(http, ("Username", other), since, &mut found).await?;
    }
    let incomplete = cut.then(|| format!("only the newest {} events were read", found.len()));
    let events = found.into_iter().map(event_of).collect::<Result<_, _>>()?;
    Ok(Activity { since, events, incomplete })
}

fn asked_of_log((key, value): (&str, &str), since: Timestamp) -> Value {
    json!({
        "LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}],
        "StartTime": since.seconds(), "MaxResults": 50,
    })
}

fn events(body: &Value) -> Query {
    Query::post(std::iter::empty())
        .at("cloudtrail")
        .header("x-amz-service", "cloudtrail")
        .header("x-amz-target", LOOK_UP)
        .json_as("application/x-amz-json-1.1", body.clone())
}

/// Adds the events that carry an attribute, newest first; says whether there were more than may be read.
async fn look_up(
    http: &Reader,
    (key, value): (&str, &str),
    since: Timestamp,
    found: &mut Vec<LogEvent>,
) -> Result<bool, Fault> {
    let mut body = asked_of_log((key, value), since);
    for _ in 0..EVENT_PAGES {
        let page: EventPage = http.ask(events(&body)).await?.json()?;
        found.extend(page.events);
        let Some(token) = page.next_token.filter(|token| !token.is_empty()) else { return Ok(false) };
        body["NextToken"] = token.into();
    }
    Ok(true)
}

/// An event in words common to all vendors. A call that was refused did nothing.
pub(super) fn event_of(event: LogEvent) -> Result<ActivityEvent, Fault> {
    let detail: Value =
        event.cloud_trail_event.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let refused = detail["errorCode"].is_string() || detail["responseElements"]["ConsoleLogin"] == "Failure";
    let kind = match event.event_name.as_str() {
        "ConsoleLogin" if refused => ActivityKind::FailedLogin,
        _ if refused => ActivityKind::Other,
        "ConsoleLogin" => ActivityKind::Login,
        "BatchGetSecretValue"
        | "CreateInstanceExportTask"
        | "ExportTableToPointInTime"
        | "GetObject"
        | "GetSecretValue"
        | "StartExportTask" => ActivityKind::Download,
        "ModifyDBClusterSnapshotAttribute"
        | "ModifyDBSnapshotAttribute"
        | "ModifyImageAttribute"
        | "ModifySnapshotAttribute" => ActivityKind::ShareExternal,
        "CreateAccessKey"
        | "CreateLoginProfile"
        | "CreateServiceSpecificCredential"
        | "GetFederationToken"
        | "GetSessionToken"
        | "UpdateLoginProfile"
        | "UploadSSHPublicKey"
        | "UploadSigningCertificate" => ActivityKind::CredentialCreated,
        "CreateVirtualMFADevice"
        | "DeactivateMFADevice"
        | "DeleteVirtualMFADevice"
        | "EnableMFADevice"
        | "ResyncMFADevice" => ActivityKind::FactorChanged,
        "AddUserToGroup"
        | "AttachGroupPolicy"
        | "AttachRolePolicy"
        | "AttachUserPolicy"
        | "CreatePolicyVersion"
        | "DeleteUserPermissionsBoundary"
        | "PutGroupPolicy"
        | "PutRolePolicy"
        | "PutUserPolicy"
        | "SetDefaultPolicyVersion"
        | "UpdateAssumeRolePolicy" => ActivityKind::PrivilegeChanged,
        _ => ActivityKind::Other,
    };
    let at = Timestamp::from_millis((event.event_time * 1000.0) as i64);
    let at = at.ok_or_else(|| Fault::new(FaultKind::UnexpectedShape, "LookupEvents: a time out of range"))?;
    Ok(ActivityEvent { id: event.event_id, at, kind, country: None, count: 1 })
}
