//! Going over from one plan to the next.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_proxy::front::{Front, Leases, Options};
use mainstay_proxy::params::{At, Plan};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixStream};

use crate::rig::{plan, read_until, timeout};

#[tokio::test]
async fn a_reload_changes_whom_a_unix_socket_lets_in() {
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = std::env::temp_dir().join(format!("mainstay-reload-{}.ipc", std::process::id()));
    let with = |mode| -> Plan {
        let mut plan = plan(&[node.local_addr().unwrap()]);
        plan.listeners[0].at = At::Unix { path: path.clone(), mode, owner: None };
        plan
    };
    let mode_of = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let options = Options { workers: 2, drain: Duration::from_secs(1), access: None, leases: Leases::new() };
    let front = Front::start(with(Some(0o600)), options).await.unwrap();
    assert_eq!(mode_of(&path), 0o600);
    let mut client = UnixStream::connect(&path).await.unwrap();

    front.replace(with(Some(0o660)), &Leases::new(), Duration::from_secs(1)).await.expect("nothing is in the way");
    assert_eq!(mode_of(&path), 0o660);
    assert!(front.local(&with(None).listeners[0].at).is_some(), "it is still known");
    client.write_all(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (mut up, _) = timeout(node.accept()).await.unwrap();
    assert_eq!(read_until(&mut up, b"\r\n\r\n").await, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    up.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut client, b"\r\n\r\n").await, "HTTP/1.1 204 No Content\r\n\r\n");

    let mut gone = with(None);
    gone.listeners.clear();
    front.replace(gone, &Leases::new(), Duration::from_secs(1)).await.unwrap();
    timeout(async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    timeout(front.stop(std::future::ready(()))).await;
}
