//! Free text from outside: cleaned once, at the edge.

use unicode_normalization::UnicodeNormalization as _;

/// A text that leaver does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Longer than the field allows.
    #[error("longer than {0} characters")]
    TooLong(usize),
    /// Control or direction-changing characters, with which a text can show something else than it holds.
    #[error("contains control or direction-changing characters")]
    Hidden,
    /// Nothing but space.
    #[error("empty")]
    Empty,
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text in NFC, without space at its ends.
///
/// # Errors
/// Where it is empty, longer than `max` characters, or holds characters that hide.
pub fn clean(text: &str, max: usize) -> Result<String, BadText> {
    let text: String = text.trim().nfc().collect();
    if text.is_empty() {
        return Err(BadText::Empty);
    }
    if text.chars().count() > max {
        return Err(BadText::TooLong(max));
    }
    if text.chars().any(is_hidden) {
        return Err(BadText::Hidden);
    }
    Ok(text)
}

/// The text as one line of at most `max` characters that shows what it holds, for wherever it is shown to somebody: what
/// hides becomes a space, and what is cut off is marked.
pub fn line(text: &str, max: usize) -> String {
    let visible: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    let visible = visible.trim();
    if visible.chars().count() <= max {
        return visible.to_owned();
    }
    visible.chars().take(max.saturating_sub(1)).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_it_holds() {
        assert_eq!(line(" a\nb\u{202e}c ", 9), "a b c");
        assert_eq!(line("abcdef", 4), "abc\u{2026}");
        assert_eq!(line("", 4), "");
    }

    #[test]
    fn one_spelling_of_each_text() {
        assert_eq!(clean(" Re\u{301}sumé ", 20), Ok("Résumé".to_owned()));
        assert_eq!(clean("a\u{202e}b", 20), Err(BadText::Hidden));
        assert_eq!(clean("a\nb", 20), Err(BadText::Hidden));
        assert_eq!(clean("  ", 20), Err(BadText::Empty));
        assert_eq!(clean("abc", 2), Err(BadText::TooLong(2)));
    }
}
