//! The checks of a child: one try at a time, over and over.

use std::path::PathBuf;
use std::process::Stdio;

use mainstay_core::Span;
use mainstay_core::lease::Name;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::env::Env;
use crate::http;
use crate::params::{Command, Params, Probe, Progress, Ready};

/// What a check found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The ready check; a failure with its reason.
    Ready(Result<(), Name>),
    /// What the progress check printed; `None`: it failed.
    Progress(Option<Name>),
}

/// Checks that go on until this is dropped.
#[derive(Debug)]
pub(crate) struct Checks(JoinSet<()>);

/// What the commands of checks run in.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) dir: Option<PathBuf>,
    pub(crate) env: Env,
}

impl Checks {
    /// Starts those that are configured. `run` is sent along with what they find.
    pub(crate) fn start(params: &Params, at: &Surroundings, run: u64, to: &mpsc::Sender<(u64, Found)>) -> Self {
        let mut tasks = JoinSet::new();
        if let Some(ready) = params.ready.clone() {
            tasks.spawn(check_ready(ready, at.clone(), run, to.clone()));
        }
        if let Some(progress) = params.progress.clone() {
            tasks.spawn(check_progress(progress, at.clone(), run, to.clone()));
        }
        Self(tasks)
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.0.abort_all();
    }
}

async fn check_ready(ready: Ready, at: Surroundings, run: u64, to: mpsc::Sender<(u64, Found)>) {
    loop {
        let tried = tokio::time::timeout(ready.timeout, attempt(&ready.probe, &at)).await;
        let late = |_| Err(format!("no answer within {}", Span(ready.timeout)).into());
        if to.send((run, Found::Ready(tried.unwrap_or_else(late)))).await.is_err() {
            return;
        }
        tokio::time::sleep(ready.every).await;
    }
}

async fn check_progress(progress: Progress, at: Surroundings, run: u64, to: mpsc::Sender<(u64, Found)>) {
    loop {
        let tried = tokio::time::timeout(progress.timeout, printed(&progress.run, &at)).await;
        if to.send((run, Found::Progress(tried.ok().flatten()))).await.is_err() {
            return;
        }
        tokio::time::sleep(progress.every).await;
    }
}

async fn attempt(probe: &Probe, at: &Surroundings) -> Result<(), Name> {
    match probe {
        Probe::Tcp(to) => {
            TcpStream::connect(to).await.map(drop).map_err(|error| format!("connect to {to}: {error}").into())
        }
        Probe::Http { at, path, status } => {
            let answered = http::status(at, path).await.map_err(|error| format!("http://{at}{path}: {error}"))?;
            let fits = status.map_or((200..300).contains(&answered), |status| status == answered);
            if fits { Ok(()) } else { Err(format!("http://{at}{path} answered {answered}").into()) }
        }
        Probe::Run(command) => {
            let name = command.program.to_string_lossy();
            let mut child = Grouped::start(command, at, Stdio::null()).map_err(|error| format!("{name}: {error}"))?;
            match child.0.wait().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("{name} ended with {status}").into()),
                Err(error) => Err(format!("{name}: {error}").into()),
            }
        }
    }
}

/// What a command prints, as far as it is looked at; `None`: it failed.
async fn printed(command: &Command, at: &Surroundings) -> Option<Name> {
    let mut child = Grouped::start(command, at, Stdio::piped()).ok()?;
    let mut text = Vec::new();
    child.0.stdout.take()?.take(MOST).read_to_end(&mut text).await.ok()?;
    let status = child.0.wait().await.ok()?;
    status.success().then(|| String::from_utf8_lossy(&text).into())
}

/// A process with a process group of its own, killed as one when this is dropped.
struct Grouped(Child);

impl Grouped {
    fn start(command: &Command, at: &Surroundings, out: Stdio) -> std::io::Result<Self> {
        let mut start = tokio::process::Command::new(&command.program);
        start.args(&command.args).envs(at.env.iter());
        start.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        if let Some(dir) = &at.dir {
            start.current_dir(dir);
        }
        start.spawn().map(Self)
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        // The id is the group's as long as nobody has waited for the process.
        if let Some(group) = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ended = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Longest text of a progress check that is looked at, in bytes.
const MOST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    async fn check(probe: &Probe, expect: Result<(), &str>) {
        let at = Surroundings { dir: None, env: Env::new([("GREETING".into(), "hello".into())]) };
        let found = tokio::time::timeout(BOUND, attempt(probe, &at)).await.unwrap();
        match expect {
            Ok(()) => assert_eq!(found, Ok(()), "{probe:?}"),
            Err(part) => assert!(found.as_ref().is_err_and(|why| why.contains(part)), "{probe:?}: {found:?}"),
        }
    }

    fn sh(script: &str) -> Command {
        Command::new(["sh", "-c", script]).unwrap()
    }

    #[tokio::test]
    async fn ready_checks_say_what_is_wrong() {
        check(&Probe::Run(sh("test $GREETING = hello")), Ok(())).await;
        check(&Probe::Run(sh("exit 3")), Err("exit status: 3")).await;
        check(&Probe::Run(Command::new(["/no/such"]).unwrap()), Err("/no/such: No such file")).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        check(&Probe::Tcp(at.clone()), Ok(())).await;
        let server = tokio::spawn(serve(listener));
        let http = |path: &str, status| Probe::Http { at: at.clone(), path: path.to_owned(), status };
        check(&http("/200", None), Ok(())).await;
        check(&http("/204", Some(204)), Ok(())).await;
        check(&http("/200", Some(204)), Err("answered 200")).await;
        check(&http("/503", None), Err("/503 answered 503")).await;
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        check(&Probe::Tcp(at.clone()), Err("refused")).await;
        check(&http("/200", None), Err("refused")).await;
    }

    /// Answers each request with the status that its path names.
    async fn serve(listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).await.unwrap();
            let request = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if let Some(status) = request.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()) {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn progress_is_what_is_printed() {
        let at = Surroundings { dir: Some("/".into()), env: Env::default() };
        assert_eq!(printed(&sh("pwd"), &at).await.as_deref(), Some("/\n"));
        assert_eq!(printed(&sh("echo 1; exit 1"), &at).await, None);
    }

    #[tokio::test]
    async fn what_a_check_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = Surroundings { dir: Some(folder.path().into()), env: Env::default() };
        // Whoever has the pipe open lives: reading it ends when nobody does.
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("alive"), rustix::fs::Mode::RWXU).unwrap();
        let held = Grouped::start(&sh("sleep 30 > alive & sleep 30"), &at, Stdio::null()).unwrap();
        let path = folder.path().join("alive");
        let open = tokio::task::spawn_blocking(move || std::fs::File::open(path));
        let pipe = tokio::time::timeout(BOUND, open).await.unwrap().unwrap().unwrap();
        drop(held);
        let read = tokio::task::spawn_blocking(move || std::io::Read::read(&mut &pipe, &mut [0; 1]));
        assert_eq!(tokio::time::timeout(BOUND, read).await.unwrap().unwrap().unwrap(), 0);
    }
}
