//! What the sample people have in the directory.

use super::{
    BASE, ID,
    directory::{Directory, Entry},
    value,
};
use crate::{people::SamplePerson, twin::World};
use std::collections::BTreeMap;

const USERS: &str = "CN=Users,DC=example,DC=com";
const SCHEMA: &str = "CN=Schema,CN=Configuration,DC=example,DC=com";
const STAFF: &str = "OU=Staff,DC=example,DC=com";
const GROUPS: &str = "OU=Groups,DC=example,DC=com";

/// Numbers handed out one after another.
struct Makes {
    number: u32,
}

impl Makes {
    fn entry(&mut self, dn: String, class: &str) -> Entry {
        self.number += 1;
        let entry = Entry::new(dn).with("objectClass", "top").with("objectClass", class);
        entry.with("objectGUID", value::guid(self.number))
    }

    fn user(&mut self, dn: String, rid: u32, name: &str) -> Entry {
        self.entry(dn, "user")
            .with("objectClass", "person")
            .with("objectCategory", "person")
            .with("objectSid", value::sid(rid, false))
            .with("sAMAccountName", name)
            .with("userAccountControl", "512")
            .with("primaryGroupID", "513")
            .with("accountExpires", i64::MAX.to_string())
    }

    fn group(&mut self, folder: &str, name: &str, rid: u32) -> Entry {
        self.entry(format!("CN={name},{folder}"), "group")
            .with("objectCategory", format!("CN=Group,{SCHEMA}"))
            .with("objectSid", value::sid(rid, false))
            .with("sAMAccountName", name)
            .with("groupType", "-2147483646")
    }
}

/// The directory, and the name of each sample person's entry.
pub(super) fn fill(world: &World) -> (Directory, BTreeMap<String, String>) {
    let mut makes = Makes { number: 0 };
    let mut entries = vec![
        makes.entry(BASE.to_owned(), "domainDNS"),
        makes.entry(USERS.to_owned(), "container"),
        makes.entry(STAFF.to_owned(), "organizationalUnit"),
        makes.entry(GROUPS.to_owned(), "organizationalUnit"),
        makes.user(format!("CN=Administrator,{USERS}"), 500, "Administrator").with("adminCount", "1"),
        makes.user(format!("CN=leaver,{USERS}"), 1100, "leaver"),
    ];
    let mut members: BTreeMap<String, Vec<String>> =
        BTreeMap::from([("Domain Admins".to_owned(), vec![format!("CN=Administrator,{USERS}")])]);
    let mut directory = Directory::default();
    let (mut people, mut projects) = (BTreeMap::new(), Vec::new());
    for (index, sample) in world.people_in(ID).enumerate() {
        let user = account(world, sample, &mut makes, 2000 + u32::try_from(index).unwrap_or(0));
        for group in groups_of(sample) {
            members.entry(group).or_default().push(user.dn.clone());
        }
        if sample.is_engineer() {
            for part in ["build", "docs", "plan"] {
                projects.push((format!("{part} {}", sample.person.username), user.dn.clone()));
            }
        }
        directory.known.insert(user.dn.clone());
        people.insert(sample.person.username.to_string(), user.dn.clone());
        entries.push(user);
    }
    entries.push(makes.group(USERS, "Domain Users", 513).with("isCriticalSystemObject", "TRUE"));
    let mut rid = 3000;
    for (name, members) in members {
        rid += 1;
        let admins = name == "Domain Admins";
        let (folder, rid) = if admins { (USERS, 512) } else { (GROUPS, rid) };
        let mut group = makes.group(folder, &name, rid);
        if admins {
            group = group.with("adminCount", "1").with("isCriticalSystemObject", "TRUE");
        }
        entries.push(members.iter().fold(group, |group, member| group.with("member", member.as_str())));
    }
    for (name, manager) in projects {
        rid += 1;
        entries.push(makes.group(GROUPS, &name, rid).with("managedBy", manager));
    }
    directory.entries = entries;
    (directory, people)
}

fn is_admin(sample: &SamplePerson) -> bool {
    let traits = &sample.traits;
    traits.admin_of.contains(ID)
        || traits.sole_admin_of.contains(ID)
        || sample.person.department == "Security"
}

fn groups_of(sample: &SamplePerson) -> Vec<String> {
    let mut groups = vec![sample.person.department.clone(), "VPN Users".to_owned(), "Wiki".to_owned()];
    groups.extend(is_admin(sample).then(|| "Domain Admins".to_owned()));
    groups
}

fn account(world: &World, sample: &SamplePerson, makes: &mut Makes, rid: u32) -> Entry {
    let person = &sample.person;
    let dn = format!("CN={} ({}),{STAFF}", person.name, person.username);
    let idle = sample.traits.idle_days.unwrap_or(1) * 24;
    let name = person.login(ID).unwrap_or(person.username.as_str());
    let mut user = makes
        .user(dn.clone(), rid, name)
        .with("userPrincipalName", format!("{}@example.com", person.username))
        .with("mail", sample.email_in(ID))
        .with("employeeID", person.employee_id.as_str())
        .with("lastLogonTimestamp", value::filetime(world.hours_ago(idle)))
        .with("pwdLastSet", value::filetime(world.hours_ago(idle + 720)));
    let keys = if sample.is_engineer() { 2 } else { 1 };
    for key in 1..=keys {
        user = user.with("msDS-KeyCredentialLink", format!("B:8:0002{rid:02x}{key:02x}:{dn}").into_bytes());
    }
    if sample.is_engineer() {
        let mapped = format!("X509:<I>DC=com,DC=example,CN=Example CA<S>CN={}", person.username);
        let certificate = [&[0x30, 0x82, 0x01, 0xff][..], person.username.as_str().as_bytes()].concat();
        user = user.with("altSecurityIdentities", mapped).with("userCertificate", certificate);
    }
    if is_admin(sample) {
        user = user.with("adminCount", "1");
    }
    // The build platform runs under its engineer's own account.
    if person.role == "platform_engineer" {
        user = user.with("servicePrincipalName", "HTTP/build.example.com");
    }
    user
}
