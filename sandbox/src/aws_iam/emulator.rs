//! The sample people as real users of an AWS emulator (MiniStack), and the way there for leaver's requests.

use super::{
    sample::{Sample, serial},
    state::denies_all,
};
use crate::{
    twin::{AccountView, Ask, Reply},
    upstream::{Upstream, forward},
};
use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{sync::Semaphore, task::JoinSet};

/// The actions of IAM that the emulator does not know. Identity Center is answered by the stand-in as well.
const GAPS: [&str; 6] = [
    "ListSSHPublicKeys",
    "ListServiceSpecificCredentials",
    "ListSigningCertificates",
    "UpdateSSHPublicKey",
    "UpdateServiceSpecificCredential",
    "UpdateSigningCertificate",
];
/// What the emulator accepts as its root, which needs no true signature.
const ROOT: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
/// Users brought to the sample data at a time.
const AT_ONCE: usize = 8;

/// The emulator and who must be there.
pub(super) struct Emulator {
    root: Root,
    samples: Vec<Sample>,
}

/// The emulator as its root reaches it.
#[derive(Clone)]
struct Root {
    url: String,
    client: Option<reqwest::Client>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    get_account_authorization_details_result: DetailLists,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DetailLists {
    user_detail_list: Members<UserDetail>,
    group_detail_list: Members<GroupDetail>,
}

#[derive(Clone, Default, Deserialize)]
struct Members<T> {
    #[serde(default = "Vec::new")]
    member: Vec<T>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserDetail {
    user_name: String,
    user_policy_list: Members<Inline>,
    group_list: Members<String>,
    attached_managed_policies: Members<Attached>,
    tags: Option<Members<Tag>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupDetail {
    group_name: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline {
    policy_name: String,
    policy_document: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    list_access_keys_result: KeyList,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyList {
    access_key_metadata: Members<Key>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    access_key_id: String,
    status: String,
}

#[derive(Deserialize)]
struct Devices {
    #[serde(rename = "ListVirtualMFADevicesResult")]
    result: DeviceList,
}

#[derive(Deserialize)]
struct DeviceList {
    #[serde(rename = "VirtualMFADevices")]
    devices: Members<Device>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Device {
    serial_number: String,
    user: DeviceUser,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceUser {
    user_name: String,
}

/// What the emulator holds of all users.
struct Held {
    users: BTreeMap<String, UserDetail>,
    groups: BTreeSet<String>,
    /// Serial numbers of the assigned devices, with whose they are.
    devices: BTreeMap<String, String>,
}

impl UserDetail {
    fn inline(&self) -> BTreeMap<String, String> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let policies = self.user_policy_list.member.iter();
        policies.map(|policy| (policy.policy_name.clone(), decoded(&policy.policy_document))).collect()
    }

    fn attached(&self) -> BTreeSet<String> {
        self.attached_managed_policies.member.iter().map(|policy| policy.policy_arn.clone()).collect()
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let tags = self.tags.iter().flat_map(|tags| &tags.member);
        tags.map(|tag| (tag.key.clone(), tag.value.clone())).collect()
    }
}

impl Root {
    /// Calls an action; an answer with one of the statuses in `but` is as good as success.
    async fn call(&self, action: &str, more: &[(&str, &str)], but: &[u16]) -> Result<(u16, String), String> {
        let client = self.client.as_ref().ok_or("no HTTP client")?;
        let form: Vec<(&str, &str)> =
            [("Action", action), ("Version", "2010-05-08")].into_iter().chain(more.iter().copied()).collect();
        let request = client.post(&self.url).header("authorization", ROOT).form(&form);
        let failed = |error: reqwest::Error| format!("the emulator's IAM, {action}: {error}");
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(failed)?;
        if status != 200 && !but.contains(&status) {
            return Err(format!("the emulator's IAM, {action}: HTTP {status}: {text}"));
        }
        Ok((status, text))
    }

    async fn read<T: DeserializeOwned>(&self, action: &str, more: &[(&str, &str)]) -> Result<T, String> {
        let (_, text) = self.call(action, more, &[]).await?;
        quick_xml::de::from_str(&text).map_err(|error| format!("the emulator's IAM, {action}: {error}"))
    }

    async fn held(&self) -> Result<Held, String> {
        let details: Details = self.read("GetAccountAuthorizationDetails", &[]).await?;
        let lists = details.get_account_authorization_details_result;
        let devices: Devices =
            self.read("ListVirtualMFADevices", &[("AssignmentStatus", "Assigned")]).await?;
        let users = lists.user_detail_list.member.into_iter();
        let devices = devices.result.devices.member.into_iter();
        Ok(Held {
            users: users.map(|user| (user.user_name.clone(), user)).collect(),
            groups: lists.group_detail_list.member.into_iter().map(|group| group.group_name).collect(),
            devices: devices.map(|device| (device.serial_number, device.user.user_name)).collect(),
        })
    }

    async fn keys(&self, user: &str) -> Result<Vec<Key>, String> {
        let keys: Keys = self.read("ListAccessKeys", &[("UserName", user)]).await?;
        Ok(keys.list_access_keys_result.access_key_metadata.member)
    }

    /// Brings one user to the sample data: what is missing is added, what is too much is taken away.
    async fn bring(
        &self,
        sample: &Sample,
        had: Option<UserDetail>,
        devices: Vec<String>,
    ) -> Result<(), String> {
        let user = ("UserName", sample.name.as_str());
        let is_new = had.is_none();
        if is_new {
            self.tag("CreateUser", sample).await?;
        }
        let had_tags = had.as_ref().map(UserDetail::tags).unwrap_or_default();
        let had_inline = had.as_ref().map(UserDetail::inline).unwrap_or_default();
        let had_attached = had.as_ref().map(UserDetail::attached).unwrap_or_default();
        let had_groups = had.map(|had| had.group_list.member.into_iter().collect()).unwrap_or_default();
        if !is_new && had_tags != sample.tags {
            for key in had_tags.keys() {
                self.call("UntagUser", &[user, ("TagKeys.member.1", key)], &[]).await?;
            }
            self.tag("TagUser", sample).await?;
        }
        self.each("RemoveUserFromGroup", "AddUserToGroup", "GroupName", sample, &had_groups, &sample.groups)
            .await?;
        self.each(
            "DetachUserPolicy",
            "AttachUserPolicy",
            "PolicyArn",
            sample,
            &had_attached,
            &sample.attached,
        )
        .await?;
        for name in had_inline.keys().filter(|name| !sample.inline.iter().any(|(wanted, _)| wanted == *name))
        {
            self.call("DeleteUserPolicy", &[user, ("PolicyName", name)], &[404]).await?;
        }
        for (name, document) in sample.inline.iter().filter(|(name, text)| had_inline.get(name) != Some(text))
        {
            let more = [user, ("PolicyName", name.as_str()), ("PolicyDocument", document.as_str())];
            self.call("PutUserPolicy", &more, &[]).await?;
        }
        self.call("CreateLoginProfile", &[user, ("Password", "Local-only-0-password")], &[409]).await?;
        self.factors(sample, &devices).await?;
        let keys = if is_new { Vec::new() } else { self.keys(&sample.name).await? };
        self.access_keys(sample, &keys).await
    }

    /// An action that takes the sample's tags.
    async fn tag(&self, action: &str, sample: &Sample) -> Result<(), String> {
        let name = |number: usize, part: &str| format!("Tags.member.{number}.{part}");
        let tags = (1..).zip(&sample.tags);
        let pairs: Vec<_> = tags
            .flat_map(|(number, (key, value))| [(name(number, "Key"), key), (name(number, "Value"), value)])
            .collect();
        let mut form = vec![("UserName", sample.name.as_str())];
        form.extend(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        self.call(action, &form, &[]).await.map(|_| ())
    }

    async fn each(
        &self,
        remove: &str,
        add: &str,
        name: &str,
        sample: &Sample,
        had: &BTreeSet<String>,
        wanted: &[String],
    ) -> Result<(), String> {
        let user = ("UserName", sample.name.as_str());
        for item in had.iter().filter(|item| !wanted.contains(item)) {
            self.call(remove, &[user, (name, item)], &[404]).await?;
        }
        for item in wanted.iter().filter(|item| !had.contains(*item)) {
            self.call(add, &[user, (name, item)], &[]).await?;
        }
        Ok(())
    }

    async fn factors(&self, sample: &Sample, had: &[String]) -> Result<(), String> {
        let user = ("UserName", sample.name.as_str());
        let wanted: BTreeMap<String, &str> =
            sample.factors.iter().map(|device| (serial(device), device.as_str())).collect();
        for surplus in had.iter().filter(|serial| !wanted.contains_key(*serial)) {
            self.call("DeactivateMFADevice", &[user, ("SerialNumber", surplus)], &[404]).await?;
        }
        for (serial, device) in wanted.iter().filter(|(serial, _)| !had.contains(serial)) {
            self.call("CreateVirtualMFADevice", &[("VirtualMFADeviceName", device)], &[409]).await?;
            let codes = [("AuthenticationCode1", "123456"), ("AuthenticationCode2", "654321")];
            let more = [user, ("SerialNumber", serial.as_str()), codes[0], codes[1]];
            self.call("EnableMFADevice", &more, &[409]).await?;
        }
        Ok(())
    }

    async fn access_keys(&self, sample: &Sample, keys: &[Key]) -> Result<(), String> {
        let user = ("UserName", sample.name.as_str());
        for surplus in keys.iter().skip(sample.keys) {
            self.call("DeleteAccessKey", &[user, ("AccessKeyId", &surplus.access_key_id)], &[404]).await?;
        }
        for off in keys.iter().take(sample.keys).filter(|key| key.status != "Active") {
            let more = [user, ("AccessKeyId", off.access_key_id.as_str()), ("Status", "Active")];
            self.call("UpdateAccessKey", &more, &[]).await?;
        }
        for _ in keys.len()..sample.keys {
            self.call("CreateAccessKey", &[user], &[]).await?;
        }
        Ok(())
    }
}

impl Emulator {
    /// The emulator at an address, and the users that it is to hold.
    pub(super) fn new(url: String, samples: Vec<Sample>) -> Self {
        let client = leaver_adapters::http::client().ok();
        Self { root: Root { url, client }, samples }
    }
}

#[async_trait]
impl Upstream for Emulator {
    fn takes(&self, ask: &Ask) -> bool {
        match ask.segments().as_slice() {
            [] => !ask.form().get("Action").is_some_and(|action| GAPS.contains(&action.as_str())),
            path => !matches!(path, ["identitystore" | "sso"]),
        }
    }

    async fn answer(&self, ask: &Ask) -> Reply {
        match &self.root.client {
            Some(client) => forward(client, &self.root.url, ask).await,
            None => Reply::empty(503),
        }
    }

    async fn account(&self, username: &str, here: AccountView) -> Result<AccountView, String> {
        let Some(sample) = self.samples.iter().find(|sample| sample.username == username) else {
            return Ok(here);
        };
        let name = sample.name.as_str();
        let held = self.root.held().await?;
        let Some(user) = held.users.get(name) else { return Ok(AccountView::default()) };
        let inline = user.inline();
        let keys = self.root.keys(name).await?;
        let profile = self.root.call("GetLoginProfile", &[("UserName", name)], &[404]).await?;
        let devices = held.devices.iter().filter(|(_, of)| *of == name).map(|(serial, _)| serial.clone());
        let active = keys.into_iter().filter(|key| key.status == "Active").map(|key| key.access_key_id);
        let password = (profile.0 == 200).then(|| "console password".to_owned());
        let grants = user.group_list.member.iter().cloned().chain(user.attached());
        Ok(AccountView {
            exists: true,
            active: here.active || !inline.values().any(|document| denies_all(document)),
            sessions: Vec::new(),
            credentials: active.chain(password).chain(devices).chain(here.credentials).collect(),
            grants: grants.chain(inline.into_keys()).chain(here.grants).collect(),
        })
    }

    async fn seed(&self) -> Result<(), String> {
        let held = self.root.held().await?;
        let groups: BTreeSet<&String> = self.samples.iter().flat_map(|sample| &sample.groups).collect();
        for group in groups.into_iter().filter(|group| !held.groups.contains(*group)) {
            self.root.call("CreateGroup", &[("GroupName", group)], &[409]).await?;
        }
        let (limit, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for sample in &self.samples {
            let (root, sample, limit) = (self.root.clone(), sample.clone(), limit.clone());
            let had = held.users.get(&sample.name).cloned();
            let devices = held.devices.iter().filter(|(_, of)| **of == sample.name);
            let devices: Vec<String> = devices.map(|(serial, _)| serial.clone()).collect();
            tasks.spawn(async move {
                let _turn = limit.acquire_owned().await.map_err(|error| error.to_string())?;
                root.bring(&sample, had, devices).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| error.to_string())??;
        }
        Ok(())
    }
}
