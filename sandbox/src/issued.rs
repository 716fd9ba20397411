//! Tokens of sample people, handed out at the sandbox's own face: what a vendor would show a person once, when they make one.

use crate::twin::{Ask, Face, Reply};
use ring::digest;
use serde_json::json;
use std::collections::BTreeMap;

/// The tokens that one stand-in handed out, each with what it stands for there.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    tokens: BTreeMap<String, String>,
    made: u64,
}

impl Issued {
    /// For whom `POST /_sandbox/{system}/accounts/{username}/credentials` asks for a token.
    pub(crate) fn asked<'a>(ask: &'a Ask, system: &str) -> Option<&'a str> {
        match (ask.method.as_str(), ask.path.as_slice()) {
            ("POST", [of, accounts, username, credentials])
                if of == system && accounts == "accounts" && credentials == "credentials" =>
            {
                Some(username)
            }
            _ => None,
        }
    }

    /// Hands one out that stands for this; nobody can guess it who does not know `seed`.
    pub(crate) fn issue(&mut self, seed: &str, prefix: &str, stands_for: String) -> Face {
        self.made += 1;
        let sum = digest::digest(&digest::SHA256, format!("{seed}#{}", self.made).as_bytes());
        let hex = |text: String, byte: &u8| format!("{text}{byte:02x}");
        let token = sum.as_ref().iter().take(20).fold(prefix.to_owned(), hex);
        self.tokens.insert(token.clone(), stands_for);
        Face::Answer(Reply::json(201, json!({"token": token})))
    }

    /// The answer for somebody who has no account.
    pub(crate) fn nobody() -> Face {
        Face::Answer(Reply::json(404, json!({"error": "there is no such account"})))
    }

    /// How many were handed out.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// What a token stands for.
    pub(crate) fn of(&self, token: &str) -> Option<&str> {
        self.tokens.get(token).map(String::as_str)
    }

    /// Those that are void from now on are forgotten.
    pub(crate) fn retain(&mut self, lives: impl Fn(&str) -> bool) {
        self.tokens.retain(|_, stands_for| lives(stands_for));
    }
}
