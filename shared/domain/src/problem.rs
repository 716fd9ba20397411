//! RFC 9457 problem documents: what went wrong, for whoever made the request, and what to do about it.

use crate::ports::StoreError;
use serde::{Deserialize, Serialize};

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// A stable name of the kind of problem, as a URI reference.
    pub r#type: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence, and what to do.
    pub detail: String,
}

/// Why something that somebody asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// They may not, or not like that.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The store failed; the caller may try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Problem {
    /// A problem; the title is the kind's name in words.
    pub fn new(status: u16, kind: &str, detail: impl Into<String>) -> Self {
        let mut title = kind.replace('-', " ");
        if let Some(first) = title.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        Self { r#type: format!("/problems/{kind}"), title, status, detail: detail.into() }
    }

    /// leaver itself failed; the caller may try again.
    pub fn unavailable() -> Self {
        Self::new(
            503,
            "temporarily-unavailable",
            "leaver could not do this right now. Nothing is lost: send the same request again.",
        )
    }

    /// No or no valid credential.
    pub fn unauthorized() -> Self {
        Self::new(401, "unauthorized", "The request carries no valid credential.")
    }

    /// A valid credential that may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "forbidden", detail)
    }

    /// There is no such thing, or the caller may not know of it.
    pub fn not_found() -> Self {
        Self::new(404, "not-found", "There is nothing at this address.")
    }
}
