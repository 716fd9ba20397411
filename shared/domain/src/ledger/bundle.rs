//! Entries as files: bundles of up to 256, beside the tiles of their hashes, as C2SP tlog-tiles says.

use super::tile::MAX_WIDTH;

/// What is wrong with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More entries than a bundle holds.
    #[error("a bundle has at most {MAX_WIDTH} entries")]
    TooMany,
    /// An entry that is too long for a bundle.
    #[error("an entry of a bundle has at most 65,535 bytes, and this one has {0}")]
    TooLong(usize),
    /// The bundle ends within an entry.
    #[error("the bundle ends within entry {0}")]
    Cut(usize),
}

/// A bundle: each entry behind its length in two bytes.
///
/// # Errors
/// Too many entries, or one that is too long.
pub fn bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    if entries.len() > MAX_WIDTH.into() {
        return Err(BundleError::TooMany);
    }
    let mut bytes = Vec::new();
    for entry in entries.iter().map(AsRef::as_ref) {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(entry.len()))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
///
/// # Errors
/// It ends within an entry, or has too many.
pub fn unbundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        if entries.len() >= MAX_WIDTH.into() {
            return Err(BundleError::TooMany);
        }
        let (entry, rest) = bytes
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.split_at_checked(u16::from_be_bytes(*length).into()))
            .ok_or(BundleError::Cut(entries.len()))?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_refused_when_cut_or_overfull() {
        let entries = vec![vec![7; 65_535], Vec::new(), b"abc".to_vec()];
        let bytes = bundle(&entries).unwrap();
        assert_eq!(unbundle(&bytes).unwrap(), entries);
        for cut in [1, 2, 100, bytes.len() - 1, bytes.len() - 4] {
            assert!(matches!(unbundle(&bytes[..cut]), Err(BundleError::Cut(_))), "{cut}");
        }
        assert_eq!(bundle(&[vec![0; 65_536]]), Err(BundleError::TooLong(65_536)));
        assert_eq!(bundle(&vec![b""; 257]), Err(BundleError::TooMany));
        assert_eq!(unbundle(&[0; 514]), Err(BundleError::TooMany));
        assert_eq!(unbundle(&[0; 512]).unwrap().len(), 256);
    }

    proptest::proptest! {
        #[test]
        fn any_bundle_is_taken(bytes: Vec<u8>) {
            if let Ok(entries) = unbundle(&bytes) {
                proptest::prop_assert_eq!(bundle(&entries), Ok(bytes));
            }
        }
    }
}
