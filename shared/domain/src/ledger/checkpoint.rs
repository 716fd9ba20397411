//! Checkpoints: what a log says about its tree at one size, as C2SP tlog-checkpoint says.

use super::{
    key::{KeyKind, VerifierKey},
    note::{Note, NoteError, of_base64, of_decimal, to_base64},
};
use crate::digest::Digest;

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The origin is empty or has more than one line.
    #[error("the checkpoint's origin is empty or not one line")]
    Origin,
    /// The size is not a number in its one form.
    #[error("the checkpoint's size is not a number")]
    Size,
    /// The root is not 32 bytes in base64.
    #[error("the checkpoint's root is not a hash")]
    Root,
    /// A line is missing, empty, or has no end.
    #[error("the checkpoint's lines are not complete")]
    Lines,
    /// It is about another log.
    #[error("the checkpoint is about the log `{0}`")]
    Other(String),
    /// The log's signature is missing or wrong.
    #[error("the log's signature: {0}")]
    Signature(#[from] NoteError),
}

/// A log's size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Lines behind these, which other logs may write; leaver's has none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Of a log's name, size and root.
    ///
    /// # Errors
    /// The name is empty, or holds a line end or another control character.
    pub fn new(origin: &str, size: u64, root: Digest) -> Result<Self, CheckpointError> {
        if origin.is_empty() || origin.contains(|c| c < ' ') {
            return Err(CheckpointError::Origin);
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions: Vec::new() })
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note. Nothing is verified.
    ///
    /// # Errors
    /// It is not a checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let size = of_decimal(size).ok_or(CheckpointError::Size)?;
        let root = of_base64(root).ok_or(CheckpointError::Root)?;
        let mut checkpoint = Self::new(origin, size, root)?;
        checkpoint.extensions = lines.map(str::to_owned).collect();
        if checkpoint.extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Lines);
        }
        Ok(checkpoint)
    }

    /// Reads the checkpoint of this log from a note that the log signed: with one of these keys, under the log's name.
    ///
    /// # Errors
    /// It is not a checkpoint, is about another log, or lacks a good signature of the log.
    pub fn open<'k>(
        note: &Note,
        origin: &str,
        keys: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Other(checkpoint.origin));
        }
        // A witness's key never speaks for the log.
        let own = |key: &&VerifierKey| key.name() == origin && key.kind() == KeyKind::Ed25519;
        note.verify(keys.into_iter().filter(own))?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_text_is_read_as_it_is_written() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(checkpoint.text(), TEXT);
        let extended = format!("{TEXT}more\nand more\n");
        assert_eq!(Checkpoint::parse(&extended).unwrap().extensions, ["more", "and more"]);
        assert_eq!(Checkpoint::parse(&extended).unwrap().text(), extended);
        let empty = Checkpoint::new("o", 0, Digest::of(b"")).unwrap();
        assert_eq!(Checkpoint::parse(&empty.text()), Ok(empty));
    }

    #[test]
    fn any_other_form_is_refused() {
        for (from, to) in [
            ("example.com/behind-the-sofa", ""),
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", "-1"),
            ("20852163", " 20852163"),
            ("20852163", "18446744073709551616"),
            ("20852163", ""),
            ("I=\n", "J=\n"),
            ("I=\n", "I\n"),
            ("I=\n", "I=\n\n"),
            ("I=\n", "I="),
            ("I=\n", "I=\nmore"),
            ("I=\n", "I=\n\nmore\n"),
            ("CsUYap", ""),
            ("sofa", "so\rfa"),
        ] {
            assert!(TEXT.contains(from));
            assert!(Checkpoint::parse(&TEXT.replace(from, to)).is_err(), "{from:?} {to:?}");
        }
        for origin in ["", "a\nb"] {
            assert_eq!(Checkpoint::new(origin, 1, Digest::ZERO), Err(CheckpointError::Origin));
        }
    }

    #[test]
    fn only_the_logs_own_key_opens_it() {
        let secret = SigningKey::from_bytes(&[3; 32]);
        let public = secret.verifying_key().to_bytes();
        let checkpoint = Checkpoint::new("log", 5, Digest::of(b"root")).unwrap();
        let key = VerifierKey::ed25519("log", public).unwrap();
        let signature = secret.sign(checkpoint.text().as_bytes()).to_bytes();
        let mut note = Note { text: checkpoint.text(), signatures: vec![key.signature(&signature)] };
        assert_eq!(Checkpoint::open(&note, "log", [&key]), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::open(&note, "other", [&key]), Err(CheckpointError::Other("log".into())));
        assert_eq!(Checkpoint::open(&note, "log", []), Err(CheckpointError::Signature(NoteError::Unsigned)));
        for stranger in [VerifierKey::ed25519("other", public), VerifierKey::cosigner("log", public)] {
            let stranger = stranger.unwrap();
            note.signatures = vec![stranger.signature(&signature)];
            assert_eq!(
                Checkpoint::open(&note, "log", [&key, &stranger]),
                Err(CheckpointError::Signature(NoteError::Unsigned))
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(any: String, lines in "(.{0,4}\n){0,2}[0-9]{0,21}\n[A-Za-z0-9+/]{43}=\n(.{0,3}\n?){0,3}") {
            for text in [any, lines] {
                if let Ok(checkpoint) = Checkpoint::parse(&text) {
                    proptest::prop_assert_eq!(checkpoint.text(), text);
                }
            }
        }
    }
}
