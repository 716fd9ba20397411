//! The public keys with which signed notes are checked, as C2SP signed-note writes them.
//!
//! Two kinds are known: plain Ed25519, with which logs sign, and timestamped Ed25519, with which witnesses do.

use super::{note::NoteSignature, witness::cosigned_message};
use crate::digest::Digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use std::{fmt, str::FromStr};

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, or with white space or a plus.
    #[error("the key's name is empty or holds a space or a plus")]
    Name,
    /// Not of the form `name+id+key`.
    #[error("not a key of the form name+id+base64")]
    Form,
    /// Its id does not follow from its name and key.
    #[error("the key's id is not the one of its name and key")]
    Id,
    /// A type of signature that is not known here.
    #[error("keys of type {0:#04x} are not known")]
    Kind(u8),
    /// Not a point of the curve, or one under which signatures are worth nothing.
    #[error("not an Ed25519 public key")]
    Point,
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Ed25519 over the text, type 0x01: how a log signs its checkpoints.
    Ed25519,
    /// Ed25519 over the time and the text, type 0x04: how a witness cosigns them.
    Cosignature,
}

impl KeyKind {
    fn code(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// The name and public key of someone who signs notes. Its text is `name+id+base64(type ‖ key)`, the id in eight lower-case
/// hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public: VerifyingKey,
}

/// Whether a key can have this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '+' || c < ' ' || c.is_whitespace())
}

impl VerifierKey {
    fn new(name: &str, kind: KeyKind, public: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        // RFC 8032 takes a coordinate in its one form only, below 2^255 - 19; the library takes others.
        let [first, middle @ .., last] = public;
        if first >= 0xed && middle == [0xff; 30] && last & 0x7f == 0x7f {
            return Err(KeyError::Point);
        }
        let public = VerifyingKey::from_bytes(&public).map_err(|_| KeyError::Point)?;
        if public.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self { name: name.to_owned(), kind, public })
    }

    /// A log's key. The name is the log's origin.
    ///
    /// # Errors
    /// The name or the key cannot be used.
    pub fn ed25519(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, KeyKind::Ed25519, public)
    }

    /// A witness's key.
    ///
    /// # Errors
    /// The name or the key cannot be used.
    pub fn cosigner(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, KeyKind::Cosignature, public)
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public.to_bytes()
    }

    /// Its id: the beginning of SHA-256(name ‖ 0x0A ‖ type ‖ key).
    pub fn id(&self) -> u32 {
        let parts: [&[u8]; 4] =
            [self.name.as_bytes(), b"\n", &[self.kind.code()], self.public.as_bytes().as_slice()];
        let [a, b, c, d, ..] = Digest::of_parts(&parts).0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether these 64 bytes are this key's Ed25519 signature of the message: the strict rules, under which there is one
    /// answer for all verifiers and one form of each signature.
    pub fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.public.verify_strict(message, &signature).is_ok())
    }

    /// A signature of this key as a note holds it, from the 64 bytes of a plain one.
    pub fn signature(&self, signature: &[u8; 64]) -> NoteSignature {
        NoteSignature { name: self.name.clone(), id: self.id(), bytes: signature.to_vec() }
    }

    /// A signature of this key as a note holds it, from the time (seconds since 1970) and the 64 bytes over
    /// `cosigned_message`.
    pub fn cosignature(&self, time: u64, signature: &[u8; 64]) -> NoteSignature {
        let bytes = [time.to_be_bytes().as_slice(), signature].concat();
        NoteSignature { name: self.name.clone(), id: self.id(), bytes }
    }

    /// Checks a signature of this key over a note's text. A cosignature's time, in seconds since 1970, comes with it.
    pub(super) fn check(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        match self.kind {
            KeyKind::Ed25519 => self.accepts(text.as_bytes(), signature).then_some(None),
            KeyKind::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                let in_range = i64::try_from(time).is_ok();
                (in_range && self.accepts(&cosigned_message(time, text), signature)).then_some(Some(time))
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind.code()], self.public.as_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Base64 has pluses of its own, the name has none.
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        let (id, key) = rest.split_once('+').ok_or(KeyError::Form)?;
        let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (kind, public) = key.split_first().ok_or(KeyError::Form)?;
        let kind = match kind {
            0x01 => KeyKind::Ed25519,
            0x04 => KeyKind::Cosignature,
            other => return Err(KeyError::Kind(*other)),
        };
        let key = Self::new(name, kind, public.try_into().map_err(|_| KeyError::Form)?)?;
        if format!("{:08x}", key.id()) != id {
            return Err(KeyError::Id);
        }
        Ok(key)
    }
}
