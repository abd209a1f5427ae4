//! Puts values in the place of substitutions.
//!
//! A name may have been assigned to several times. Its value is found from the last assignment down, and a substitution
//! that, directly or by way of others, needs the name it is assigned to sees only the assignments before it.

use std::collections::{HashMap, HashSet};

use super::raw::{Item, Map, Node, Raw, Substitution};
use super::value::{Data, Entry, Object, Value};
use crate::config::fault::Report;
use crate::config::typed::Span;

/// The object that `root` means.
pub(super) fn resolve(root: &Map, variable: &dyn Fn(&str) -> Option<String>, report: &mut Report) -> Object {
    let (busy, whole) = (HashMap::new(), HashSet::new());
    Resolver { root, variable, report, busy, whole, circular: false, steps: 0, depth: 0, stopped: false }.map(root)
}

struct Resolver<'a> {
    root: &'a Map,
    variable: &'a dyn Fn(&str) -> Option<String>,
    report: &'a mut Report,
    /// The nodes being worked out, and how many of their layers may be seen meanwhile.
    busy: HashMap<u32, usize>,
    /// The nodes all of whose fields are being worked out: none of these may need the whole.
    whole: HashSet<u32>,
    /// Whether a name was found to need itself.
    circular: bool,
    steps: usize,
    depth: usize,
    stopped: bool,
}

/// What an assignment has at a path.
enum Found {
    /// Nothing: those before it count.
    Nothing,
    /// Nothing, and it takes the place of those before it.
    Hidden,
    There(Value),
}

impl Resolver<'_> {
    fn map(&mut self, map: &Map) -> Object {
        let entry = |this: &mut Self, field: &super::raw::Field| {
            let value = this.node(&field.node, &[], field.span)?;
            Some(Entry { name: field.name.clone(), span: field.span, value })
        };
        Object { fields: map.fields.iter().filter_map(|field| entry(self, field)).collect() }
    }

    /// The value at `path` below a node; `span` is of whoever asks.
    fn node(&mut self, node: &Node, path: &[String], span: Span) -> Option<Value> {
        let limit = self.busy.get(&node.id).copied().unwrap_or(node.layers.len());
        let inside = path.is_empty() && self.whole.contains(&node.id);
        if limit == 0 || inside || !self.go_on(span) {
            self.circular = true;
            return None;
        }
        self.depth += 1;
        let mut found: Option<Value> = None;
        for index in (0..limit).rev() {
            let Some(layer) = node.layers.get(index) else { continue };
            let below = match self.layer(node, index, layer, path) {
                Found::Nothing => continue,
                Found::Hidden => break,
                Found::There(below) => below,
            };
            let is_object = matches!(below.data, Data::Object(_));
            match found.take() {
                None => found = Some(below),
                // What is no object ends the objects that add to each other.
                Some(upper) if !is_object => {
                    found = Some(upper);
                    break;
                }
                Some(upper) => found = Some(upper.over(below)),
            }
            if !is_object {
                break;
            }
        }
        self.depth -= 1;
        found
    }

    fn layer(&mut self, node: &Node, index: usize, layer: &Item, path: &[String]) -> Found {
        if let Raw::Object(map) = &layer.raw {
            let found = match path.split_first() {
                None => {
                    self.whole.insert(node.id);
                    let object = self.map(map);
                    self.whole.remove(&node.id);
                    Some(value(Data::Object(object), layer.span))
                }
                Some((name, rest)) => map.get(name).and_then(|node| self.node(node, rest, layer.span)),
            };
            return found.map_or(Found::Nothing, Found::There);
        }
        let before = self.busy.insert(node.id, index);
        let found = match &layer.raw {
            Raw::Append(item) => self.append(node, item),
            _ => self.item(layer),
        };
        match before {
            Some(before) => self.busy.insert(node.id, before),
            None => self.busy.remove(&node.id),
        };
        match found {
            None => Found::Nothing,
            Some(found) if path.is_empty() => Found::There(found),
            Some(Value { data: Data::Object(object), .. }) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                object.at(&names).cloned().map_or(Found::Nothing, Found::There)
            }
            Some(_) => Found::Hidden,
        }
    }

    fn append(&mut self, node: &Node, item: &Item) -> Option<Value> {
        let more = self.item(item);
        let mut list = match self.node(node, &[], item.span) {
            None => Vec::new(),
            Some(Value { data: Data::List(list), .. }) => list,
            Some(other) => {
                let fault = self.report.fault(item.span, "`+=` adds to a list, and what is there is none");
                fault.help("write `=`").see(other.span, "what is there");
                return None;
            }
        };
        list.extend(more);
        Some(value(Data::List(list), item.span))
    }

    fn item(&mut self, item: &Item) -> Option<Value> {
        if !self.go_on(item.span) {
            return None;
        }
        self.depth += 1;
        let found = match &item.raw {
            Raw::Null => Some(value(Data::Null, item.span)),
            Raw::Flag(flag) => Some(value(Data::Flag(*flag), item.span)),
            Raw::Number(text) => Some(value(Data::Number(text.clone()), item.span)),
            Raw::Text(text) => Some(value(Data::Text(text.clone()), item.span)),
            Raw::List(list) => {
                let list = list.iter().filter_map(|item| self.item(item)).collect();
                Some(value(Data::List(list), item.span))
            }
            Raw::Object(map) => Some(value(Data::Object(self.map(map)), item.span)),
            Raw::Row(parts) => self.row(parts, item.span),
            Raw::Substitution(substitution) => self.substitution(substitution, item.span),
            Raw::Append(item) => self.item(item),
        };
        self.depth -= 1;
        found
    }

    fn substitution(&mut self, substitution: &Substitution, span: Span) -> Option<Value> {
        let Substitution { path, optional, below } = substitution;
        let outer = std::mem::replace(&mut self.circular, false);
        let inside: Vec<String> = below.iter().chain(path).cloned().collect();
        let mut found = self.look_up(&inside, span);
        if found.is_none() && !below.is_empty() {
            found = self.look_up(path, span);
        }
        let circular = std::mem::replace(&mut self.circular, outer);
        if let Some(found) = found {
            return Some(Value { span, ..found });
        }
        let name = path.join(".");
        if circular {
            if !*optional && !self.stopped {
                let fault = self.report.fault(span, format!("`{name}` needs itself"));
                fault.help("break the circle: give one of the names a value of its own");
            }
            return None;
        }
        if let Some(text) = (self.variable)(&name) {
            return Some(Value { data: Data::Text(text), span, variable: Some(name) });
        }
        if *optional || self.stopped {
            return None;
        }
        Some(Value { data: Data::Unset(name.clone()), span, variable: Some(name) })
    }

    fn look_up(&mut self, path: &[String], span: Span) -> Option<Value> {
        let (name, rest) = path.split_first()?;
        let root = self.root;
        self.node(root.get(name)?, rest, span)
    }

    /// Parts in a row: objects merge, lists follow each other, all else is text.
    fn row(&mut self, parts: &[(String, Item)], span: Span) -> Option<Value> {
        let values: Vec<(&str, Option<Value>)> =
            parts.iter().map(|(blanks, item)| (blanks.as_str(), self.item(item))).collect();
        let there = || values.iter().filter_map(|(_, value)| value.as_ref());
        if let Some(unset) = there().find(|value| matches!(value.data, Data::Unset(_))) {
            return Some(Value { variable: None, ..unset.clone() });
        }
        let objects = there().filter(|value| matches!(value.data, Data::Object(_))).count();
        let lists = there().filter(|value| matches!(value.data, Data::List(_))).count();
        let all = there().count();
        // Blanks beside a part that is not there are part of a text, and of nothing else.
        match (all, objects, lists) {
            (0, _, _) if parts.iter().all(|(_, item)| matches!(item.raw, Raw::Substitution(_))) => None,
            (_, 0, 0) => self.text(&values, span),
            (all, objects, _) if objects == all => {
                let objects = values.into_iter().filter_map(|(_, value)| value);
                objects.reduce(|below, upper| upper.over(below)).map(|value| Value { span, ..value })
            }
            (all, _, lists) if lists == all => {
                let lists = values.into_iter().filter_map(|(_, value)| value);
                let list = lists.flat_map(|value| if let Data::List(list) = value.data { list } else { Vec::new() });
                Some(value(Data::List(list.collect()), span))
            }
            _ => {
                let fault = self.report.fault(span, "text, lists and objects cannot stand in a row");
                fault.help("put a comma or the end of a line between them");
                None
            }
        }
    }

    fn text(&mut self, values: &[(&str, Option<Value>)], span: Span) -> Option<Value> {
        let mut text = String::new();
        for (index, (blanks, value)) in values.iter().enumerate() {
            if index > 0 {
                text.push_str(blanks);
            }
            text.push_str(&value.as_ref().and_then(Value::text).unwrap_or_default());
        }
        if text.len() > TEXT_MAX {
            self.stop(span);
            return None;
        }
        Some(value(Data::Text(text), span))
    }

    fn go_on(&mut self, span: Span) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.depth > DEPTH_MAX {
            self.stop(span);
        }
        !self.stopped
    }

    fn stop(&mut self, span: Span) {
        if !self.stopped {
            self.stopped = true;
            let fault = self.report.fault(span, "substitutions within substitutions make this too large");
            fault.help("no node's file needs that");
        }
    }
}

fn value(data: Data, span: Span) -> Value {
    Value { data, span, variable: None }
}

/// Values looked at in all.
const STEPS_MAX: usize = 100_000;

/// Values within values.
const DEPTH_MAX: usize = 300;

/// Bytes of one text.
const TEXT_MAX: usize = 1 << 20;
