//! Files and functions that a reader can hold in mind.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Fault, File};

/// Most lines of a file.
const FILE: usize = 600;
/// Most lines between the braces of a function.
const FUNCTION: usize = 70;

/// The file as a whole.
pub(super) fn file(file: &File) -> Option<Fault> {
    let lines = file.text.lines().count();
    (lines > FILE).then(|| file.fault(FILE, format!("{lines} lines, {FILE} allowed: split it by concept")))
}

/// Its functions, tests included.
pub(super) fn functions(file: &File, syntax: &syn::File) -> Vec<Fault> {
    let mut visitor = Functions { file, faults: Vec::new() };
    visitor.visit_file(syntax);
    visitor.faults
}

struct Functions<'f> {
    file: &'f File,
    faults: Vec<Fault>,
}

impl Functions<'_> {
    fn judge(&mut self, name: &syn::Ident, body: &syn::Block) {
        let (start, end) = (body.span().start().line, body.span().end().line);
        let lines = (end - start).saturating_sub(1);
        if lines > FUNCTION {
            let text = format!("`{name}` has {lines} lines, {FUNCTION} allowed: split it");
            self.faults.push(self.file.fault(name.span().start().line, text));
        }
    }
}

impl<'a> Visit<'a> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.judge(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.judge(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.judge(&function.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    #[test]
    fn bounds_files() {
        let of = |lines: usize| samples::file("a.rs", &"// x\n".repeat(lines));
        samples::check(file(&of(600)).as_slice(), &[]);
        samples::check(file(&of(601)).as_slice(), &[(600, "601 lines")]);
    }

    #[test]
    fn bounds_functions_wherever_they_are() {
        let check = |before: &str, lines: usize, after: &str, expect: &[(usize, &str)]| {
            let body = "    call();\n".repeat(lines);
            let file = samples::file("a.rs", &format!("{before} fn long() {{\n{body}}}{after}"));
            let syntax = syn::parse_file(&file.text).expect("a sample that parses");
            samples::check(&functions(&file, &syntax), expect);
        };
        check("", 70, "", &[]);
        check("", 71, "", &[(1, "`long` has 71 lines")]);
        check("impl X {\n", 71, "}", &[(2, "`long`")]);
        check("trait X {\n", 71, "}", &[(2, "`long`")]);
        check("mod tests {\n#[test]\n", 71, "}", &[(3, "`long`")]);
    }
}
