//! One port for every protocol: the first byte of a connection says what it speaks.

use crate::{active_directory, postgresql, server::Sandbox};
use std::{future::pending, io, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

/// How long a connection may stay silent before anything was sent.
const SILENCE: Duration = Duration::from_secs(60);
/// Connections that wait for the HTTP server.
const WAITING: usize = 64;

/// What a connection speaks.
enum Protocol {
    /// HTTP: any other first byte.
    Http,
    /// PostgreSQL, whose first packet begins with the upper byte of a small length: no request line does.
    Postgresql,
    /// TLS, which begins with a handshake record: LDAP inside.
    Tls,
}

impl Protocol {
    fn of(first: u8) -> Self {
        match first {
            0x00 => Self::Postgresql,
            0x16 => Self::Tls,
            _ => Self::Http,
        }
    }
}

type Connection = (TcpStream, SocketAddr);

/// The connections that speak HTTP, as a listener.
pub(crate) struct Http {
    connections: mpsc::Receiver<Connection>,
    address: SocketAddr,
}

impl axum::serve::Listener for Http {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The listener of HTTP at this address, and where its connections are put in.
pub(crate) fn http(address: SocketAddr) -> (Http, mpsc::Sender<Connection>) {
    let (to, connections) = mpsc::channel(WAITING);
    (Http { connections, address }, to)
}

/// Accepts connections and brings each to the server of its protocol, without end.
pub(crate) async fn sort(listener: TcpListener, sandbox: Sandbox, http: mpsc::Sender<Connection>) {
    loop {
        match listener.accept().await {
            Ok(connection) => {
                tokio::spawn(open(connection, sandbox.clone(), http.clone()));
            }
            // No descriptor is free: one may be in a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn open((stream, from): Connection, sandbox: Sandbox, http: mpsc::Sender<Connection>) {
    let mut first = [0_u8];
    let Ok(Ok(1)) = timeout(SILENCE, stream.peek(&mut first)).await else { return };
    match Protocol::of(first[0]) {
        Protocol::Http => {
            let _ = http.send((stream, from)).await;
        }
        Protocol::Postgresql => postgresql::proxy::serve(stream, sandbox).await,
        Protocol::Tls => active_directory::serve(sandbox, stream).await,
    }
}
