//! What may not stand in any source file: unsafe code outside its crate, lints silenced without a reason, stubs.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Fault, File};

/// The one crate that may hold unsafe code.
const UNSAFE_CRATE: &str = "crates/mainstay-io";

pub(super) fn check(file: &File, syntax: &syn::File) -> Vec<Fault> {
    let mut visitor = Source { file, faults: Vec::new() };
    visitor.visit_file(syntax);
    visitor.faults
}

struct Source<'f> {
    file: &'f File,
    faults: Vec<Fault>,
}

impl Source<'_> {
    fn fault(&mut self, span: proc_macro2::Span, text: &str) {
        self.faults.push(self.file.fault(span.start().line, text));
    }

    fn unsafe_at(&mut self, span: proc_macro2::Span) {
        if self.file.crate_folder() != Some(UNSAFE_CRATE) {
            self.fault(span, "unsafe code: it belongs into mainstay-io, behind a safe function");
        }
    }
}

impl<'a> Visit<'a> for Source<'_> {
    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        let path = attribute.path();
        if path.is_ident("allow") {
            self.fault(attribute.span(), "`allow` silences a lint for good: write `expect(.., reason = \"..\")`");
        }
        if path.is_ident("expect") && !has_reason(attribute) {
            self.fault(attribute.span(), "`expect` without a reason: add `reason = \"..\"`");
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        let name = called.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if matches!(name.as_str(), "todo" | "unimplemented") {
            self.fault(called.span(), &format!("`{name}!` is a stub: finish it or leave it out"));
        }
        visit::visit_macro(self, called);
    }

    fn visit_expr_unsafe(&mut self, block: &'a syn::ExprUnsafe) {
        self.unsafe_at(block.unsafe_token.span);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        if let Some(token) = &signature.unsafety {
            self.unsafe_at(token.span);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if let Some(token) = &item.unsafety {
            self.unsafe_at(token.span);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        if let Some(token) = &item.unsafety {
            self.unsafe_at(token.span);
        }
        visit::visit_item_trait(self, item);
    }
}

fn has_reason(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.tokens.clone().into_iter().any(|token| token.to_string() == "reason")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples;

    fn case(path: &str, text: &str, expect: &[(usize, &str)]) {
        let file = samples::file(path, text);
        let syntax = syn::parse_file(&file.text).expect("a sample that parses");
        samples::check(&check(&file, &syntax), expect);
    }

    #[test]
    fn lints_are_silenced_with_a_reason() {
        case("a.rs", "#[allow(dead_code)]\nfn f() {}", &[(1, "`allow`")]);
        case("a.rs", "#![allow(dead_code, reason = \"x\")]", &[(1, "`allow`")]);
        case("a.rs", "fn f() {\n #[expect(dead_code)]\n let x = 1;\n}", &[(2, "without a reason")]);
        case("a.rs", "#[expect(dead_code, reason = \"told apart by type\")]\nfn f() {}", &[]);
    }

    #[test]
    fn unsafe_code_stays_in_one_crate() {
        let elsewhere = "crates/mainstay-proxy/src/a.rs";
        case(elsewhere, "fn f() {\n unsafe { g() }\n}", &[(2, "unsafe")]);
        case(elsewhere, "unsafe fn f() {}", &[(1, "unsafe")]);
        case(elsewhere, "unsafe impl Send for X {}", &[(1, "unsafe")]);
        case(elsewhere, "unsafe trait X {}", &[(1, "unsafe")]);
        case("crates/mainstay-io/src/a.rs", "fn f() {\n unsafe { g() }\n}", &[]);
        case("crates/mainstay-iofoo/src/a.rs", "unsafe fn f() {}", &[(1, "unsafe")]);
    }

    #[test]
    fn stubs_are_found() {
        case("a.rs", "fn f() {\n todo!()\n}", &[(2, "`todo!`")]);
        case("a.rs", "fn f() {\n std::unimplemented!(\"x\")\n}", &[(2, "`unimplemented!`")]);
    }
}
