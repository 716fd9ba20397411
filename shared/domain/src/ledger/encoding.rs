//! The canonical binary form: fields in a fixed order, each with its length, integers of fixed width, big-endian.
//! There is exactly one byte string for each entry, and exactly one entry for each byte string that decodes.

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end too early.
    #[error("the entry ends within its field {0}")]
    Short(&'static str),
    /// Something stands behind the last field.
    #[error("the entry has {0} bytes behind its last field")]
    Trailing(usize),
    /// A text that is not UTF-8.
    #[error("field {0} is not UTF-8")]
    Text(&'static str),
    /// A value that this version does not know.
    #[error("field {0} has a value that is not known")]
    Unknown(&'static str),
    /// Longer than an entry may be.
    #[error("the entry is longer than {} bytes", super::entry::MAX_ENTRY)]
    Long,
}

/// Writes fields.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        // Every field is limited long before this: an entry has at most 65,535 bytes.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
    }
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
    pub(super) fn optional(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }
    pub(super) fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

/// Reads fields.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short(field))?;
        self.0 = rest;
        Ok(head)
    }
    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        self.take(N, field)?.try_into().map_err(|_| Malformed::Short(field))
    }
    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(field).map(|[byte]| byte)
    }
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let length = u32::from_be_bytes(self.array(field)?);
        self.take(usize::try_from(length).map_err(|_| Malformed::Short(field))?, field)
    }
    pub(super) fn text(&mut self, field: &'static str) -> Result<String, Malformed> {
        std::str::from_utf8(self.bytes(field)?).map(str::to_owned).map_err(|_| Malformed::Text(field))
    }
    pub(super) fn optional(&mut self, field: &'static str) -> Result<Option<String>, Malformed> {
        match self.byte(field)? {
            0 => Ok(None),
            1 => self.text(field).map(Some),
            _ => Err(Malformed::Unknown(field)),
        }
    }
}
