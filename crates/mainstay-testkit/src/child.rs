//! A child that writes down when it runs: a line for each beat, with the clock that leases are measured with, appended to
//! a file that all of its processes share. So a test can see to the millisecond when the last of them last ran.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use mainstay_core::Moment;
use mainstay_io::clock;

use crate::Trouble;

/// How one process of the child behaves.
#[derive(Clone, Debug, Parser)]
#[command(name = "model-child")]
pub struct Args {
    /// The file for the beats.
    file: PathBuf,
    /// What it is called in it.
    #[arg(long, default_value = "main")]
    name: String,
    /// Microseconds between two beats.
    #[arg(long, default_value_t = 1000)]
    every: u64,
    /// Takes no notice of SIGTERM.
    #[arg(long)]
    ignore_term: bool,
    /// Leads a session of its own.
    #[arg(long)]
    setsid: bool,
    /// Starts so many processes that lose their parent, lead sessions of their own, have an empty environment and none of
    /// the child's descriptors.
    #[arg(long, default_value_t = 0)]
    orphans: u32,
    /// Beats ten times, starts its successor and ends; so many times.
    #[arg(long)]
    hops: Option<u32>,
    /// Starts a process with these words, does not wait for it, and ends.
    #[arg(long, num_args = 1.., allow_hyphen_values = true)]
    then: Vec<String>,
    /// Ends with this exit code after so many beats.
    #[arg(long, num_args = 2, value_names = ["CODE", "BEATS"])]
    exit: Vec<u32>,
}

/// One beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The process, by the name it was given.
    pub name: String,
    /// The process.
    pub pid: u32,
    /// When, on `clock::boot`.
    pub at: Moment,
}

/// What `model-child` does.
#[must_use]
pub fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("model-child: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the program is, given any other program of the same build.
pub fn binary(beside: &Path) -> Result<PathBuf, Trouble> {
    let path = beside.with_file_name("model-child");
    let advice = "it is not built: run `cargo test --workspace`, or `cargo build -p mainstay-testkit --bins` first";
    if path.exists() { Ok(path) } else { Err(Trouble::failed(format!("find {}", path.display()), advice)) }
}

/// The beats that are in a file, in the order in which they were written. None if there is no such file.
pub fn beats(file: &Path) -> Vec<Beat> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let beat = |line: &str| {
        let mut words = line.split(' ');
        let (name, pid, nanos) = (words.next()?, words.next()?, words.next()?);
        Some(Beat { name: name.to_owned(), pid: pid.parse().ok()?, at: Moment::from_nanos(nanos.parse().ok()?) })
    };
    text.lines().filter_map(beat).collect()
}

fn run(args: &Args) -> std::io::Result<ExitCode> {
    if args.ignore_term {
        ignore_term()?;
    }
    if args.setsid {
        // It leads one already if this fails.
        let _session = rustix::process::setsid();
    }
    let me = std::env::current_exe()?;
    if !args.then.is_empty() {
        Command::new(me).args(&args.then).env_clear().stdin(Stdio::null()).spawn()?;
        return Ok(ExitCode::SUCCESS);
    }
    for number in 0..args.orphans {
        let mut between = Command::new(&me);
        between.arg(&args.file).arg("--then").arg(&args.file);
        between.args(["--setsid", "--name", &format!("orphan-{number}"), "--every", &args.every.to_string()]);
        if args.ignore_term {
            between.arg("--ignore-term");
        }
        between.spawn()?.wait()?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&args.file)?;
    let mut count: u32 = 0;
    loop {
        let line = format!("{} {} {}\n", args.name, std::process::id(), clock::boot().as_nanos());
        file.write_all(line.as_bytes())?;
        count = count.saturating_add(1);
        if let [code, beats] = args.exit.as_slice()
            && count >= *beats
        {
            return Ok(ExitCode::from(u8::try_from(*code).unwrap_or(u8::MAX)));
        }
        match args.hops {
            Some(0) => return Ok(ExitCode::SUCCESS),
            Some(hops) if count >= BEATS_PER_HOP => {
                let mut next = Command::new(&me);
                next.arg(&args.file).args(["--setsid", "--name", "hop", "--hops", &(hops - 1).to_string()]);
                next.spawn()?;
                return Ok(ExitCode::SUCCESS);
            }
            _ => wait(args.every)?,
        }
    }
}

fn ignore_term() -> std::io::Result<()> {
    signal_hook::flag::register(signal_hook::consts::SIGTERM, std::sync::Arc::default()).map(drop)
}

fn wait(micros: u64) -> std::io::Result<()> {
    let time = Duration::from_micros(micros);
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = rustix::time::Timespec { tv_sec: seconds, tv_nsec: i64::from(time.subsec_nanos()) };
    match rustix::event::poll(&mut [], Some(&time)) {
        Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
        _ => Ok(()),
    }
}

const BEATS_PER_HOP: u32 = 10;
