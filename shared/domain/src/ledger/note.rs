//! Signed notes: a text, and below it one line per signature, as C2SP signed-note says.
//!
//! Signatures of keys that are not known are carried along.

use super::key::{VerifierKey, is_name};
use crate::digest::Digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::HashSet, fmt, str::FromStr};

/// Longest note, in bytes: a hundred of the longest signatures in use do not fill it.
pub const MAX_NOTE: usize = 1 << 20;
/// Most signatures of a note.
pub const MAX_SIGNATURES: usize = 100;
/// What every signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// What is wrong with a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than a note may be.
    #[error("the note is longer than {MAX_NOTE} bytes")]
    Long,
    /// It is not of the form of a note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// More signatures than a note may have.
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooMany,
    /// A known key's signature is not its signature of this text.
    #[error("the signature of `{0}` is wrong")]
    Wrong(String),
    /// Two of the known keys have the same name and id.
    #[error("two keys are known as `{0}`")]
    Ambiguous(String),
    /// None of the known keys signed it.
    #[error("none of the known keys signed the note")]
    Unsigned,
}

/// One signature line of a note. Its text is the line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// What the key made; what it means is the key's business.
    pub bytes: Vec<u8>,
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.to_be_bytes().as_slice(), &self.bytes].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;
    fn from_str(line: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::Form("a signature line is malformed");
        let (name, base64) =
            line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(wrong.clone())?;
        let bytes = STANDARD.decode(base64).map_err(|_| wrong.clone())?;
        match bytes.split_first_chunk::<4>() {
            Some((id, bytes)) if is_name(name) && !bytes.is_empty() => {
                Ok(Self { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
            }
            _ => Err(wrong),
        }
    }
}

/// Signature lines, each with its end.
pub(super) fn signature_lines(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Form("no line end behind the last signature"))?;
    if lines.split('\n').nth(MAX_SIGNATURES).is_some() {
        return Err(NoteError::TooMany);
    }
    lines.split('\n').map(str::parse).collect()
}

/// A known key that signed a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The key.
    pub key: &'k VerifierKey,
    /// When, in seconds since 1970, by the words of a cosignature; of several the latest.
    pub time: Option<u64>,
}

/// A text and its signatures. Its text form is the note itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed; ends with a line end.
    pub text: String,
    /// The signatures, those of unknown keys too.
    pub signatures: Vec<NoteSignature>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Note {
    /// Reads a note. Nothing is verified.
    ///
    /// # Errors
    /// It is too long, has too many signatures, or is not of the form.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Long);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Form("not UTF-8"))?;
        if note.contains(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Form("it holds a control character"));
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Form("no empty line above the signatures"))?;
        let (text, signatures) = note.split_at_checked(end + 1).unwrap_or_default();
        let signatures = signature_lines(signatures.get(1..).unwrap_or_default())?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Which of these keys signed it, each once, in the order of the signatures. Signatures of other keys are passed over.
    ///
    /// # Errors
    /// A known key's signature is wrong, two known keys cannot be told apart, or no known key signed.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<Verified<'k>>, NoteError> {
        let keys: Vec<(u32, &VerifierKey)> = keys.into_iter().map(|key| (key.id(), key)).collect();
        let mut found: Vec<Verified<'k>> = Vec::new();
        let mut seen = HashSet::new();
        for signature in &self.signatures {
            let mut known =
                keys.iter().filter(|(id, key)| *id == signature.id && key.name() == signature.name);
            let Some((_, key)) = known.next() else { continue };
            if known.next().is_some() {
                return Err(NoteError::Ambiguous(key.name().to_owned()));
            }
            // The same line twice is one signature, and costs one check.
            if !seen.insert((signature.id, &signature.name, &signature.bytes)) {
                continue;
            }
            let time = key
                .check(&self.text, &signature.bytes)
                .ok_or_else(|| NoteError::Wrong(key.name().to_owned()))?;
            match found.iter_mut().find(|verified| verified.key == *key) {
                Some(before) => before.time = before.time.max(time),
                None => found.push(Verified { key, time }),
            }
        }
        if found.is_empty() { Err(NoteError::Unsigned) } else { Ok(found) }
    }

    /// Adds a signature, unless it is there already.
    pub fn add(&mut self, signature: NoteSignature) {
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
    }
}

/// A digest in base64, as checkpoints and proofs show it.
pub(super) fn to_base64(digest: &Digest) -> String {
    STANDARD.encode(digest.0)
}

/// A digest from its base64.
pub(super) fn of_base64(text: &str) -> Option<Digest> {
    STANDARD.decode(text).ok()?.try_into().ok().map(Digest)
}

/// A number in decimal digits without leading zeroes.
pub(super) fn of_decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{key::*, witness::cosigned_message};
    use ed25519_dalek::{Signer, SigningKey};

    fn secret(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn log() -> VerifierKey {
        VerifierKey::ed25519("log.example/a", secret(1).verifying_key().to_bytes()).unwrap()
    }

    fn witness() -> VerifierKey {
        VerifierKey::cosigner("witness.example/w", secret(2).verifying_key().to_bytes()).unwrap()
    }

    fn signed(text: &str) -> Note {
        let plain = secret(1).sign(text.as_bytes()).to_bytes();
        let timed = secret(2).sign(&cosigned_message(1_679_315_147, text)).to_bytes();
        let signatures = vec![log().signature(&plain), witness().cosignature(1_679_315_147, &timed)];
        Note { text: text.to_owned(), signatures }
    }

    #[test]
    fn what_was_signed_verifies_and_tells_when() {
        let note = Note::parse(signed("one\n\ntwo\n").to_string().as_bytes()).unwrap();
        assert_eq!(note, signed("one\n\ntwo\n"));
        let (log, witness) = (log(), witness());
        assert_eq!(
            note.verify([&log, &witness]).unwrap(),
            [Verified { key: &log, time: None }, Verified { key: &witness, time: Some(1_679_315_147) }]
        );
        assert_eq!(note.verify([&witness]).unwrap().len(), 1);
        let other = VerifierKey::ed25519("other", log.public()).unwrap();
        assert_eq!(note.verify([&other]), Err(NoteError::Unsigned));
        assert_eq!(note.verify([]), Err(NoteError::Unsigned));
        assert_eq!(note.verify([&log, &log]), Err(NoteError::Ambiguous("log.example/a".into())));
    }

    #[test]
    fn a_changed_text_time_or_signature_is_refused() {
        let (log, witness) = (log(), witness());
        let mut note = signed("text\n");
        note.text = "Text\n".into();
        assert_eq!(note.verify([&log]), Err(NoteError::Wrong("log.example/a".into())));
        assert_eq!(note.verify([&witness]), Err(NoteError::Wrong("witness.example/w".into())));
        for which in [0, 1] {
            let good = signed("text\n");
            for at in 0..good.signatures[which].bytes.len() {
                let mut note = good.clone();
                note.signatures[which].bytes[at] ^= 1;
                assert!(matches!(note.verify([&log, &witness]), Err(NoteError::Wrong(_))), "{which} {at}");
                // A good signature beside it does not outweigh a wrong one.
                note.signatures.extend(good.signatures.clone());
                assert!(matches!(note.verify([&log, &witness]), Err(NoteError::Wrong(_))));
            }
            let mut note = good;
            note.signatures[which].bytes.pop();
            assert!(note.verify([&log, &witness]).is_err());
        }
    }

    /// The one key signs both plainly and with a time; neither can be shown as the other.
    #[test]
    fn a_signature_of_one_kind_is_none_of_the_other() {
        let timed = VerifierKey::cosigner("log.example/a", log().public()).unwrap();
        assert_ne!(timed.id(), log().id());
        let mut note = signed("text\n");
        note.signatures[0].id = timed.id();
        assert!(matches!(note.verify([&timed]), Err(NoteError::Wrong(_))));
        let message = String::from_utf8(cosigned_message(7, "text\n")).unwrap();
        let plain = Note {
            signatures: vec![log().signature(&secret(1).sign(message.as_bytes()).to_bytes())],
            text: message,
        };
        assert!(plain.verify([&log()]).is_ok());
        assert_eq!(plain.verify([&timed]), Err(NoteError::Unsigned));
    }

    #[test]
    fn a_time_beyond_the_signed_range_is_refused() {
        let time = 1 << 63;
        let signature = secret(2).sign(&cosigned_message(time, "t\n")).to_bytes();
        let note = Note { text: "t\n".into(), signatures: vec![witness().cosignature(time, &signature)] };
        assert!(matches!(note.verify([&witness()]), Err(NoteError::Wrong(_))));
    }

    #[test]
    fn a_note_that_is_not_of_the_form_is_refused() {
        let good = signed("text\n").to_string();
        assert!(Note::parse(good.as_bytes()).is_ok());
        assert!(Note::parse(&[&[0xff], good.as_bytes()].concat()).is_err());
        for (from, to) in [
            ("\n\n", "\n"),
            ("text", "te\rxt"),
            ("text", "te\0xt"),
            ("\u{2014} log", "- log"),
            ("\u{2014} log", "\u{2014}  log"),
            ("log.example/a ", "log.example/a+ "),
            ("log.example/a ", "log.example/a\u{a0} "),
            ("log.example/a ", ""),
            ("log.example/a ", "log.example/a  "),
        ] {
            assert!(good.contains(from));
            assert!(Note::parse(good.replace(from, to).as_bytes()).is_err(), "{from:?} {to:?}");
        }
        for bad in [
            "",
            "\n",
            "\n\n",
            "text\n\n",
            "text\n",
            "text\n\n\u{2014} a AAAA\n",
            "text\n\n\u{2014} a AAAAAB==\n",
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Note::parse(good.trim_end().as_bytes()).is_err());
        let long = format!("{}\n{good}", "x".repeat(MAX_NOTE));
        assert_eq!(Note::parse(long.as_bytes()), Err(NoteError::Long));
    }

    #[test]
    fn a_note_has_room_for_a_hundred_signatures_and_no_more() {
        let one = signed("text\n").signatures.remove(0);
        let note = |count| Note { text: "text\n".into(), signatures: vec![one.clone(); count] }.to_string();
        assert!(Note::parse(note(MAX_SIGNATURES).as_bytes()).unwrap().verify([&log()]).is_ok());
        assert_eq!(Note::parse(note(MAX_SIGNATURES + 1).as_bytes()), Err(NoteError::TooMany));
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_a_bad_one_is_refused() {
        for key in [log(), witness()] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let public = log().public();
        for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b"] {
            assert_eq!(VerifierKey::ed25519(name, public), Err(KeyError::Name), "{name:?}");
        }
        // The identity and a point of order two: any message has a signature under them.
        let mut one = [0; 32];
        one[0] = 1;
        let mut two = [0xff; 32];
        (two[0], two[31]) = (0xec, 0x7f);
        for weak in [[0; 32], one, two, [0xff; 32]] {
            assert_eq!(VerifierKey::cosigner("w", weak), Err(KeyError::Point));
        }
        let text = log().to_string();
        assert_eq!(text.replace('+', " ").parse::<VerifierKey>(), Err(KeyError::Form));
        let (head, key) = text.rsplit_once('+').unwrap();
        let other = |code: u8| {
            let bytes = [&[code], public.as_slice()].concat();
            format!("{head}+{}", STANDARD.encode(bytes)).parse::<VerifierKey>()
        };
        assert_eq!(other(0x06), Err(KeyError::Kind(0x06)));
        assert_eq!(other(0x04), Err(KeyError::Id));
        assert_eq!(format!("{}+{key}", head.to_uppercase()).parse::<VerifierKey>(), Err(KeyError::Id));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text in "(.|\n){0,40}", lines in "(\u{2014} [a-z+]{0,3} [A-Za-z0-9+/=]{0,16}\n?){0,4}") {
            for note in [bytes, format!("{text}\n\n{lines}").into_bytes()] {
                if let Ok(parsed) = Note::parse(&note) {
                    proptest::prop_assert_eq!(parsed.to_string().into_bytes(), note);
                    proptest::prop_assert!(parsed.text.ends_with('\n'));
                    let _ = parsed.verify([&log()]);
                }
            }
        }

        #[test]
        fn any_key_text_is_taken(any: String, name in "[a-z/.]{0,6}", id: u32, key in "[A-Za-z0-9+/]{0,48}={0,2}") {
            for text in [any, format!("{name}+{id:08x}+{key}")] {
                if let Ok(key) = text.parse::<VerifierKey>() {
                    proptest::prop_assert_eq!(key.to_string(), text);
                }
            }
        }

        #[test]
        fn any_flipped_bit_of_a_note_is_refused_or_passed_over(at: proptest::sample::Index, bit in 0_u8..8) {
            let good = signed("some text\nof two lines\n");
            let mut bytes = good.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(note) = Note::parse(&bytes) {
                let keys = [log(), witness()];
                let signers = note.verify(&keys).map_or(0, |found| found.len());
                proptest::prop_assert!(signers < 2 && (note.text == good.text || signers == 0));
            }
        }
    }
}
