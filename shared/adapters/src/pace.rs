//! The vendors' published quotas that a company of some size meets, and how a connection keeps to them together with all the
//! others. What has no budget here is slowed down by the vendor's own 429, which is passed on to everybody.

use leaver_domain::{
    pace::{Budget, Call, Pacer},
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// A quota: of which system, for which calls, and how large.
pub struct Quota {
    /// The system.
    pub system: &'static str,
    /// The name of its host in [`crate::Spec::hosts`], and how the path of the call begins there.
    to: (&'static str, &'static str),
    writes_only: bool,
    /// How large.
    pub budget: Budget,
}

const fn quota(
    system: &'static str,
    to: (&'static str, &'static str),
    lane: &'static str,
    calls: u32,
    burst: u32,
) -> Quota {
    Quota { system, to, writes_only: false, budget: Budget { lane, calls, seconds: 60, burst } }
}

/// Per organisation and minute: Okta's system log 120 (developer.okta.com, rate limits); CloudTrail's LookupEvents 2 per second
/// and region; Slack's audit log 50 (tier 3) and user updates by SCIM 180 (docs.slack.dev).
pub const QUOTAS: &[Quota] = &[
    quota("aws_iam", ("cloudtrail", ""), "lookup", 120, 2),
    quota("okta", ("", "api/v1/logs"), "log", 120, 20),
    quota("slack", ("audit", "logs"), "audit", 50, 10),
    Quota { writes_only: true, ..quota("slack", ("scim", "Users"), "scim_users", 180, 30) },
];

/// A connection's place among all that reach the same system.
pub(crate) struct Pace {
    system: String,
    pacer: Arc<dyn Pacer>,
    held: OnceCell<Option<Timestamp>>,
}

impl Pace {
    pub(crate) fn new(system: &str, pacer: Arc<dyn Pacer>) -> Self {
        Self { system: system.to_owned(), pacer, held: OnceCell::new() }
    }

    /// How long a call has to wait for its place; `None` where that is longer than it can. Where the lanes cannot be reached,
    /// it goes at once: the vendor's own limit stands behind them, and access must not outlive its end for a table's sake.
    pub(crate) async fn enter(
        &self,
        (host, path): (&str, &str),
        call: Call,
        now: Timestamp,
        patience: Duration,
    ) -> Option<Duration> {
        let unreachable = |error| {
            tracing::warn!(system = self.system, %error, "the lanes cannot be reached");
        };
        let held = self.held.get_or_init(|| async {
            self.pacer.held(&self.system, now).await.map_err(unreachable).ok().flatten()
        });
        let held = held.await.map_or(Duration::ZERO, |until| until.since(now));
        let is_it = |quota: &&Quota| {
            quota.system == self.system
                && host == quota.to.0
                && path.starts_with(quota.to.1)
                && (!quota.writes_only || call == Call::Write)
        };
        let wait = match QUOTAS.iter().find(is_it) {
            None => Duration::ZERO,
            Some(quota) => {
                let entered = self.pacer.enter(&self.system, &quota.budget, call, now, patience).await;
                entered.map_err(unreachable).unwrap_or(Some(Duration::ZERO))?
            }
        };
        let wait = wait.max(held);
        (wait <= patience).then_some(wait)
    }

    /// Passes on that the vendor asked to wait.
    pub(crate) async fn hold(&self, until: Timestamp) {
        if let Err(error) = self.pacer.hold(&self.system, until).await {
            tracing::warn!(system = self.system, %error, "the lanes cannot be reached");
        }
    }
}
