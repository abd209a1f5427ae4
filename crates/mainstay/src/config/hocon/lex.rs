//! Tokens of HOCON.

use crate::config::fault::Report;
use crate::config::typed::Span;

/// A token and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) what: What,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// One of `{`, `}`, `[`, `]`, `:`, `=` and `,`.
    Mark(char),
    /// `+=`
    Append,
    /// The end of a line.
    Newline,
    /// Blanks within a line; they count between the parts of a value.
    Space(String),
    /// Text in quotes, its escapes undone.
    Quoted(String),
    /// Text without quotes.
    Bare(String),
    /// `${path}` or `${?path}`.
    Substitution {
        /// The names of the path.
        path: Vec<String>,
        /// Whether it may be undefined.
        optional: bool,
    },
}

/// The tokens of `text` up to its first fault.
pub(super) fn tokens(text: &str, file: u16, report: &mut Report) -> Vec<Token> {
    let mut lexer = Lexer { text, file, at: 0, report };
    let mut tokens = Vec::new();
    while let Some(letter) = lexer.peek() {
        let start = lexer.at;
        match lexer.one(letter) {
            Ok(Some(what)) => tokens.push(Token { what, span: lexer.span(start) }),
            Ok(None) => {}
            Err(Wrong { from, message, help }) => {
                let span = lexer.span(from);
                lexer.report.fault(span, message).help(help);
                break;
            }
        }
    }
    tokens
}

/// The names of a path expression made of tokens, or what is wrong with it. Blanks count, but for those at its ends.
pub(super) fn path_of(tokens: &[Token]) -> Result<Vec<String>, &'static str> {
    let is_blank = |token: &&Token| matches!(token.what, What::Space(_));
    let ends = tokens.iter().rev().take_while(is_blank).count();
    let starts = tokens.iter().take_while(is_blank).count();
    let tokens = tokens.get(starts..tokens.len() - ends).unwrap_or_default();
    let mut names = Vec::new();
    let mut name: Option<String> = None;
    let add = |name: &mut Option<String>, part: &str| name.get_or_insert_default().push_str(part);
    for token in tokens {
        match &token.what {
            What::Space(text) | What::Quoted(text) => add(&mut name, text),
            What::Bare(text) => {
                for (index, part) in text.split('.').enumerate() {
                    if index > 0 {
                        names.push(name.take().ok_or("a name is missing beside a point")?);
                    }
                    if !part.is_empty() {
                        add(&mut name, part);
                    }
                }
            }
            _ => return Err("this cannot be part of a name"),
        }
    }
    names.push(name.ok_or("a name is missing")?);
    if names.len() > NAMES_MAX { Err("this has too many names") } else { Ok(names) }
}

struct Lexer<'a, 'r> {
    text: &'a str,
    file: u16,
    at: usize,
    report: &'r mut Report,
}

/// A fault that ends the reading.
struct Wrong {
    from: usize,
    message: String,
    help: String,
}

impl Lexer<'_, '_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn span(&self, start: usize) -> Span {
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: short(start), end: short(self.at) }
    }

    fn wrong<T>(&self, from: usize, message: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong { from, message: message.into(), help: help.into() })
    }

    /// One token, or nothing for a comment.
    fn one(&mut self, letter: char) -> Result<Option<What>, Wrong> {
        if self.rest().starts_with("//") || letter == '#' {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            return Ok(None);
        }
        let what = match letter {
            '\n' => {
                self.at += 1;
                What::Newline
            }
            '{' | '}' | '[' | ']' | ':' | '=' | ',' => {
                self.at += 1;
                What::Mark(letter)
            }
            '"' if self.rest().starts_with("\"\"\"") => What::Quoted(self.multi_line()?),
            '"' => What::Quoted(self.quoted()?),
            '$' => self.substitution()?,
            '+' if self.rest().starts_with("+=") => {
                self.at += 2;
                What::Append
            }
            letter if is_blank(letter) => What::Space(self.run(is_blank)),
            letter if FORBIDDEN.contains(letter) => {
                let from = self.at;
                self.at += letter.len_utf8();
                return self.wrong(from, format!("`{letter}` may only stand in quotes"), "put the text in quotes");
            }
            _ => What::Bare(self.bare()),
        };
        Ok(Some(what))
    }

    fn run(&mut self, fits: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|letter| !fits(letter)).unwrap_or(rest.len());
        let run = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        run
    }

    fn bare(&mut self) -> String {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            // The sign of an exponent belongs to its number.
            let sign =
                letter == '+' && is_exponent(&text) && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit());
            if !sign && (FORBIDDEN.contains(letter) || MARKS.contains(letter) || is_space(letter)) {
                break;
            }
            if self.rest().starts_with("//") {
                break;
            }
            text.push(letter);
            self.at += letter.len_utf8();
        }
        text
    }

    fn multi_line(&mut self) -> Result<String, Wrong> {
        let from = self.at;
        self.at += 3;
        let Some(end) = self.rest().find("\"\"\"") else {
            self.at = from + 3;
            return self.wrong(from, "the text that begins here has no end", "end it with \"\"\"");
        };
        // Quotes beyond three belong to the text.
        let more = self.rest()[end + 3..].bytes().take_while(|byte| *byte == b'"').count();
        let text = self.rest()[..end + more].to_owned();
        self.at += end + more + 3;
        Ok(text)
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let from = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(letter) = self.peek().filter(|letter| *letter != '\n') else {
                return self.wrong(from, "the text that begins here has no end on its line", "end it with \"");
            };
            self.at += letter.len_utf8();
            match letter {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                letter if letter < ' ' => {
                    let help = "write it as \\t, \\r or \\u0000";
                    return self.wrong(self.at - 1, "a control character cannot stand in quotes", help);
                }
                letter => text.push(letter),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        let from = self.at - 1;
        let letter = self.peek().unwrap_or('\n');
        self.at += if letter == '\n' { 0 } else { letter.len_utf8() };
        Ok(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(from),
            _ => return self.wrong(from, "this escape has no meaning", "write \\\\ for a backslash"),
        })
    }

    fn unicode(&mut self, from: usize) -> Result<char, Wrong> {
        let first = self.four_digits();
        let code = match first {
            // Half of a pair, the other half of which must follow.
            Some(high @ 0xD800..0xDC00) if self.rest().starts_with("\\u") => {
                self.at += 2;
                let low = self.four_digits().filter(|low| (0xDC00..0xE000).contains(low));
                low.map(|low| 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
            }
            other => other,
        };
        match code.and_then(char::from_u32) {
            Some(letter) => Ok(letter),
            None => self.wrong(from, "this is no character", "write \\u and four hexadecimal digits"),
        }
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(code)
    }

    fn substitution(&mut self) -> Result<What, Wrong> {
        let from = self.at;
        self.at += 1;
        if !self.rest().starts_with('{') {
            return self.wrong(from, "`$` may only stand in quotes or begin a substitution", "write ${NAME} or \"$\"");
        }
        self.at += 1;
        let optional = self.rest().starts_with('?');
        self.at += usize::from(optional);
        let mut tokens = Vec::new();
        loop {
            let start = self.at;
            let Some(letter) = self.peek().filter(|letter| *letter != '\n') else {
                return self.wrong(from, "the substitution that begins here has no end on its line", "end it with }");
            };
            if letter == '}' {
                self.at += 1;
                break;
            }
            match self.one(letter)? {
                Some(what @ (What::Bare(_) | What::Quoted(_) | What::Space(_))) => {
                    tokens.push(Token { what, span: self.span(start) });
                }
                _ => return self.wrong(start, "this cannot be part of a name", "put the name in quotes"),
            }
        }
        match path_of(&tokens) {
            Ok(path) => Ok(What::Substitution { path, optional }),
            Err(message) => self.wrong(from, message, "write ${NAME} or ${a.b}"),
        }
    }
}

fn is_exponent(text: &str) -> bool {
    text.ends_with(['e', 'E']) && text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
}

fn is_blank(letter: char) -> bool {
    letter != '\n' && is_space(letter)
}

fn is_space(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}' || ('\u{1c}'..='\u{1f}').contains(&letter)
}

/// Letters that text without quotes cannot have, beside [`MARKS`].
const FORBIDDEN: &str = "$\"+#`^?!@*&\\";

const MARKS: &str = "{}[]:=,";

/// Names of one path.
const NAMES_MAX: usize = 50;
