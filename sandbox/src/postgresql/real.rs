//! The real server, as its superuser reaches it.

use super::{
    USER,
    sample::{self, Sample},
};
use crate::{
    twin::{AccountView, Ask, Reply},
    upstream::Upstream,
};
use async_trait::async_trait;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_postgres::{
    Client, Config, NoTls,
    types::{ToSql, Type},
};
use url::Url;

/// The password of all sample people.
const PASSWORD: &str = "Local-only-0-password";
/// The databases that people have something in.
const DATABASES: [&str; 2] = ["app", "reports"];

/// A server and who must be there.
pub(crate) struct Real {
    config: Option<(String, Config)>,
    samples: Vec<Sample>,
    password: String,
}

#[derive(Deserialize)]
struct View {
    active: bool,
    sessions: Vec<String>,
    credentials: Vec<String>,
    grants: Vec<String>,
}

const VIEW: &str = "SELECT json_build_object('active', a.rolcanlogin,
    'sessions', coalesce((SELECT json_agg(pid::text ORDER BY pid) FROM pg_stat_activity WHERE usesysid = a.oid), '[]'),
    'credentials', CASE WHEN a.rolpassword IS NULL THEN '[]'::json ELSE '[\"password\"]'::json END,
    'grants', coalesce((SELECT json_agg(pg_get_userbyid(m.roleid) ORDER BY 1) FROM pg_auth_members m WHERE m.member = a.oid), '[]'))::text
    FROM pg_authid a WHERE a.rolname = $1";
const ACLS: &str = "SELECT format('%s %s %s', pg_describe_object(d.classid, d.objid, d.objsubid), current_database(), d.deptype)
    FROM pg_shdepend d JOIN pg_authid a ON a.oid = d.refobjid WHERE a.rolname = $1 AND d.refclassid = 'pg_authid'::regclass
    AND d.deptype IN ('a', 'o') AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1";

impl Real {
    /// The server at an address, and the people who are to have roles there.
    pub(super) fn new(url: &str, samples: Vec<Sample>, password: String) -> Self {
        let address =
            Url::parse(url).ok().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port()?)));
        let config = address.zip(url.parse::<Config>().ok());
        Self { config, samples, password }
    }

    /// Where it listens.
    pub(super) fn address(url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        Some(format!("{}:{}", url.host_str()?, url.port()?))
    }

    async fn connect(&self, database: &str) -> Result<Client, String> {
        let (address, config) =
            self.config.as_ref().ok_or("server_url is not postgres://user:password@host:port")?;
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        let mut config = config.clone();
        config.dbname(database).ssl_mode(tokio_postgres::config::SslMode::Disable);
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(told)?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    async fn run(&self, database: &str, statements: &str) -> Result<(), String> {
        self.connect(database).await?.batch_execute(statements).await.map_err(told)
    }

    /// What the server keeps of the sample password: made once, as it costs thousands of hashes.
    async fn verifier(main: &Client) -> Result<String, String> {
        const READ: &str = "SELECT rolpassword FROM pg_authid WHERE rolname = 'sample_password'";
        if let [row] = main.query_typed(READ, &[]).await.map_err(told)?.as_slice() {
            return row.try_get(0).map_err(told);
        }
        let made = format!("CREATE ROLE sample_password PASSWORD {}", sample::literal(PASSWORD));
        main.batch_execute(&made).await.map_err(told)?;
        main.query_typed_one(READ, &[]).await.and_then(|row| row.try_get(0)).map_err(told)
    }

    async fn texts(client: &Client, sql: &str, role: &str) -> Result<Vec<String>, String> {
        let role: (&(dyn ToSql + Sync), Type) = (&role, Type::TEXT);
        let rows = client.query_typed(sql, &[role]).await.map_err(told)?;
        rows.iter().map(|row| row.try_get(0).map_err(told)).collect()
    }
}

fn told(error: tokio_postgres::Error) -> String {
    let said = error.as_db_error().map(|said| format!(": {} {}", said.code().code(), said.message()));
    format!("PostgreSQL: {error}{}", said.unwrap_or_default())
}

#[async_trait]
impl Upstream for Real {
    /// No HTTP request: the proxy takes what is meant for it.
    fn takes(&self, _: &Ask) -> bool {
        false
    }

    async fn answer(&self, _: &Ask) -> Reply {
        Reply::empty(404)
    }

    async fn account(&self, username: &str, here: AccountView) -> Result<AccountView, String> {
        let Some(sample) = self.samples.iter().find(|sample| sample.username == username) else {
            return Ok(here);
        };
        let main = self.connect("postgres").await?;
        let Some(view) = Self::texts(&main, VIEW, &sample.role).await?.pop() else { return Ok(here) };
        let view: View = serde_json::from_str(&view).map_err(|error| error.to_string())?;
        let mut grants = view.grants;
        for database in DATABASES {
            grants.extend(Self::texts(&self.connect(database).await?, ACLS, &sample.role).await?);
        }
        Ok(AccountView {
            exists: true,
            active: view.active,
            sessions: view.sessions,
            credentials: view.credentials,
            grants,
        })
    }

    async fn seed(&self) -> Result<(), String> {
        let main = self.connect("postgres").await?;
        for database in DATABASES {
            let known = "SELECT datname::text FROM pg_database WHERE datname = $1";
            if Self::texts(&main, known, database).await?.is_empty() {
                main.batch_execute(&format!("CREATE DATABASE {database}")).await.map_err(told)?;
            }
            self.run(database, sample::CLEAR).await?;
        }
        let verifier = Self::verifier(&main).await?;
        let roles = sample::roles(&self.samples, USER, &self.password, &verifier);
        main.batch_execute(&roles).await.map_err(told)?;
        self.run("app", &sample::shop(&self.samples)).await
    }
}
