//! The rows of the table: what is asked, over how many connections, and what is counted.

use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;

use super::backend::{BULK, BULK_ASK};
use super::client::{Expect, Job};
use super::poll::Target;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Row {
    /// GET, 300 B answer, keep-alive.
    Get300,
    /// POST of 1 KiB, 300 B answer, keep-alive.
    Post1k,
    /// GET, 16 KiB answer, keep-alive.
    Get16k,
    /// GET, 1 MiB answer, keep-alive.
    Get1m,
    /// GET, 300 B answer, a new connection for each.
    New,
    /// As get300, with TLS 1.3.
    Tls300,
    /// As get16k, with TLS 1.3.
    Tls16k,
    /// As new, with TLS 1.3 and a whole handshake.
    TlsNew,
    /// As get300, over a unix socket.
    Unix,
    /// 300 B there and back over TCP.
    Tcp300,
    /// 16 KiB there and back over TCP.
    Tcp16k,
    /// One direction over TCP, per MiB.
    TcpBulk,
    /// Unary calls of gRPC without TLS, 8 at a time on each of 16 connections.
    Grpc16x8,
    /// Unary calls of gRPC without TLS, one at a time on each of 64 connections.
    Grpc64x1,
    /// Memory of 10,000 idle connections, per connection.
    Idle,
    /// Memory of 10,000 open calls that are silent, 100 on each of 100 connections, per call.
    GrpcIdle,
    /// p99 at 15,000 requests a second, arriving at random.
    P99,
}

impl Row {
    /// All of them, in the order of the table.
    pub(super) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// What the table calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Get300 => "GET, 300 B",
            Self::Post1k => "POST, 1 KiB",
            Self::Get16k => "GET, 16 KiB",
            Self::Get1m => "GET, 1 MiB",
            Self::New => "GET, 300 B, a new connection each",
            Self::Tls300 => "GET, 300 B, TLS",
            Self::Tls16k => "GET, 16 KiB, TLS",
            Self::TlsNew => "GET, 300 B, TLS, a new connection each",
            Self::Unix => "GET, 300 B, unix socket",
            Self::Tcp300 => "TCP, 300 B there and back",
            Self::Tcp16k => "TCP, 16 KiB there and back",
            Self::TcpBulk => "TCP bulk, per MiB",
            Self::Grpc16x8 => "gRPC, 16 connections x 8 calls",
            Self::Grpc64x1 => "gRPC, 64 connections x 1 call",
            Self::Idle => "memory per idle connection (of 10,000)",
            Self::GrpcIdle => "memory per silent gRPC stream (of 10,000 over 100 connections)",
            Self::P99 => "p99 at 15,000 requests/s, arriving at random",
        }
    }

    /// Whether it is memory that is measured, not work.
    pub(super) fn is_memory(self) -> bool {
        matches!(self, Self::Idle | Self::GrpcIdle)
    }

    /// Whether clients speak TLS to the proxy.
    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Tls300 | Self::Tls16k | Self::TlsNew)
    }

    /// Of what its memory is told, on each connection.
    pub(super) fn held(self) -> usize {
        if self == Self::GrpcIdle { HELD } else { 1 }
    }

    /// The unit of its figures.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Idle | Self::GrpcIdle => "B",
            _ => "µs",
        }
    }

    /// Connections of the load.
    pub(super) fn connections(self) -> usize {
        match self {
            Self::Idle => 10_000,
            Self::Get1m | Self::TcpBulk => 8,
            Self::Grpc16x8 => 16,
            Self::GrpcIdle => 100,
            _ => 64,
        }
    }

    /// What each connection does.
    pub(super) fn job(self, target: Target) -> Job {
        let (request, expect) = match self {
            Self::Get300 | Self::Tls300 | Self::Unix | Self::Idle | Self::P99 => (get("/300", ""), Expect::Http(300)),
            Self::New | Self::TlsNew => (get("/300", "Connection: close\r\n"), Expect::Http(300)),
            Self::Post1k => (post(), Expect::Http(300)),
            Self::Get16k | Self::Tls16k => (get("/16k", ""), Expect::Http(16 << 10)),
            Self::Get1m => (get("/1m", ""), Expect::Http(1 << 20)),
            Self::Tcp300 => (vec![b'e'; 300], Expect::Bytes(300)),
            Self::Tcp16k => (vec![b'e'; 16 << 10], Expect::Bytes(16 << 10)),
            Self::TcpBulk => (vec![b'?'; BULK_ASK], Expect::Bytes(BULK)),
            Self::Grpc16x8 => (Vec::new(), Expect::Calls(8)),
            Self::Grpc64x1 => (Vec::new(), Expect::Calls(1)),
            Self::GrpcIdle => (Vec::new(), Expect::Held(HELD)),
        };
        Job { target, request: Arc::from(request), expect, fresh: matches!(self, Self::New | Self::TlsNew) }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.pad(name.as_ref().map_or("?", |name| name.get_name()))
    }
}

fn get(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\n{FIELDS}{more}\r\n").into_bytes()
}

fn post() -> Vec<u8> {
    let mut bytes =
        format!("POST /post HTTP/1.1\r\n{FIELDS}Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n")
            .into_bytes();
    bytes.extend([b'p'; 1024]);
    bytes
}

/// Silent calls on each connection: as many as every proxy allows unasked.
const HELD: usize = 100;

const FIELDS: &str = "Host: bench.example\r\nUser-Agent: bench\r\nAccept: */*\r\n";
