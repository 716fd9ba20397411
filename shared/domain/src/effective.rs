//! The three dates of a leaving, kept apart: last working day, termination date, and the instant at which access ends.

use crate::time::Timestamp;
use jiff::{civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// The dates as the HRIS gave them, each in the person's own calendar.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dates {
    /// The last day on which the person works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_working_day: Option<civil::Date>,
    /// The day on which the employment ends; it may lie weeks after the last working day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_date: Option<civil::Date>,
    /// IANA name of the zone in which these days begin and end: as the HRIS gave it, otherwise the person's own. UTC where neither is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Why an effective instant cannot be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDates {
    /// Not in the time zone database.
    #[error("time_zone `{0}` is not an IANA time zone such as Europe/Berlin")]
    TimeZone(String),
    /// A day outside the calendar that can be computed.
    #[error("the day {0} cannot be computed in this time zone")]
    Day(civil::Date),
}

impl Dates {
    /// These days in the calendar of somebody in this time zone, where no other one was given with them. A name that the database
    /// does not have is none.
    #[must_use]
    pub fn or_in(&self, time_zone: Option<&str>) -> Self {
        let own = || time_zone.filter(|name| TimeZone::get(name).is_ok()).map(str::to_owned);
        Self { time_zone: self.time_zone.clone().or_else(own), ..self.clone() }
    }

    /// The last day of employment, for systems that keep one: as the HRIS gave it, otherwise the day on which access ended, in
    /// the person's own calendar.
    pub fn last_day(&self, effective: Timestamp) -> civil::Date {
        let zone =
            self.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        // What ends at the first instant of a day has ended with the day before.
        let ended = effective.minus(std::time::Duration::from_secs(1)).to_jiff().to_zoned(zone).date();
        self.termination_date.or(self.last_working_day).unwrap_or(ended)
    }

    /// The instant at which access ends.
    ///
    /// Access follows work, not employment: it ends with the last working day (the termination date where no other day
    /// is given), at the first instant of the next day in the person's time zone. A day that is today or past, seen
    /// from the instant `told`, ends access at once: whoever reports a leaver on the day wants it to happen now.
    ///
    /// # Errors
    /// For an unknown time zone, or a day beyond the calendar.
    pub fn effective(&self, told: Timestamp) -> Result<Timestamp, BadDates> {
        let zone = match &self.time_zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| BadDates::TimeZone(name.clone()))?,
        };
        let Some(day) = self.last_working_day.or(self.termination_date) else { return Ok(told) };
        let today = told.to_jiff().to_zoned(zone.clone()).date();
        if day <= today {
            return Ok(told);
        }
        over(day, zone)
    }
}

/// The instant at which a day is over in a time zone: the first one of the next day, which need not be midnight.
fn over(day: civil::Date, zone: TimeZone) -> Result<Timestamp, BadDates> {
    let next = day.tomorrow().map_err(|_| BadDates::Day(day))?;
    let start = next.to_zoned(zone).map_err(|_| BadDates::Day(day))?;
    Ok(Timestamp::from_jiff(start.timestamp()))
}

/// The instant at which a day is over in the time zone of this name; in UTC where there is none.
///
/// # Errors
/// For an unknown time zone, or a day beyond the calendar.
pub fn end_of(day: civil::Date, time_zone: Option<&str>) -> Result<Timestamp, BadDates> {
    let zone = match time_zone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| BadDates::TimeZone(name.to_owned()))?,
    };
    over(day, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(day: &str, zone: &str, told: &str) -> String {
        let dates = Dates {
            last_working_day: Some(day.parse().unwrap()),
            termination_date: None,
            time_zone: Some(zone.into()),
        };
        dates.effective(told.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_day_that_is_over_or_today_ends_access_at_once() {
        let told = "2026-02-03T14:30:00.000Z";
        assert_eq!(effective("2026-02-03", "Europe/Berlin", told), told);
        assert_eq!(effective("2026-01-31", "Europe/Berlin", told), told);
    }

    #[test]
    fn a_later_day_ends_access_when_it_is_over_where_the_person_is() {
        let told = "2026-02-03T14:30:00Z";
        assert_eq!(effective("2026-02-04", "Europe/Berlin", told), "2026-02-04T23:00:00.000Z");
        assert_eq!(effective("2026-02-04", "Pacific/Auckland", told), told.replace('Z', ".000Z"));
        assert_eq!(effective("2026-02-04", "Pacific/Honolulu", told), "2026-02-05T10:00:00.000Z");
    }

    #[test]
    fn daylight_saving_moves_the_instant() {
        assert_eq!(
            effective("2026-03-28", "Europe/Berlin", "2026-03-01T00:00:00Z"),
            "2026-03-28T23:00:00.000Z"
        );
        assert_eq!(
            effective("2026-03-29", "Europe/Berlin", "2026-03-01T00:00:00Z"),
            "2026-03-29T22:00:00.000Z"
        );
        // Midnight does not exist on this day in Beirut: the day starts at one.
        assert_eq!(
            effective("2026-03-28", "Asia/Beirut", "2026-03-01T00:00:00Z"),
            "2026-03-28T22:00:00.000Z"
        );
    }

    #[test]
    fn a_day_without_a_time_zone_is_over_where_the_person_is() {
        let dates = |zone: Option<&str>| Dates {
            last_working_day: Some("2026-03-07".parse().unwrap()),
            termination_date: None,
            time_zone: zone.map(str::to_owned),
        };
        let over =
            |dates: Dates| dates.effective("2026-03-01T00:00:00Z".parse().unwrap()).unwrap().to_string();
        assert_eq!(over(dates(None).or_in(Some("America/Los_Angeles"))), "2026-03-08T08:00:00.000Z");
        let berlin = dates(Some("Europe/Berlin"));
        assert_eq!(over(berlin.or_in(Some("America/Los_Angeles"))), "2026-03-07T23:00:00.000Z");
        for unknown in [None, Some("Mars/Olympus")] {
            assert_eq!(over(dates(None).or_in(unknown)), "2026-03-08T00:00:00.000Z");
        }
    }

    #[test]
    fn the_last_day_of_employment_is_the_one_given_or_the_one_that_just_ended() {
        let mut dates = Dates { time_zone: Some("Pacific/Auckland".into()), ..Dates::default() };
        let at = |text: &str| Timestamp::from_jiff(text.parse().unwrap());
        assert_eq!(dates.last_day(at("2026-02-09T11:00:00Z")).to_string(), "2026-02-09", "midnight there");
        assert_eq!(dates.last_day(at("2026-02-09T13:00:00Z")).to_string(), "2026-02-10");
        dates.last_working_day = Some("2026-02-10".parse().unwrap());
        assert_eq!(dates.last_day(at("2026-02-09T13:00:00Z")).to_string(), "2026-02-10");
        dates.termination_date = Some("2026-03-31".parse().unwrap());
        assert_eq!(dates.last_day(at("2026-02-09T13:00:00Z")).to_string(), "2026-03-31");
    }

    #[test]
    fn the_last_working_day_comes_before_the_end_of_employment() {
        let dates = Dates {
            last_working_day: Some("2026-02-10".parse().unwrap()),
            termination_date: Some("2026-03-31".parse().unwrap()),
            time_zone: None,
        };
        let told = "2026-02-03T14:30:00Z".parse().unwrap();
        assert_eq!(dates.effective(told).unwrap().to_string(), "2026-02-11T00:00:00.000Z");
        let lost = Dates { time_zone: Some("Mars/Olympus".into()), ..dates };
        assert!(matches!(lost.effective(told), Err(BadDates::TimeZone(_))));
    }
}
