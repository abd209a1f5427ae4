//! Values that are filled in at each start.

use std::fmt;

use mainstay_core::lease::{Name, Tenure};

use crate::params::Secret;

/// A text with places for what a tenure brings: `{role}`, `{password}`, `{epoch}`, `{token}`. Other braces stand for
/// themselves; `{{role}}` is the text `{role}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Role,
    Password,
    Epoch,
    Token,
}

/// A word in braces that is no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The word.
    pub word: String,
    /// Where its brace stands, in bytes from the start.
    pub at: usize,
}

/// What places are filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) tenure: Option<&'a Tenure>,
    pub(crate) role: Option<&'a Name>,
    pub(crate) password: Option<&'a Secret>,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// There is a word of small letters in braces that is no place.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let (mut from, mut search) = (0, 0);
        while let Some(open) = text.get(search..).and_then(|rest| rest.find('{')).map(|found| search + found) {
            search = open + 1;
            let Some((word, after)) = word(text, open) else { continue };
            let doubled = text.get(..open).is_some_and(|before| before.ends_with('{'))
                && text.get(after..).is_some_and(|rest| rest.starts_with('}'));
            let before = text.get(from..if doubled { open - 1 } else { open }).unwrap_or_default();
            pieces.push(Piece::Text(before.to_owned()));
            if doubled {
                pieces.push(Piece::Text(format!("{{{word}}}")));
                from = after + 1;
            } else {
                let place = place(word).ok_or_else(|| TemplateError { word: word.to_owned(), at: open })?;
                pieces.push(Piece::Place(place));
                from = after;
            }
            search = from;
        }
        pieces.push(Piece::Text(text.get(from..).unwrap_or_default().to_owned()));
        Ok(Self(pieces))
    }

    /// Whether the password is in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.0.contains(&Piece::Place(Place::Password))
    }

    /// The text. What a tenure does not bring is empty.
    pub(crate) fn fill(&self, values: &Values<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(Place::Role) => values.role.map(ToString::to_string).unwrap_or_default(),
            Piece::Place(Place::Password) => values.password.map(|it| it.reveal().to_owned()).unwrap_or_default(),
            Piece::Place(Place::Epoch) => values.tenure.map(|it| it.token.epoch.to_string()).unwrap_or_default(),
            Piece::Place(Place::Token) => values.tenure.map(|it| it.token.to_string()).unwrap_or_default(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// The word of small letters in the braces that open here, and where they have closed.
fn word(text: &str, open: usize) -> Option<(&str, usize)> {
    let rest = text.get(open + 1..)?;
    let (word, _) = rest.split_once('}')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some((word, open + 1 + word.len() + 1))
}

fn place(word: &str) -> Option<Place> {
    Some(match word {
        "role" => Place::Role,
        "password" => Place::Password,
        "epoch" => Place::Epoch,
        "token" => Place::Token,
        _ => return None,
    })
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = &self.word;
        write!(f, "`{{{word}}}` is not known here: write {{role}}, {{password}}, {{epoch}} or {{token}}, ")?;
        write!(f, "or `{{{{{word}}}}}` for the text itself")
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use mainstay_core::lease::{Nonce, Timeline, Token};

    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let tenure = Tenure { nonce: Nonce(1), token: Token { timeline: Timeline(2), epoch: 7 } };
        let (role, password) = ("partya_1".into(), Secret::new("s{e}cret"));
        let values = Values { tenure: Some(&tenure), role: Some(&role), password: Some(&password) };
        let filled = Template::parse(text).map(|template| template.fill(&values)).map_err(|error| error.word);
        assert_eq!(filled.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn places_are_filled() {
        check("", Ok(""));
        check("plain", Ok("plain"));
        check("{role}:{password}@{epoch}/{token}", Ok("partya_1:s{e}cret@7/2.7"));
        check("{role}{role}", Ok("partya_1partya_1"));
        check(r#"{"a": {"b": 1}}"#, Ok(r#"{"a": {"b": 1}}"#));
        check("{}{ {x y} {Role} {", Ok("{}{ {x y} {Role} {"));
        check("{{role}} {{rolle}}", Ok("{role} {rolle}"));
        check("{rolle}", Err("rolle"));
        check("ä{role}ä}", Ok("äpartya_1ä}"));
    }

    #[test]
    fn a_wrong_word_is_explained() {
        let error = Template::parse("x{pasword}").unwrap_err();
        assert_eq!(error.at, 1);
        let text = error.to_string();
        assert!(text.starts_with("`{pasword}` is not known here") && text.contains("`{{pasword}}`"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let values = Values { tenure: None, role: None, password: None };
        let template = Template::parse("<{role}{password}{epoch}{token}>").unwrap();
        assert!(template.has_password());
        assert_eq!(template.fill(&values), "<>");
    }
}
