//! AWS IAM: users with their keys, passwords, second factors, groups and policies; CloudTrail for what they did; and, where
//! the settings name an instance of it, IAM Identity Center (`identity_center.rs`). Who has a user in both is one account:
//! the IAM user's, with what the other holds among its grants.
//!
//! Order: the deny-all policy first. IAM has no flag that disables a user, but an explicit deny is evaluated with every
//! call and wins over every allow, so it stops keys, console sessions and temporary credentials at once. Then keys and
//! certificates are made inactive, the console password is deleted, and what gave the user power goes; factors, groups
//! and the other policies are tidied afterwards. The account's root user always remains, so no IAM user is ever the
//! last administrator.

mod identity_center;
mod read;
mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Command, Reader, Writer},
    missing_by_reads,
    settings::{OwnIdentity, Settings},
};
use async_trait::async_trait;
use identity_center::{Center, Target};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{
        Account, AccountStatus, Asset, Credential, CredentialKind, Grant, GrantKind, Inventory, Next,
        Sessions,
    },
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// What is known of AWS IAM without asking it.
pub const SPEC: Spec = Spec {
    id: "aws_iam",
    name: "AWS IAM",
    part: Part::Account,
    hosts: &[
        ("", "https://iam.amazonaws.com"),
        ("cloudtrail", "https://cloudtrail.us-east-1.amazonaws.com"),
        ("identitystore", "https://identitystore.{identity_center_region|region|us-east-1}.amazonaws.com"),
        ("sso", "https://sso.{identity_center_region|region|us-east-1}.amazonaws.com"),
    ],
    settings: &[
        (
            "identity_store_id",
            "optional: id of Identity Center's identity store (d-...); with it goes the next",
        ),
        ("instance_arn", "optional: ARN of the Identity Center instance (arn:aws:sso:::instance/ssoins-...)"),
        ("identity_center_region", "optional: the region that Identity Center is in, otherwise us-east-1"),
        ("region", "optional: the region that IAM's calls are signed for, otherwise us-east-1"),
    ],
    scopes: &[
        "iam:AddUserToGroup",
        "iam:AttachUserPolicy",
        "iam:DeactivateMFADevice",
        "iam:DeleteLoginProfile",
        "iam:DeleteUserPolicy",
        "iam:DetachUserPolicy",
        "iam:GetAccessKeyLastUsed",
        "iam:GetLoginProfile",
        "iam:GetUser",
        "iam:GetUserPolicy",
        "iam:ListAccessKeys",
        "iam:ListAttachedUserPolicies",
        "iam:ListGroupsForUser",
        "iam:ListMFADevices",
        "iam:ListServiceSpecificCredentials",
        "iam:ListSigningCertificates",
        "iam:ListSSHPublicKeys",
        "iam:ListUserPolicies",
        "iam:ListUserTags",
        "iam:ListUsers",
        "iam:PutUserPolicy",
        "iam:RemoveUserFromGroup",
        "iam:UpdateAccessKey",
        "iam:UpdateServiceSpecificCredential",
        "iam:UpdateSigningCertificate",
        "iam:UpdateSSHPublicKey",
        "cloudtrail:LookupEvents",
        "identitystore:CreateGroupMembership",
        "identitystore:DeleteGroupMembership",
        "identitystore:DescribeGroup",
        "identitystore:DescribeUser",
        "identitystore:GetUserId",
        "identitystore:ListGroupMembershipsForMember",
        "identitystore:ListUsers",
        "sso:CreateAccountAssignment",
        "sso:DeleteAccountAssignment",
        "sso:DescribeAccountAssignmentCreationStatus",
        "sso:DescribeAccountAssignmentDeletionStatus",
        "sso:DescribePermissionSet",
        "sso:ListAccountAssignmentsForPrincipal",
    ],
    order: &[
        "Put a policy on the user that denies everything: it is evaluated with every call, also for temporary credentials.",
        "Make access keys, SSH keys, service credentials and certificates inactive; delete the console password.",
        "Identity Center, where it is set up: delete the person's direct assignments to accounts, privileged ones first, and wait for each; then take the user out of its groups.",
        "Take policies, second factors and groups.",
    ],
    residuals: &[
        "Sessions of roles that the user assumed go on until they end.",
        "Automation that signs with the user's keys stops: that is why live keys are flagged.",
        "The Identity Center user remains and can sign in to the access portal, where no account is left for it; it ends in the identity source (SCIM).",
        "Sessions of permission sets that are running go on until they end, after up to 12 hours.",
        "Applications that are assigned to the Identity Center user directly stay assigned.",
        "Assignments in the management account itself may be refused: AWS asks for full rights over IAM there, which leaver's role does not have.",
    ],
    setup: &[
        "The adapter signs with its own function's role, which the template gives the actions below.",
        "For another account, deploy there, or put the address of a proxy into `base_url`.",
        "Tag users with `email` or `employee_id` where their names are neither.",
        "With Identity Center, deploy in the organization's management account, where alone its assignments can be listed, and put its ids and region into the secret.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every IAM user, with the last use of the password, the policy that denies everything and the tags `email` and `employee_id`, and then every user of Identity Center; use of access keys is not a login.",
    ),
    source: "IAM 2010-05-08, CloudTrail 2013-11-01, Identity Store 2020-06-15 and SSO Admin 2020-07-20, AWS service models",
};

/// The inline policy that stands for "disabled".
const DENY_NAME: &str = "leaver-deny-all";
const DENY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"LeaverDenyAll","Effect":"Deny","Action":"*","Resource":"*"}]}"#;
/// Where IAM and the events of its console live in the standard partition, whatever region leaver runs in.
const HOME_REGION: &str = "us-east-1";
/// The target of the action that deletes the console password; a user has one at most.
const PASSWORD: &str = "login-profile";
/// A key that automation used this lately is taken for in use.
const IN_USE: Duration = Duration::from_secs(7 * 86_400);

struct AwsIam {
    /// The key that leaver itself signs with.
    own_key: String,
    /// Identity Center, where it is set up.
    center: Option<Center>,
}

/// The adapter and its authentication: the function's own role, or outside AWS a key from the settings
/// (`access_key_id`, `secret_access_key`, `session_token`). `region` is for other partitions. Identity Center lives in a
/// region of its own, for which its calls are signed.
///
/// # Errors
/// `CredentialRejected` where there is neither, and where Identity Center is named by half.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let mut identity = match &settings.identity {
        Some(own) => own.clone(),
        None => OwnIdentity {
            access_key_id: settings.text("access_key_id")?,
            secret_access_key: settings.secret("secret_access_key")?.clone(),
            session_token: settings.secret("session_token").ok().cloned(),
            region: String::new(),
        },
    };
    identity.region = settings.optional("region").unwrap_or_else(|| HOME_REGION.to_owned());
    let adapter = AwsIam { own_key: identity.access_key_id.clone(), center: Center::open(settings)? };
    if adapter.center.is_none() {
        return Ok((Box::new(adapter), Auth::Aws(identity)));
    }
    let region = settings.filled(identity_center::REGION);
    let there = OwnIdentity { region, ..identity.clone() };
    let hosts = SPEC.hosts.iter().map(|(host, _)| {
        let theirs = matches!(*host, "identitystore" | "sso");
        (*host, Auth::Aws(if theirs { there.clone() } else { identity.clone() }))
    });
    Ok((Box::new(adapter), Auth::ByHost(hosts.collect())))
}

/// Whether a policy's text is the one that denies everything: somebody may have weakened a policy of that name.
fn denies_all(document: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    parsed(document).is_some_and(|policy| Some(policy) == parsed(DENY))
}

/// Whether a policy's text lets its holder administer the account or its users.
fn administers(document: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(document) else { return false };
    let statements = match &policy["Statement"] {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    let is_wide = |action: &Value| action.as_str().is_some_and(|name| matches!(name, "*" | "iam:*" | "*:*"));
    statements.iter().any(|statement| {
        let wide = match &statement["Action"] {
            Value::Array(all) => all.iter().any(is_wide),
            one => is_wide(one),
        };
        statement["Effect"] == "Allow" && (wide || statement.get("NotAction").is_some())
    })
}

/// Whether the name of a group or managed policy says that it administers. What a group's policies allow is not read.
fn sounds_privileged(name: &str) -> bool {
    name.to_ascii_lowercase().contains("admin") || matches!(name, "IAMFullAccess" | "PowerUserAccess")
}

/// Which of the person's attributes the tags confirm.
fn confirm(who: &Person, login: &str, tags: &BTreeMap<String, String>) -> Result<&'static str, Fault> {
    let number = tags.get("employee_id").map(|number| number.eq_ignore_ascii_case(who.employee_id.as_str()));
    let email = tags.get("email").map(|email| email.eq_ignore_ascii_case(&who.email));
    match (number, email) {
        (Some(false), _) | (_, Some(false)) => {
            let detail = format!("the tags of the user {login} name another person");
            Err(Fault::new(FaultKind::Ambiguous, detail))
        }
        (Some(true), _) => Ok("employee_id"),
        (_, Some(true)) => Ok("email"),
        (None, None) if who.login(SPEC.id).is_some() => Ok("login"),
        (None, None) => Ok("username"),
    }
}

fn grant(id: String, kind: GrantKind, name: String, privileged: bool) -> Grant {
    Grant { id, kind, name, privileged, fixed: None, sole_holder: false }
}

/// Groups, attached policies and inline policies, and the texts of the inline ones.
async fn grants(http: &Reader, user: &str) -> Result<(Vec<Grant>, BTreeMap<String, String>), Fault> {
    let mut all = Vec::new();
    for name in read::groups(http, user).await? {
        let privileged = sounds_privileged(&name);
        all.push(grant(format!("group:{name}"), GrantKind::Group, name, privileged));
    }
    for (name, arn) in read::attached_policies(http, user).await? {
        let privileged = sounds_privileged(&name);
        all.push(grant(arn, GrantKind::Policy, name, privileged));
    }
    let inline = read::inline_policies(http, user).await?;
    for (name, document) in inline.iter().filter(|(name, _)| name.as_str() != DENY_NAME) {
        all.push(grant(format!("inline:{name}"), GrantKind::Policy, name.clone(), administers(document)));
    }
    Ok((all, inline))
}

/// Keys that automation depends on: used lately, by a user whose tags say so.
fn automation(keys: &[Credential], tags: &BTreeMap<String, String>, now: Timestamp) -> Vec<Asset> {
    let tagged = tags.get("automation").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let used = |key: &&Credential| key.last_used.is_some_and(|at| now.since(at) < IN_USE);
    let live = |key: &&Credential| tagged && key.active && key.kind == CredentialKind::ApiKey && used(key);
    let asset = |key: &Credential| Asset {
        id: key.id.clone(),
        kind: "automation".to_owned(),
        name: format!("running with {}", key.label),
        live_automation: true,
        next: Next::Task,
    };
    keys.iter().filter(live).map(asset).collect()
}

/// The call that changes a credential's status, and the name of its id there.
fn status_call(kind: CredentialKind) -> Option<(&'static str, &'static str)> {
    match kind {
        CredentialKind::ApiKey => Some(("UpdateAccessKey", "AccessKeyId")),
        CredentialKind::SshKey => Some(("UpdateSSHPublicKey", "SSHPublicKeyId")),
        CredentialKind::AppPassword => {
            Some(("UpdateServiceSpecificCredential", "ServiceSpecificCredentialId"))
        }
        CredentialKind::Certificate => Some(("UpdateSigningCertificate", "CertificateId")),
        _ => None,
    }
}

/// The call that gives or takes a grant; `None` for an inline policy that would have to be given without its text.
/// The target of one that is given back carries the text, because what is read then no longer has it.
fn grant_call(target: &str, give: bool) -> Option<(&'static str, Vec<(&'static str, &str)>)> {
    let choose = |add, remove| if give { add } else { remove };
    if let Some(group) = target.strip_prefix("group:") {
        return Some((choose("AddUserToGroup", "RemoveUserFromGroup"), vec![("GroupName", group)]));
    }
    let Some(inline) = target.strip_prefix("inline:") else {
        return Some((choose("AttachUserPolicy", "DetachUserPolicy"), vec![("PolicyArn", target)]));
    };
    if !give {
        return Some(("DeleteUserPolicy", vec![("PolicyName", inline)]));
    }
    let (name, document) = inline.split_once('\n')?;
    Some(("PutUserPolicy", vec![("PolicyName", name), ("PolicyDocument", document)]))
}

/// The names under which CloudTrail knows what the account did: a session of a permission set carries the name of the
/// Identity Center user. Only an IAM user's, which comes first, can have access keys.
fn names(who: &Account) -> read::Names<'_> {
    let user = identity_center::has_iam_user(who).then_some(who.login.as_str());
    let other = who.facts.get(identity_center::LOGIN).map(String::as_str);
    read::Names { user, other: other.filter(|other| Some(*other) != user) }
}

fn residues(before: &Account) -> Vec<Residue> {
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let mut all = Vec::new();
    if identity_center::has_iam_user(before) {
        all.push(Residue {
            what:
                "temporary credentials that the user made (GetSessionToken, GetFederationToken) exist for up \
                   to 36 hours; the deny policy is evaluated with each of their calls, so none is allowed"
                    .to_owned(),
            lasts: hours(36),
        });
        all.push(Residue {
            what:
                "sessions of roles that the user assumed earlier keep the role's permissions until they end; \
                   the user's deny policy does not reach them"
                    .to_owned(),
            lasts: hours(12),
        });
    }
    if identity_center::has_user(before) {
        all.push(Residue {
            what: "sessions of permission sets that are running in accounts last until they end".to_owned(),
            lasts: hours(12),
        });
        all.push(Residue {
            what:
                "the Identity Center user remains and can sign in to the access portal, where no account is \
                   left for it; it ends in the identity source (SCIM)"
                    .to_owned(),
            lasts: None,
        });
    }
    all
}

impl AwsIam {
    /// What the person has in IAM itself.
    async fn in_iam(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let name = who.login(SPEC.id).unwrap_or(who.username.as_str());
        let Some(user) = read::user(http, name).await? else { return Ok(Inventory::absent()) };
        let name = user.user_name.as_str();
        let tags = read::tags(http, name).await?;
        let matched_by = confirm(who, name, &tags)?;
        let (grants, inline) = grants(http, name).await?;
        let credentials = read::credentials(http, name).await?;
        if credentials.iter().any(|credential| credential.id == self.own_key) {
            let detail = format!("the user {name} holds the key that leaver itself signs with");
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
        let denied = inline.get(DENY_NAME).is_some_and(|document| denies_all(document));
        let texts = inline.into_iter().filter(|(name, _)| name != DENY_NAME);
        let facts = texts.map(|(name, document)| (format!("inline:{name}"), document));
        let used = credentials.iter().filter_map(|credential| credential.last_used);
        let account = Account {
            id: user.user_id.clone(),
            login: name.to_owned(),
            status: if denied { AccountStatus::Suspended } else { AccountStatus::Active },
            matched_by: matched_by.to_owned(),
            privileged: grants.iter().any(|grant| grant.privileged),
            last_login: used.chain(user.password_last_used).max(),
            facts: facts.collect(),
        };
        let assets = automation(&credentials, &tags, http.now());
        Ok(Inventory { credentials, grants, assets, ..Inventory::of(account, Sessions::Unreadable) })
    }
}

#[async_trait]
impl Adapter for AwsIam {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let found = self.in_iam(http, who).await?;
        let Some(center) = &self.center else { return Ok(found) };
        Ok(match center.held(http, who).await? {
            Some(held) => held.beside(found),
            None => found,
        })
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        match read::activity(http, &names(who), since).await {
            Err(fault) if fault.kind == FaultKind::PermissionMissing => {
                Ok(Activity::unavailable(since, "the role may not look up CloudTrail events"))
            }
            other => other,
        }
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if identity_center::is_iam_user_open(account) {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let active = || found.credentials.iter().filter(|credential| credential.active);
        for key in active().filter(|credential| status_call(credential.kind).is_some()) {
            todo.push(Action::contain(ActionKind::DisableApiKey, &key.id, &key.label));
        }
        for password in active().filter(|credential| credential.kind == CredentialKind::Password) {
            let action = Action::contain(ActionKind::RevokeToken, &password.id, &password.label);
            todo.push(action.irreversible());
        }
        let ours = || found.grants.iter().filter(|grant| Target::parse(&grant.id).is_none());
        let grants = |privileged| ours().filter(move |grant| grant.privileged == privileged);
        let taken = |grant: &Grant| Action::contain(ActionKind::RemoveGroup, &grant.id, &grant.name);
        todo.extend(grants(true).map(taken));
        todo.extend(identity_center::revoke(found));
        for factor in active().filter(|credential| credential.kind == CredentialKind::Factor) {
            let action = Action::clean_up(ActionKind::RemoveFactor, &factor.id, &factor.label);
            todo.push(action.irreversible());
        }
        let tidied = |grant: &Grant| Action::clean_up(ActionKind::RemoveGroup, &grant.id, &grant.name);
        todo.extend(grants(false).map(tidied));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        let gone = |grant: &&Grant| !now.grants.iter().any(|held| held.id == grant.id);
        for grant in before.grants.iter().filter(gone) {
            let text = was.facts.get(&grant.id).map(|document| format!("\n{document}")).unwrap_or_default();
            let target = format!("{}{text}", grant.id);
            todo.push(Action::clean_up(ActionKind::AddGrant, target, &grant.name));
        }
        let off = now.credentials.iter().filter(|key| !key.active && status_call(key.kind).is_some());
        for key in off.filter(|key| before.credentials.iter().any(|had| had.id == key.id && had.active)) {
            todo.push(Action::contain(ActionKind::EnableApiKey, &key.id, &key.label));
        }
        todo.extend(identity_center::restore(was, is));
        // Last: until everything else is there again the IAM user stays shut.
        if identity_center::is_iam_user_open(was) && !identity_center::is_iam_user_open(is) {
            let of = if identity_center::has_iam_user(is) { is } else { was };
            todo.push(Action::contain(ActionKind::EnableAccount, &of.id, &of.login));
        }
        todo
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        // An inline policy is more than its name: it can be brought back, not asked for.
        let of_center = self.center.is_some() && Target::parse(id).is_some_and(Target::is_well_formed);
        let known = of_center || id.starts_with("group:") || id.starts_with("arn:");
        known.then(|| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let wrong = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        let target = action.target.as_str();
        if identity_center::is_meant(account, target) {
            let unset = || {
                let detail = format!("the secret of {} names no Identity Center any more", SPEC.id);
                Fault::new(FaultKind::CredentialRejected, detail)
            };
            return self.center.as_ref().ok_or_else(unset)?.apply(http, account, action).await;
        }
        if !identity_center::has_iam_user(account) {
            // Another person's IAM user may have the name that this one has in Identity Center.
            return Err(Fault::new(FaultKind::NotFound, "the person has no IAM user"));
        }
        let (call, more) = match action.kind {
            ActionKind::DisableAccount => {
                ("PutUserPolicy", vec![("PolicyName", DENY_NAME), ("PolicyDocument", DENY)])
            }
            ActionKind::EnableAccount => ("DeleteUserPolicy", vec![("PolicyName", DENY_NAME)]),
            ActionKind::DisableApiKey | ActionKind::EnableApiKey => {
                let key = found.credentials.iter().find(|credential| credential.id == target);
                let Some(key) = key else { return Ok(Outcome::Already) };
                let (call, id) = status_call(key.kind).ok_or_else(wrong)?;
                let enable = action.kind == ActionKind::EnableApiKey;
                (call, vec![(id, target), ("Status", if enable { "Active" } else { "Inactive" })])
            }
            ActionKind::RevokeToken if target == PASSWORD => ("DeleteLoginProfile", Vec::new()),
            ActionKind::RemoveFactor => ("DeactivateMFADevice", vec![("SerialNumber", target)]),
            ActionKind::RemoveGroup => grant_call(target, false).ok_or_else(wrong)?,
            ActionKind::AddGrant => grant_call(target, true).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        let pairs = read::pairs(call, &account.login, more);
        let command = Command::post(std::iter::empty());
        http.tell(command.header("x-amz-service", "iam").header("accept", "text/xml").form(pairs)).await?;
        Ok(Outcome::Done)
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        before.account.as_ref().map(residues).unwrap_or_default()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let mut reads: Vec<_> = read::permissions(http.now()).collect();
        reads.extend(self.center.iter().flat_map(Center::permissions));
        missing_by_reads(http, reads).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(self.center.as_ref(), http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        read::probe(http).await
    }
}

#[cfg(test)]
mod tests;
