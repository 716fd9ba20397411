//! The floor: a poll of the Runtime API with nothing but the standard library.

use std::{
    env,
    io::{Read as _, Write as _},
    net::TcpStream,
};

fn main() -> std::io::Result<()> {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    loop {
        let mut stream = TcpStream::connect(&api)?;
        write!(stream, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {api}\r\n\r\n")?;
        let mut answer = [0; 4096];
        let _ = stream.read(&mut answer)?;
    }
}
