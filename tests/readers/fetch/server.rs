//! A local HTTP server whose answers a test chooses, most of them wrong.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request to the server.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// The number of earlier requests for this path.
    pub turn: usize,
    /// The first byte of the requested range.
    pub from: Option<u64>,
    pub if_range: Option<String>,
    /// Whether the client took the server for a proxy.
    pub proxied: bool,
}

/// What the server does after the last byte that it sends.
#[derive(Clone, Copy)]
pub enum End {
    Close,
    /// Keeps the connection open and sends nothing more.
    Hang,
    /// Like [`Self::Hang`], but sends no head either.
    Silent,
    /// Goes on with one byte every few milliseconds.
    Drip(Duration),
}

pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Bytes of the body that are sent.
    sent: usize,
    end: End,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok(b"") }
    }

    /// The whole file, whatever range was requested.
    pub fn ok(body: &[u8]) -> Self {
        let headers = vec![("Content-Length", body.len().to_string()), ("ETag", "\"v1\"".into())];
        Self { status: 200, headers, body: body.to_vec(), sent: body.len(), end: End::Close }
    }

    /// The requested range of the file.
    pub fn range(request: &Request, file: &[u8]) -> Self {
        let Some(from) = request.from else { return Self::ok(file) };
        let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
        let rest = file.get(from as usize..).unwrap_or_default();
        Self::part(rest, &range)
    }

    pub fn part(bytes: &[u8], range: &str) -> Self {
        Self { status: 206, ..Self::ok(bytes).header("Content-Range", range) }
    }

    pub fn redirect(path: &str) -> Self {
        Self { status: 302, ..Self::ok(b"").header("Location", path) }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Says that the body comes in chunks. The body must be such chunks.
    #[allow(dead_code)] // The attacks of the soak have no such server.
    pub fn chunked(self) -> Self {
        let mut chunked = self.header("Transfer-Encoding", "chunked");
        chunked.headers.retain(|(name, _)| *name != "Content-Length");
        chunked
    }

    /// Sends at most `bytes` bytes of the body. If the body is longer, the answer ends with `end`.
    pub fn ends_after(mut self, bytes: usize, end: End) -> Self {
        if bytes < self.body.len() || matches!(end, End::Silent) {
            (self.sent, self.end) = (bytes, end);
        }
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        if !matches!(self.end, End::Silent) {
            let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", self.status);
            self.headers.iter().for_each(|(name, value)| head.extend([name, ": ", value, "\r\n"]));
            stream.write_all((head + "\r\n").as_bytes())?;
            stream.write_all(&self.body[..self.sent.min(self.body.len())])?;
        }
        if let End::Drip(pause) = self.end {
            for byte in &self.body[self.sent.min(self.body.len())..] {
                std::thread::sleep(pause);
                stream.write_all(&[*byte])?;
            }
        } else if !matches!(self.end, End::Close) {
            // Waits until the client gives up, for 5 s at most, so that no thread stays behind.
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            BufReader::new(stream).fill_buf()?;
        }
        Ok(())
    }
}

type Answer = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl Server {
    pub fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(Box::new(answer))));
        let server = Self { url, requests: Arc::default(), answer };
        let (requests, answer) = (Arc::clone(&server.requests), Arc::clone(&server.answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                // The result is ignored, because clients may close the connection early.
                std::thread::spawn(move || serve(stream, &requests, &answer));
            }
        });
        server
    }

    /// A server without faults.
    pub fn of(files: HashMap<String, Vec<u8>>) -> Self {
        Self::new(move |request| {
            files.get(&request.path).map_or_else(|| Reply::status(404), |file| Reply::range(request, file))
        })
    }

    /// An address where no server listens.
    pub fn refusing() -> Self {
        let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        Self { url, ..Self::of(HashMap::new()) }
    }

    /// Replaces the answers from now on.
    pub fn change(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(Box::new(answer));
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<Request>>, answer: &Mutex<Arc<Answer>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut proxied = false;
    loop {
        let mut lines = vec![];
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        if lines[0].starts_with("CONNECT ") {
            // The tunnel leads to this server itself.
            proxied = true;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            continue;
        }
        let value = |name: &str| {
            lines.iter().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let target = lines[0].split(' ').nth(1).unwrap_or_default();
        // Clients send the whole URL to a proxy.
        let path = target.strip_prefix("http://").map_or(target, |rest| &rest[rest.find('/').unwrap_or(0)..]);
        let mut all = requests.lock().unwrap();
        let request = Request {
            path: path.to_owned(),
            turn: all.iter().filter(|other| other.path == path).count(),
            from: value("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()),
            if_range: value("if-range"),
            proxied: proxied || path != target,
        };
        all.push(request.clone());
        drop(all);
        let answer = Arc::clone(&answer.lock().unwrap());
        return answer(&request).send(&mut stream);
    }
}
