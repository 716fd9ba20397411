//! AWS Signature Version 4, for the adapter whose system is AWS itself.
//! Source: "Create a signed AWS API request" in the IAM User Guide.

use crate::settings::OwnIdentity;
use hmac::{Hmac, KeyInit as _, Mac as _};
use leaver_domain::{
    digest::Digest,
    fault::{Fault, FaultKind},
    secret::Secret,
    time::Timestamp,
};
use reqwest::{Request, header::HeaderValue};
use sha2::Sha256;

/// Codes of AWS services for a credential or signature that they do not accept, with HTTP 400 or 403.
pub(crate) const REJECTED: [&str; 9] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// What a signature covers.
#[derive(Debug)]
pub struct Covered<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, encoded.
    pub path: &'a str,
    /// The query, encoded and in order.
    pub query: &'a str,
    /// The signed headers by lower-case name, in order.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
    /// `x-amz-date`.
    pub stamp: &'a str,
    /// `day/region/service/aws4_request`.
    pub scope: &'a str,
}

impl Covered<'_> {
    /// The names of the signed headers, as the signature names them.
    pub fn names(&self) -> String {
        self.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
    }

    /// The signature with a secret access key.
    ///
    /// # Errors
    /// `Internal` where there is no key to sign with.
    pub fn signature(&self, secret: &Secret) -> Result<Digest, Fault> {
        let mut headers = String::new();
        for (name, value) in self.headers {
            headers.push_str(&format!("{name}:{}\n", value.trim()));
        }
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            self.query,
            self.names(),
            Digest::of(self.body)
        );
        let text =
            format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.stamp, self.scope, Digest::of(canonical.as_bytes()));
        let mut key = format!("AWS4{}", secret.expose()).into_bytes();
        for part in self.scope.split('/') {
            key = hmac(&key, part)?.to_vec();
        }
        Ok(Digest(hmac(&key, &text)?))
    }
}

fn hmac(key: &[u8], data: &str) -> Result<[u8; 32], Fault> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| Fault::new(FaultKind::Internal, "no key to sign with"))?;
    mac.update(data.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

/// The service that a request is for, from `x-amz-service` (set by the adapter and taken off here).
fn service(request: &mut Request) -> Result<String, Fault> {
    let name = request.headers_mut().remove("x-amz-service");
    let name = name.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
    name.ok_or_else(|| Fault::new(FaultKind::Internal, "a call to AWS without a service"))
}

/// Signs a request with the headers that it has.
pub(crate) fn sign(mut request: Request, identity: &OwnIdentity, now: Timestamp) -> Result<Request, Fault> {
    let bad = |_| Fault::new(FaultKind::Internal, "a signature header could not be built");
    let service = service(&mut request)?;
    let stamp: String =
        now.to_string().chars().filter(|c| !"-:".contains(*c)).take(15).chain(['Z']).collect();
    let day: String = stamp.chars().take(8).collect();
    let url = request.url().clone();
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(Fault::new(FaultKind::Internal, "a call to AWS without a host")),
    };
    let headers = request.headers_mut();
    headers.insert("host", HeaderValue::from_str(&host).map_err(bad)?);
    headers.insert("x-amz-date", HeaderValue::from_str(&stamp).map_err(bad)?);
    if let Some(token) = &identity.session_token {
        let mut value = HeaderValue::from_str(token.expose()).map_err(bad)?;
        value.set_sensitive(true);
        headers.insert("x-amz-security-token", value);
    }
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut signed: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    signed.sort();
    let scope = format!("{day}/{}/{service}/aws4_request", identity.region);
    let covered = Covered {
        method: request.method().as_str(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers: &signed,
        body: request.body().and_then(|body| body.as_bytes()).unwrap_or_default(),
        stamp: &stamp,
        scope: &scope,
    };
    let signature = covered.signature(&identity.secret_access_key)?;
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        identity.access_key_id,
        covered.names()
    );
    request.headers_mut().insert("authorization", HeaderValue::from_str(&value).map_err(bad)?);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the IAM User Guide: GET ListUsers of 2015-08-30.
    #[test]
    fn signs_the_published_example() {
        let mut request = Request::new(
            reqwest::Method::GET,
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08".parse().unwrap(),
        );
        let headers = request.headers_mut();
        headers.insert("x-amz-service", HeaderValue::from_static("iam"));
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        let identity = OwnIdentity {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            region: "us-east-1".into(),
        };
        let signed = sign(request, &identity, "2015-08-30T12:36:00Z".parse().unwrap()).unwrap();
        let value = signed.headers()["authorization"].to_str().unwrap();
        assert!(
            value.ends_with("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
            "{value}"
        );
    }
}
