//! How long cases took, as bars.

use super::grouped;
use crate::figures::Figures;

/// One bar.
pub(super) struct Bar {
    /// What it counts.
    pub(super) label: &'static str,
    /// How many.
    pub(super) count: String,
    /// Its length in percent of the longest.
    pub(super) width: u64,
    /// Whether it counts what should not be.
    pub(super) bad: bool,
}

/// The cases by the share of the allowed time that they took, in hundredths.
pub(super) fn bars(figures: &Figures) -> Vec<Bar> {
    let steps = [
        ("up to 10 % of the time allowed", 0, 10),
        ("up to 25 %", 11, 25),
        ("up to 50 %", 26, 50),
        ("up to 75 %", 51, 75),
        ("up to 100 %", 76, 100),
    ];
    let within =
        |low, high| figures.share.iter().filter(|share| (low..=high).contains(*share)).count() as u64;
    let done: u64 = figures.share.len() as u64;
    // Hundredths are cut, so that a case just over its time has a share of 100: the verdict counts, not the share.
    let in_time = figures.in_time.yes;
    let mut counts: Vec<(&'static str, u64, bool)> =
        steps.iter().map(|(label, low, high)| (*label, within(*low, *high), false)).collect();
    let late_done = done.saturating_sub(in_time);
    let counted: u64 = counts.iter().map(|(_, count, _)| count).sum();
    if let Some(last) = counts.last_mut() {
        last.1 = last.1.saturating_sub(counted.saturating_sub(in_time));
    }
    counts.push(("late", late_done, true));
    counts.push(("not done and late", figures.in_time.no.saturating_sub(late_done), true));
    counts.push(("not done, still in time", figures.in_time.open, false));
    let longest = counts.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let bar = |(label, count, bad): (&'static str, u64, bool)| Bar {
        label,
        count: grouped(&count),
        width: count.saturating_mul(100).div_ceil(longest),
        bad,
    };
    counts.into_iter().map(bar).collect()
}
