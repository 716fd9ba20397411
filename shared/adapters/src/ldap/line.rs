//! One connection: TLS, a simple bind inside it, messages one after another. Nobody but the two halves of the client holds
//! one.

use super::accepted;
use crate::{http::Reader, settings::Settings};
use bytes::BytesMut;
use ldap3_proto::{
    LdapCodec,
    control::LdapControl,
    proto::{LdapBindCred, LdapBindRequest, LdapMsg, LdapOp},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    secret::Secret,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::codec::{Decoder as _, Encoder as _};
use tracing::subscriber::{NoSubscriber, with_default};
use url::{Host, Url};

/// Longest message that is read; a longer one is a fault.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// The port of LDAP inside TLS.
const PORT: u16 = 636;

/// How a directory is reached, and as whom.
#[derive(Clone)]
pub struct Server {
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    dn: String,
    password: Secret,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Server {
    /// From the settings `url` (`ldaps://host:636`), `bind_dn`, `bind_password`, and `ca` where a private authority signed
    /// the server's certificate. There is no way to reach one without TLS, or to leave its certificate unverified.
    ///
    /// # Errors
    /// `CredentialRejected` where a setting is missing or unusable.
    pub fn from_settings(settings: &Settings) -> Result<Self, Fault> {
        let bad = |what: &str| Fault::new(FaultKind::CredentialRejected, what);
        let url: Url = settings
            .text("url")?
            .parse()
            .ok()
            .filter(|url: &Url| url.scheme() == "ldaps" && url.username().is_empty() && url.query().is_none())
            .ok_or_else(|| bad("`url` is not an address such as ldaps://dc1.example.com:636"))?;
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => String::new(),
        };
        let name =
            ServerName::try_from(host.clone()).map_err(|_| bad("`url` names no host that TLS can verify"))?;
        let roots = roots(settings.optional("ca"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new(FaultKind::Internal, format!("no TLS protocol version: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            host,
            port: url.port().unwrap_or(PORT),
            name,
            tls: Arc::new(tls),
            dn: settings.text("bind_dn")?,
            password: settings.secret("bind_password")?.clone(),
        })
    }
}

/// The private authority alone where there is one, otherwise those of the public web.
fn roots(ca: Option<String>) -> Result<RootCertStore, Fault> {
    let Some(pem) = ca else {
        return Ok(RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()));
    };
    let bad = || Fault::new(FaultKind::CredentialRejected, "`ca` holds no certificate in PEM form");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| bad())?).map_err(|_| bad())?;
    }
    if roots.is_empty() { Err(bad()) } else { Ok(roots) }
}

/// A connection on which somebody is bound.
pub(super) struct Line {
    stream: TlsStream<TcpStream>,
    codec: LdapCodec,
    arrived: BytesMut,
    last: i32,
}

fn broken(what: &str) -> Fault {
    Fault::new(FaultKind::Unavailable, format!("LDAP: {what}"))
}

async fn in_time<T>(limit: Duration, what: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(limit, what).await.unwrap_or_else(|_| Err(broken("no answer in time")))
}

impl Line {
    /// Connects, verifies the server and binds.
    pub(super) async fn open(to: &Server, http: &Reader) -> Result<Self, Fault> {
        let connected = async {
            let socket = TcpStream::connect((to.host.as_str(), to.port)).await;
            let socket = socket.map_err(|_| broken("no connection"))?;
            // A request is one write, and an answer is waited for.
            let _ = socket.set_nodelay(true);
            let stream = TlsConnector::from(to.tls.clone()).connect(to.name.clone(), socket).await;
            stream.map_err(|error| {
                let untrusted = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                match untrusted {
                    Some(rustls::Error::InvalidCertificate(_)) => Fault::new(
                        FaultKind::CredentialRejected,
                        "LDAP: the server's certificate is not one of the authority in `ca`, or of another host",
                    ),
                    _ => broken("TLS was not agreed on"),
                }
            })
        };
        let stream = in_time(http.call_limit(), connected).await?;
        let codec = LdapCodec::new(Some(MAX_MESSAGE), None);
        let mut line = Self { stream, codec, arrived: BytesMut::new(), last: 0 };
        let request = LdapBindRequest {
            version: 3,
            dn: to.dn.clone(),
            cred: LdapBindCred::Simple(to.password.expose().to_owned()),
        };
        line.send(http, LdapOp::BindRequest(request), Vec::new()).await?;
        match line.receive(http).await?.op {
            LdapOp::BindResponse(response) => accepted("LDAP bind", &response.res)?,
            _ => return Err(Fault::shape("LDAP bind: an answer of another operation")),
        }
        Ok(line)
    }

    /// Sends one request.
    pub(super) async fn send(
        &mut self,
        http: &Reader,
        op: LdapOp,
        ctrl: Vec<LdapControl>,
    ) -> Result<(), Fault> {
        self.last += 1;
        let mut bytes = BytesMut::new();
        let encoded = self.codec.encode(LdapMsg { msgid: self.last, op, ctrl }, &mut bytes);
        encoded.map_err(|_| Fault::new(FaultKind::Internal, "an LDAP request could not be built"))?;
        let sent = async {
            self.stream.write_all(&bytes).await.map_err(|_| broken("the connection broke"))?;
            self.stream.flush().await.map_err(|_| broken("the connection broke"))
        };
        in_time(http.call_limit(), sent).await
    }

    /// The next message that answers the last request.
    pub(super) async fn receive(&mut self, http: &Reader) -> Result<LdapMsg, Fault> {
        in_time(http.call_limit(), self.next()).await
    }

    async fn next(&mut self) -> Result<LdapMsg, Fault> {
        loop {
            // The codec logs what it cannot read, and that may be anything.
            let decoded = with_default(NoSubscriber::new(), || self.codec.decode(&mut self.arrived));
            match decoded.map_err(|_| Fault::shape("LDAP: an answer that is none"))? {
                Some(message) if message.msgid == self.last => return Ok(message),
                // The server says with number 0 that it is going to close the connection.
                Some(message) if message.msgid == 0 => return Err(broken("the server ended the connection")),
                Some(_) => return Err(Fault::shape("LDAP: an answer to another request")),
                None => {}
            }
            // Every message is a SEQUENCE.
            if self.arrived.first().is_some_and(|first| *first != 0x30) {
                return Err(Fault::shape("LDAP: an answer that is none"));
            }
            match self.stream.read_buf(&mut self.arrived).await {
                Ok(0) => return Err(broken("the connection was closed")),
                Ok(_) => {}
                Err(_) => return Err(broken("the connection broke")),
            }
        }
    }
}
