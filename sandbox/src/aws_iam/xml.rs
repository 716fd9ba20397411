//! The Query API's XML.

use crate::twin::Reply;
use quick_xml::escape::escape;

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// What IAM refuses a call with.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Of something that is not there.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(404, "NoSuchEntity", format!("The {what} cannot be found."))
    }

    /// As IAM answers it.
    pub(super) fn reply(&self, request: u64) -> Reply {
        let side = if self.status < 500 { "Sender" } else { "Receiver" };
        let text = format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>{}</RequestId></ErrorResponse>",
            self.code,
            escape(self.message.as_str()),
            request_id(request)
        );
        xml(self.status, text)
    }
}

fn request_id(request: u64) -> String {
    format!("00000000-0000-4000-8000-{request:012}")
}

fn xml(status: u16, text: String) -> Reply {
    Reply { media_type: "text/xml", body: text.into_bytes(), ..Reply::empty(status) }
}

/// An element with a text.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// Elements with texts, one after another.
pub(super) fn elements(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, text)| element(name, text)).collect()
}

/// The answer to an action, around what it returns; actions that return nothing have no result element.
pub(super) fn answer(action: &str, inner: &str, request: u64) -> Reply {
    let result = match inner {
        "" => String::new(),
        inner => format!("<{action}Result>{inner}</{action}Result>"),
    };
    let id = request_id(request);
    xml(
        200,
        format!(
            "<{action}Response xmlns=\"{NAMESPACE}\">{result}<ResponseMetadata><RequestId>{id}</RequestId>\
             </ResponseMetadata></{action}Response>"
        ),
    )
}
