//! `--map FROM=TO`: other addresses than those of the file, for nodes and listeners.

use super::fault::Report;

/// The maps of a command line.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    maps: Vec<Map>,
    could: Vec<String>,
}

#[derive(Clone, Debug)]
struct Map {
    listen: bool,
    from: String,
    to: String,
    used: bool,
}

impl Maps {
    /// Reads `FROM=TO` texts; what is wrong with them goes to `report`.
    pub fn parse(texts: &[String], report: &mut Report) -> Self {
        let mut maps: Vec<Map> = Vec::new();
        for text in texts {
            let Some((from, to)) = text.split_once('=').filter(|(from, to)| !from.is_empty() && !to.is_empty()) else {
                report
                    .fault_anywhere(format!("--map {text}: this is not FROM=TO"))
                    .help("write --map HOST:PORT=HOST:PORT, or --map listen:HOST:PORT=HOST:PORT for a listener");
                continue;
            };
            let (listen, from) = match from.strip_prefix("listen:") {
                Some(from) => (true, from),
                None => (false, from),
            };
            if maps.iter().any(|map| map.listen == listen && map.from == from) {
                report.fault_anywhere(format!("--map {text}: {from} is mapped twice")).help("leave one of them out");
            }
            maps.push(Map { listen, from: from.to_owned(), to: to.to_owned(), used: false });
        }
        Self { maps, could: Vec::new() }
    }

    /// Where a node of `pool` really is. `written` are the texts it is known by: as it is in the file, and its
    /// `host:port` where the port comes from elsewhere. `POOL/` may stand in front of FROM.
    pub(super) fn node(&mut self, pool: &str, written: &[&str]) -> Option<String> {
        for text in written {
            self.could(text);
        }
        let qualified: Vec<String> = written.iter().map(|text| format!("{pool}/{text}")).collect();
        qualified.iter().map(String::as_str).chain(written.iter().copied()).find_map(|text| self.take(false, text))
    }

    /// Where a listener really is.
    pub(super) fn listen(&mut self, written: &[&str]) -> Option<String> {
        if let Some(first) = written.first() {
            self.could(&format!("listen:{first}"));
        }
        written.iter().find_map(|text| self.take(true, text))
    }

    /// Reports the maps that nothing in the file fits.
    pub(super) fn check(&self, report: &mut Report) {
        for map in self.maps.iter().filter(|map| !map.used) {
            let prefix = if map.listen { "listen:" } else { "" };
            let fault =
                report.fault_anywhere(format!("--map {prefix}{}={}: the file has no such address", map.from, map.to));
            match self.could.as_slice() {
                [] => fault.help("there is nothing in it to map"),
                could => fault.help(format!("what can be mapped: {}", could.join(", "))),
            };
        }
    }

    fn take(&mut self, listen: bool, from: &str) -> Option<String> {
        let map = self.maps.iter_mut().find(|map| map.listen == listen && map.from == from)?;
        map.used = true;
        Some(map.to.clone())
    }

    fn could(&mut self, text: &str) {
        if !self.could.iter().any(|could| could == text) {
            self.could.push(text.to_owned());
        }
    }
}
