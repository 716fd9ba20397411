//! One HTTP client and one configuration for all AWS clients.
//!
//! Start-up decides how this is built: ring instead of aws-lc (whose entropy collection takes half a second at 128 MB),
//! the five Amazon roots embedded instead of the system's list, credentials and region from the environment.

use aws_credential_types::Credentials;
use aws_smithy_http_client::{
    Builder,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{behavior_version::BehaviorVersion, http::SharedHttpClient};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::region::Region;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::time::Duration;

const ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// How this process reaches AWS.
#[derive(Debug, Clone)]
pub struct Aws {
    http: SharedHttpClient,
    credentials: Option<Credentials>,
    region: Region,
    endpoint: Option<String>,
    meter: crate::Meter,
}

/// What the environment lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotConnected {
    /// There is no region.
    #[error("AWS_REGION is not set")]
    Region,
    /// The embedded roots cannot be used.
    #[error("the embedded root certificates cannot be used: {0}")]
    Roots(String),
    /// An address that is none.
    #[error("no address can be made: {0}")]
    Address(String),
}

macro_rules! configured {
    ($aws:expr, $sdk:ident) => {{
        let aws: &Aws = $aws;
        let mut config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws.http.clone())
            .region(aws.region.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(Aws::timeouts());
        config.set_endpoint_url(aws.endpoint.clone());
        config.set_credentials_provider(
            aws.credentials.clone().map(aws_credential_types::provider::SharedCredentialsProvider::new),
        );
        $sdk::Client::from_conf(config.build())
    }};
}

impl Aws {
    /// From what Lambda puts into a function's environment; `read` gives a variable.
    ///
    /// # Errors
    /// Where there is no region.
    pub fn from_environment(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, NotConnected> {
        let region = read("AWS_REGION").or_else(|| read("AWS_DEFAULT_REGION")).ok_or(NotConnected::Region)?;
        let context = TlsContext::builder()
            .with_trust_store(TrustStore::empty().with_pem_certificate(ROOTS))
            .build()
            .map_err(|error| NotConnected::Roots(error.to_string()))?;
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_https();
        let credentials = read("AWS_ACCESS_KEY_ID")
            .zip(read("AWS_SECRET_ACCESS_KEY"))
            .map(|(id, secret)| Credentials::new(id, secret, read("AWS_SESSION_TOKEN"), None, "environment"));
        Ok(Self {
            http,
            credentials,
            region: Region::new(region),
            endpoint: read("AWS_ENDPOINT_URL"),
            meter: crate::Meter::default(),
        })
    }

    /// What everything that was made from this has consumed.
    pub fn meter(&self) -> crate::Meter {
        self.meter.clone()
    }

    fn timeouts() -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(1_500))
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(Duration::from_secs(10))
            .build()
    }

    /// The region.
    pub(crate) fn region(&self) -> &str {
        self.region.as_ref()
    }

    /// The address that stands in for AWS, where one does.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// What requests are signed with.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// An HTTP client for the service that has no SDK here. It trusts the same five roots as the SDK's, and no others.
    pub(crate) fn web() -> Result<reqwest::Client, NotConnected> {
        let bad = |why: &dyn std::fmt::Display| NotConnected::Roots(why.to_string());
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(ROOTS) {
            roots.add(root.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(Duration::from_millis(1_500))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| bad(&error.without_url()))
    }

    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        configured!(self, aws_sdk_kms)
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        configured!(self, aws_sdk_dynamodb)
    }

    pub(crate) fn sfn(&self) -> aws_sdk_sfn::Client {
        configured!(self, aws_sdk_sfn)
    }

    pub(crate) fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        configured!(self, aws_sdk_secretsmanager)
    }
}
