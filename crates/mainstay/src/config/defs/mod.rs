//! The settings: for each its key, kind, default, example and documentation, in one place. The reader, the printer
//! and the reference are all made from these tables.

mod act;
mod check;
mod guard;
mod guarding;
mod hold;
mod kinds;
mod lease;
mod listen;
mod nested;
mod pool;
mod process;
mod rules;
mod tables;
mod tls;

use std::time::Duration;

use super::read::Decoder;
use super::units;
use ::toml::Spanned as TomlSpanned;
use ::toml::de::DeValue;

pub(super) use self::act::{ACT, ERROR_PAGE, MIRROR};
pub(super) use self::check::CHECK;
pub(super) use self::guard::{GUARD, HOOK, PROGRESS, READY, RESTART};
pub(super) use self::hold::HOLD;
pub(super) use self::kinds::quoted;
pub(super) use self::lease::{LEASE, STORE};
pub(super) use self::listen::{LISTEN, ROUTE};
pub(super) use self::pool::{EJECT, NODE, POOL};
pub(super) use self::process::{ADMIN, LOG, RUN};
pub(super) use self::rules::{LIMIT, RETRY};
pub(super) use self::tables::{Section, sections};
pub(super) use self::tls::TLS;

/// A value of a TOML file with its place.
pub(super) type Value<'i> = TomlSpanned<DeValue<'i>>;

/// One setting of a table that becomes a `T`.
pub(super) struct Setting<T: 'static> {
    /// Its key.
    pub(super) key: &'static str,
    /// What its value is like, and which part of the `T` it is.
    pub(super) field: &'static dyn Field<T>,
    /// What holds when it is not typed.
    pub(super) default: Standard,
    /// A value for it, as TOML.
    pub(super) example: &'static str,
    /// What it does: sentences for an operator.
    pub(super) doc: &'static str,
}

/// What holds when a setting is not typed.
pub(super) enum Standard {
    /// It has to be typed.
    Required,
    /// Nothing, in the sense of these words.
    Words(&'static str),
    /// A time.
    Time(Duration),
    /// A size in bytes.
    Size(u64),
    /// A number.
    Count(u64),
    /// A ratio.
    Ratio(f64),
}

/// A part of a `T` that can be read and printed.
pub(super) trait Field<T>: Sync {
    /// What an operator may write.
    fn kind(&self) -> String;
    /// Reads a value; what is wrong with it goes to the decoder's report.
    fn read(&self, into: &mut T, value: &Value<'_>, cx: &mut Decoder<'_>);
    /// As TOML; `None` when it was not typed.
    fn print(&self, from: &mut T) -> Option<String>;
}

/// A kind of value: how its slot is read and printed.
pub(super) trait Kind: Sync {
    /// Where it is kept.
    type Slot;
    /// What an operator may write.
    fn name(&self) -> String;
    /// Reads a value into its slot.
    fn read(&self, slot: &mut Self::Slot, value: &Value<'_>, cx: &mut Decoder<'_>);
    /// As TOML; `None` when the slot is empty.
    fn print(&self, slot: &Self::Slot) -> Option<String>;
}

/// A field of kind `K`: the place of its slot, and the kind.
pub(super) struct Of<T, K: Kind>(pub(super) fn(&mut T) -> &mut K::Slot, pub(super) K);

impl<T, K: Kind> Field<T> for Of<T, K> {
    fn kind(&self) -> String {
        self.1.name()
    }

    fn read(&self, into: &mut T, value: &Value<'_>, cx: &mut Decoder<'_>) {
        self.1.read((self.0)(into), value, cx);
    }

    fn print(&self, from: &mut T) -> Option<String> {
        self.1.print((self.0)(from))
    }
}

impl Standard {
    /// As the reference shows it.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Required => "must be set".to_owned(),
            Self::Words(words) => (*words).to_owned(),
            Self::Time(time) => format!("`\"{}\"`", units::show_time(*time)),
            Self::Size(bytes) => format!("`\"{}\"`", units::show_size(*bytes)),
            Self::Count(count) => format!("`{count}`"),
            Self::Ratio(ratio) => format!("`{ratio}`"),
        }
    }
}
