//! The static table of RFC 7541, appendix A.

/// Entry `index`, counted from 1.
pub(super) fn get(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    TABLE.get(index.checked_sub(1)?).map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

/// The first entry with this name; 0: there is none.
pub(super) fn find_name(name: &[u8]) -> u8 {
    let place = TABLE.iter().position(|(known, _)| known.as_bytes() == name);
    place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0)
}

/// The entry with this value among those of the name whose first entry is `first`.
pub(super) fn find_value(first: u8, value: &[u8]) -> Option<usize> {
    let start = usize::from(first).checked_sub(1)?;
    let name = TABLE.get(start)?.0;
    let same_name = TABLE.iter().enumerate().skip(start).take_while(|(_, (other, _))| *other == name);
    // An empty value in the table stands for none.
    let mut with_value = same_name.filter(|(_, (_, known))| !known.is_empty());
    with_value.find(|(_, (_, known))| known.as_bytes() == value).map(|(place, _)| place + 1)
}

/// Number of entries.
pub(super) const LENGTH: usize = TABLE.len();

const TABLE: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
