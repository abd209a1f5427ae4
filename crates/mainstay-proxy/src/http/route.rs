//! Which route takes a request: the site by host name, then an exact path, else the longest prefix. Paths are compared
//! as they came, byte for byte, but what a route denies is denied however it is written.

use std::rc::Rc;
use std::sync::Arc;

use mainstay_wire::h1::HeadLimits;

use super::disguise::{may_be_disguised, readings};
use super::node_head::NodeHead;
use crate::params::{self, Action, ClientLimits, Forward, HostName, Http, Http2, PathMatch, PoolId, Reply, Template};
use crate::pool::Pool;

/// A listener's sites and routes, made ready for look-ups.
pub(crate) struct Table {
    pub(crate) limits: ClientLimits,
    pub(crate) access_log: bool,
    /// Whether clients may speak HTTP/2.
    pub(crate) http2: Http2,
    sites: Vec<Site>,
    nowhere: Rc<Route>,
}

struct Site {
    names: Vec<HostName>,
    exact: Vec<(Vec<u8>, Rc<Route>)>,
    /// Longest first.
    prefixes: Vec<(Vec<u8>, Rc<Route>)>,
    /// Whether one of them denies.
    denies: bool,
}

/// A route with the pools it leads to.
pub(crate) struct Route {
    pub(crate) params: params::Route,
    /// Where it forwards to; `None` when it answers by itself.
    pub(crate) pool: Option<Rc<Pool>>,
    /// Where its copies go, as its mirrors are listed.
    pub(crate) mirrors: Vec<Rc<Pool>>,
    /// First name of its site.
    pub(crate) site_name: Rc<str>,
    /// Index of its site, for look-ups of error pages.
    pub(crate) site: usize,
}

impl Table {
    /// The table of an HTTP listener. `pool` finds pools of the same plan.
    pub(crate) fn new(http: &Http, pool: impl Fn(PoolId) -> Option<Rc<Pool>>) -> Self {
        let sites = http.sites.iter().enumerate().map(|(index, site)| Site::new(site, index, &pool));
        let sites = sites.collect();
        Self {
            sites,
            limits: http.limits.clone(),
            access_log: http.access_log,
            http2: http.http2,
            nowhere: Rc::new(Route::nowhere()),
        }
    }

    /// The bounds on a head.
    pub(crate) fn head_limits(&self) -> HeadLimits {
        let limits = &self.limits;
        HeadLimits { request_line: limits.request_line, head: limits.head, fields: limits.fields }
    }

    /// The route of requests that no route takes: 404.
    pub(crate) fn nowhere(&self) -> &Rc<Route> {
        &self.nowhere
    }

    /// The route for a request to `host` (as in the Host field) and `path`.
    pub(crate) fn find(&self, host: Option<&[u8]>, path: &[u8]) -> Option<&Rc<Route>> {
        let site = match (self.sites.as_slice(), host) {
            ([only], _) => only,
            (sites, Some(host)) => site_for(sites, host)?,
            (sites, None) => sites.first()?,
        };
        site.find(path)
    }

    /// The route for `path` in the site with this index.
    pub(crate) fn inside(&self, site: usize, path: &[u8]) -> Option<&Rc<Route>> {
        self.sites.get(site)?.find_as_written(path)
    }
}

impl Route {
    fn nowhere() -> Self {
        let action = Action::Reply(Reply { status: 404, content_type: Arc::from(""), body: Template::default() });
        let params = params::Route {
            path: PathMatch::Prefix(Vec::new()),
            internal: false,
            action,
            body_max: None,
            add_fields: Vec::new(),
            error_pages: Vec::new(),
            intercept: false,
        };
        Self { params, pool: None, mirrors: Vec::new(), site_name: Rc::from(""), site: usize::MAX }
    }

    /// How a request's head is changed for `node`.
    pub(crate) fn node_head<'a>(&'a self, forward: &'a Forward, node: Option<&'a str>, upgrade: bool) -> NodeHead<'a> {
        let (PathMatch::Exact(path) | PathMatch::Prefix(path)) = &self.params.path;
        NodeHead {
            prefix: forward.prefix.as_ref().map(|with| (path.len(), with.as_bytes())),
            host: &forward.host,
            forwarded: forward.forwarded,
            set: &forward.set_fields,
            node,
            upgrade,
        }
    }
}

impl Route {
    /// Whether it is there to keep clients away.
    fn denies(&self) -> bool {
        self.params.internal
            || matches!(&self.params.action, Action::Reply(reply) if (400..500).contains(&reply.status))
    }
}

impl Site {
    fn new(site: &params::Site, index: usize, pool: &impl Fn(PoolId) -> Option<Rc<Pool>>) -> Self {
        let site_name = match site.names.first() {
            Some(HostName::Exact(name) | HostName::Suffix(name) | HostName::Prefix(name)) => Rc::from(&**name),
            None => Rc::from(""),
        };
        let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
        for params in &site.routes {
            let forward = match &params.action {
                Action::Forward(forward) => Some(forward),
                Action::Reply(_) => None,
            };
            let mirrors = forward.iter().flat_map(|forward| &forward.mirrors);
            let route = Rc::new(Route {
                pool: forward.and_then(|forward| pool(forward.pool)),
                mirrors: mirrors.filter_map(|mirror| pool(mirror.pool)).collect(),
                site_name: Rc::clone(&site_name),
                site: index,
                params: params.clone(),
            });
            match &params.path {
                PathMatch::Exact(path) => exact.push((path.clone(), route)),
                PathMatch::Prefix(path) => prefixes.push((path.clone(), route)),
            }
        }
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let denies = exact.iter().chain(&prefixes).any(|(_, route)| route.denies());
        Self { names: site.names.clone(), exact, prefixes, denies }
    }

    fn find(&self, path: &[u8]) -> Option<&Rc<Route>> {
        // `OPTIONS *` asks about the server as a whole, for which the root stands.
        let path = if path == b"*" { b"/" } else { path };
        let found = self.find_as_written(path);
        if self.denies && may_be_disguised(path) && !found.is_some_and(|route| route.denies()) {
            let readings = readings(path);
            let mut routes = readings.iter().filter_map(|path| self.find_as_written(path));
            return routes.find(|route| route.denies()).or(found);
        }
        found
    }

    fn find_as_written(&self, path: &[u8]) -> Option<&Rc<Route>> {
        let exact = self.exact.iter().find(|(exact, _)| exact == path);
        exact.or_else(|| self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix))).map(|(_, route)| route)
    }
}

/// As nginx: the exact name, else the longest suffix, else the longest prefix, else the first site.
fn site_for<'a>(sites: &'a [Site], host: &[u8]) -> Option<&'a Site> {
    let host = without_port(host);
    let longest = |fits: &dyn Fn(&HostName) -> Option<usize>| {
        let best = |site: &'a Site| site.names.iter().filter_map(fits).max().map(|length| (length, site));
        // `rev`, because of equal lengths `max_by_key` takes the last and the first in order is meant.
        sites.iter().rev().filter_map(best).max_by_key(|(length, _)| *length).map(|(_, site)| site)
    };
    let exact = longest(&|name| match name {
        HostName::Exact(name) if host.eq_ignore_ascii_case(name.as_bytes()) => Some(name.len()),
        _ => None,
    });
    let suffix = || {
        longest(&|name| match name {
            HostName::Suffix(name) => {
                let from = host.len().checked_sub(name.len()).filter(|from| *from > 0)?;
                host.get(from..)?.eq_ignore_ascii_case(name.as_bytes()).then_some(name.len())
            }
            _ => None,
        })
    };
    let prefix = || {
        longest(&|name| match name {
            HostName::Prefix(name) => {
                let begin = host.get(..name.len()).filter(|_| host.len() > name.len())?;
                begin.eq_ignore_ascii_case(name.as_bytes()).then_some(name.len())
            }
            _ => None,
        })
    };
    exact.or_else(suffix).or_else(prefix).or_else(|| sites.first())
}

/// A Host value without its port; the brackets of an IPv6 address stay.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    let from = host.iter().rposition(|byte| *byte == b']').unwrap_or(0);
    let colon = host.iter().skip(from).position(|byte| *byte == b':');
    colon.and_then(|colon| host.get(..from + colon)).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn table(sites: &[(&[HostName], &[PathMatch])]) -> Table {
        let mut number = 200;
        let mut route = |path: &PathMatch| {
            number += 1;
            params::Route {
                path: path.clone(),
                internal: false,
                action: Action::Reply(Reply { status: number, content_type: Arc::from(""), body: Template::default() }),
                body_max: None,
                add_fields: Vec::new(),
                error_pages: Vec::new(),
                intercept: false,
            }
        };
        let sites = sites.iter().map(|(names, paths)| params::Site {
            names: names.to_vec(),
            routes: paths.iter().map(&mut route).collect(),
        });
        let limits = ClientLimits {
            request_line: 1,
            head: 1,
            fields: 1,
            head_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            send_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            requests: 1,
            streams: 1,
        };
        Table::new(&Http { sites: sites.collect(), limits, access_log: false, http2: Http2::Refused }, |_| None)
    }

    fn check(table: &Table, host: &str, path: &str, expect: Option<u16>) {
        let found = table.find(Some(host.as_bytes()), path.as_bytes()).map(|route| match &route.params.action {
            Action::Reply(reply) => reply.status,
            Action::Forward(_) => 0,
        });
        assert_eq!(found, expect, "{host} {path}");
    }

    #[test]
    fn paths_are_compared_byte_for_byte() {
        let prefix = |path: &str| PathMatch::Prefix(path.as_bytes().to_vec());
        let table = table(&[(
            &[],
            &[prefix("/partyinfo"), PathMatch::Exact(b"/push".to_vec()), prefix("/partyinfo/validate")],
        )]);
        check(&table, "any", "/partyinfo", Some(201));
        check(&table, "any", "/partyinfo/valid", Some(201));
        check(&table, "any", "/partyinfo/validate/x", Some(203));
        check(&table, "any", "/push", Some(202));
        check(&table, "any", "/push/", None);
        check(&table, "any", "/%70ush", None);
        check(&table, "any", "//partyinfo", None);
        check(&table, "any", "*", None);
    }

    #[test]
    fn what_is_denied_is_denied_however_it_is_written() {
        let prefix = |path: &str| PathMatch::Prefix(path.as_bytes().to_vec());
        let exact = |path: &str| PathMatch::Exact(path.as_bytes().to_vec());
        // The replies are numbered from 201 on; from 400 on they deny.
        let paths: Vec<_> = (0..198).map(|_| exact("/unused")).collect();
        let mut all = vec![prefix("/"), prefix("/admin/public")];
        all.extend(paths.into_iter().skip(2));
        all.extend([exact("/unused2"), prefix("/admin"), exact("/exact")]);
        let table = table(&[(&[], &all)]);
        let deny = Some(201 + 199);
        for path in
            ["/admin", "/admin/x", "//admin", "/x/../admin", "/%61dmin", "/x%2f..%2fadmin", "/admin/public/../x"]
        {
            check(&table, "any", path, deny);
        }
        for path in ["/exact", "/x/../exact", "/%65xact", "/./exact"] {
            check(&table, "any", path, Some(201 + 200));
        }
        for path in ["/exact/", "/transaction/a%2Fb%2B%3D", "/x//y", "/x/./y"] {
            check(&table, "any", path, Some(201));
        }
        check(&table, "any", "/admin/public/%2e", Some(202));
    }

    #[test]
    fn sites_are_found_as_nginx_finds_them() {
        let name = |text: &str| HostName::Exact(Arc::from(text));
        let all: &[PathMatch] = &[PathMatch::Prefix(b"/".to_vec())];
        let table = table(&[
            (&[name("first.example")], all),
            (&[HostName::Suffix(Arc::from(".example"))], all),
            (&[HostName::Prefix(Arc::from("www."))], all),
            (&[HostName::Suffix(Arc::from(".b.example")), name("[::1]")], all),
        ]);
        check(&table, "first.example", "/", Some(201));
        check(&table, "first.example", "*", Some(201));
        check(&table, "FIRST.example:8080", "/", Some(201));
        check(&table, "a.example", "/", Some(202));
        check(&table, "www.example", "/", Some(202));
        check(&table, "www.org", "/", Some(203));
        check(&table, "a.b.example:1", "/", Some(204));
        check(&table, "[::1]:9", "/", Some(204));
        check(&table, ".example", "/", Some(201));
        check(&table, "other", "/", Some(201));
    }
}
