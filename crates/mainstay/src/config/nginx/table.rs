//! What is done with each directive of nginx, and where it may stand.

use super::ast::Directive;
use super::directives::{FAMILIES, KNOWN};
use crate::config::fault::{Report, did_you_mean};

/// Where directives may stand, as bits.
pub(super) mod place {
    /// Outside every block.
    pub(in super::super) const MAIN: u16 = 1;
    /// `events`
    pub(in super::super) const EVENTS: u16 = 2;
    /// `http`
    pub(in super::super) const HTTP: u16 = 4;
    /// `server` in `http`
    pub(in super::super) const SERVER: u16 = 8;
    /// `location`
    pub(in super::super) const LOCATION: u16 = 16;
    /// `upstream` in `http`
    pub(in super::super) const UPSTREAM: u16 = 32;
    /// `match` in `http`
    pub(in super::super) const MATCH: u16 = 64;
    /// `stream`
    pub(in super::super) const STREAM: u16 = 128;
    /// `server` in `stream`
    pub(in super::super) const STREAM_SERVER: u16 = 256;
    /// `upstream` in `stream`
    pub(in super::super) const STREAM_UPSTREAM: u16 = 512;
    /// `match` in `stream`
    pub(in super::super) const STREAM_MATCH: u16 = 1024;
    /// A block whose lines are not directives.
    pub(in super::super) const FREE: u16 = 2048;
}

/// One directive.
pub(super) struct Known {
    /// Its name.
    pub(super) name: &'static str,
    /// Where it may stand; see [`place`].
    pub(super) within: u16,
    /// Fewest and most arguments.
    pub(super) args: (usize, usize),
    /// What is done with it.
    pub(super) treat: Treat,
    /// Whether it may stand several times in one block.
    pub(super) many: bool,
    /// The place its block is, or 0 when it ends with `;`.
    pub(super) opens: u16,
}

/// What is done with a directive.
#[derive(Clone, Copy)]
pub(super) enum Treat {
    /// It is translated.
    Used,
    /// The same, whatever it says.
    All(Verdict),
    /// By its argument; any other argument is a fault.
    Values(&'static [(&'static str, Verdict)]),
}

/// What a directive comes to.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    /// Mainstay does so anyway, or nobody can tell the difference.
    Fits,
    /// It has no meaning here, or another one.
    Note(&'static str),
    /// Mainstay cannot do it.
    Refused(&'static str),
}

/// Reports every directive that is unknown, in a wrong place, of a wrong form, or not translated.
pub(super) fn check(directives: &[Directive], within: u16, report: &mut Report) {
    for (index, directive) in directives.iter().enumerate() {
        let Some(known) = find(directive, within, report) else { continue };
        if !known.many && directives[..index].iter().any(|earlier| earlier.name.text == known.name) {
            report
                .fault(directive.span(), format!("`{}` stands twice in this block", known.name))
                .help("keep one of the two");
        }
        if form(directive, known, report) {
            treat(directive, known, report);
        }
        if known.opens != 0 && known.opens != place::FREE {
            check(directive.children(), known.opens, report);
        }
    }
}

fn find(directive: &Directive, within: u16, report: &mut Report) -> Option<&'static Known> {
    let name = directive.name.text.as_str();
    let mut elsewhere = 0;
    for known in KNOWN.iter().filter(|known| known.name == name) {
        if known.within & within != 0 {
            return Some(known);
        }
        elsewhere |= known.within;
    }
    let span = directive.name.span;
    if elsewhere != 0 {
        report
            .fault(span, format!("`{name}` may not stand {}", stands(within)))
            .help(format!("it belongs {}", places(elsewhere)));
    } else if let Some((_, why)) = FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        report.fault(directive.span(), format!("`{name}`: {why}"));
    } else {
        let fault = report.fault(span, format!("unknown directive `{name}`"));
        let near = KNOWN.iter().filter(|known| known.within & within != 0).map(|known| known.name);
        if let Some(near) = did_you_mean(name, near) {
            fault.help(format!("did you mean `{near}`?"));
        }
    }
    None
}

fn form(directive: &Directive, known: &Known, report: &mut Report) -> bool {
    let name = known.name;
    match (&directive.block, known.opens) {
        (None, 0) | (Some(_), 1..) => {}
        (None, _) => {
            report.fault(directive.span(), format!("`{name}` needs a block")).help(format!("as in `{name} {{ ... }}`"));
            return false;
        }
        (Some(_), 0) => {
            report.fault(directive.span(), format!("`{name}` takes no block")).help("end it with `;`");
            return false;
        }
    }
    let (fewest, most) = known.args;
    let count = directive.args.len();
    if count < fewest || count > most {
        let takes = match (fewest, most) {
            (0, 0) => "none".to_owned(),
            (a, b) if a == b => a.to_string(),
            (a, ANY) => format!("{a} or more"),
            (a, b) => format!("{a} to {b}"),
        };
        report.fault(directive.span(), format!("`{name}` has {count} arguments, it takes {takes}"));
        return false;
    }
    true
}

fn treat(directive: &Directive, known: &Known, report: &mut Report) {
    let verdict = match known.treat {
        Treat::Used => return,
        Treat::All(verdict) => verdict,
        Treat::Values(values) => {
            let value = directive.arg(0);
            let Some((_, verdict)) = values.iter().find(|(known, _)| *known == value) else {
                let takes: Vec<String> = values.iter().map(|(known, _)| format!("`{known}`")).collect();
                report.fault(
                    directive.arg_span(0),
                    format!("`{}` takes {}, not `{value}`", known.name, takes.join(" or ")),
                );
                return;
            };
            *verdict
        }
    };
    match verdict {
        Verdict::Fits => {}
        Verdict::Note(why) => {
            report.note(directive.span(), format!("`{}`: {why}", known.name));
        }
        Verdict::Refused(why) => {
            report.fault(directive.span(), format!("`{}`: {why}", known.name));
        }
    }
}

fn stands(within: u16) -> String {
    if within == place::MAIN { "outside every block".to_owned() } else { places(within) }
}

fn places(within: u16) -> String {
    let names: Vec<&str> = PLACES.iter().filter(|(bit, _)| within & bit != 0).map(|(_, name)| *name).collect();
    names.join(", or ")
}

const PLACES: [(u16, &str); 11] = [
    (place::MAIN, "outside every block"),
    (place::EVENTS, "in `events`"),
    (place::HTTP, "in `http`"),
    (place::SERVER, "in a `server` of `http`"),
    (place::LOCATION, "in a `location`"),
    (place::UPSTREAM, "in an `upstream` of `http`"),
    (place::MATCH, "in a `match` of `http`"),
    (place::STREAM, "in `stream`"),
    (place::STREAM_SERVER, "in a `server` of `stream`"),
    (place::STREAM_UPSTREAM, "in an `upstream` of `stream`"),
    (place::STREAM_MATCH, "in a `match` of `stream`"),
];

/// No upper bound on the number of arguments.
pub(super) const ANY: usize = usize::MAX;
