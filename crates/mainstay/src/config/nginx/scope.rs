//! What holds in a block: its own directives, else those of the blocks around it.

use std::time::Duration;

use super::ast::Directive;
use super::units;
use crate::config::fault::Report;
use crate::config::typed::{Maybe, Span, Spanned};

/// The blocks around a place, the outermost first.
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    frames: Vec<&'a [Directive]>,
}

impl<'a> Scope<'a> {
    /// The scope of an outermost block.
    pub(super) fn new(block: &'a [Directive]) -> Self {
        Self { frames: vec![block] }
    }

    /// The scope of a block within this one.
    pub(super) fn inner(&self, block: &'a [Directive]) -> Self {
        let mut frames = self.frames.clone();
        frames.push(block);
        Self { frames }
    }

    /// The directive of that name that holds here.
    pub(super) fn one(&self, name: &str) -> Option<&'a Directive> {
        self.frames.iter().rev().find_map(|frame| frame.iter().find(|directive| directive.name.text == name))
    }

    /// The directives of that name that hold here: a block that has one of its own inherits none.
    pub(super) fn all(&self, name: &str) -> Vec<&'a Directive> {
        let found = |frame: &&'a [Directive]| -> Vec<&'a Directive> { own(frame, name).collect() };
        self.frames.iter().rev().map(found).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// A time that holds here.
    pub(super) fn time(&self, name: &str, report: &mut Report) -> Maybe<Duration> {
        self.one(name).and_then(|directive| time(directive, 0, report))
    }

    /// A size that holds here.
    pub(super) fn size(&self, name: &str, report: &mut Report) -> Maybe<u64> {
        self.one(name).and_then(|directive| size(directive, 0, report))
    }

    /// A number that holds here.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str, report: &mut Report) -> Maybe<T> {
        self.one(name).and_then(|directive| number(directive, 0, report))
    }

    /// A switch that holds here.
    pub(super) fn switch(&self, name: &str, report: &mut Report) -> Maybe<bool> {
        let directive = self.one(name)?;
        match directive.arg(0) {
            "on" => Some(typed(true, directive.arg_span(0))),
            "off" => Some(typed(false, directive.arg_span(0))),
            other => {
                let message = format!("`{name}` takes `on` or `off`, not `{other}`");
                report.fault(directive.arg_span(0), message);
                None
            }
        }
    }
}

/// The directives of that name in one block.
pub(super) fn own<'a>(block: &'a [Directive], name: &str) -> impl Iterator<Item = &'a Directive> {
    block.iter().filter(move |directive| directive.name.text == name)
}

/// The argument of that index as a time.
pub(super) fn time(directive: &Directive, index: usize, report: &mut Report) -> Maybe<Duration> {
    let value = units::time(directive.arg(index));
    expect(value, directive, index, "a time", "as in 500ms, 5s or 1m30s", report)
}

/// The argument of that index as a size.
pub(super) fn size(directive: &Directive, index: usize, report: &mut Report) -> Maybe<u64> {
    expect(units::size(directive.arg(index)), directive, index, "a size", "as in 512, 8k or 1m", report)
}

/// The argument of that index as a number.
pub(super) fn number<T: std::str::FromStr>(directive: &Directive, index: usize, report: &mut Report) -> Maybe<T> {
    expect(units::number(directive.arg(index)), directive, index, "a number", "digits only", report)
}

/// A value and its place.
pub(super) fn typed<T>(value: T, span: Span) -> Spanned<T> {
    Spanned { value, span }
}

fn expect<T>(
    value: Option<T>,
    directive: &Directive,
    index: usize,
    what: &str,
    form: &str,
    report: &mut Report,
) -> Maybe<T> {
    let span = directive.arg_span(index);
    if value.is_none() {
        report.fault(span, format!("`{}` is not {what}", directive.arg(index))).help(form);
    }
    Some(typed(value?, span))
}
