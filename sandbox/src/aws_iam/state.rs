//! Users as IAM holds them, and the actions on them.

use super::{
    sample::{ACCOUNT, Sample, serial},
    xml::{Refusal, element, elements},
};
use crate::twin::{AccountView, slice};
use leaver_domain::time::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::escape;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Entries per page: one, so that every list of the sample data has more; IAM itself allows no more than two keys.
const PAGE: usize = 1;

/// The kinds of keys that a user can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Ssh,
    Service,
    Certificate,
}

impl Kind {
    /// The name of the id, of the list and of the date in answers.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Access => ("AccessKeyId", "AccessKeyMetadata", "CreateDate"),
            Self::Ssh => ("SSHPublicKeyId", "SSHPublicKeys", "UploadDate"),
            Self::Service => ("ServiceSpecificCredentialId", "ServiceSpecificCredentials", "CreateDate"),
            Self::Certificate => ("CertificateId", "Certificates", "UploadDate"),
        }
    }
}

#[derive(Debug)]
struct Key {
    kind: Kind,
    id: String,
    active: bool,
}

#[derive(Debug)]
struct User {
    sample: Sample,
    id: String,
    keys: Vec<Key>,
    password: bool,
    factors: Vec<String>,
    groups: Vec<String>,
    attached: Vec<String>,
    inline: BTreeMap<String, String>,
}

/// The parameters of a call.
pub(super) type Form = BTreeMap<String, String>;
type Answer = Result<String, Refusal>;

/// All users. Where an emulator holds them, only what it lacks is held here.
#[derive(Debug)]
pub(super) struct Iam {
    users: Vec<User>,
    groups: BTreeSet<String>,
    gaps_only: bool,
}

fn made() -> &'static str {
    "2026-01-05T09:00:00Z"
}

fn param<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map_or("", String::as_str)
}

impl User {
    fn new(sample: &Sample, index: usize, gaps_only: bool) -> Self {
        let keys = |kind, prefix: &'static str, count: usize| {
            let id = move |number| format!("{prefix}LOCAL{index:05}{number:06}");
            (0..count).map(move |number| Key { kind, id: id(number), active: true })
        };
        let mut user = Self {
            id: format!("AIDALOCAL{index:012}"),
            keys: keys(Kind::Ssh, "APKA", sample.ssh_keys)
                .chain(keys(Kind::Service, "ACCA", sample.passwords))
                .chain(keys(Kind::Certificate, "TA7SCERTIFI", sample.certificates))
                .collect(),
            sample: sample.clone(),
            password: false,
            factors: Vec::new(),
            groups: Vec::new(),
            attached: Vec::new(),
            inline: BTreeMap::new(),
        };
        if !gaps_only {
            user.keys.extend(keys(Kind::Access, "AKIA", sample.keys));
            user.password = true;
            user.factors = sample.factors.iter().map(|device| serial(device)).collect();
            user.groups = sample.groups.clone();
            user.attached = sample.attached.clone();
            user.inline = sample.inline.iter().cloned().collect();
        }
        user
    }

    /// Whether an inline policy denies everything: then nothing that the user holds works.
    fn is_denied(&self) -> bool {
        self.inline.values().any(|document| denies_all(document))
    }

    fn xml(&self) -> String {
        let arn = format!("arn:aws:iam::{ACCOUNT}:user/{}", self.sample.name);
        let last_seen = seconds(self.sample.last_seen);
        elements(&[
            ("Path", "/"),
            ("UserName", &self.sample.name),
            ("UserId", &self.id),
            ("Arn", &arn),
            ("CreateDate", made()),
            ("PasswordLastUsed", &last_seen),
        ])
    }

    fn keys_xml(&self, form: &Form, kind: Kind) -> Answer {
        let (id, list, date) = kind.names();
        let member = |key: &Key| {
            let status = if key.active { "Active" } else { "Inactive" };
            let mut pairs = vec![
                ("UserName", self.sample.name.as_str()),
                (id, &key.id),
                ("Status", status),
                (date, made()),
            ];
            match kind {
                Kind::Service => pairs.push(("ServiceName", "codecommit.amazonaws.com")),
                Kind::Certificate => pairs.push(("CertificateBody", "-----BEGIN CERTIFICATE-----")),
                _ => {}
            }
            elements(&pairs)
        };
        paged(form, list, self.keys.iter().filter(|key| key.kind == kind).map(member).collect())
    }

    fn set_status(&mut self, form: &Form, kind: Kind) -> Answer {
        let (name, _, _) = kind.names();
        let active = match param(form, "Status") {
            "Active" => true,
            "Inactive" => false,
            _ => return Err(Refusal::new(400, "ValidationError", "Status must be Active or Inactive")),
        };
        let id = param(form, name);
        let key = self.keys.iter_mut().find(|key| key.kind == kind && key.id == id);
        key.ok_or_else(|| Refusal::missing(&format!("{name} {id}")))?.active = active;
        Ok(String::new())
    }

    fn put_policy(&mut self, form: &Form) -> Answer {
        let (name, document) = (param(form, "PolicyName"), param(form, "PolicyDocument"));
        let parsed = serde_json::from_str::<Value>(document).unwrap_or_default();
        if name.is_empty() || parsed.get("Statement").is_none() {
            return Err(Refusal::new(400, "MalformedPolicyDocument", "Syntax errors in policy."));
        }
        self.inline.insert(name.to_owned(), document.to_owned());
        Ok(String::new())
    }

    fn act(&mut self, action: &str, form: &Form) -> Answer {
        let known = |list: &mut Vec<String>, item: &str| match list.iter().any(|held| held == item) {
            true => Ok(String::new()),
            false => {
                list.push(item.to_owned());
                Ok(String::new())
            }
        };
        match action {
            "GetUser" => Ok(format!("<User>{}</User>", self.xml())),
            "ListUserTags" => paged(form, "Tags", tags_xml(&self.sample.tags)),
            "ListAccessKeys" => self.keys_xml(form, Kind::Access),
            "ListSSHPublicKeys" => self.keys_xml(form, Kind::Ssh),
            "ListServiceSpecificCredentials" => self.keys_xml(form, Kind::Service),
            "ListSigningCertificates" => self.keys_xml(form, Kind::Certificate),
            "UpdateAccessKey" => self.set_status(form, Kind::Access),
            "UpdateSSHPublicKey" => self.set_status(form, Kind::Ssh),
            "UpdateServiceSpecificCredential" => self.set_status(form, Kind::Service),
            "UpdateSigningCertificate" => self.set_status(form, Kind::Certificate),
            "GetLoginProfile" | "DeleteLoginProfile" if !self.password => {
                Err(Refusal::missing(&format!("Login Profile for User {}", self.sample.name)))
            }
            "GetLoginProfile" => {
                let profile = elements(&[("UserName", &self.sample.name), ("CreateDate", made())]);
                Ok(format!("<LoginProfile>{profile}</LoginProfile>"))
            }
            "DeleteLoginProfile" => {
                self.password = false;
                Ok(String::new())
            }
            "ListMFADevices" => {
                let member = |serial: &String| {
                    let name = self.sample.name.as_str();
                    elements(&[("UserName", name), ("SerialNumber", serial), ("EnableDate", made())])
                };
                paged(form, "MFADevices", self.factors.iter().map(member).collect())
            }
            "DeactivateMFADevice" => removed(&mut self.factors, param(form, "SerialNumber")),
            "ListGroupsForUser" => {
                paged(form, "Groups", self.groups.iter().map(|group| group_xml(group)).collect())
            }
            "AddUserToGroup" => known(&mut self.groups, param(form, "GroupName")),
            "RemoveUserFromGroup" => removed(&mut self.groups, param(form, "GroupName")),
            "ListAttachedUserPolicies" => {
                paged(form, "AttachedPolicies", self.attached.iter().map(|arn| attached_xml(arn)).collect())
            }
            "AttachUserPolicy" => known(&mut self.attached, param(form, "PolicyArn")),
            "DetachUserPolicy" => removed(&mut self.attached, param(form, "PolicyArn")),
            "ListUserPolicies" => {
                let names = self.inline.keys().map(|name| escape(name.as_str()).into_owned());
                paged(form, "PolicyNames", names.collect())
            }
            "GetUserPolicy" => self.policy_xml(param(form, "PolicyName")),
            "PutUserPolicy" => self.put_policy(form),
            "DeleteUserPolicy" => {
                let name = param(form, "PolicyName");
                let gone = self.inline.remove(name).map(|_| String::new());
                gone.ok_or_else(|| Refusal::missing(&format!("user policy with name {name}")))
            }
            _ => Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {action}"))),
        }
    }

    fn policy_xml(&self, name: &str) -> Answer {
        let document = self
            .inline
            .get(name)
            .ok_or_else(|| Refusal::missing(&format!("user policy with name {name}")))?;
        let document = utf8_percent_encode(document, NON_ALPHANUMERIC).to_string();
        let user = self.sample.name.as_str();
        Ok(elements(&[("UserName", user), ("PolicyName", name), ("PolicyDocument", &document)]))
    }
}

impl Iam {
    /// With the sample people; with `gaps_only` only what an emulator cannot hold.
    pub(super) fn new(samples: &[Sample], gaps_only: bool) -> Self {
        let users = samples.iter().enumerate();
        Self {
            users: users.map(|(index, sample)| User::new(sample, index, gaps_only)).collect(),
            groups: samples.iter().flat_map(|sample| sample.groups.clone()).collect(),
            gaps_only,
        }
    }

    /// Does an action and says what its result holds.
    pub(super) fn act(&mut self, action: &str, form: &Form) -> Answer {
        if action == "GetAccessKeyLastUsed" {
            return self.last_used(param(form, "AccessKeyId"));
        }
        if action == "ListUsers" {
            return paged(form, "Users", self.users.iter().map(User::xml).collect());
        }
        let group = param(form, "GroupName");
        if !group.is_empty() && !self.groups.contains(group) {
            return Err(Refusal::missing(&format!("group with name {group}")));
        }
        let name = param(form, "UserName");
        match self.users.iter_mut().find(|user| user.sample.name == name) {
            Some(user) => user.act(action, form),
            // Users that the emulator was given by somebody else have none of what it lacks.
            None if self.gaps_only && action.starts_with("List") => paged(form, gap_list(action), Vec::new()),
            None => Err(Refusal::missing(&format!("user with name {name}"))),
        }
    }

    fn last_used(&self, id: &str) -> Answer {
        let holds = |user: &&User| user.keys.iter().any(|key| key.kind == Kind::Access && key.id == id);
        // As AWS: a key that nobody has is refused without saying that it is not there.
        let refused = || Refusal::new(403, "AccessDenied", format!("not authorized to read the key {id}"));
        let user = self.users.iter().find(holds).ok_or_else(refused)?;
        let at = seconds(user.sample.last_seen);
        let used = elements(&[("LastUsedDate", &at), ("ServiceName", "s3"), ("Region", "us-east-1")]);
        let name = element("UserName", &user.sample.name);
        Ok(format!("{name}<AccessKeyLastUsed>{used}</AccessKeyLastUsed>"))
    }

    /// What is held of a sample person now.
    pub(super) fn view(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.sample.username == username) else {
            return AccountView::default();
        };
        let keys = user.keys.iter().filter(|key| key.active).map(|key| key.id.clone());
        let password = user.password.then(|| "console password".to_owned());
        let active = !self.gaps_only && !user.is_denied();
        AccountView {
            exists: true,
            active,
            sessions: if active { vec!["console session".to_owned()] } else { Vec::new() },
            credentials: keys.chain(password).chain(user.factors.clone()).collect(),
            grants: user
                .groups
                .iter()
                .chain(&user.attached)
                .cloned()
                .chain(user.inline.keys().cloned())
                .collect(),
        }
    }

    /// When a user was last seen, for the events that tell of it.
    pub(super) fn last_seen(&self, name: &str) -> Option<Timestamp> {
        self.users.iter().find(|user| user.sample.name == name).map(|user| user.sample.last_seen)
    }
}

/// Whether a policy denies every action on everything.
pub(super) fn denies_all(document: &str) -> bool {
    let policy: Value = serde_json::from_str(document).unwrap_or_default();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    statements.iter().any(|one| one["Effect"] == "Deny" && one["Action"] == "*" && one["Resource"] == "*")
}

fn gap_list(action: &str) -> &'static str {
    match action {
        "ListSSHPublicKeys" => Kind::Ssh.names().1,
        "ListSigningCertificates" => Kind::Certificate.names().1,
        _ => Kind::Service.names().1,
    }
}

fn seconds(at: Timestamp) -> String {
    at.to_string().chars().take(19).chain(['Z']).collect()
}

fn removed(from: &mut Vec<String>, item: &str) -> Answer {
    let before = from.len();
    from.retain(|held| held != item);
    if from.len() < before { Ok(String::new()) } else { Err(Refusal::missing(item)) }
}

fn paged(form: &Form, list: &str, members: Vec<String>) -> Answer {
    let start = param(form, "Marker").parse().unwrap_or(0);
    let (page, next) = slice(&members, start, PAGE);
    let members: String = page.iter().map(|member| format!("<member>{member}</member>")).collect();
    let more = match next {
        Some(next) => elements(&[("IsTruncated", "true"), ("Marker", &next.to_string())]),
        None => element("IsTruncated", "false"),
    };
    Ok(format!("<{list}>{members}</{list}>{more}"))
}

fn tags_xml(tags: &BTreeMap<String, String>) -> Vec<String> {
    tags.iter().map(|(key, value)| elements(&[("Key", key), ("Value", value)])).collect()
}

fn group_xml(name: &str) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let (id, arn) = (
        format!("AGPALOCAL{:0>12}", plain.to_ascii_uppercase()),
        format!("arn:aws:iam::{ACCOUNT}:group/{name}"),
    );
    elements(&[("Path", "/"), ("GroupName", name), ("GroupId", &id), ("Arn", &arn), ("CreateDate", made())])
}

fn attached_xml(arn: &str) -> String {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    elements(&[("PolicyName", name), ("PolicyArn", arn)])
}
