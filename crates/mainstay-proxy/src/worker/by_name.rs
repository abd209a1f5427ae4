//! Which pool a TCP client wants, by the name in its TLS, which is looked at and left where it is.

use std::rc::Rc;

use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::Interrupt;
use mainstay_tls::Refusal;
use mainstay_wire::client_hello::{Hello, MOST, client_hello};

use super::{KILL, Listening, Peer, Worker};
use crate::params::{HELLO_WITHIN, HostName, PoolId, Tcp};
use crate::pool::Permit;

/// Waits for the client's first message and serves it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: Stream,
    peer: Peer,
    permit: Permit,
    tcp: Tcp,
) {
    let slot = worker.timers.slot(listening.group);
    slot.hear(KILL);
    slot.set(clock::now() + HELLO_WITHIN);
    let mut seen = 0;
    let refusal = loop {
        let peeked = slot.wait(|cx| stream.poll_peek(cx, &mut worker.lent.borrow_mut(), seen)).await;
        match peeked {
            Ok(Ok(count)) if count > 0 => seen = count,
            Ok(_) => break Refusal::Ended,
            Err(Interrupt::Expired) => break Refusal::Slow,
            Err(Interrupt::Signal(_)) => return,
        }
        let hello = client_hello(worker.lent.borrow().get(..seen).unwrap_or_default());
        match hello {
            Hello::Whole(name) => {
                let pool = name.and_then(|name| pick(&tcp, &name)).unwrap_or(tcp.pool);
                return worker.admit_to(&listening, stream, peer, permit, Some(pool));
            }
            Hello::More if seen <= MOST => {}
            Hello::More | Hello::Bad => break Refusal::Failed,
            Hello::NotTls => {
                let first = worker.lent.borrow().first().copied().unwrap_or_default();
                break if first.is_ascii_graphic() { Refusal::PlainText } else { Refusal::NotTls };
            }
        }
    };
    stream.reset_on_close();
    listening.refused(&worker, peer, refusal, None);
}

/// The pool whose names fit best: the name itself, then the longest that ends, then the longest that begins it.
fn pick(tcp: &Tcp, host: &str) -> Option<PoolId> {
    let rank = |name: &HostName| match name {
        HostName::Exact(name) => (**name == *host).then_some((2, name.len())),
        HostName::Suffix(tail) => (host.len() > tail.len() && host.ends_with(&**tail)).then_some((1, tail.len())),
        HostName::Prefix(head) => (host.len() > head.len() && host.starts_with(&**head)).then_some((0, head.len())),
    };
    let best = |(names, pool): &(Vec<HostName>, PoolId)| names.iter().filter_map(rank).max().map(|rank| (rank, *pool));
    tcp.by_name.iter().filter_map(best).max_by_key(|(rank, _)| *rank).map(|(_, pool)| pool)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_name_that_says_most_decides() {
        let names = [
            vec![HostName::Exact("a.bank".into())],
            vec![HostName::Suffix(".bank".into()), HostName::Prefix("x.".into())],
            vec![HostName::Suffix(".b.bank".into())],
        ];
        let by_name = names.into_iter().zip(1..).map(|(names, id)| (names, PoolId(id))).collect();
        let tcp = Tcp {
            pool: PoolId(0),
            by_name,
            idle_timeout: Duration::ZERO,
            tries: 0,
            tries_within: Duration::ZERO,
            access_log: false,
            postgres: None,
        };
        let cases =
            [("a.bank", Some(1)), ("c.bank", Some(2)), ("c.b.bank", Some(3)), ("x.y", Some(2)), (".bank", None)];
        for (host, expect) in cases {
            assert_eq!(pick(&tcp, host), expect.map(PoolId), "{host}");
        }
    }
}
