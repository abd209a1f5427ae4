//! A client's TLS handshake, before its connection is served.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::{Interrupt, Slot};
use mainstay_io::tls::{Fault, Tls};
use mainstay_tls::{Refusal, Server};

use super::{KILL, Listening, Peer, Worker};
use crate::params::{PoolId, Service};
use crate::pool::Permit;

/// Shakes hands with a client and serves it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: Stream,
    peer: Peer,
    permit: Permit,
    server: Arc<Server>,
    pool: Option<PoolId>,
) {
    let slot = worker.timers.slot(listening.group);
    slot.hear(KILL);
    let begun = clock::now();
    slot.set(begun + server.settings.handshake);
    let material = server.live().current();
    let mut shaking = pin!(Tls::accept(stream, Arc::clone(&material.config)));
    let shaken = slot.wait(|cx| shaking.as_mut().poll(cx)).await;
    let refusal = match shaken {
        Ok(Ok(Stream::Tls(mut tls))) => match material.admit(tls.peer_chain().as_deref(), tls.is_resumed()) {
            Ok(identity) => {
                tls.set_identity(identity);
                if let Some(counters) = listening.counters() {
                    counters.handshakes.one();
                    counters.handshake.record(clock::now().since(begun));
                    if tls.is_resumed() {
                        counters.resumed.one();
                    }
                }
                return worker.serve(listening, Stream::Tls(tls), peer, permit, pool);
            }
            Err(refusal) => {
                tls.reset_on_close();
                refusal
            }
        },
        Ok(Ok(_)) => return,
        Ok(Err(failed)) => {
            let refusal = told(&failed.fault);
            refuse(&worker, &listening, failed.socket, refusal, &slot).await;
            return listening.refused(&worker, peer, refusal, Some(&failed.fault));
        }
        Err(Interrupt::Expired) => Refusal::Slow,
        Err(Interrupt::Signal(_)) => return,
    };
    listening.refused(&worker, peer, refusal, None);
}

/// What a fault is called.
pub(crate) fn told(fault: &Fault) -> Refusal {
    match fault {
        Fault::Tls(error) => Refusal::of(error),
        Fault::NotTls([first, ..]) if first.is_ascii_graphic() => Refusal::PlainText,
        Fault::NotTls(_) => Refusal::NotTls,
        Fault::Ended => Refusal::Ended,
        Fault::Io(_) => Refusal::Ended,
    }
}

/// Lets the client read why, for a while.
async fn refuse(worker: &Worker, listening: &Listening, mut socket: Stream, refusal: Refusal, slot: &Slot) {
    if matches!(refusal, Refusal::Ended | Refusal::NotTls) {
        return;
    }
    let is_http = listening.setup().is_some_and(|(setup, index)| {
        setup.plan.listeners.get(index).is_some_and(|listener| matches!(listener.service, Service::Http(_)))
    });
    if refusal == Refusal::PlainText && is_http {
        // Whoever does not take so little at once gets a closed connection.
        let _ = socket.try_write(&[std::io::IoSlice::new(PLAIN_TEXT)]);
    }
    if socket.shutdown_write().is_err() {
        return;
    }
    slot.set(clock::now() + LAST_WORDS);
    let mut left = LAST_BYTES;
    while left > 0 {
        let read = slot.wait(|cx| socket.poll_read(cx, &mut worker.lent.borrow_mut())).await;
        match read {
            Ok(Ok(count)) if count > 0 => left = left.saturating_sub(count),
            _ => return,
        }
    }
}

impl Listening {
    /// Counts a client whose handshake came to nothing, and says so in the log, though not for each of many.
    pub(super) fn refused(&self, worker: &Worker, peer: Peer, refusal: Refusal, fault: Option<&Fault>) {
        if let Some(counters) = self.counters() {
            counters.handshakes_failed.one(refusal);
        }
        let Some(unsaid) = worker.refusals.may_say(refusal, clock::now()) else { return };
        let detail = fault.map(ToString::to_string).unwrap_or_default();
        let client = match peer {
            Peer::Tcp(address) => address.to_string(),
            Peer::Unix => "unix".to_owned(),
        };
        tracing::warn!(
            listener = %self.name(),
            client,
            reason = refusal.name(),
            detail,
            unsaid,
            "a client {}",
            refusal.phrase()
        );
    }
}

/// Bounds how often refusals are said in the log: each kind for itself, so that many of one do not hide another.
#[derive(Default)]
pub(crate) struct Sparing {
    kinds: [Kind; Refusal::ALL.len()],
}

#[derive(Default)]
struct Kind {
    last: Cell<Option<Moment>>,
    unsaid: Cell<u64>,
}

impl Sparing {
    /// How many times it was left unsaid since it was last said; `None` when it is to be left unsaid again.
    pub(crate) fn may_say(&self, refusal: Refusal, now: Moment) -> Option<u64> {
        self.kinds.get(refusal as usize)?.may_say(now)
    }
}

impl Kind {
    fn may_say(&self, now: Moment) -> Option<u64> {
        if self.last.get().is_some_and(|last| now.since(last) < APART) {
            self.unsaid.set(self.unsaid.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.unsaid.take())
    }
}

/// What a client gets that speaks plain HTTP.
const PLAIN_TEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 51\r\n\
    Connection: close\r\n\r\nThis port speaks HTTPS, and the request is no TLS.\n";
/// How long a client that is refused may take to read why.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much it may send meanwhile.
const LAST_BYTES: usize = 256 * 1024;
/// Time between two lines about refused clients of one worker.
const APART: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_plain_text_is_as_long_as_it_says() {
        let text = std::str::from_utf8(PLAIN_TEXT).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }

    #[test]
    fn what_is_said_again_and_again_is_said_once_in_a_while() {
        let sparing = Sparing::default();
        let told =
            [0, 1, 999, 1000, 1001, 2500].map(|millis| sparing.may_say(Refusal::Expired, Moment::from_millis(millis)));
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
        assert_eq!(sparing.may_say(Refusal::Revoked, Moment::from_millis(1)), Some(0), "one does not hide another");
    }
}
