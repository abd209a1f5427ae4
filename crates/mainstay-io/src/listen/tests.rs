use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mainstay-listen-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("make a directory");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn unix(path: &std::path::Path) -> Place {
    Place::Unix { path: path.to_owned(), mode: None, owner: (None, None) }
}

fn tcp(text: &str) -> Place {
    Place::Tcp(text.parse().expect("an address"))
}

fn port_of(bound: &Bound) -> SocketAddr {
    match &bound.local {
        Local::Tcp(address) => *address,
        Local::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}

#[track_caller]
fn check_refused(place: &Place, expect: &str) {
    let error = bind(place, 16, 1).expect_err("bind").to_string();
    assert!(error.contains(expect), "{error:?} does not say {expect:?}");
}

/// Accepts one connection on whichever of the listeners gets it.
async fn accept_any(listeners: &[Listener]) -> (usize, Stream, Option<SocketAddr>) {
    std::future::poll_fn(|cx| {
        for (index, listener) in listeners.iter().enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                let (stream, peer) = accepted.expect("accept");
                return Poll::Ready((index, stream, peer));
            }
        }
        Poll::Pending
    })
    .await
}

#[tokio::test]
async fn workers_share_one_port_of_the_kernels_choice() {
    for place in ["127.0.0.1:0", "[::1]:0"] {
        let bound = bind(&tcp(place), 64, 3).expect("bind");
        let address = port_of(&bound);
        assert_ne!(address.port(), 0);
        let listeners: Vec<_> = bound.sockets.into_iter().map(|s| Listener::from_socket(s).expect("open")).collect();
        assert!(listeners.iter().all(|l| l.local_addr() == Some(address)));
        let mut served = [0; 3];
        // A connection lands on a socket by the hash of its addresses, so 200 reach all three but for 3 * (2/3)^200.
        for _ in 0..200 {
            let client = TcpStream::connect(address).expect("connect");
            let (index, stream, peer) = accept_any(&listeners).await;
            served[index] += 1;
            assert_eq!(peer, client.local_addr().ok());
            let Stream::Tcp(stream) = stream else { panic!("not TCP") };
            assert!(stream.nodelay().expect("nodelay"), "small writes are delayed");
            assert!(SockRef::from(&stream).keepalive().expect("keepalive"), "silent peers are not probed");
        }
        assert!(served.iter().all(|n| *n > 0), "{served:?}");
        drop(listeners);
        TcpStream::connect(address).expect_err("nobody listens any more");
    }
}

#[test]
fn an_address_in_use_is_refused_even_to_the_same_user() {
    let bound = bind(&tcp("127.0.0.1:0"), 16, 2).expect("bind");
    check_refused(&Place::Tcp(port_of(&bound)), "another program listens there already");
    let address = port_of(&bound);
    drop(bound);
    bind(&Place::Tcp(address), 16, 1).expect("free again");
}

#[test]
fn both_families_can_have_the_same_port() {
    let six = bind(&tcp("[::]:0"), 16, 1).expect("bind");
    bind(&tcp(&format!("0.0.0.0:{}", port_of(&six).port())), 16, 1).expect("bind beside");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    check_refused(&tcp("192.0.2.1:0"), "this machine does not have that address");
}

#[tokio::test]
async fn a_unix_socket_has_mode_and_owner_and_goes_with_its_last_listener() {
    let directory = Directory::new();
    let path = directory.file("tm.ipc");
    let us = fs::metadata(&directory.0).expect("metadata");
    let owner = if us.uid() == 0 { (Some(1234), Some(1235)) } else { (Some(us.uid()), Some(us.gid())) };
    let place = Place::Unix { path: path.clone(), mode: Some(0o626), owner };
    let bound = bind(&place, 16, 2).expect("bind");
    let made = fs::metadata(&path).expect("metadata");
    assert_eq!(made.permissions().mode() & 0o7777, 0o626);
    assert_eq!((Some(made.uid()), Some(made.gid())), owner);
    let mut listeners: Vec<_> = bound.sockets.into_iter().map(|s| Listener::from_socket(s).expect("open")).collect();
    let mut client = UnixStream::connect(&path).expect("connect");
    let (_, mut stream, peer) = accept_any(&listeners).await;
    assert_eq!(peer, None);
    client.write_all(b"hello").expect("write");
    let mut buffer = [0; 16];
    let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("read");
    assert_eq!(&buffer[..read], b"hello");
    listeners.pop();
    UnixStream::connect(&path).expect("one listener is left");
    listeners.pop();
    assert!(!path.exists(), "the file is left behind");
    drop(stream);
    assert_eq!(client.read(&mut [0; 1]).expect("read"), 0);
}

#[test]
fn whom_a_unix_socket_lets_in_can_change() {
    let directory = Directory::new();
    let path = directory.file("tm.ipc");
    let bound = bind(&unix(&path), 16, 1).expect("bind");
    let door = bound.door.clone().expect("a unix socket has a door");
    let made = fs::metadata(&path).expect("metadata");
    let state = || {
        let now = fs::metadata(&path).expect("metadata");
        (now.permissions().mode() & 0o7777, now.uid(), now.gid())
    };
    let (open, narrow) = (Access::default(), Access { mode: Some(0o600), owner: (None, None) });
    door.change(open, narrow).expect("narrowed");
    assert_eq!(state().0, 0o600);
    if made.uid() == 0 {
        let given = Access { mode: Some(0o660), owner: (Some(1234), Some(1235)) };
        door.change(narrow, given).expect("given away");
        assert_eq!(state(), (0o660, 1234, 1235));
        door.change(given, narrow).expect("taken back");
    }
    door.change(narrow, open).expect("opened");
    assert_eq!(state(), (made.permissions().mode() & 0o7777, made.uid(), made.gid()), "as it was made");

    fs::rename(&path, directory.file("elsewhere")).expect("rename");
    fs::write(&path, "another's").expect("write");
    let error = door.change(open, narrow).expect_err("not ours").to_string();
    assert!(error.contains("removed or replaced by another"), "{error}");
    assert_ne!(state().0, 0o600, "another's file is left alone");
    drop(bound);
    door.change(open, narrow).expect("nobody listens: nothing to do");
}

#[test]
fn a_dead_process_socket_is_replaced_and_a_living_one_never() {
    let directory = Directory::new();
    let path = directory.file("node.ipc");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
    assert!(path.exists(), "a stale file to begin with");
    let bound = bind(&unix(&path), 16, 1).expect("the stale one is replaced");
    UnixStream::connect(&path).expect("connect");
    check_refused(&unix(&path), "a running process listens there already");
    UnixStream::connect(&path).expect("the living one is still there");
    drop(bound);

    let full = bind(&unix(&path), 0, 1).expect("bind");
    let waiting = UnixStream::connect(&path).expect("fill the backlog");
    check_refused(&unix(&path), "a running process listens there already");
    drop((full, waiting));

    let datagrams = std::os::unix::net::UnixDatagram::bind(&path).expect("bind");
    check_refused(&unix(&path), "a running process listens there already");
    drop(datagrams);
}

#[test]
fn a_file_that_is_no_socket_is_never_touched() {
    let directory = Directory::new();
    let path = directory.file("key");
    fs::write(&path, "secret").expect("write");
    check_refused(&unix(&path), "a file that is not a socket is in the way");
    assert_eq!(fs::read_to_string(&path).expect("read"), "secret");
    let link = directory.file("link");
    std::os::unix::fs::symlink(&path, &link).expect("link");
    check_refused(&unix(&link), "a file that is not a socket is in the way");
}

#[test]
fn a_file_that_is_no_longer_ours_stays() {
    let directory = Directory::new();
    let path = directory.file("tm.ipc");
    let bound = bind(&unix(&path), 16, 1).expect("bind");
    fs::rename(&path, directory.file("elsewhere")).expect("rename");
    let successor = bind(&unix(&path), 16, 1).expect("bind");
    drop(bound);
    UnixStream::connect(&path).expect("the successor's is still there");
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn paths_that_cannot_be_are_explained() {
    let directory = Directory::new();
    check_refused(&unix(&directory.file("missing/tm.ipc")), "/missing does not exist; create it");
    let long = directory.file(&"x".repeat(200));
    check_refused(&unix(&long), "bytes long, and a socket's may be at most 107");
    let longest = directory.file(&"x".repeat(error::PATH_MAX - directory.0.as_os_str().len() - 1));
    bind(&unix(&longest), 16, 1).expect("the longest path there can be");
}

#[tokio::test]
async fn a_closed_port_refuses_and_stays_ours_until_it_is_open_again() {
    for workers in [1, 2] {
        let bound = bind(&tcp("127.0.0.1:0"), 64, workers).expect("bind");
        let address = port_of(&bound);
        let mut listeners: Vec<_> =
            bound.sockets.into_iter().map(|s| Listener::from_socket(s).expect("open")).collect();
        for _ in 0..3 {
            let closed: Vec<_> = listeners.into_iter().map(|listener| listener.close().expect("close")).collect();
            let error = TcpStream::connect(address).expect_err("it is closed");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            check_refused(&Place::Tcp(address), "another program listens there already");
            listeners = closed.into_iter().map(|socket| Listener::reopen(socket, 64).expect("reopen")).collect();
            let client = TcpStream::connect(address).expect("it is open again");
            let (_, _, peer) = accept_any(&listeners).await;
            assert_eq!(peer, client.local_addr().ok());
        }
    }
}
