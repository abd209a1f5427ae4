//! What goes out.

use super::code::Code;
use super::connection::{Connection, Event, Opens, Role};
use super::fields::Field;
use super::frame::{self, HEAD, Head, MOST_STREAM, flag, kind};
use super::stream::Closed;

impl Connection {
    /// The bytes to be sent next. Whoever sends some takes them out; how many may pile up is the caller's to bound, by
    /// not giving data while there are many.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Opens a stream for a request (client only). `None`: the other end allows no more just now, is going away, or all
    /// identifiers are used up.
    pub fn open(&mut self, head_only: bool) -> Option<u32> {
        if !self.has_room() {
            return None;
        }
        let id = self.next_own;
        self.next_own += 2;
        let mut stream = self.fresh();
        stream.head_only = head_only;
        self.streams.insert(id, stream);
        Some(id)
    }

    /// Whether [`open`](Self::open) would give a stream.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let room = self.theirs.streams.is_none_or(|most| self.streams.len() < most as usize);
        self.role == Role::Client && room && !self.leaving && self.next_own <= MOST_STREAM
    }

    /// Sends a head or trailers: pseudo-header fields first, names in lower case, nothing about the connection; all of
    /// that is the caller's. With `end` nothing more is sent on the stream. `false`: the stream is no more, or has ended.
    pub fn headers<'f>(&mut self, id: u32, fields: impl IntoIterator<Item = Field<'f>>, end: bool) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        if stream.send_closed {
            return false;
        }
        stream.send_closed = end;
        let at = self.out.len();
        self.out.extend_from_slice(&[0; HEAD]);
        self.encoder.start(&mut self.out);
        for field in fields {
            self.encoder.field(field, &mut self.out);
        }
        self.frame_block(at, id, end);
        self.finish(id);
        true
    }

    /// Sends as much of `bytes` as the windows allow, and says how much that was. With `end` the stream ends, if all of
    /// it could be sent. What was not taken is to be given again after [`Event::Window`].
    pub fn data(&mut self, id: u32, bytes: &[u8], end: bool) -> usize {
        let room = self.room(id);
        let Some(stream) = self.streams.get_mut(id) else { return 0 };
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.send_window -= now.len() as i64;
        self.send_window -= now.len() as i64;
        let ends = end && later.is_empty();
        if ends {
            stream.send_closed = true;
        }
        let mut left = now;
        while !left.is_empty() || (ends && now.is_empty()) {
            let (piece, rest) = left.split_at(left.len().min(self.theirs.payload as usize));
            let flags = if ends && rest.is_empty() { flag::END_STREAM } else { 0 };
            let length = u32::try_from(piece.len()).unwrap_or(0);
            Head { length, kind: kind::DATA, flags, stream: id }.write(&mut self.out);
            self.out.extend_from_slice(piece);
            self.waste.useful(USEFUL_DATA);
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        self.finish(id);
        now.len()
    }

    /// How many bytes [`data`](Self::data) would take on this stream now.
    #[must_use]
    pub fn room(&self, id: u32) -> usize {
        let stream = self.streams.get(id).filter(|stream| !stream.send_closed);
        let window = stream.map_or(0, |stream| stream.send_window.min(self.send_window));
        usize::try_from(window).unwrap_or(0)
    }

    /// Gives a stream up. Nothing that the other end still sends on it is told.
    pub fn reset(&mut self, id: u32, code: Code) {
        if self.forget(id, Closed::ResetByUs) {
            frame::reset(id, code, &mut self.out);
        }
    }

    /// So many bytes of a stream's body have gone on: the other end may send as many more. Given back in portions of half
    /// a window.
    pub fn release(&mut self, id: u32, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.release_shared(bytes);
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.owed = stream.owed.saturating_add(bytes);
        if !stream.receive_closed && stream.owed >= self.limits.stream_window.div_ceil(2) {
            stream.receive_window += i64::from(stream.owed);
            frame::window_update(id, stream.owed, &mut self.out);
            stream.owed = 0;
        }
    }

    /// The same for the connection alone, of what came as data.
    pub(super) fn release_shared(&mut self, bytes: u32) {
        if self.limits.connection_opens == Opens::OnRelease {
            self.release_connection(bytes);
        }
    }

    /// The same for the connection alone. Where streams stand still, half a window may never come together: then at once.
    pub(super) fn release_connection(&mut self, bytes: u32) {
        self.owed = self.owed.saturating_add(bytes);
        let half = self.limits.connection_window.div_ceil(2);
        if self.owed > 0 && (self.owed >= half || self.receive_window <= i64::from(half)) {
            self.receive_window += i64::from(self.owed);
            frame::window_update(0, self.owed, &mut self.out);
            self.owed = 0;
        }
    }

    /// Asks whether the other end is there; it answers with [`Event::Pong`].
    pub fn ping(&mut self, payload: [u8; 8]) {
        frame::ping(0, payload, &mut self.out);
    }

    /// Announces that the connection will end, while new streams are still taken: whoever had not heard of it when it sent
    /// one loses nothing (RFC 9113 6.8). To be followed by [`go_away`](Self::go_away) a round trip later.
    pub fn announce_end(&mut self) {
        frame::goaway(MOST_STREAM, Code::NO_ERROR, &[], &mut self.out);
    }

    /// Takes no stream beyond those that came. The connection may be closed once there is none left.
    pub fn go_away(&mut self, code: Code) {
        self.last_taken = Some(self.last_peer);
        frame::goaway(self.last_peer, code, &[], &mut self.out);
    }

    pub(super) fn end_of_body<'b>(&mut self, id: u32) -> Option<Event<'b>> {
        self.body(id, &[], true)
    }

    /// Makes frames of the block that was written from `at` on, behind room for one head.
    fn frame_block(&mut self, at: usize, id: u32, end: bool) {
        let most = self.theirs.payload as usize;
        let length = self.out.len().saturating_sub(at + HEAD);
        let end_stream = if end { flag::END_STREAM } else { 0 };
        let first = length.min(most);
        let end_headers = if first == length { flag::END_HEADERS } else { 0 };
        self.write_head_at(at, first, kind::HEADERS, end_stream | end_headers, id);
        let mut place = at + HEAD + first;
        let mut left = length - first;
        while left > 0 {
            let piece = left.min(most);
            let flags = if piece == left { flag::END_HEADERS } else { 0 };
            self.out.splice(place..place, [0; HEAD]);
            self.write_head_at(place, piece, kind::CONTINUATION, flags, id);
            place += HEAD + piece;
            left -= piece;
        }
    }

    fn write_head_at(&mut self, at: usize, length: usize, kind: u8, flags: u8, stream: u32) {
        let bytes = Head { length: u32::try_from(length).unwrap_or(0), kind, flags, stream }.bytes();
        if let Some(place) = self.out.get_mut(at..at + HEAD) {
            place.copy_from_slice(&bytes);
        }
    }
}

/// What a DATA frame of ours pays off: the other end may answer it with a WINDOW_UPDATE or two.
const USEFUL_DATA: u32 = 2;
