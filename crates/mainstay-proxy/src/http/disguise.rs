//! Other ways to write a path, so that what is forbidden under one of them is forbidden under all.
//!
//! Routes are found by the bytes of the path as it came, and the bytes go on to the node: a payload hash with `%2F` in
//! it is one segment to some nodes and two to others, and only the node knows. A route that denies is different. Where
//! `/admin` is forbidden, a node may take `/x/../admin`, `//admin` or `/%61dmin` for the same thing, so that whoever
//! writes it so would get in. Hence a path that may be written otherwise is also looked up as nginx reads it, and as
//! a node reads it that leaves `%2F` alone, and is denied when one of these is.

/// Whether a path may be read in another way than byte for byte.
pub(super) fn may_be_disguised(path: &[u8]) -> bool {
    memchr::memchr(b'%', path).is_some() || path.windows(2).any(|two| two == b"//" || two == b"/.")
}

/// What a path may be read as: with its escapes taken for what they stand for, slashes in a row for one, and `.` and `..`
/// for what they mean; and the same with `%2F` left as it is.
pub(super) fn readings(path: &[u8]) -> [Vec<u8>; 2] {
    [Slash::Decoded, Slash::Kept].map(|slash| resolve(&decode(path, slash)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Decoded,
    Kept,
}

fn decode(path: &[u8], slash: Slash) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, behind @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match escaped.filter(|byte| *byte != b'/' || slash == Slash::Decoded) {
            Some(byte) => {
                out.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Takes out empty segments and `.`, and with `..` the segment before it. There is nothing above the root.
fn resolve(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_open = true;
    for segment in path.split(|byte| *byte == b'/') {
        ends_open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if ends_open {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, decoded: &str, kept: &str) {
        let [one, other] = readings(path.as_bytes());
        assert_eq!((&*String::from_utf8_lossy(&one), &*String::from_utf8_lossy(&other)), (decoded, kept), "{path}");
        if (decoded, kept) != (path, path) {
            assert!(may_be_disguised(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn paths_are_read_as_nginx_and_nodes_read_them() {
        check("/admin", "/admin", "/admin");
        check("/admin/", "/admin/", "/admin/");
        check("/", "/", "/");
        check("//admin", "/admin", "/admin");
        check("/x/../admin", "/admin", "/admin");
        check("/x/..", "/", "/");
        check("/x/.", "/x/", "/x/");
        check("/./admin", "/admin", "/admin");
        check("/../../admin", "/admin", "/admin");
        check("/x//../admin", "/admin", "/admin");
        check("/%61dmin", "/admin", "/admin");
        check("/x/%2e%2E/admin", "/admin", "/admin");
        check("/%2fadmin", "/admin", "/%2fadmin");
        check("/x%2F..%2Fadmin", "/admin", "/x%2F..%2Fadmin");
        check("//admin/x%2F..%2F..%2Fpublic", "/public", "/admin/x%2F..%2F..%2Fpublic");
        check("/%", "/%", "/%");
        check("/%zz%4", "/%zz%4", "/%zz%4");
        check("/%25%32%65", "/%2e", "/%2e");
        check("/...", "/...", "/...");
    }
}
