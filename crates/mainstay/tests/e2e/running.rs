//! A Mainstay to operate: the real binary on a configuration, with an admin socket of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::kit;
use mainstay::demo::stage::{Dir, Process, until};

/// A running Mainstay.
pub(crate) struct Mainstay {
    pub(crate) dir: Dir,
    pub(crate) process: Process,
}

impl Mainstay {
    /// Starts one on `text`, in which `{dir}` is a directory of its own, and waits until it serves.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_until(text, "log", "ready: ").await
    }

    /// The same, waiting until a file in its directory says this.
    pub(crate) async fn start_until(text: &str, file: &str, what: &str) -> Self {
        let dir = kit::dir();
        write(&dir, text);
        let args = ["run".to_owned(), dir.file("mainstay.toml").display().to_string()];
        let process = Process::start("mainstay", kit::exe(), &args, &dir.file("log")).expect("it starts");
        let mut it = Self { dir, process };
        it.writes(file, what).await;
        it
    }

    /// Writes another configuration.
    pub(crate) fn write(&self, text: &str) {
        write(&self.dir, text);
    }

    /// Where a listener listens, whatever port it got.
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        let log = self.log();
        let start = format!("listening name={name} at=");
        let plain = log.lines().rev().find_map(|line| line.split_once(&start)).map(|(_, at)| at.trim().to_owned());
        let json = || {
            log.lines().find_map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).ok()?;
                (event["name"] == name).then(|| event["at"].as_str().map(str::to_owned))?
            })
        };
        plain.or_else(json).and_then(|at| at.parse().ok()).expect("an address")
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        read(self.dir.file("log"))
    }

    /// Waits until it has said this.
    pub(crate) async fn says(&mut self, what: &str) {
        self.writes("log", what).await;
    }

    async fn writes(&mut self, file: &str, what: &str) {
        until(&format!("it does not say {what:?}"), BOUND, async || {
            let said = read(self.dir.file(file)).contains(what);
            assert!(said || self.process.runs(), "it has ended: {}", self.log());
            said
        })
        .await
        .unwrap_or_else(|mishap| panic!("{mishap}: {}", self.log()));
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal).expect("it takes a signal");
    }

    /// Waits until it has ended; its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        self.process.ended(BOUND).await.expect("it ends").code()
    }

    /// Runs a command of the command line against it.
    pub(crate) async fn command(&self, args: &[&str]) -> Said {
        let admin = format!("unix:{}", self.dir.file("admin.sock").display());
        command(&[args, &["--admin", &admin]].concat()).await
    }

    /// Asks its admin listener.
    pub(crate) async fn ask(&self, target: &str) -> String {
        let mut stream = tokio::net::UnixStream::connect(self.dir.file("admin.sock")).await.expect("it listens");
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) async fn command(args: &[&str]) -> Said {
    let output = tokio::process::Command::new(kit::exe()).args(args).env_remove("MAINSTAY_ADMIN").output();
    let Output { status, stdout, stderr } = output.await.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn write(dir: &Dir, text: &str) {
    let text = text.replace("{dir}", &dir.file("").display().to_string());
    std::fs::write(dir.file("mainstay.toml"), text).expect("it can be written");
}

/// A file's text; empty while there is none.
pub(crate) fn read(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A node of which every answer is in the hands of the test.
pub(crate) struct Puppet(TcpListener);

impl Puppet {
    pub(crate) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Waits for a request; its connection waits for the answer.
    pub(crate) async fn asked(&self) -> Client {
        let (stream, _) = self.0.accept().await.expect("a connection");
        let mut client = Client(BufReader::new(stream));
        client.head().await;
        client
    }

    /// Answers every request with these few bytes, for as long as it is polled.
    pub(crate) async fn serve(&self, body: &'static str) {
        loop {
            let (stream, _) = self.0.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut client = Client(BufReader::new(stream));
                while !client.head().await.is_empty() {
                    client.answer(body).await;
                }
            });
        }
    }
}

/// One end of a connection that speaks HTTP.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(to).await.expect("it listens")))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("it is taken");
    }

    /// Asks for a path.
    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    }

    /// Answers 200 with this body.
    pub(crate) async fn answer(&mut self, body: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    }

    /// A head; empty at the end of the connection.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await.expect("the connection holds") == 0 {
                break;
            }
        }
        head
    }

    /// An answer: its head and its body.
    pub(crate) async fn answered(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).await.expect("the body comes");
        (head, String::from_utf8(body).expect("it is text"))
    }
}

/// Longest time for anything but a whole test. Long, since a slow disk may keep a log's lines back: the thread that writes them
/// waits for it, and nobody else does.
const BOUND: Duration = Duration::from_secs(60);
