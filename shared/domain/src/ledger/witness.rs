//! Witnesses: others who saw a checkpoint and say so, as C2SP tlog-witness and tlog-cosignature say.

use super::{
    key::{KeyKind, VerifierKey},
    note::{Note, NoteError, NoteSignature, Verified, of_base64, of_decimal, signature_lines, to_base64},
};
use crate::digest::Digest;
use std::fmt::Write as _;

/// Most hashes of a consistency proof that a witness takes.
pub const MAX_PROOF: usize = 63;

/// What a witness signs: the time, in seconds since 1970, and the checkpoint's text.
pub fn cosigned_message(time: u64, note_text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{note_text}").into_bytes()
}

/// The body of a request to cosign a checkpoint: the size that the witness saw last, the consistency proof from there, and
/// the signed checkpoint.
pub fn add_checkpoint_body(old: u64, proof: &[Digest], note: &str) -> String {
    let mut body = format!("old {old}\n");
    for hash in proof {
        // Writing to a string cannot fail.
        let _ = writeln!(body, "{}", to_base64(hash));
    }
    body.push('\n');
    body.push_str(note);
    body
}

/// Why a request's body, or the answer to it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The first line is not the old size.
    #[error("the request does not begin with the old size")]
    Old,
    /// A line of the proof is not a hash, or there are too many.
    #[error("the request's proof is not at most {MAX_PROOF} hashes")]
    Proof,
    /// What follows is not a note.
    #[error("the request's checkpoint: {0}")]
    Note(#[from] NoteError),
}

/// A request to cosign a checkpoint. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is thought to have seen last.
    pub old: u64,
    /// The consistency proof from there.
    pub proof: Vec<Digest>,
    /// The signed checkpoint.
    pub note: Note,
}

/// Reads the body of a request to cosign a checkpoint.
///
/// # Errors
/// It is not such a body.
pub fn parse_add_checkpoint(body: &[u8]) -> Result<AddCheckpoint, RequestError> {
    let mut rest = body;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, behind) = rest.split_at_checked(end)?;
        rest = behind.get(1..)?;
        std::str::from_utf8(line).ok()
    };
    let old =
        line().and_then(|line| line.strip_prefix("old ")).and_then(of_decimal).ok_or(RequestError::Old)?;
    let mut proof = Vec::new();
    loop {
        match line().ok_or(RequestError::Proof)? {
            "" => break,
            _ if proof.len() == MAX_PROOF => return Err(RequestError::Proof),
            hash => proof.push(of_base64(hash).ok_or(RequestError::Proof)?),
        }
    }
    Ok(AddCheckpoint { old, proof, note: Note::parse(rest)? })
}

/// Reads a witness's answer to a checkpoint that it cosigned: its signature lines. Nothing is verified.
///
/// # Errors
/// It is not one or more signature lines.
pub fn parse_cosignatures(body: &[u8]) -> Result<Vec<NoteSignature>, NoteError> {
    if body.len() > super::note::MAX_NOTE {
        return Err(NoteError::Long);
    }
    signature_lines(std::str::from_utf8(body).map_err(|_| NoteError::Form("not UTF-8"))?)
}

/// Takes a witness's answer over into the note: its own signatures, verified, and nothing else that it may have sent. What
/// one witness answers can so never spoil the note for the readers that know another. Gives the latest time of them, in
/// seconds since 1970.
///
/// # Errors
/// The answer is not one or more signature lines, none is the witness's, or one of them is wrong; the note stays as it was.
pub fn add_cosignatures(note: &mut Note, witness: &VerifierKey, body: &[u8]) -> Result<u64, NoteError> {
    let mut signatures = parse_cosignatures(body)?;
    signatures.retain(|one| one.name == witness.name() && one.id == witness.id());
    let answer = Note { text: note.text.clone(), signatures };
    let time = answer.verify([witness])?.into_iter().find_map(|one| one.time).ok_or(NoteError::Unsigned)?;
    answer.signatures.into_iter().for_each(|one| note.add(one));
    Ok(time)
}

/// Reads a witness's answer when it saw another size last (status 409, `text/x.tlog.size`): that size.
pub fn parse_size(body: &[u8]) -> Option<u64> {
    of_decimal(std::str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

/// Too few witnesses, or a wrong signature of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// Fewer than are needed.
    #[error("{found} of {needed} witnesses cosigned the checkpoint")]
    TooFew {
        /// How many cosigned.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// One's signature is wrong, or two cannot be told apart.
    #[error("the witnesses' signatures: {0}")]
    Note(#[from] NoteError),
}

/// How many of which witnesses must have cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quorum {
    /// The witnesses. Only cosigners' keys count, and each name and each key once.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them; with 0 none need be asked.
    pub needed: usize,
}

impl Quorum {
    /// The witnesses that cosigned, if they are enough.
    ///
    /// # Errors
    /// They are too few, or one's signature is wrong.
    pub fn check(&self, note: &Note) -> Result<Vec<Verified<'_>>, QuorumError> {
        let cosigners = self.witnesses.iter().filter(|key| key.kind() == KeyKind::Cosignature);
        let verified = match note.verify(cosigners) {
            Err(NoteError::Unsigned) => Vec::new(),
            other => other?,
        };
        // One party under two names, or with two keys, is one witness.
        let mut counted: Vec<Verified<'_>> = Vec::new();
        for one in verified {
            let same = |other: &Verified<'_>| {
                other.key.name() == one.key.name() || other.key.public() == one.key.public()
            };
            if !counted.iter().any(same) {
                counted.push(one);
            }
        }
        match counted.len() {
            found if found < self.needed => Err(QuorumError::TooFew { found, needed: self.needed }),
            _ => Ok(counted),
        }
    }

    /// Whether enough witnesses cosigned, and none of them wrongly.
    pub fn is_met(&self, note: &Note) -> bool {
        self.check(note).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    const TEXT: &str = "log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn secret(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn key(name: &str, seed: u8) -> VerifierKey {
        VerifierKey::cosigner(name, secret(seed).verifying_key().to_bytes()).unwrap()
    }

    fn cosign(name: &str, seed: u8, time: u64) -> NoteSignature {
        key(name, seed).cosignature(time, &secret(seed).sign(&cosigned_message(time, TEXT)).to_bytes())
    }

    fn note(signatures: Vec<NoteSignature>) -> Note {
        Note { text: TEXT.into(), signatures }
    }

    #[test]
    fn what_a_witness_signs_is_the_specified_text() {
        let message = cosigned_message(1_679_315_147, TEXT);
        assert_eq!(message, format!("cosignature/v1\ntime 1679315147\n{TEXT}").into_bytes());
    }

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let note = note(vec![cosign("w", 1, 5)]);
        for proof in [vec![], vec![Digest::of(b"a"), Digest::of(b"b")], vec![Digest::ZERO; MAX_PROOF]] {
            let body = add_checkpoint_body(7, &proof, &note.to_string());
            assert!(body.starts_with("old 7\n"));
            assert_eq!(
                parse_add_checkpoint(body.as_bytes()),
                Ok(AddCheckpoint { old: 7, proof, note: note.clone() })
            );
        }
    }

    #[test]
    fn a_request_of_another_form_is_refused() {
        let note = note(vec![cosign("w", 1, 5)]).to_string();
        let hash = to_base64(&Digest::of(b"a"));
        assert!(parse_add_checkpoint(format!("old 0\n\n{note}").as_bytes()).is_ok());
        for bad in [
            String::new(),
            "old 0".into(),
            "old 0\n".into(),
            "old 0\n\n".into(),
            format!("old 00\n\n{note}"),
            format!("old -1\n\n{note}"),
            format!("old  1\n\n{note}"),
            format!("old 1\r\n\n{note}"),
            format!("new 1\n\n{note}"),
            format!("old 18446744073709551616\n\n{note}"),
            format!("old 1\n{hash}\n{note}"),
            format!("old 1\n{hash} \n\n{note}"),
            format!("old 1\n{}\n\n{note}", hash.trim_end_matches('=')),
            format!("old 1\n{hash}{hash}\n\n{note}"),
            add_checkpoint_body(1, &[Digest::ZERO; MAX_PROOF + 1], &note),
        ] {
            assert!(parse_add_checkpoint(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_witnesses_answer_is_read() {
        let lines = format!("{}\n{}\n", cosign("w", 1, 5), cosign("v", 2, 6));
        assert_eq!(parse_cosignatures(lines.as_bytes()), Ok(vec![cosign("w", 1, 5), cosign("v", 2, 6)]));
        for bad in ["", "\n", "no\n", lines.trim_end(), &format!("{lines}\n")] {
            assert!(parse_cosignatures(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(parse_size(b"17\n"), Some(17));
        for bad in [&b"17"[..], b"", b"\n", b"017\n", b"17\n\n", b"-1\n", b"\xff\n"] {
            assert_eq!(parse_size(bad), None);
        }
    }

    #[test]
    fn only_the_witnesses_own_good_signatures_are_taken_over() {
        let (before, w) = (note(vec![cosign("v", 2, 6)]), key("w", 1));
        let mut good = before.clone();
        let lines = format!("{}\n{}\n{}\n", cosign("w", 1, 5), cosign("u", 3, 9), cosign("w", 1, 7));
        assert_eq!(add_cosignatures(&mut good, &w, lines.as_bytes()), Ok(7));
        assert_eq!(good, note(vec![cosign("v", 2, 6), cosign("w", 1, 5), cosign("w", 1, 7)]));
        assert_eq!(add_cosignatures(&mut good, &w, format!("{}\n", cosign("w", 1, 7)).as_bytes()), Ok(7));
        assert_eq!(good.signatures.len(), 3);

        let mut wrong = cosign("w", 1, 8);
        wrong.bytes[9] ^= 1;
        let plain = VerifierKey::ed25519("w", w.public()).unwrap();
        let unasked = plain.signature(&secret(1).sign(TEXT.as_bytes()).to_bytes());
        for bad in [format!("{}\n{wrong}\n", cosign("w", 1, 5)), format!("{unasked}\n"), String::new()] {
            let mut same = before.clone();
            assert!(add_cosignatures(&mut same, &w, bad.as_bytes()).is_err(), "{bad}");
            assert_eq!(same, before);
        }
    }

    #[test]
    fn enough_witnesses_are_enough_and_each_counts_once() {
        let quorum = Quorum { witnesses: vec![key("w", 1), key("v", 2), key("u", 3)], needed: 2 };
        let both = note(vec![cosign("w", 1, 5), cosign("v", 2, 6)]);
        let times: Vec<_> = quorum.check(&both).unwrap().iter().map(|one| one.time).collect();
        assert_eq!(times, [Some(5), Some(6)]);
        let too_few = Err(QuorumError::TooFew { found: 1, needed: 2 });
        for one in [
            vec![cosign("w", 1, 5)],
            vec![cosign("w", 1, 5), cosign("w", 1, 5)],
            vec![cosign("w", 1, 5), cosign("w", 1, 9)],
            vec![cosign("w", 1, 5), cosign("stranger", 9, 5)],
        ] {
            assert_eq!(quorum.check(&note(one)).map(|found| found.len()), too_few);
        }
        assert!(!quorum.is_met(&note(vec![])));
        assert!(Quorum::default().is_met(&note(vec![])));
    }

    #[test]
    fn one_party_under_two_names_or_with_two_keys_is_one_witness() {
        for (second, seed) in [("w", 2), ("v", 1)] {
            let quorum = Quorum { witnesses: vec![key("w", 1), key(second, seed)], needed: 2 };
            let both = note(vec![cosign("w", 1, 5), cosign(second, seed, 6)]);
            assert_eq!(quorum.check(&both), Err(QuorumError::TooFew { found: 1, needed: 2 }));
        }
    }

    #[test]
    fn a_plain_key_is_no_witness_and_a_wrong_signature_is_no_silence() {
        let plain = VerifierKey::ed25519("w", secret(1).verifying_key().to_bytes()).unwrap();
        let signed = note(vec![plain.signature(&secret(1).sign(TEXT.as_bytes()).to_bytes())]);
        let quorum = Quorum { witnesses: vec![plain], needed: 1 };
        assert_eq!(quorum.check(&signed), Err(QuorumError::TooFew { found: 0, needed: 1 }));
        let quorum = Quorum { witnesses: vec![key("w", 1), key("v", 2)], needed: 1 };
        let mut wrong = cosign("v", 2, 6);
        wrong.bytes[70] ^= 1;
        let bad = note(vec![cosign("w", 1, 5), wrong]);
        assert_eq!(quorum.check(&bad), Err(QuorumError::Note(NoteError::Wrong("v".into()))));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_taken(bytes: Vec<u8>, old in "(old )?[0-9]{0,21}", lines in "([A-Za-z0-9+/]{43}=\n?){0,3}\n?") {
            let note = note(vec![cosign("w", 1, 5)]).to_string();
            for body in [bytes, format!("{old}\n{lines}{note}").into_bytes()] {
                let _ = (parse_cosignatures(&body), parse_size(&body));
                if let Ok(request) = parse_add_checkpoint(&body) {
                    let same = add_checkpoint_body(request.old, &request.proof, &request.note.to_string());
                    proptest::prop_assert_eq!(same.into_bytes(), body);
                }
            }
        }
    }
}
