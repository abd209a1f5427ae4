//! The files a configuration was read from, and excerpts of them.

use super::typed::Span;

/// The files read, in order; [`Span::file`] counts them.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    path: String,
    text: String,
}

/// A line of a file with a part of it marked, as an operator is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// `file:line:column`, both counted from 1, columns in characters.
    pub place: String,
    /// Number of the line.
    pub line: usize,
    /// The line, or what of it is around the mark; without control characters.
    pub text: String,
    /// Characters of `text` before the mark.
    pub indent: usize,
    /// Characters marked; at least 1.
    pub marked: usize,
}

impl Sources {
    /// Adds a file and returns its number.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> u16 {
        let number = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push(Source { path: path.into(), text: text.into() });
        number
    }

    /// How many files were read.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The path of a file, as it was given.
    pub fn path(&self, file: u16) -> Option<&str> {
        self.files.get(usize::from(file)).map(|source| source.path.as_str())
    }

    /// The text of a file.
    pub fn text(&self, file: u16) -> Option<&str> {
        self.files.get(usize::from(file)).map(|source| source.text.as_str())
    }

    /// The line a span starts on, with the span marked.
    pub fn excerpt(&self, span: Span) -> Option<Excerpt> {
        let source = self.files.get(usize::from(span.file))?;
        let text = source.text.as_str();
        let start = floor_boundary(text, span.start as usize);
        let end = floor_boundary(text, span.end as usize).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let before = &text[line_start..start];
        let marked = &text[start..end.min(line_end)];
        let after = &text[end.min(line_end).max(start)..line_end];
        let line = text[..line_start].matches('\n').count() + 1;
        let column = before.chars().count() + 1;
        let (before, marked, after) = (shown(before), shown(marked.trim_end()), shown(after.trim_end()));
        let before = last_characters(&before, WIDTH / 2);
        let marked = first_characters(&marked, WIDTH - before.chars().count());
        let room = WIDTH.saturating_sub(before.chars().count() + marked.chars().count());
        let after = first_characters(&after, room);
        Some(Excerpt {
            place: format!("{}:{line}:{column}", source.path),
            line,
            indent: before.chars().count(),
            marked: marked.chars().count().max(1),
            text: format!("{before}{marked}{after}"),
        })
    }
}

/// The last place at or before `at` where `text` may be cut.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Tabs as four blanks, other control characters as a replacement character.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\t' => shown.push_str("    "),
            '\r' => {}
            letter if letter.is_control() => shown.push(char::REPLACEMENT_CHARACTER),
            letter => shown.push(letter),
        }
    }
    shown
}

fn first_characters(text: &str, count: usize) -> String {
    if text.chars().count() <= count { text.to_owned() } else { text.chars().take(count).chain(['…']).collect() }
}

fn last_characters(text: &str, count: usize) -> String {
    let length = text.chars().count();
    if length <= count {
        text.to_owned()
    } else {
        ['…'].into_iter().chain(text.chars().skip(length - count + 1)).collect()
    }
}

/// Longest part of a line that is shown, in characters.
const WIDTH: usize = 120;
