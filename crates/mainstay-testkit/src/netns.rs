//! Network namespaces: machines of one's own, with their own loopback interface and names, on a network of their own.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Trouble;

/// A network namespace, removed when this is dropped. Nothing leads out of it but a network to those made beside it.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes one in which these names have these addresses. [`Trouble::Missing`] without the rights or tools for it.
    pub fn make(hosts: &[(&str, &str)]) -> Result<Self, Trouble> {
        if !rustix::process::geteuid().is_root() {
            return Err(Trouble::Missing("network namespaces are made by root only".to_owned()));
        }
        let name = format!("mainstay-test-{}-{:04x}", std::process::id(), fastrand::u16(..));
        let missing = |trouble: Trouble| Trouble::Missing(format!("no network namespaces here: {trouble}"));
        ip(&["netns", "add", &name]).map_err(missing)?;
        let netns = Self { name };
        netns.ip(&["link", "set", "lo", "up"]).map_err(missing)?;
        let lines: String = hosts.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        let write = || {
            fs::create_dir_all(netns.folder())?;
            fs::write(netns.folder().join("hosts"), format!("127.0.0.1 localhost\n{lines}"))
        };
        write().map_err(|error| Trouble::failed("write the hosts file", error))?;
        Ok(netns)
    }

    /// Makes another beside this one, which is found at 10.77.0.`own`. Both know the same names. This one is at
    /// 10.77.0.1.
    pub fn beside(&self, own: u8, hosts: &[(&str, &str)]) -> Result<Self, Trouble> {
        let other = Self::make(hosts)?;
        let missing = |trouble: Trouble| Trouble::Missing(format!("no virtual networks here: {trouble}"));
        let (near, address) = (format!("port{own}"), format!("10.77.0.{own}/24"));
        if self.ip(&["link", "show", "bridge0"]).is_err() {
            self.ip(&["link", "add", "bridge0", "type", "bridge"]).map_err(missing)?;
            self.ip(&["address", "add", "10.77.0.1/24", "dev", "bridge0"])?;
            self.ip(&["link", "set", "bridge0", "up"])?;
        }
        let pair = ["link", "add", &near, "type", "veth", "peer", "name", "eth0", "netns", &other.name];
        self.ip(&pair).map_err(missing)?;
        self.ip(&["link", "set", &near, "master", "bridge0", "up"])?;
        other.ip(&["address", "add", &address, "dev", "eth0"])?;
        other.ip(&["link", "set", "eth0", "up"])?;
        Ok(other)
    }

    /// Its name, as `ip netns` has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Moves the calling thread into it, for good: sockets it makes from now on are made there. Names are not looked up
    /// there: that takes a process ([`Launch::within`](crate::Launch::within)).
    pub fn enter(&self) -> Result<(), Trouble> {
        let enter = || {
            let file = fs::File::open(format!("/run/netns/{}", self.name))?;
            Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
        };
        enter().map_err(|error: std::io::Error| Trouble::failed("enter the network namespace", error))
    }

    /// Runs `ip` in it.
    fn ip(&self, args: &[&str]) -> Result<(), Trouble> {
        ip(&[&["-n", self.name.as_str()], args].concat())
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // What cannot be removed is an empty namespace or a small file.
        let _left = fs::remove_dir_all(self.folder());
        let _left = ip(&["netns", "delete", &self.name]);
    }
}

fn ip(args: &[&str]) -> Result<(), Trouble> {
    let output = Command::new("ip").args(args).output().map_err(|error| Trouble::failed("run ip", error))?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(Trouble::failed(format!("ip {}", args.join(" ")), said())) }
}
