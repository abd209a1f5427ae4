//! Styled lines of text, cut to a width.

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo) enum Style {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
    Accent,
}

/// One line, piece by piece. Every character of it must be one column wide.
#[derive(Clone, Debug, Default)]
pub(in crate::demo) struct Line(Vec<(Style, String)>);

impl Line {
    /// An empty one.
    pub(in crate::demo) fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    pub(in crate::demo) fn put(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// The line with colours (or without), cut after `width` columns.
    pub(in crate::demo) fn render(&self, colours: bool, width: usize) -> String {
        let mut out = String::new();
        let mut left = width;
        for (style, text) in &self.0 {
            let cut: String = text.chars().take(left).collect();
            left -= cut.chars().count();
            match style.code().filter(|_| colours && !cut.is_empty()) {
                Some(code) => out.push_str(&format!("\x1b[{code}m{cut}\x1b[0m")),
                None => out.push_str(&cut),
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out
    }
}

impl Style {
    /// Its SGR parameters. Only the sixteen colours every terminal has, so that its user's theme holds.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Bold => Some("1"),
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("1;31"),
            Self::Accent => Some("1;36"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_their_width_whatever_their_colours() {
        let line = Line::new().put(Style::Bold, "ab").put(Style::Plain, "ä▁").put(Style::Bad, "x  ");
        let check = |colours, width, expect: &str| assert_eq!(line.render(colours, width), expect, "{colours} {width}");
        check(false, 80, "abä▁x");
        check(false, 3, "abä");
        check(true, 1, "\x1b[1ma\x1b[0m");
        check(true, 4, "\x1b[1mab\x1b[0mä▁");
    }
}
