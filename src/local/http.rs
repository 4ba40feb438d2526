//! The few requests that the local AWS's own control paths take. By HTTP 1.0, whose answers come in
//! one piece and end with the connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
/// A server's word of itself is short; a stranger's at the same port may have no end.
const ANSWER_MAX: u64 = 1 << 20;

pub fn get(port: u16, path: &str) -> io::Result<String> {
    send(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
}

pub fn post(port: u16, path: &str, body: &str) -> io::Result<String> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n");
    send(
        port,
        &format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
}

fn send(port: u16, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        Ok(body.to_owned())
    } else {
        Err(io::Error::other(format!("it answered {status}")))
    }
}
