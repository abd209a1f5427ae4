//! `cargo xtask fuzz`: looks for input that breaks a parser.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::root;

/// Runs fuzz targets one after the other; without a name, all of them.
///
/// They start from what is kept in fuzz/corpus, and put what they find into fuzz-corpus in cargo's target folder.
#[derive(Args, Debug)]
pub(crate) struct Fuzz {
    /// One target.
    target: Option<String>,
    /// Time for each.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

impl Fuzz {
    /// Runs them; an error at the first input that breaks one.
    pub(crate) fn run(self) -> Result<()> {
        let all = targets()?;
        let chosen = match self.target {
            None => all,
            Some(name) if all.contains(&name) => vec![name],
            Some(name) => bail!("no target `{name}`; there are: {}", all.join(", ")),
        };
        need_tools()?;
        for target in chosen {
            let found = crate::target().join("fuzz-corpus").join(&target);
            fs::create_dir_all(&found).with_context(|| format!("create {}", found.display()))?;
            let mut command = Command::new("cargo");
            command.args(["+nightly", "fuzz", "run", "--fuzz-dir", "fuzz", &target]).arg(&found);
            command.args([&format!("fuzz/corpus/{target}"), "--"]);
            command.arg(format!("-max_total_time={}", self.seconds)).arg("-timeout=10").current_dir(root());
            let dictionary = root().join(format!("fuzz/{target}.dict"));
            if dictionary.exists() {
                command.arg(format!("-dict={}", dictionary.display()));
            }
            let status = command.status().context("run cargo fuzz")?;
            if !status.success() {
                bail!("{target}: an input breaks it; it is in fuzz/artifacts/{target}");
            }
        }
        Ok(())
    }
}

/// The targets that fuzz/Cargo.toml lists.
fn targets() -> Result<Vec<String>> {
    let path = root().join("fuzz/Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let manifest: toml::Table = toml::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml lists no targets")?;
    let name = |bin: &toml::Value| bin.get("name").and_then(toml::Value::as_str).map(str::to_owned);
    Ok(bins.iter().filter_map(name).collect())
}

fn need_tools() -> Result<()> {
    let works = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !works(&["+nightly", "--version"]) {
        bail!("fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal");
    }
    if !works(&["fuzz", "--version"]) {
        bail!("fuzzing needs cargo-fuzz: cargo install cargo-fuzz --locked");
    }
    Ok(())
}
