//! Values that a file has in the end, each with its place.

use crate::config::typed::Span;

/// A value.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// Where it was written.
    pub span: Span,
    /// The environment's variable it is from, where it is nothing else.
    pub variable: Option<String>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(Object),
    /// It needs this name, which neither the file nor the environment defines.
    Unset(String),
}

/// Fields in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// The fields; each name once.
    pub fields: Vec<Entry>,
}

/// A field.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where that was first written.
    pub span: Span,
    /// Its value.
    pub value: Value,
}

/// Places aside.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}

/// Places aside.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl Object {
    /// The value at a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (name, rest) = path.split_first()?;
        let value = &self.fields.iter().find(|entry| entry.name == *name)?.value;
        match (rest, &value.data) {
            ([], _) => Some(value),
            (rest, Data::Object(inner)) => inner.at(rest),
            _ => None,
        }
    }

    /// Puts the fields of `below` under those that are here: an object takes in an object, anything else hides it.
    pub(super) fn over(self, below: Object) -> Object {
        let mut fields = below.fields;
        for entry in self.fields {
            match fields.iter_mut().find(|field| field.name == entry.name) {
                None => fields.push(entry),
                Some(there) => there.value = entry.value.over(std::mem::replace(&mut there.value, NOTHING)),
            }
        }
        Object { fields }
    }
}

impl Value {
    /// This value where `below` was.
    pub(super) fn over(self, below: Value) -> Value {
        match (self.data, below.data) {
            (Data::Object(upper), Data::Object(lower)) => {
                Value { data: Data::Object(upper.over(lower)), span: self.span, variable: None }
            }
            (data, _) => Value { data, ..self },
        }
    }

    /// As text, for what is no list and no object.
    pub fn text(&self) -> Option<String> {
        match &self.data {
            Data::Null => Some("null".to_owned()),
            Data::Flag(flag) => Some(flag.to_string()),
            Data::Number(text) | Data::Text(text) => Some(text.clone()),
            Data::List(_) | Data::Object(_) | Data::Unset(_) => None,
        }
    }
}

const NOTHING: Value = Value { data: Data::Null, span: Span { file: 0, start: 0, end: 0 }, variable: None };
