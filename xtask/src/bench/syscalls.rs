//! System calls per request, as strace counts them.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::process::Process;
use super::rig::{Rig, Shape};
use super::row::Row;
use super::subject::{Running, Site, Subject};

/// Prints, for every proxy and row, the calls per request.
pub(super) fn run(rig: &mut Rig, site: &Site, subjects: &[Subject], rows: &[Row]) -> Result<()> {
    for &row in rows.iter().filter(|row| !row.is_memory() && **row != Row::P99) {
        println!("{row}: {}", row.title());
        for &subject in subjects.iter().filter(|subject| subject.has(row)) {
            let proxy = subject.start(site, rig, &[row])?;
            println!("  {subject:<9} {}", count(rig, site, &proxy, row)?);
        }
    }
    Ok(())
}

fn count(rig: &mut Rig, site: &Site, proxy: &Running, row: Row) -> Result<String> {
    let file = site.folder.join("strace");
    let job = row.job(proxy.doors.of(row));
    let shape =
        Shape { connections: row.connections(), warm: Duration::from_millis(300), measure: Duration::from_secs(1) };
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-o"]).arg(&file).stdin(Stdio::null()).stderr(Stdio::null());
    for pid in proxy.process.pids() {
        command.arg("-p").arg(pid.to_string());
    }
    // Warmed up before strace looks, so that what is opened once is not counted.
    rig.closed(&job, shape, &|| Ok(Duration::ZERO))?;
    let strace = Process::start(&mut command, site.load_cpu, site.load_cpu)?;
    rig.serve(Duration::from_millis(500))?;
    let outcome = rig.closed(&job, Shape { warm: Duration::ZERO, ..shape }, &|| Ok(Duration::ZERO))?;
    drop(strace);
    let text = fs::read_to_string(&file).context("read what strace counted")?;
    Ok(per_request(&text, outcome.done))
}

/// strace's table as "name share, name share, ...", the most frequent first; calls seen once in a while are left out.
fn per_request(table: &str, requests: u64) -> String {
    let mut calls: Vec<(f64, &str)> = Vec::new();
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, count, .., name] = words.as_slice()
            && let Ok(count) = count.parse::<u64>()
            && *name != "total"
        {
            calls.push((count as f64 / requests.max(1) as f64, name));
        }
    }
    calls.sort_by(|a, b| b.0.total_cmp(&a.0));
    let total: f64 = calls.iter().map(|call| call.0).sum();
    let each = calls.iter().filter(|call| call.0 >= 0.005).map(|(share, name)| format!("{name} {share:.2}"));
    format!("{total:.2} calls: {}", each.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_straces_table() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.060000           6       200        20 read
 40.00    0.040000           4       100           epoll_wait
  0.00    0.000000           4         1           getpid
------ ----------- ----------- --------- --------- ----------------
100.00    0.100000           5       301        20 total
";
        assert_eq!(per_request(table, 200), "1.50 calls: read 1.00, epoll_wait 0.50, getpid 0.01");
    }
}
