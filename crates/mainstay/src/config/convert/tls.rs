//! `[tls.NAME]`: what listeners show and demand, and what nodes are asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_proxy::params::{Action, Part, Site, Template};
use mainstay_tls::{
    Client, ClientSettings, Clients, PairFiles, Pattern, Server, ServerName, ServerSettings, Trust, Verify, Versions,
};

use super::listeners::Member;
use super::{Cx, or, template};
use crate::config::defaults;
use crate::config::fault::did_you_mean;
use crate::config::typed::{Span, Spanned, Tls};

/// What was found out about the tables.
#[derive(Default)]
pub(super) struct Known {
    used: Vec<usize>,
    servers: Vec<(ServerSettings, Option<Arc<Server>>)>,
    clients: Vec<(ClientSettings, Option<Arc<Client>>)>,
}

impl Known {
    /// Whether the table with this index is used.
    pub(super) fn uses(&self, index: usize) -> bool {
        self.used.contains(&index)
    }
}

/// What the listeners of one address show and demand; `None` where none of them speaks TLS.
pub(super) fn server(cx: &mut Cx<'_>, members: &[Member<'_>], protocols: &[&str]) -> Option<Arc<Server>> {
    let first = members.iter().find_map(|member| member.listen.tls.as_ref())?;
    for member in members.iter().filter(|member| member.listen.tls.is_none()) {
        cx.fault(member.span, "one listener of this address speaks TLS, and this one does not")
            .help(format!("add `tls = \"{}\"`, or choose another address", first.value))
            .see(first.span, "`tls`");
    }
    let mut joined: Option<(ServerSettings, Span)> = None;
    let mut seen: Vec<&str> = Vec::new();
    for name in members.iter().filter_map(|member| member.listen.tls.as_ref()) {
        if seen.contains(&name.value.as_str()) {
            continue;
        }
        seen.push(&name.value);
        let Some(typed) = find(cx, name) else { continue };
        let own = server_settings(cx, name, typed, protocols)?;
        match &mut joined {
            None => joined = Some((own, name.span)),
            Some((joined, before)) => {
                let bare = |settings: &ServerSettings| ServerSettings {
                    name: "".into(),
                    pairs: Vec::new(),
                    ..settings.clone()
                };
                if bare(joined) != bare(&own) {
                    cx.fault(name.span, "two [tls.NAME] for one address may differ in `cert` and `key` alone")
                        .help("name the same one, or choose another address")
                        .see(*before, "the other one");
                }
                joined.pairs.extend(own.pairs);
            }
        }
    }
    let (settings, span) = joined?;
    load_server(cx, settings, span)
}

/// Tells nodes who the client is, where a listener's TLS says so.
pub(super) fn tell_identity(cx: &Cx<'_>, members: &[Member<'_>], sites: &mut [Site]) {
    let tables = members.iter().filter_map(|member| member.listen.tls.as_ref());
    let identity = tables.filter_map(|name| cx.config.tls.iter().find(|(known, _)| known.value == name.value));
    let Some(field) = identity.filter_map(|(_, tls)| tls.identity.as_ref()).next() else { return };
    for route in sites.iter_mut().flat_map(|site| &mut site.routes) {
        if let Action::Forward(forward) = &mut route.action {
            let same = |name: &str| name.eq_ignore_ascii_case(&field.value);
            forward.set_fields.retain(|(name, _)| !same(name));
            forward.set_fields.push((field.value.as_str().into(), Template(vec![Part::ClientIdentity])));
            for mirror in &mut forward.mirrors {
                mirror.set_fields.retain(|(name, _)| !same(name));
                mirror.set_fields.push((field.value.as_str().into(), Template(vec![Part::ClientIdentity])));
            }
        }
    }
}

/// What the nodes of a pool, or those that check them, are shown and have to show.
pub(super) fn client(cx: &mut Cx<'_>, name: &Spanned<String>, protocols: &[&str]) -> Option<Arc<Client>> {
    let typed = find(cx, name)?;
    let settings = client_settings(cx, name, typed, protocols)?;
    if let Some((_, known)) = cx.tls.clients.iter().find(|(known, _)| *known == settings) {
        return known.clone();
    }
    let loaded = match Client::load(settings.clone()) {
        Ok((client, notes)) => {
            notes.iter().for_each(|note| note_of(cx, name.span, note));
            Some(Arc::new(client))
        }
        Err(faults) => {
            faults.iter().for_each(|fault| fault_of(cx, typed, name.span, fault));
            None
        }
    };
    cx.tls.clients.push((settings, loaded.clone()));
    loaded
}

fn load_server(cx: &mut Cx<'_>, settings: ServerSettings, span: Span) -> Option<Arc<Server>> {
    if let Some((_, known)) = cx.tls.servers.iter().find(|(known, _)| *known == settings) {
        return known.clone();
    }
    let name = settings.name.clone();
    let loaded = match Server::load(settings.clone()) {
        Ok((server, notes)) => {
            notes.iter().for_each(|note| note_of(cx, span, note));
            Some(Arc::new(server))
        }
        Err(faults) => {
            let config = cx.config;
            let typed = config.tls.iter().find(|(known, _)| *known.value == *name).map(|(_, typed)| typed);
            let typed = typed.cloned().unwrap_or_default();
            faults.iter().for_each(|fault| fault_of(cx, &typed, span, fault));
            None
        }
    };
    cx.tls.servers.push((settings, loaded.clone()));
    loaded
}

fn find<'c>(cx: &mut Cx<'c>, name: &Spanned<String>) -> Option<&'c Tls> {
    let tables = &cx.config.tls;
    if let Some(index) = tables.iter().position(|(known, _)| known.value == name.value) {
        cx.tls.used.push(index);
        return tables.get(index).map(|(_, typed)| typed);
    }
    let names: Vec<&str> = tables.iter().map(|(known, _)| known.value.as_str()).collect();
    let help = match did_you_mean(&name.value, names) {
        Some(guess) => format!("did you mean \"{guess}\"?"),
        None => format!("add [tls.{}], or leave the key out", name.value),
    };
    cx.fault(name.span, format!("there is no [tls.{}]", name.value)).help(help);
    cx.unsure = true;
    None
}

fn server_settings(cx: &mut Cx<'_>, name: &Spanned<String>, typed: &Tls, protocols: &[&str]) -> Option<ServerSettings> {
    for (key, span) in [
        ("ca", first(&typed.ca)),
        ("verify", typed.verify.as_ref().map(|it| it.span)),
        ("name", typed.name.as_ref().map(|it| it.span)),
        ("sni", typed.sni.map(|it| it.span)),
    ] {
        if let Some(span) = span {
            cx.fault(span, format!("`{key}` is for pools, and a listener uses this table"))
                .help("leave it out, or write a table of its own for the pool")
                .see(name.span, "the listener");
        }
    }
    let pairs = pairs(cx, typed);
    if pairs.is_empty() {
        cx.fault(name.span, format!("[tls.{}] has no certificate to show", name.value))
            .help("add `cert` and `key` to it");
        return None;
    }
    if let Some(identity) = typed.identity.as_ref().filter(|identity| !template::is_token(&identity.value)) {
        cx.fault(identity.span, format!("\"{}\" is no name of a field", identity.value))
            .help("write a name such as \"X-Client-Name\"");
    }
    let handshake = cx.positive(typed.handshake, "a time", "\"1s\"", defaults::HANDSHAKE);
    Some(ServerSettings {
        name: name.value.as_str().into(),
        pairs,
        clients: clients(cx, typed),
        versions: versions(cx, typed),
        protocols: protocols.iter().map(|protocol| (*protocol).into()).collect(),
        handshake,
    })
}

fn clients(cx: &mut Cx<'_>, typed: &Tls) -> Clients {
    if typed.client_ca.is_empty() {
        for (key, span) in [
            ("client", typed.client.as_ref().map(|it| it.span)),
            ("client_names", first(&typed.client_names)),
            ("identity", typed.identity.as_ref().map(|it| it.span)),
            ("crl", first(&typed.crl)),
        ] {
            if let Some(span) = span {
                cx.fault(span, format!("`{key}` does nothing, since clients show no certificate"))
                    .help("add `client_ca`, or leave it out");
            }
        }
        return Clients::Anonymous;
    }
    let names = typed.client_names.iter().map(|name| Pattern::new(&name.value)).collect();
    let trust = Trust { ca: paths(cx, &typed.client_ca), crl: paths(cx, &typed.crl), names };
    match typed.client.as_ref().map(|typed| (typed.value.as_str(), typed.span)) {
        None | Some(("required", _)) => Clients::Required(trust),
        Some(("optional", _)) => Clients::Optional(trust),
        Some((other, span)) => {
            cx.fault(span, format!("\"{other}\" is nothing that clients' certificates can be"))
                .help("write \"required\" or \"optional\"");
            Clients::Required(trust)
        }
    }
}

fn client_settings(cx: &mut Cx<'_>, name: &Spanned<String>, typed: &Tls, protocols: &[&str]) -> Option<ClientSettings> {
    for (key, span) in [
        ("client_ca", first(&typed.client_ca)),
        ("client", typed.client.as_ref().map(|it| it.span)),
        ("client_names", first(&typed.client_names)),
        ("identity", typed.identity.as_ref().map(|it| it.span)),
        ("handshake", typed.handshake.map(|it| it.span)),
    ] {
        if let Some(span) = span {
            cx.fault(span, format!("`{key}` is for listeners, and a pool uses this table"))
                .help("leave it out, or write a table of its own for the listener")
                .see(name.span, "the pool");
        }
    }
    let pairs = pairs(cx, typed);
    if pairs.len() > 1
        && let Some(second) = typed.cert.get(1)
    {
        cx.fault(second.span, "nodes are shown one certificate").help("leave the others out");
    }
    let host = typed.name.as_ref().and_then(|typed| match ServerName::try_from(typed.value.clone()) {
        Ok(host) => Some(host),
        Err(_) => {
            cx.fault(typed.span, format!("\"{}\" is no host name and no address", typed.value))
                .help("write the name that is in the nodes' certificates");
            None
        }
    });
    Some(ClientSettings {
        name: name.value.as_str().into(),
        verify: verify(cx, name, typed)?,
        pair: pairs.into_iter().next(),
        host,
        tells_name: or(typed.sni, true),
        versions: versions(cx, typed),
        protocols: protocols.iter().map(|protocol| (*protocol).into()).collect(),
    })
}

fn verify(cx: &mut Cx<'_>, name: &Spanned<String>, typed: &Tls) -> Option<Verify> {
    match typed.verify.as_ref().map(|typed| (typed.value.as_str(), typed.span)) {
        Some(("off", span)) => {
            cx.report
                .note(
                    span,
                    "nodes' certificates are NOT verified: whoever gets in between reads and changes all that is sent",
                )
                .help("name the nodes' authority as `ca` and leave `verify` out");
            if let Some(span) = first(&typed.ca).or_else(|| first(&typed.crl)) {
                cx.fault(span, "this is of no use with `verify = \"off\"`").help("leave one of the two out");
            }
            return Some(Verify::Off);
        }
        None | Some(("full", _)) => {}
        Some((other, span)) => {
            cx.fault(span, format!("\"{other}\" is no way to verify")).help("write \"full\" or \"off\"");
        }
    }
    if typed.ca.is_empty() {
        cx.fault(name.span, format!("[tls.{}] does not say whose certificates nodes must have", name.value))
            .help("add `ca` with the file of their authority");
        return None;
    }
    Some(Verify::Full(Trust { ca: paths(cx, &typed.ca), crl: paths(cx, &typed.crl), names: Vec::new() }))
}

fn versions(cx: &mut Cx<'_>, typed: &Tls) -> Versions {
    if typed.versions.is_empty() {
        return Versions::default();
    }
    let mut versions = Versions { v12: false, v13: false };
    for version in &typed.versions {
        match version.value.as_str() {
            "1.2" => versions.v12 = true,
            "1.3" => versions.v13 = true,
            other => {
                cx.fault(version.span, format!("\"{other}\" is no version of TLS that is spoken here"))
                    .help("write \"1.3\" or \"1.2\"; older ones are not safe");
            }
        }
    }
    versions
}

fn pairs(cx: &mut Cx<'_>, typed: &Tls) -> Vec<PairFiles> {
    if let (Some(extra), true) = (typed.key.get(typed.cert.len()), typed.key.len() > typed.cert.len()) {
        cx.fault(extra.span, "this key has no certificate")
            .help("`key` has as many files as `cert`, in the same order");
    }
    if let (Some(bare), false) = (typed.cert.get(typed.key.len()), typed.key.is_empty()) {
        cx.fault(bare.span, "this certificate has no key").help("`key` has as many files as `cert`, in the same order");
    }
    let certs = paths(cx, &typed.cert);
    let keys = if typed.key.is_empty() { certs.clone() } else { paths(cx, &typed.key) };
    certs.into_iter().zip(keys).map(|(cert, key)| PairFiles { cert, key }).collect()
}

fn paths(cx: &Cx<'_>, typed: &[Spanned<String>]) -> Vec<PathBuf> {
    typed.iter().map(|path| cx.folder.unwrap_or_else(|| Path::new("")).join(&path.value)).collect()
}

fn first(typed: &[Spanned<String>]) -> Option<Span> {
    typed.first().map(|typed| typed.span)
}

/// Reports a fault of a file where the file is named.
fn fault_of(cx: &mut Cx<'_>, typed: &Tls, span: Span, fault: &mainstay_tls::Fault) {
    let files = typed.cert.iter().chain(&typed.key).chain(&typed.client_ca).chain(&typed.ca).chain(&typed.crl);
    let named = |path: &&Spanned<String>| fault.path.ends_with(path.value.trim_start_matches("./"));
    let span = files.filter(|path| !path.value.is_empty()).find(named).map_or(span, |path| path.span);
    cx.fault(span, fault.to_string()).help(fault.help.clone());
}

fn note_of(cx: &mut Cx<'_>, span: Span, note: &mainstay_tls::Fault) {
    cx.report.note(span, note.to_string()).help(note.help.clone());
}
