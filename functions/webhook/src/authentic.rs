//! Whether a request comes from the HRIS: a bearer token, and a signature over the raw bytes where one is configured.

use hmac::{Hmac, KeyInit as _, Mac as _};
use leaver_domain::{digest::Digest, secret::Secret, time::Timestamp};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How far the signature's time may be from now, in seconds.
const TOLERANCE: i64 = 300;

/// What the HRIS proves itself with.
#[derive(Debug, Clone, Deserialize)]
pub struct Credentials {
    bearer_token: Secret,
    #[serde(default)]
    signing_secret: Option<Secret>,
}

/// A secret that does not hold what the webhook needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSecret;

impl Credentials {
    /// From the secret's text: `{"bearer_token": "...", "signing_secret": null or "..."}`.
    ///
    /// # Errors
    /// Where it has another shape, or the token is too short to be one.
    pub fn parse(text: &Secret) -> Result<Self, BadSecret> {
        let credentials: Self = serde_json::from_str(text.expose()).map_err(|_| BadSecret)?;
        let usable = credentials.bearer_token.expose().len() >= 16;
        if usable { Ok(credentials) } else { Err(BadSecret) }
    }

    /// Whether this request is authentic. Compares digests in constant time, so that neither content nor length
    /// of the secret can be learnt from how long it takes.
    pub fn accept(&self, authorization: &str, signature: Option<&str>, body: &[u8], now: Timestamp) -> bool {
        let token = authorization.strip_prefix("Bearer ").unwrap_or("");
        let given = Digest::of(token.as_bytes());
        let wanted = Digest::of(self.bearer_token.expose().as_bytes());
        let token_fits: bool = given.0.ct_eq(&wanted.0).into();
        let signed = match &self.signing_secret {
            None => true,
            Some(secret) => signature.is_some_and(|signature| signature_fits(secret, signature, body, now)),
        };
        token_fits & signed
    }
}

/// `t=<unix seconds>,v1=<hex of HMAC-SHA256 over "t.body">`, each part once.
fn signature_fits(secret: &Secret, header: &str, body: &[u8], now: Timestamp) -> bool {
    let mut parts = header.split(',').map(str::trim);
    let (Some(time), Some(code), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    let (Some(time), Some(code)) = (time.strip_prefix("t="), code.strip_prefix("v1=")) else { return false };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    if seconds.abs_diff(now.seconds()) > TOLERANCE.unsigned_abs() {
        return false;
    }
    let Ok(code) = code.parse::<Digest>() else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&code.0).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_770_129_000_000).unwrap()
    }

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        let code = Digest(mac.finalize().into_bytes().into());
        format!("t={time},v1={code}")
    }

    #[test]
    fn only_the_token_opens() {
        let plain =
            Credentials::parse(&Secret::new(r#"{"bearer_token":"0123456789abcdef","signing_secret":null}"#))
                .unwrap();
        assert!(plain.accept("Bearer 0123456789abcdef", None, b"", now()));
        for wrong in [
            "",
            "Bearer ",
            "Bearer 0123456789abcdeF",
            "bearer 0123456789abcdef",
            "0123456789abcdef",
            "Bearer 0123456789abcdef, Bearer 0123456789abcdef",
        ] {
            assert!(!plain.accept(wrong, None, b"", now()), "{wrong}");
        }
        assert!(Credentials::parse(&Secret::new(r#"{"bearer_token":"short"}"#)).is_err());
        assert!(Credentials::parse(&Secret::new("{}")).is_err());
    }

    #[test]
    fn a_configured_signature_is_required_fresh_and_over_these_bytes() {
        let text = r#"{"bearer_token":"0123456789abcdef","signing_secret":"whsec"}"#;
        let signing = Credentials::parse(&Secret::new(text)).unwrap();
        let accept = |signature: Option<&str>, body: &[u8]| {
            signing.accept("Bearer 0123456789abcdef", signature, body, now())
        };
        let time = now().seconds();
        let good = sign("whsec", time, b"{}");
        assert!(accept(Some(&good), b"{}"));
        assert!(accept(Some(&sign("whsec", time - 300, b"{}")), b"{}"));
        assert!(!accept(None, b"{}"));
        assert!(!accept(Some(&good), b"{} "));
        assert!(!accept(Some(&sign("other", time, b"{}")), b"{}"));
        assert!(!accept(Some(&sign("whsec", time - 301, b"{}")), b"{}"));
        assert!(!accept(Some(&sign("whsec", time + 301, b"{}")), b"{}"));
        assert!(!accept(Some(&format!("{good},{good}")), b"{}"));
        assert!(
            !accept(Some(&good.replace("t=", "t=0")), b"{}"),
            "the signed text has the time as it was sent"
        );
        assert!(!accept(Some("t=,v1="), b"{}"));
    }
}
