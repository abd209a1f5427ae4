//! Frames as they come in, one kind a function.

use super::code::Code;
use super::connection::{Block, Connection, Data, Ended, Event, Expect, Opens, Role, Step, fault, flood, protocol};
use super::frame::{self, HEAD, Head, MOST_PAYLOAD, MOST_STREAM, flag, kind};
use super::message;
use super::settings;
use super::stream::Closed;
use super::waste::Flood;

impl Connection {
    /// Reads one frame, or the head of a DATA frame.
    pub(super) fn frame<'b>(&mut self, bytes: &'b [u8]) -> Result<Step<'b>, Ended> {
        let Some(head) = Head::read(bytes) else { return Ok(Step { used: 0, event: None }) };
        self.admit(head)?;
        let payload = bytes.get(HEAD..).unwrap_or_default();
        if head.kind == kind::DATA {
            return self.data_head(head, payload);
        }
        let Some(payload) = payload.get(..head.length as usize) else { return Ok(Step { used: 0, event: None }) };
        if self.expect == Expect::First {
            self.expect = Expect::Frame;
        }
        let event = match head.kind {
            kind::HEADERS => self.headers_frame(head, payload)?,
            kind::PRIORITY => self.priority(head, payload)?,
            kind::RST_STREAM => self.rst_stream(head, payload)?,
            kind::SETTINGS => self.settings_frame(head, payload)?,
            kind::PUSH_PROMISE => return Err(protocol("PUSH_PROMISE, which was never allowed")),
            kind::PING => self.ping_frame(head, payload)?,
            kind::GOAWAY => self.goaway_frame(head, payload)?,
            kind::WINDOW_UPDATE => self.window_update(head, payload)?,
            kind::CONTINUATION => self.continuation(head, payload)?,
            _ => {
                self.waste.add(Flood::Other).map_err(flood)?;
                None
            }
        };
        Ok(Step { used: HEAD + payload.len(), event })
    }

    /// Judges what can be judged by the head alone, before its payload is waited for.
    fn admit(&self, head: Head) -> Result<(), Ended> {
        if head.length > MOST_PAYLOAD {
            return Err(fault(Code::FRAME_SIZE_ERROR, "a frame is larger than was allowed"));
        }
        match self.expect {
            Expect::First if head.kind != kind::SETTINGS || head.has(flag::ACK) => {
                Err(protocol("the first frame is not SETTINGS"))
            }
            Expect::Continuation(block) if head.kind != kind::CONTINUATION || head.stream != block.stream => {
                Err(protocol("another frame within a field block"))
            }
            Expect::Frame if head.kind == kind::CONTINUATION => Err(protocol("CONTINUATION without a field block")),
            _ => Ok(()),
        }
    }

    fn data_head<'b>(&mut self, head: Head, payload: &'b [u8]) -> Result<Step<'b>, Ended> {
        let (padding, padded) = match payload.first() {
            _ if !head.has(flag::PADDED) => (0, 0),
            None if head.length > 0 => return Ok(Step { used: 0, event: None }),
            None => (1, 1),
            Some(padding) => (u32::from(*padding), 1),
        };
        let Some(left) = head.length.checked_sub(padding + padded) else {
            return Err(protocol("more padding than payload"));
        };
        let id = head.stream;
        self.must_not_be_idle(id)?;
        self.receive_window -= i64::from(head.length);
        if self.receive_window < 0 {
            return Err(fault(Code::FLOW_CONTROL_ERROR, "more data than the connection's window"));
        }
        let end = head.has(flag::END_STREAM);
        let used = HEAD + padded as usize;
        let mut data = Data { stream: id, left, padding, end, dropped: false };
        let refused = self.refuse_data(id, head.length, end)?;
        // Padding is never waited for by anybody: it is given back as soon as it is known.
        let all = refused.is_some() || self.limits.connection_opens == Opens::OnReceipt;
        let released = if all { head.length } else { padding + padded };
        data.dropped = refused.is_some();
        self.release_connection(released);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.owed += padding + padded;
        }
        if left == 0 && !end {
            self.waste.add(Flood::EmptyData).map_err(flood)?;
        } else if !data.dropped {
            self.waste.useful(1);
        }
        let nothing_follows = left == 0 && padding == 0;
        self.expect = if nothing_follows && (!end || data.dropped) { Expect::Frame } else { Expect::Data(data) };
        if let Some(Some(event)) = refused {
            return Ok(Step { used, event: Some(event) });
        }
        if nothing_follows && end && !data.dropped {
            // The empty end of a body has no bytes to wait for.
            self.expect = Expect::Frame;
            return Ok(Step { used, event: self.end_of_body(id) });
        }
        Ok(Step { used, event: None })
    }

    /// `Some` when the data is only to be counted, with what to say about it.
    fn refuse_data<'b>(&mut self, id: u32, length: u32, end: bool) -> Result<Option<Option<Event<'b>>>, Ended> {
        let Some(stream) = self.streams.get_mut(id) else {
            return match self.streams.how_closed(id) {
                Some(Closed::Finished) => Err(fault(Code::STREAM_CLOSED, "DATA on a stream that had ended")),
                Some(Closed::ResetByUs) => {
                    if !self.streams.take_late(id, length, end) {
                        self.waste.add(Flood::LateData).map_err(flood)?;
                    }
                    Ok(Some(None))
                }
                Some(Closed::ResetByPeer) | None => {
                    self.waste.add(Flood::Broken).map_err(flood)?;
                    frame::reset(id, Code::STREAM_CLOSED, &mut self.out);
                    Ok(Some(None))
                }
            };
        };
        if stream.receive_closed {
            return Ok(Some(Some(self.break_stream(id, Code::STREAM_CLOSED, "DATA behind the end of a stream"))));
        }
        if !stream.has_head {
            return Ok(Some(Some(self.break_stream(id, Code::PROTOCOL_ERROR, "DATA before a response's head"))));
        }
        stream.receive_window -= i64::from(length);
        if stream.receive_window < 0 {
            let why = "more data than the stream's window";
            return Ok(Some(Some(self.break_stream(id, Code::FLOW_CONTROL_ERROR, why))));
        }
        Ok(None)
    }

    fn headers_frame<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        if head.stream == 0 {
            return Err(protocol("HEADERS on stream 0"));
        }
        let mut rest = payload;
        let mut padding = 0;
        if head.has(flag::PADDED) {
            let (first, behind) = rest.split_first().ok_or(fault(Code::FRAME_SIZE_ERROR, "HEADERS is too short"))?;
            padding = usize::from(*first);
            rest = behind;
        }
        let mut depends_on_itself = false;
        if head.has(flag::PRIORITY) {
            let on = frame::number(rest).ok_or(fault(Code::FRAME_SIZE_ERROR, "HEADERS is too short"))?;
            depends_on_itself = on & MOST_STREAM == head.stream;
            rest = rest.get(5..).ok_or(fault(Code::FRAME_SIZE_ERROR, "HEADERS is too short"))?;
        }
        let length = rest.len().checked_sub(padding).ok_or(protocol("more padding than payload"))?;
        let piece = rest.get(..length).unwrap_or_default();
        let block = Block { stream: head.stream, end: head.has(flag::END_STREAM) };
        self.open_for(block)?;
        if depends_on_itself {
            self.read_block(piece, head)?;
            return Ok(Some(self.break_stream(head.stream, Code::PROTOCOL_ERROR, "a stream that depends on itself")));
        }
        if head.has(flag::END_HEADERS) {
            return self.section(block, piece);
        }
        self.block.clear();
        self.add_to_block(piece)?;
        self.expect = Expect::Continuation(block);
        Ok(None)
    }

    /// Reads a block whose stream is broken anyway, so that the table stays in step.
    fn read_block(&mut self, piece: &[u8], head: Head) -> Result<(), Ended> {
        if !head.has(flag::END_HEADERS) {
            return Err(protocol("a stream that depends on itself"));
        }
        let read = self.decoder.decode(piece, self.limits.list, &mut self.fields);
        read.map(drop).map_err(|_| fault(Code::COMPRESSION_ERROR, "a field block cannot be read"))
    }

    /// Judges whether a field block may come on this stream.
    fn open_for(&mut self, block: Block) -> Result<(), Ended> {
        let id = block.stream;
        if self.streams.get(id).is_some() {
            return Ok(());
        }
        if self.role == Role::Server && id % 2 == 1 && id > self.last_peer {
            return Ok(());
        }
        match self.streams.how_closed(id) {
            Some(Closed::ResetByUs) => Ok(()),
            Some(Closed::ResetByPeer) => {
                self.waste.add(Flood::Broken).map_err(flood)?;
                Ok(())
            }
            Some(Closed::Finished) => Err(fault(Code::STREAM_CLOSED, "HEADERS on a stream that had ended")),
            None => Err(protocol("HEADERS on a stream that cannot be opened")),
        }
    }

    fn continuation<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        let Expect::Continuation(block) = self.expect else {
            return Err(protocol("CONTINUATION without a field block"));
        };
        self.waste.add(Flood::Continuation).map_err(flood)?;
        self.add_to_block(payload)?;
        if !head.has(flag::END_HEADERS) {
            return Ok(None);
        }
        self.expect = Expect::Frame;
        let bytes = std::mem::take(&mut self.block);
        let event = self.section(block, &bytes);
        self.block = bytes;
        event
    }

    fn add_to_block(&mut self, piece: &[u8]) -> Result<(), Ended> {
        if self.block.len() + piece.len() > self.limits.block {
            return Err(flood(Flood::Continuation));
        }
        self.block.extend_from_slice(piece);
        Ok(())
    }

    /// Takes in a whole field section.
    fn section<'b>(&mut self, block: Block, bytes: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        let Block { stream: id, end } = block;
        let read = self.decoder.decode(bytes, self.limits.list, &mut self.fields);
        let fits = read.map_err(|_| fault(Code::COMPRESSION_ERROR, "a field block cannot be read"))?;
        let Some(stream) = self.streams.get(id) else {
            return match self.streams.how_closed(id) {
                // Sent before it could know, or told already.
                Some(Closed::ResetByUs) => Ok(None),
                Some(_) => {
                    frame::reset(id, Code::STREAM_CLOSED, &mut self.out);
                    Ok(None)
                }
                None => self.new_request(id, end, fits),
            };
        };
        if stream.receive_closed {
            return Ok(Some(self.break_stream(id, Code::STREAM_CLOSED, "HEADERS behind the end of a stream")));
        }
        if stream.has_head {
            return Ok(Some(self.end_with_trailers(id, end, fits)));
        }
        Ok(Some(self.response(id, end, fits)))
    }

    fn new_request<'b>(&mut self, id: u32, end: bool, fits: bool) -> Result<Option<Event<'b>>, Ended> {
        if self.last_taken.is_some_and(|last| id > last) {
            // It was told that none is taken any more, and will do it again elsewhere.
            return Ok(None);
        }
        self.last_peer = id;
        if self.streams.len() >= self.limits.streams as usize {
            self.waste.add(Flood::Broken).map_err(flood)?;
            frame::reset(id, Code::REFUSED_STREAM, &mut self.out);
            return Ok(None);
        }
        let mut stream = self.fresh();
        stream.has_head = true;
        stream.receive_closed = end;
        if !fits {
            self.waste.add(Flood::LargeHead).map_err(flood)?;
            self.streams.insert(id, stream);
            return Ok(Some(Event::TooLarge { stream: id, end }));
        }
        let facts = message::request(&self.fields);
        let wrong = match facts {
            Ok(facts) if end && facts.length.is_some_and(|length| length > 0) => {
                Some("a body is shorter than its content-length")
            }
            Ok(facts) => {
                stream.length_left = facts.length;
                None
            }
            Err(why) => Some(why),
        };
        self.streams.insert(id, stream);
        if let Some(why) = wrong {
            self.waste.add(Flood::Broken).map_err(flood)?;
            return Ok(Some(self.break_stream(id, Code::PROTOCOL_ERROR, why)));
        }
        Ok(Some(Event::Head { stream: id, end, interim: false }))
    }

    fn response<'b>(&mut self, id: u32, end: bool, fits: bool) -> Event<'b> {
        if !fits {
            return self.break_stream(id, Code::ENHANCE_YOUR_CALM, "a response's fields are too large");
        }
        let facts = match message::response(&self.fields) {
            Ok(facts) => facts,
            Err(why) => return self.break_stream(id, Code::PROTOCOL_ERROR, why),
        };
        let interim = facts.status < 200;
        if interim && end {
            return self.break_stream(id, Code::PROTOCOL_ERROR, "an interim response ends its stream");
        }
        let mut wrong = false;
        if let Some(stream) = self.streams.get_mut(id)
            && !interim
        {
            let bodiless = stream.head_only || facts.status == 304;
            stream.has_head = true;
            stream.length_left = if bodiless { Some(0) } else { facts.length };
            stream.receive_closed = end;
            wrong = end && !bodiless && facts.length.is_some_and(|length| length > 0);
        }
        if wrong {
            return self.break_stream(id, Code::PROTOCOL_ERROR, "a body is shorter than its content-length");
        }
        if end {
            self.finish(id);
        }
        Event::Head { stream: id, end, interim }
    }

    fn end_with_trailers<'b>(&mut self, id: u32, end: bool, fits: bool) -> Event<'b> {
        if !end {
            return self.break_stream(id, Code::PROTOCOL_ERROR, "a second head that is not the end of its stream");
        }
        if !fits {
            return self.break_stream(id, Code::ENHANCE_YOUR_CALM, "trailers are too large");
        }
        if let Err(why) = message::trailers(&self.fields) {
            return self.break_stream(id, Code::PROTOCOL_ERROR, why);
        }
        if self.streams.get(id).is_some_and(|stream| stream.length_left.is_some_and(|left| left > 0)) {
            return self.break_stream(id, Code::PROTOCOL_ERROR, "a body is shorter than its content-length");
        }
        if let Some(stream) = self.streams.get_mut(id) {
            stream.receive_closed = true;
        }
        self.finish(id);
        Event::Trailers { stream: id }
    }

    fn priority<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        self.waste.add(Flood::Other).map_err(flood)?;
        if head.stream == 0 {
            return Err(protocol("PRIORITY on stream 0"));
        }
        let wrong = match frame::number(payload) {
            Some(on) if payload.len() == 5 => {
                (on & MOST_STREAM == head.stream).then_some((Code::PROTOCOL_ERROR, "a stream that depends on itself"))
            }
            _ => Some((Code::FRAME_SIZE_ERROR, "PRIORITY of a wrong size")),
        };
        // Priorities are given up (RFC 9113 5.3): what is well-formed has no effect.
        Ok(wrong.map(|(code, why)| self.break_stream(head.stream, code, why)))
    }

    fn rst_stream<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        let [a, b, c, d] = *payload else { return Err(fault(Code::FRAME_SIZE_ERROR, "RST_STREAM of a wrong size")) };
        self.must_not_be_idle(head.stream)?;
        let code = Code(u32::from_be_bytes([a, b, c, d]));
        if !self.forget(head.stream, Closed::ResetByPeer) {
            self.waste.add(Flood::Other).map_err(flood)?;
            return Ok(None);
        }
        self.waste.add(Flood::Reset).map_err(flood)?;
        Ok(Some(Event::Reset { stream: head.stream, code }))
    }

    fn settings_frame<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        if head.stream != 0 {
            return Err(protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(fault(Code::FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS has a payload"));
            }
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            return Ok(None);
        }
        if !payload.len().is_multiple_of(6) {
            return Err(fault(Code::FRAME_SIZE_ERROR, "SETTINGS of a wrong size"));
        }
        self.waste.add(Flood::Settings).map_err(flood)?;
        let before = self.theirs;
        self.theirs.apply(payload).map_err(|code| fault(code, "a setting beyond its bounds"))?;
        let change = i64::from(self.theirs.window) - i64::from(before.window);
        for stream in self.streams.all_mut() {
            stream.send_window += change;
            if stream.send_window > i64::from(MOST_STREAM) {
                return Err(fault(Code::FLOW_CONTROL_ERROR, "a window larger than a window can be"));
            }
        }
        if self.theirs.table != before.table {
            self.encoder.allow(self.theirs.table as usize);
        }
        settings::acknowledge(&mut self.out);
        Ok(Some(Event::Settings))
    }

    fn ping_frame<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        if head.stream != 0 {
            return Err(protocol("PING on a stream"));
        }
        let Ok(payload) = <[u8; 8]>::try_from(payload) else {
            return Err(fault(Code::FRAME_SIZE_ERROR, "PING of a wrong size"));
        };
        if head.has(flag::ACK) {
            return Ok(Some(Event::Pong { payload }));
        }
        self.waste.add(Flood::Ping).map_err(flood)?;
        frame::ping(flag::ACK, payload, &mut self.out);
        Ok(None)
    }

    fn goaway_frame<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        if head.stream != 0 {
            return Err(protocol("GOAWAY on a stream"));
        }
        let code = payload.get(4..).and_then(frame::number);
        let (Some(last), Some(code)) = (frame::number(payload), code) else {
            return Err(fault(Code::FRAME_SIZE_ERROR, "GOAWAY of a wrong size"));
        };
        self.waste.add(Flood::Other).map_err(flood)?;
        self.leaving = true;
        Ok(Some(Event::GoAway { last: last & MOST_STREAM, code: Code(code) }))
    }

    fn window_update<'b>(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'b>>, Ended> {
        let [a, b, c, d] = *payload else { return Err(fault(Code::FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size")) };
        let increment = i64::from(u32::from_be_bytes([a, b, c, d]) & MOST_STREAM);
        self.waste.add(Flood::WindowUpdate).map_err(flood)?;
        let id = head.stream;
        if id == 0 {
            if increment == 0 {
                return Err(protocol("WINDOW_UPDATE by nothing"));
            }
            self.send_window += increment;
            if self.send_window > i64::from(MOST_STREAM) {
                return Err(fault(Code::FLOW_CONTROL_ERROR, "a window larger than a window can be"));
            }
            return Ok(Some(Event::Window { stream: 0 }));
        }
        self.must_not_be_idle(id)?;
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        stream.send_window += increment;
        let too_large = stream.send_window > i64::from(MOST_STREAM);
        if increment == 0 {
            return Ok(Some(self.break_stream(id, Code::PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")));
        }
        if too_large {
            let why = "a window larger than a window can be";
            return Ok(Some(self.break_stream(id, Code::FLOW_CONTROL_ERROR, why)));
        }
        Ok(Some(Event::Window { stream: id }))
    }

    fn must_not_be_idle(&self, id: u32) -> Result<(), Ended> {
        let highest = match self.role {
            Role::Server if id % 2 == 1 => self.last_peer,
            Role::Client if id % 2 == 1 => self.next_own.saturating_sub(2),
            _ => 0,
        };
        if id == 0 || id > highest { Err(protocol("a frame on a stream that was never opened")) } else { Ok(()) }
    }
}
