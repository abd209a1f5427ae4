//! `include`: the directives of other files, in the place of the line that names them.

use std::path::{Component, Path, PathBuf};

use super::ast::{Directive, parse};
use crate::config::fault::Report;
use crate::config::source::Sources;
use crate::config::typed::Span;

/// Reads the files that directives include.
pub(super) struct Includes<'a> {
    /// Where the texts read are kept.
    pub(super) sources: &'a mut Sources,
    /// Where faults go.
    pub(super) report: &'a mut Report,
    /// The folder of the main file, from which relative names count, as in nginx; `None` reads no file at all.
    pub(super) base: Option<PathBuf>,
    /// Bytes that may still be read.
    pub(super) left: usize,
}

impl Includes<'_> {
    /// Puts the directives of the files named in the place of each `include`.
    pub(super) fn expand(&mut self, directives: Vec<Directive>) -> Vec<Directive> {
        self.expand_at(directives, 0)
    }

    fn expand_at(&mut self, directives: Vec<Directive>, depth: usize) -> Vec<Directive> {
        let mut expanded = Vec::with_capacity(directives.len());
        for mut directive in directives {
            if directive.name.text == "include" {
                self.include(&directive, depth, &mut expanded);
                continue;
            }
            if let Some(block) = directive.block.take() {
                directive.block = Some(self.expand_at(block, depth));
            }
            expanded.push(directive);
        }
        expanded
    }

    fn include(&mut self, directive: &Directive, depth: usize, into: &mut Vec<Directive>) {
        let span = directive.span();
        let ([word], None) = (directive.args.as_slice(), &directive.block) else {
            self.report.fault(span, "`include` takes one file name").help("as in `include conf.d/*.conf;`");
            return;
        };
        if depth >= DEPTH_MAX {
            self.report.fault(span, format!("files include each other deeper than {DEPTH_MAX}"));
            return;
        }
        let Some(base) = self.base.clone() else {
            self.report.fault(span, "`include` is only followed from a file");
            return;
        };
        let name = Path::new(&word.text);
        if !has_pattern(&word.text) {
            if let Some(found) = self.read(&base.join(name), word.span) {
                into.extend(self.expand_at(found, depth + 1));
            }
            return;
        }
        for path in matching(&base.join(name)) {
            if let Some(found) = self.read(&path, word.span) {
                into.extend(self.expand_at(found, depth + 1));
            }
        }
    }

    fn read(&mut self, path: &Path, span: Span) -> Option<Vec<Directive>> {
        if self.sources.len() >= FILES_MAX {
            self.report.fault(span, format!("more than {FILES_MAX} files are included"));
            return None;
        }
        let size = std::fs::metadata(path).map_or(0, |data| usize::try_from(data.len()).unwrap_or(usize::MAX));
        if size > self.left {
            self.report.fault(span, format!("the files are larger than {BYTES_MAX} bytes together"));
            return None;
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(_) if path.file_name().is_some_and(|name| name == "mime.types") => {
                self.report.note(span, "`mime.types` is not there; nothing in it has a meaning here");
                return None;
            }
            Err(error) => {
                self.report.fault(span, format!("`{}` cannot be read: {error}", path.display()));
                return None;
            }
        };
        self.left = self.left.saturating_sub(text.len());
        let file = self.sources.add(path.display().to_string(), text.as_str());
        Some(parse(&text, file, self.report))
    }
}

fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files that a pattern names, in the order of their names.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let Component::Normal(name) = part else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let name = name.to_string_lossy();
        if has_pattern(&name) {
            found = found.iter().flat_map(|folder| listed(folder, &name)).take(FILES_MAX).collect();
        } else {
            found.iter_mut().for_each(|path| path.push(&*name));
        }
    }
    found.retain(|path| path.is_file());
    found
}

fn listed(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let hidden = pattern.starts_with('.');
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| (hidden || !name.starts_with('.')) && fits(pattern.as_bytes(), name.as_bytes()))
        .collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether a name fits a pattern of `*`, `?` and `[abc]`, `[a-z]`, `[!a]`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        let taken = pattern.get(at..).and_then(|rest| one(rest, name[seen]));
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, seen));
            at += 1;
        } else if let Some(used) = taken {
            at += used;
            seen += 1;
        } else if let Some((star_at, star_seen)) = star {
            at = star_at + 1;
            seen = star_seen + 1;
            star = Some((star_at, seen));
        } else {
            return false;
        }
    }
    pattern[at.min(pattern.len())..].iter().all(|byte| *byte == b'*')
}

/// How much of a pattern takes this byte; `None` when it does not.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', rest @ ..] => {
            let (negated, set) = match rest {
                [b'!' | b'^', set @ ..] => (true, set),
                set => (false, set),
            };
            let close = set.iter().skip(1).position(|byte| *byte == b']')? + 1;
            let inside = in_set(&set[..close], byte);
            (inside != negated).then_some(1 + usize::from(negated) + close + 1)
        }
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

fn in_set(mut set: &[u8], byte: u8) -> bool {
    loop {
        set = match set {
            [] => return false,
            [from, b'-', to, ..] if (*from..=*to).contains(&byte) => return true,
            [_, b'-', _, rest @ ..] => rest,
            [one, ..] if *one == byte => return true,
            [_, rest @ ..] => rest,
        };
    }
}

/// Deepest chain of files that include each other.
const DEPTH_MAX: usize = 10;
/// Most files of one configuration.
const FILES_MAX: usize = 1_000;
/// Most bytes of all files together.
pub(super) const BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expect) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?.conf", "a.conf", true),
            ("?.conf", "ab.conf", false),
            ("[ab].c", "b.c", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[", "[", false),
            ("[]", "]", false),
            ("[]]", "]", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn files_come_in_the_place_of_their_include() {
        let folder = folder(
            "order",
            &[("conf.d/b.conf", "b;"), ("conf.d/a.conf", "a { include ../c.conf; }"), ("c.conf", "c;")],
        );
        let (names, faults) = expand(Some(&folder), "x; include conf.d/*.conf; y;");
        assert_eq!(names, ["x", "a", "b", "y"]);
        assert_eq!(
            faults,
            [format!(
                "`{}` cannot be read: No such file or directory (os error 2)",
                folder.join("../c.conf").display()
            )]
        );
        let (names, faults) = expand(Some(&folder), "include conf.d/no*.conf; include c.conf;");
        assert_eq!((names, faults), (vec!["c".to_owned()], vec![]));
    }

    #[test]
    fn a_circle_ends() {
        let folder =
            folder("circle", &[("a.conf", "a; include a.conf;"), ("b.conf", "include *.conf; include *.conf;")]);
        let (names, faults) = expand(Some(&folder), "include a.conf;");
        assert_eq!(names.len(), 10);
        assert_eq!(faults, ["files include each other deeper than 10"]);
        let (_, faults) = expand(Some(&folder), "include b.conf;");
        assert!(faults.iter().any(|fault| fault == "more than 1000 files are included"));
    }

    #[test]
    fn what_cannot_be_included_is_a_fault() {
        let none: [String; 0] = [];
        let (names, faults) = expand(None, "include a.conf; include; include a b; b;");
        assert_eq!(names, ["b"]);
        assert_eq!(
            faults,
            [
                "`include` is only followed from a file",
                "`include` takes one file name",
                "`include` takes one file name"
            ]
        );
        assert_eq!(expand(Some(&folder("mime", &[])), "include mime.types;"), (none.to_vec(), none.to_vec()));
    }

    fn expand(base: Option<&Path>, text: &str) -> (Vec<String>, Vec<String>) {
        let (mut sources, mut report) = (Sources::default(), Report::default());
        let file = sources.add("nginx.conf", text);
        let directives = parse(text, file, &mut report);
        let mut includes =
            Includes { sources: &mut sources, report: &mut report, base: base.map(Path::to_path_buf), left: BYTES_MAX };
        let names = includes.expand(directives).into_iter().map(|directive| directive.name.text).collect();
        let faults = report.into_found().into_iter().filter(is_fault).map(|fault| fault.message).collect();
        (names, faults)
    }

    fn is_fault(found: &crate::config::fault::Fault) -> bool {
        found.severity == crate::config::fault::Severity::Fault
    }

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl std::ops::Deref for Folder {
        type Target = Path;

        fn deref(&self) -> &Path {
            &self.0
        }
    }

    fn folder(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder(std::env::temp_dir().join(format!("mainstay-include-{}-{name}", std::process::id())));
        std::fs::create_dir_all(&*folder).unwrap();
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }
}
