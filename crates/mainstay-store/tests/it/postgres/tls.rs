//! Encrypted connections.

use std::path::Path;
use std::process::Command;

use mainstay_store::{Settings, check, open};

use super::kit::{Kit, plan};
use crate::suite::{SECOND, look, member, name};
use mainstay_core::lease::{Failure, Request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_certificate_is_compared_as_the_url_says() {
    let Some(kit) = Kit::start("the_servers_certificate", &[]).await else { return };
    let data = kit.server.dir().join("data");
    make_certificates(kit.server.dir(), &data);
    let hba = "local all all trust\nhostssl all all all trust\n";
    std::fs::write(data.join("pg_hba.conf"), hba).unwrap();
    let admin = kit.admin("postgres").await;
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let (port, ours, other) = (kit.server.port(), kit.server.dir().join("ca.crt"), kit.server.dir().join("other.crt"));
    let url = |host: &str, mode: &str| format!("postgres://mainstay@{host}:{port}/mainstay?sslmode={mode}");
    says(&url("127.0.0.1", "prefer"), None, None).await;
    says(&url("127.0.0.1", "require"), None, None).await;
    says(&url("localhost", "verify-full"), Some(&ours), None).await;
    says(&url("127.0.0.1", "verify-ca"), Some(&ours), None).await;
    says(&url("127.0.0.1", "verify-full"), Some(&ours), Some("name the host in the url as")).await;
    says(&url("localhost", "verify-full"), Some(&other), Some("another has signed it than `ca` names")).await;
    says(&url("localhost", "require"), Some(&other), Some("invalid peer certificate")).await;
    says(&url("127.0.0.1", "disable"), None, Some("no encryption")).await;
    let settings = Settings::new(url("localhost", "verify-full").parse().unwrap());
    assert!(open(&settings).unwrap_err().to_string().contains("name with `ca` who signs it"));
    let mut settings = Settings::new(url("localhost", "verify-full").parse().unwrap());
    settings.ca = Some(kit.server.dir().join("absent.crt"));
    assert!(open(&settings).unwrap_err().to_string().contains("absent.crt cannot be read"));
    settings.ca = Some(ours);
    let found = check(&settings, &[plan()]).await;
    let all: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
    assert!(
        all.iter().any(|it| it.contains("ok: encrypted (TLSv1.3), the server's certificate is compared")),
        "{all:#?}"
    );
}

async fn says(url: &str, ca: Option<&Path>, expect: Option<&str>) {
    let mut settings = Settings::new(url.parse().unwrap());
    settings.ca = ca.map(Path::to_owned);
    let store = open(&settings).unwrap();
    match expect {
        None => drop(look(&*store, &name("tls"), 1).await),
        Some(expect) => {
            let answer = store.ask(&name("tls"), Request::Look { me: member(1) }, SECOND).await;
            let Err(Failure::NotDone(why)) = answer else { panic!("{url}: {answer:?}") };
            assert!(why.to_lowercase().contains(expect), "{url}: {why}");
        }
    }
}

/// Two authorities, and a certificate of the first for `localhost`, as the server's user wants it.
fn make_certificates(dir: &Path, data: &Path) {
    let run = |words: &[&str]| {
        let output = Command::new("openssl").args(words).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    for authority in ["ca", "other"] {
        let (key, certificate) = (format!("{authority}.key"), format!("{authority}.crt"));
        let subject = format!("/CN={authority}");
        let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject];
        run(&[&new[..], &["-keyout", &key, "-out", &certificate, "-addext", "keyUsage=critical,keyCertSign"]].concat());
    }
    run(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ]);
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    run(&[&sign[..], &["-days", "2", "-extfile", "names", "-out", "server.crt"]].concat());
    for file in ["server.key", "server.crt"] {
        let to = data.join(file);
        std::fs::copy(dir.join(file), &to).unwrap();
        std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            let given = Command::new("chown").arg("postgres").arg(&to).status().unwrap();
            assert!(given.success());
        }
    }
}
