//! What is known of a session that carries PostgreSQL's protocol: that the client speaks first, and how it is told that it
//! cannot be served. Nothing else of it is read; encryption, cancel requests and whatever comes later pass untouched.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use mainstay_io::timer::Interrupt;

use super::{End, Session};
use crate::counters::{Close, Limit};
use crate::worker::KILL;

impl Session {
    /// Waits for the client's first byte, so that one that says nothing takes none of the server's connections.
    pub(super) async fn hear(&mut self, within: Duration) -> Result<(), End> {
        let end = self.begun + within;
        self.slot.hear(KILL);
        loop {
            self.slot.set(end);
            match self.slot.wait(|cx| self.poll_spoken(cx)).await {
                // Who asks to cancel may have said all there is to say, and sends no more.
                Ok(Ok(1..)) => return Ok(()),
                Ok(_) => return Err(End::left()),
                Err(Interrupt::Signal(signals)) if signals & KILL != 0 => return Err(End::drained()),
                Err(Interrupt::Signal(signals)) => self.slot.lower(signals),
                Err(Interrupt::Expired) => {
                    self.counters.limits.one(Limit::Handshake);
                    return Err(End::refused(Close::Client, "handshake_timeout"));
                }
            }
        }
    }

    /// Ready when something is there to be read, or the end; how much of it was seen.
    fn poll_spoken(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.client.poll_readable(cx))?;
            // The event loop may think that there is something before it knows.
            if !self.client.is_quiet() {
                return Poll::Ready(self.client.peek(&mut [0]));
            }
        }
    }

    /// Answers a client that has asked in plain text to be let in with the error that means "not now", which drivers and
    /// pools try again on; false for any other, which is to be reset. One that asked for encryption first gets no word:
    /// "no" would send it on in plain text or make it say that the server has no TLS, and neither is true.
    pub(super) fn refuse_in_words(&mut self) -> bool {
        let mut opening = [0; STARTUP_MAX];
        let Ok(length) = self.client.peek(&mut opening) else { return false };
        let Some(length) = opening.get(..length).and_then(startup) else { return false };
        let Some(startup) = opening.get_mut(..length) else { return false };
        let mut cx = Context::from_waker(Waker::noop());
        // What is left unread would make the close a reset, which may overtake the words.
        let read = self.client.poll_read(&mut cx, startup);
        if !matches!(read, Poll::Ready(Ok(read)) if read == length) {
            return false;
        }
        self.client.try_write(&[IoSlice::new(&refusal())]).is_ok() && self.client.shutdown_write().is_ok()
    }
}

/// The length of the startup message in plain text that a client opened with, if it is one and all of it is there.
fn startup(opening: &[u8]) -> Option<usize> {
    let number = |at: usize| opening.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (length, version) = (usize::try_from(number(0)?).ok()?, number(4)?);
    (version >> 16 == MAJOR && length <= opening.len()).then_some(length)
}

/// The server's word for "not now".
fn refusal() -> Vec<u8> {
    let mut fields = Vec::new();
    for (field, text) in [
        (b'S', "FATAL"),
        (b'V', "FATAL"),
        (b'C', "57P03"),
        (b'M', "no primary of the database can be reached just now"),
        (b'H', "Mainstay lets nobody through: its status says why."),
    ] {
        fields.push(field);
        fields.extend_from_slice(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).unwrap_or(0);
    [&b"E"[..], &length.to_be_bytes(), &fields].concat()
}

/// Of the protocol that startup messages ask for; requests for encryption and to cancel have others.
const MAJOR: u32 = 3;
/// The longest startup message that is answered; the server itself takes no more than 10,000 bytes.
const STARTUP_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_startup_message_in_plain_text_is_one() {
        let message = |version: u32, rest: &[u8]| {
            let length = u32::try_from(8 + rest.len()).unwrap();
            [&length.to_be_bytes()[..], &version.to_be_bytes(), rest].concat()
        };
        for (opening, expect) in [
            (message(0x3_0000, b"user\0m\0\0"), Some(16)),
            (message(0x3_0002, b"\0"), Some(9)),
            ([message(0x3_0000, b"\0"), b"more".to_vec()].concat(), Some(9)),
            (message(0x3_0000, b"user\0m\0\0")[..12].to_vec(), None),
            (message(80_877_103, b""), None),
            (message(80_877_104, b""), None),
            (message(80_877_102, &[0; 8]), None),
            (message(0x2_0000, b""), None),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03".to_vec(), None),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
            (vec![0, 0, 0], None),
            (Vec::new(), None),
            (vec![0xff; 64], None),
        ] {
            assert_eq!(startup(&opening), expect, "{opening:?}");
        }
    }

    #[test]
    fn the_refusal_is_one_whole_message() {
        let refusal = refusal();
        let length: [u8; 4] = refusal[1..5].try_into().unwrap();
        assert_eq!(u32::from_be_bytes(length) as usize, refusal.len() - 1);
        assert!(refusal.windows(7).any(|window| window == b"C57P03\0") && refusal.ends_with(b"\0\0"));
    }
}
