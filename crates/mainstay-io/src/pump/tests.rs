use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;

trait Peer: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Peer for T {}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tcp,
    Unix,
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let outside = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connect");
    (outside, listener.accept().await.expect("accept").0)
}

/// A connection: the test's end, and the end the pump has.
async fn connection(kind: Kind) -> (Box<dyn Peer>, Stream) {
    match kind {
        Kind::Tcp => {
            let (outside, inside) = tcp_pair().await;
            (Box::new(outside), Stream::Tcp(inside))
        }
        Kind::Unix => {
            let (outside, inside) = UnixStream::pair().expect("a pair");
            (Box::new(outside), Stream::Unix(inside))
        }
    }
}

/// Runs a pump to its end.
struct Driver {
    pump: Pump,
    first: Stream,
    second: Stream,
    pipes: Pipes,
    polls: Rc<Cell<usize>>,
    pipes_seen: Rc<Cell<usize>>,
}

impl Driver {
    fn new(first: Stream, second: Stream) -> Self {
        let (polls, pipes_seen) = (Rc::default(), Rc::default());
        Self { pump: Pump::default(), first, second, pipes: Pipes::default(), polls, pipes_seen }
    }

    async fn run(mut self) -> Pump {
        let mut buffer = vec![0; 64 * 1024];
        poll_fn(|cx| {
            self.polls.set(self.polls.get() + 1);
            let mut lent = Lent { buffer: &mut buffer, pipes: &self.pipes };
            let polled = self.pump.poll(cx, &mut self.first, &mut self.second, &mut lent);
            self.pipes_seen.set(self.pipes_seen.get().max(self.pipes.in_use()));
            polled
        })
        .await;
        self.pump
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("in time")
}

/// Bytes that tell their place, so that a lost, doubled or swapped piece shows.
fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

const KINDS: [(Kind, Kind); 4] =
    [(Kind::Tcp, Kind::Tcp), (Kind::Unix, Kind::Tcp), (Kind::Tcp, Kind::Unix), (Kind::Unix, Kind::Unix)];

#[tokio::test]
async fn messages_of_all_sizes_go_both_ways() {
    for (first, second) in KINDS {
        let ((mut client, one), (mut node, two)) = (connection(first).await, connection(second).await);
        let driver = Driver::new(one, two);
        let sizes = [1_usize, 300, 16_384, 16, 65_536, 65_537, 5, 300_000, 2_000_000, 7, 131_072, 1];
        let talk = async move {
            for size in sizes {
                let sent = pattern(size, size);
                let mut got = vec![0; size];
                let (wrote, read) = tokio::join!(client.write_all(&sent), node.read_exact(&mut got));
                wrote.expect("write");
                read.expect("read");
                assert!(got == sent, "{size} bytes differ at the node");
                let mut echoed = vec![0; size];
                let (wrote, read) = tokio::join!(node.write_all(&got), client.read_exact(&mut echoed));
                wrote.expect("write");
                read.expect("read");
                assert!(echoed == sent, "{size} bytes differ at the client");
            }
        };
        let (pump, ()) = within(async { tokio::join!(driver.run(), talk) }).await;
        let total = sizes.iter().sum::<usize>() as u64;
        for flow in [&pump.forth, &pump.back] {
            assert_eq!((flow.came(), flow.went(), flow.state()), (total, total, State::Ended), "{first:?} {second:?}");
        }
        assert_eq!(pump.forth.opening(), [pattern(1, 1), pattern(300, 15)].concat());
    }
}

#[tokio::test]
async fn an_end_in_one_direction_leaves_the_other_open() {
    for (first, second) in KINDS {
        for swap in [false, true] {
            let ((mut left, one), (mut right, two)) = (connection(first).await, connection(second).await);
            let driver = if swap { Driver::new(two, one) } else { Driver::new(one, two) };
            let talk = async move {
                left.write_all(b"question").await.expect("write");
                left.shutdown().await.expect("shutdown");
                let mut got = Vec::new();
                right.read_to_end(&mut got).await.expect("the end arrives while the other direction is open");
                assert_eq!(got, b"question");
                let answer = pattern(0, 500_000);
                let (wrote, read) = tokio::join!(right.write_all(&answer), async {
                    let mut got = vec![0; answer.len()];
                    left.read_exact(&mut got).await.map(|_| got)
                });
                wrote.expect("write after the other side ended");
                assert!(read.expect("read after ending") == answer, "the answer differs");
                right.shutdown().await.expect("shutdown");
                assert_eq!(left.read(&mut [0; 1]).await.expect("read"), 0);
            };
            let (pump, ()) = within(async { tokio::join!(driver.run(), talk) }).await;
            assert_eq!((pump.forth.state(), pump.back.state()), (State::Ended, State::Ended));
        }
    }
}

#[tokio::test]
async fn a_receiver_that_stops_stops_its_sender_and_loses_nothing() {
    const TOTAL: usize = 64 << 20;
    for (first, second) in [(Kind::Tcp, Kind::Tcp), (Kind::Unix, Kind::Tcp)] {
        let ((mut client, one), (mut node, two)) = (connection(first).await, connection(second).await);
        let driver = Driver::new(one, two);
        let (polls, pipes_seen) = (Rc::clone(&driver.polls), Rc::clone(&driver.pipes_seen));
        let written = Cell::new(0);
        let write = async {
            while written.get() < TOTAL {
                client.write_all(&pattern(written.get(), 1 << 20)).await.expect("write");
                written.set(written.get() + (1 << 20));
            }
            client.shutdown().await.expect("shutdown");
        };
        let read = async {
            stalled(&written, &polls, TOTAL).await;
            let (mut place, mut buffer) = (0, vec![0; 100_003]);
            loop {
                let read = node.read(&mut buffer).await.expect("read");
                if read == 0 {
                    node.shutdown().await.expect("shutdown");
                    break place;
                }
                assert!(buffer[..read] == pattern(place, read), "differs within {read} bytes from {place}");
                place += read;
                tokio::task::yield_now().await;
            }
        };
        let talk = async {
            let ((), place) = tokio::join!(write, read);
            assert_eq!(place, TOTAL);
        };
        let (pump, ()) = within(async { tokio::join!(driver.run(), talk) }).await;
        assert_eq!((pump.forth.went(), pump.forth.state()), (TOTAL as u64, State::Ended));
        assert_eq!(pipes_seen.get(), 1, "large reads did not go through a pipe");
    }
}

/// Waits until nothing moves any more, then sees that nobody is awake.
async fn stalled(written: &Cell<usize>, polls: &Cell<usize>, total: usize) {
    let mut before = (usize::MAX, usize::MAX);
    while before != (written.get(), polls.get()) {
        before = (written.get(), polls.get());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(written.get() < total, "all was taken although nobody reads");
}

#[tokio::test]
async fn a_reset_is_told_apart_from_an_end() {
    let ((client, one), (mut node, two)) = (tcp_pair().await, connection(Kind::Tcp).await);
    let driver = Driver::new(Stream::Tcp(one), two);
    let talk = async move {
        node.write_all(b"hello").await.expect("write");
        let mut client = client;
        client.read_exact(&mut [0; 5]).await.expect("read");
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("linger");
        drop(client);
        node
    };
    let (pump, _node) = within(async { tokio::join!(driver.run(), talk) }).await;
    assert_eq!(pump.forth.state(), State::SenderBroke(io::ErrorKind::ConnectionReset));
    assert_eq!(pump.back.state(), State::Open);
}

#[tokio::test]
async fn what_a_broken_receiver_had_sent_is_still_delivered() {
    let ((mut client, one), (mut node, two)) = (connection(Kind::Tcp).await, tcp_pair().await);
    let mut watched = Stream::Tcp(two);
    let unread = poll_fn(|cx| watched.poll_write(cx, &[IoSlice::new(b"never read")]));
    within(unread).await.expect("write");
    within(node.readable()).await.expect("the bytes are there");
    node.write_all(b"answer").await.expect("write");
    // With bytes unread this is a reset, behind the answer.
    drop(node);
    client.write_all(b"more").await.expect("write");
    within(one.readable_now()).await;
    within(poll_fn(|cx| match &watched {
        Stream::Tcp(stream) => stream.poll_write_ready(cx),
        Stream::Unix(_) | Stream::Tls(_) | Stream::Inner(_) => unreachable!("TCP"),
    }))
    .await
    .expect("ready");
    let pump = within(Driver::new(one, watched).run()).await;
    assert!(matches!(pump.forth.state(), State::ReceiverBroke(_)), "{:?}", pump.forth.state());
    let mut got = [0; 6];
    within(client.read_exact(&mut got)).await.expect("read");
    assert_eq!(&got, b"answer");
}

impl Stream {
    async fn readable_now(&self) {
        poll_fn(|cx| self.poll_readable(cx)).await.expect("readable");
    }
}
