//! Reads an nginx.conf into [`super::typed::Config`].
//!
//! [`lex`] splits words, [`ast`] reads blocks, [`mod@include`] adds the files a file names, [`table`] and [`directives`]
//! say what is done with each directive and where it may stand; [`build`] translates what stands there: [`pools`] and
//! [`upstream`], [`server`] with [`locations`] and [`action`], and [`stream`].

use std::path::Path;

use super::fault::Report;
use super::source::Sources;
use super::typed::Config;

mod action;
mod ast;
mod build;
mod checks;
mod directives;
mod headers;
mod include;
mod lex;
mod listen;
mod locations;
mod mixed;
mod named;
mod pass;
mod pools;
mod rules;
mod scope;
mod server;
mod stream;
mod table;
mod tls;
mod units;
mod upstream;
mod vars;

/// Reads file number `file` of `sources`. Files it includes are added to `sources`, relative names counted from
/// `folder`, which for nginx is that of the main file; `None` follows no `include`. Every fault goes to `report`; the
/// configuration is what could be read and is of use only when there is none.
pub fn read(sources: &mut Sources, file: u16, folder: Option<&Path>, report: &mut Report) -> Config {
    let text = sources.text(file).unwrap_or_default().to_owned();
    let parsed = ast::parse(&text, file, report);
    let base = folder.map(Path::to_path_buf);
    let directives = include::Includes { sources, report, base, left: include::BYTES_MAX }.expand(parsed);
    table::check(&directives, table::place::MAIN, report);
    build::config(&directives, report)
}

/// Whether a text is an nginx.conf rather than TOML: its first statement is one of nginx's, ended by `;` or opened by
/// `{`. A TOML file begins with `[table]` or `key = value`, which never has that form.
pub fn looks_like_nginx(text: &str) -> bool {
    let tokens = lex::tokens(text, 0, &mut Report::default());
    let statement: Vec<&lex::Token> = tokens.iter().take_while(|token| matches!(token, lex::Token::Word(_))).collect();
    let ended = matches!(tokens.get(statement.len()), Some(lex::Token::End(_) | lex::Token::Open(_)));
    let assigned = matches!(statement.get(1), Some(lex::Token::Word(word)) if word.text.starts_with('='));
    match statement.first() {
        Some(lex::Token::Word(name)) => {
            (ended && !assigned && !name.text.starts_with('[')) || directives::is_main(&name.text)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
