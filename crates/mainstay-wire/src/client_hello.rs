//! The first message of TLS, as far as it says whom the client wants to reach (RFC 8446 4.1.2, RFC 6066 3). Nothing of
//! it is judged beyond that: whoever the bytes go to does so.

use std::borrow::Cow;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// Too few to tell.
    More,
    /// No TLS.
    NotTls,
    /// TLS, but no message that could be understood; or one longer than [`MOST`].
    Bad,
    /// A whole message, with the host name that the client asks for, in lower case and without a dot at its end.
    Whole(Option<String>),
}

/// Looks at the bytes that came first. Looks from the start each time, so ask again only when more have come.
#[must_use]
pub fn client_hello(bytes: &[u8]) -> Hello {
    match handshake(bytes) {
        Err(early) => early,
        Ok(message) => match name(&message) {
            Some(name) => Hello::Whole(name),
            None => Hello::Bad,
        },
    }
}

/// The body of the message, joined where it comes in several records.
fn handshake(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Hello> {
    let mut rest = bytes;
    let mut joined: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    loop {
        match rest {
            [] => return Err(Hello::More),
            [HANDSHAKE] => return Err(Hello::More),
            [HANDSHAKE, 3, ..] => {}
            _ if joined.is_empty() => return Err(Hello::NotTls),
            _ => return Err(Hello::Bad),
        }
        let Some((head, behind)) = rest.split_at_checked(RECORD_HEAD) else { return Err(Hello::More) };
        let length = match head {
            [_, _, _, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return Err(Hello::Bad),
        };
        if length == 0 || length > MOST_RECORD {
            return Err(Hello::Bad);
        }
        let (piece, whole) = match behind.get(..length) {
            Some(piece) => (piece, true),
            None => (behind, false),
        };
        if joined.is_empty() {
            joined = Cow::Borrowed(piece);
        } else {
            joined.to_mut().extend_from_slice(piece);
        }
        if let Some(wanted) = wanted(&joined)?
            && joined.len() >= wanted
        {
            return Ok(match joined {
                Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(MESSAGE_HEAD..wanted).unwrap_or_default()),
                Cow::Owned(bytes) => Cow::Owned(bytes.get(MESSAGE_HEAD..wanted).unwrap_or_default().to_vec()),
            });
        }
        if !whole {
            return Err(Hello::More);
        }
        rest = behind.get(length..).unwrap_or_default();
    }
}

/// How long the message is, its head included; `None` while that is not known.
fn wanted(message: &[u8]) -> Result<Option<usize>, Hello> {
    match message {
        [CLIENT_HELLO, a, b, c, ..] => {
            let length = MESSAGE_HEAD + usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
            if length > MOST { Err(Hello::Bad) } else { Ok(Some(length)) }
        }
        [] | [CLIENT_HELLO, ..] => Ok(None),
        _ => Err(Hello::Bad),
    }
}

/// The name in the body of a message; `None` when the body is none.
#[expect(clippy::option_option, reason = "no name and no message are different answers")]
fn name(body: &[u8]) -> Option<Option<String>> {
    let mut body = Bytes(body);
    body.take(2 + 32)?;
    body.part8()?;
    body.part16()?;
    body.part8()?;
    if body.0.is_empty() {
        return Some(None);
    }
    let mut extensions = body.part16()?;
    if !body.0.is_empty() {
        return None;
    }
    while !extensions.0.is_empty() {
        let kind = extensions.take(2)?;
        let value = extensions.part16()?;
        if kind == SERVER_NAME {
            return server_name(value).map(Some);
        }
    }
    Some(None)
}

/// The one host name of the extension. There may be no other of its kind.
fn server_name(mut value: Bytes<'_>) -> Option<String> {
    let mut list = value.part16()?;
    if !value.0.is_empty() || list.take(1)? != [0] {
        return None;
    }
    let name = list.part16()?.0;
    if !list.0.is_empty() {
        return None;
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    if name.is_empty() || name.len() > MOST_NAME || !name.iter().all(good) {
        return None;
    }
    std::str::from_utf8(name).ok().map(str::to_ascii_lowercase)
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(count)?;
        self.0 = later;
        Some(now)
    }

    /// What comes behind its length in one byte.
    fn part8(&mut self) -> Option<Self> {
        let length = *self.take(1)?.first()?;
        self.take(usize::from(length)).map(Self)
    }

    /// What comes behind its length in two bytes.
    fn part16(&mut self) -> Option<Self> {
        let length = self.take(2)?.try_into().ok()?;
        self.take(usize::from(u16::from_be_bytes(length))).map(Self)
    }
}

/// Longest message that is looked at.
pub const MOST: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: &[u8] = &[0, 0];
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;
/// RFC 8446 5.1.
const MOST_RECORD: usize = 16 * 1024;
/// RFC 1035 2.3.4.
const MOST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn part16(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// A message with these extensions.
    fn message(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body = [&[3, 3][..], &[7; 32], &[0], &part16(&[0x13, 1]), &[1, 0]].concat();
        let list: Vec<u8> =
            extensions.iter().flat_map(|(kind, value)| [&kind.to_be_bytes()[..], &part16(value)].concat()).collect();
        body.extend(part16(&list));
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[CLIENT_HELLO], &length[1..], &body].concat()
    }

    /// The message in records of so many bytes.
    fn records(message: &[u8], each: usize) -> Vec<u8> {
        message.chunks(each).flat_map(|piece| [&[HANDSHAKE, 3, 1][..], &part16(piece)].concat()).collect()
    }

    fn named(name: &str) -> Vec<u8> {
        message(&[(10, vec![0, 2, 0, 29]), (0, part16(&[&[0][..], &part16(name.as_bytes())].concat()))])
    }

    #[track_caller]
    fn check(bytes: &[u8], expect: &Hello) {
        assert_eq!(client_hello(bytes), *expect);
        // Cut anywhere, it is too little to tell, or already told to be no such thing.
        for cut in 0..bytes.len() {
            let early = client_hello(&bytes[..cut]);
            let fits = early == Hello::More || (early == *expect && !matches!(expect, Hello::Whole(_)));
            assert!(fits, "cut at {cut}: {early:?}");
        }
    }

    #[test]
    fn a_name_is_found_wherever_the_bytes_are_cut() {
        let whole = |name: &str| Hello::Whole(Some(name.to_owned()));
        for each in [1, 2, 3, 7, 50, 1000] {
            check(&records(&named("node-1.Bank.example"), each), &whole("node-1.bank.example"));
        }
        check(&records(&named("localhost."), 1000), &whole("localhost"));
        check(&records(&message(&[(43, vec![2, 3, 4])]), 1000), &Hello::Whole(None));
        check(&records(&message(&[]), 1000), &Hello::Whole(None));
        let behind = [records(&named("a"), 1000), b"more".to_vec()].concat();
        assert_eq!(client_hello(&behind), whole("a"));
    }

    #[test]
    fn what_is_none_is_told_early() {
        check(b"GET / HTTP/1.1\r\n", &Hello::NotTls);
        assert_eq!(client_hello(b"GET / HTTP/1.1\r\n"), Hello::NotTls);
        assert_eq!(client_hello(&[HANDSHAKE, 2]), Hello::NotTls);
        assert_eq!(client_hello(&[21, 3, 1, 0, 2, 1, 0]), Hello::NotTls);
        // No ClientHello, an empty record, a record too long, a message too long.
        for bad in [
            &[HANDSHAKE, 3, 1, 0, 1, 2][..],
            &[HANDSHAKE, 3, 1, 0, 0],
            &[HANDSHAKE, 3, 1, 0x40, 1],
            &[HANDSHAKE, 3, 1, 0, 4, CLIENT_HELLO, 0, 0x40, 0],
        ] {
            assert_eq!(client_hello(bad), Hello::Bad, "{bad:?}");
        }
    }

    #[test]
    fn a_message_that_does_not_add_up_is_bad() {
        let two = [part16(b"a"), vec![0], part16(b"b")].concat();
        for value in [vec![], part16(&[]), part16(&[1, 0, 1, b'a']), part16(&[&[0][..], &two].concat())] {
            assert_eq!(client_hello(&records(&message(&[(0, value)]), 1000)), Hello::Bad);
        }
        for name in ["", "a b", "a/b", "\u{e4}", &"a".repeat(254)] {
            assert_eq!(client_hello(&records(&named(name), 1000)), Hello::Bad, "{name}");
        }
        let mut longer = named("a");
        longer[3] += 1;
        longer.push(0);
        assert_eq!(client_hello(&records(&longer, 1000)), Hello::Bad);
    }
}
