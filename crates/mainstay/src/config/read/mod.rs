//! Reads TOML into [`Config`], by the definitions of [`super::defs`]. Reading goes on after every fault.

mod decoder;

use ::toml::de::{DeTable, DeValue};

pub(super) use self::decoder::{Decoder, Part, in_order};

use super::defs::{ACT, ADMIN, GUARD, LEASE, LIMIT, LISTEN, LOG, POOL, RETRY, RUN, STORE, Setting, TLS, Value};
use super::fault::{Report, did_you_mean};
use super::source::Sources;
use super::typed::{Config, Listen, Span, Spanned};

/// Reads file number `file` of `sources`. Every fault goes to `report`; the configuration is what could be read.
pub fn read(sources: &Sources, file: u16, report: &mut Report) -> Config {
    let text = sources.text(file).unwrap_or_default();
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut syntax = Vec::new();
    for error in errors {
        let span = span_of(file, error.span().unwrap_or(0..0));
        syntax.push(line_of(text, span.start));
        syntax_fault(report, span, error.message(), text);
    }
    let mut found = Report::default();
    let config = config(table.get_ref(), &mut Decoder::new(file, &mut found));
    // What stands on a line that could not be read says nothing about what was meant.
    report.take(found.into_found().into_iter().filter(|fault| {
        let line = fault.span.map(|span| line_of(text, span.start));
        line.is_none_or(|line| !syntax.contains(&line))
    }));
    config
}

fn config(root: &DeTable<'_>, cx: &mut Decoder<'_>) -> Config {
    let mut config = Config::default();
    for (key, value) in decoder::in_order(root) {
        let name: &str = key.get_ref();
        match name {
            "run" => single(&mut config.run, RUN, name, value, cx),
            "admin" => single(&mut config.admin, ADMIN, name, value, cx),
            "log" => single(&mut config.log, LOG, name, value, cx),
            "pool" => config.pools = named(POOL, name, value, cx),
            "retry" => config.retries = named(RETRY, name, value, cx),
            "limit" => config.limits = named(LIMIT, name, value, cx),
            "tls" => config.tls = named(TLS, name, value, cx),
            "store" => single(&mut config.store, STORE, name, value, cx),
            "lease" => config.leases = named(LEASE, name, value, cx),
            "guard" => config.guards = named(GUARD, name, value, cx),
            "listen" => config.listens = listens(name, value, cx),
            _ => unknown_table(name, cx.span(key.span()), value, cx),
        }
    }
    config
}

fn single<T>(into: &mut T, settings: &'static [Setting<T>], name: &str, value: &Value<'_>, cx: &mut Decoder<'_>) {
    cx.place = format!("[{name}]");
    match value.get_ref() {
        DeValue::Table(table) => cx.table(table, &mut [&mut Part { settings, into }]),
        _ => {
            let span = cx.span(value.span());
            cx.report.fault(span, format!("\"{name}\" is a table")).help(format!("write `[{name}]`, its keys below"));
        }
    }
}

fn named<T: Default>(
    settings: &'static [Setting<T>],
    kind: &str,
    value: &Value<'_>,
    cx: &mut Decoder<'_>,
) -> Vec<(Spanned<String>, T)> {
    each_named(kind, value, cx, |table, cx| {
        let mut into = T::default();
        cx.table(table, &mut [&mut Part { settings, into: &mut into }]);
        into
    })
}

fn listens(kind: &str, value: &Value<'_>, cx: &mut Decoder<'_>) -> Vec<(Spanned<String>, Listen)> {
    each_named(kind, value, cx, |table, cx| {
        let mut into = Listen::default();
        let mut action = std::mem::take(&mut into.action);
        let mut keys = Part { settings: LISTEN, into: &mut into };
        cx.table(table, &mut [&mut keys, &mut Part { settings: ACT, into: &mut action }]);
        into.action = action;
        into
    })
}

fn each_named<T>(
    kind: &str,
    value: &Value<'_>,
    cx: &mut Decoder<'_>,
    mut read: impl FnMut(&DeTable<'_>, &mut Decoder<'_>) -> T,
) -> Vec<(Spanned<String>, T)> {
    let mut all = Vec::new();
    let DeValue::Table(tables) = value.get_ref() else {
        let span = cx.span(value.span());
        cx.report.fault(span, format!("\"{kind}\" is no table of tables")).help(format!("write `[{kind}.NAME]`"));
        return all;
    };
    for (key, value) in decoder::in_order(tables) {
        let span = cx.span(key.span());
        let name: &str = key.get_ref();
        match value.get_ref() {
            DeValue::Table(table) => {
                cx.place = format!("[{kind}.{name}]");
                all.push((Spanned { value: name.to_owned(), span }, read(table, cx)));
            }
            _ => {
                cx.report
                    .fault(span, format!("\"{name}\" stands in [{kind}], which has no keys of its own"))
                    .help(format!("give the table a name: `[{kind}.NAME]`, with `{name}` below"));
            }
        }
    }
    all
}

fn unknown_table(name: &str, span: Span, value: &Value<'_>, cx: &mut Decoder<'_>) {
    let fault = match value.get_ref() {
        DeValue::Table(_) => cx.report.fault(span, format!("there is no table [{name}]")),
        _ => cx.report.fault(span, format!("\"{name}\" stands in no table")),
    };
    match did_you_mean(name, TABLES) {
        Some(guess) => fault.help(format!("did you mean {}?", shown_table(guess))),
        None => fault.help(format!("the tables are {}", TABLES.map(shown_table).join(", "))),
    };
}

fn shown_table(name: &str) -> String {
    if NAMED_TABLES.contains(&name) { format!("[{name}.NAME]") } else { format!("[{name}]") }
}

fn syntax_fault(report: &mut Report, span: Span, message: &str, text: &str) {
    let typed = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let first = message.lines().next().unwrap_or_default().trim_end_matches(", expected nothing");
    if first == "duplicate key" {
        report
            .fault(span, format!("\"{typed}\" is defined twice"))
            .help("a key or a table may stand there only once: join the two, or give one another name");
        return;
    }
    let fault = report.fault(span, format!("this is no TOML: {first}"));
    let unquoted = ["string values must be quoted", "invalid float", "invalid integer"];
    if unquoted.iter().any(|known| first.starts_with(known)) {
        fault.help("write text in double quotes, and a number with digits alone");
    }
}

pub(super) fn span_of(file: u16, range: std::ops::Range<usize>) -> Span {
    let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file, start: short(range.start), end: short(range.end) }
}

fn line_of(text: &str, at: u32) -> usize {
    let before = text.as_bytes().get(..at as usize).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count()
}

/// Every table there is.
const TABLES: [&str; 11] =
    ["pool", "listen", "retry", "limit", "tls", "store", "lease", "guard", "run", "admin", "log"];

/// Those that hold tables with names.
const NAMED_TABLES: [&str; 7] = ["pool", "listen", "retry", "limit", "tls", "lease", "guard"];
