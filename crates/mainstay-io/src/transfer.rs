//! A known number of bytes from one stream to another through a pipe, without copying them.

use std::io;
use std::task::{Context, Poll, ready};

use crate::pipes::{Pipe, Pipes};
use crate::pump::{poll_drain, poll_fill};
use crate::stream::Stream;

/// So many bytes on their way from one stream to another.
#[derive(Debug)]
pub struct Transfer {
    pipe: Pipe,
    /// Bytes not read yet.
    left: u64,
}

/// Why a transfer did not get to its end.
#[derive(Debug)]
pub enum TransferEnd {
    /// The sender ended or broke.
    Sender,
    /// The receiver broke.
    Receiver,
    /// The system does not splice these sockets. Nothing was moved; copy instead.
    Unable,
}

impl Transfer {
    /// A transfer of `bytes`; `None` when no pipe can be had, so that the bytes have to be copied.
    #[must_use]
    pub fn new(pipes: &Pipes, bytes: u64) -> Option<Self> {
        Some(Self { pipe: pipes.take()?, left: bytes })
    }

    /// Bytes the receiver has not got yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left + self.held()
    }

    /// Whether it waits for the receiver rather than for the sender.
    #[must_use]
    pub fn waits_for_receiver(&self) -> bool {
        self.held() > 0
    }

    /// Carries what can be carried; ready when all is through.
    pub fn poll(&mut self, cx: &mut Context<'_>, from: &Stream, to: &Stream) -> Poll<Result<(), TransferEnd>> {
        for _ in 0..ROUNDS {
            if self.held() > 0 {
                match ready!(poll_drain(cx, to, &mut self.pipe)) {
                    Ok(moved) if moved > 0 => {}
                    _ => return Poll::Ready(Err(TransferEnd::Receiver)),
                }
            } else if self.left == 0 {
                return Poll::Ready(Ok(()));
            } else {
                let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                match ready!(poll_fill(cx, from, &mut self.pipe, most)) {
                    Ok(came) if came > 0 => self.left = self.left.saturating_sub(came as u64),
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        return Poll::Ready(Err(TransferEnd::Unable));
                    }
                    _ => return Poll::Ready(Err(TransferEnd::Sender)),
                }
            }
        }
        // Others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn held(&self) -> u64 {
        self.pipe.held() as u64
    }
}

/// Moves in a row before others have their turn.
const ROUNDS: usize = 16;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (ours.unwrap(), Stream::Tcp(accepted.unwrap().0))
    }

    #[tokio::test]
    async fn exactly_so_many_bytes_go_over_and_the_rest_stays() {
        let ((mut sender, from), (mut receiver, to)) = (pair().await, pair().await);
        let pipes = Pipes::default();
        let sent: Vec<u8> = (0..3_000_007_u32).map(|n| n as u8 ^ (n >> 8) as u8).collect();
        let (before, after) = sent.split_at(sent.len() - 7);
        let mut transfer = Transfer::new(&pipes, before.len() as u64).unwrap();
        let work = async {
            let mut got = vec![0; before.len()];
            let (_, moved, _) = tokio::join!(
                sender.write_all(&sent),
                poll_fn(|cx| transfer.poll(cx, &from, &to)),
                receiver.read_exact(&mut got)
            );
            moved.unwrap();
            assert!(got == before, "the bytes differ");
            assert_eq!(transfer.left(), 0);
            let Stream::Tcp(mut from) = from else { unreachable!("it is TCP") };
            let mut rest = [0; 7];
            from.read_exact(&mut rest).await.unwrap();
            assert_eq!(rest, after);
        };
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap();
    }

    #[tokio::test]
    async fn a_sender_that_ends_early_is_told() {
        let ((sender, from), (_receiver, to)) = (pair().await, pair().await);
        drop(sender);
        let mut transfer = Transfer::new(&Pipes::default(), 10).unwrap();
        let ended = poll_fn(|cx| transfer.poll(cx, &from, &to)).await;
        assert!(matches!(ended, Err(TransferEnd::Sender)), "{ended:?}");
        assert!(!transfer.waits_for_receiver());
    }
}
