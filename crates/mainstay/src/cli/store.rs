//! `mainstay store init` and `mainstay store check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mainstay_store::{AdminFault, Check, Finding, LeasePlan, Location, Settings};
use serde_json::json;

use super::{USAGE, print};
use crate::config;
use crate::config::leases::Leases;
use crate::run::leases::settings;

/// What is done with a store.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Makes what the store and the leases of a configuration need: file or schema, group roles, login roles.
    Init {
        #[command(flatten)]
        which: Which,
        /// Print the SQL for an administrator, and do nothing.
        #[arg(long)]
        print: bool,
    },
    /// Looks whether a store is fit, and says which tier it offers. Changes nothing.
    Check {
        #[command(flatten)]
        which: Which,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub struct Which {
    /// A configuration, or the URL of a store: sqlite:FILE or postgres://...
    #[arg(value_name = "FILE|URL")]
    store: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// `mainstay store`
pub(super) fn command(store: &Store) -> ExitCode {
    let (Store::Init { which, .. } | Store::Check { which }) = store;
    let fail = |why: String| {
        eprintln!("{why}");
        ExitCode::FAILURE
    };
    let target = match target(&which.store) {
        Ok(target) => target,
        Err(why) => return fail(why),
    };
    let plans = target.plans();
    if let Store::Init { print: true, .. } = store {
        return match mainstay_store::init_script(target.at(), &plans) {
            Some(script) => print(&script, true),
            None => {
                eprintln!("mainstay: {} is a file, and needs no SQL", target.at());
                ExitCode::from(USAGE)
            }
        };
    }
    let settings = match target.settings() {
        Ok(settings) => settings,
        Err(why) => return fail(why),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mainstay: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        match store {
            Store::Init { .. } => made(mainstay_store::init(&settings, &plans).await, which.json),
            Store::Check { .. } => found(&mainstay_store::check(&settings, &plans).await, which.json),
        }
    })
}

fn made(result: Result<Vec<String>, AdminFault>, as_json: bool) -> ExitCode {
    let done = result.as_ref().map_or(&[][..], Vec::as_slice);
    if as_json {
        let fault = result.as_ref().err().map(ToString::to_string);
        return print(
            &format!("{:#}\n", json!({ "ok": fault.is_none(), "done": done, "fault": fault })),
            fault.is_none(),
        );
    }
    match &result {
        Ok(done) => print(&done.iter().map(|line| format!("{line}\n")).collect::<String>(), true),
        Err(fault) => {
            eprintln!("mainstay: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn found(check: &Check, as_json: bool) -> ExitCode {
    let tier = check.tier.map(|tier| tier.to_string());
    if as_json {
        let finding = |finding: &Finding| match finding {
            Finding::Good(text) => json!({ "kind": "good", "text": text }),
            Finding::Note(text) => json!({ "kind": "note", "text": text }),
            Finding::Fault(text) => json!({ "kind": "fault", "text": text }),
        };
        let findings: Vec<_> = check.findings.iter().map(finding).collect();
        let document = json!({ "ok": check.is_good(), "tier": tier, "findings": findings });
        return print(&format!("{document:#}\n"), check.is_good());
    }
    let mut text: String = check.findings.iter().map(|finding| format!("{finding}\n")).collect();
    text.push_str(
        &tier.map_or_else(|| "no tier: the store cannot be used\n".to_owned(), |tier| format!("tier: {tier}\n")),
    );
    print(&text, check.is_good())
}

/// A store, as it was named.
enum Target {
    Url(Location),
    File(Box<Leases>),
}

/// What is named: a configuration or a URL.
fn target(store: &str) -> Result<Target, String> {
    let path = Path::new(store);
    let is_url = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| store.starts_with(scheme));
    if is_url && !path.exists() {
        return store.parse().map(Target::Url).map_err(|fault| format!("mainstay: {fault}"));
    }
    let loaded = config::load(&PathBuf::from(store), &[]).map_err(|faults| faults.to_string())?;
    let leases = loaded.leases.ok_or_else(|| format!("mainstay: {store} has no [lease.NAME], and so no store"))?;
    Ok(Target::File(Box::new(leases)))
}

impl Target {
    fn at(&self) -> &Location {
        match self {
            Self::Url(at) => at,
            Self::File(leases) => &leases.store.at,
        }
    }

    fn settings(&self) -> Result<Settings, String> {
        match self {
            Self::Url(at) => Ok(Settings::new(at.clone())),
            Self::File(leases) => settings(leases).map_err(|why| format!("mainstay: {why}")),
        }
    }

    /// What the leases need.
    fn plans(&self) -> Vec<LeasePlan> {
        let Self::File(leases) = self else { return Vec::new() };
        let plan = |lease: &config::leases::Lease| LeasePlan {
            lease: lease.terms.lease.clone(),
            group: lease.group.as_deref().map(Into::into),
            roles: lease.roles.iter().map(|role| role.as_str().into()).collect(),
            database: lease.database.as_deref().map(Into::into),
        };
        leases.all.iter().map(plan).collect()
    }
}
