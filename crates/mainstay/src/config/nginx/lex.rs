//! Words and punctuation of an nginx.conf, with nginx's own rules for quotes, escapes and comments.

use crate::config::fault::Report;
use crate::config::typed::Span;

/// A word: a directive's name or one of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text, quotes and escapes resolved.
    pub(super) text: String,
    /// Where it stands, with its quotes.
    pub(super) span: Span,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
}

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or an argument.
    Word(Word),
    /// `;`
    End(Span),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
}

/// Splits `text` into tokens. What cannot be read is reported and skipped, so that one run finds every fault.
pub(super) fn tokens(text: &str, file: u16, report: &mut Report) -> Vec<Token> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, file };
    let mut found = Vec::new();
    while let Some(token) = lexer.next(report) {
        found.push(token);
    }
    found
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    file: u16,
}

impl Lexer<'_> {
    fn next(&mut self, report: &mut Report) -> Option<Token> {
        self.skip_blank();
        let start = self.at;
        match self.peek()? {
            b';' => Some(Token::End(self.single())),
            b'{' => Some(Token::Open(self.single())),
            b'}' => Some(Token::Close(self.single())),
            quote @ (b'"' | b'\'') => Some(Token::Word(self.quoted(quote, report))),
            _ => {
                self.plain();
                let span = self.span(start);
                Some(Token::Word(Word { text: unescape(self.slice(start, self.at)), span, quoted: false }))
            }
        }
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// A word without quotes goes on to a blank, `;` or `{`; the brace of `${name}` belongs to it.
    fn plain(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => return,
                b'\\' => self.at += 2,
                b'$' if self.bytes.get(self.at + 1) == Some(&b'{') => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(self.bytes.len());
    }

    fn quoted(&mut self, quote: u8, report: &mut Report) -> Word {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(byte) if byte == quote => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = self.bytes.len();
                    let span = Span { end: to_u32(start + 1), ..self.span(start) };
                    report
                        .fault(span, "this quote is never closed")
                        .help(format!("close it with {}", char::from(quote)));
                    return Word { text: unescape(self.slice(start + 1, self.at)), span, quoted: true };
                }
            }
        }
        let text = unescape(self.slice(start + 1, self.at));
        self.at += 1;
        let span = self.span(start);
        if self.peek().is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')')) {
            let behind = Span { start: span.end, end: span.end + 1, ..span };
            report.fault(behind, "a blank, `;` or `{` must follow a closing quote").help("put a blank here");
        }
        Word { text, span, quoted: true }
    }

    fn single(&mut self) -> Span {
        let start = self.at;
        self.at += 1;
        self.span(start)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn span(&self, start: usize) -> Span {
        Span { file: self.file, start: to_u32(start), end: to_u32(self.at) }
    }

    /// The text between two places; an escape at the very end of a file may point behind it.
    fn slice(&self, start: usize, end: usize) -> &str {
        let end = end.min(self.bytes.len());
        let mut end_at = end;
        while !self.text.is_char_boundary(end_at) {
            end_at += 1;
        }
        self.text.get(start..end_at).unwrap_or_default()
    }
}

/// `\"`, `\'` and `\\` stand for themselves, `\t`, `\r` and `\n` for the control characters; any other backslash stays.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let replacement = match (letter, letters.peek()) {
            ('\\', Some(&quoted @ ('"' | '\'' | '\\'))) => Some(quoted),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            _ => None,
        };
        match replacement {
            Some(replacement) => {
                letters.next();
                plain.push(replacement);
            }
            None => plain.push(letter),
        }
    }
    plain
}

fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_nginx_does() {
        check("listen 9080;", "listen 9080 ;");
        check("a{b c;}d;", "a { b c ; } d ;");
        check("# only a comment\na # b\n;", "a ;");
        check("a#b c;", "a#b c ;");
        check("a b};", "a b} ;");
        check("a ${b}c;", "a ${b}c ;");
        check("a 'b ; { c';", "a 'b ; { c' ;");
        check(r#"a "b\"c" 'd\ne' "\x41\." f\;g;"#, "a 'b\"c' 'd\ne' '\\x41\\.' f\\;g ;");
        check("", "");
        check("a\r\n\tb;\r\n", "a b ;");
        check("x \\", "x \\");
        check("x \\é;", "x \\é ;");
    }

    #[test]
    fn a_quote_must_be_closed_and_followed_by_a_blank() {
        faults("a 'b;\n", &["this quote is never closed"]);
        faults("a \"b\"c;", &["a blank, `;` or `{` must follow a closing quote"]);
        faults("if ($a = 'b') {}", &[]);
        faults("a 'b\\", &["this quote is never closed"]);
    }

    #[test]
    fn spans_cover_the_words_as_typed() {
        let mut report = Report::default();
        let found = tokens("ab  \"c d\";", 3, &mut report);
        let spans: Vec<_> = found.iter().map(place).map(|span| (span.file, span.start, span.end)).collect();
        assert_eq!(spans, [(3, 0, 2), (3, 4, 9), (3, 9, 10)]);
    }

    fn check(text: &str, expect: &str) {
        let mut report = Report::default();
        let words: Vec<String> = tokens(text, 0, &mut report)
            .into_iter()
            .map(|token| match token {
                Token::Word(word) if word.quoted => format!("'{}'", word.text),
                Token::Word(word) => word.text,
                Token::End(_) => ";".into(),
                Token::Open(_) => "{".into(),
                Token::Close(_) => "}".into(),
            })
            .collect();
        assert_eq!(words.join(" "), expect, "{text}");
        assert!(!report.has_faults(), "{:?}", report.found());
    }

    fn faults(text: &str, expect: &[&str]) {
        let mut report = Report::default();
        tokens(text, 0, &mut report);
        assert_eq!(messages(&report), expect, "{text}");
    }

    fn messages(report: &Report) -> Vec<&str> {
        report.found().iter().map(|fault| fault.message.as_str()).collect()
    }

    fn place(token: &Token) -> Span {
        match token {
            Token::Word(word) => word.span,
            Token::End(span) | Token::Open(span) | Token::Close(span) => *span,
        }
    }
}
