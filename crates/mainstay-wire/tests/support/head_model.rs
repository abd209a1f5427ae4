//! The plain model of reading heads: slow, all at once, one rule after the other.

use std::sync::LazyLock;

use mainstay_wire::h1::{BodyLength, HeadLimits, Method, ResponseBody};
use regex::bytes::Regex;

/// What the model says of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading<T> {
    /// No blank line yet.
    More,
    Refused,
    Done(T),
}

/// Names and values.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestModel {
    pub(crate) len: usize,
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) is_11: bool,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) body: BodyLength,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: Option<Vec<u8>>,
    pub(crate) fields: Fields,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResponseModel {
    pub(crate) len: usize,
    pub(crate) is_11: bool,
    pub(crate) status: u16,
    pub(crate) reason: Vec<u8>,
    pub(crate) body: ResponseBody,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: Option<Vec<u8>>,
    pub(crate) fields: Fields,
}

pub(crate) fn request(bytes: &[u8], limits: &HeadLimits) -> Reading<RequestModel> {
    let mut skipped = 0;
    while bytes[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    let Some(end) = head_end(&bytes[skipped..]) else { return Reading::More };
    if skipped > 8 {
        return Reading::Refused;
    }
    let head = &bytes[skipped..skipped + end];
    match read_request(head, limits) {
        Some(model) => Reading::Done(RequestModel { len: skipped + end, ..model }),
        None => Reading::Refused,
    }
}

pub(crate) fn response(bytes: &[u8], limits: &HeadLimits, asked: Method) -> Reading<ResponseModel> {
    let Some(end) = head_end(bytes) else { return Reading::More };
    match read_response(&bytes[..end], limits, asked) {
        Some(model) => Reading::Done(model),
        None => Reading::Refused,
    }
}

/// The values of all fields of this name.
pub(crate) fn all<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value.as_slice()).collect()
}

/// The members of all lists of this name, in lower case.
pub(crate) fn members(fields: &Fields, name: &str) -> Vec<String> {
    let values = all(fields, name);
    let split = values.iter().flat_map(|value| value.split(|&byte| byte == b','));
    split.map(|member| String::from_utf8_lossy(member).trim_matches([' ', '\t']).to_ascii_lowercase()).collect()
}

fn read_request(head: &[u8], limits: &HeadLimits) -> Option<RequestModel> {
    let (line, fields) = lines(head, limits)?;
    if line.len() > limits.request_line {
        return None;
    }
    let line = REQUEST_LINE.captures(line)?;
    let (method, target, minor) = (line[1].to_vec(), &line[2], &line[3]);
    if method == b"CONNECT" || method == b"TRACE" {
        return None;
    }
    let is_11 = minor != b"0";
    let (authority, path, query) = read_target(&method, target)?;
    let hosts = all(&fields, "host");
    if hosts.len() > 1 || (is_11 && hosts.is_empty()) || hosts.iter().any(|host| !is_host(host)) {
        return None;
    }
    let body = match framing(&fields, is_11)? {
        (true, _) => BodyLength::Chunked,
        (false, Some(length)) => BodyLength::Length(length),
        (false, None) => BodyLength::None,
    };
    let options = options(&fields)?;
    if ["host", "content-length", "transfer-encoding", "expect"].iter().any(|name| options.iter().any(|o| o == name)) {
        return None;
    }
    if members(&fields, "expect").iter().any(|expectation| expectation != "100-continue") {
        return None;
    }
    let has_body = !matches!(body, BodyLength::None | BodyLength::Length(0));
    Some(RequestModel {
        len: 0,
        host: authority.clone().or(hosts.first().map(|host| host.to_vec())),
        authority,
        method,
        path,
        query,
        is_11,
        body,
        keep_alive: keeps_alive(is_11, &options),
        expect_continue: is_11 && has_body && !all(&fields, "expect").is_empty(),
        upgrade: upgrade(&fields, &options).filter(|_| is_11 && !has_body),
        fields,
    })
}

fn read_response(head: &[u8], limits: &HeadLimits, asked: Method) -> Option<ResponseModel> {
    let (line, fields) = lines(head, limits)?;
    let line = STATUS_LINE.captures(line)?;
    let is_11 = &line[1] != b"0";
    let status: u16 = std::str::from_utf8(&line[2]).ok()?.parse().ok()?;
    let reason = line.get(3).map_or(Vec::new(), |reason| reason.as_bytes().to_vec());
    let (chunked, length) = framing(&fields, is_11)?;
    let announces = chunked || length.is_some_and(|length| length > 0);
    if status < 200 && announces {
        return None;
    }
    let body = match (chunked, length) {
        _ if status < 200 || status == 204 || status == 304 || asked == Method::Head => ResponseBody::None,
        (true, _) => ResponseBody::Chunked,
        (false, Some(length)) => ResponseBody::Length(length),
        (false, None) => ResponseBody::UntilClose,
    };
    let options = options(&fields)?;
    let unsure = body == ResponseBody::UntilClose || status == 101 || (status == 204 && announces);
    Some(ResponseModel {
        len: head.len(),
        is_11,
        status,
        reason,
        body,
        keep_alive: keeps_alive(is_11, &options) && !unsure,
        upgrade: upgrade(&fields, &options),
        fields,
    })
}

/// Offset behind the first blank line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Start line and fields, each in one piece and without CR and LF.
fn lines<'a>(head: &'a [u8], limits: &HeadLimits) -> Option<(&'a [u8], Fields)> {
    if head.len() > limits.head {
        return None;
    }
    let mut rest = &head[..head.len() - 2];
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    if lines.len() - 1 > limits.fields {
        return None;
    }
    let mut fields = Vec::new();
    for line in &lines[1..] {
        let field = FIELD.captures(line)?;
        fields.push((field[1].to_vec(), field[2].to_vec()));
    }
    Some((lines[0], fields))
}

/// Authority, path and query.
#[expect(clippy::type_complexity, reason = "three parts that go together once")]
fn read_target(method: &[u8], target: &[u8]) -> Option<(Option<Vec<u8>>, Vec<u8>, Option<Vec<u8>>)> {
    if target == b"*" {
        return (method == b"OPTIONS").then(|| (None, b"*".to_vec(), None));
    }
    let target = TARGET.captures(target)?;
    let authority = target.get(1).map(|authority| authority.as_bytes().to_vec());
    if authority.as_ref().is_some_and(|authority| !is_host(authority)) {
        return None;
    }
    let query = target.get(3).map(|query| query.as_bytes().to_vec());
    let path = match (&target[2], &query) {
        (b"", None) if authority.is_none() => return None,
        (b"", Some(_)) if authority.is_none() => return None,
        (b"", None) if method == b"OPTIONS" => b"*".to_vec(),
        (b"", _) => b"/".to_vec(),
        (path, _) => path.to_vec(),
    };
    Some((authority, path, query))
}

fn is_host(host: &[u8]) -> bool {
    let Some(host) = HOST.captures(host) else { return false };
    host.get(1).is_none_or(|port| {
        let port = String::from_utf8_lossy(port.as_bytes());
        port.is_empty() || port.parse::<u16>().is_ok()
    })
}

/// Whether the body is chunked, and its `Content-Length`.
fn framing(fields: &Fields, is_11: bool) -> Option<(bool, Option<u64>)> {
    let lengths = all(fields, "content-length");
    let codings = members(fields, "transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some((false, None)),
        ([], [chunked]) if chunked == "chunked" && is_11 => Some((true, None)),
        ([length], []) if LENGTH.is_match(length) => {
            let length: i64 = std::str::from_utf8(length).ok()?.parse().ok()?;
            Some((false, Some(length.unsigned_abs())))
        }
        _ => None,
    }
}

/// The options of `Connection`.
pub(crate) fn options(fields: &Fields) -> Option<Vec<String>> {
    let mut options = members(fields, "connection");
    options.retain(|option| !option.is_empty());
    (options.len() <= 16 && options.iter().all(|option| TOKEN.is_match(option.as_bytes()))).then_some(options)
}

fn keeps_alive(is_11: bool, options: &[String]) -> bool {
    let has = |name| options.iter().any(|option| option == name);
    !has("close") && (is_11 || has("keep-alive"))
}

fn upgrade(fields: &Fields, options: &[String]) -> Option<Vec<u8>> {
    let is_listed = options.iter().any(|option| option == "upgrade");
    let has_h2c = members(fields, "upgrade").iter().any(|protocol| protocol == "h2c");
    match all(fields, "upgrade").as_slice() {
        [value] if is_listed && !has_h2c && !value.is_empty() => Some(value.to_vec()),
        _ => None,
    }
}

static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex(r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"));
static REQUEST_LINE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21\x22\x24-\x7e]+) HTTP/1\.([0-9])$"));
static STATUS_LINE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?$"));
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*$")
});
static TARGET: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:(?i:https?)://([^/?]*))?((?:/[^?]*)?)(?:\?(.*))?$"));
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    let name = r"(?:[0-9A-Za-z\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+";
    let address = r"\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]";
    regex(&format!("^(?:{name}|{address})(?::([0-9]{{0,5}}))?$"))
});
static LENGTH: LazyLock<Regex> = LazyLock::new(|| regex("^[0-9]{1,19}$"));

/// On bytes, where `$` means the very end.
pub(crate) fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("(?s-u){pattern}")).unwrap()
}
