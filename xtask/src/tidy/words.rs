//! Words that say a thing is not finished.

use super::{Fault, File};

/// Marks of unfinished work that name no issue.
pub(super) fn unfinished(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let marked = MARKS.iter().find(|mark| has_word(line, mark));
        if let Some(mark) = marked
            && !names_issue(line)
        {
            faults.push(file.fault(at + 1, format!("`{mark}` without an issue: finish it, or write `{mark}(#123)`")));
        }
    }
    faults
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(|near| near.is_alphanumeric() || near == '_')
    })
}

fn names_issue(line: &str) -> bool {
    line.split('#').skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

// In two pieces each, so that this file passes its own rule.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    #[test]
    fn finds_marks_without_an_issue() {
        let check = |text: &str, expect: &[(usize, &str)]| {
            let text = text.replace("MARK", MARKS[0]);
            samples::check(&unfinished(&samples::file("a.rs", &text)), expect);
        };
        check("fn f() {}\n// MARK: later\n", &[(2, "without an issue")]);
        check("// MARK(#12): later\n", &[]);
        check("// MARK (see #): later\n", &[(1, "without an issue")]);
        check("let MARKS = 1;\n", &[]);
    }
}
