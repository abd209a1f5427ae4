//! What is wrong with a configuration, and how it is shown: all of it at once, each with its place and what to write
//! instead.

use std::fmt;

use super::source::Sources;
use super::typed::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Fault,
    /// It runs, but an operator should know.
    Note,
}

/// One thing found in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// Where; `None` when it is about no place of a file.
    pub span: Option<Span>,
    /// What is wrong, as a clause without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Another place that has to do with it, and what is there.
    pub see: Option<(Span, String)>,
}

impl Fault {
    /// Says what to write instead.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Says which other place has to do with it, e.g. "first defined here".
    pub fn see(&mut self, span: Span, what: impl Into<String>) -> &mut Self {
        self.see = Some((span, what.into()));
        self
    }

    /// The text for an operator: `file:line:column: message`, the line, an underline and the help.
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = String::new();
        let place = self.span.and_then(|span| sources.excerpt(span));
        if let Some(excerpt) = &place {
            text.push_str(&excerpt.place);
            text.push_str(": ");
        } else if let Some(path) = sources.path(0) {
            text.push_str(path);
            text.push_str(": ");
        }
        if self.severity == Severity::Note {
            text.push_str("note: ");
        }
        text.push_str(&self.message);
        text.push('\n');
        let width = place.as_ref().map_or(1, |excerpt| excerpt.line.to_string().len());
        let gutter = " ".repeat(width + 1);
        if let Some(excerpt) = &place {
            text.push_str(&format!(" {:>width$} | {}\n", excerpt.line, excerpt.text));
            text.push_str(&format!(" {gutter}| {}{}\n", " ".repeat(excerpt.indent), "^".repeat(excerpt.marked)));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!(" {gutter}= {help}\n"));
        }
        if let Some((span, what)) = &self.see
            && let Some(excerpt) = sources.excerpt(*span)
        {
            text.push_str(&format!(" {gutter}= {what}: {}\n", excerpt.place));
        }
        text
    }
}

/// Everything found in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    found: Vec<Fault>,
}

impl Report {
    /// Adds a fault.
    pub fn fault(&mut self, span: Span, message: impl Into<String>) -> &mut Fault {
        self.push(Severity::Fault, Some(span), message.into())
    }

    /// Adds a fault that has no place in a file.
    pub fn fault_anywhere(&mut self, message: impl Into<String>) -> &mut Fault {
        self.push(Severity::Fault, None, message.into())
    }

    /// Adds a note.
    pub fn note(&mut self, span: Span, message: impl Into<String>) -> &mut Fault {
        self.push(Severity::Note, Some(span), message.into())
    }

    /// What was found, in the order of the files.
    pub fn into_found(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|fault| fault.span.map(|span| (span.file, span.start)));
        let mut kept: Vec<Fault> = Vec::with_capacity(self.found.len());
        for fault in self.found {
            if !kept.contains(&fault) {
                kept.push(fault);
            }
        }
        kept
    }

    /// Adds what another report found.
    pub fn take(&mut self, found: impl IntoIterator<Item = Fault>) {
        self.found.extend(found);
    }

    /// What was found, in the order it was found.
    pub fn found(&self) -> &[Fault] {
        &self.found
    }

    /// Whether anything makes the configuration unusable.
    pub fn has_faults(&self) -> bool {
        self.found.iter().any(|fault| fault.severity == Severity::Fault)
    }

    fn push(&mut self, severity: Severity, span: Option<Span>, message: String) -> &mut Fault {
        let at = self.found.len();
        self.found.push(Fault { severity, span, message, help: None, see: None });
        &mut self.found[at]
    }
}

/// Why a configuration is refused: everything found, with the texts it was found in.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Faults, and the notes beside them, in the order of the files.
    pub found: Vec<Fault>,
    /// The files read.
    pub sources: Sources,
}

impl Faults {
    /// The notes beside the faults as text; empty when there are none.
    pub fn shown_notes(&self) -> String {
        let notes = self.found.iter().filter(|fault| fault.severity == Severity::Note);
        notes.map(|note| note.render(&self.sources) + "\n").collect()
    }
}

/// The faults without the notes.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.found.iter().filter(|fault| fault.severity == Severity::Fault) {
            writeln!(f, "{}", fault.render(&self.sources))?;
        }
        let count = self.found.iter().filter(|fault| fault.severity == Severity::Fault).count();
        let path = self.sources.path(0).unwrap_or_default();
        write!(f, "{path}: {count} {}", if count == 1 { "fault" } else { "faults" })
    }
}

impl std::error::Error for Faults {}

/// The one of `known` that `typed` was probably meant to be.
pub fn did_you_mean<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(typed.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, marked: &str, expect: &str) {
        let mut sources = Sources::default();
        let file = sources.add("a.toml", text);
        let start = text.find(marked).unwrap() as u32;
        let mut report = Report::default();
        report.fault(Span { file, start, end: start + marked.len() as u32 }, "it is wrong").help("write it right");
        assert_eq!(report.found()[0].render(&sources), expect);
    }

    #[test]
    fn shows_place_line_underline_and_help() {
        check(
            "[run]\nworkers = 0\n",
            "0",
            "a.toml:2:11: it is wrong\n 2 | workers = 0\n   |           ^\n   = write it right\n",
        );
    }

    #[test]
    fn columns_are_characters_and_tabs_are_wide() {
        check("é = ü", "ü", "a.toml:1:5: it is wrong\n 1 | é = ü\n   |     ^\n   = write it right\n");
        check("\ta = 1", "a", "a.toml:1:2: it is wrong\n 1 |     a = 1\n   |     ^\n   = write it right\n");
    }

    #[test]
    fn a_span_over_lines_is_underlined_on_its_first() {
        check("a\nb = [\n1\n]", "[\n1\n]", "a.toml:2:5: it is wrong\n 2 | b = [\n   |     ^\n   = write it right\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(300), "b".repeat(300));
        let mut sources = Sources::default();
        let file = sources.add("a.toml", &text);
        let excerpt = sources.excerpt(Span { file, start: 300, end: 304 }).unwrap();
        assert!(excerpt.text.chars().count() <= 122, "{}", excerpt.text);
        assert_eq!(&excerpt.text[excerpt.text.find("HERE").unwrap()..][..5], "HEREb");
        assert_eq!(excerpt.text.chars().skip(excerpt.indent).take(excerpt.marked).collect::<String>(), "HERE");
        assert_eq!(excerpt.place, "a.toml:1:301");
    }

    #[test]
    fn any_span_can_be_shown() {
        let mut sources = Sources::default();
        let file = sources.add("a.toml", "é\r\nx\u{1b}[31m");
        for start in 0..12 {
            for end in 0..12 {
                let excerpt = sources.excerpt(Span { file, start, end }).unwrap();
                assert!(excerpt.marked > 0 && !excerpt.text.contains('\u{1b}'));
            }
        }
        assert!(sources.excerpt(Span { file: 7, start: 0, end: 0 }).is_none());
    }

    #[test]
    fn equal_faults_are_told_once_and_in_order() {
        let mut report = Report::default();
        for start in [9, 3, 9] {
            report.fault(Span { file: 0, start, end: 10 }, "wrong");
        }
        let starts: Vec<_> = report.into_found().iter().map(|fault| fault.span.unwrap().start).collect();
        assert_eq!(starts, [3, 9]);
    }

    #[test]
    fn guesses_are_near() {
        let known = ["check", "connect", "queue", "at"];
        for (typed, expect) in
            [("chekc", Some("check")), ("Connect", Some("connect")), ("ta", Some("at")), ("nothing", None)]
        {
            assert_eq!(did_you_mean(typed, known), expect, "{typed}");
        }
    }
}
