//! Active Directory's adapter against an implementation that is nobody's of this project: Samba's domain controller, made for
//! this test and gone with it. Where it cannot run, the test says so loudly and holds nothing.

use crate::Leaver;
use leaver_adapters::run;
use leaver_conformance::sandbox::{Connected, Stage, comparable, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, CredentialKind},
    plan::{Action, ActionKind, Outcome},
    risk::{RiskLevel, Rule},
};
use leaver_sandbox::credentials::{Certified, Maker};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const SYSTEM: &str = "active_directory";
const BUDGET: Duration = Duration::from_secs(60);

/// A running domain controller. It ends with this value, and with this process however that ends.
struct Samba {
    process: Child,
    folder: PathBuf,
    address: String,
    ca: String,
    passwords: BTreeMap<&'static str, String>,
}

impl Samba {
    /// Starts one; otherwise why it cannot run here.
    fn start() -> Result<Self, String> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let number = std::process::id();
        let address = format!("127.77.{}.{}", (number >> 8) & 0xff, number & 0xff);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("samba-{number}"));
        let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("samba-packages");
        fs::create_dir_all(&folder).expect("a folder");
        fs::create_dir_all(&packages).expect("a folder");
        let certified = Certified::of(&[&address]).expect("a certificate");
        let passwords: BTreeMap<_, _> =
            ["john", "leaver"].map(|name| (name, Maker::default().token("Aa1-"))).into();
        let files =
            [("ca.pem", &certified.ca), ("cert.pem", &certified.certificate), ("key.pem", &certified.key)];
        let texts = [("john.txt", &passwords["john"]), ("leaver.txt", &passwords["leaver"])];
        for (name, text) in files.into_iter().chain(texts) {
            fs::write(folder.join(name), text).expect("a file");
        }
        let script = repository.join("tests/doubles/samba.sh");
        let process = Command::new("timeout")
            .args(["--kill-after=5", "170"])
            .args([&script, &folder, &packages])
            .arg(&address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let process = process.map_err(|error| format!("no script can be started: {error}"))?;
        let mut samba = Self { process, folder, address, ca: certified.ca, passwords };
        let out = samba.process.stdout.take().expect("a pipe");
        let said = BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .find(|line| line == "READY" || line.starts_with("SKIPPED: "));
        match said.as_deref() {
            Some("READY") => Ok(samba),
            Some(why) => Err(why.trim_start_matches("SKIPPED: ").to_owned()),
            None => Err("it was not ready in time".to_owned()),
        }
    }

    /// The adapter, bound as one of the domain's accounts.
    fn connect(&self, stage: &Stage, account: &str, password: &str) -> Connected {
        let pairs = [
            ("url", format!("ldaps://{}:636", self.address)),
            ("bind_dn", format!("{account}@example.test")),
            ("bind_password", password.to_owned()),
            ("base_dn", "DC=example,DC=test".to_owned()),
            ("ca", self.ca.clone()),
        ];
        let settings = pairs.map(|(name, value)| (name.to_owned(), value)).into();
        stage.connect_with(SYSTEM, &[(SYSTEM.to_owned(), settings)].into(), BUDGET)
    }

    /// What somebody's logon with a password says.
    async fn log_on(&self, stage: &Stage, account: &str, password: &str) -> Result<(), FaultKind> {
        let to = self.connect(stage, account, password);
        to.adapter.probe(&to.http).await.map_err(|fault| fault.kind)
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        // The controller ends with its standard input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_holds_against_a_real_domain_controller() {
    if !crate::rows().any(|system| system == SYSTEM) {
        return;
    }
    let samba = match tokio::task::spawn_blocking(Samba::start).await.expect("a start") {
        Ok(samba) => samba,
        Err(why) => {
            eprintln!("\n*** SKIPPED: no real domain controller: {why}. Nothing was held against one. ***\n");
            return;
        }
    };
    let stage = Stage::start().await;
    let leaver = samba.connect(&stage, "leaver", &samba.passwords["leaver"]);
    let password = samba.passwords["john"].as_str();
    leaver.adapter.probe(&leaver.http).await.expect("a bind");
    assert_eq!(leaver.adapter.missing(&leaver.http).await, Ok(Vec::new()));
    assert_eq!(samba.log_on(&stage, "john.doe", password).await, Ok(()));

    let john = Leaver::of("john.doe");
    // The bit alone refuses the right password, and gives it back.
    for (kind, expected) in [
        (ActionKind::DisableAccount, Err(FaultKind::CredentialRejected)),
        (ActionKind::EnableAccount, Ok(())),
    ] {
        let found = john.survey(&leaver).await.found;
        let id = &found.account.as_ref().expect("an account").id;
        let action = Action::contain(kind, id, id);
        assert_eq!(leaver.adapter.apply(&leaver.http, &found, &action).await, Ok(Outcome::Done));
        assert_eq!(samba.log_on(&stage, "john.doe", password).await, expected, "{kind:?}");
    }
    let (before, report) = john.revoke(&leaver).await;
    found_as_it_was_made(&before);
    assert_eq!(report.fault, None, "{:?}", report.done);
    let after = report.after.expect("a fresh reading");
    assert_eq!(after.account.as_ref().map(|account| account.status), Some(AccountStatus::Suspended));
    assert_eq!((after.credentials.len(), after.grants.len()), (1, 1), "{after:?}");
    assert_eq!(samba.log_on(&stage, "john.doe", password).await, Err(FaultKind::CredentialRejected));
    refusals(&leaver, &before.found).await;

    let receipts: BTreeSet<_> = run::receipts_of(&report.done).collect();
    let (_, left) =
        run::remaining(leaver.adapter.as_ref(), &leaver.http, &john.job(), &receipts).await.expect("a read");
    assert!(left.is_empty(), "{left:?}");
    let back = restored(&leaver, &john.person, &before.found).await;
    assert_eq!(back.fault, None, "{:?}", back.done);
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&before.found));
    // The account works again, and the password that it had does not.
    assert_eq!(samba.log_on(&stage, "john.doe", password).await, Err(FaultKind::CredentialRejected));

    let riley = Leaver::of("riley.owner").survey(&leaver).await;
    assert_eq!(riley.risk.level, RiskLevel::Flagged, "{:?}", riley.risk);
    assert!(riley.risk.findings.iter().any(|finding| finding.rule == Rule::LastAdmin), "{:?}", riley.risk);
    // Who presents a wrong password reads nothing.
    let stranger = samba.connect(&stage, "riley.owner", "not the password");
    let fault = stranger.adapter.probe(&stranger.http).await.expect_err("a refusal");
    assert_eq!(fault.kind, FaultKind::CredentialRejected);
}

fn found_as_it_was_made(survey: &run::Survey) {
    let found = &survey.found;
    let account = found.account.as_ref().expect("an account");
    assert_eq!((account.login.as_str(), account.matched_by.as_str()), ("john.doe", "employee_id"));
    assert!(survey.risk.level < RiskLevel::Flagged, "{:?}", survey.risk);
    let names: BTreeSet<_> = found.grants.iter().map(|grant| grant.name.as_str()).collect();
    assert_eq!(names, ["Domain Users", "Engineering", "VPN Users", "Wiki"].into());
    let mut kinds: Vec<_> = found.credentials.iter().map(|credential| credential.kind).collect();
    kinds.sort();
    use CredentialKind::{Certificate, Password};
    assert_eq!(kinds, [Password, Certificate, Certificate]);
}

/// What the controller says to repeated and overtaken writes is what the adapter takes it for.
async fn refusals(to: &Connected, before: &leaver_domain::inventory::Inventory) {
    let group = before.grants.iter().find(|grant| grant.fixed.is_none()).expect("a group");
    let apply = async |kind, target: &str| {
        to.adapter.apply(&to.http, before, &Action::contain(kind, target, target)).await
    };
    assert_eq!(apply(ActionKind::RemoveGroup, &group.id).await, Ok(Outcome::Already));
    assert_eq!(apply(ActionKind::AddGrant, &group.id).await, Ok(Outcome::Done));
    assert_eq!(apply(ActionKind::AddGrant, &group.id).await, Ok(Outcome::Already));
    assert_eq!(apply(ActionKind::RemoveGroup, &group.id).await, Ok(Outcome::Done));
    for key in before.credentials.iter().filter(|key| key.kind == CredentialKind::Certificate) {
        assert_eq!(apply(ActionKind::DisableApiKey, &key.id).await, Ok(Outcome::Already));
    }
    let id = &before.account.as_ref().expect("an account").id;
    // Active Directory compares the value that goes with the one that is there; Samba 4.17 writes the one that comes. Here it
    // is the one that is there.
    let late = apply(ActionKind::DisableAccount, id).await;
    assert!(
        matches!(&late, Ok(Outcome::Done))
            || late.as_ref().is_err_and(|fault| fault.kind == FaultKind::Conflict),
        "{late:?}"
    );
}
