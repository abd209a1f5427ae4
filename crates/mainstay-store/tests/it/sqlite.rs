//! The store in a file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_core::lease::{Answer, Failure, Nonce, Request, RowState, Version};
use mainstay_store::{Location, Settings, Store, open};
use mainstay_testkit::until;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::suite::{
    BOUND, HOUR, PLACE, SECOND, acquire, activate, answer, conforms, done, is_certain, look, name, renew, row_of,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(|| store(&dir.path().join("mainstay.db"))).await;
}

#[tokio::test]
async fn the_file_is_made_for_its_user_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.db");
    let (store, lease) = (store(&path), name("a"));
    let row = row_of(&look(&*store, &lease, 1).await);
    done(&*store, &lease, acquire(Version { epoch: 0, seq: row.seq }, Nonce(1), "a", HOUR)).await;
    let files = fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
    let modes: Vec<_> = files.map(|it| (it.file_name(), it.metadata().unwrap().permissions().mode() & 0o777)).collect();
    assert!(modes.len() >= 2 && modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    assert!(is_certain(&*store, &lease));
    assert!(store.describe().ends_with("mainstay.db"), "{}", store.describe());
}

#[tokio::test]
async fn what_the_child_inherits_keeps_others_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.db");
    let (one, two, lease) = (store(&path), store(&path), name("a"));
    let row = row_of(&look(&*one, &lease, 1).await);
    let taken = done(&*one, &lease, acquire(Version { epoch: 0, seq: row.seq }, Nonce(1), "a", Duration::ZERO)).await;
    done(&*one, &lease, activate(&taken, Duration::ZERO)).await;
    let child = one.grant(&lease, Nonce(1)).lock.unwrap().try_clone().unwrap();
    assert!(one.grant(&lease, Nonce(2)).lock.is_none(), "only for its own tenure");
    drop(one);
    let row = row_of(&look(&*two, &lease, 2).await);
    let version = Version { epoch: row.epoch, seq: row.seq };
    let refused = answer(&*two, &lease, acquire(version, Nonce(2), "b", HOUR)).await;
    assert!(matches!(refused, Answer::Overtaken { .. }), "it has expired, but a child lives: {refused:?}");
    drop(child);
    assert_eq!(done(&*two, &lease, acquire(version, Nonce(2), "b", HOUR)).await.nonce, Nonce(2));
}

/// What a sentinel does when its run is gone and its guard does not react.
#[tokio::test]
async fn a_tenure_ends_with_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.db");
    let (one, two, lease) = (store(&path), store(&path), name("a"));
    let mut row = row_of(&look(&*one, &lease, 1).await);
    for nonce in [1, 2] {
        let version = Version { epoch: row.epoch, seq: row.seq };
        let taken = done(&*one, &lease, acquire(version, Nonce(nonce), "a", HOUR)).await;
        done(&*one, &lease, activate(&taken, HOUR)).await;
        let lock = one.grant(&lease, Nonce(nonce)).lock.expect("it is held");
        flock(&lock, FlockOperation::Unlock).unwrap();
        assert!(one.grant(&lease, Nonce(nonce)).lock.is_none(), "it was let go");
        let answer = answer(&*one, &lease, activate(&taken, HOUR)).await;
        let Answer::Overtaken { row: freed, .. } = answer else { panic!("it was renewed: {answer:?}") };
        assert_eq!(freed.state, RowState::Free);
        row = freed;
    }
    let version = Version { epoch: row.epoch, seq: row.seq };
    assert_eq!(done(&*two, &lease, acquire(version, Nonce(3), "b", HOUR)).await.nonce, Nonce(3));
}

#[tokio::test]
async fn a_lock_whose_file_is_gone_ends_the_tenure_and_is_followed_only_in_time() {
    // Removed, and replaced by another.
    for (nonce, replaced) in [(1, false), (3, true)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mainstay.db");
        let lock = dir.path().join("mainstay.db.a.lock");
        let (one, two, lease) = (store(&path), store(&path), name("a"));
        let row = row_of(&look(&*one, &lease, 1).await);
        let version = Version { epoch: row.epoch, seq: row.seq };
        let taken = done(&*one, &lease, acquire(version, Nonce(nonce), "a", TERM)).await;
        let taken = done(&*one, &lease, activate(&taken, TERM)).await;
        let child = one.grant(&lease, Nonce(nonce)).lock.expect("it is held").try_clone().unwrap();
        fs::remove_file(&lock).unwrap();
        if replaced {
            fs::write(&lock, "").unwrap();
        }
        let told = answer(&*one, &lease, renew(&taken, TERM)).await;
        assert!(matches!(&told, Answer::Overtaken { row, .. } if row.state == RowState::Free), "{told:?}");
        assert_eq!(row_of(&look(&*two, &lease, 2).await), taken, "others see it as held");
        let early = |early| Request::Acquire {
            seen: Version { epoch: taken.epoch, seq: taken.seq },
            timeline: taken.timeline,
            epoch_at_least: 0,
            nonce: Nonce(nonce + 1),
            holder: name("b"),
            ttl: Duration::ZERO,
            early,
        };
        let refused = answer(&*two, &lease, early(true)).await;
        assert!(matches!(refused, Answer::Overtaken { .. }), "its child may run: {refused:?}");
        until("it does not expire", SECOND * 20, async || {
            matches!(answer(&*two, &lease, early(false)).await, Answer::Done { .. })
        })
        .await
        .unwrap();
        drop(child);
    }
}

#[tokio::test]
async fn a_removed_store_that_somebody_uses_is_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.db");
    let one = store(&path);
    look(&*one, &name("a"), 1).await;
    fs::remove_file(&path).unwrap();
    check(&path, "was removed while process");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("text"), "this is no database, but long enough to look at it twice".repeat(40)).unwrap();
    fs::create_dir(at("dir")).unwrap();
    fs::create_dir(at("open")).unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(at("anybody"), "").unwrap();
    fs::set_permissions(at("anybody"), fs::Permissions::from_mode(0o666)).unwrap();
    drop(store(&at("newer")));
    let newer = rusqlite::Connection::open(at("newer")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let foreign = rusqlite::Connection::open(at("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE people (name TEXT)").unwrap();
    check(&at("missing/mainstay.db"), "mkdir -p");
    check(&at("text"), "not a SQLite database");
    check(&at("text/mainstay.db"), "not a directory");
    check(&at("dir"), "is not a file");
    check(&at("open/mainstay.db"), "chmod o-w");
    check(&at("anybody"), "chmod o-w");
    check(&at("newer"), "newer Mainstay (schema 99");
    check(&at("foreign"), "another program");
    let untouched: i64 = foreign.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(untouched, 1);
}

#[tokio::test]
async fn a_file_that_is_locked_for_long_costs_no_more_than_the_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.db");
    let (store, lease) = (store(&path), name("a"));
    look(&*store, &lease, 1).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    // Longer than the store waits for the lock by itself: on a busy machine the request's own end would often come first.
    let answers = [store.ask(&lease, Request::Pause(None), BOUND), store.ask(&lease, Request::Pause(None), BOUND)];
    for answer in answers {
        let answer = answer.await;
        assert!(
            matches!(&answer, Err(Failure::NotDone(why)) if why.contains("locked") || why.contains("busy")),
            "{answer:?}"
        );
    }
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    done(&*store, &lease, Request::Pause(None)).await;
}

#[tokio::test]
async fn a_full_disk_is_said_and_outlived() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::small(dir.path()) else { return };
    let (store, lease) = (store(&dir.path().join("mainstay.db")), name("a"));
    let row = row_of(&look(&*store, &lease, 1).await);
    let fill = fs::write(dir.path().join("fill"), vec![0_u8; 8 << 20]);
    assert!(fill.is_err(), "the disk is full");
    let version = Version { epoch: 0, seq: row.seq };
    // What is left of the last page may still take a step or two.
    let mut last = None;
    for nonce in 1..100 {
        let holder = "a".repeat(4000);
        last = store.ask(&lease, acquire(version, Nonce(nonce), &holder, HOUR), SECOND).await.err();
        if last.is_some() {
            break;
        }
        let row = row_of(&look(&*store, &lease, 1).await);
        if row.epoch != 0 {
            last = store.ask(&lease, Request::Pause(Some(name(&"x".repeat(1 << 20)))), SECOND).await.err();
            break;
        }
    }
    let Some(Failure::NotDone(why)) = last else { panic!("{last:?}") };
    assert!(why.contains("is full: make room"), "{why}");
    fs::remove_file(dir.path().join("fill")).unwrap();
    done(&*store, &lease, Request::Pause(None)).await;
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_renews_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("mainstay.db"), dir.path().join("aside.db"));
    let (one, lease) = (store(&path), name("a"));
    let row = row_of(&look(&*one, &lease, 1).await);
    let taken = done(&*one, &lease, acquire(Version { epoch: 0, seq: row.seq }, Nonce(1), "a", HOUR)).await;
    done(&*one, &lease, activate(&taken, HOUR)).await;
    let refused = || async {
        let answer = one.ask(&lease, Request::Pause(None), SECOND).await;
        assert!(matches!(&answer, Err(Failure::NotDone(why)) if why.contains("removed or replaced")), "{answer:?}");
    };
    fs::rename(&path, &aside).unwrap();
    refused().await;
    fs::copy(&aside, &path).unwrap();
    refused().await;
    fs::rename(&aside, &path).unwrap();
    done(&*one, &lease, Request::Pause(None)).await;
}

#[tokio::test]
async fn a_start_of_the_machine_ends_every_tenure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.db");
    let (one, lease) = (store(&path), name("a"));
    let row = row_of(&look(&*one, &lease, 1).await);
    done(&*one, &lease, acquire(Version { epoch: 0, seq: row.seq }, Nonce(1), "a", HOUR)).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("UPDATE machine SET boot = 'another'", []).unwrap();
    let answer = one.ask(&lease, Request::Pause(None), SECOND).await;
    assert!(matches!(&answer, Err(Failure::NotDone(why)) if why.contains("another machine")), "{answer:?}");
    drop(one);
    let two = store(&path);
    let row = row_of(&look(&*two, &lease, 2).await);
    done(&*two, &lease, acquire(Version { epoch: row.epoch, seq: row.seq }, Nonce(2), "b", HOUR)).await;
}

fn store(path: &Path) -> Arc<dyn Store> {
    let mut settings = Settings::new(Location::Sqlite(path.to_owned()));
    settings.place = PLACE.into();
    open(&settings).unwrap()
}

/// How long a tenure lasts that is to run out.
const TERM: Duration = Duration::from_secs(2);

fn check(path: &Path, expect: &str) {
    let fault = open(&Settings::new(Location::Sqlite(path.to_owned()))).unwrap_err().to_string();
    assert!(fault.contains(expect), "{fault}");
    let known: &TempDir = &tempfile::tempdir().unwrap();
    assert!(!fault.contains(known.path().to_str().unwrap()));
}

/// A file system of a megabyte, gone when this is.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn small(at: &'a Path) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        mainstay_testkit::skipped("a_full_disk_is_said_and_outlived", &"only root mounts a small file system");
        None
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _left = std::process::Command::new("umount").arg("-l").arg(self.0).status();
    }
}
