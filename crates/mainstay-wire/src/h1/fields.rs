//! The field section of a head: where its lines are and what the ones with a meaning for framing say.

use super::connection::Options;
use super::fault::Fault;
use super::message::{MOST_FIELDS, Version};
use super::scan::{find_control, find_name_end, is_token, list, trim};
use super::target::is_host;

/// What a field means to an intermediary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: it goes on as it came.
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Te,
    Upgrade,
    Expect,
    /// `X-Forwarded-For`.
    ForwardedFor,
    /// `X-Forwarded-Proto`.
    ForwardedProto,
    /// `X-Forwarded-Host`.
    ForwardedHost,
    /// `Forwarded` and `X-Forwarded-Port`: told to the node only when everything the client says is.
    ForwardedOther,
    /// Always dropped: hop-by-hop by its name, or listed by `Connection`.
    Hop,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// The lines of a field section, and what they say about framing and connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields<'b> {
    /// Offsets of the lines, and after the last one that of the blank line.
    starts: [u16; MOST_FIELDS + 1],
    kinds: [Kind; MOST_FIELDS],
    count: usize,
    /// Lines of a kind other than [`Kind::Other`], to get at them without a walk over all lines.
    special: LineSet,
    side: Side,
    pub(crate) host: Option<&'b [u8]>,
    pub(crate) length: Option<u64>,
    /// Whether the `Content-Length` line is written as everybody writes it, without leading zeros.
    pub(crate) plain_length: bool,
    pub(crate) chunked: bool,
    pub(crate) expects_continue: bool,
    pub(crate) wants_trailers: bool,
    pub(crate) options: Options,
    upgrades: u8,
    upgrade: Option<&'b [u8]>,
}

impl<'b> Fields<'b> {
    /// Nothing read yet.
    pub(crate) fn new(side: Side) -> Self {
        Self {
            starts: [0; MOST_FIELDS + 1],
            kinds: [Kind::Other; MOST_FIELDS],
            count: 0,
            special: 0,
            side,
            host: None,
            length: None,
            plain_length: false,
            chunked: false,
            expects_continue: false,
            wants_trailers: false,
            options: Options::default(),
            upgrades: 0,
            upgrade: None,
        }
    }

    /// Reads field lines from `at` to the blank line, and gives the offset behind it; `None` when `head` ends before it.
    pub(crate) fn read(&mut self, head: &'b [u8], at: usize, most: usize) -> Result<Option<usize>, Fault> {
        let most = most.min(MOST_FIELDS);
        let mut at = at;
        loop {
            self.mark(at);
            let Some(&first) = head.get(at) else { return Ok(None) };
            match first {
                b'\r' => {
                    let Some(&second) = head.get(at + 1) else { return Ok(None) };
                    return if second == b'\n' { Ok(Some(at + 2)) } else { Err(Fault::BareCr) };
                }
                b'\n' => return Err(Fault::BareLf),
                b' ' | b'\t' => return Err(Fault::ObsFold),
                b':' => return Err(Fault::EmptyFieldName),
                _ => {}
            }
            if self.count >= most {
                return Err(Fault::TooManyFields);
            }
            let Some(line) = field_line(head, at)? else { return Ok(None) };
            let kind = kind_of(line.name);
            if kind != Kind::Other {
                self.set_kind(self.count, kind);
                self.note(kind, line.value)?;
            }
            self.count += 1;
            at = line.end;
        }
    }

    /// All lines, in order.
    pub(crate) fn lines<'a>(&'a self, head: &'b [u8]) -> impl Iterator<Item = Line<'b>> + 'a {
        self.lines_of(head, LineSet::MAX.unbounded_shr(LineSet::BITS - self.count as u32))
    }

    /// The lines of a kind other than [`Kind::Other`], in order.
    pub(crate) fn special_lines<'a>(&'a self, head: &'b [u8]) -> impl Iterator<Item = Line<'b>> + 'a {
        self.lines_of(head, self.special)
    }

    /// Offset of the blank line.
    pub(crate) fn end(&self) -> usize {
        self.starts.get(self.count).map_or(0, |&end| usize::from(end))
    }

    /// The protocols asked for or switched to, where `Connection` lists `upgrade` and they are one line without `h2c`.
    pub(crate) fn upgrade(&self) -> Option<&'b [u8]> {
        let value = self.upgrade.filter(|value| !value.is_empty())?;
        let usable = self.options.upgrade && self.upgrades == 1;
        (usable && !list(value).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c"))).then_some(value)
    }

    /// Judges what `Connection` lists: fields that end here, and fields that must not be taken off.
    pub(crate) fn apply_connection(&mut self, head: &'b [u8]) -> Result<(), Fault> {
        if !self.options.lists_fields {
            return Ok(());
        }
        let mut listed = 0;
        for connection in self.special_lines(head).filter(|line| line.kind == Kind::Connection) {
            for option in list(connection.value()) {
                listed |= self.listed_by(head, option)?;
            }
        }
        for index in (0..self.count).filter(|index| listed >> index & 1 == 1) {
            self.set_kind(index, Kind::Hop);
        }
        Ok(())
    }

    /// The lines that end here because `Connection` has this option.
    fn listed_by(&self, head: &'b [u8], option: &[u8]) -> Result<LineSet, Fault> {
        if option.eq_ignore_ascii_case(b"close") {
            return Ok(0);
        }
        match kind_of(option) {
            Kind::Host | Kind::ContentLength | Kind::TransferEncoding | Kind::Expect => match self.side {
                Side::Request => Err(Fault::ConnectionListsFraming),
                Side::Response => Ok(0),
            },
            Kind::Connection | Kind::Te | Kind::Upgrade => Ok(0),
            _ => {
                let named = self.lines(head).enumerate().filter(|(_, line)| line.is_named(option));
                Ok(named.fold(0, |set, (index, _)| set | 1 << index))
            }
        }
    }

    fn lines_of<'a>(&'a self, head: &'b [u8], mut set: LineSet) -> impl Iterator<Item = Line<'b>> + 'a {
        std::iter::from_fn(move || {
            let next = set.trailing_zeros();
            set &= set.wrapping_sub(1);
            self.line(head, next as usize)
        })
    }

    fn line(&self, head: &'b [u8], index: usize) -> Option<Line<'b>> {
        let start = usize::from(*self.starts.get(index)?);
        let end = usize::from(*self.starts.get(index + 1)?);
        Some(Line { start, end, kind: *self.kinds.get(index)?, bytes: head.get(start..end)? })
    }

    fn set_kind(&mut self, index: usize, kind: Kind) {
        if let Some(slot) = self.kinds.get_mut(index) {
            *slot = kind;
            self.special |= 1 << index;
        }
    }

    /// Notes that line `count`, or the blank line, starts here. Heads end below [`super::MOST_HEAD`], so offsets fit.
    fn mark(&mut self, at: usize) {
        if let (Some(start), Ok(at)) = (self.starts.get_mut(self.count), u16::try_from(at)) {
            *start = at;
        }
    }

    fn note(&mut self, kind: Kind, value: &'b [u8]) -> Result<(), Fault> {
        match (kind, self.side) {
            (Kind::Other, _) => {}
            (Kind::Host, Side::Request) => {
                if self.host.is_some() {
                    return Err(Fault::TwoHosts);
                }
                if !is_host(value) {
                    return Err(Fault::BadHost);
                }
                self.host = Some(value);
            }
            (Kind::ContentLength, _) => {
                if self.length.is_some() {
                    return Err(Fault::TwoContentLengths);
                }
                self.length = Some(content_length(value)?);
                self.plain_length = value.len() == 1 || !value.starts_with(b"0");
            }
            (Kind::TransferEncoding, _) => self.note_codings(value)?,
            (Kind::Connection, _) => self.options.note(value)?,
            (Kind::Te, Side::Request) => {
                self.wants_trailers |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            (Kind::Upgrade, _) => {
                self.upgrades = self.upgrades.saturating_add(1);
                self.upgrade = Some(value);
            }
            (Kind::Expect, Side::Request) => {
                if !list(value).all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue")) {
                    return Err(Fault::UnknownExpectation);
                }
                self.expects_continue = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn note_codings(&mut self, value: &[u8]) -> Result<(), Fault> {
        for coding in list(value) {
            let name = coding.split(|&byte| byte == b';').next().map(trim).unwrap_or_default();
            let is_chunked = name.eq_ignore_ascii_case(b"chunked");
            if !is_token(name) || (is_chunked && name.len() != coding.len()) {
                return Err(Fault::BadCoding);
            }
            match (self.chunked, is_chunked) {
                (false, true) => self.chunked = true,
                (false, false) => return Err(Fault::UnknownCoding),
                (true, true) => return Err(Fault::RepeatedCoding),
                (true, false) => return Err(Fault::CodingNotFinal),
            }
        }
        Ok(())
    }
}

/// One field line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'b> {
    /// Offset in the head.
    pub(crate) start: usize,
    /// Offset behind its line end.
    pub(crate) end: usize,
    pub(crate) kind: Kind,
    /// The line with its line end.
    pub(crate) bytes: &'b [u8],
}

impl<'b> Line<'b> {
    /// Whether its name is this, in any case.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.bytes.get(name.len()) == Some(&b':')
            && self.bytes.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    }

    /// Its value without white space around it.
    pub(crate) fn value(&self) -> &'b [u8] {
        self.split().1
    }

    fn split(&self) -> (&'b [u8], &'b [u8]) {
        split_line(self.bytes)
    }
}

/// Names and values of the fields of a head, in order, as they came; values without white space around them.
#[derive(Clone, Debug)]
pub struct FieldIter<'a, 'b> {
    head: &'b [u8],
    fields: &'a Fields<'b>,
    next: usize,
}

impl<'a, 'b> FieldIter<'a, 'b> {
    pub(crate) fn new(head: &'b [u8], fields: &'a Fields<'b>) -> Self {
        Self { head, fields, next: 0 }
    }

    /// The value of the first field of this name, in any case.
    pub(crate) fn first(head: &'b [u8], fields: &'a Fields<'b>, name: &[u8]) -> Option<&'b [u8]> {
        fields.lines(head).find(|line| line.is_named(name)).map(|line| line.value())
    }
}

impl<'b> Iterator for FieldIter<'_, 'b> {
    type Item = (&'b [u8], &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.fields.count {
            return None;
        }
        let start = usize::from(*self.fields.starts.get(self.next)?);
        let end = usize::from(*self.fields.starts.get(self.next + 1)?);
        self.next += 1;
        Some(split_line(self.head.get(start..end)?))
    }
}

/// Name and value of a line.
fn split_line(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let (name, rest) = line.split_at(colon);
    (name, trim(rest.get(1..).unwrap_or_default()))
}

/// How the version and `Connection` decide whether another message may follow (RFC 9112 9.3).
pub(crate) fn keeps_alive(version: Version, options: Options) -> bool {
    match version {
        _ if options.close => false,
        Version::Http10 => options.keep_alive,
        Version::Http11 => true,
    }
}

/// A field line that was read.
struct FieldLine<'b> {
    name: &'b [u8],
    value: &'b [u8],
    /// Offset behind its line end.
    end: usize,
}

/// Reads the line at `at`; `None` when `head` ends before the line does.
fn field_line(head: &[u8], at: usize) -> Result<Option<FieldLine<'_>>, Fault> {
    let end = find_name_end(head, at);
    let name = head.get(at..end.unwrap_or(head.len())).unwrap_or_default();
    if !name.is_empty() && !is_token(name) {
        return Err(Fault::BadFieldName);
    }
    let Some(colon) = end else { return Ok(None) };
    match head.get(colon) {
        Some(b':') => {}
        Some(b' ' | b'\t') => return Err(Fault::SpaceBeforeColon),
        Some(b'\r') => return Err(Fault::MissingColon),
        Some(b'\n') => return Err(Fault::BareLf),
        _ => return Err(Fault::BadFieldName),
    }
    let Some(stop) = find_control(head, colon + 1) else { return Ok(None) };
    let value = trim(head.get(colon + 1..stop).unwrap_or_default());
    match (head.get(stop), head.get(stop + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(FieldLine { name, value, end: stop + 2 })),
        (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(_)) => Err(Fault::BareCr),
        (Some(b'\n'), _) => Err(Fault::BareLf),
        _ => Err(Fault::ControlByte),
    }
}

pub(crate) fn kind_of(name: &[u8]) -> Kind {
    let Some(first) = name.first() else { return Kind::Other };
    let (known, kind): (&[u8], Kind) = match (name.len(), first.to_ascii_lowercase()) {
        (2, b't') => (b"te", Kind::Te),
        (4, b'h') => (b"host", Kind::Host),
        (6, b'e') => (b"expect", Kind::Expect),
        (7, b'u') => (b"upgrade", Kind::Upgrade),
        (9, b'f') => (b"forwarded", Kind::ForwardedOther),
        (10, b'c') => (b"connection", Kind::Connection),
        (10, b'k') => (b"keep-alive", Kind::Hop),
        (14, b'c') => (b"content-length", Kind::ContentLength),
        (15, b'x') => (b"x-forwarded-for", Kind::ForwardedFor),
        (16, b'p') => (b"proxy-connection", Kind::Hop),
        (16, b'x') if name.eq_ignore_ascii_case(b"x-forwarded-host") => return Kind::ForwardedHost,
        (16, b'x') => (b"x-forwarded-port", Kind::ForwardedOther),
        (17, b't') => (b"transfer-encoding", Kind::TransferEncoding),
        (17, b'x') => (b"x-forwarded-proto", Kind::ForwardedProto),
        (18, b'p') => (b"proxy-authenticate", Kind::Hop),
        (19, b'p') => (b"proxy-authorization", Kind::Hop),
        (25, b'p') => (b"proxy-authentication-info", Kind::Hop),
        _ => return Kind::Other,
    };
    if name.eq_ignore_ascii_case(known) { kind } else { Kind::Other }
}

/// At most 19 digits, and no more than a signed number holds: what a node may keep in one must mean the same there.
fn content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.contains(&b',') {
        return Err(Fault::TwoContentLengths);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::BadContentLength);
    }
    if value.len() > MOST_LENGTH_DIGITS {
        return Err(Fault::ContentLengthOverflow);
    }
    let length = value.iter().fold(0u64, |length, digit| length * 10 + u64::from(digit - b'0'));
    if length > i64::MAX as u64 { Err(Fault::ContentLengthOverflow) } else { Ok(length) }
}

/// A set of lines by their index.
type LineSet = u128;

/// Digits of the largest signed 64-bit number.
const MOST_LENGTH_DIGITS: usize = 19;
