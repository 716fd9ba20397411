//! S3: files that nobody can change until their time has run out.
//!
//! The requests are made and signed by `rusty-s3`, which does no I/O; the SDK for S3 alone would add a megabyte to what
//! every function loads. They go through a client that trusts Amazon's roots only.

use crate::connect::{Aws, NotConnected};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    digest::Digest,
    ports::{Archives, Object, ObjectStore, Placed, StoreError, Unless},
    time::Timestamp,
};
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue};
use rusty_s3::{Bucket, Credentials, Method, UrlStyle, signing::sign};
use std::{fs::File, io::Read as _, path::Path, time::Duration};
use url::Url;

/// For how long a signed request is good.
const SIGNED_FOR: Duration = Duration::from_secs(60);
/// Tries of one request.
const TRIES: u32 = 4;
/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// How long one try of a part of a large file may take.
const PART_TRY: Duration = Duration::from_secs(60);
/// Size of the parts that a large file is sent in.
const PART: usize = 8 * 1024 * 1024;
/// Most parts of a file; S3's own limit.
const MAX_PARTS: usize = 10_000;
/// Largest object that is read whole.
const MAX_OBJECT: usize = 32 * 1024 * 1024;
/// Most names in one answer.
pub(crate) const PAGE: &str = "1000";

/// A bucket.
#[derive(Clone)]
pub struct S3Objects {
    client: reqwest::Client,
    bucket: Bucket,
    credentials: Option<Credentials>,
}

impl std::fmt::Debug for S3Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("S3Objects").field(&self.bucket.name()).finish()
    }
}

/// One request.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) key: &'a str,
    /// In the order of the names.
    pub(crate) query: Vec<(&'static str, String)>,
    /// In the order of the names, which are in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) limit: Duration,
}

/// An answer that came.
pub(crate) struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
    /// What S3 says of itself; never the rest of its answer.
    fn trouble(&self) -> StoreError {
        let code = element(self.text(), "Code").next().unwrap_or_default();
        StoreError::Unavailable(format!("S3: HTTP {} {}", self.status, code.get(..40).unwrap_or(code)))
    }
    fn tag(&self) -> Result<String, StoreError> {
        let missing = || StoreError::Corrupt("S3 gave no entity tag".to_owned());
        self.header(ETAG).map(str::to_owned).ok_or_else(missing)
    }
    pub(crate) fn done(self) -> Result<Self, StoreError> {
        if self.status / 100 == 2 { Ok(self) } else { Err(self.trouble()) }
    }
}

/// The texts of an XML element that holds nothing but text.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, from) = rest.split_once(&open)?;
        let (text, behind) = from.split_once(&close)?;
        rest = behind;
        Some(text)
    })
}

/// A key that an address can hold: no segment is empty or leads upwards.
pub(crate) fn checked(key: &str) -> Result<(), StoreError> {
    let good = key.len() <= 1_000 && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if good { Ok(()) } else { Err(StoreError::Corrupt("a name that no object can have".to_owned())) }
}

impl S3Objects {
    /// The bucket of this name.
    ///
    /// # Errors
    /// Where the address or the client cannot be made.
    pub fn new(aws: &Aws, bucket: &str) -> Result<Self, NotConnected> {
        let bad = |why: &dyn std::fmt::Display| NotConnected::Address(why.to_string());
        let regional = format!("https://s3.{}.amazonaws.com", aws.region());
        let (address, style) = match aws.endpoint() {
            Some(endpoint) => (endpoint, UrlStyle::Path),
            None => (regional.as_str(), UrlStyle::VirtualHost),
        };
        let address: Url = address.parse().map_err(|error| bad(&error))?;
        let bucket = Bucket::new(address, style, bucket.to_owned(), aws.region().to_owned())
            .map_err(|error| bad(&error))?;
        let credentials = aws.credentials().map(|known| {
            let (id, secret) = (known.access_key_id(), known.secret_access_key());
            match known.session_token() {
                Some(token) => Credentials::new_with_token(id, secret, token),
                None => Credentials::new(id, secret),
            }
        });
        Ok(Self { client: Aws::web()?, bucket, credentials })
    }

    pub(crate) fn signed(&self, ask: &Ask<'_>, lifetime: Duration) -> Result<Url, StoreError> {
        let url = if ask.key.is_empty() {
            self.bucket.base_url().clone()
        } else {
            checked(ask.key)?;
            self.bucket.object_url(ask.key)
        };
        let none = || StoreError::Unavailable("S3: there are no credentials".to_owned());
        let with = self.credentials.as_ref().ok_or_else(none)?;
        Ok(sign(
            &jiff::Timestamp::now(),
            ask.method,
            url,
            with.key(),
            with.secret(),
            with.token(),
            self.bucket.region(),
            lifetime.as_secs().clamp(1, 604_800),
            ask.query.iter().map(|(name, value)| (*name, value.as_str())),
            ask.headers.iter().map(|(name, value)| (*name, value.as_str())),
        ))
    }

    /// One try; `Err` where there is no answer.
    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, StoreError> {
        let method = match ask.method {
            Method::Head => reqwest::Method::HEAD,
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = reqwest::Request::new(method, self.signed(ask, SIGNED_FOR)?);
        for (name, value) in &ask.headers {
            let bad = |_| StoreError::Corrupt("a header that HTTP does not allow".to_owned());
            let value = HeaderValue::from_str(value).map_err(bad)?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        if matches!(ask.method, Method::Put | Method::Post) {
            // Of an empty body the client would not say the length, and S3 asks for it.
            request.headers_mut().insert(CONTENT_LENGTH, ask.body.len().into());
            *request.body_mut() = Some(ask.body.clone().into());
        }
        // The address holds the signature: an error must not show it.
        let lost = |error: reqwest::Error| {
            StoreError::Unavailable(format!(
                "S3: {}",
                if error.is_connect() { "no connection" } else { "no answer" }
            ))
        };
        let all = async {
            let mut response = self.client.execute(request).await.map_err(lost)?;
            let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(lost)? {
                if body.len() + chunk.len() > MAX_OBJECT {
                    return Err(StoreError::Corrupt("an object is larger than any of leaver's".to_owned()));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, headers, body })
        };
        let late = |_| StoreError::Unavailable("S3: no answer in time".to_owned());
        tokio::time::timeout(ask.limit, all).await.map_err(late)?
    }

    /// Sends a request, and again where trying again may help. An answer may tell of one's own earlier try.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, StoreError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let result = self.once(ask).await;
            let again = match &result {
                // 409: another conditional write to the same name is under way.
                Ok(answer) => matches!(answer.status, 409 | 429 | 500..=599),
                Err(error) => matches!(error, StoreError::Unavailable(_)),
            };
            if !again || tried >= TRIES {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(50 * 2_u64.pow(tried))).await;
        }
    }

    pub(crate) fn ask<'a>(method: Method, key: &'a str) -> Ask<'a> {
        Ask { method, key, query: Vec::new(), headers: Vec::new(), body: Vec::new(), limit: TRY }
    }

    /// Sends a file, a part at a time, so that memory holds one part whatever its length. The file's length in bytes.
    /// What had been sent when something fails is thrown away again.
    async fn upload_file(&self, key: &str, path: &Path) -> Result<u64, StoreError> {
        let unread = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        // Reading from the function's own disk is quick enough to be done in place.
        let mut file = File::open(path).map_err(unread)?;
        let first = part(&mut file).map_err(unread)?;
        if first.len() < PART {
            let mut ask = Self::ask(Method::Put, key);
            ask.headers.push(("x-amz-checksum-sha256", checksum(&first)));
            let length = first.len() as u64;
            self.send(&Ask { body: first, limit: PART_TRY, ..ask }).await?.done()?;
            return Ok(length);
        }
        let mut create = Self::ask(Method::Post, key);
        create.query.push(("uploads", String::new()));
        create.headers.push(("x-amz-checksum-algorithm", "SHA256".to_owned()));
        let created = self.send(&create).await?.done()?;
        let id = element(created.text(), "UploadId").next().map(str::to_owned);
        let id = id.ok_or_else(|| StoreError::Corrupt("S3 gave the upload no id".to_owned()))?;
        let sent = self.upload_parts(key, &id, first, || part(&mut file).map_err(unread)).await;
        if sent.is_err() {
            let mut abort = Self::ask(Method::Delete, key);
            abort.query.push(("uploadId", id));
            // What is left behind is taken away by the bucket's own rule for unfinished uploads.
            let _ = self.send(&abort).await;
        }
        sent
    }

    async fn upload_parts(
        &self,
        key: &str,
        id: &str,
        first: Vec<u8>,
        mut next: impl FnMut() -> Result<Vec<u8>, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut complete = String::from("<CompleteMultipartUpload>");
        let (mut bytes, mut length, mut number) = (first, 0, 0);
        while !bytes.is_empty() {
            number += 1;
            if number > MAX_PARTS {
                return Err(StoreError::Corrupt("a file is too long to be sent".to_owned()));
            }
            length += bytes.len() as u64;
            let sum = checksum(&bytes);
            let mut ask = Self::ask(Method::Put, key);
            ask.query = vec![("partNumber", number.to_string()), ("uploadId", id.to_owned())];
            ask.headers.push(("x-amz-checksum-sha256", sum.clone()));
            let sent = self.send(&Ask { body: bytes, limit: PART_TRY, ..ask }).await?.done()?;
            complete += &format!(
                "<Part><ChecksumSHA256>{sum}</ChecksumSHA256><ETag>{}</ETag><PartNumber>{number}</PartNumber></Part>",
                sent.tag()?.replace('"', "&quot;")
            );
            bytes = next()?;
        }
        complete += "</CompleteMultipartUpload>";
        let mut ask = Self::ask(Method::Post, key);
        ask.query.push(("uploadId", id.to_owned()));
        let ask = Ask { body: complete.into_bytes(), limit: PART_TRY, ..ask };
        let answer = self.send(&ask).await?.done()?;
        // S3 may say 200 before it knows: whether it worked stands in the body.
        if element(answer.text(), "ETag").next().is_none() {
            return Err(answer.trouble());
        }
        Ok(length)
    }
}

/// The next part of a file; empty at its end.
fn part(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PART);
    file.take(PART as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn checksum(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(Digest::of(bytes).0)
}

#[async_trait]
impl ObjectStore for S3Objects {
    async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        checked(key)?;
        let answer = self.send(&Self::ask(Method::Get, key)).await?;
        if answer.status == 404 && element(answer.text(), "Code").next() == Some("NoSuchKey") {
            return Ok(None);
        }
        let answer = answer.done()?;
        Ok(Some(Object { tag: answer.tag()?, bytes: answer.body }))
    }

    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        unless: Unless,
        retain_until: Option<Timestamp>,
    ) -> Result<Placed, StoreError> {
        checked(key)?;
        let mut ask = Self::ask(Method::Put, key);
        ask.headers.push(match unless {
            Unless::Exists => ("if-none-match", "*".to_owned()),
            Unless::ChangedFrom(tag) => ("if-match", tag),
        });
        ask.headers.push(("x-amz-checksum-sha256", checksum(bytes)));
        if let Some(until) = retain_until {
            // Compliance mode: nobody can shorten it, the account's owner included.
            ask.headers.push(("x-amz-object-lock-mode", "COMPLIANCE".to_owned()));
            ask.headers.push(("x-amz-object-lock-retain-until-date", until.to_string()));
        }
        ask.body = bytes.to_vec();
        let answer = self.send(&ask).await?;
        match answer.status {
            412 => Ok(Placed::Refused),
            // Under If-Match: there is none of this name any more.
            404 if element(answer.text(), "Code").next() == Some("NoSuchKey") => Ok(Placed::Refused),
            _ => answer.done().map(|_| Placed::Done),
        }
    }

    async fn behind(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        let mut ask = Self::ask(Method::Get, "");
        ask.query = vec![
            ("list-type", "2".to_owned()),
            ("max-keys", PAGE.to_owned()),
            ("prefix", prefix.to_owned()),
            ("start-after", after.to_owned()),
        ];
        let answer = self.send(&ask).await?.done()?;
        Ok(element(answer.text(), "Key").map(str::to_owned).collect())
    }
}

#[async_trait]
impl Archives for S3Objects {
    async fn upload(&self, key: &str, file: &Path) -> Result<(), StoreError> {
        checked(key)?;
        self.upload_file(key, file).await.map(|_| ())
    }

    fn download_url(&self, key: &str, lifetime: Duration) -> Result<String, StoreError> {
        checked(key)?;
        self.signed(&Self::ask(Method::Get, key), lifetime).map(String::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(endpoint: Option<&'static str>) -> S3Objects {
        let aws = Aws::from_environment(&|name| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
            "AWS_SESSION_TOKEN" => Some("token".to_owned()),
            "AWS_ENDPOINT_URL" => endpoint.map(str::to_owned),
            _ => None,
        });
        S3Objects::new(&aws.unwrap(), "evidence").unwrap()
    }

    #[test]
    fn the_address_is_the_regions_own_or_the_one_that_stands_in_for_it() {
        let hour = Duration::from_secs(3_600);
        let url = Url::parse(&bucket(None).download_url("exports/a.zip", hour).unwrap()).unwrap();
        assert_eq!(url.host_str(), Some("evidence.s3.eu-central-1.amazonaws.com"));
        assert_eq!(url.path(), "/exports/a.zip");
        let query: Vec<String> = url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
        assert!(query.contains(&"X-Amz-Expires=3600".to_owned()));
        assert!(query.contains(&"X-Amz-Security-Token=token".to_owned()));
        let url =
            Url::parse(&bucket(Some("http://127.0.0.1:4566")).download_url("a", hour).unwrap()).unwrap();
        assert_eq!((url.host_str(), url.path()), (Some("127.0.0.1"), "/evidence/a"));
    }

    #[test]
    fn no_name_leads_out_of_the_bucket() {
        for key in ["", "/a", "a//b", "../b", "a/../../b", "a/."] {
            assert!(bucket(None).download_url(key, TRY).is_err(), "{key}");
        }
    }

    #[test]
    fn elements_are_found_and_nothing_else() {
        let xml = "<R><Key>a/1</Key><Key>a/2</Key><Key>a/3</R>";
        assert_eq!(element(xml, "Key").collect::<Vec<_>>(), ["a/1", "a/2"]);
        assert_eq!(element("", "Key").count(), 0);
    }

    #[test]
    fn what_is_shown_of_a_bucket_holds_no_secret() {
        assert_eq!(format!("{:?}", bucket(None)), "S3Objects(\"evidence\")");
    }
}
