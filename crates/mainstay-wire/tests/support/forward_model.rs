//! The plain model of what goes on: the fields of a head that is written, in any order.

use mainstay_wire::h1::{
    BodyLength, Connection, ForwardedEdit, HostEdit, RequestEdit, ResponseBody, ResponseEdit, Version,
};

use super::head_model::{Fields, RequestModel, ResponseModel, all, members, options};

/// The target a node gets.
pub(crate) fn target(model: &RequestModel, edit: &RequestEdit<'_>) -> Vec<u8> {
    let path = match edit.prefix {
        Some((length, new)) if model.path != b"*" => [new, &model.path[length.min(model.path.len())..]].concat(),
        _ => model.path.clone(),
    };
    match &model.query {
        Some(query) => [&path, &b"?"[..], query].concat(),
        None => path,
    }
}

/// The fields a node gets, names in lower case, sorted.
pub(crate) fn request_fields(model: &RequestModel, edit: &RequestEdit<'_>) -> Fields {
    let came = end_to_end(&model.fields);
    let is_set = |name: &str| edit.set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name.as_bytes()));
    let replaces = matches!(edit.forwarded, ForwardedEdit::Replace { .. });
    let mut out: Fields = Vec::new();
    for (name, value) in &came {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let is_dropped = match name.as_str() {
            "host" | "content-length" => true,
            "expect" => !model.expect_continue,
            "x-forwarded-for" => edit.forwarded != ForwardedEdit::Pass,
            "x-forwarded-proto" | "x-forwarded-host" | "x-forwarded-port" | "forwarded" => replaces,
            _ => false,
        };
        if !is_dropped && !is_set(&name) {
            out.push((name.into_bytes(), value.clone()));
        }
    }
    let mut push = |name: &str, value: &[u8]| out.push((name.as_bytes().to_vec(), value.to_vec()));
    push(
        "host",
        match edit.host {
            HostEdit::Set(host) => host,
            HostEdit::Keep => model.host.as_deref().unwrap_or_default(),
        },
    );
    match model.body {
        BodyLength::None => {}
        BodyLength::Length(length) => push("content-length", length.to_string().as_bytes()),
        BodyLength::Chunked => push("transfer-encoding", b"chunked"),
    }
    let trailers = members(&model.fields, "te").iter().any(|coding| coding == "trailers");
    let upgrade = model.upgrade.as_ref().filter(|_| edit.upgrade);
    if trailers {
        push("te", b"trailers");
    }
    if let Some(upgrade) = upgrade {
        push("upgrade", upgrade);
    }
    push_list(&mut out, &[(!edit.keep_alive, "close"), (upgrade.is_some(), "upgrade"), (trailers, "TE")]);
    push_forwarded(&mut out, model, &came, edit);
    for (name, value) in edit.set.iter().filter(|(_, value)| !value.is_empty()) {
        out.push((name.to_ascii_lowercase(), value.to_vec()));
    }
    out.sort();
    out
}

/// The fields a client gets, names in lower case, sorted.
pub(crate) fn response_fields(model: &ResponseModel, edit: &ResponseEdit<'_>) -> Fields {
    let dechunks = model.body == ResponseBody::Chunked && (edit.dechunk || edit.client == Version::Http10);
    let mut out: Fields = Vec::new();
    for (name, value) in end_to_end(&model.fields) {
        let name = name.to_ascii_lowercase();
        let is_dropped = match name.as_slice() {
            b"trailer" => dechunks,
            b"content-length" => model.status < 200 || model.status == 204 || (value.len() > 1 && value[0] == b'0'),
            _ => false,
        };
        if !is_dropped {
            out.push((name, value));
        }
    }
    let value = all(&model.fields, "content-length").first().map(|value| value.to_vec()).unwrap_or_default();
    match model.body {
        ResponseBody::Chunked if !dechunks => out.push((b"transfer-encoding".to_vec(), b"chunked".to_vec())),
        ResponseBody::Length(length) if value.len() > 1 && value[0] == b'0' => {
            out.push((b"content-length".to_vec(), length.to_string().into_bytes()));
        }
        _ => {}
    }
    let shows = edit.connection == Connection::Upgrade || model.status == 426;
    let upgrade = model.upgrade.as_ref().filter(|_| shows);
    if let Some(upgrade) = upgrade {
        out.push((b"upgrade".to_vec(), upgrade.clone()));
    }
    if model.status >= 200 || model.status == 101 {
        let close = edit.connection == Connection::Close;
        let keep = edit.connection == Connection::Keep && edit.client == Version::Http10;
        push_list(&mut out, &[(close, "close"), (keep, "keep-alive"), (upgrade.is_some(), "upgrade")]);
    }
    out.extend(edit.add.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())));
    out.sort();
    out
}

/// What is left when everything that is for one hop only is gone, framing and Host excepted.
fn end_to_end(fields: &Fields) -> Fields {
    let listed = options(fields).unwrap_or_default();
    let is_kept = |name: &String| match name.as_str() {
        "connection" | "keep-alive" | "proxy-connection" | "te" | "upgrade" | "transfer-encoding" => false,
        "proxy-authorization" | "proxy-authenticate" | "proxy-authentication-info" => false,
        "content-length" | "host" | "expect" | "close" => true,
        _ => !listed.contains(name),
    };
    let named = fields.iter().filter(|(name, _)| is_kept(&String::from_utf8_lossy(name).to_ascii_lowercase()));
    named.cloned().collect()
}

fn push_forwarded(out: &mut Fields, model: &RequestModel, came: &Fields, edit: &RequestEdit<'_>) {
    let (client, proto, appends) = match edit.forwarded {
        ForwardedEdit::Pass => return,
        ForwardedEdit::Append { client, proto } => (client, proto, true),
        ForwardedEdit::Replace { client, proto } => (client, proto, false),
    };
    let mut chain: Vec<&[u8]> = if appends { all(came, "x-forwarded-for") } else { Vec::new() };
    chain.retain(|value| !value.is_empty());
    chain.push(client);
    let mut lines = vec![("x-forwarded-for", chain.join(&b", "[..]))];
    if !appends || all(came, "x-forwarded-proto").is_empty() {
        lines.push(("x-forwarded-proto", proto.to_vec()));
    }
    if !appends || all(came, "x-forwarded-host").is_empty() {
        lines.extend(model.host.clone().map(|host| ("x-forwarded-host", host)));
    }
    lines.retain(|(name, _)| !edit.set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name.as_bytes())));
    out.extend(lines.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)));
}

fn push_list(out: &mut Fields, members: &[(bool, &str)]) {
    let members: Vec<&str> = members.iter().filter(|(is_member, _)| *is_member).map(|(_, name)| *name).collect();
    if !members.is_empty() {
        out.push((b"connection".to_vec(), members.join(", ").into_bytes()));
    }
}
