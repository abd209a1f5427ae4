//! What was read, before substitutions have their values.

use crate::config::typed::Span;

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) raw: Raw,
    pub(super) span: Span,
}

/// What a value is made of.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Item>),
    /// An object.
    Object(Map),
    /// Parts in a row, each with the blanks before it.
    Row(Vec<(String, Item)>),
    /// A substitution.
    Substitution(Substitution),
    /// `+=`: one more entry of a list.
    Append(Box<Item>),
}

/// `${path}`
#[derive(Clone, Debug)]
pub(super) struct Substitution {
    /// Its names.
    pub(super) path: Vec<String>,
    /// Whether it may be undefined.
    pub(super) optional: bool,
    /// Where the file it stands in was included: there it looks first.
    pub(super) below: Vec<String>,
}

/// Fields in the order in which they first appear.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub(super) fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) node: Node,
}

/// All that was assigned to one name, in order: an object adds to what was there, anything else takes its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its own in the whole tree.
    pub(super) id: u32,
    pub(super) layers: Vec<Item>,
}

/// Gives nodes their numbers.
#[derive(Debug, Default)]
pub(super) struct Ids(u32);

impl Ids {
    fn next(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}

impl Map {
    /// The field of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.node)
    }

    /// Assigns to a path; `span` is that of the path.
    pub(super) fn assign(&mut self, path: &[String], span: Span, item: Item, ids: &mut Ids) {
        let Some((name, rest)) = path.split_first() else { return };
        let item = match rest {
            [] => item,
            rest => {
                let mut inner = Map::default();
                inner.assign(rest, span, item, ids);
                Item { raw: Raw::Object(inner), span }
            }
        };
        self.add(name, span, item, ids);
    }

    /// Adds the fields of another object after those that are there.
    pub(super) fn merge(&mut self, other: Map, ids: &mut Ids) {
        for field in other.fields {
            for layer in field.node.layers {
                self.add(&field.name, field.span, layer, ids);
            }
        }
    }

    fn add(&mut self, name: &str, span: Span, item: Item, ids: &mut Ids) {
        let Some(field) = self.fields.iter_mut().find(|field| field.name == name) else {
            let node = Node { id: ids.next(), layers: vec![item] };
            self.fields.push(Field { name: name.to_owned(), span, node });
            return;
        };
        match (field.node.layers.last_mut(), item) {
            (Some(Item { raw: Raw::Object(there), .. }), Item { raw: Raw::Object(more), .. }) => there.merge(more, ids),
            (_, item) => field.node.layers.push(item),
        }
    }
}
