//! The proxy: passes the frames of protocol 3.0 on to the real server, and takes the log-in and each exchange after it, from
//! a query to the answer that the server is ready for the next, for one request.

use super::{ID, real::Real};
use crate::{
    admin::{Fault, Recorded},
    server::Sandbox,
};
use leaver_domain::time::Timestamp;
use serde_json::Value;
use std::{collections::VecDeque, io, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

/// Longest frame that is passed on.
const MAX_FRAME: usize = 8 * 1024 * 1024;
/// Codes that stand in place of a protocol's version: TLS, GSSAPI, and a request to cancel.
const TLS: u32 = 80_877_103;
const GSSAPI: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// A frame after the first one.
struct Frame {
    tag: u8,
    bytes: Vec<u8>,
}

impl Frame {
    async fn read(from: &mut OwnedReadHalf) -> io::Result<Self> {
        let tag = from.read_u8().await?;
        let body = sized(from).await?;
        Ok(Self { tag, bytes: [&[tag], body.as_slice()].concat() })
    }

    /// The statement of a Query or Parse; empty for others.
    fn statement(&self) -> String {
        let body = self.bytes.get(5..).unwrap_or_default();
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        match self.tag {
            b'Q' => texts.next().unwrap_or_default(),
            b'P' => texts.nth(1).unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// A length and as many bytes as it says, itself included.
async fn sized(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let rest = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4);
    if rest > MAX_FRAME {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(rest + 4, 0);
    from.read_exact(bytes.get_mut(4..).unwrap_or_default()).await?;
    Ok(bytes)
}

/// An ErrorResponse that ends the session.
fn refusal(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}

/// What a statement does, without its names: words in capitals up to the first that is none, of at most two.
fn words(statement: &str) -> String {
    let word = |text: &&str| !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase());
    let first: Vec<&str> =
        statement.split(|c: char| c.is_whitespace() || c == ';').filter(|t| !t.is_empty()).take(2).collect();
    let kept: Vec<&str> = first.iter().take_while(|text| word(text)).copied().collect();
    if kept.first() == Some(&"SELECT") { "SELECT".to_owned() } else { kept.join(" ") }
}

/// One request of which the answer is awaited.
struct Asked {
    at: Timestamp,
    method: &'static str,
    path: String,
    statement: String,
    failed: bool,
}

impl Asked {
    fn new(method: &'static str, path: String, statement: String) -> Self {
        Self { at: crate::server::now(), method, path, statement, failed: false }
    }

    fn record(self, to: &Sandbox, status: Option<u16>, injected: bool) {
        // A statement that sets a password holds it.
        let shown = if self.statement.to_ascii_uppercase().contains("PASSWORD '") {
            "[secret]".into()
        } else {
            self.statement
        };
        to.note(
            ID,
            Recorded {
                at: self.at.to_string(),
                method: self.method.to_owned(),
                sent: self.path.clone(),
                path: self.path,
                headers: Default::default(),
                query: Default::default(),
                body: if shown.is_empty() { Value::Null } else { Value::String(shown) },
                status,
                media_type: Default::default(),
                answer: Default::default(),
                injected,
            },
        );
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(client: TcpStream, sandbox: Sandbox) {
    // What breaks here broke for the client, too.
    drop(talk(client, &sandbox).await);
}

async fn talk(client: TcpStream, sandbox: &Sandbox) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut from, mut to) = client.into_split();
    let startup = loop {
        let startup = sized(&mut from).await?;
        let code = startup.get(4..8).and_then(|code| code.try_into().ok()).map_or(0, u32::from_be_bytes);
        match code {
            TLS | GSSAPI => to.write_all(b"N").await?,
            CANCEL => return Ok(()),
            _ => break startup,
        }
    };
    let url = sandbox.setting(ID, "server_url");
    let asked = Asked::new("CONNECT", format!("/{}", parameter(&startup, "database")), String::new());
    let Some(address) = Real::address(&url) else {
        asked.record(sandbox, Some(503), false);
        return to
            .write_all(&refusal("57P03", "no PostgreSQL server runs beside this sandbox (server_url)"))
            .await;
    };
    if let Some(fault) = fault(sandbox, &asked).await {
        asked.record(sandbox, fault.status, true);
        return inject(&fault, &mut to).await;
    }
    let server = TcpStream::connect(address).await?;
    server.set_nodelay(true)?;
    let (server_from, mut server_to) = server.into_split();
    server_to.write_all(&startup).await?;
    relay(sandbox, (from, to), (server_from, server_to), asked).await
}

/// A parameter of the first packet.
fn parameter(startup: &[u8], name: &str) -> String {
    let mut texts =
        startup.get(8..).unwrap_or_default().split(|byte| *byte == 0).map(String::from_utf8_lossy);
    while let (Some(key), Some(value)) = (texts.next(), texts.next()) {
        if key == name {
            return value.into_owned();
        }
    }
    String::new()
}

/// Reads frames in a task of its own, because reading one must not be given up in the middle.
fn frames(mut from: OwnedReadHalf) -> mpsc::Receiver<Frame> {
    let (send, receive) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok(frame) = Frame::read(&mut from).await {
            if send.send(frame).await.is_err() {
                break;
            }
        }
    });
    receive
}

async fn relay(
    sandbox: &Sandbox,
    client: (OwnedReadHalf, OwnedWriteHalf),
    server: (OwnedReadHalf, OwnedWriteHalf),
    connecting: Asked,
) -> io::Result<()> {
    let (mut asks, mut answers) = (frames(client.0), frames(server.0));
    let (mut to_client, mut to_server) = (client.1, server.1);
    let mut waiting = VecDeque::from([connecting]);
    let mut gathered: Vec<Frame> = Vec::new();
    loop {
        tokio::select! {
            frame = answers.recv() => {
                let Some(frame) = frame else { break };
                if let (b'E', Some(asked)) = (frame.tag, waiting.front_mut()) {
                    asked.failed = true;
                }
                if frame.tag == b'Z' && let Some(asked) = waiting.pop_front() {
                    let status = if asked.failed { 400 } else { 200 };
                    asked.record(sandbox, Some(status), false);
                }
                to_client.write_all(&frame.bytes).await?;
            }
            frame = asks.recv() => {
                let Some(frame) = frame else { break };
                let (tag, is_login) = (frame.tag, frame.tag == b'p');
                gathered.push(frame);
                if !is_login && !matches!(tag, b'Q' | b'S' | b'X' | b'H' | b'd' | b'c' | b'f') {
                    continue;
                }
                let exchange = std::mem::take(&mut gathered);
                if matches!(tag, b'Q' | b'S') {
                    let statement = exchange.iter().map(Frame::statement).find(|text| !text.is_empty()).unwrap_or_default();
                    let asked = Asked::new("QUERY", format!("/{}", words(&statement)), statement);
                    if let Some(fault) = fault(sandbox, &asked).await {
                        asked.record(sandbox, fault.status, true);
                        return inject(&fault, &mut to_client).await;
                    }
                    waiting.push_back(asked);
                }
                for frame in exchange {
                    to_server.write_all(&frame.bytes).await?;
                }
            }
        }
    }
    waiting.into_iter().for_each(|asked| {
        let status = asked.failed.then_some(400);
        asked.record(sandbox, status, false);
    });
    Ok(())
}

/// The fault that is to be injected instead of an answer, after the wait that it may ask for.
async fn fault(sandbox: &Sandbox, asked: &Asked) -> Option<Fault> {
    let fault = sandbox.fault_for(ID, &format!("{} {}", asked.method, asked.path))?;
    if let Some(wait) = fault.latency_ms {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    fault.is_instead().then_some(fault)
}

/// Answers with a fault in the protocol's words, and ends the session.
async fn inject(fault: &Fault, to: &mut OwnedWriteHalf) -> io::Result<()> {
    if fault.drop {
        return Ok(());
    }
    let bytes = match (fault.status.unwrap_or(200), &fault.body) {
        (401 | 403, _) => refusal("28P01", "password authentication failed"),
        (429, _) => refusal("53300", "sorry, too many clients already"),
        (400.., _) => refusal("57P03", "the database system is not accepting connections"),
        (_, Some(Value::String(text))) => text.clone().into_bytes(),
        (_, body) => body.as_ref().map(Value::to_string).unwrap_or_default().into_bytes(),
    };
    to.write_all(&bytes).await?;
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_its_first_words() {
        let of =
            ["ALTER ROLE x NOLOGIN", "\nSELECT json", "BEGIN; GRANT", "REVOKE a FROM b", "COMMIT"].map(words);
        assert_eq!(of, ["ALTER ROLE", "SELECT", "BEGIN GRANT", "REVOKE", "COMMIT"]);
    }

    #[test]
    fn parameters_of_the_first_packet_are_read_in_pairs() {
        let packet = b"\0\0\0\x20\0\x03\0\0user\0leaver\0database\0user\0\0";
        assert_eq!(parameter(packet, "database"), "user");
        assert_eq!(parameter(packet, "options"), "");
    }
}
