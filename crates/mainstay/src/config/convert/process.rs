//! `[run]`, `[admin]` and `[log]`.

use super::{Cx, address};
use crate::config::defaults;
use crate::config::fault::did_you_mean;
use crate::config::process::{Access, Admin, Format, Level, Log, Process, Run};
use crate::config::typed::{Maybe, Spanned};

pub(super) fn convert(cx: &mut Cx<'_>) -> Process {
    let config = cx.config;
    let workers = config.run.workers.map(|typed| cx.positive(Some(typed), "a number of workers", "1", typed.value));
    if let Some(many) = config.run.workers.filter(|typed| typed.value > MOST_WORKERS) {
        cx.fault(many.span, format!("{} workers", many.value)).help(format!("write {MOST_WORKERS} or less"));
    }
    let drain = cx.positive(config.run.drain, "a drain", "\"100ms\"", defaults::DRAIN);
    Process {
        run: Run { workers: workers.and_then(|workers| usize::try_from(workers).ok()), drain },
        admin: admin(cx, &config.admin.at),
        log: Log {
            level: word(cx, &config.log.level, "level", &LEVELS, Level::Info),
            format: word(cx, &config.log.format, "format", &FORMATS, Format::Text),
            to: config.log.to.as_ref().filter(|to| to.value != "stderr").map(|to| path(cx, to)),
            access: access(cx, &config.log.access),
        },
    }
}

/// Reads the address of an admin listener: `unix:/path`, `host:port` or `off`.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn admin_address(text: &str) -> Result<Admin, (String, String)> {
    if text == "off" {
        return Ok(Admin::Off);
    }
    match address::listen(text) {
        Ok(Ok(address)) => Ok(Admin::Tcp(address)),
        Ok(Err(path)) => Ok(Admin::Unix(path)),
        Err(wrong) => Err((wrong.message, wrong.help)),
    }
}

fn admin(cx: &mut Cx<'_>, typed: &Maybe<String>) -> Admin {
    let Some(typed) = typed else { return Admin::Default };
    admin_address(&typed.value).unwrap_or_else(|(message, help)| {
        cx.fault(typed.span, message).help(help);
        Admin::Default
    })
}

fn access(cx: &mut Cx<'_>, typed: &Maybe<String>) -> Access {
    match typed.as_ref().map(|typed| (typed.value.as_str(), typed)) {
        None | Some(("off", _)) => Access::Off,
        Some(("stdout", _)) => Access::Stdout,
        Some(("stderr", _)) => Access::Stderr,
        Some((_, typed)) => Access::File(path(cx, typed)),
    }
}

fn path(cx: &mut Cx<'_>, typed: &Spanned<String>) -> std::path::PathBuf {
    let text = &typed.value;
    if !text.contains('/') {
        let help = match did_you_mean(text, ["stdout", "stderr", "off"]) {
            Some(guess) => format!("did you mean \"{guess}\"? A file here is written \"./{text}\""),
            None => format!("write a path with a slash, e.g. \"/var/log/{text}\""),
        };
        cx.fault(typed.span, format!("\"{text}\" is no path")).help(help);
    }
    text.into()
}

fn word<T: Copy>(cx: &mut Cx<'_>, typed: &Maybe<String>, what: &str, words: &[(&str, T)], default: T) -> T {
    let Some(typed) = typed else { return default };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == typed.value) {
        return *value;
    }
    let names = || words.iter().map(|(word, _)| *word);
    let help = match did_you_mean(&typed.value, names()) {
        Some(guess) => format!("did you mean \"{guess}\"?"),
        None => format!("write {}", names().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")),
    };
    cx.fault(typed.span, format!("there is no {what} \"{}\"", typed.value)).help(help);
    default
}

const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];

/// Far more cores than any machine has.
const MOST_WORKERS: u32 = 4_096;
