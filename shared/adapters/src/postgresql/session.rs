//! Sessions at the server: how they are opened, and what their errors mean.
//!
//! A [`Reading`] session is opened read-only by the server itself. A [`Writing`] session can only be opened by whoever holds a
//! [`Writer`], which a dry run does not.

use super::guard::{Guarded, Wrong};
use crate::{
    http::{Reader, Writer},
    settings::Settings,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    secret::Secret,
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Mutex,
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{
    Client, Config, Error, NoTls,
    types::{ToSql, Type},
};
use tokio_rustls::TlsConnector;
use url::Url;

/// Longest single exchange.
const CALL_LIMIT: Duration = Duration::from_secs(12);
/// The request to speak TLS, from the protocol's description.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// For every session: nothing that a user made can stand in for what the catalogue has, and nothing waits for long.
const ALWAYS: &str = "-c search_path=pg_catalog,pg_temp -c statement_timeout=10000 -c lock_timeout=3000";
const READ_ONLY: &str = "-c default_transaction_read_only=on";

/// Where the server is, and who leaver is there.
pub(super) struct Server {
    host: String,
    port: u16,
    user: String,
    password: Secret,
    tls: TlsConnector,
    /// Whether even a server on this machine has to show a certificate.
    must_verify: bool,
    /// The database that leaver logs in to.
    pub(super) main: String,
    /// The databases that are read, where not all are.
    pub(super) only: Option<BTreeSet<String>>,
}

fn unusable(what: &str) -> Fault {
    Fault::new(FaultKind::CredentialRejected, format!("the secret of postgresql: {what}"))
}

impl Server {
    /// From the deployment's settings.
    pub(super) fn of(settings: &Settings) -> Result<Self, Fault> {
        let no_url = || unusable("`url` is not postgres://host:port/database");
        let url: Url = settings.text("url")?.parse().map_err(|_| no_url())?;
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "postgres" | "postgresql") || !bare || url.fragment().is_some() {
            return Err(no_url());
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(no_url)?;
        let path = percent_encoding::percent_decode_str(url.path().trim_start_matches('/'));
        let database = path.decode_utf8().map_err(|_| no_url())?.into_owned();
        let ca = settings.optional("ca");
        let listed = settings.optional("databases").map(|list| {
            list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        });
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(5432),
            user: settings.text("user")?,
            password: settings.secret("password")?.clone(),
            tls: connector(ca.as_deref())?,
            must_verify: ca.is_some(),
            main: if database.is_empty() { "postgres".to_owned() } else { database },
            only: listed,
        })
    }

    async fn open(&self, http: &Reader, database: &str, options: &str) -> Result<Link, Fault> {
        let opening = async {
            let gone = |_| Fault::new(FaultKind::Unavailable, "SQL connect: no connection");
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(gone)?;
            stream.set_nodelay(true).map_err(gone)?;
            let is_here = stream.peer_addr().map_err(gone)?.ip().to_canonical().is_loopback();
            let is_private = self.must_verify || !is_here;
            let wire: Box<dyn Wire> =
                if is_private { Box::new(self.encrypted(stream).await?) } else { Box::new(stream) };
            let (wire, wrong) = Guarded::new(wire, is_private);
            let mut config = Config::new();
            config.user(&self.user).password(self.password.expose()).dbname(database);
            config
                .options(options)
                .application_name("leaver")
                .ssl_mode(tokio_postgres::config::SslMode::Disable);
            let (client, connection) =
                config.connect_raw(wire, NoTls).await.map_err(|error| fault_of("connect", &error, &wrong))?;
            // Its errors are those of the exchange that they end.
            let driver = tokio::spawn(async move { drop(connection.await) });
            Ok(Link { client, wrong, driver, http: http.clone() })
        };
        within(http, "connect", opening).await
    }

    /// Asks the server to speak TLS, and goes no further without: nothing secret has been sent by then.
    async fn encrypted(&self, mut stream: TcpStream) -> Result<impl Wire + use<>, Fault> {
        let broke = |_| Fault::new(FaultKind::Unavailable, "SQL connect: the connection broke");
        stream.write_all(&TLS_REQUEST).await.map_err(broke)?;
        match stream.read_u8().await.map_err(broke)? {
            b'S' => {}
            b'N' => return Err(unusable("the server at `url` does not speak TLS")),
            _ => return Err(Fault::shape("SQL connect: not the answer of a PostgreSQL server")),
        }
        let name =
            ServerName::try_from(self.host.clone()).map_err(|_| unusable("`url` has no usable host"))?;
        let refused = |_| {
            unusable(
                "the server's certificate is not one that `ca` or a public authority signed for this host",
            )
        };
        self.tls.connect(name, stream).await.map_err(refused)
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

fn connector(ca: Option<&str>) -> Result<TlsConnector, Fault> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| unusable("`ca` is not PEM"))?;
                roots.add(certificate).map_err(|_| unusable("`ca` is not a certificate"))?;
            }
            if roots.is_empty() {
                return Err(unusable("`ca` holds no certificate"));
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new(FaultKind::Internal, format!("no TLS protocol version: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn within<T>(
    http: &Reader,
    what: &str,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match timeout(http.left().min(CALL_LIMIT), work).await {
        Ok(done) => done,
        Err(_) => Err(Fault::new(FaultKind::Unavailable, format!("SQL {what}: no answer in time"))),
    }
}

/// One open session.
struct Link {
    client: Client,
    wrong: Arc<Wrong>,
    driver: JoinHandle<()>,
    http: Reader,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    async fn rows(&self, what: &str, sql: &str, of: &[&str]) -> Result<Vec<String>, Fault> {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            of.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
        let asked = async {
            let bad = |error: Error| fault_of(what, &error, &self.wrong);
            let rows = self.client.query_typed(sql, &parameters).await.map_err(bad)?;
            rows.iter().map(|row| row.try_get::<_, String>(0).map_err(bad)).collect()
        };
        within(&self.http, what, asked).await
    }
}

/// A session in which the server refuses to change anything.
pub(super) struct Reading(Link);

impl Reading {
    /// Opens one.
    pub(super) async fn open(server: &Server, http: &Reader, database: &str) -> Result<Self, Fault> {
        Ok(Self(server.open(http, database, &format!("{ALWAYS} {READ_ONLY}")).await?))
    }

    /// The first column of a statement's rows.
    pub(super) async fn rows(&self, what: &str, sql: &str, of: &[&str]) -> Result<Vec<String>, Fault> {
        self.0.rows(what, sql, of).await
    }
}

/// A session that may change something.
pub(super) struct Writing(Link);

impl Writing {
    /// Opens one; there is no other way to get it.
    async fn open(server: &Server, http: &Writer, database: &str) -> Result<Self, Fault> {
        Ok(Self(server.open(http, database, ALWAYS).await?))
    }

    /// The first column of a statement's rows.
    pub(super) async fn rows(&self, what: &str, sql: &str, of: &[&str]) -> Result<Vec<String>, Fault> {
        self.0.rows(what, sql, of).await
    }

    /// Runs statements that the server itself has put together, all of them or none.
    pub(super) async fn run(&self, what: &str, statements: &str) -> Result<(), Fault> {
        let work = async {
            let done = self.0.client.batch_execute(statements).await;
            done.map_err(|error| fault_of(what, &error, &self.0.wrong))
        };
        within(&self.0.http, what, work).await
    }
}

/// The session that the last action left open, for the next one in the same database: each log-in costs thousands of hashes.
#[derive(Default)]
pub(super) struct Idle(Mutex<Option<(String, Writing)>>);

impl Idle {
    /// A session in a database. Whatever is open is handed out to nobody but the holder of a [`Writer`].
    pub(super) async fn writing(
        &self,
        server: &Server,
        http: &Writer,
        database: &str,
    ) -> Result<Writing, Fault> {
        match self.0.lock().await.take() {
            Some((of, mut open)) if of == database && !open.0.client.is_closed() => {
                open.0.http = http.reader().clone();
                Ok(open)
            }
            _ => Writing::open(server, http, database).await,
        }
    }

    /// Keeps a session with which all went well.
    pub(super) async fn keep(&self, database: &str, session: Writing) {
        *self.0.lock().await = Some((database.to_owned(), session));
    }
}

/// What an error means. Of the server's answer nothing is told but the SQLSTATE: its text can quote what was sent.
fn fault_of(what: &str, error: &Error, wrong: &Wrong) -> Fault {
    if wrong.is_weak() {
        return unusable("the server asks for the password itself without TLS; have it ask for SCRAM");
    }
    let Some(code) = error.code() else {
        let not_ours = !error.is_closed() && !matches!(cause(error), Some(kind) if broken(kind));
        return if wrong.is_shape() || not_ours {
            Fault::shape(format!("SQL {what}: not the answer of a PostgreSQL server"))
        } else {
            Fault::new(FaultKind::Unavailable, format!("SQL {what}: the connection broke"))
        };
    };
    Fault::new(kind_of(code.code()), format!("SQL {what}: SQLSTATE {}", code.code()))
}

fn cause(error: &Error) -> Option<std::io::ErrorKind> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
}

fn broken(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof)
}

/// The table of SQLSTATEs.
fn kind_of(code: &str) -> FaultKind {
    match code {
        "28000" | "28P01" | "3D000" => FaultKind::CredentialRejected,
        "42501" => FaultKind::PermissionMissing,
        "42704" | "42P01" | "42883" | "3F000" => FaultKind::NotFound,
        // Another session holds what is wanted, or what depends on it, or this server is a read-only copy.
        "55P03" | "55006" | "2BP01" | "0LP01" | "0P000" | "25006" | "42710" => FaultKind::Conflict,
        _ if code.starts_with("53") => FaultKind::Throttled,
        _ if code.starts_with("40") => FaultKind::Conflict,
        // Connections that broke, a server that starts or stops, statements that took too long, and its own failures:
        // "tuple concurrently updated" is one of them.
        _ if ["08", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) => FaultKind::Unavailable,
        _ => FaultKind::UnexpectedShape,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a suite fails by panicking")]
mod tests {
    use super::*;

    fn server(more: &[(&'static str, &'static str)]) -> Result<Server, Fault> {
        let mut pairs = vec![("url", "postgres://db.example.com/app"), ("user", "leaver"), ("password", "p")];
        pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        pairs.extend(more);
        Server::of(&Settings::from_pairs("postgresql", pairs))
    }

    #[test]
    fn an_address_has_a_host_and_no_secrets_or_options() {
        let of = |url: &'static str| server(&[("url", url)]);
        let given = of("postgresql://[::1]:6000/my%20db").unwrap();
        assert_eq!((given.host.as_str(), given.port, given.main.as_str()), ("::1", 6000, "my db"));
        assert_eq!(of("postgres://db").unwrap().main, "postgres");
        let bad = [
            "http://db/app",
            "postgres:///app",
            "postgres://u:p@db/app",
            "postgres://db/app?sslmode=disable",
            "db",
        ];
        for url in bad {
            assert_eq!(of(url).map(|_| ()).unwrap_err().kind, FaultKind::CredentialRejected, "{url}");
        }
    }

    #[test]
    fn databases_are_a_list_and_an_unusable_authority_is_said_so() {
        assert_eq!(server(&[]).unwrap().only, None);
        let only = server(&[("databases", "app, reports,")]).unwrap().only.unwrap();
        assert_eq!(only.into_iter().collect::<Vec<_>>(), ["app", "reports"]);
        assert!(server(&[("ca", "no certificate")]).map(|_| ()).unwrap_err().detail.contains("`ca`"));
    }

    #[test]
    fn states_mean_what_the_server_says() {
        let kinds =
            ["28P01", "42501", "53300", "57P03", "2BP01", "42704", "22023", "XX000", "40P01"].map(kind_of);
        use FaultKind::*;
        let expected = [
            CredentialRejected,
            PermissionMissing,
            Throttled,
            Unavailable,
            Conflict,
            NotFound,
            UnexpectedShape,
            Unavailable,
            Conflict,
        ];
        assert_eq!(kinds, expected);
    }
}
