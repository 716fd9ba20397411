//! Active Directory, over LDAP inside TLS: accounts, their keys and certificates, groups.
//!
//! Order: disable first, because nothing else stops new Kerberos tickets; then twice a password that nobody knows, so that
//! hashes and what was derived from the old one prove nothing; then keys and certificates, privileged groups, all other
//! groups. The account itself stays: what is deleted loses its SID, and with it every permission on files.
//!
//! Whether the account is disabled is what the server's own rule over the bits says on a fresh connection. A value is only
//! ever changed as it was read (the old one goes, the new one comes, in one request), so that nobody's change is undone.

mod read;
mod roster;
mod values;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec, asked_for,
    auth::Auth,
    http::{Reader, Writer},
    ldap::{Change, Entry, Modify, Search, Server, Wanted, has, is},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, CredentialKind, Grant, Inventory},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use read::{KEYS, PASSWORD, key_id};
use std::time::Duration;
use values::{DISABLED, by_guid, is_guid, unknown_password};

const CONTROL: &str = "userAccountControl";
const READ: &str = "read all properties of users and groups";
const WRITE_CONTROL: &str = "write userAccountControl of users";
const RESET: &str = "reset the password of users";
const WRITE_KEYS: &str = "write msDS-KeyCredentialLink, altSecurityIdentities and userCertificate of users";
const WRITE_MEMBERS: &str = "write member of groups";

/// What is known of Active Directory without asking it.
pub const SPEC: Spec = Spec {
    id: "active_directory",
    name: "Active Directory",
    part: Part::Account,
    hosts: &[],
    settings: &[
        (
            "url",
            "address of one domain controller, `ldaps://dc1.example.com:636`; always the same one, because changes reach the others later",
        ),
        ("bind_dn", "distinguished name or user principal name of leaver's account"),
        ("bind_password", "its password"),
        ("base_dn", "distinguished name of the domain, `DC=example,DC=com`"),
        (
            "ca",
            "certificate in PEM form of the authority that signed the controller's; only where it is not one of the public web",
        ),
    ],
    scopes: &[READ, WRITE_CONTROL, RESET, WRITE_KEYS, WRITE_MEMBERS],
    order: &[
        "Disable the account: the bit 2 of userAccountControl, set only where the value is still the one that was read",
        "Replace the password by a random one that nobody knows, twice, because the one before the last works for another hour; pwdLastSet, read back, shows it",
        "Remove Windows Hello keys and security keys (msDS-KeyCredentialLink), mapped and published certificates",
        "Take the account out of privileged groups",
        "Take it out of all other groups; the primary group stays",
        "Confirm with the server's own filter for disabled accounts, over a new connection",
    ],
    residuals: &[
        "Kerberos tickets already issued work until they end: ten hours by default",
        "A computer that cannot reach a domain controller lets the person log on with what it cached",
        "Domain controllers at other sites learn of the changes with the next replication: up to three hours by default",
        "Certificates work outside the domain until their authority revokes them",
        "The old password and removed keys cannot be brought back; after a return the help desk sets a new password",
        "Objects that the account manages are listed for somebody to take over.",
    ],
    setup: &[
        "In Active Directory Users and Computers, create a user for leaver, with a long random password, in no privileged group",
        "On each organisational unit with accounts, delegate to it: reset password, write userAccountControl, msDS-KeyCredentialLink, altSecurityIdentities and userCertificate of user objects",
        "On each organisational unit with groups, delegate to it: write members of group objects",
        "Accounts of administrators are protected by AdminSDHolder: grant the same there, or leave them to a person",
        "See that the domain controller has a certificate for LDAPS that names it as a subject alternative name, and export its authority's certificate in PEM form",
        "Open port 636 of that controller to leaver's functions, then run `leaver doctor`",
    ],
    roster: Roster::Listed(
        "Every user object below the base, with the last logon as it is replicated, which lags by up to fourteen days.",
    ),
    source: "Microsoft Open Specifications MS-ADTS and RFC 4511; there is no machine-readable description",
};

struct ActiveDirectory {
    server: Server,
    base: String,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let directory =
        ActiveDirectory { server: Server::from_settings(settings)?, base: settings.text("base_dn")? };
    Ok((Box::new(directory), Auth::None))
}

/// The name of an account as it was read.
fn dn(account: &Account) -> Result<&str, Fault> {
    let dn = account.facts.get("dn").map(String::as_str);
    dn.ok_or_else(|| Fault::new(FaultKind::Internal, "an account without its distinguished name"))
}

/// Some attributes of one entry.
async fn one(search: &mut Search<'_>, dn: &str, attributes: &[&str]) -> Result<Option<Entry>, Fault> {
    search.entry(&Wanted { base: dn, deep: false, filter: has("objectClass"), attributes }).await
}

impl ActiveDirectory {
    /// Sets or clears the bit that disables, where the value is still the one that was read.
    async fn switch(&self, http: &Writer, account: &Account, off: bool) -> Result<Outcome, Fault> {
        let old = account.facts.get(CONTROL).and_then(|value| value.parse::<i64>().ok());
        let old =
            old.ok_or_else(|| Fault::new(FaultKind::Internal, "an account without its control bits"))?;
        let new = if off { old | DISABLED } else { old & !DISABLED };
        let (old, new) = (old.to_string(), new.to_string());
        let change = [Change::Delete(CONTROL, old.as_bytes()), Change::Add(CONTROL, new.as_bytes())];
        Modify::new(&self.server, http).change(&by_guid(&account.id), &change).await?;
        Ok(Outcome::Done)
    }

    /// Replaces the password, twice: for an hour, controllers let people in with the one before the last. Only `pwdLastSet`
    /// can show it: it must be another than before.
    async fn forget_password(&self, http: &Writer, account: &Account) -> Result<Outcome, Fault> {
        let (name, set) = (by_guid(&account.id), "pwdLastSet");
        let number = |entry: Option<Entry>| entry.and_then(|entry| entry.number(set));
        let mut directory = Modify::new(&self.server, http);
        let before = number(one(directory.reads(), &name, &[set]).await?);
        for password in [unknown_password()?, unknown_password()?] {
            directory.change(&name, &[Change::Replace("unicodePwd", &password)]).await?;
        }
        let after = number(one(&mut Search::new(&self.server, http), &name, &[set]).await?);
        if after.is_some_and(|after| after > before.unwrap_or(0)) {
            return Ok(Outcome::Done);
        }
        let detail = "the password was replaced, but pwdLastSet does not show it";
        Err(Fault::new(FaultKind::NotVerified, detail))
    }

    /// Removes one key or certificate, as it stands in the entry now.
    async fn remove_key(&self, http: &Writer, account: &Account, id: &str) -> Result<Outcome, Fault> {
        let known = KEYS.iter().find(|(attribute, ..)| id.starts_with(&format!("{attribute}:")));
        let Some((attribute, ..)) = known else { return Err(not_ours()) };
        let name = by_guid(&account.id);
        let mut directory = Modify::new(&self.server, http);
        let entry = one(directory.reads(), &name, &[attribute]).await?;
        let values = entry.as_ref().map_or(&[][..], |entry| entry.all(attribute));
        let Some(value) = values.iter().find(|value| key_id(attribute, value) == id) else {
            return Ok(Outcome::Already);
        };
        directory.change(&name, &[Change::Delete(attribute, value)]).await?;
        Ok(Outcome::Done)
    }

    /// Puts the account into a group, or takes it out. The server refuses what is so already, in the same words as what it
    /// does not allow: a read tells them apart.
    async fn member(
        &self,
        http: &Writer,
        account: &Account,
        group: &str,
        gives: bool,
    ) -> Result<Outcome, Fault> {
        if !is_guid(group) {
            return Err(Fault::new(FaultKind::NotFound, "not the id of a group"));
        }
        let (group, user) = (by_guid(group), dn(account)?);
        let change = match gives {
            true => Change::Add("member", user.as_bytes()),
            false => Change::Delete("member", user.as_bytes()),
        };
        let mut directory = Modify::new(&self.server, http);
        let refused = match directory.change(&group, &[change]).await {
            Ok(()) => return Ok(Outcome::Done),
            Err(fault) if fault.kind == FaultKind::Conflict => fault,
            Err(fault) => return Err(fault),
        };
        let filter = is("member", user);
        let wanted = Wanted { base: &group, deep: false, filter, attributes: &["objectGUID"] };
        let is_member = directory.reads().entry(&wanted).await?.is_some();
        if is_member == gives { Ok(Outcome::Already) } else { Err(refused) }
    }
}

fn not_ours() -> Fault {
    Fault::new(FaultKind::Internal, "not an action of this adapter")
}

#[async_trait]
impl Adapter for ActiveDirectory {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        read::discover(&mut Search::new(&self.server, http), &self.base, who).await
    }

    async fn activity(&self, _: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        let why = "LDAP gives no log: the controllers' security event logs have it";
        let last = who.last_login.map_or_else(String::new, |last| format!("; last logon about {last}"));
        Ok(Activity::unavailable(since, format!("{why}{last}")))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let password = Action::contain(ActionKind::RevokeToken, PASSWORD, "password");
        todo.push(password.irreversible().by_receipt());
        for key in found.credentials.iter().filter(|key| key.kind != CredentialKind::Password) {
            let kind = match key.kind {
                CredentialKind::Factor => ActionKind::RemoveFactor,
                _ => ActionKind::DisableApiKey,
            };
            todo.push(Action::contain(kind, &key.id, &key.label).irreversible());
        }
        for group in found.grants.iter().filter(|group| group.fixed.is_none()) {
            todo.push(match group.privileged {
                true => Action::contain(ActionKind::RemoveGroup, &group.id, &group.name),
                false => Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name),
            });
        }
        let target = format!("delete:{}", account.id);
        let label = format!("delete the account {}, and with it its SID", account.login);
        todo.push(Action::parked(ActionKind::DisableAccount, target, label));
        todo
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        is_guid(id).then(|| asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let target = action.target.as_str();
        match action.kind {
            ActionKind::DisableAccount if target == account.id => self.switch(http, account, true).await,
            ActionKind::EnableAccount => self.switch(http, account, false).await,
            ActionKind::RevokeToken if target == PASSWORD => self.forget_password(http, account).await,
            ActionKind::RemoveFactor | ActionKind::DisableApiKey => {
                self.remove_key(http, account, target).await
            }
            ActionKind::RemoveGroup => self.member(http, account, target, false).await,
            ActionKind::AddGrant => self.member(http, account, target, true).await,
            _ => Err(not_ours()),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let residue = |what: &str, lasts| Residue { what: what.to_owned(), lasts };
        if before.account.is_none() {
            return Vec::new();
        }
        let mut left = vec![
            residue("Kerberos tickets already issued work until they end (ten hours by default)", hours(10)),
            residue("domain controllers at other sites learn of it with the next replication", hours(3)),
            residue("a computer off the network lets the person log on with what it cached", None),
        ];
        if before.credentials.iter().any(|held| held.kind == CredentialKind::Certificate) {
            let what = "certificates work outside the domain until their authority revokes them";
            left.push(residue(what, None));
        }
        left
    }

    /// The directory says of each entry which attributes the caller may write. Whether passwords may be reset is a right
    /// that it does not list there.
    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let mut search = Search::new(&self.server, http);
        let [users, groups] = read::writable(&mut search, &self.base).await?;
        let named = |entry: &Entry, list: &str, name: &str| {
            entry.texts(list).any(|held| held.eq_ignore_ascii_case(name))
        };
        // What an older schema does not know cannot be written, and need not be.
        let writes = |entry: &Entry, name: &str| {
            named(entry, "allowedAttributesEffective", name) || !named(entry, "allowedAttributes", name)
        };
        let lacks = |entries: &[Entry], name: &str| {
            !entries.is_empty() && !entries.iter().any(|entry| writes(entry, name))
        };
        let mut missing = Vec::new();
        let mut lack = |scope, shown_by: &str| missing.push(Missing { scope, shown_by: shown_by.to_owned() });
        let said = "allowedAttributesEffective of none of the first entries holds it";
        if users.is_empty() {
            lack(READ, "a search finds no user");
        }
        if lacks(&users, CONTROL) {
            lack(WRITE_CONTROL, said);
        }
        if KEYS.iter().any(|(attribute, ..)| lacks(&users, attribute)) {
            lack(WRITE_KEYS, said);
        }
        if lacks(&groups, "member") {
            lack(WRITE_MEMBERS, said);
        }
        Ok(missing)
    }

    async fn roster(&self, http: &Reader, _: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(&mut Search::new(&self.server, http), &self.base).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let found = one(&mut Search::new(&self.server, http), &self.base, &["objectClass"]).await?;
        found
            .map(|_| ())
            .ok_or_else(|| Fault::new(FaultKind::NotFound, "`base_dn` names no entry of the directory"))
    }
}
