//! What the sample people have in IAM: the same in the stand-in and in an emulator.

use super::{ID, identity_center::ONLY_HERE};
use crate::{credentials::pairs, people::SamplePerson, twin::World};
use leaver_domain::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;

/// The account that everything belongs to, as in the emulator.
pub(super) const ACCOUNT: &str = "000000000000";
const EVERYBODY: &str = "everybody";
const ADMINISTRATORS: &str = "administrators";

/// One sample person's IAM user.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// As in the people's file, for the admin face.
    pub(super) username: String,
    /// The IAM user's name.
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) keys: usize,
    pub(super) ssh_keys: usize,
    pub(super) passwords: usize,
    pub(super) certificates: usize,
    /// Names of virtual MFA devices.
    pub(super) factors: Vec<String>,
    pub(super) groups: Vec<String>,
    /// ARNs of managed policies.
    pub(super) attached: Vec<String>,
    /// Inline policies with their texts.
    pub(super) inline: Vec<(String, String)>,
    /// Last login and use of keys.
    pub(super) last_seen: Timestamp,
}

impl Sample {
    fn of(world: &World, sample: &SamplePerson) -> Self {
        let person = &sample.person;
        let name = person.login(ID).unwrap_or(person.username.as_str()).to_owned();
        let engineer = sample.is_engineer();
        let admin = sample.traits.admin_of.contains(ID) || sample.traits.sole_admin_of.contains(ID);
        let managed = |policy: &str| format!("arn:aws:iam::aws:policy/{policy}");
        let mut groups = vec![EVERYBODY.to_owned(), person.department.to_ascii_lowercase()];
        let mut attached = vec![managed("IAMUserChangePassword")];
        if admin {
            groups.push(ADMINISTRATORS.to_owned());
            attached.push(managed("AdministratorAccess"));
        }
        if engineer {
            attached.push(managed("ReadOnlyAccess"));
        }
        let folder = format!("arn:aws:s3:::example-home/{name}/*");
        let home = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": folder}]});
        let logs = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": "*"}]});
        let inline = [("home".to_owned(), home.to_string()), ("logs".to_owned(), logs.to_string())];
        let devices: &[&str] = if engineer { &["phone", "key"] } else { &[] };
        let (two, one) = if engineer { (2, 1) } else { (0, 0) };
        Self {
            username: person.username.to_string(),
            tags: pairs([
                ("email", sample.email_in(ID).to_owned()),
                ("employee_id", person.employee_id.to_string()),
                ("department", person.department.clone()),
            ]),
            keys: 1 + one,
            ssh_keys: two,
            passwords: two,
            certificates: two,
            factors: devices.iter().map(|device| format!("{name}-{device}")).collect(),
            groups,
            attached,
            inline: inline.into_iter().take(if engineer { 2 } else { 0 }).collect(),
            last_seen: world.hours_ago(sample.traits.idle_days.unwrap_or(1) * 24),
            name,
        }
    }
}

/// The IAM users of all sample people who have one.
pub(super) fn all(world: &World) -> Vec<Sample> {
    let people = world.people_in(ID).filter(|sample| sample.person.username.as_str() != ONLY_HERE);
    people.map(|sample| Sample::of(world, sample)).collect()
}

/// The ARN under which a virtual MFA device is known.
pub(super) fn serial(device: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:mfa/{device}")
}
