//! Directives and blocks.

use std::collections::VecDeque;

use super::lex::{Token, Word, tokens};
use crate::config::fault::Report;
use crate::config::typed::Span;

/// `name args;` or `name args { block }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its name.
    pub(super) name: Word,
    /// Its arguments.
    pub(super) args: Vec<Word>,
    /// What stands in its braces, if it has any.
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    /// From the name to the last argument.
    pub(super) fn span(&self) -> Span {
        self.args.last().map_or(self.name.span, |last| Span { end: last.span.end, ..self.name.span })
    }

    /// The argument of that index; empty when it is not there, which the table of directives has reported.
    pub(super) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", |word| word.text.as_str())
    }

    /// Its place, or the name's when the argument is not there.
    pub(super) fn arg_span(&self, index: usize) -> Span {
        self.args.get(index).map_or(self.name.span, |word| word.span)
    }

    /// What stands in its braces.
    pub(super) fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Reads one file into directives. Faults of the block structure are reported; what can be read is still read.
pub(super) fn parse(text: &str, file: u16, report: &mut Report) -> Vec<Directive> {
    let mut parser = Parser { tokens: tokens(text, file, report).into(), report };
    let mut top = Vec::new();
    loop {
        parser.block(&mut top, 0);
        match parser.tokens.pop_front() {
            Some(Token::Close(span)) => {
                parser.report.fault(span, "this `}` closes nothing").help("remove it, or open its block");
            }
            _ => return top,
        }
    }
}

struct Parser<'r> {
    tokens: VecDeque<Token>,
    report: &'r mut Report,
}

impl Parser<'_> {
    /// Reads directives up to a `}`, which is left, or the end of the file.
    fn block(&mut self, into: &mut Vec<Directive>, depth: usize) {
        while let Some(token) = self.tokens.front() {
            match token {
                Token::Close(_) => return,
                Token::Word(_) => {
                    if let Some(directive) = self.directive(depth) {
                        into.push(directive);
                    }
                }
                Token::End(span) => {
                    let span = *span;
                    self.tokens.pop_front();
                    self.report.fault(span, "this `;` ends nothing").help("remove it");
                }
                Token::Open(span) => {
                    let span = *span;
                    self.report.fault(span, "this block has no name").help("name it, as in `server {`");
                    self.tokens.pop_front();
                    self.inner(span, depth);
                }
            }
        }
    }

    fn directive(&mut self, depth: usize) -> Option<Directive> {
        let mut words = Vec::new();
        loop {
            match self.tokens.pop_front() {
                Some(Token::Word(word)) => words.push(word),
                Some(Token::End(_)) => return named(words, None),
                Some(Token::Open(span)) => {
                    let block = self.inner(span, depth);
                    return named(words, Some(block));
                }
                other => {
                    let directive = named(words, None)?;
                    self.report
                        .fault(directive.span(), format!("`{}` does not end", directive.name.text))
                        .help("put a `;` behind it");
                    if let Some(close) = other {
                        self.tokens.push_front(close);
                    }
                    return Some(directive);
                }
            }
        }
    }

    /// What stands between a `{` already taken and its `}`.
    fn inner(&mut self, open: Span, depth: usize) -> Vec<Directive> {
        let mut block = Vec::new();
        if depth >= DEPTH_MAX {
            self.report.fault(open, format!("blocks are nested deeper than {DEPTH_MAX}"));
            self.skip();
            return block;
        }
        self.block(&mut block, depth + 1);
        if self.tokens.pop_front().is_none() {
            self.report.fault(open, "this block is never closed").help("close it with `}`");
        }
        block
    }

    /// Passes over a block without reading it.
    fn skip(&mut self) {
        let mut open = 1_usize;
        while let Some(token) = self.tokens.pop_front() {
            match token {
                Token::Open(_) => open += 1,
                Token::Close(_) => open -= 1,
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
    }
}

fn named(mut words: Vec<Word>, block: Option<Vec<Directive>>) -> Option<Directive> {
    if words.is_empty() {
        return None;
    }
    let name = words.remove(0);
    Some(Directive { name, args: words, block })
}

/// Deepest nesting of blocks; nginx itself needs five.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_and_blocks_nest() {
        check("a; b c d; e { f g; h i { } }", "a; b c d; e {f g; h i {}}", &[]);
        check("", "", &[]);
        check("events { }", "events {}", &[]);
    }

    #[test]
    fn every_fault_of_the_structure_is_found() {
        check("a b", "a b;", &["`a` does not end"]);
        check("a { b c }", "a {b c;}", &["`b` does not end"]);
        check("a { b;", "a {b;}", &["this block is never closed"]);
        check("a; } b;", "a; b;", &["this `}` closes nothing"]);
        check("a;; b;", "a; b;", &["this `;` ends nothing"]);
        check("{ a; } b;", "b;", &["this block has no name"]);
        check("} a {", "a {}", &["this `}` closes nothing", "this block is never closed"]);
    }

    #[test]
    fn nesting_is_bounded() {
        let text = format!("{}x;{}", "a {".repeat(100_000), "}".repeat(100_000));
        let mut report = Report::default();
        assert_eq!(parse(&text, 0, &mut report).len(), 1);
        assert_eq!(messages(&report), ["blocks are nested deeper than 16"]);
    }

    fn check(text: &str, expect: &str, faults: &[&str]) {
        let mut report = Report::default();
        let shown: Vec<String> = parse(text, 0, &mut report).iter().map(show).collect();
        assert_eq!(shown.join(" "), expect, "{text}");
        assert_eq!(messages(&report), faults, "{text}");
    }

    fn messages(report: &Report) -> Vec<&str> {
        report.found().iter().map(|fault| fault.message.as_str()).collect()
    }

    fn show(directive: &Directive) -> String {
        let mut words = vec![directive.name.text.clone()];
        words.extend(directive.args.iter().map(|word| word.text.clone()));
        let words = words.join(" ");
        match &directive.block {
            None => format!("{words};"),
            Some(block) => {
                let inner: Vec<String> = block.iter().map(show).collect();
                format!("{words} {{{}}}", inner.join(" "))
            }
        }
    }
}
