//! One end of a connection: its state, and what came in. What goes out is in [`send`](super::send).

use super::code::Code;
use super::fields::Fields;
use super::frame::{self, MOST_STREAM};
use super::hpack::{Decoder, Encoder, ListLimits};
use super::settings::Settings;
use super::stream::{Closed, Stream, Streams};
use super::waste::{Flood, Waste};

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers requests.
    Server,
    /// It makes them.
    Client,
}

/// Bounds that one end keeps to and holds the other to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most streams the other end may have open (server only).
    pub streams: u32,
    /// Window of each stream: what may be on its way on it, unforwarded, in bytes.
    pub stream_window: u32,
    /// The same for all streams of the connection together; at least 65,535.
    pub connection_window: u32,
    /// What opens it again.
    pub connection_opens: Opens,
    /// One field section, decompressed.
    pub list: ListLimits,
    /// One field block, compressed, in bytes.
    pub block: usize,
    /// Largest dynamic table in either direction, in bytes.
    pub table: u32,
    /// How much of what comes in may move nothing forward before the connection is ended: see [`Flood`].
    pub waste: u32,
}

/// What opens a connection's window again (RFC 9113 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// That data came. What is held is bounded by the windows of the streams alone; of streams that belong to different
    /// people, none that stands still stops another.
    OnReceipt,
    /// That data went on. What is held of all streams together is bounded by the connection's window.
    OnRelease,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 128,
            stream_window: 65_535,
            connection_window: 1 << 20,
            connection_opens: Opens::OnRelease,
            list: ListLimits { size: 32 << 10, fields: 128 },
            block: 32 << 10,
            table: 4096,
            waste: 4000,
        }
    }
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A request (server) or a response (client), in [`Connection::fields`].
    Head {
        /// Its stream.
        stream: u32,
        /// There is no body and no trailers.
        end: bool,
        /// A response of 1xx: the final one is still to come.
        interim: bool,
    },
    /// A request whose fields are beyond [`Limits::list`]: to be answered 431. A response of that kind is
    /// [`Broken`](Self::Broken).
    TooLarge {
        /// Its stream.
        stream: u32,
        /// Nothing more comes on it.
        end: bool,
    },
    /// The end of a message, with the trailers in [`Connection::fields`].
    Trailers {
        /// Its stream.
        stream: u32,
    },
    /// A piece of a body, which is to be [released](Connection::release) once it has gone on.
    Data {
        /// Its stream.
        stream: u32,
        /// It may be empty at the end.
        bytes: &'b [u8],
        /// It was the last, and there are no trailers.
        end: bool,
    },
    /// The other end gave a stream up.
    Reset {
        /// The stream, which is no more.
        stream: u32,
        /// Why.
        code: Code,
    },
    /// The other end broke the rules on a stream; it has been reset.
    Broken {
        /// The stream, which is no more.
        stream: u32,
        /// What it was told.
        code: Code,
        /// What it did.
        why: &'static str,
    },
    /// More may be sent on a stream, or, with stream 0, on all that wait for the connection's window.
    Window {
        /// The stream.
        stream: u32,
    },
    /// The other end takes no new streams, and has not touched those above `last`.
    GoAway {
        /// Highest stream that it has dealt with.
        last: u32,
        /// Why.
        code: Code,
    },
    /// A PING of ours was answered.
    Pong {
        /// What was sent with it.
        payload: [u8; 8],
    },
    /// The other end's settings came, for the first time or anew.
    Settings,
}

/// What was read of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'b> {
    /// So many of them are done with.
    pub used: usize,
    /// What they were; `None`: more bytes are needed.
    pub event: Option<Event<'b>>,
}

/// The connection cannot go on. A GOAWAY with the code is the last thing among the bytes to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What the other end is told.
    pub code: Code,
    /// What it did, for the log.
    pub why: &'static str,
    /// When it was a flood, of what kind.
    pub flood: Option<Flood>,
}

/// One end of an HTTP/2 connection. Bytes that came in are given to [`next`](Self::next), those to be sent are taken
/// from [`out`](Self::out).
#[derive(Debug)]
pub struct Connection {
    pub(super) role: Role,
    pub(super) limits: Limits,
    pub(super) theirs: Settings,
    pub(super) expect: Expect,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) fields: Fields,
    pub(super) streams: Streams,
    /// Highest stream that the other end opened, or that it made us open.
    pub(super) last_peer: u32,
    /// Next stream of our own (client).
    pub(super) next_own: u32,
    pub(super) block: Vec<u8>,
    pub(super) send_window: i64,
    pub(super) receive_window: i64,
    pub(super) owed: u32,
    pub(super) out: Vec<u8>,
    pub(super) waste: Waste,
    /// Our GOAWAY names this stream: later ones are not taken.
    pub(super) last_taken: Option<u32>,
    /// Theirs came.
    pub(super) leaving: bool,
    /// SETTINGS of ours that were not acknowledged.
    pub(super) unacknowledged: u32,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// The client's preface, of which so many bytes have come.
    Preface(usize),
    /// A frame, which must be SETTINGS.
    First,
    /// A frame.
    Frame,
    /// The payload of a DATA frame.
    Data(Data),
    /// More of a field block.
    Continuation(Block),
    /// Nothing: it has ended.
    Nothing,
}

/// What is left of a DATA frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) stream: u32,
    /// Bytes of the body.
    pub(super) left: u32,
    /// Bytes of padding behind them.
    pub(super) padding: u32,
    pub(super) end: bool,
    /// The stream is no more: they are only counted.
    pub(super) dropped: bool,
}

/// A field block being put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) end: bool,
}

impl Connection {
    /// Before the first byte. What is to be sent first (a client's preface, SETTINGS) is in [`out`](Self::out) at once.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        let ours = Settings {
            table: limits.table,
            streams: (role == Role::Server).then_some(limits.streams),
            window: limits.stream_window,
            list: Some(u32::try_from(limits.list.size).unwrap_or(u32::MAX)),
            ..Settings::INITIAL
        };
        let mut out = Vec::new();
        if role == Role::Client {
            out.extend_from_slice(frame::PREFACE);
        }
        ours.write(role == Role::Client, &mut out);
        let initial = Settings::INITIAL.window;
        let more = limits.connection_window.min(MOST_STREAM).saturating_sub(initial);
        if more > 0 {
            frame::window_update(0, more, &mut out);
        }
        Self {
            role,
            limits,
            theirs: Settings::INITIAL,
            expect: if role == Role::Server { Expect::Preface(0) } else { Expect::First },
            decoder: Decoder::new(limits.table as usize),
            encoder: Encoder::new(limits.table as usize),
            fields: Fields::new(),
            streams: Streams::default(),
            last_peer: 0,
            next_own: 1,
            block: Vec::new(),
            send_window: i64::from(initial),
            receive_window: i64::from(initial) + i64::from(more),
            owed: 0,
            out,
            waste: Waste::new(limits.waste),
            last_taken: None,
            leaving: false,
            unacknowledged: 1,
        }
    }

    /// Reads the next bytes: what came, without what earlier steps said they had used. To be called until it says that
    /// more are needed; what was not used then is to be kept and given again with what follows it. That is never more
    /// than a frame's head and payload.
    ///
    /// # Errors
    /// The connection is to be closed once [`out`](Self::out) has been sent.
    pub fn next<'b>(&mut self, bytes: &'b [u8]) -> Result<Step<'b>, Ended> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let step = self.step(rest);
            match step {
                Ok(Step { used: more, event }) => {
                    used += more;
                    if event.is_some() || more == 0 {
                        return Ok(Step { used, event });
                    }
                }
                Err(ended) => return Err(self.end(ended)),
            }
        }
    }

    /// The fields of the last [`Event::Head`] or [`Event::Trailers`].
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The other end's settings.
    #[must_use]
    pub fn theirs(&self) -> Settings {
        self.theirs
    }

    /// Open streams.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether our SETTINGS have been acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.unacknowledged == 0
    }

    /// A second went by: what is borne of useless frames grows again.
    pub fn second(&mut self) {
        self.waste.second();
    }

    /// One thing that the bytes start with; `used` 0 without an event means that more are needed.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> Result<Step<'b>, Ended> {
        match self.expect {
            Expect::Preface(at) => self.preface(at, bytes),
            Expect::Data(data) => self.payload(data, bytes),
            Expect::First | Expect::Frame | Expect::Continuation(_) => self.frame(bytes),
            Expect::Nothing => Ok(Step { used: bytes.len(), event: None }),
        }
    }

    fn preface<'b>(&mut self, at: usize, bytes: &'b [u8]) -> Result<Step<'b>, Ended> {
        let wanted = frame::PREFACE.get(at..).unwrap_or_default();
        let used = wanted.len().min(bytes.len());
        if bytes.get(..used) != wanted.get(..used) {
            return Err(protocol("the connection does not start with the preface of HTTP/2"));
        }
        let at = at + used;
        self.expect = if at == frame::PREFACE.len() { Expect::First } else { Expect::Preface(at) };
        Ok(Step { used, event: None })
    }

    /// Gives what is there of a DATA frame's payload.
    fn payload<'b>(&mut self, data: Data, bytes: &'b [u8]) -> Result<Step<'b>, Ended> {
        let take = (data.left as usize).min(bytes.len());
        let left = data.left - u32::try_from(take).unwrap_or(data.left);
        let skip = if left == 0 { (data.padding as usize).min(bytes.len() - take) } else { 0 };
        let padding = data.padding - u32::try_from(skip).unwrap_or(data.padding);
        let used = take + skip;
        self.expect = if left == 0 && padding == 0 {
            Expect::Frame
        } else {
            Expect::Data(Data { left, padding, end: data.end && left > 0, ..data })
        };
        let piece = bytes.get(..take).unwrap_or_default();
        let ends = data.end && left == 0;
        if data.dropped || (take == 0 && !ends) {
            return Ok(Step { used, event: None });
        }
        let event = self.body(data.stream, piece, ends);
        Ok(Step { used, event })
    }

    /// A piece of a body of an open stream; the stream may have been closed since its frame began.
    pub(super) fn body<'b>(&mut self, id: u32, bytes: &'b [u8], end: bool) -> Option<Event<'b>> {
        let Some(stream) = self.streams.get_mut(id) else {
            self.release_shared(u32::try_from(bytes.len()).unwrap_or(0));
            return None;
        };
        if let Some(left) = &mut stream.length_left {
            let Some(less) = left.checked_sub(bytes.len() as u64) else {
                return Some(self.break_stream(id, Code::PROTOCOL_ERROR, "a body is longer than its content-length"));
            };
            *left = less;
        }
        if end {
            if stream.length_left.is_some_and(|left| left > 0) {
                return Some(self.break_stream(id, Code::PROTOCOL_ERROR, "a body is shorter than its content-length"));
            }
            stream.receive_closed = true;
            self.finish(id);
        }
        Some(Event::Data { stream: id, bytes, end })
    }

    /// Forgets a stream on which nothing more is sent either way.
    pub(super) fn finish(&mut self, id: u32) {
        if self.streams.close_if_finished(id) {
            self.waste.useful(USEFUL_STREAM);
        }
    }

    /// Resets a stream for what the other end did on it.
    pub(super) fn break_stream<'b>(&mut self, id: u32, code: Code, why: &'static str) -> Event<'b> {
        self.forget(id, Closed::ResetByUs);
        frame::reset(id, code, &mut self.out);
        Event::Broken { stream: id, code, why }
    }

    /// Takes a stream out.
    pub(super) fn forget(&mut self, id: u32, how: Closed) -> bool {
        self.streams.close(id, how)
    }

    /// A stream in its first state.
    pub(super) fn fresh(&self) -> Stream {
        Stream {
            send_window: i64::from(self.theirs.window),
            receive_window: i64::from(self.limits.stream_window),
            owed: 0,
            length_left: None,
            receive_closed: false,
            send_closed: false,
            has_head: false,
            head_only: false,
        }
    }

    /// Ends the connection for what the other end did.
    fn end(&mut self, ended: Ended) -> Ended {
        self.expect = Expect::Nothing;
        frame::goaway(self.last_peer, ended.code, ended.why.as_bytes(), &mut self.out);
        ended
    }
}

pub(super) const fn protocol(why: &'static str) -> Ended {
    Ended { code: Code::PROTOCOL_ERROR, why, flood: None }
}

pub(super) const fn fault(code: Code, why: &'static str) -> Ended {
    Ended { code, why, flood: None }
}

pub(super) const fn flood(what: Flood) -> Ended {
    Ended { code: Code::ENHANCE_YOUR_CALM, why: what.name(), flood: Some(what) }
}

/// What a stream that came to its end pays off.
const USEFUL_STREAM: u32 = 16;
