//! Tokens at a receiver that checks them.

use crate::office::{AUDIENCE, ISSUER, Office, TOKEN, rows};
use leaver_domain::{
    ports::Signer as _,
    signals::{Claims, PublicKey, Told, Unsigned, tokens},
};
use leaver_platform::memory_log::MemorySigner;
use leaver_tests::signals::stream_event;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Instant};

const MEDIA: &str = "application/secevent+jwt";

/// Good claims, from a real row.
async fn claims(office: &Office) -> Claims {
    let rows = rows("john.doe").await;
    let told = rows.iter().filter_map(|row| Told::read(&row.leaf, &row.evidence).ok());
    told.flat_map(|told| tokens(&told, ISSUER, &office.settings.receivers[0])).next().expect("a token")
}

async fn signed(claims: &Claims, signer: &MemorySigner) -> String {
    let key = PublicKey(signer.public_key().await.expect("a key"));
    let unsigned = Unsigned::of(claims, &key).expect("short enough");
    let signature = signer.sign(unsigned.bytes()).await.expect("a signature");
    unsigned.signed(&signature)
}

#[tokio::test]
async fn a_receiver_that_checks_everything_takes_what_it_is_sent() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    let tally = office.tell(&stream_event(&rows)).await.expect("told");
    let taken = office.taken().await;
    assert_eq!((tally.accepted, tally.refused), (taken.len(), 0));
    let uris: BTreeSet<&String> =
        taken.iter().flat_map(|one| one["claims"]["events"].as_object().expect("events").keys()).collect();
    assert_eq!(uris.len(), 3, "{uris:?}");
    for one in &taken {
        let claims = &one["claims"];
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(AUDIENCE)));
        assert_eq!(claims["sub_id"], json!({"format": "email", "email": "john.doe@example.com"}));
        assert!(one["jti"].as_str().unwrap().starts_with(claims["txn"].as_str().unwrap()));
        assert_eq!(one["times"], 1);
    }
    // Every system's account is off, and each is told of.
    let off = taken.iter().filter(|one| one["jti"].as_str().unwrap().ends_with("/account-disabled")).count();
    assert_eq!(off, crate::access_rows(&rows));
}

/// The second delivery of a token is the same token, byte for byte, so that a receiver may drop it by its number.
#[tokio::test]
async fn what_comes_again_is_known_by_its_number() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    for _ in 0..3 {
        for batch in rows.chunks(4) {
            office.tell(&stream_event(batch)).await.expect("told");
        }
    }
    let taken = office.taken().await;
    assert!(!taken.is_empty() && taken.iter().all(|one| one["times"] == 3), "{taken:?}");
    let requests = office.stage.requests("receiver").await;
    let bodies: BTreeSet<String> =
        requests.iter().filter_map(|one| one["body"].as_str().map(str::to_owned)).collect();
    assert_eq!(bodies.len(), taken.len(), "a repeat differs from the first");
}

/// Rate limits, outages, lost answers and rejected credentials pass: the batch fails, and its repeat delivers the rest.
#[tokio::test]
async fn what_may_pass_fails_the_batch_and_comes_again() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    let faults = [
        json!({"status": 429, "headers": {"retry-after": "1"}}),
        json!({"status": 500}),
        json!({"status": 503}),
        json!({"status": 401}),
        json!({"status": 403}),
        json!({"status": 404}),
        json!({"status": 302, "headers": {"location": "http://127.0.0.1:1/elsewhere"}}),
        json!({"status": 400, "body": {"err": "authentication_failed"}}),
        json!({"drop": true}),
    ];
    for fault in faults {
        for skip in [0, 2] {
            let mut fault = fault.clone();
            fault["system"] = "receiver".into();
            fault["times"] = 1.into();
            fault["skip"] = skip.into();
            office.stage.fault(fault.clone()).await;
            let why = office.tell(&stream_event(&rows)).await.expect_err("it must come again").to_string();
            assert!(why.contains("receiver sandbox"), "{fault}: {why}");
            office.stage.clear().await;
        }
    }
    let tally = office.tell(&stream_event(&rows)).await.expect("told");
    assert_eq!(tally.accepted, office.taken().await.len());
    assert_eq!(
        office.events().await.len(),
        crate::access_rows(&rows),
        "the bucket does not wait for a receiver"
    );
}

/// Whoever does not answer is given up after a few seconds, and is not asked for every row.
#[tokio::test]
async fn a_receiver_that_hangs_costs_seconds_and_holds_up_nobody_else() {
    let (mut office, rows) = (Office::new().await, rows("john.doe").await);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let mut other = office.settings.receivers[0].clone();
    other.name = "silent".into();
    other.token_secret = Some("silent".into());
    office.settings.receivers.insert(0, other);
    office.secret["silent"] = json!({"token": "t", "url": format!("http://{address}/")});
    let begun = Instant::now();
    let why = office.tell(&stream_event(&rows)).await.expect_err("it must come again").to_string();
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert!(why.contains("receiver silent: no answer in time") && !why.contains("sandbox"), "{why}");
    assert!(!office.taken().await.is_empty(), "the other receiver waited");
}

/// A refusal is final: logged with an alarm, without what the receiver wrote, and the rest goes on.
#[tokio::test]
async fn a_refusal_is_logged_and_not_repeated() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    let body = json!({"err": "invalid_audience", "description": "echo of ssf_secret_of_the_receiver"});
    let fault = json!({"system": "receiver", "status": 400, "times": 1, "body": body});
    office.stage.fault(fault).await;
    let (tally, log) = office.logged(&stream_event(&rows)).await;
    let tally = tally.expect("a refusal is no failure");
    assert_eq!((tally.refused, tally.accepted), (1, office.taken().await.len()));
    assert_eq!(log.matches("signal_refused").count(), 1, "{log}");
    assert!(log.contains("invalid_audience") && !log.contains("echo of"), "{log}");
    for body in [json!("no JSON"), json!({}), json!({"err": 7}), json!("x".repeat(100_000))] {
        office.stage.fault(json!({"system": "receiver", "status": 400, "times": 1, "body": body})).await;
        assert_eq!(office.tell(&stream_event(&rows)).await.expect("told").refused, 1);
    }
}

#[tokio::test]
async fn no_secret_and_no_address_of_a_receiver_is_ever_logged() {
    let (mut office, rows) = (Office::new().await, rows("john.doe").await);
    let hidden = "/path-that-is-a-secret";
    let mut texts = String::new();
    for url in [
        format!("{}{hidden}", office.stage.url),
        format!("http://127.0.0.1:1{hidden}"),
        format!("ftp://x{hidden}"),
    ] {
        office.secret["sandbox"]["url"] = url.into();
        let (told, log) = office.logged(&stream_event(&rows)).await;
        texts += &format!("{log}{told:?}{}", told.as_ref().expect_err("nobody there"));
    }
    office.secret = json!({"other": {"token": TOKEN}});
    let (told, log) = office.logged(&stream_event(&rows)).await;
    assert!(log.contains("signals_unusable"), "{log}");
    texts += &format!("{log}{told:?}");
    let shape = leaver_signals::Endpoints::parse(&leaver_domain::secret::Secret::new(format!(
        "{{\"a\": \"{TOKEN}\"}}"
    )));
    texts += &format!("{shape:?}{}", shape.as_ref().expect_err("of another shape"));
    let good = leaver_domain::secret::Secret::new(json!({"a": {"token": TOKEN, "url": hidden}}).to_string());
    texts += &format!("{:?}", leaver_signals::Endpoints::parse(&good));
    assert!(!texts.contains(TOKEN) && !texts.contains("that-is-a-secret"), "{texts}");
}

/// Outside of a local environment no token leaves without TLS.
#[tokio::test]
async fn an_address_without_tls_is_refused_where_it_is_not_local() {
    let office = Office::new().await;
    let receiver = &office.settings.receivers[0];
    let of = |plain: bool| {
        let secret = leaver_domain::secret::Secret::new(office.secret.to_string());
        leaver_signals::Endpoints::parse(&secret).expect("good").or_plain(plain).of(receiver).map(drop)
    };
    assert_eq!((of(true), of(false)), (Ok(()), Err(leaver_signals::Unusable::Url)));
}

/// The receiver of the sandbox is a real one: what is not right is not taken.
#[tokio::test]
async fn the_stand_in_refuses_what_a_receiver_must_refuse() {
    let office = Office::new().await;
    let good = claims(&office).await;
    let send = async |change: &dyn Fn(&mut Claims)| {
        let mut claims = good.clone();
        change(&mut claims);
        office.post(TOKEN, MEDIA, signed(&claims, &office.signer).await).await
    };
    let refused = |err: &str| (400, err.to_owned());
    assert_eq!(send(&|claims| claims.iss = "https://evil.example".into()).await, refused("invalid_issuer"));
    assert_eq!(send(&|claims| claims.aud = "somebody-else".into()).await, refused("invalid_audience"));
    assert_eq!(send(&|claims| claims.jti = String::new()).await, refused("invalid_request"));
    assert_eq!(send(&|claims| claims.iat += 86_400 * 36_500).await, refused("invalid_request"));
    assert_eq!(send(&|claims| claims.events.clear()).await, refused("invalid_request"));
    assert_eq!(send(&|claims| claims.sub_id = json!({"format": "email"})).await, refused("invalid_request"));
    let token = signed(&good, &office.signer).await;
    assert_eq!(office.post("wrong", MEDIA, token.clone()).await.0, 401);
    assert_eq!(office.post(TOKEN, "application/json", token.clone()).await, refused("invalid_request"));
    let other = MemorySigner::new([7; 32]);
    assert_eq!(office.post(TOKEN, MEDIA, signed(&good, &other).await).await, refused("invalid_key"));
    // A signature of another key under the good key's name, a payload of another token, and no token at all.
    let parts: Vec<&str> = token.split('.').collect();
    let foreign = signed(&good, &other).await;
    let foreign: Vec<&str> = foreign.split('.').collect();
    let join = |parts: [&str; 3]| parts.join(".");
    assert_eq!(
        office.post(TOKEN, MEDIA, join([parts[0], parts[1], foreign[2]])).await,
        refused("invalid_key")
    );
    let moved = signed(&Claims { txn: "another".into(), ..good.clone() }, &office.signer).await;
    let moved: Vec<&str> = moved.split('.').collect();
    assert_eq!(office.post(TOKEN, MEDIA, join([parts[0], moved[1], parts[2]])).await, refused("invalid_key"));
    for body in ["", "a.b", "a.b.c.d", "e30.e30.", &token[..token.len() - 9]] {
        assert_eq!(office.post(TOKEN, MEDIA, body.to_owned()).await.0, 400, "{body}");
    }
    assert!(office.taken().await.is_empty());
    assert_eq!(office.post(TOKEN, MEDIA, token.clone()).await.0, 202);
    assert_eq!(office.post(TOKEN, MEDIA, token).await.0, 202);
    assert_eq!(send(&|claims| claims.toe += 1).await, refused("invalid_request"), "a number means one token");
    let taken = office.taken().await;
    assert_eq!((taken.len(), &taken[0]["times"]), (1, &Value::from(2)));
}

/// The key set and what this transmitter is are there for everybody; everything else asks for a token as before.
#[tokio::test]
async fn the_key_set_is_served_without_a_token() {
    let (office, house) = (Office::new().await, leaver_tests::flow::House::new().await);
    let api = leaver_api::Api {
        signals: leaver_api::Signals { issuer: ISSUER, signer: &office.signer },
        policy: &house.policy,
        cases: &house.cases,
        rosters: &house.cases,
        ledger: &house.ledger,
        workflow: &house.workflow,
        evidence: &house.cases,
        objects: &office.objects,
        archives: &office.objects.kept,
        tokens: &leaver_api::Accepted { issuer: "i".into(), audience: "a".into() },
        now: leaver_tests::sandbox::now(),
        vault: None,
        sleep: &|_| Box::pin(async {}),
    };
    let get = async |path: &str| {
        let mut request = leaver_tests::flow::request("", &[]);
        request.raw_path = Some(path.to_owned());
        request.request_context.http.method = aws_lambda_events::http::Method::GET;
        let answer = leaver_api::handle(&api, &request).await;
        (answer.status_code, leaver_tests::flow::body(&answer))
    };
    let key = PublicKey(office.signer.public_key().await.expect("a key"));
    assert_eq!(get("/api/v1/signals/jwks").await, (200, key.key_set()));
    let (status, described) = get("/.well-known/ssf-configuration").await;
    assert_eq!((status, &described["issuer"]), (200, &json!(ISSUER)));
    assert_eq!(described["jwks_uri"], format!("{ISSUER}/api/v1/signals/jwks"));
    for closed in ["/api/v1/signals", "/api/v1/signals/jwks/x", "/.well-known/jwks.json", "/api/v1/cases"] {
        assert_eq!(get(closed).await.0, 401, "{closed}");
    }
}
