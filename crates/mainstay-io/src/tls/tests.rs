use std::future::poll_fn;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

fn configs() -> Configs {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    Configs { server: Arc::new(server), client: Arc::new(client) }
}

async fn sockets() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (Stream::Tcp(one.unwrap()), Stream::Tcp(other.unwrap().0))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// The client's end and the server's.
async fn pair() -> (Stream, Stream) {
    let Configs { server, client } = configs();
    let (near, far) = sockets().await;
    let (near, far) = tokio::join!(Tls::connect(near, client, localhost()), Tls::accept(far, server));
    (near.unwrap(), far.unwrap())
}

async fn read(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; 64 * 1024];
    let count = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?;
    buf.truncate(count);
    Ok(buf)
}

async fn write(stream: &mut Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let wrote = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await.unwrap();
        bytes = &bytes[wrote..];
    }
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("in time")
}

#[tokio::test]
async fn bytes_go_both_ways_and_ends_are_told_apart() {
    bounded(async {
        let (mut near, mut far) = pair().await;
        let parts = [IoSlice::new(b"GET / "), IoSlice::new(b"HTTP/1.1")];
        assert_eq!(near.try_write(&parts).unwrap(), 14);
        assert_eq!(read(&mut far).await.unwrap(), b"GET / HTTP/1.1");
        write(&mut far, b"answer").await;
        assert_eq!(read(&mut near).await.unwrap(), b"answer");
        // A ticket came before the answer; nothing is left of it.
        assert!(near.is_quiet() && near.is_quiet_now());
        near.shutdown_write().unwrap();
        assert_eq!(read(&mut far).await.unwrap(), b"", "it has said farewell");
        write(&mut far, b"late").await;
        assert_eq!(read(&mut near).await.unwrap(), b"late");
        far.reset_on_close();
        drop(far);
        assert!(read(&mut near).await.is_err(), "a reset is no end");
    })
    .await;
}

#[tokio::test]
async fn an_end_without_farewell_is_an_error() {
    bounded(async {
        let Configs { server, client } = configs();
        let (near, far) = sockets().await;
        let Stream::Tcp(near) = near else { unreachable!("it is TCP") };
        let copy = near.into_std().unwrap();
        let own = Stream::Tcp(TcpStream::from_std(copy.try_clone().unwrap()).unwrap());
        let (near, far) = tokio::join!(Tls::connect(own, client, localhost()), Tls::accept(far, server));
        let (_near, mut far) = (near.unwrap(), far.unwrap());
        copy.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read(&mut far).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    })
    .await;
}

#[tokio::test]
async fn whoever_breaks_the_protocol_later_hears_of_it() {
    bounded(async {
        let Configs { server, client } = configs();
        let (near, far) = sockets().await;
        let Stream::Tcp(near) = near else { unreachable!("it is TCP") };
        let mut copy = near.into_std().unwrap();
        let own = Stream::Tcp(TcpStream::from_std(copy.try_clone().unwrap()).unwrap());
        let (near, far) = tokio::join!(Tls::connect(own, client, localhost()), Tls::accept(far, server));
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        // None of them can be decrypted.
        let record = [b"\x17\x03\x03\x00\x13".as_slice(), &[7; 19]].concat();
        std::io::Write::write_all(&mut copy, &record.repeat(2)).unwrap();
        assert_eq!(read(&mut far).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(far);
        assert_eq!(read(&mut near).await.unwrap_err().kind(), io::ErrorKind::InvalidData, "an alert and no plain end");
    })
    .await;
}

#[tokio::test]
async fn what_the_peer_does_not_take_waits_and_arrives() {
    bounded(async {
        let (mut near, mut far) = pair().await;
        let sent: Vec<u8> = (0..8_000_000_u32).map(|n| n as u8 ^ (n >> 9) as u8).collect();
        let mut went = 0;
        // As the engines write: until the system takes no more.
        loop {
            match near.try_write(&[IoSlice::new(&sent[went..])]) {
                Ok(count) => went += count,
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(went < sent.len(), "it has to wait");
        let mut got = Vec::new();
        let taking = async {
            while got.len() < sent.len() {
                got.extend(read(&mut far).await.unwrap());
            }
        };
        tokio::join!(write(&mut near, &sent[went..]), taking);
        assert!(got == sent, "the bytes differ");
    })
    .await;
}

#[tokio::test]
async fn records_cut_at_every_byte_are_joined() {
    bounded(async {
        let Configs { server, client } = configs();
        let ((near, mut left), (mut right, far)) = (sockets().await, sockets().await);
        let dripping = async {
            let mut byte = [0];
            loop {
                let (from, to) = poll_fn(|cx| {
                    for (from, to) in [(&mut left, 1), (&mut right, 0)] {
                        if from.poll_read(cx, &mut byte).map(|read| read.unwrap_or(0)) == Poll::Ready(1) {
                            return Poll::Ready((byte, to));
                        }
                    }
                    Poll::Pending
                })
                .await;
                write(if to == 1 { &mut right } else { &mut left }, &from).await;
            }
        };
        let talk = async {
            let (near, far) = tokio::join!(Tls::connect(near, client, localhost()), Tls::accept(far, server));
            let (mut near, mut far) = (near.unwrap(), far.unwrap());
            let sent: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
            write(&mut near, &sent).await;
            assert_eq!(read(&mut far).await.unwrap(), sent);
            write(&mut far, &sent).await;
            assert_eq!(read(&mut near).await.unwrap(), sent);
        };
        tokio::select! {
            () = dripping => {}
            () = talk => {}
        }
    })
    .await;
}

#[tokio::test]
async fn plain_text_is_told_apart_and_gets_no_alert() {
    bounded(async {
        let (mut near, far) = sockets().await;
        write(&mut near, b"GET / HTTP/1.1\r\n\r\n").await;
        let failed = Tls::accept(far, configs().server).await.unwrap_err();
        assert!(matches!(failed.fault, Fault::NotTls(first) if &first == b"GET "), "{:?}", failed.fault);
        drop(failed);
        assert!(read(&mut near).await.unwrap_or_default().is_empty());
    })
    .await;
}
