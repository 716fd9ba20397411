//! VPN at a firewall: FortiOS (SSL VPN and IPsec dial-up) or PAN-OS (GlobalProtect), by the setting `product`.
//!
//! Order: the firewall's own account first, then the live tunnels, then its groups. A client whose tunnel is ended while the
//! account works dials in again at once, so ending tunnels alone proves nothing. Where the users come from a directory or an
//! identity provider (`users` is `external`, or there is no local account), the account is disabled there, by that system's
//! own adapter, and only tunnels are ended here.

mod fortios;
mod panos;
mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Credential, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use std::{collections::BTreeMap, time::Duration};

/// What is known of VPN firewalls without asking one.
pub const SPEC: Spec = Spec {
    id: "vpn",
    name: "VPN (FortiOS or PAN-OS)",
    part: Part::Account,
    hosts: &[("", "https://vpn.your-company.com")],
    settings: &[
        ("product", "`fortios` or `panos`"),
        ("base_url", "https address of the firewall's management interface"),
        (
            "api_token",
            "FortiOS: token of a REST API administrator; PAN-OS: API key of leaver's administrator",
        ),
        (
            "users",
            "optional: `local` (the default), or `external` where all VPN users come from a directory or identity provider",
        ),
        ("vdom", "FortiOS, optional: the virtual domain of the VPN, otherwise `root`"),
        (
            "log_device",
            "FortiOS, optional: where its log lies, `disk` (the default), `memory`, `fortianalyzer` or `forticloud`",
        ),
        ("administrator", "PAN-OS: the name of leaver's administrator, whose changes alone are committed"),
        ("gateways", "PAN-OS: names of the GlobalProtect gateways, separated by commas"),
        ("location", "PAN-OS, optional: the virtual system with the local users, otherwise `shared`"),
    ],
    scopes: &[
        fortios::USERS,
        fortios::TUNNELS,
        fortios::LOG,
        panos::CONFIGURATION,
        panos::OPERATION,
        panos::COMMIT,
        panos::LOG,
    ],
    order: &[
        "Disable the local user; on PAN-OS, commit leaver's own change and wait for the commit's job.",
        "End every live tunnel of the person: SSL VPN sessions and IPsec dial-up tunnels, or GlobalProtect log-ins.",
        "Take the user out of the local user groups.",
        "Where the account lives in a directory or identity provider: disable it there first, then end the tunnels here.",
    ],
    residuals: &[
        "An external user dials in again until the directory or identity provider refuses them.",
        "Where a group of FortiOS admits a whole directory, a disabled local user can still come in by it: close the account there as well.",
        "A client certificate stays valid until its authority revokes it and the firewall has the new revocation list.",
        "GlobalProtect authentication override cookies open until they expire, as no call voids one person's.",
        "A FortiToken stays assigned to the disabled user, so that a restore brings back both factors.",
        "Shared keys of IPsec tunnels are the same for all: whoever knew one still knows it.",
        "An administrator of the firewall itself is not a VPN user: leaver does not remove it.",
    ],
    setup: &[
        "FortiOS: under System, Admin Profiles, make a profile with read and write for User & Device and VPN, and read for Log & Report.",
        "FortiOS: under System, Administrators, create a REST API Admin with that profile, and trust only leaver's addresses.",
        "PAN-OS: under Device, Admin Roles, make a role with XML API rights for Configuration, Operational Requests, Commit and Log.",
        "PAN-OS: create an administrator with that role for leaver alone, and generate its key with `type=keygen`.",
        "Let leaver reach the management interface by https, with a certificate that a public authority signed.",
        "Put product, address and token into the secret; for PAN-OS also the administrator's name and the gateways.",
    ],
    roster: Roster::Listed("Every local user of the gateway; logins are not in the list."),
    source: "FortiOS REST API (cmdb user/local, user/group, user/peer; monitor vpn/ssl, vpn/ipsec; log event/vpn), Fortinet Developer Network; PAN-OS and Panorama API Usage Guide (XML API), docs.paloaltonetworks.com",
};

/// A user whom the firewall itself knows.
struct Local {
    name: String,
    enabled: bool,
    matched_by: &'static str,
    groups: Vec<String>,
    credentials: Vec<Credential>,
    assets: Vec<Asset>,
}

/// One product.
#[async_trait]
trait Firewall: Send + Sync {
    /// The user of this login or address, with groups and means to log in.
    async fn local(&self, http: &Reader, login: &str, email: &str) -> Result<Option<Local>, Fault>;
    /// A page of all users, beginning where an earlier one said.
    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault>;
    /// Labels of the tunnels that a login holds now.
    async fn tunnels(&self, http: &Reader, login: &str) -> Result<Vec<String>, Fault>;
    /// Ends all tunnels of a login.
    async fn end(&self, http: &Writer, login: &str) -> Result<Outcome, Fault>;
    /// Lets a user log in, or not.
    async fn enable(&self, http: &Writer, name: &str, on: bool) -> Result<Outcome, Fault>;
    /// Puts a user into a group, or takes it out.
    async fn join(&self, http: &Writer, group: &str, name: &str, on: bool) -> Result<Outcome, Fault>;
    /// What the log says of a login.
    async fn activity(&self, http: &Reader, login: &str, since: Timestamp) -> Result<Activity, Fault>;
    /// The scopes that the token lacks.
    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault>;
    /// The cheapest read.
    async fn probe(&self, http: &Reader) -> Result<(), Fault>;
}

struct Vpn {
    firewall: Box<dyn Firewall>,
    /// Whether all users live elsewhere.
    external: bool,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or none of those that there are.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let unusable = |detail| Fault::new(FaultKind::CredentialRejected, detail);
    let external = match settings.optional("users").as_deref() {
        None | Some("local") => false,
        Some("external") => true,
        Some(_) => return Err(unusable("`users` in the secret of vpn is neither `local` nor `external`")),
    };
    let (firewall, auth): (Box<dyn Firewall>, Auth) = match settings.text("product")?.as_str() {
        "fortios" => (Box::new(fortios::open(settings)), fortios::auth(settings)?),
        "panos" => (Box::new(panos::open(settings)?), panos::auth(settings)?),
        _ => return Err(unusable("`product` in the secret of vpn is neither `fortios` nor `panos`")),
    };
    Ok((Box::new(Vpn { firewall, external }), auth))
}

/// Waits a little longer each time; false where the invocation's time is up.
async fn pause(http: &Reader, round: u32) -> bool {
    http.pause(Duration::from_millis((150 * 2_u64.pow(round)).min(2_000))).await
}

fn group(name: &str) -> Grant {
    Grant {
        id: name.to_owned(),
        kind: GrantKind::Group,
        name: name.to_owned(),
        privileged: false,
        fixed: None,
        sole_holder: false,
    }
}

fn account(name: &str, status: AccountStatus, matched_by: &str, facts: BTreeMap<String, String>) -> Account {
    Account {
        id: name.to_owned(),
        login: name.to_owned(),
        status,
        matched_by: matched_by.to_owned(),
        privileged: false,
        last_login: None,
        facts,
    }
}

#[async_trait]
impl Adapter for Vpn {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let login = who.login(SPEC.id).unwrap_or_else(|| who.username.as_str());
        let local = match self.external {
            true => None,
            false => self.firewall.local(http, login, &who.email).await?,
        };
        let name = local.as_ref().map_or(login, |local| local.name.as_str());
        let tunnels = self.firewall.tunnels(http, name).await?;
        let Some(local) = local else {
            if tunnels.is_empty() {
                return Ok(Inventory::absent());
            }
            // Somebody whom the firewall does not know by itself: of them there is nothing here but the tunnel.
            let facts = BTreeMap::from([("users".to_owned(), "external".to_owned())]);
            let seen = account(login, AccountStatus::Active, "live tunnel", facts);
            return Ok(Inventory::of(seen, Sessions::Listed(tunnels)));
        };
        let status = if local.enabled { AccountStatus::Active } else { AccountStatus::Suspended };
        let known = account(&local.name, status, local.matched_by, BTreeMap::new());
        let mut found = Inventory::of(known, Sessions::Listed(tunnels));
        found.grants = local.groups.iter().map(|name| group(name)).collect();
        found.credentials = local.credentials;
        found.assets = local.assets;
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        match self.firewall.activity(http, &who.login, since).await {
            Err(fault) if matches!(fault.kind, FaultKind::PermissionMissing | FaultKind::NotFound) => Ok(
                Activity::unavailable(since, "the token may not read the firewall's log, or it keeps none"),
            ),
            read => read,
        }
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if account.status == AccountStatus::Active && !account.facts.contains_key("users") {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        if let Sessions::Listed(tunnels) = &found.sessions
            && !tunnels.is_empty()
        {
            let action = Action::contain(ActionKind::EndSessions, &account.id, "live tunnels");
            todo.push(action.irreversible());
        }
        let groups = found.grants.iter();
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        todo
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (name, target) = (account.id.as_str(), action.target.as_str());
        match action.kind {
            ActionKind::DisableAccount => self.firewall.enable(http, name, false).await,
            ActionKind::EnableAccount => self.firewall.enable(http, name, true).await,
            ActionKind::EndSessions => self.firewall.end(http, name).await,
            ActionKind::RemoveGroup => self.firewall.join(http, target, name, false).await,
            ActionKind::AddGrant => self.firewall.join(http, target, name, true).await,
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let external = before.account.as_ref().is_some_and(|account| account.facts.contains_key("users"));
        let mut all = Vec::new();
        if external {
            let what =
                "the client dials in again until the directory or identity provider refuses the account";
            all.push(Residue { what: what.into(), lasts: None });
        }
        for asset in &before.assets {
            let what =
                format!("the certificate behind {} stays valid until its authority revokes it", asset.name);
            all.push(Residue { what, lasts: None });
        }
        all
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        self.firewall.missing(http).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(self, http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        self.firewall.probe(http).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpn() -> Vpn {
        Vpn { firewall: Box::new(fortios::open(&Settings::from_pairs("vpn", [("", "")]))), external: false }
    }

    fn found(facts: &[(&str, &str)], tunnels: &[&str]) -> Inventory {
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let known = account("john.doe", AccountStatus::Active, "name", facts);
        let tunnels = tunnels.iter().map(|tunnel| (*tunnel).to_owned()).collect();
        let mut found = Inventory::of(known, Sessions::Listed(tunnels));
        found.grants.push(group("vpn-users"));
        found
    }

    #[test]
    fn the_account_is_closed_before_its_tunnels_are_ended() {
        let kinds = |found: &Inventory| vpn().revoke(found).iter().map(|a| a.kind).collect::<Vec<_>>();
        use ActionKind::{DisableAccount, EndSessions, RemoveGroup};
        assert_eq!(kinds(&found(&[], &["ssl 1"])), [DisableAccount, EndSessions, RemoveGroup]);
        assert_eq!(kinds(&found(&[], &[])), [DisableAccount, RemoveGroup]);
        let mut external = found(&[("users", "external")], &["ssl 1"]);
        external.grants.clear();
        assert_eq!(kinds(&external), [EndSessions]);
    }

    #[test]
    fn a_product_or_kind_of_users_that_there_is_none_of_is_refused() {
        let refused = |pairs: &[(&str, &str)]| {
            let settings = Settings::from_pairs("vpn", pairs.iter().copied());
            open(&settings).err().map(|fault| fault.kind)
        };
        assert_eq!(refused(&[("product", "fortios"), ("api_token", "t")]), None);
        assert_eq!(
            refused(&[("product", "openvpn"), ("api_token", "t")]),
            Some(FaultKind::CredentialRejected)
        );
        let users = [("product", "fortios"), ("api_token", "t"), ("users", "both")];
        assert_eq!(refused(&users), Some(FaultKind::CredentialRejected));
    }
}
