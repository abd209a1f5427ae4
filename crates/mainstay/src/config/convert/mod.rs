//! From what was typed to what the program runs: the one conversion, for both languages. Defaults are filled in here,
//! and everything that is wrong is reported, not only the first.

mod act;
mod address;
mod agree;
mod checks;
mod cross;
mod databases;
mod guarding;
mod guards;
mod http;
mod leader;
mod leases;
mod listeners;
mod names;
mod owner;
mod pattern;
mod pools;
mod process;
mod rules;
mod target;
mod template;
mod tls;

use std::path::Path;

use mainstay_proxy::params::Plan;

use self::names::Broken;
use self::pools::Uses;
pub use self::process::admin_address;
use self::rules::Rules;
use super::databases::Database;
use super::fault::{Fault, Report};
use super::leases::Leases;
use super::map::Maps;
use super::process::Process;
use super::source::Sources;
use super::typed::{Config, Maybe, Span};

/// What a configuration says.
pub(super) struct Converted {
    pub(super) plan: Plan,
    pub(super) process: Process,
    pub(super) leases: Option<Leases>,
    pub(super) databases: Vec<Database>,
}

/// Converts a configuration. Every fault goes to `report`; without one there, the result is what the program runs.
/// `folder` is the configuration's.
pub(super) fn convert(
    config: &Config,
    sources: &Sources,
    folder: Option<&Path>,
    maps: &mut Maps,
    report: &mut Report,
) -> Converted {
    let broken = Broken::new(config, report);
    let mut cx = Cx {
        config,
        sources,
        report,
        maps,
        broken,
        uses: Uses::default(),
        databases: Vec::new(),
        unsure: false,
        folder,
        tls: tls::Known::default(),
    };
    names::check(&mut cx);
    let mut rules = Rules::new(&mut cx);
    let built = listeners::convert(&mut cx, &mut rules);
    let (pools, checkers) = pools::convert(&mut cx);
    let plan = Plan { checkers, pools, listeners: built.listeners };
    cross::check(&mut cx, &plan, &built.places, &rules);
    let process = process::convert(&mut cx);
    let leases = leases::convert(&mut cx, folder);
    guarding::check(&mut cx, &plan, &built.places);
    cx.maps.check(cx.report);
    let databases = cx.databases;
    Converted { plan, process, leases, databases }
}

/// What every part of the conversion needs.
struct Cx<'c> {
    config: &'c Config,
    sources: &'c Sources,
    report: &'c mut Report,
    maps: &'c mut Maps,
    broken: Broken,
    uses: Uses,
    /// The databases that listeners lead to.
    databases: Vec<Database>,
    /// Whether something refers to a name that could not be read or found.
    unsure: bool,
    /// The configuration's folder.
    folder: Option<&'c Path>,
    tls: tls::Known,
}

impl Cx<'_> {
    fn fault(&mut self, span: Span, message: impl Into<String>) -> &mut Fault {
        self.report.fault(span, message)
    }

    /// What was typed, which must not be zero, or the default.
    fn positive<T: Copy + Default + PartialEq>(&mut self, typed: Maybe<T>, what: &str, least: &str, default: T) -> T {
        let Some(typed) = typed else { return default };
        let (least, otherwise) = least.split_at(least.find(';').unwrap_or(least.len()));
        if typed.value == T::default() {
            self.fault(typed.span, format!("{what} of zero")).help(format!("write {least} or more{otherwise}"));
        }
        typed.value
    }
}

/// What was typed, or the default.
fn or<T: Copy>(typed: Maybe<T>, default: T) -> T {
    typed.map_or(default, |typed| typed.value)
}
