//! The signed form of a token (RFC 7515, RFC 8037) and the key set with which it is checked (RFC 7517).

use super::token::Claims;
use crate::digest::Digest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Most bytes that the key's keeper signs at once.
pub const MAX_SIGNED: usize = 4_096;

/// A token that is longer than what can be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token {jti} has {length} bytes; {MAX_SIGNED} can be signed")]
pub struct TooLong {
    /// Which one.
    pub jti: String,
    /// How long it is.
    pub length: usize,
}

/// The key that tokens are checked with: Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl PublicKey {
    /// The key's name: the thumbprint of RFC 7638, so that it follows from the key.
    pub fn id(&self) -> String {
        // Members in alphabetical order and without spaces, as the thumbprint wants them.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encoded(&self.0));
        encoded(&Digest::of(members.as_bytes()).0)
    }

    /// The key set that receivers fetch.
    pub fn key_set(&self) -> Value {
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id(), "x": encoded(&self.0)}]})
    }
}

/// A token up to its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned(String);

impl Unsigned {
    /// The token of these claims, to be signed with this key.
    ///
    /// # Errors
    /// Where it is longer than what can be signed.
    pub fn of(claims: &Claims, key: &PublicKey) -> Result<Self, TooLong> {
        let header = json!({"alg": "EdDSA", "kid": key.id(), "typ": "secevent+jwt"});
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let text = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(&payload));
        match text.len() {
            length if length > MAX_SIGNED => Err(TooLong { jti: claims.jti.clone(), length }),
            _ => Ok(Self(text)),
        }
    }

    /// What is signed.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The token with its signature: what is sent.
    pub fn signed(self, signature: &[u8; 64]) -> String {
        format!("{}.{}", self.0, encoded(signature))
    }
}

/// What a transmitter says of itself at `/.well-known/ssf-configuration` (Shared Signals Framework 1.0). Streams are
/// set up by the deployment's policy, so there is no endpoint for them.
pub fn configuration(issuer: &str) -> Value {
    json!({
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/api/v1/signals/jwks"),
        "delivery_methods_supported": ["urn:ietf:rfc:8935"],
        "default_subjects": "ALL",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A.2, and its thumbprint of appendix A.3.
    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let x = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = PublicKey(x.try_into().unwrap());
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let set = key.key_set();
        assert_eq!(set["keys"][0]["kid"], key.id());
        assert_eq!(set["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }

    #[test]
    fn the_longest_token_that_policy_allows_can_be_signed() {
        let wide = "w".repeat(256);
        let claims = Claims {
            iss: wide.clone(),
            iat: i64::MAX,
            jti: "j".repeat(64 + 32 + 50),
            aud: wide.clone(),
            txn: "t".repeat(64),
            toe: i64::MAX,
            sub_id: json!({"format": "iss_sub", "iss": wide, "sub": "u".repeat(64)}),
            events: [("e".repeat(80), json!({"reason_admin": {"en": "r".repeat(160)}}))]
                .into_iter()
                .collect(),
        };
        let key = PublicKey([7; 32]);
        assert!(Unsigned::of(&claims, &key).is_ok());
        let claims = Claims { aud: "a".repeat(MAX_SIGNED), ..claims };
        assert!(Unsigned::of(&claims, &key).unwrap_err().length > MAX_SIGNED);
    }
}
