//! An instant as leaver stores and shows it: UTC, to the millisecond.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr, time::Duration};

/// An instant in UTC with millisecond precision, written as RFC 3339 (`2026-02-03T14:30:00.000Z`).
///
/// Milliseconds are all that the ledger hashes, so no finer value can exist that two views would round apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 instant between the years 1 and 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 instant such as 2026-02-03T14:30:00Z")]
pub struct NotAnInstant(pub String);

impl Timestamp {
    /// From milliseconds since the Unix epoch; `None` outside the years that RFC 3339 can write.
    pub fn from_millis(ms: i64) -> Option<Self> {
        let year = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(jiff::tz::TimeZone::UTC).year();
        (1..=9999).contains(&year).then_some(Self(ms))
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// From a jiff instant; anything below a millisecond is cut off. Saturates at the year 9999.
    pub fn from_jiff(at: jiff::Timestamp) -> Self {
        Self::from_millis(at.as_millisecond()).unwrap_or(Self(253_402_300_799_999))
    }

    /// The same instant for calendar arithmetic.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// This instant and `by` later; saturates at the last instant that can be written.
    pub fn plus(self, by: Duration) -> Self {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(ms)).unwrap_or(Self(253_402_300_799_999))
    }

    /// This instant and `by` earlier; saturates at the Unix epoch.
    pub fn minus(self, by: Duration) -> Self {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(ms)).unwrap_or(Self(0))
    }

    /// How long ago `earlier` was; zero where it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = NotAnInstant;
    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let at: jiff::Timestamp = text.parse().map_err(|_| NotAnInstant(text.chars().take(64).collect()))?;
        Self::from_millis(at.as_millisecond()).ok_or_else(|| NotAnInstant(text.chars().take(64).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_three_digits_and_read_back() {
        let at: Timestamp = "2026-02-03T14:30:00Z".parse().unwrap();
        assert_eq!(at.to_string(), "2026-02-03T14:30:00.000Z");
        assert_eq!("2026-02-03T15:30:00.0009+01:00".parse::<Timestamp>().unwrap(), at);
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("2026-02-03".parse::<Timestamp>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_instant_survives_a_round_trip(ms in -62_135_596_800_000_i64..253_402_300_799_999) {
            let at = Timestamp::from_millis(ms).unwrap();
            proptest::prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }
}
