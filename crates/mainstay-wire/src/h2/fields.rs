//! A field section: names and values in the order they came.

/// A list of fields in one buffer. Kept and used again, it allocates nothing in the steady state.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    spans: Vec<Span>,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// In lower case, as HTTP/2 has it. Pseudo-header fields start with a colon.
    pub name: &'a [u8],
    /// As it came.
    pub value: &'a [u8],
    /// Whoever sent it asked that it is never put into a table (RFC 7541 7.1.3): so it goes on.
    pub never_indexed: bool,
    /// Index of the static table's first entry with this name; 0: not known to have one.
    pub(super) static_name: u8,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    at: u32,
    name: u32,
    value: u32,
    never_indexed: bool,
    static_name: u8,
}

impl Fields {
    /// Without any.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: Vec::new(), spans: Vec::new() }
    }

    /// Takes all fields out.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Adds a field at the end. A name or value beyond 4 GiB is a programming error and is left out.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let at = self.text.len();
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.record(at, name.len(), false, 0);
    }

    /// Gives the first field of this name another value; it goes to the end.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        let place = self.iter().position(|field| field.name == name);
        if let Some(place) = place {
            self.spans.remove(place);
            self.push(name, value);
        }
    }

    /// Adds a field at the end, its name put into lower case. `secret`: nobody on the way may put it into a table.
    pub fn push_lower(&mut self, name: &[u8], value: &[u8], secret: bool) {
        let at = self.text.len();
        self.text.extend(name.iter().map(u8::to_ascii_lowercase));
        self.text.extend_from_slice(value);
        self.record(at, name.len(), secret, 0);
    }

    /// All of them in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'_>> + Clone {
        self.spans.iter().map(|span| self.field(span))
    }

    /// The value of the first field with this name, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|field| field.name == name).map(|field| field.value)
    }

    /// Where the next field's text goes: whoever writes there says so with [`record`](Self::record).
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Makes a field of what was written to the text from `at` on, of which the first `name` bytes are its name.
    pub(super) fn record(&mut self, at: usize, name: usize, never_indexed: bool, static_name: u8) {
        let value = self.text.len().saturating_sub(at + name);
        if let (Ok(at), Ok(name), Ok(value)) = (u32::try_from(at), u32::try_from(name), u32::try_from(value)) {
            self.spans.push(Span { at, name, value, never_indexed, static_name });
        }
    }

    /// Takes out what was written to the text from `at` on.
    pub(super) fn forget(&mut self, at: usize) {
        self.text.truncate(at);
    }

    fn field(&self, span: &Span) -> Field<'_> {
        let at = span.at as usize;
        let value_at = at + span.name as usize;
        let end = value_at + span.value as usize;
        Field {
            name: self.text.get(at..value_at).unwrap_or_default(),
            value: self.text.get(value_at..end).unwrap_or_default(),
            never_indexed: span.never_indexed,
            static_name: span.static_name,
        }
    }
}
