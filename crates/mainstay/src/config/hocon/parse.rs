//! From tokens to the tree of [`super::raw`]; files that a text includes are read in their place.

use std::path::{Path, PathBuf};

use super::lex::{Token, What, path_of, tokens};
use super::mask::mask;
use super::raw::{Ids, Item, Map, Raw, Substitution};
use crate::config::fault::Report;
use crate::config::source::Sources;
use crate::config::typed::Span;

/// The files of one reading.
pub(super) struct Files<'a> {
    folder: Option<PathBuf>,
    sources: &'a mut Sources,
    report: &'a mut Report,
    ids: Ids,
    bytes_left: usize,
    depth: usize,
}

/// The tokens of one file, and where it is in them.
struct Cursor {
    tokens: Vec<Token>,
    at: usize,
    end: Span,
    /// Where its file was included.
    below: Vec<String>,
    depth: usize,
}

/// A syntax error: it ends the reading of its file.
struct Broken {
    span: Span,
    message: String,
    help: String,
}

/// A name, its place and whether `+=` follows.
struct Key {
    path: Vec<String>,
    span: Span,
    appends: bool,
}

/// The file that an `include` names.
struct Included {
    name: String,
    span: Span,
    required: bool,
}

impl<'a> Files<'a> {
    pub(super) fn new(folder: Option<&Path>, sources: &'a mut Sources, report: &'a mut Report) -> Self {
        let folder = folder.map(Path::to_path_buf);
        Self { folder, sources, report, ids: Ids::default(), bytes_left: BYTES_MAX, depth: 0 }
    }

    /// The object that a file is.
    pub(super) fn parse(&mut self, text: &str, file: u16) -> Map {
        self.parse_below(text, file, Vec::new())
    }

    fn parse_below(&mut self, text: &str, file: u16, below: Vec<String>) -> Map {
        let faults = self.report.found().len();
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let end = Span { file, start: end, end };
        if text.len() > self.bytes_left {
            self.report.fault(end, format!("the files are larger than {BYTES_MAX} bytes together"));
            return Map::default();
        }
        self.bytes_left -= text.len();
        let mut cursor = Cursor { tokens: tokens(text, file, self.report), at: 0, end, below, depth: 0 };
        if self.report.found().len() > faults {
            return Map::default();
        }
        match self.root(&mut cursor) {
            Ok(map) => map,
            Err(Broken { span, message, help }) => {
                self.report.fault(span, message).help(help);
                Map::default()
            }
        }
    }

    fn root(&mut self, cursor: &mut Cursor) -> Result<Map, Broken> {
        cursor.skip_lines();
        let below = cursor.below.clone();
        let map = match cursor.peek() {
            Some(What::Mark('[')) => {
                return cursor.broken("this file is a list", "an object is wanted: `name = value`");
            }
            Some(What::Mark('{')) => {
                cursor.at += 1;
                self.object(cursor, &below, Some('}'))?
            }
            _ => self.object(cursor, &below, None)?,
        };
        cursor.skip_lines();
        match cursor.peek() {
            None => Ok(map),
            Some(_) => cursor.broken("there is more after the end of the object", "a } too many stands before it?"),
        }
    }

    /// The fields of an object up to `end`, which is taken.
    fn object(&mut self, cursor: &mut Cursor, at: &[String], end: Option<char>) -> Result<Map, Broken> {
        let mut map = Map::default();
        cursor.skip_lines();
        loop {
            match (cursor.peek(), end) {
                (None, None) => return Ok(map),
                (None, Some(_)) => return cursor.broken("a } is missing at the end", "close every { that was opened"),
                (Some(What::Mark('}')), Some('}')) => {
                    cursor.at += 1;
                    return Ok(map);
                }
                _ => {}
            }
            match cursor.include()? {
                Some(included) => {
                    let more = self.include(&included, at);
                    map.merge(more, &mut self.ids);
                }
                None => self.field(cursor, at, &mut map)?,
            }
            cursor.separator('}')?;
        }
    }

    fn field(&mut self, cursor: &mut Cursor, at: &[String], map: &mut Map) -> Result<(), Broken> {
        let key = cursor.key()?;
        let inner: Vec<String> = at.iter().chain(&key.path).cloned().collect();
        if inner.len() > DEPTH_MAX {
            return cursor.broken(format!("names are nested deeper than {DEPTH_MAX}"), "no node's file is");
        }
        cursor.skip_lines();
        let value = self.value(cursor, &inner)?;
        let item = match key.appends {
            true => Item { span: value.span, raw: Raw::Append(Box::new(value)) },
            false => value,
        };
        map.assign(&key.path, key.span, item, &mut self.ids);
        Ok(())
    }

    /// A value: one part, or several in a row.
    fn value(&mut self, cursor: &mut Cursor, at: &[String]) -> Result<Item, Broken> {
        cursor.depth += 1;
        if cursor.depth > DEPTH_MAX {
            return cursor.broken(format!("values are nested deeper than {DEPTH_MAX}"), "no node's file is");
        }
        let mut parts: Vec<(String, Item)> = Vec::new();
        let mut blanks = String::new();
        while let Some(token) = cursor.tokens.get(cursor.at) {
            let span = token.span;
            let raw = match &token.what {
                What::Newline | What::Mark(',' | '}' | ']') => break,
                What::Space(text) => {
                    blanks.push_str(text);
                    cursor.at += 1;
                    continue;
                }
                What::Quoted(text) => Raw::Text(text.clone()),
                What::Bare(text) => Raw::Text(text.clone()),
                What::Substitution { path, optional } => {
                    let below = cursor.below.clone();
                    Raw::Substitution(Substitution { path: path.clone(), optional: *optional, below })
                }
                What::Mark('{') => {
                    cursor.at += 1;
                    let map = self.object(cursor, at, Some('}'))?;
                    cursor.at -= 1;
                    Raw::Object(map)
                }
                What::Mark('[') => {
                    cursor.at += 1;
                    let list = self.list(cursor)?;
                    cursor.at -= 1;
                    Raw::List(list)
                }
                What::Mark(_) | What::Append => {
                    return cursor.broken("this cannot stand in a value", "put the text in quotes");
                }
            };
            let end = cursor.tokens.get(cursor.at).map_or(span, |token| token.span);
            let span = Span { end: end.end, ..span };
            cursor.at += 1;
            parts.push((std::mem::take(&mut blanks), Item { raw, span }));
        }
        cursor.depth -= 1;
        cursor.single(parts)
    }

    fn list(&mut self, cursor: &mut Cursor) -> Result<Vec<Item>, Broken> {
        let mut list = Vec::new();
        cursor.skip_lines();
        loop {
            match cursor.peek() {
                None => return cursor.broken("a ] is missing at the end", "close every [ that was opened"),
                Some(What::Mark(']')) => {
                    cursor.at += 1;
                    return Ok(list);
                }
                _ => list.push(self.value(cursor, &[])?),
            }
            cursor.separator(']')?;
        }
    }

    /// The fields of an included file; what cannot be read is told.
    fn include(&mut self, included: &Included, at: &[String]) -> Map {
        let Included { name, span, required } = included;
        let Some(folder) = self.folder.clone() else {
            self.report.fault(*span, "`include` is only followed from a file");
            return Map::default();
        };
        if self.depth >= INCLUDES_MAX || self.sources.len() >= FILES_MAX {
            self.report.fault(*span, "files include each other without end, or too many");
            return Map::default();
        }
        let found = candidates(&folder.join(name));
        if let Some(path) = found.iter().find(|path| path.extension().is_some_and(|end| end == "properties")) {
            let message = format!("`{}` is a file of Java properties, which is not read", path.display());
            self.report.fault(*span, message).help("write its settings into a .conf file");
        }
        match found.is_empty() {
            true if *required => {
                self.report.fault(*span, format!("there is no file `{name}`")).help("it is required here");
            }
            true => {
                self.report.note(*span, format!("there is no file `{name}`; an optional include is passed over"));
            }
            false => {}
        }
        let mut map = Map::default();
        for path in found {
            let more = self.one_included(&path, *span, at);
            map.merge(more, &mut self.ids);
        }
        map
    }

    fn one_included(&mut self, path: &Path, span: Span, at: &[String]) -> Map {
        let text = match crate::config::load::read_file(path) {
            Ok(text) => text,
            Err(why) => {
                self.report.fault(span, format!("`{}` {why}", path.display()));
                return Map::default();
            }
        };
        let file = self.sources.add(path.display().to_string(), mask(&text));
        let folder = self.folder.clone();
        self.folder = path.parent().map(Path::to_path_buf);
        self.depth += 1;
        let map = self.parse_below(&text, file, at.to_vec());
        self.depth -= 1;
        self.folder = folder;
        map
    }
}

impl Cursor {
    fn peek(&self) -> Option<&What> {
        self.tokens.get(self.at).map(|token| &token.what)
    }

    fn broken<T>(&self, message: impl Into<String>, help: impl Into<String>) -> Result<T, Broken> {
        let span = self.tokens.get(self.at).map_or(self.end, |token| token.span);
        Err(Broken { span, message: message.into(), help: help.into() })
    }

    fn skip_blanks(&mut self) {
        while let Some(What::Space(_)) = self.peek() {
            self.at += 1;
        }
    }

    fn skip_lines(&mut self) {
        while let Some(What::Space(_) | What::Newline) = self.peek() {
            self.at += 1;
        }
    }

    /// What must be between two entries: a comma, ends of lines, or the end.
    fn separator(&mut self, end: char) -> Result<(), Broken> {
        self.skip_blanks();
        let newline = matches!(self.peek(), Some(What::Newline));
        self.skip_lines();
        match self.peek() {
            Some(What::Mark(',')) => {
                self.at += 1;
                self.skip_lines();
                match self.peek() {
                    Some(What::Mark(',')) => self.broken("a comma too many", "leave it out"),
                    _ => Ok(()),
                }
            }
            None => Ok(()),
            Some(What::Mark(mark)) if *mark == end => Ok(()),
            Some(_) if newline => Ok(()),
            Some(_) => self.broken("something is missing before this", "a comma or the end of the line comes first"),
        }
    }

    /// A name and what follows it up to its value.
    fn key(&mut self) -> Result<Key, Broken> {
        let from = self.at;
        while let Some(What::Bare(_) | What::Quoted(_) | What::Space(_)) = self.peek() {
            self.at += 1;
        }
        let mut to = self.at;
        while to > from && matches!(self.tokens.get(to - 1).map(|token| &token.what), Some(What::Space(_))) {
            to -= 1;
        }
        let name = self.tokens.get(from..to).unwrap_or_default();
        let (Some(first), Some(last)) = (name.first(), name.last()) else {
            return self.broken("a name is missing here", "write `name = value`");
        };
        let span = Span { end: last.span.end, ..first.span };
        let path = path_of(name).map_err(|message| {
            let help = "put a name that has points in quotes".to_owned();
            Broken { span, message: message.to_owned(), help }
        })?;
        self.skip_lines();
        let appends = match self.peek() {
            Some(What::Mark(':' | '=')) => false,
            Some(What::Append) => true,
            Some(What::Mark('{')) => return Ok(Key { path, span, appends: false }),
            _ => {
                let help = format!("write `{} = value`", path.join("."));
                return Err(Broken { span, message: "this name has no value".to_owned(), help });
            }
        };
        self.at += 1;
        Ok(Key { path, span, appends })
    }

    /// An `include`, where one stands.
    fn include(&mut self) -> Result<Option<Included>, Broken> {
        if !matches!(self.peek(), Some(What::Bare(text)) if text == "include") {
            return Ok(None);
        }
        let start = self.at;
        self.at += 1;
        self.skip_blanks();
        let opening = match self.peek() {
            Some(What::Bare(text)) => text.clone(),
            _ => String::new(),
        };
        self.at += usize::from(!opening.is_empty());
        self.skip_blanks();
        let (required, closing) = match opening.as_str() {
            "" => (false, ""),
            "file(" => (false, ")"),
            "required(" => (true, ")"),
            "required(file(" => (true, "))"),
            _ => {
                self.at = start;
                let help = "include \"FILE\", include file(\"FILE\") and include required(file(\"FILE\")) are";
                return self.broken("this kind of include is not followed", help);
            }
        };
        let (name, span) = match self.tokens.get(self.at) {
            Some(Token { what: What::Quoted(name), span }) => (name.clone(), *span),
            _ => {
                self.at = start;
                return self.broken("`include` takes a file name in quotes", "a setting of that name goes in quotes");
            }
        };
        self.at += 1;
        self.skip_blanks();
        if !closing.is_empty() {
            match self.peek() {
                Some(What::Bare(text)) if text == closing => self.at += 1,
                _ => return self.broken("a ) is missing", "as in include required(file(\"FILE\"))"),
            }
        }
        Ok(Some(Included { name, span, required }))
    }

    /// One value of the parts of a row.
    fn single(&self, mut parts: Vec<(String, Item)>) -> Result<Item, Broken> {
        if parts.len() > 1 {
            let span = |part: Option<&(String, Item)>| part.map_or(self.end, |(_, item)| item.span);
            let span = Span { end: span(parts.last()).end, ..span(parts.first()) };
            return Ok(Item { raw: Raw::Row(parts), span });
        }
        let Some((_, item)) = parts.pop() else {
            return self.broken("a value is missing here", "write one, or \"\" for an empty text");
        };
        let quoted = self.tokens.get(self.at.saturating_sub(1)).is_some_and(|t| matches!(t.what, What::Quoted(_)));
        Ok(match item.raw {
            Raw::Text(text) if !quoted => Item { raw: plain(text), span: item.span },
            raw => Item { raw, span: item.span },
        })
    }
}

/// What text without quotes is when it stands alone.
fn plain(text: String) -> Raw {
    match text.as_str() {
        "null" => Raw::Null,
        "true" => Raw::Flag(true),
        "false" => Raw::Flag(false),
        number if is_number(number) => Raw::Number(text),
        _ => Raw::Text(text),
    }
}

/// Whether it is a number as JSON has them.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    digits(whole) && digits(part) && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// The files that a name means: itself, or with the endings that may be left out.
fn candidates(path: &Path) -> Vec<PathBuf> {
    let known = path.extension().is_some_and(|end| ["conf", "json", "properties"].iter().any(|known| end == *known));
    let mut names = vec![path.to_path_buf()];
    if !known {
        // What comes later wins.
        let with = |end: &str| PathBuf::from(format!("{}.{end}", path.display()));
        names.extend([with("properties"), with("json"), with("conf")]);
    }
    names.into_iter().filter(|path| path.is_file()).collect()
}

/// The names that statements of the outermost level begin with.
pub(super) fn outermost_keys(text: &str) -> Vec<String> {
    let mut report = Report::default();
    let mut keys = Vec::new();
    let (mut depth, mut first, mut base) = (0_usize, true, 0);
    for (index, token) in tokens(text, 0, &mut report).iter().enumerate() {
        match &token.what {
            What::Mark('{') if index == 0 || (keys.is_empty() && first && depth == 0) => (depth, base) = (1, 1),
            What::Mark('{' | '[') => depth += 1,
            What::Mark('}' | ']') => depth = depth.saturating_sub(1),
            What::Newline | What::Mark(',') => first = true,
            What::Bare(name) | What::Quoted(name) if first && depth == base => {
                keys.push(name.split('.').next().unwrap_or_default().to_owned());
                first = false;
            }
            _ => {}
        }
    }
    keys
}

/// Bytes of a file and what it includes.
const BYTES_MAX: usize = 1 << 20;

/// Values within values.
const DEPTH_MAX: usize = 50;

/// Files within files.
const INCLUDES_MAX: usize = 10;

/// Files in all.
const FILES_MAX: usize = 50;
