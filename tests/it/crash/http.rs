//! As much of HTTP/1.1 as stands between the program and its AWS.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub type Headers = Vec<(String, String)>;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// An answer; its length is told when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// What one connection's two ends agree on anew.
const HOP: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "content-length"];

/// The next request; none when the other end has closed.
pub fn read_request(from: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let first = read_line(from)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = read_headers(from)?;
    if header(&headers, "expect").is_some() {
        from.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        headers.retain(|(name, _)| name != "expect");
    }
    let body = read_body(from, &headers, Some(0))?;
    Ok(Some(Request { method, path, headers, body }))
}

pub fn write_answer(mut to: &TcpStream, method: &str, answer: &Answer) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} .\r\n", answer.status);
    put_headers(&mut head, &answer.headers);
    let length = header(&answer.headers, "content-length").filter(|_| method == "HEAD");
    let length = length.map_or(answer.body.len().to_string(), str::to_owned);
    if answer.status != 204 {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if method != "HEAD" {
        bytes.extend_from_slice(&answer.body);
    }
    to.write_all(&bytes)
}

/// An answer that is said to be longer.
pub fn write_beginning(mut to: &TcpStream, answer: &Answer) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} .\r\n", answer.status);
    put_headers(&mut head, &answer.headers);
    head.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len() + 1));
    to.write_all(&[head.as_bytes(), &answer.body].concat())
}

/// The local AWS closes a connection that nobody used for 75 s: well before that it is left.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Connections to a port, each of which serves one request after the other.
pub struct Lines {
    port: u16,
    idle: Mutex<Vec<(Instant, BufReader<TcpStream>)>>,
}

impl Lines {
    pub fn to(port: u16) -> Self {
        Self { port, idle: Mutex::default() }
    }

    pub fn exchange(&self, request: &Request) -> io::Result<Answer> {
        let mut line = self.idle().map_or_else(|| connect(self.port), Ok)?;
        let (answer, lasts) = asked(&mut line, request, "keep-alive")?;
        if lasts {
            let since = Instant::now();
            self.idle.lock().expect("nothing panics in here").push((since, line));
        }
        Ok(answer)
    }

    fn idle(&self) -> Option<BufReader<TcpStream>> {
        let mut idle = self.idle.lock().expect("nothing panics in here");
        idle.retain(|(since, _)| since.elapsed() < IDLE_MAX);
        idle.pop().map(|(_, line)| line)
    }

    /// After a run: whoever has a proxy for one run alone keeps nothing open.
    pub fn hang_up(&self) {
        self.idle.lock().expect("nothing panics in here").clear();
    }
}

/// Sends a request on a connection of its own.
pub fn exchange(port: u16, request: &Request) -> io::Result<Answer> {
    Ok(asked(&mut connect(port)?, request, "close")?.0)
}

fn connect(port: u16) -> io::Result<BufReader<TcpStream>> {
    let to = TcpStream::connect(("127.0.0.1", port))?;
    to.set_nodelay(true)?;
    Ok(BufReader::new(to))
}

/// The answer, and whether the connection serves another request.
fn asked(
    line: &mut BufReader<TcpStream>,
    request: &Request,
    connection: &str,
) -> io::Result<(Answer, bool)> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    put_headers(&mut head, &request.headers);
    let length = request.body.len();
    head.push_str(&format!("content-length: {length}\r\nconnection: {connection}\r\n\r\n"));
    line.get_mut().write_all(&[head.as_bytes(), &request.body].concat())?;
    let first = read_line(line)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in `{first}`")))?;
    let mut headers = read_headers(line)?;
    let bare = request.method == "HEAD" || matches!(status, 204 | 304);
    let bounded = ["content-length", "transfer-encoding"];
    let bounded = bare || bounded.iter().any(|name| header(&headers, name).is_some());
    let lasts = bounded && header(&headers, "connection") != Some("close");
    let body = if bare { Vec::new() } else { read_body(line, &headers, None)? };
    headers.retain(|(name, _)| name == "content-length" || !HOP.contains(&name.as_str()));
    Ok((Answer { status, headers, body }, lasts))
}

/// A request of the harness's own; the value it is answered.
pub fn ask(port: u16, method: &str, path: &str, body: &str) -> serde_json::Value {
    let headers = vec![
        ("host".to_owned(), format!("127.0.0.1:{port}")),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    let request = Request { method: method.into(), path: path.into(), headers, body: body.into() };
    let answer = exchange(port, &request).expect("the local AWS answers");
    assert_eq!(answer.status, 200, "{method} {path}");
    serde_json::from_slice(&answer.body).expect("it answers JSON")
}

pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn read_headers(from: &mut impl BufRead) -> io::Result<Headers> {
    let mut headers = Headers::new();
    loop {
        let line = read_line(from)?;
        let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// As long as its headers say; without a word of them, `otherwise` or to the connection's end.
fn read_body(
    from: &mut impl BufRead,
    headers: &Headers,
    otherwise: Option<usize>,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if header(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        while let Some(length) = chunk(&read_line(from)?) {
            let mut part = vec![0; length + 2];
            from.read_exact(&mut part)?;
            body.extend_from_slice(&part[..length]);
            if length == 0 {
                break;
            }
        }
        return Ok(body);
    }
    let length = header(headers, "content-length").and_then(|length| length.parse().ok());
    match length.or(otherwise) {
        Some(length) => {
            body.resize(length, 0);
            from.read_exact(&mut body)?;
        }
        None => {
            from.read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn chunk(line: &str) -> Option<usize> {
    usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()
}

fn put_headers(head: &mut String, headers: &Headers) {
    for (name, value) in headers.iter().filter(|(name, _)| !HOP.contains(&name.as_str())) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
}
