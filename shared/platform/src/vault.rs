//! The archive's bucket: objects encrypted with its own key, locked, and under a legal hold where there is one.

use crate::{
    connect::{Aws, NotConnected},
    objects::{Ask, PAGE, S3Objects, checked, checksum, element},
};
use async_trait::async_trait;
use leaver_domain::{
    ports::StoreError,
    vault::{Keep, Stored, StoredPage, Vault},
};
use rusty_s3::Method;
use std::time::Duration;

/// For how long one try of writing an object may take.
const WRITE_TRY: Duration = Duration::from_secs(30);

/// The archive's bucket.
#[derive(Debug, Clone)]
pub struct S3Vault {
    objects: S3Objects,
    /// The key in KMS that everything in it is encrypted with; the bucket's own default where it is not known.
    key: Option<String>,
}

impl S3Vault {
    /// The bucket of this name.
    ///
    /// # Errors
    /// Where the address or the client cannot be made.
    pub fn new(aws: &Aws, bucket: &str, key: Option<String>) -> Result<Self, NotConnected> {
        Ok(Self { objects: S3Objects::new(aws, bucket)?, key })
    }

    /// The headers of a write, in the order of their names: that is how they are signed.
    fn headers(&self, bytes: &[u8], keep: Keep) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-amz-checksum-sha256", checksum(bytes))];
        if keep.held {
            headers.push(("x-amz-object-lock-legal-hold", "ON".to_owned()));
        }
        headers.push(("x-amz-object-lock-mode", keep.lock.name().to_owned()));
        headers.push(("x-amz-object-lock-retain-until-date", keep.until.to_string()));
        headers.push(("x-amz-server-side-encryption", "aws:kms".to_owned()));
        if let Some(key) = &self.key {
            headers.push(("x-amz-server-side-encryption-aws-kms-key-id", key.clone()));
        }
        headers
    }
}

fn hold_document(held: bool) -> Vec<u8> {
    let status = if held { "ON" } else { "OFF" };
    format!(
        "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></LegalHold>"
    )
    .into_bytes()
}

fn version(xml: &str) -> Option<Stored> {
    let text = |name| element(xml, name).next();
    Some(Stored {
        key: text("Key")?.to_owned(),
        version: text("VersionId")?.to_owned(),
        size: text("Size")?.parse().ok()?,
        at: text("LastModified").and_then(|at| at.parse().ok()),
        is_latest: false,
    })
}

/// One page of versions. The marks of deletions are left out; the first version of a name is its newest.
fn page(xml: &str) -> StoredPage {
    let mut versions: Vec<Stored> = element(xml, "Version").filter_map(version).collect();
    let mut before: Option<String> = element(xml, "KeyMarker").next().map(str::to_owned);
    for one in &mut versions {
        one.is_latest = before.as_deref() != Some(one.key.as_str());
        before = Some(one.key.clone());
    }
    let next = |name| element(xml, name).next().map(str::to_owned);
    let more = element(xml, "IsTruncated").next() == Some("true");
    let next = next("NextKeyMarker").zip(next("NextVersionIdMarker")).filter(|_| more);
    StoredPage { versions, next }
}

#[async_trait]
impl Vault for S3Vault {
    async fn keep(&self, key: &str, bytes: &[u8], keep: Keep) -> Result<(), StoreError> {
        checked(key)?;
        let mut ask = S3Objects::ask(Method::Put, key);
        ask.headers = self.headers(bytes, keep);
        let ask = Ask { body: bytes.to_vec(), limit: WRITE_TRY, ..ask };
        self.objects.send(&ask).await?.done().map(|_| ())
    }

    async fn versions(&self, prefix: &str, from: Option<(&str, &str)>) -> Result<StoredPage, StoreError> {
        let mut ask = S3Objects::ask(Method::Get, "");
        // In the order of their names: that is how they are signed.
        if let Some((key, _)) = from {
            ask.query.push(("key-marker", key.to_owned()));
        }
        ask.query.push(("max-keys", PAGE.to_owned()));
        ask.query.push(("prefix", prefix.to_owned()));
        if let Some((_, version)) = from {
            ask.query.push(("version-id-marker", version.to_owned()));
        }
        ask.query.push(("versions", String::new()));
        let answer = self.objects.send(&ask).await?.done()?;
        Ok(page(answer.text()))
    }

    async fn hold(&self, of: &Stored, held: bool) -> Result<(), StoreError> {
        checked(&of.key)?;
        let body = hold_document(held);
        let mut ask = S3Objects::ask(Method::Put, &of.key);
        ask.query = vec![("legal-hold", String::new()), ("versionId", of.version.clone())];
        ask.headers = vec![("x-amz-checksum-sha256", checksum(&body))];
        self.objects.send(&Ask { body, ..ask }).await?.done().map(|_| ())
    }

    fn link(&self, of: &Stored, lifetime: Duration) -> Result<String, StoreError> {
        checked(&of.key)?;
        let mut ask = S3Objects::ask(Method::Get, &of.key);
        ask.query = vec![("versionId", of.version.clone())];
        self.objects.signed(&ask, lifetime).map(String::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaver_domain::archive::Lock;

    const LIST: &str = "<ListVersionsResult><KeyMarker></KeyMarker><IsTruncated>true</IsTruncated>\
        <NextKeyMarker>a/2</NextKeyMarker><NextVersionIdMarker>v9</NextVersionIdMarker>\
        <Version><Key>a/1</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest><Size>5</Size></Version>\
        <Version><Key>a/1</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><Size>4</Size></Version>\
        <DeleteMarker><Key>a/1</Key><VersionId>v3</VersionId></DeleteMarker>\
        <Version><Key>a/2</Key><VersionId>v9</VersionId><Size>7</Size></Version></ListVersionsResult>";

    #[test]
    fn versions_are_read_without_the_marks_of_deletions() {
        let page = page(LIST);
        let told: Vec<(&str, &str, bool)> =
            page.versions.iter().map(|one| (one.key.as_str(), one.version.as_str(), one.is_latest)).collect();
        assert_eq!(told, [("a/1", "v2", true), ("a/1", "v1", false), ("a/2", "v9", true)]);
        assert_eq!(page.next, Some(("a/2".to_owned(), "v9".to_owned())));
        assert_eq!(super::page(&LIST.replace("true", "false")).next, None);
        let further = LIST.replace("<KeyMarker></KeyMarker>", "<KeyMarker>a/1</KeyMarker>");
        assert!(!super::page(&further).versions[0].is_latest, "its newest version was on the page before");
    }

    #[test]
    fn a_write_says_how_it_is_kept_in_the_order_in_which_it_is_signed() {
        let aws = Aws::from_environment(&|name| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            _ => None,
        });
        let vault = S3Vault::new(&aws.unwrap(), "archive", Some("key-1".into())).unwrap();
        let until = "2026-05-04T00:00:00.000Z".parse().unwrap();
        let headers = vault.headers(b"x", Keep { lock: Lock::Compliance, until, held: true });
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        let value =
            |name: &str| headers.iter().find(|(one, _)| *one == name).map(|(_, value)| value.as_str());
        assert_eq!(value("x-amz-object-lock-legal-hold"), Some("ON"));
        assert_eq!(value("x-amz-object-lock-mode"), Some("COMPLIANCE"));
        assert_eq!(value("x-amz-server-side-encryption-aws-kms-key-id"), Some("key-1"));
        let free = vault.headers(b"x", Keep { lock: Lock::Governance, until, held: false });
        assert!(free.iter().all(|(name, _)| *name != "x-amz-object-lock-legal-hold"));
    }
}
