//! How long something lasts, as people write it: `90m`, `2h`, `7d`, `2w`.

use std::time::Duration;

/// The duration of a text such as `2h`; `None` where it is none, or not longer than nothing. Minutes, hours, days and weeks:
/// months and years have no fixed length.
pub fn lasting(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    if count.is_empty() || count.len() > 5 || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
    Some(Duration::from_secs(count * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood_and_nothing_else() {
        let seconds = |text: &str| lasting(text).map(|lasts| lasts.as_secs());
        assert_eq!(seconds("90m"), Some(5_400));
        assert_eq!(seconds(" 2h "), Some(7_200));
        assert_eq!(seconds("7d"), Some(604_800));
        assert_eq!(seconds("2w"), Some(1_209_600));
        for bad in ["", "h", "2", "0h", "-1h", "+1h", "1.5h", "2 h", "2y", "999999d", "2é", "é"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = lasting(&text);
        }
    }
}
