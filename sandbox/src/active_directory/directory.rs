//! The directory's state: entries with attributes, how searches match them and what modifications are refused.

use super::value;
use leaver_domain::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const BITS: &str = "1.2.840.113556.1.4.803";
const CHAIN: &str = "1.2.840.113556.1.4.1941";
/// Attributes with one value.
const SINGLE: [&str; 2] = ["useraccountcontrol", "unicodepwd"];
/// What leaver's account was given the right to write.
pub(super) const WRITABLE: [&str; 6] = [
    "userAccountControl",
    "unicodePwd",
    "member",
    "msDS-KeyCredentialLink",
    "altSecurityIdentities",
    "userCertificate",
];

/// A refusal: the result code, and what the vendor says with it.
pub(super) type Refused = (u16, i64, &'static str);

const GONE: Refused = (404, 32, "0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0");
const UNWILLING: Refused =
    (409, 53, "00000561: SvcErr: DSID-031A1254, problem 5003 (WILL_NOT_PERFORM), data 0");
const WEAK: Refused = (409, 19, "0000052D: Constraint violation - check_password_restrictions");
const NO_VALUE: Refused = (409, 16, "00002085: AttrErr: DSID-03152D4A, problem 1001 (NO_ATTRIBUTE_OR_VAL)");
const THERE: Refused = (409, 20, "00002083: AtrErr: DSID-03151830, problem 1006 (ATT_OR_VALUE_EXISTS)");
const MEMBER: Refused = (409, 68, "00000562: UpdErr: DSID-031A11F8, problem 6005 (ENTRY_EXISTS), data 0");
const RIGHTS: Refused = (403, 50, "00002098: SecErr: DSID-031514A0, problem 4003 (INSUFF_ACCESS_RIGHTS)");

/// One entry: its attributes by lower-case name.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    pub(super) fn new(dn: String) -> Self {
        Self { dn, ..Self::default() }
    }

    /// Adds a value.
    pub(super) fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.attributes.entry(name.to_ascii_lowercase()).or_default().push(value.into());
        self
    }

    pub(super) fn all(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.all(name).first().and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    }

    fn has(&self, name: &str, text: &str) -> bool {
        self.all(name).iter().any(|value| match name.to_ascii_lowercase().as_str() {
            "objectsid" => value::sid_text(value) == text,
            _ => std::str::from_utf8(value).is_ok_and(|value| value.eq_ignore_ascii_case(text)),
        })
    }
}

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
    /// Names of the accounts whose password their person still knows.
    pub(super) known: BTreeSet<String>,
}

impl Directory {
    /// By its name, or by the GUID in the name's place.
    fn position(&self, name: &str) -> Option<usize> {
        let guid = name.strip_prefix("<GUID=").and_then(|name| name.strip_suffix('>'));
        self.entries.iter().position(|entry| match guid {
            Some(guid) => entry.all("objectGUID").first().is_some_and(|own| value::guid_text(own) == guid),
            None => entry.dn.eq_ignore_ascii_case(name),
        })
    }

    /// The names of the groups that hold this name as a member; over groups in groups where `deep`.
    pub(super) fn groups(&self, dn: &str, deep: bool) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left = vec![dn.to_owned()];
        while let Some(name) = left.pop() {
            for group in self.entries.iter().filter(|entry| entry.has("member", &name)) {
                if found.insert(group.dn.clone()) && deep {
                    left.push(group.dn.clone());
                }
            }
        }
        found
    }

    fn matches(&self, entry: &Entry, filter: &Value) -> bool {
        let each = |of: &Value| of.as_array().cloned().unwrap_or_default();
        let text = |place: usize, of: &Value| of[place].as_str().unwrap_or_default().to_owned();
        let Some((kind, of)) = filter.as_object().and_then(|filter| filter.iter().next()) else {
            return false;
        };
        match kind.as_str() {
            "and" => each(of).iter().all(|one| self.matches(entry, one)),
            "or" => each(of).iter().any(|one| self.matches(entry, one)),
            "not" => !self.matches(entry, of),
            "has" => !entry.all(of.as_str().unwrap_or_default()).is_empty(),
            "is" if text(0, of).eq_ignore_ascii_case("memberOf") => {
                self.groups(&entry.dn, false).iter().any(|group| group.eq_ignore_ascii_case(&text(1, of)))
            }
            "is" => entry.has(&text(0, of), &text(1, of)),
            "rule" => match text(1, of).as_str() {
                BITS => {
                    let (held, asked) = (entry.text(&text(0, of)).parse::<i64>(), text(2, of).parse::<i64>());
                    matches!((held, asked), (Ok(held), Ok(asked)) if held & asked == asked)
                }
                CHAIN if text(0, of).eq_ignore_ascii_case("memberOf") => {
                    self.groups(&entry.dn, true).iter().any(|group| group.eq_ignore_ascii_case(&text(2, of)))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The entries that match, of one or of all below it.
    pub(super) fn search(&self, base: &str, deep: bool, filter: &Value) -> Result<Vec<&Entry>, Refused> {
        let base = self.position(base).and_then(|place| self.entries.get(place)).ok_or(GONE)?;
        let below = format!(",{}", base.dn.to_ascii_lowercase());
        let within =
            |entry: &&Entry| entry.dn == base.dn || (deep && entry.dn.to_ascii_lowercase().ends_with(&below));
        Ok(self.entries.iter().filter(within).filter(|entry| self.matches(entry, filter)).collect())
    }

    /// What an answer shows of one attribute.
    pub(super) fn shown(&self, entry: &Entry, name: &str) -> Vec<Value> {
        if ["allowedAttributes", "allowedAttributesEffective"].contains(&name) {
            return WRITABLE.iter().map(|name| Value::from(*name)).collect();
        }
        entry.all(name).iter().map(|bytes| value::json(bytes)).collect()
    }

    /// All changes or none.
    pub(super) fn modify(&mut self, name: &str, changes: &[Value], at: Timestamp) -> Result<(), Refused> {
        let place = self.position(name).ok_or(GONE)?;
        let mut entry = self.entries.get(place).cloned().ok_or(GONE)?;
        for change in changes {
            self.change(&mut entry, change, at)?;
        }
        if changes.iter().any(|change| change["attribute"] == "unicodePwd") {
            self.known.remove(&entry.dn);
        }
        if let Some(held) = self.entries.get_mut(place) {
            *held = entry;
        }
        Ok(())
    }

    fn change(&self, entry: &mut Entry, change: &Value, at: Timestamp) -> Result<(), Refused> {
        let name = change["attribute"].as_str().unwrap_or_default();
        if !WRITABLE.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(RIGHTS);
        }
        if name == "unicodePwd" {
            let password = value::decoded(change["password"].as_str().unwrap_or_default());
            if change["operation"] != "replace" || !is_strong(&password) {
                return Err(WEAK);
            }
            entry.attributes.insert("pwdlastset".into(), vec![value::filetime(at).into_bytes()]);
            return Ok(());
        }
        let is_member = name.eq_ignore_ascii_case("member");
        let values = change["values"].as_array().cloned().unwrap_or_default();
        let held = entry.attributes.entry(name.to_ascii_lowercase()).or_default();
        for given in values.iter().map(value::bytes) {
            let there = held.iter().position(|own| own.eq_ignore_ascii_case(&given));
            match (change["operation"].as_str().unwrap_or_default(), there) {
                ("delete", Some(place)) => {
                    held.remove(place);
                }
                ("delete", None) => return Err(if is_member { UNWILLING } else { NO_VALUE }),
                ("add", Some(_)) => return Err(if is_member { MEMBER } else { THERE }),
                ("add", None) if SINGLE.contains(&name.to_ascii_lowercase().as_str()) && !held.is_empty() => {
                    return Err(THERE);
                }
                ("add", None) if is_member && self.position(&String::from_utf8_lossy(&given)).is_none() => {
                    return Err(GONE);
                }
                ("add", None) => held.push(given),
                ("replace", _) => *held = vec![given],
                _ => return Err(UNWILLING),
            }
        }
        Ok(())
    }
}

/// Whether it is a password in quotes and UTF-16, as long and mixed as the domain's rules ask for.
fn is_strong(bytes: &[u8]) -> bool {
    let units = bytes.chunks(2).map(|pair| pair.try_into().map(u16::from_le_bytes).unwrap_or(0));
    let Ok(text) = String::from_utf16(&units.collect::<Vec<u16>>()) else { return false };
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inside.is_some_and(|inside| {
        inside.len() >= 12
            && inside.chars().any(|c| c.is_ascii_uppercase())
            && inside.chars().any(|c| c.is_ascii_digit())
    })
}
