//! How Active Directory writes what it holds: numbers of identifiers, instants, passwords.

use leaver_domain::{fault::Fault, fault::FaultKind, time::Timestamp};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt::Write as _;

/// The bit of `userAccountControl` that disables an account.
pub(super) const DISABLED: i64 = 2;
/// Milliseconds between the year 1601, from which the directory counts, and 1970.
const ERA: i64 = 11_644_473_600_000;

/// An `objectGUID` as it is written: the first three groups have their bytes in reverse.
pub(super) fn guid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (place, from) in order.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{:02x}", bytes.get::<usize>(from)?).ok()?;
    }
    Some(text)
}

/// Whether a text is a GUID as [`guid`] writes it.
pub(super) fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()))
}

/// The name by which an entry is found whatever it is called now, and wherever it was moved.
pub(super) fn by_guid(guid: &str) -> String {
    format!("<GUID={guid}>")
}

/// An `objectSid` as it is written.
pub(super) fn sid(bytes: &[u8]) -> Option<String> {
    let (revision, count) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let authority = bytes.get(2..8)?.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let parts = bytes.get(8..)?;
    if parts.len() != count * 4 {
        return None;
    }
    let mut text = format!("S-{revision}-{authority}");
    for part in parts.chunks_exact(4) {
        write!(text, "-{}", u32::from_le_bytes(part.try_into().ok()?)).ok()?;
    }
    Some(text)
}

/// The last part of a SID: which account or group of its domain it is.
pub(super) fn rid(sid: &str) -> Option<u32> {
    sid.rsplit_once('-')?.1.parse().ok()
}

/// An instant in steps of 100 ns since 1601; zero and the largest number mean none.
pub(super) fn instant(filetime: i64) -> Option<Timestamp> {
    match filetime {
        0 | i64::MAX => None,
        ticks => Timestamp::from_millis(ticks.div_euclid(10_000).checked_sub(ERA)?),
    }
}

/// An instant as `whenCreated` is written: its digits down to the second, in UTC.
pub(super) fn written(time: &str) -> Option<Timestamp> {
    let (year, month, day) = (time.get(..4)?, time.get(4..6)?, time.get(6..8)?);
    let (hour, minute, second) = (time.get(8..10)?, time.get(10..12)?, time.get(12..14)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    text.parse().ok().filter(|_| time.ends_with('Z'))
}

/// A password that nobody ever gets to know, as `unicodePwd` takes it: quoted, in UTF-16. All kinds of characters are in
/// it, as the domain's rules may ask for them.
pub(super) fn unknown_password() -> Result<Vec<u8>, Fault> {
    let mut bytes = [0_u8; 32];
    let failed = |_| Fault::new(FaultKind::Internal, "no randomness for a password");
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    let mut text = "\"aA1!".to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_written_as_the_vendor_writes_them() {
        let bytes: Vec<u8> = (1..=16).collect();
        let text = guid(&bytes).unwrap();
        assert_eq!(text, "04030201-0605-0807-090a-0b0c0d0e0f10");
        assert!(is_guid(&text) && !is_guid("CN=Domain Admins") && !is_guid("04030201-0605-0807-090a"));
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        let text = sid(&bytes).unwrap();
        assert_eq!((text.as_str(), rid(&text)), ("S-1-5-32-544", Some(544)));
        assert_eq!((sid(&bytes[..12]), guid(&bytes[..4])), (None, None));
    }

    #[test]
    fn instants_count_from_1601() {
        assert_eq!(instant(133_000_000_000_000_000).unwrap().to_string(), "2022-06-18T04:26:40.000Z");
        assert_eq!((instant(0), instant(i64::MAX)), (None, None));
    }

    #[test]
    fn instants_that_are_written_out_are_in_utc() {
        assert_eq!(written("20240501080000.0Z").unwrap().to_string(), "2024-05-01T08:00:00.000Z");
        for wrong in ["", "2024", "20241301080000.0Z", "20240501080000.0+0200", "not an instant Z"] {
            assert_eq!(written(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_password_is_new_each_time_and_has_every_kind_of_character() {
        let (one, two) = (unknown_password().unwrap(), unknown_password().unwrap());
        assert_ne!(one, two);
        assert_eq!((one.len(), &one[..4]), (140, &[b'"', 0, b'a', 0][..]));
    }
}
