//! TLS on both sides, with programs of others as clients and as nodes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use mainstay::demo::stage::{Dir, Front, until};
use mainstay_testkit::{Grpc, Launch, Process, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::kit::{dir, exe, had, perform, run};
use crate::tls::Authority;
use crate::two::{CASES, perform_long};

/// Certificates for the front, for nodes and for the front towards nodes, all of one authority.
pub(crate) fn certificates(dir: &Dir) -> Authority<'_> {
    let ca = Authority::new(dir, "ca");
    for (name, serial) in [("edge", 1), ("node", 2), ("client", 3)] {
        ca.issue(name, serial, |_| {});
    }
    // As some servers want it: one file with both.
    let both = ["node.crt", "node.key"].map(|name| std::fs::read_to_string(dir.file(name)).expect("it is there"));
    ca.write("node.pem", &both.concat());
    ca
}

/// A front that shows `edge` and demands `client` of its clients, before nodes that show `node`, to which it goes by
/// `scheme`.
async fn front(dir: &Dir, scheme: &str, node: u16) -> Front {
    let path = |name: &str| dir.file(name).display().to_string();
    let text = |at: SocketAddr| {
        format!(
            "[admin]\nat = \"unix:{}\"\n[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\nclient_ca = \"{ca}\"\n\
             client = \"optional\"\n[tls.node]\nca = \"{ca}\"\ncert = \"{}\"\nkey = \"{}\"\n\
             name = \"localhost\"\n[pool.nodes]\nnodes = [\"127.0.0.1:{node}\"]\ntls = \"node\"\n\
             [listen.front]\nat = \"{at}\"\ntls = \"edge\"\nto = \"{scheme}://nodes\"\n",
            dir.file(Front::ADMIN).display(),
            path("edge.crt"),
            path("edge.key"),
            path("client.crt"),
            path("client.key"),
            ca = path("ca.crt"),
        )
    };
    Front::start(exe(), dir, text).await.expect("a front starts")
}

/// Sends a request by curl over this version of HTTP; says what it got, and by which version.
async fn curl(dir: &Dir, port: u16, version: &str, own: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.current_dir(dir.path()).args(["-sS", "--max-time", "20", "--cacert", "ca.crt", version]).args(own);
    command.args(["-w", " %{http_version} %{http_code}", &format!("https://localhost:{port}/health")]);
    command.arg("--resolve").arg(format!("localhost:{port}:127.0.0.1"));
    command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("there is curl")
}

/// Starts a program that is to listen at a port.
async fn listening(name: &str, program: &str, words: &[String], dir: &Dir, port: u16) -> Process {
    let log = dir.file(&format!("{name}.log"));
    let mut process = Launch::new(name, program).args(words).start(&log).expect("it starts");
    let listens = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    process.ready(Duration::from_secs(30), listens).await.expect("it listens");
    process
}

/// Whether there is such a program; where there is none, that is said.
pub(crate) fn has(test: &str, program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        mainstay_testkit::skipped(test, &format!("there is no {program}"));
    }
    there
}

async fn nginx(dir: &Dir, port: u16, server: &str) -> Process {
    let folder = dir.path().display();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
         access_log off;\nclient_body_temp_path {folder}/a;\nproxy_temp_path {folder}/b;\n\
         fastcgi_temp_path {folder}/c;\nuwsgi_temp_path {folder}/d;\nscgi_temp_path {folder}/e;\n{server}\n}}\n"
    );
    let file = dir.file("nginx.conf");
    std::fs::write(&file, text).expect("it can be written");
    let words = ["-p", &folder.to_string(), "-c", &file.display().to_string()].map(str::to_owned);
    listening("nginx", NGINX, &words, dir, port).await
}

async fn haproxy(dir: &Dir, port: u16, rest: &str) -> Process {
    let text = format!("defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n{rest}\n");
    let file = dir.file("haproxy.cfg");
    std::fs::write(&file, text).expect("it can be written");
    let words = ["-db", "-f", &file.display().to_string()].map(str::to_owned);
    listening("haproxy", HAPROXY, &words, dir, port).await
}

/// A node that answers by HTTP/1 or HTTP/2 over TLS, and wants to be shown a certificate.
async fn secure_node(kind: &str, dir: &Dir, port: u16) -> Process {
    let path = |name: &str| dir.file(name).display().to_string();
    if kind == "nginx" {
        let server = format!(
            "server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {}; ssl_certificate_key {};\n\
             ssl_client_certificate {}; ssl_verify_client on;\n\
             location / {{ return 200 \"$server_protocol $ssl_client_s_dn\"; }} }}",
            path("node.crt"),
            path("node.key"),
            path("ca.crt"),
        );
        return nginx(dir, port, &server).await;
    }
    let rest = format!(
        "frontend node\n bind 127.0.0.1:{port} ssl crt {} ca-file {} verify required alpn h2,http/1.1\n\
         http-request return status 200 content-type text/plain lf-string \"HTTP/%[req.ver] %{{+Q}}[ssl_c_s_dn]\"",
        path("node.pem"),
        path("ca.crt"),
    );
    haproxy(dir, port, &rest).await
}

#[test]
fn secure_nodes_are_spoken_to_in_either_version() {
    for (kind, program) in [("nginx", NGINX), ("haproxy", HAPROXY)] {
        if !has("secure_nodes_are_spoken_to_in_either_version", program) {
            continue;
        }
        run(async {
            let dir = dir();
            let _ca = certificates(&dir);
            let port = free_port().expect("a port");
            let _node = secure_node(kind, &dir, port).await;
            for (scheme, spoken) in [("https", "HTTP/1.1"), ("http2", "HTTP/2.0")] {
                let front = front(&dir, scheme, port).await;
                for (version, told) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
                    let output =
                        curl(&dir, front.at().port(), version, &["--cert", "client.crt", "--key", "client.key"]);
                    let output = output.await;
                    let text = String::from_utf8_lossy(&output.stdout).into_owned();
                    let expect = format!("{spoken} ");
                    assert!(
                        text.starts_with(&expect) && text.contains("client"),
                        "{kind} {scheme} {version}: {output:?}"
                    );
                    assert!(text.ends_with(told), "{kind} {scheme} {version}: {output:?}");
                }
            }
        });
    }
}

#[test]
fn others_verify_the_front_and_show_it_who_they_are() {
    for (kind, program) in [("nginx", NGINX), ("haproxy", HAPROXY)] {
        if !has("others_verify_the_front_and_show_it_who_they_are", program) {
            continue;
        }
        run(async {
            let dir = dir();
            let ca = certificates(&dir);
            let path = |name: &str| dir.file(name).display().to_string();
            let client = ["client.crt", "client.key"];
            let both = client.map(|name| std::fs::read_to_string(dir.file(name)).expect("it is there"));
            ca.write("client.pem", &both.concat());
            Authority::new(&dir, "other");
            let text = |at: SocketAddr| {
                format!(
                    "[admin]\nat = \"unix:{}\"\n[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\n\
                     [listen.front]\nat = \"{at}\"\ntls = \"edge\"\nreply = 200\nbody = \"it is the front\"\n",
                    dir.file(Front::ADMIN).display(),
                    path("edge.crt"),
                    path("edge.key"),
                    path("ca.crt"),
                )
            };
            let front = Front::start(exe(), &dir, text).await.expect("a front starts");
            for (trusts, status) in [("ca.crt", "200"), ("other.crt", "50")] {
                let port = free_port().expect("a port");
                let at = front.at();
                let _between = if kind == "nginx" {
                    let server = format!(
                        "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass https://{at};\n\
                         proxy_http_version 1.1; proxy_ssl_verify on; proxy_ssl_name localhost;\n\
                         proxy_ssl_trusted_certificate {}; proxy_ssl_certificate {}; proxy_ssl_certificate_key {}; }} }}",
                        path(trusts),
                        path("client.crt"),
                        path("client.key"),
                    );
                    nginx(&dir, port, &server).await
                } else {
                    let rest = format!(
                        "listen between\n bind 127.0.0.1:{port}\n server front {at} ssl verify required ca-file {} \
                         verifyhost localhost crt {} alpn h2",
                        path(trusts),
                        path("client.pem"),
                    );
                    haproxy(&dir, port, &rest).await
                };
                let mut curl = Command::new("curl");
                curl.args(["-sS", "--max-time", "20", "-w", " %{http_code}", &format!("http://127.0.0.1:{port}/")]);
                let output = curl.kill_on_drop(true).output().await.expect("there is curl");
                let told = String::from_utf8_lossy(&output.stdout).into_owned();
                let is_well = told.starts_with("it is the front") == (status == "200");
                assert!(is_well && told.contains(&format!(" {status}")), "{kind} {trusts}: {output:?}");
            }
        });
    }
}

#[test]
fn alpn_says_what_is_spoken() {
    run(async {
        let dir = dir();
        let _ca = certificates(&dir);
        let front = front(&dir, "https", 1).await;
        for (offers, expect) in [
            ("h2,http/1.1", "ALPN protocol: h2\n"),
            ("http/1.1,h2", "ALPN protocol: h2\n"),
            ("http/1.1", "ALPN protocol: http/1.1\n"),
            ("spdy/3", "no application protocol"),
            ("", "No ALPN negotiated\n"),
        ] {
            let mut client = Command::new("openssl");
            client.current_dir(dir.path()).args(["s_client", "-CAfile", "ca.crt", "-servername", "localhost"]);
            client.args(["-connect", &front.at().to_string()]);
            let asked = if offers.is_empty() { &[][..] } else { &["-alpn", offers] };
            let output = client.args(asked).stdin(Stdio::null()).output().await.expect("there is openssl");
            let told = [output.stdout, output.stderr].concat();
            let told = String::from_utf8_lossy(&told).into_owned();
            assert!(told.contains(expect), "{offers}: {told}");
        }
    });
}

#[test]
fn a_web_socket_passes_through_tls_byte_for_byte() {
    run(async {
        let dir = dir();
        let ca = certificates(&dir);
        let node = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = node.local_addr().expect("an address").port();
        let path = |name: &str| dir.file(name).display().to_string();
        let text = |at: SocketAddr| {
            format!(
                "[admin]\nat = \"unix:{}\"\n[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\n[pool.nodes]\n\
                 nodes = [\"127.0.0.1:{port}\"]\n[listen.front]\nat = \"{at}\"\ntls = \"edge\"\nto = \"http://nodes\"\n",
                dir.file(Front::ADMIN).display(),
                path("edge.crt"),
                path("edge.key"),
            )
        };
        let front = Front::start(exe(), &dir, text).await.expect("a front starts");
        let echo = tokio::spawn(async move {
            let (mut stream, _) = node.accept().await.expect("somebody comes");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a head"));
            }
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(answer).await.expect("it is taken");
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await.expect("all comes back")
        });
        ca.write("client.py", WEB_SOCKET);
        let mut client = Command::new("python3");
        client.current_dir(dir.path()).args(["client.py", &front.at().port().to_string()]);
        let output = client.kill_on_drop(true).output().await.expect("there is Python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let sent: u64 = told.trim().parse().expect("how many bytes it sent");
        assert_eq!(echo.await.expect("it ends"), sent, "all that was sent, and nothing else");
    });
}

#[test]
fn grpc_interoperates_over_tls_on_both_sides() {
    let built = perform_long(Grpc::binaries());
    let Some(grpc) = had("grpc_interoperates_over_tls_on_both_sides", built) else { return };
    perform(async {
        let dir = dir();
        let _ca = certificates(&dir);
        let pair = (dir.file("node.crt"), dir.file("node.key"));
        let (_server, node) = grpc.serve_secure(&dir.file("server.log"), &pair.0, &pair.1).await.expect("a server");
        let path = |name: &str| dir.file(name).display().to_string();
        let text = |at: SocketAddr| {
            format!(
                "[admin]\nat = \"unix:{}\"\n[tls.edge]\ncert = \"{}\"\nkey = \"{}\"\n[tls.node]\nca = \"{}\"\n\
                 name = \"localhost\"\n[pool.calls]\nnodes = [\"127.0.0.1:{node}\"]\ntls = \"node\"\n\
                 check = {{ grpc = \"participant\", watch = true, every = \"1h\" }}\n\
                 [listen.front]\nat = \"{at}\"\ntls = \"edge\"\nto = \"grpcs://calls\"\n",
                dir.file(Front::ADMIN).display(),
                path("edge.crt"),
                path("edge.key"),
                path("ca.crt"),
            )
        };
        let front = Front::start(exe(), &dir, text).await.expect("a front starts");
        let is_checked = async || {
            let place = mainstay::admin::Place::Unix(front.admin().to_owned());
            let metrics = mainstay::admin::client::ask(Some(&place), "GET", "/metrics").expect("it answers").body;
            metrics.lines().any(|line| line.starts_with("mainstay_check_good{") && line.ends_with(" 1"))
        };
        until("the node is not checked over TLS", Duration::from_secs(20), is_checked).await.expect("it is well");
        for case in CASES {
            let played = grpc.play_secure(case, front.at().port(), &dir.file(case), &dir.file("ca.crt")).await;
            played.unwrap_or_else(|trouble| panic!("{case}: {trouble}"));
        }
    });
}

/// Frames of many sizes, a message in pieces, control frames, and what is no frame at all; all must come back as it was.
const WEB_SOCKET: &str = r#"
import os, socket, ssl, struct, sys, threading
context = ssl.create_default_context(cafile="ca.crt")
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
tls = context.wrap_socket(plain, server_hostname="localhost")
assert tls.version() == "TLSv1.3", tls.version()
tls.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
head = b""
while not head.endswith(b"\r\n\r\n"):
    head += tls.recv(1)
assert head.startswith(b"HTTP/1.1 101"), head

def frame(payload, kind, last=True):
    first = kind | (0x80 if last else 0)
    if len(payload) < 126:
        length = struct.pack("!B", 0x80 | len(payload))
    elif len(payload) < 65536:
        length = struct.pack("!BH", 0xFE, len(payload))
    else:
        length = struct.pack("!BQ", 0xFF, len(payload))
    mask = os.urandom(4)
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
    hidden = (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
    return bytes([first]) + length + mask + hidden

sent = b"".join(frame(os.urandom(size), 2) for size in [0, 1, 125, 126, 65535, 65536, 1 << 20])
sent += b"".join(frame(b"piece", 1 if i == 0 else 0, i == 49) for i in range(50))
sent += frame(b"ping", 9) + frame(b"pong", 10)
sent += b"\xff\xff" + os.urandom(1000) + b"\x00\r\n\r\nGET / HTTP/1.1\r\n\r\n"
sent += frame(struct.pack("!H", 4001) + b"bye", 8)
writer = threading.Thread(target=tls.sendall, args=(sent,))
got = bytearray()
writer.start()
while len(got) < len(sent):
    piece = tls.recv(65536)
    assert piece, (len(got), len(sent))
    got += piece
writer.join()
assert bytes(got) == sent
tls.close()
print(len(sent))
"#;
const NGINX: &str = "/usr/sbin/nginx";
const HAPROXY: &str = "/usr/sbin/haproxy";
