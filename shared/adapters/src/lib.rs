//! Adapters: how each outside system is read and how access is taken away in it.
//!
//! An adapter says what there is and what could be done; [`run`] decides when. It never loops, retries, waits,
//! verifies or judges by itself. A new system is one file beside this one and one row in [`systems!`].

pub mod auth;
pub mod http;
pub mod messenger;
pub mod page;
pub mod restore;
pub mod run;
pub mod settings;
pub mod sigv4;
pub mod witness;

use async_trait::async_trait;
use http::{Reader, Writer};
use leaver_domain::{
    fault::Fault,
    inventory::{Account, Grant, GrantKind, Inventory},
    person::Person,
    plan::{Action, Outcome},
    risk::Activity,
    time::Timestamp,
};
use std::time::Duration;

/// The registry: hands its rows, in alphabetical order, to another macro.
///
/// The adapters, the sandbox's stand-ins, the template's functions and the suites are all made from these rows, so
/// that a row without its file, or a file without its stand-in, does not compile.
#[macro_export]
macro_rules! systems {
    ($then:ident) => {
        $then! { aws_iam github google_workspace microsoft_365 okta slack }
    };
}

macro_rules! register {
    ($($id:ident)*) => {
        $(pub mod $id;)*

        /// What is known of every system, in alphabetical order of its id.
        pub const SPECS: &[&Spec] = &[$(&$id::SPEC),*];

        /// The adapter of a system and the way it authenticates, for one deployment's settings.
        ///
        /// # Errors
        /// `Internal` for an id without a row; `CredentialRejected` where a setting is missing or unusable.
        pub fn open(id: &str, settings: &settings::Settings) -> Result<(Box<dyn Adapter>, auth::Auth), Fault> {
            match id {
                $(stringify!($id) => $id::open(settings),)*
                _ => Err(Fault::new(leaver_domain::fault::FaultKind::Internal, format!("there is no adapter for {id}"))),
            }
        }
    };
}
systems!(register);

/// What is known of a system without asking it.
#[derive(Debug)]
pub struct Spec {
    /// The system's id, as in contracts, policy and rows.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Where its API listens: a host's name (empty for the main one) and its address at the vendor.
    pub hosts: &'static [(&'static str, &'static str)],
    /// The settings its secret must hold, with what each is.
    pub settings: &'static [(&'static str, &'static str)],
    /// Scopes, roles or permissions that its credential needs.
    pub scopes: &'static [&'static str],
    /// The page or document that describes the calls.
    pub source: &'static str,
}

impl Spec {
    /// The description of a system; `None` for an id without a row.
    pub fn of(id: &str) -> Option<&'static Self> {
        SPECS.iter().copied().find(|spec| spec.id == id)
    }
}

/// Access that is known to outlive its revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// What lives on.
    pub what: String,
    /// For how long after the revocation; `None` where nobody can say.
    pub lasts: Option<Duration>,
}

/// A grant of which nothing but the id is known.
fn asked_for(id: &str) -> Grant {
    let (id, name) = (id.to_owned(), id.to_owned());
    Grant { id, kind: GrantKind::Group, name, privileged: false, fixed: None, sole_holder: false }
}

/// One outside system. Reads take a [`Reader`], which cannot write; only [`Adapter::apply`] gets a [`Writer`].
#[async_trait]
pub trait Adapter: Send + Sync {
    /// What is known of the system without asking it.
    fn spec(&self) -> &'static Spec;

    /// Finds the person's account and all that hangs on it. Must not use an endpoint that may answer from the past,
    /// because the same read is the verification.
    ///
    /// # Errors
    /// `Ambiguous` where more than one account matches; otherwise what the calls say.
    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault>;

    /// What the account did since an instant. A log that this plan or credential cannot read is an answer, not an error.
    ///
    /// # Errors
    /// Those after which the whole reading should be repeated, such as `Throttled` and `Unavailable`.
    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault>;

    /// What to do so that nothing of this is left, in the vendor's order. Pure. Empty for what is revoked already,
    /// except for actions that only a receipt can evidence.
    fn revoke(&self, found: &Inventory) -> Vec<Action>;

    /// What to do so that all that can be restored of `before` is there again. Pure.
    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action>;

    /// Whether a grant that is held is the one that somebody names, by the vendor's id or its name.
    fn is_named(&self, held: &Grant, name: &str) -> bool {
        held.id == name || held.name == name
    }

    /// The grant that somebody asks for, by an id in the form of this adapter's own; `None` where it can only be brought
    /// back, or such an id is none. Pure.
    fn grant(&self, id: &str) -> Option<Grant> {
        Some(asked_for(id))
    }

    /// Does one action. "Already so" is an outcome only where a read has just shown it.
    ///
    /// # Errors
    /// What the call says. The loop reads again and decides what is left.
    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault>;

    /// What is known to live on after this inventory was revoked.
    fn residues(&self, before: &Inventory) -> Vec<Residue>;

    /// The cheapest read that shows that address and credential work.
    ///
    /// # Errors
    /// What the call says.
    async fn probe(&self, http: &Reader) -> Result<(), Fault>;
}
