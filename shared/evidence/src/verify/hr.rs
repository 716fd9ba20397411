//! HR's own list of who left, against the cases of the pack.

use super::report::{Report, shown};
use crate::{
    cases::{Case, Opened},
    context::Period,
};
use std::{collections::HashSet, time::Duration};

/// How the list is called in problems.
const LIST: &str = "HR's list";

/// The records of a comma- or semicolon-separated table; `None` where it is not one.
fn records(bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.split('\n').next().unwrap_or_default();
    let separator = if first.contains(';') && !first.contains(',') { ';' } else { ',' };
    let (mut all, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            c if quoted => field.push(c),
            c if c == separator => record.push(std::mem::take(&mut field)),
            '\n' | '\r' => {
                record.push(std::mem::take(&mut field));
                all.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    record.push(field);
    all.push(record);
    let trim = |field: String| field.trim_matches([' ', '\t']).to_owned();
    let is_there = |record: &Vec<String>| record.iter().any(|field| !field.is_empty());
    Some(all.into_iter().filter(is_there).map(|record| record.into_iter().map(trim).collect()).collect())
}

/// Whether a text begins with a date.
fn is_date(text: &str) -> bool {
    let form = text.bytes().take(10).enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    form && text.len() >= 10
}

/// Compares the list with the cases.
pub(super) fn check(bytes: &[u8], cases: &[(&Case, &Opened)], period: Period, report: &mut Report) {
    let Some(records) = records(bytes) else { return report.file(LIST, "it is not a table") };
    let mut records = records.into_iter();
    let names: Vec<String> =
        records.next().unwrap_or_default().iter().map(|name| name.to_lowercase()).collect();
    let place = |wanted: &str| names.iter().rposition(|name| name == wanted);
    let (employee_id, username) = (place("employee_id"), place("username"));
    let (Some(date), true) = (place("termination_date"), employee_id.or(username).is_some()) else {
        return report.file(LIST, "it needs the column termination_date, and employee_id or username");
    };
    // A case that was called off took nothing from anybody.
    let counts = |(case, opened): &&(&Case, &Opened)| {
        &*opened.mode == "leave" && !opened.dry_run && case.cancelled.is_none()
    };
    let counting = || cases.iter().filter(counts);
    let by_id: HashSet<&str> =
        counting().map(|(_, opened)| &*opened.employee_id).filter(|id| !id.is_empty()).collect();
    let by_name: HashSet<String> = counting().map(|(_, opened)| opened.username.to_lowercase()).collect();
    let day = |at: leaver_domain::time::Timestamp| at.to_string().chars().take(10).collect::<String>();
    let (begin, end) = (day(period.from), day(period.to.minus(Duration::from_millis(1))));
    let (mut ids, mut usernames) = (HashSet::new(), HashSet::new());
    for (number, record) in records.enumerate() {
        let number = number + 2;
        let of = |place: Option<usize>| place.and_then(|place| record.get(place)).map_or("", String::as_str);
        let (id, user, left) = (of(employee_id), of(username), of(Some(date)));
        let left: String = left.chars().take(10).collect();
        let has_case = by_id.contains(id) || by_name.contains(&user.to_lowercase());
        if !is_date(&left) {
            report.file(LIST, format!("record {number}: its termination_date is not a date"));
        } else if begin <= left && left <= end && !has_case {
            let who = shown(if id.is_empty() { user } else { id });
            report.file(LIST, format!("record {number}: {who} left on {left} and has no case in the pack"));
        }
        ids.insert(id.to_owned());
        usernames.insert(user.to_lowercase());
    }
    for (case, opened) in counting() {
        if !ids.contains(&opened.employee_id) && !usernames.contains(&opened.username.to_lowercase()) {
            report.remark(format!(
                "row {}: the case {} of {}: this person is not on HR's list",
                opened.row,
                shown(&case.id),
                shown(&opened.username)
            ));
        }
    }
}
