//! Packages of Debian that the tests and the benchmark need.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Installs those of `packages` that are missing: as root, or through `sudo` when it asks for no password. An error
/// that says what to install when neither is possible.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let Some(prefix) = privileges() else {
        bail!("missing packages, and no right to install them; run: sudo apt-get install {list}");
    };
    eprintln!("installing {list}");
    apt(prefix, &["update"]).or_else(|error| {
        // A mirror that is out of reach does not matter when the lists on this machine still serve.
        eprintln!("{error:#}");
        Ok::<(), anyhow::Error>(())
    })?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(prefix, &arguments).with_context(|| format!("install {list}"))
}

/// Whether Debian's package manager has it.
fn is_installed(package: &str) -> bool {
    let output = Command::new("dpkg-query").args(["--show", "--showformat", "${db:Status-Status}", package]).output();
    output.is_ok_and(|output| output.stdout == b"installed")
}

/// What goes before a command that needs root, when there is a way.
fn privileges() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success()).then_some(&["sudo", "-n"])
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    let mut words = prefix.to_vec();
    // Services must not start by themselves: the tests start what they use on ports of their own.
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "--quiet"]);
    words.extend(arguments);
    let (program, rest) = words.split_first().context("an empty command")?;
    let output = Command::new(program).args(rest).stdin(Stdio::null()).output().context("run apt-get")?;
    if !output.status.success() {
        bail!("apt-get {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
