//! Pacing: a vendor's quota is one for the whole company, while cases run side by side in functions that know nothing of each
//! other. Whoever calls takes a place in a lane that all of them share (the generic cell rate algorithm: a lane is nothing but
//! the instant at which the calls that were let in are used up).

use crate::{ports::StoreError, time::Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// A quota that a vendor publishes for some of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The lane's name within its system.
    pub lane: &'static str,
    /// So many calls ...
    pub calls: u32,
    /// ... within so many seconds.
    pub seconds: u32,
    /// So many may come at once.
    pub burst: u32,
}

/// What a call is for. Where a quota is short, taking access away comes before looking around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It changes something.
    Write,
    /// It only reads.
    Read,
}

impl Budget {
    /// The time that one call uses up.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.seconds) * 1_000 / u64::from(self.calls.max(1)))
    }

    /// How far a lane may be used up ahead of now for a call to go at once. The second half of the burst is kept for writes.
    pub fn tolerance(&self, call: Call) -> Duration {
        let burst = self.burst.max(1);
        let mine = if call == Call::Write { burst } else { burst.div_ceil(2) };
        self.interval() * (mine - 1)
    }
}

/// Where a lane stands: the instant at which the calls that were let in are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(pub Timestamp);

impl Lane {
    /// Lets a call in, unless it would have to wait for longer than `patience`. How long it waits; `None` where it was not let
    /// in, and used nothing up.
    pub fn enter(
        &mut self,
        budget: &Budget,
        call: Call,
        now: Timestamp,
        patience: Duration,
    ) -> Option<Duration> {
        let wait = self.0.since(now).saturating_sub(budget.tolerance(call));
        if wait > patience {
            return None;
        }
        self.0 = self.0.max(now).plus(budget.interval());
        Some(wait)
    }
}

/// The lanes that all functions share.
#[async_trait]
pub trait Pacer: Send + Sync {
    /// Lets a call in, as [`Lane::enter`] does.
    async fn enter(
        &self,
        system: &str,
        budget: &Budget,
        call: Call,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Option<Duration>, StoreError>;

    /// Writes down that a system asked everybody to wait until an instant. One that is later already stays.
    async fn hold(&self, system: &str, until: Timestamp) -> Result<(), StoreError>;

    /// Until when a system asked to wait, if that is to come.
    async fn held(&self, system: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: Budget = Budget { lane: "log", calls: 120, seconds: 60, burst: 10 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis).unwrap()
    }

    #[test]
    fn a_burst_goes_at_once_and_then_the_rate_holds() {
        let mut lane = Lane(at(0));
        let waits: Vec<u128> = (0..12)
            .map(|_| lane.enter(&BUDGET, Call::Write, at(0), Duration::from_secs(9)).unwrap().as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 500, 1_000]);
    }

    #[test]
    fn reads_leave_half_of_the_burst_to_writes() {
        let mut lane = Lane(at(0));
        let none = Duration::ZERO;
        let read = (0..10).take_while(|_| lane.enter(&BUDGET, Call::Read, at(0), none).is_some()).count();
        assert_eq!(read, 5);
        let written = (0..10).take_while(|_| lane.enter(&BUDGET, Call::Write, at(0), none).is_some()).count();
        assert_eq!(written, 5);
    }

    #[test]
    fn who_is_not_let_in_uses_nothing_up() {
        let mut lane = Lane(at(60_000));
        assert_eq!(lane.enter(&BUDGET, Call::Write, at(0), Duration::from_secs(4)), None);
        assert_eq!(lane, Lane(at(60_000)));
    }

    proptest! {
        /// Whatever comes when: within any stretch of time no more calls start than the burst and the rate allow.
        #[test]
        fn no_stretch_of_time_sees_more_than_the_quota(
            steps in proptest::collection::vec((0_i64..2_000, any::<bool>()), 1..200),
        ) {
            let (mut now, mut lane, mut starts) = (0_i64, Lane(at(0)), Vec::new());
            for (gap, write) in steps {
                now += gap;
                let call = if write { Call::Write } else { Call::Read };
                if let Some(wait) = lane.enter(&BUDGET, call, at(now), Duration::from_secs(4)) {
                    starts.push(now + i64::try_from(wait.as_millis()).unwrap());
                }
            }
            starts.sort_unstable();
            for (index, from) in starts.iter().enumerate() {
                for (more, to) in starts[index..].iter().enumerate() {
                    let allowed = i64::from(BUDGET.burst) + (to - from) / 500 + 1;
                    prop_assert!(i64::try_from(more).unwrap() < allowed, "{more} calls in {} ms", to - from);
                }
            }
        }
    }
}
