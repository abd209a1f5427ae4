//! Kinds of values that many settings share.

use std::time::Duration;

use ::toml::de::DeValue;
use mainstay_proxy::params::Http2;

use super::{Kind, Value};
use crate::config::read::Decoder;
use crate::config::typed::{Maybe, Spanned};
use crate::config::units;

pub(super) use super::nested::{Checks, Ejection, ErrorPages, Mirrors, Nodes, PolicyKind, Routes};

/// A time with its unit.
pub(super) struct Time;

impl Kind for Time {
    type Slot = Maybe<Duration>;

    fn name(&self) -> String {
        "a time".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        match value.get_ref() {
            DeValue::String(text) => match units::time(text) {
                Ok(time) => *slot = Some(cx.spanned(time, value)),
                Err(what) => {
                    cx.bad(value, &what).help(time_help(text));
                }
            },
            DeValue::Integer(number) => {
                let help = time_help(number.as_str());
                cx.wrong(value, "a time with its unit").help(help);
            }
            _ => {
                cx.wrong(value, "a time").help("write a time such as \"250ms\" or \"5s\"");
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        slot.as_ref().map(|time| quoted(&units::show_time(time.value)))
    }
}

/// A size with its unit.
pub(super) struct Size;

impl Kind for Size {
    type Slot = Maybe<u64>;

    fn name(&self) -> String {
        "a size".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        match value.get_ref() {
            DeValue::String(text) => match units::size(text) {
                Ok(size) => *slot = Some(cx.spanned(size, value)),
                Err(what) => {
                    cx.bad(value, &what).help(size_help(text));
                }
            },
            DeValue::Integer(number) => {
                let help = size_help(number.as_str());
                cx.wrong(value, "a size with its unit").help(help);
            }
            _ => {
                cx.wrong(value, "a size").help("write a size such as \"64KiB\" or \"10MB\"");
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        slot.as_ref().map(|size| quoted(&units::show_size(size.value)))
    }
}

/// What a bare number was probably meant to be.
fn time_help(number: &str) -> String {
    match number.parse::<u32>() {
        Ok(0) => "write \"0s\"".to_owned(),
        Ok(number) if number < 100 => format!("write \"{number}s\" or \"{number}ms\""),
        Ok(number) => format!("write \"{number}ms\" or \"{number}s\""),
        Err(_) => "write a time such as \"250ms\" or \"5s\"".to_owned(),
    }
}

fn size_help(number: &str) -> String {
    match number.parse::<u32>() {
        Ok(number) => format!("write \"{}\" if bytes are meant", units::show_size(u64::from(number))),
        Err(_) => "write a size such as \"64KiB\" or \"10MB\"".to_owned(),
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $kind:ident: $number:ty;)*) => {$(
        $(#[$doc])*
        pub(super) struct $kind;

        impl Kind for $kind {
            type Slot = Maybe<$number>;

            fn name(&self) -> String {
                "a whole number".to_owned()
            }

            fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
                let number = cx.number(value, u64::from(<$number>::MAX).min(i64::MAX as u64));
                if let Some(Spanned { value, span }) = number
                    && let Ok(value) = <$number>::try_from(value)
                {
                    *slot = Some(Spanned { value, span });
                }
            }

            fn print(&self, slot: &Self::Slot) -> Option<String> {
                slot.as_ref().map(|number| number.value.to_string())
            }
        }
    )*};
}

numbers! {
    /// A number of up to 32 bits.
    Count: u32;
    /// A number of up to 63 bits, which is as far as TOML's reach.
    BigCount: u64;
}

/// A port or a status.
pub(super) struct Number16(pub(super) &'static str);

impl Kind for Number16 {
    type Slot = Maybe<u16>;

    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = short(value, cx);
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        slot.as_ref().map(|number| number.value.to_string())
    }
}

fn short(value: &Value<'_>, cx: &mut Decoder<'_>) -> Maybe<u16> {
    let Spanned { value, span } = cx.number(value, u64::from(u16::MAX))?;
    u16::try_from(value).ok().map(|value| Spanned { value, span })
}

/// A number with or without a point.
pub(super) struct Ratio;

impl Kind for Ratio {
    type Slot = Maybe<f64>;

    fn name(&self) -> String {
        "a number".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => {
                cx.wrong(value, "a number such as 0.2");
                return;
            }
        };
        match number.filter(|number: &f64| number.is_finite() && *number >= 0.0) {
            Some(number) => *slot = Some(cx.spanned(number, value)),
            None => {
                cx.bad(value, "this is no number from 0 up").help("write a number such as 0.2");
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        slot.as_ref().map(|number| format!("{:?}", number.value))
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Slot = Maybe<bool>;

    fn name(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        match value.get_ref() {
            DeValue::Boolean(flag) => *slot = Some(cx.spanned(*flag, value)),
            _ => {
                cx.wrong(value, "true or false").help("write true or false, without quotes");
            }
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        slot.as_ref().map(|flag| flag.value.to_string())
    }
}

/// Whether HTTP/2 is taken beside HTTP/1, or alone.
pub(super) struct Versions;

impl Kind for Versions {
    type Slot = Maybe<Http2>;

    fn name(&self) -> String {
        "`true`, `false` or `\"only\"`".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        let versions = match value.get_ref() {
            DeValue::Boolean(true) => Http2::Taken,
            DeValue::Boolean(false) => Http2::Refused,
            DeValue::String(word) if word == "only" => Http2::Only,
            DeValue::String(word) => {
                cx.bad(value, &format!("\"{word}\" is none of its words")).help("write true, false or \"only\"");
                return;
            }
            _ => {
                cx.wrong(value, "true, false or \"only\"").help("write true or false without quotes, or \"only\"");
                return;
            }
        };
        *slot = Some(cx.spanned(versions, value));
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let versions = slot.as_ref()?;
        Some(match versions.value {
            Http2::Taken => "true".to_owned(),
            Http2::Refused => "false".to_owned(),
            Http2::Only => quoted("only"),
        })
    }
}

/// Text of a form that the conversion knows.
pub(super) struct Text(pub(super) &'static str);

impl Kind for Text {
    type Slot = Maybe<String>;

    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = cx.text(value, "text");
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        slot.as_ref().map(|text| quoted(&text.value))
    }
}

/// The same, where an empty text stands for "not typed".
pub(super) struct Required(pub(super) &'static str);

impl Kind for Required {
    type Slot = Spanned<String>;

    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        if let Some(text) = cx.text(value, "text") {
            *slot = text;
        }
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        Some(quoted(&slot.value))
    }
}

/// A text or a list of them.
pub(super) struct Texts(pub(super) &'static str);

impl Kind for Texts {
    type Slot = Vec<Spanned<String>>;

    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = cx.entries(value).into_iter().filter_map(|entry| cx.text(entry, "text, or a list of texts")).collect();
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        list(slot.iter().map(|text| quoted(&text.value)).collect())
    }
}

/// Statuses of a check: numbers and ranges.
pub(super) struct Statuses;

impl Kind for Statuses {
    type Slot = Vec<Spanned<String>>;

    fn name(&self) -> String {
        "a status, a range such as `\"200-399\"`, or a list of them".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = cx.entries(value).into_iter().filter_map(|entry| text_or_status(entry, cx)).collect();
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        list(slot.iter().map(|text| number_or_quoted(&text.value)).collect())
    }
}

/// What a retry rule reacts to.
pub(super) struct RetryOn;

impl Kind for RetryOn {
    type Slot = Option<Vec<Spanned<String>>>;

    fn name(&self) -> String {
        "a list of `\"error\"`, `\"timeout\"`, `\"invalid\"` and statuses".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        let entries: Vec<_> = match value.get_ref() {
            DeValue::Array(entries) => entries.iter().collect(),
            _ => vec![value],
        };
        *slot = Some(entries.into_iter().filter_map(|entry| text_or_status(entry, cx)).collect());
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        let entries: Vec<_> = slot.as_ref()?.iter().map(|text| number_or_quoted(&text.value)).collect();
        Some(format!("[{}]", entries.join(", ")))
    }
}

fn text_or_status(value: &Value<'_>, cx: &mut Decoder<'_>) -> Option<Spanned<String>> {
    match value.get_ref() {
        DeValue::Integer(_) => {
            short(value, cx).map(|number| Spanned { value: number.value.to_string(), span: number.span })
        }
        _ => cx.text(value, "a status or text"),
    }
}

/// A status or a list of them.
pub(super) struct StatusNumbers;

impl Kind for StatusNumbers {
    type Slot = Vec<Spanned<u16>>;

    fn name(&self) -> String {
        "a status or a list of them".to_owned()
    }

    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>) {
        *slot = cx.entries(value).into_iter().filter_map(|entry| short(entry, cx)).collect();
    }

    fn print(&self, slot: &Self::Slot) -> Option<String> {
        list(slot.iter().map(|status| status.value.to_string()).collect())
    }
}

/// Text as TOML, on one line: between single quotes where that spares escapes.
pub(in crate::config) fn quoted(text: &str) -> String {
    let plain = !text.contains('\'') && !text.chars().any(char::is_control);
    if plain && text.contains(['"', '\\']) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A list as TOML: its entry where there is one, nothing where there is none, over several lines where it is long.
pub(in crate::config) fn list(mut entries: Vec<String>) -> Option<String> {
    if entries.len() < 2 {
        return entries.pop();
    }
    Some(array(&entries))
}

/// A list as TOML, over several lines where it is long.
pub(in crate::config) fn array(entries: &[String]) -> String {
    let line = format!("[{}]", entries.join(", "));
    if line.len() <= LINE || entries.is_empty() {
        return line;
    }
    format!("[\n    {},\n]", entries.join(",\n    "))
}

fn number_or_quoted(text: &str) -> String {
    match text.parse::<u16>() {
        Ok(number) if number.to_string() == text => text.to_owned(),
        _ => quoted(text),
    }
}

/// Longest list on one line.
const LINE: usize = 90;
