//! The front: `mainstay run` in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Dir, Mishap, Port, Process};

/// A Mainstay that serves.
pub struct Front {
    port: Port,
    exe: PathBuf,
    admin: PathBuf,
    file: PathBuf,
    log: PathBuf,
    process: Process,
}

impl Front {
    /// File name of the admin socket, which the configuration must tell.
    pub const ADMIN: &str = "admin.sock";

    /// Starts one on the configuration that `text` gives for its address, and waits until it listens there.
    pub async fn start(exe: &Path, dir: &Dir, text: impl FnOnce(SocketAddr) -> String) -> Result<Self, Mishap> {
        let port = Port::take()?;
        let (file, log) = (dir.file("front.toml"), dir.file("front.log"));
        write(&file, &text(port.address()))?;
        let args = ["run".as_ref(), file.as_os_str()];
        let mut process = Process::start("the front", exe, &args, &log)?;
        if let Err(mishap) = port.open("the front").await {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(if process.runs() { mishap } else { Mishap::new("the front has ended", said) });
        }
        Ok(Self { port, exe: exe.to_owned(), admin: dir.file(Self::ADMIN), file, log, process })
    }

    /// Gives it another configuration, as an operator does, and waits until it is in force.
    pub async fn reload(&self, text: &str) -> Result<(), Mishap> {
        write(&self.file, text)?;
        let log = self.log.with_file_name("reload.log");
        let args = ["reload".to_owned(), format!("--admin=unix:{}", self.admin.display())];
        let status = Process::start("a reload", &self.exe, &args, &log)?.ended(RELOADING).await?;
        if status.success() {
            return Ok(());
        }
        Err(Mishap::new("could not reload", std::fs::read_to_string(&log).unwrap_or_default().trim_end()))
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its configuration file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What it says.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its admin socket.
    pub fn admin(&self) -> &Path {
        &self.admin
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Puts a whole file in place of another, so that nobody ever reads half of one.
fn write(file: &Path, text: &str) -> Result<(), Mishap> {
    let new = file.with_extension("new");
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, file));
    written.map_err(|error| Mishap::new(format!("could not write {}", file.display()), error))
}

/// Longest time for a reload.
const RELOADING: Duration = Duration::from_secs(20);
