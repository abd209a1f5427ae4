//! The `server` blocks of `http`.

use mainstay_proxy::params::Http2;

use super::action::{Server, not_found};
use super::ast::Directive;
use super::build::Build;
use super::listen::{self, Address};
use super::locations::{self, Location};
use super::named::{DEFAULT, free_name};
use super::pools::{Kind, slug};
use super::rules;
use super::scope::{Scope, own, typed};
use crate::config::typed::{Act, Listen, Route, Span, Spanned};

/// A `server` and where it is reached.
struct Block<'a> {
    directive: &'a Directive,
    names: Vec<Spanned<String>>,
    addresses: Vec<Address>,
}

/// Some addresses at which a server is reached by the same names.
struct Reach {
    addresses: Vec<Address>,
    names: Vec<Spanned<String>>,
    /// Whether other servers are reached there too.
    shared: bool,
}

impl Build<'_> {
    /// Every `server` of `http`.
    pub(super) fn http(&mut self, http: &Directive) {
        let outer = Scope::new(http.children());
        let blocks: Vec<Block<'_>> = own(http.children(), "server").map(|server| self.block(server)).collect();
        for (index, block) in blocks.iter().enumerate() {
            let scope = outer.inner(block.directive.children());
            let listen = self.server(block, &scope, http.children());
            for reach in self.reached(&blocks, index) {
                self.add_listen(reach, listen.clone(), &scope, block.directive.span());
            }
        }
    }

    fn block<'a>(&mut self, directive: &'a Directive) -> Block<'a> {
        let block = directive.children();
        let mut addresses: Vec<Address> = Vec::new();
        for listen in own(block, "listen") {
            for address in listen::read(listen, Kind::Http, self.report) {
                match addresses.iter().find(|known| same(known, &address)) {
                    Some(first) => {
                        let fault = self.report.fault(address.at.span, "this server listens there already");
                        fault.see(first.at.span, "the first one");
                    }
                    None => addresses.push(address),
                }
            }
        }
        if own(block, "listen").next().is_none() {
            self.report.note(directive.span(), "a `server` without `listen` listens on port 80");
            addresses.push(Address {
                at: typed(":80".to_owned(), directive.span()),
                default: false,
                ssl: false,
                backlog: None,
            });
        }
        Block { directive, names: self.names(block), addresses }
    }

    fn names(&mut self, block: &[Directive]) -> Vec<Spanned<String>> {
        let mut names = Vec::new();
        for word in own(block, "server_name").flat_map(|directive| &directive.args) {
            let name = word.text.to_ascii_lowercase();
            if name.starts_with('~') || name.contains('$') {
                let fault = self.report.fault(word.span, format!("`{name}` is no name that can be compared"));
                fault.help("a name, `*.name`, `.name` or `name.*`");
                continue;
            }
            // `.name` is the name and all that end in it.
            let forms = match name.strip_prefix('.') {
                Some(whole) => vec![whole.to_owned(), format!("*.{whole}")],
                None => vec![name],
            };
            for name in forms.into_iter().map(|name| typed(name, word.span)) {
                if name.value != "_" && !name.value.is_empty() && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    fn server(&mut self, block: &Block<'_>, scope: &Scope<'_>, http: &[Directive]) -> Listen {
        let directives = block.directive.children();
        let span = block.directive.span();
        let locations = locations::collect(directives, scope, self.report);
        let name = block.names.first().map(|name| name.value.clone()).unwrap_or_default();
        let server = Server { name, locations: &locations, http };
        let mut listen = Listen { access_log: self.access_log(scope), ..Listen::default() };
        // `listen ... http2` is the older way to say `on`, which is Mainstay's own.
        listen.http2 =
            scope.switch("http2", self.report).filter(|on| !on.value).map(|on| typed(Http2::Refused, on.span));
        if let Some(reply) = own(directives, "return").next() {
            if let Some(act) = self.server_reply(reply, scope, &server) {
                listen.action = act;
            }
            return listen;
        }
        listen.action = not_found(span);
        self.common(&mut listen.action, scope, &server);
        for location in &locations {
            self.refuse_own_access_log(location);
            let Some(act) = self.location(location, &server) else { continue };
            let at = location.directive.args.last().map_or(location.span(), |word| word.span);
            if let Some(path) = slash_path(location, &locations) {
                listen.routes.push(typed(slash(path, at), location.span()));
            }
            if is_whole(location, &act) {
                listen.action = act;
            } else {
                let internal = location.internal.then(|| typed(true, location.span()));
                let route = Route { path: typed(location.route(), at), internal, action: act };
                listen.routes.push(typed(route, location.span()));
            }
        }
        if listen.routes.iter().any(|route| route.value.path.value == "/") {
            listen.action = not_found(span);
        }
        listen
    }

    fn refuse_own_access_log(&mut self, location: &Location<'_>) {
        for directive in own(location.directive.children(), "access_log") {
            self.report.note(directive.span(), "a whole server's requests are logged, or none");
        }
    }

    /// The addresses at which a server is reached, and with which names: an earlier server's names are its own.
    fn reached(&mut self, blocks: &[Block<'_>], index: usize) -> Vec<Reach> {
        let Some(block) = blocks.get(index) else { return Vec::new() };
        let mut reaches: Vec<Reach> = Vec::new();
        for address in &block.addresses {
            let sharing: Vec<usize> =
                (0..blocks.len()).filter(|other| blocks[*other].addresses.iter().any(|at| same(at, address))).collect();
            let default = default_of(blocks, &sharing, address) == Some(index);
            let earlier = sharing.iter().filter(|other| **other < index).flat_map(|other| &blocks[*other].names);
            let taken: Vec<&Spanned<String>> = earlier.collect();
            let (names, gone): (Vec<_>, Vec<_>) = block.names.iter().cloned().partition(|name| !taken.contains(&name));
            for name in gone {
                let message = format!("an earlier server of `{}` is called `{}` too", address.at.value, name.value);
                self.report.note(name.span, message);
            }
            if names.is_empty() && !default {
                let message =
                    format!("this server is never reached at `{}`: another one answers there", address.at.value);
                self.report.note(block.directive.span(), message);
                continue;
            }
            let shared = sharing.len() > 1;
            let address = Address { default: default && (shared || !names.is_empty()), ..address.clone() };
            let alike = |known: &Address| {
                known.default == address.default && known.backlog == address.backlog && known.ssl == address.ssl
            };
            match reaches.iter_mut().find(|reach| reach.names == names && reach.addresses.iter().all(alike)) {
                Some(reach) => reach.addresses.push(address),
                None => reaches.push(Reach { addresses: vec![address], names, shared }),
            }
        }
        reaches
    }

    fn add_listen(&mut self, reach: Reach, mut listen: Listen, scope: &Scope<'_>, span: Span) {
        let Some(first) = reach.addresses.first() else { return };
        let mut wanted = listen::name(&first.at.value);
        if let Some(name) = reach.names.first().filter(|_| reach.shared) {
            wanted = format!("{wanted}-{}", slug(&name.value));
        }
        let name = self.listen_name(&wanted, span);
        let limit = rules::limit(scope, span, self.report);
        listen.limit = self.limits.name(limit, &name.value, span);
        if reach.shared {
            // What one of several says holds for all that say nothing.
            listen.limit.get_or_insert(typed(DEFAULT.to_owned(), span));
            listen.access_log.get_or_insert(typed(true, span));
        }
        if first.ssl {
            listen.tls = self.clients_tls(scope, &name.value, first.at.span);
        }
        listen.default = first.default.then(|| typed(true, first.at.span));
        listen.backlog = first.backlog;
        listen.at = reach.addresses.into_iter().map(|address| address.at).collect();
        listen.names = reach.names;
        self.listens.push((name, listen));
    }

    /// A name no other listener has.
    pub(super) fn listen_name(&self, wanted: &str, span: Span) -> Spanned<String> {
        typed(free_name(wanted, |name| self.listens.iter().any(|(known, _)| known.value == name)), span)
    }
}

/// Whether two addresses are one to the system.
fn same(one: &Address, other: &Address) -> bool {
    let plain = |address: &Address| address.at.value.trim_start_matches("0.0.0.0").to_owned();
    plain(one) == plain(other)
}

/// The server that answers for names nobody has: the one that says so, else the first.
fn default_of(blocks: &[Block<'_>], sharing: &[usize], address: &Address) -> Option<usize> {
    let says = |index: &&usize| blocks[**index].addresses.iter().any(|at| at.default && same(at, address));
    sharing.iter().find(says).or(sharing.first()).copied()
}

/// The path without its last slash, where nginx sends clients on to the one with it.
fn slash_path<'l>(location: &'l Location<'_>, locations: &[Location<'_>]) -> Option<&'l str> {
    let path =
        location.path.strip_suffix('/').filter(|path| !path.is_empty() && !location.exact && !location.internal)?;
    let block = location.directive.children();
    own(block, "proxy_pass").chain(own(block, "grpc_pass")).next()?;
    let taken = locations.iter().any(|other| other.path == path);
    (!taken).then_some(path)
}

fn slash(path: &str, span: Span) -> Route {
    let action = Act {
        reply: Some(typed(301, span)),
        location: Some(typed(format!("{path}/?${{query}}"), span)),
        ..Act::default()
    };
    Route { path: typed(format!("={path}"), span), internal: None, action }
}

/// Whether a location can stand for the whole of a server: a prefix to swap needs a path of its own.
fn is_whole(location: &Location<'_>, act: &Act) -> bool {
    let swaps = act.to.as_ref().and_then(|to| to.value.split_once("://")).is_some_and(|(_, to)| to.contains('/'));
    location.path == "/" && !location.exact && !location.internal && !swaps
}
