//! The static table of RFC 7541, appendix A.

/// Entry `index`, counted from 1.
pub(super) fn get(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    TABLE.get(index.checked_sub(1)?).map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

/// The first entry with this name; 0: there is none.
pub(super) fn find_name(name: &[u8]) -> u8 {
    let of_its_length = BY_LENGTH.get(name.len()).copied().unwrap_or_default();
    let is_its = |index: &&u8| get(usize::from(**index)).is_some_and(|(known, _)| known == name);
    of_its_length.iter().find(is_its).copied().unwrap_or(0)
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

/// The first entries of the names of each length.
const BY_LENGTH: [&[u8]; 28] = [
    &[],
    &[],
    &[],
    &[21, 60],
    &[33, 34, 37, 38, 45, 59],
    &[4, 22, 50],
    &[19, 32, 35, 54],
    &[2, 6, 8, 36, 51, 52],
    &[39, 42, 46],
    &[],
    &[1, 55, 58],
    &[53],
    &[31, 47],
    &[18, 23, 24, 30, 41, 44],
    &[15, 28],
    &[16, 17],
    &[26, 27, 29, 61],
    &[40, 57],
    &[48],
    &[25, 43, 49],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[56],
    &[],
    &[20],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_where_it_comes_first() {
        for (name, _) in TABLE {
            let first = TABLE.iter().position(|(known, _)| *known == name).unwrap() + 1;
            assert_eq!(usize::from(find_name(name.as_bytes())), first, "{name}");
        }
        for name in ["", "x", ":authoritY", "grpc-status", "a-name-longer-than-all-of-them-together"] {
            assert_eq!(find_name(name.as_bytes()), 0, "{name}");
        }
    }
}
