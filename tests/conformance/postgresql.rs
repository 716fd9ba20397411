//! PostgreSQL beyond what every system must do, against a real server.

use super::{BUDGET, Leaver, has_postgresql};
use leaver_adapters::{http::Clock, http::Writer, settings::Settings};
use leaver_conformance::{
    postgres::{Postgres, Programs},
    sandbox::{Connected, Stage, now, restored},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{AccountStatus, GrantKind, Inventory, Next, Sessions},
    plan::Evidence,
    risk::{RiskLevel, Rule},
};
use serde_json::json;
use std::{io::Write as _, sync::Arc};
use tokio_postgres::Client;

const SYSTEM: &str = "postgresql";
/// The sample people's password.
const PASSWORD: &str = "Local-only-0-password";

struct Scene {
    stage: Stage,
    john: Leaver,
}

impl Scene {
    /// Only where there is a server; the row says so otherwise.
    async fn start() -> Option<Self> {
        if !has_postgresql() {
            return None;
        }
        Some(Self { stage: Stage::start_for([SYSTEM]).await, john: Leaver::of("john.doe") })
    }

    fn server(&self) -> &Postgres {
        self.stage.postgres.as_ref().expect("a server")
    }

    fn to(&self) -> Connected {
        self.stage.connect(SYSTEM, BUDGET)
    }

    async fn login(&self, role: &str, database: &str) -> Result<Client, String> {
        self.server().client(role, PASSWORD, database).await
    }

    /// As this role, by a superuser.
    async fn act(&self, database: &str, statements: &str) {
        let done = self.server().superuser(database).await.batch_execute(statements).await;
        done.unwrap_or_else(|error| panic!("{statements}: {:?}", error.as_db_error()));
    }

    async fn can_read(&self, role: &str, what: &str) -> bool {
        let ask = format!("SET ROLE \"{role}\"; SELECT count(*) FROM {what}");
        self.server().superuser("app").await.batch_execute(&ask).await.is_ok()
    }

    async fn revoke(&self) -> Inventory {
        let (_, report) = self.john.revoke(&self.to()).await;
        assert_eq!(report.fault, None);
        report.after.expect("a reading")
    }
}

fn names(found: &Inventory, kind: GrantKind) -> Vec<&str> {
    found.grants.iter().filter(|grant| grant.kind == kind).map(|grant| grant.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_logs_in_afterwards_and_open_sessions_are_dead() {
    let Some(scene) = Scene::start().await else { return };
    let open = scene.login("john.doe", "app").await.expect("a session");
    open.batch_execute("SELECT count(*) FROM shop.orders").await.expect("rows");
    let before = scene.john.survey(&scene.to()).await.found;
    assert!(matches!(&before.sessions, Sessions::Listed(open) if open.len() == 1), "{:?}", before.sessions);
    let after = scene.revoke().await;
    assert!(open.batch_execute("SELECT 1").await.is_err(), "the open session goes on");
    let refused = scene.login("john.doe", "app").await.expect_err("a refusal");
    assert!(refused.starts_with("28000") || refused.starts_with("28P01"), "{refused}");
    assert_eq!(after.account.expect("the role").status, AccountStatus::Suspended);
    assert_eq!((after.sessions, after.grants.len()), (Sessions::Listed(vec![]), 0));
    let (survey, again) = scene.john.revoke(&scene.to()).await;
    assert_eq!((survey.plan.0, again.done), (vec![], vec![]));
    // What can be given back is; the password is not.
    assert_eq!(restored(&scene.to(), &scene.john.person, &before).await.fault, None);
    let still = scene.login("john.doe", "app").await.expect_err("no password");
    assert!(still.starts_with("28P01"), "{still}");
    scene.act("postgres", &format!("ALTER ROLE \"john.doe\" PASSWORD '{PASSWORD}'")).await;
    let back = scene.login("john.doe", "app").await.expect("a session");
    back.batch_execute("SELECT count(*) FROM shop.orders; SELECT shop.revenue()").await.expect("rows");
    let limit = "SELECT rolconnlimit::text FROM pg_roles WHERE rolname = 'john.doe'";
    let limit: String = back.query_typed_one(limit, &[]).await.expect("a row").get(0);
    assert_eq!(limit, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_privilege_goes_and_comes_back() {
    let Some(scene) = Scene::start().await else { return };
    scene
        .act(
            "app",
            "GRANT CONNECT, TEMPORARY ON DATABASE app TO \"john.doe\"; \
             CREATE TYPE shop.mood AS ENUM ('glad'); GRANT USAGE ON TYPE shop.mood TO \"john.doe\"; \
             CREATE PROCEDURE shop.\"tidy/up\"(int, text) LANGUAGE sql AS ''; \
             GRANT EXECUTE ON PROCEDURE shop.\"tidy/up\"(int, text) TO \"john.doe\"; \
             GRANT USAGE ON SEQUENCE shop.orders_id_seq TO \"john.doe\"; GRANT USAGE ON LANGUAGE sql TO \"john.doe\"; \
             CREATE FOREIGN DATA WRAPPER far; GRANT USAGE ON FOREIGN DATA WRAPPER far TO \"john.doe\"; \
             CREATE SERVER \"Far Away\" FOREIGN DATA WRAPPER far; GRANT USAGE ON FOREIGN SERVER \"Far Away\" TO \"john.doe\"; \
             SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO \"john.doe\"; \
             GRANT CREATE ON TABLESPACE pg_default TO \"john.doe\"; ALTER ROLE \"john.doe\" CREATEDB CREATEROLE; \
             CREATE TABLE shop.\"Odd 100% \"\"table\"\"\" (\"a b\" int); GRANT SELECT (\"a b\") ON shop.\"Odd 100% \"\"table\"\"\" TO \"john.doe\"",
        )
        .await;
    scene.act("reports", "CREATE TABLE monthly (id int); GRANT SELECT ON monthly TO \"john.doe\"").await;
    let before = scene.john.survey(&scene.to()).await.found;
    let held = names(&before, GrantKind::Resource);
    let expected = [
        "CREATE, USAGE on schema shop in app",
        "CREATE on tablespace pg_default",
        "EXECUTE on routine shop.\"tidy/up\"(integer,text) in app",
        "CONNECT, TEMPORARY on database app",
        "SELECT (may be granted on) on table shop.customers in app",
        "UPDATE on column shop.orders total in app",
        "SELECT on default FOR ROLE shop_owner IN SCHEMA shop TABLES in app",
        "SELECT on large object 4711 in app",
        "SELECT on table public.monthly in reports",
        "SELECT on column shop.\"Odd 100% \"\"table\"\"\" a b in app",
        "USAGE on foreign server \"Far Away\" in app",
        "USAGE on foreign data wrapper far in app",
        "USAGE on language sql in app",
        "USAGE on sequence shop.orders_id_seq in app",
        "USAGE on type shop.mood in app",
    ];
    for name in expected {
        assert!(held.contains(&name), "{name}: {held:?}");
    }
    assert_eq!(names(&before, GrantKind::Role), ["CREATEROLE", "CREATEDB"]);
    let after = scene.revoke().await;
    assert_eq!(after.grants, vec![]);
    let back = restored(&scene.to(), &scene.john.person, &before).await;
    assert_eq!(back.fault, None);
    let now = back.after.expect("a reading");
    let sorted = |found: &Inventory| {
        let mut all: Vec<String> = found.grants.iter().map(|grant| grant.name.clone()).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&now), sorted(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_leaver_granted_something_keeps_it() {
    let Some(scene) = Scene::start().await else { return };
    let give = "SET ROLE \"john.doe\"; GRANT SELECT ON shop.customers TO \"pat.idle\"; GRANT analysts TO \"pat.idle\"";
    scene.act("app", give).await;
    // Two grantors gave the leaver the same.
    scene.act("app", "SET ROLE \"jane.smith\"; GRANT SELECT ON shop.customers TO \"john.doe\"").await;
    scene.act("app", "GRANT SELECT ON shop.orders TO analysts; GRANT USAGE ON SCHEMA shop TO analysts").await;
    let found = scene.john.survey(&scene.to()).await.found;
    let twice = found.grants.iter().filter(|grant| grant.name.contains("shop.customers")).count();
    assert_eq!(twice, 2);
    assert!(
        scene.can_read("pat.idle", "shop.customers").await && scene.can_read("pat.idle", "shop.orders").await
    );
    let after = scene.revoke().await;
    assert_eq!(after.grants, vec![]);
    assert!(!scene.can_read("john.doe", "shop.customers").await);
    assert!(scene.can_read("pat.idle", "shop.customers").await, "somebody else lost a privilege");
    assert!(scene.can_read("pat.idle", "shop.orders").await, "somebody else lost a membership");
    assert_eq!(restored(&scene.to(), &scene.john.person, &found).await.fault, None);
    assert!(scene.can_read("john.doe", "shop.customers").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_need_quoting_are_quoted() {
    let Some(mut scene) = Scene::start().await else { return };
    let odd = "O'Neil \"the\" /%I; DROP TABLE shop.orders;--\\";
    let (role, group) = (odd.replace('"', "\"\""), "Ops / \"\"night\"\"");
    scene
        .act(
            "app",
            &format!(
                "CREATE ROLE \"{role}\" LOGIN; CREATE ROLE \"{group}\"; GRANT \"{group}\" TO \"{role}\"; \
                 GRANT SELECT ON shop.orders TO \"{role}\"; GRANT INSERT ON shop.orders TO \"{role}\""
            ),
        )
        .await;
    scene.john.person.logins.insert(SYSTEM.parse().expect("an id"), odd.to_owned());
    let before = scene.john.survey(&scene.to()).await.found;
    assert_eq!(before.account.as_ref().expect("the role").login, odd);
    assert_eq!(names(&before, GrantKind::Group), ["Ops / \"night\""]);
    let after = scene.revoke().await;
    assert_eq!((after.is_active(), after.grants.len()), (false, 0));
    let back = restored(&scene.to(), &scene.john.person, &before).await;
    assert_eq!((back.fault, back.after.expect("a reading").grants), (None, before.grants));
    scene.act("app", "SELECT count(*) FROM shop.orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_leaver_owns_is_listed_for_another_owner() {
    let Some(scene) = Scene::start().await else { return };
    scene.act("app", "CREATE DATABASE johns OWNER \"john.doe\"").await;
    scene
        .act(
            "app",
            "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; \
             CREATE USER MAPPING FOR \"john.doe\" SERVER far OPTIONS (password 'x'); \
             CREATE POLICY mine ON shop.orders TO \"john.doe\" USING (true)",
        )
        .await;
    scene.revoke().await;
    let found = scene.john.survey(&scene.to()).await.found;
    let listed: Vec<_> = found.assets.iter().map(|a| (a.kind.as_str(), a.name.as_str(), a.next)).collect();
    let expected = [
        ("table", "shop.experiments in app", Next::Transfer),
        ("view", "shop.totals in app", Next::Transfer),
        ("database", "johns", Next::Transfer),
        ("user_mapping", "far in app", Next::Rotate),
        ("policy", "mine on shop.orders in app", Next::Task),
    ];
    for one in expected {
        assert!(listed.contains(&one), "{one:?}: {listed:?}");
    }
    assert!(found.assets.iter().all(|asset| !asset.live_automation));
    let mut settings = scene.stage.settings.clone();
    settings.get_mut(SYSTEM).expect("settings").insert("databases".into(), "reports".into());
    let narrow = scene.stage.connect_with(SYSTEM, &settings, BUDGET);
    let found = scene.john.survey(&narrow).await.found;
    let unread = found.assets.iter().find(|asset| asset.id == "unread/app").expect("what is not read");
    assert_eq!(unread.next, Next::Task);
}

/// A table of jobs as pg_cron makes it, in an extension of that name.
const CRON: &str = "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, username text, active boolean, jobname text); \
    INSERT INTO cron.job VALUES (1, 'john.doe', true, 'nightly'), (2, 'pat.idle', true, 'other')";
const AS_EXTENSION: &str = "UPDATE pg_extension SET extname = 'pg_cron' WHERE extname = 'plpgsql'";

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_run_by_themselves_wait_for_a_human() {
    let Some(scene) = Scene::start().await else { return };
    scene.act("postgres", CRON).await;
    assert!(
        scene.john.survey(&scene.to()).await.risk.level < RiskLevel::Flagged,
        "not the extension's own table"
    );
    scene.act("postgres", &format!("ALTER EXTENSION plpgsql ADD TABLE cron.job; {AS_EXTENSION}")).await;
    let survey = scene.john.survey(&scene.to()).await;
    assert_eq!(survey.risk.level, RiskLevel::Flagged);
    let live: Vec<&str> = survey
        .found
        .assets
        .iter()
        .filter(|asset| asset.live_automation)
        .map(|asset| asset.id.as_str())
        .collect();
    assert_eq!(live, ["postgres/cron_job/nightly"]);
}

/// A reading's own statements write nothing; so a view is put where one of them looks, which does.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_itself_refuses_to_write_for_a_dry_run() {
    let Some(scene) = Scene::start().await else { return };
    scene
        .act(
            "postgres",
            "CREATE TABLE public.written (at timestamptz); CREATE SCHEMA cron; \
             CREATE FUNCTION public.writes() RETURNS text LANGUAGE sql VOLATILE \
             AS 'INSERT INTO public.written VALUES (now()); SELECT ''john.doe''::text'; \
             CREATE VIEW cron.job AS SELECT 1 AS jobid, public.writes() AS username; ALTER EXTENSION plpgsql ADD VIEW cron.job",
        )
        .await;
    assert!(scene.john.survey(&scene.to()).await.found.account.is_some(), "not the extension's own");
    scene.act("postgres", AS_EXTENSION).await;
    let to = scene.to();
    let refused: Fault = to.adapter.discover(&to.http, &scene.john.person).await.expect_err("a refusal");
    assert_eq!((refused.kind, refused.detail.as_str()), (FaultKind::Conflict, "SQL pg_cron: SQLSTATE 25006"));
    let count = "SELECT count(*)::text FROM public.written";
    let written: String =
        scene.server().superuser("postgres").await.query_typed_one(count, &[]).await.expect("a row").get(0);
    assert_eq!(written, "0");
    let statements = scene.stage.requests(SYSTEM).await;
    assert!(statements.iter().all(|request| request["method"] == "CONNECT" || request["path"] == "/SELECT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_cannot_be_told_apart_are_left_to_a_human() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.act("postgres", "CREATE ROLE \"john.doe@example.com\" LOGIN").await;
    let of = |fault: Result<Inventory, Fault>| fault.expect_err("a refusal").kind;
    let to = scene.to();
    assert_eq!(of(to.adapter.discover(&to.http, &scene.john.person).await), FaultKind::Ambiguous);
    scene.john.person.logins.insert(SYSTEM.parse().expect("an id"), "john.doe@example.com".into());
    let found = to.adapter.discover(&to.http, &scene.john.person).await.expect("the recorded one");
    assert_eq!(found.account.expect("the role").matched_by, "login");
    scene.john.person.logins.insert(SYSTEM.parse().expect("an id"), "leaver".into());
    assert_eq!(of(to.adapter.discover(&to.http, &scene.john.person).await), FaultKind::Ambiguous);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_is_privileged_and_loses_it() {
    let Some(scene) = Scene::start().await else { return };
    scene.act("postgres", "ALTER ROLE \"john.doe\" SUPERUSER").await;
    let survey = scene.john.survey(&scene.to()).await;
    assert!(survey.risk.findings.iter().any(|finding| finding.rule == Rule::PrivilegedRole));
    assert!(survey.found.account.expect("the role").privileged);
    scene.act("postgres", "ALTER ROLE postgres NOLOGIN").await;
    let survey = scene.john.survey(&scene.to()).await;
    assert!(survey.risk.findings.iter().any(|finding| finding.rule == Rule::LastAdmin), "{:?}", survey.risk);
    assert_eq!(scene.revoke().await.grants, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leavers_own_role_lacks_is_said_and_less_than_a_superuser_is_enough() {
    let Some(scene) = Scene::start().await else { return };
    let to = scene.to();
    assert_eq!(to.adapter.missing(&to.http).await.expect("an answer"), vec![]);
    scene.act("app", "DROP OWNED BY \"pat.idle\"; ALTER ROLE leaver NOSUPERUSER").await;
    let mut settings = scene.stage.settings.clone();
    let url = format!("{}/app", settings[SYSTEM]["url"].trim_end_matches("/postgres"));
    settings.get_mut(SYSTEM).expect("settings").insert("url".into(), url);
    let to = scene.stage.connect_with(SYSTEM, &settings, BUDGET);
    let missing = to.adapter.missing(&to.http).await.expect("an answer");
    let scopes: Vec<&str> = missing.iter().map(|missing| missing.scope).collect();
    assert!(
        scopes.len() >= 4 && scopes.iter().all(|scope| to.adapter.spec().scopes.contains(scope)),
        "{missing:?}"
    );
    scene
        .act(
            "app",
            "ALTER ROLE leaver CREATEROLE; GRANT pg_signal_backend, pg_read_all_stats, shop_owner TO leaver; \
             ALTER TABLE shop.experiments OWNER TO shop_owner; ALTER VIEW shop.totals OWNER TO shop_owner; \
             GRANT analysts, engineering, everybody TO shop_owner WITH ADMIN OPTION; \
             DO $$ DECLARE one record; BEGIN FOR one IN SELECT m.roleid::regrole AS role, m.member::regrole AS member \
             FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.member WHERE p.rolcanlogin AND p.rolname <> 'leaver' \
             LOOP EXECUTE format('REVOKE %s FROM %s', one.role, one.member); \
             EXECUTE format('GRANT %s TO %s GRANTED BY shop_owner', one.role, one.member); END LOOP; END $$; \
             DO $$ DECLARE name text; BEGIN FOR name IN SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_' \
             AND rolname NOT IN ('leaver', 'shop_owner') LOOP EXECUTE format('GRANT %I TO leaver WITH ADMIN OPTION', name); \
             END LOOP; END $$",
        )
        .await;
    assert_eq!(to.adapter.missing(&to.http).await.expect("an answer"), vec![]);
    let (survey, report) = scene.john.revoke(&to).await;
    assert_eq!(report.fault, None);
    let receipts: Vec<_> =
        survey.plan.0.iter().filter(|action| action.evidence == Evidence::Receipt).collect();
    assert_eq!(receipts.len(), 1, "only a superuser sees whether a password is set: {receipts:?}");
    let after = scene.stage.account(SYSTEM, "john.doe").await;
    assert_eq!((&after["active"], &after["credentials"]), (&json!(false), &json!([])));
}

/// A connection straight to a server.
fn straight(port: u16, ca: Option<&str>) -> Connected {
    let mut pairs = vec![
        ("url", format!("postgres://127.0.0.1:{port}/postgres")),
        ("user", "leaver".to_owned()),
        ("password", "Local-only-0-leaver".to_owned()),
    ];
    pairs.extend(ca.map(|ca| ("ca", ca.to_owned())));
    let settings = Settings::from_pairs(SYSTEM, pairs);
    let (adapter, auth) = leaver_adapters::open(SYSTEM, &settings).expect("usable settings");
    let (client, clock): (_, Clock) = (leaver_adapters::http::client().expect("a client"), Arc::new(now));
    let http =
        Writer::open(client, adapter.spec().hosts, &settings, auth, clock, BUDGET).expect("a connection");
    Connected { adapter, http }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_spoken_to_only_after_it_was_verified() {
    if !has_postgresql() {
        return;
    }
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut of = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        of.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        of.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = of.self_signed(&key).expect("a certificate").pem();
        (pem, rcgen::Issuer::new(of, key))
    };
    let ((ca, issuer), (other, _)) = (authority("ours"), authority("theirs"));
    let key = rcgen::KeyPair::generate().expect("a key");
    let here = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let certificate = here.signed_by(&key, &issuer).expect("a certificate").pem();
    let probe = |to: Connected| async move { to.adapter.probe(&to.http).await };
    let make = "CREATE ROLE leaver LOGIN SUPERUSER PASSWORD 'Local-only-0-leaver'";
    let plain = Postgres::start().await;
    plain.superuser("postgres").await.batch_execute(make).await.expect("a role");
    probe(straight(plain.port, None)).await.expect("this machine needs no TLS");
    let refused = probe(straight(plain.port, Some(&ca))).await.expect_err("no TLS");
    assert_eq!(refused.kind, FaultKind::CredentialRejected);
    assert!(refused.detail.contains("does not speak TLS"), "{refused}");
    if !Programs::find().expect("programs").has_tls {
        writeln!(std::io::stderr(), "SKIPPED TLS to PostgreSQL: these programs were built without")
            .expect("stderr");
        return;
    }
    let server = Postgres::start_with(Some((&certificate, &key.serialize_pem()))).await;
    let superuser = server.superuser("postgres").await;
    superuser.batch_execute(make).await.expect("a role");
    probe(straight(server.port, Some(&ca))).await.expect("a verified server");
    let refused = probe(straight(server.port, Some(&other))).await.expect_err("another authority");
    assert_eq!(refused.kind, FaultKind::CredentialRejected);
    assert!(refused.detail.contains("certificate"), "{refused}");
}

/// Where no server runs beside the sandbox, that is what it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_without_a_server_says_so() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let fault = to.adapter.probe(&to.http).await.expect_err("no server");
    assert_eq!((fault.kind, fault.detail.as_str()), (FaultKind::Unavailable, "SQL connect: SQLSTATE 57P03"));
}
