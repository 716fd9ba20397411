//! What stands between the wire and the client: only frames that a PostgreSQL server sends pass, none of them is longer than
//! allowed, and without TLS no server is given a password in any form but SCRAM's.
//!
//! The client's own decoder would wait for two gigabytes that a maintenance page announces.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest frame.
const MAX_FRAME: usize = 8 * 1024 * 1024;
/// Most bytes of one session.
const MAX_SESSION: usize = 64 * 1024 * 1024;
/// First bytes of the frames that servers send.
const TAGS: &[u8] = b"RKSZTDCENn123tsIAGHWVvcd";
/// Requests for authentication that show no password to anybody: done, and the three steps of SASL.
const SAFE: [u32; 4] = [0, 10, 11, 12];

/// What was wrong with what came, if anything.
#[derive(Debug, Default)]
pub(super) struct Wrong(AtomicU8);

impl Wrong {
    const SHAPE: u8 = 1;
    const WEAK: u8 = 2;

    /// Bytes that no PostgreSQL server sends, or too many.
    pub(super) fn is_shape(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::SHAPE
    }

    /// The server asked for the password itself, over a connection that anybody on the way can read.
    pub(super) fn is_weak(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::WEAK
    }

    fn note(&self, what: u8) -> io::Error {
        self.0.store(what, Ordering::Relaxed);
        io::Error::from(io::ErrorKind::InvalidData)
    }
}

/// How far the frames were followed.
struct Frames {
    head: Vec<u8>,
    body: usize,
    total: usize,
    is_private: bool,
    wrong: Arc<Wrong>,
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.total = self.total.saturating_add(bytes.len());
        if self.total > MAX_SESSION {
            return Err(self.wrong.note(Wrong::SHAPE));
        }
        while let Some((first, rest)) = bytes.split_first() {
            if self.body > 0 {
                let skipped = self.body.min(bytes.len());
                self.body -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            self.judge()?;
        }
        Ok(())
    }

    /// Judges what is known of a frame once its head is there: a tag, its length, and of a request for authentication the kind.
    fn judge(&mut self) -> io::Result<()> {
        let (tag, length, kind) = match self.head.as_slice() {
            [tag, a, b, c, d, kind @ ..] => (*tag, u32::from_be_bytes([*a, *b, *c, *d]), kind),
            [tag, ..] if TAGS.contains(tag) => return Ok(()),
            _ => return Err(self.wrong.note(Wrong::SHAPE)),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(4..=MAX_FRAME).contains(&length) {
            return Err(self.wrong.note(Wrong::SHAPE));
        }
        let mut body = length - 4;
        if tag == b'R' {
            let [a, b, c, d] = kind else {
                return if body < 4 { Err(self.wrong.note(Wrong::SHAPE)) } else { Ok(()) };
            };
            if !self.is_private && !SAFE.contains(&u32::from_be_bytes([*a, *b, *c, *d])) {
                return Err(self.wrong.note(Wrong::WEAK));
            }
            body -= 4;
        }
        self.body = body;
        self.head.clear();
        Ok(())
    }
}

/// A guarded connection.
pub(super) struct Guarded<S> {
    inner: S,
    frames: Frames,
}

impl<S> Guarded<S> {
    /// Guards a connection; `is_private` where it is encrypted to a server that was verified.
    pub(super) fn new(inner: S, is_private: bool) -> (Self, Arc<Wrong>) {
        let wrong = Arc::new(Wrong::default());
        let frames = Frames { head: Vec::new(), body: 0, total: 0, is_private, wrong: wrong.clone() };
        (Self { inner, frames }, wrong)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, into))?;
        Poll::Ready(this.frames.follow(into.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a suite fails by panicking")]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    async fn through(bytes: &[u8], is_private: bool) -> (bool, Arc<Wrong>) {
        let (mut guarded, wrong) = Guarded::new(bytes, is_private);
        let mut one = [0];
        let passed = loop {
            match guarded.read(&mut one).await {
                Ok(0) => break true,
                Ok(_) => {}
                Err(_) => break false,
            }
        };
        (passed, wrong)
    }

    #[tokio::test]
    async fn frames_of_a_server_pass_however_they_are_cut() {
        let frames = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05IC\0\0\0\x04";
        assert!(through(frames, false).await.0);
        let (mut guarded, _) = Guarded::new(frames.as_slice(), false);
        assert_eq!(guarded.read_to_end(&mut Vec::new()).await.unwrap(), frames.len());
    }

    #[tokio::test]
    async fn pages_of_a_web_server_do_not() {
        for text in ["<html>maintenance</html>", "HTTP/1.1 400 Bad Request\r\n\r\n", "S\0\0\0\0"] {
            let (passed, wrong) = through(text.as_bytes(), true).await;
            assert!(!passed && wrong.is_shape(), "{text}");
        }
    }

    #[tokio::test]
    async fn without_tls_no_password_is_asked_for_in_clear_or_as_md5() {
        for kind in [3, 5, 7] {
            let asked = [b'R', 0, 0, 0, 8, 0, 0, 0, kind];
            let (passed, wrong) = through(&asked, false).await;
            assert!(!passed && wrong.is_weak(), "{kind}");
            assert!(through(&asked, true).await.0, "{kind}");
        }
        assert!(through(&[b'R', 0, 0, 0, 8, 0, 0, 0, 10], false).await.0);
    }
}
