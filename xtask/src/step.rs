//! A command that is part of something longer: shown while it runs, bounded in time, its output kept.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::family;

/// How a step ended.
pub(crate) struct Ended {
    pub(crate) name: &'static str,
    pub(crate) time: Duration,
    pub(crate) good: bool,
    /// All that it printed, on both streams.
    pub(crate) output: Vec<String>,
}

/// Runs a command to its end, or to the end of its time.
pub(crate) fn run(name: &'static str, command: &mut Command, at_most: Duration) -> Ended {
    eprintln!("== {name}");
    let start = Instant::now();
    let mut output = Vec::new();
    let good = follow(command, at_most, &mut output).unwrap_or_else(|error| {
        output.push(format!("{error:#}"));
        false
    });
    Ended { name, time: start.elapsed(), good, output }
}

fn follow(command: &mut Command, at_most: Duration, output: &mut Vec<String>) -> Result<bool> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let (sender, lines) = mpsc::sync_channel(LINES_WAITING);
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let end = Instant::now() + at_most;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                output.push(line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                output.push(format!("ended: it took longer than {at_most:?}"));
                family::end(&mut child, Duration::from_secs(5));
                return Ok(false);
            }
        }
    }
    if !family::ends_within(&mut child, Duration::from_secs(10)) {
        family::end(&mut child, Duration::from_secs(5));
    }
    Ok(child.wait()?.success())
}

const LINES_WAITING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_output_and_verdict() {
        let check = |script: &str, time: Duration, good: bool, said: &str| {
            let ended = run("sample", Command::new("sh").args(["-c", script]), time);
            assert_eq!(ended.good, good, "{script}: {:?}", ended.output);
            assert!(ended.output.iter().any(|line| line.contains(said)), "{script}: {:?}", ended.output);
        };
        let long = Duration::from_secs(20);
        check("echo out; echo err >&2", long, true, "err");
        check("echo out; exit 3", long, false, "out");
        check("sleep 60 & sleep 60", Duration::from_millis(200), false, "took longer");
    }
}
