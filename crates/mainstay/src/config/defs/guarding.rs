//! Kinds of values that only guards, leases and the pools that follow them have.

use ::toml::de::{DeTable as Table, DeValue};

use super::guard::{PROGRESS, READY, RESTART};
use super::hold::HOLD;
use super::kinds::{array, quoted};
use super::nested::{inline, missing, plain};
use super::{HOOK, Kind, Setting, Value};
use crate::config::read::Decoder;
use crate::config::typed::{Hold, Hook, Maybe, Progress, Ready, Restart, Spanned};

/// A program and its arguments.
pub(super) struct Words;

impl Kind for Words {
    type Slot = Vec<Spanned<String>>;

    fn name(&self) -> String {
        "a list of texts: a program and its arguments".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = words(value, cx);
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        (!slot.is_empty()).then(|| array(&slot.iter().map(|word| quoted(&word.value)).collect::<Vec<_>>()))
    }
}

fn words(value: &Value<'_>, cx: &mut Decoder<'_>) -> Vec<Spanned<String>> {
    if let DeValue::String(text) = value.get_ref()
        && text.split_whitespace().count() > 1
    {
        let words: Vec<String> = text.split_whitespace().map(quoted).collect();
        cx.wrong(value, "a list: a program and each of its arguments")
            .help(format!("write [{}], or [\"sh\", \"-c\", \"...\"] for what a shell is to read", words.join(", ")));
        return Vec::new();
    }
    cx.entries(value).into_iter().filter_map(|entry| cx.text(entry, "a list of texts")).collect()
}

/// Names and their values.
pub(super) struct Variables;

impl Kind for Variables {
    type Slot = Vec<(Spanned<String>, Spanned<String>)>;

    fn name(&self) -> String {
        "a table of texts".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        let DeValue::Table(table) = value.get_ref() else {
            cx.wrong(value, "a table of texts").help("write { NAME = \"value\" }");
            return;
        };
        for (key, value) in crate::config::read::in_order(table) {
            let name = Spanned { value: key.get_ref().to_string(), span: cx.span(key.span()) };
            if let Some(text) = cx.text(value, "a table of texts") {
                slot.push((name, text));
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let pair = |(name, text): &(Spanned<String>, Spanned<String>)| {
            format!("{} = {}", crate::config::print::key(&name.value), quoted(&text.value))
        };
        (!slot.is_empty()).then(|| format!("{{ {} }}", slot.iter().map(pair).collect::<Vec<_>>().join(", ")))
    }
}

/// A number, or a word for one.
pub(super) struct Priority;

impl Kind for Priority {
    type Slot = Maybe<String>;

    fn name(&self) -> String {
        "a whole number, `\"never\"` or `\"preferred\"`".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = match value.get_ref() {
            DeValue::Integer(_) => cx
                .number(value, u64::from(u32::MAX))
                .map(|number| Spanned { value: number.value.to_string(), span: number.span }),
            _ => cx.text(value, "a whole number, \"never\" or \"preferred\""),
        };
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let typed = &slot.as_ref()?.value;
        Some(match typed.parse::<u32>() {
            Ok(number) if number.to_string() == *typed => typed.clone(),
            _ => quoted(typed),
        })
    }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $kind:ident: $slot:ty, $settings:expr, $name:literal, $takes:literal, $help:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $kind;

        impl Kind for $kind {
            type Slot = Maybe<$slot>;

            fn name(&self) -> String {
                $name.to_owned()
            }

            fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
                *slot = table($settings, value, cx, ($takes, $help));
            }

            fn print(&self, slot: &Self::Slot) -> Option<String> {
                slot.as_ref().map(|typed| inline($settings, &typed.value))
            }
        }
    )*};
}

tables! {
    /// When a child is ready.
    ReadyCheck: Ready, READY, "a table, see [ready](#ready)", "a table",
        "write { tcp = \"127.0.0.1:PORT\" }, { http = \"http://127.0.0.1:PORT/path\" } or { run = [\"program\"] }";
    /// How one that stands still is recognized.
    ProgressCheck: Progress, PROGRESS, "a table, see [progress](#progress)", "a table",
        "write { run = [\"program\"], within = \"1m\" }";
    /// When a child is started again.
    Restarts: Restart, RESTART, "a table, see [restart](#restart)", "a table",
        "write { times = 3, within = \"1m\" }";
    /// What waits for a leader.
    Holding: Hold, HOLD, "a table, see [hold](#hold)", "a table",
        "write { requests = 1000, bytes = \"16MiB\", time = \"30s\" }";
}

fn table<T: Default>(
    settings: &'static [Setting<T>],
    value: &Value<'_>,
    cx: &mut Decoder<'_>,
    (takes, help): (&str, &str),
) -> Maybe<T> {
    let DeValue::Table(table) = value.get_ref() else {
        cx.wrong(value, takes).help(help);
        return None;
    };
    Some(plain(settings, table, value, cx))
}

/// A command that is run at a certain time.
pub(super) struct HookKind;

impl Kind for HookKind {
    type Slot = Maybe<Hook>;

    fn name(&self) -> String {
        "a list of texts, or a table, see [hooks](#prepare-before-and-after)".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        let hook = match value.get_ref() {
            DeValue::Table(table) => hook_table(table, value, cx),
            _ => Hook { run: words(value, cx), within: None },
        };
        *slot = Some(cx.spanned(hook, value));
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let hook = &slot.as_ref()?.value;
        match hook.within {
            None => Words.print(&hook.run),
            Some(_) => Some(inline(HOOK, hook)),
        }
    }
}

fn hook_table(table: &Table<'_>, value: &Value<'_>, cx: &mut Decoder<'_>) -> Hook {
    let hook = plain(HOOK, table, value, cx).value;
    if hook.run.is_empty() {
        missing(value, "run", table, cx);
    }
    hook
}
