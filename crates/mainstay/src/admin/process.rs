//! What the kernel knows about this process.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Numbers of this process; those that cannot be read are 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) resident_bytes: u64,
    pub(super) open_files: u64,
    pub(super) most_open_files: u64,
    pub(super) cpu_seconds: f64,
}

impl Usage {
    /// Reads them.
    pub(super) fn read() -> Self {
        let pages = fs::read_to_string("/proc/self/statm")
            .ok()
            .and_then(|text| text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()));
        let page = rustix::param::page_size() as u64;
        Self {
            resident_bytes: pages.unwrap_or(0) * page,
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            most_open_files: getrlimit(Resource::Nofile).current.unwrap_or(0),
            cpu_seconds: cpu_seconds().unwrap_or(0.0),
        }
    }
}

/// User and system time: fields 14 and 15 of proc(5)'s stat, counted behind the name, which stands in parentheses.
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "100 ticks a second")]
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::read();
        assert!(usage.resident_bytes > 1_000_000, "{usage:?}");
        assert!(usage.open_files > 2 && usage.open_files < usage.most_open_files, "{usage:?}");
        assert!(usage.cpu_seconds >= 0.0 && usage.cpu_seconds < 3600.0, "{usage:?}");
    }
}
