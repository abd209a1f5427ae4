//! Texts as they stand in SQL, where a statement cannot take them as values.

/// A literal. With `standard_conforming_strings`, which every connection sets, only the quote is special.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name.
pub(super) fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A block of PL/pgSQL, with a delimiter that does not occur in it.
pub(super) fn block(body: &str) -> String {
    let mut tag = String::from("$m$");
    while body.contains(&tag) {
        tag.insert(1, 'm');
    }
    format!("DO {tag} {body} {tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_end_where_they_should() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("\\'"), "'\\'''");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(block("x"), "DO $m$ x $m$");
        assert_eq!(block("'$m$'"), "DO $mm$ '$m$' $mm$");
    }
}
