//! Classes of bytes, and fast ways to find the first byte that is not of a class.

/// Whether the byte may stand in a token (RFC 9110 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Whether these bytes are a token, which is never empty.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().fold(true, |all, &byte| all & is_token_byte(byte))
}

/// Offset of the first control byte other than HTAB at or after `from`.
pub(crate) fn find_control(bytes: &[u8], from: usize) -> Option<usize> {
    find(bytes, from, |word| below(word, 0x20) | equal(word, 0x7f), is_control)
}

/// Offset of the first byte at or after `from` that ends a field name for sure: a colon, a space, a control byte or one
/// that is not ASCII.
pub(crate) fn find_name_end(bytes: &[u8], from: usize) -> Option<usize> {
    let words = |word| below(word, 0x21) | equal(word, b':') | equal(word, 0x7f) | (word & HIGH);
    find(bytes, from, words, |byte| !matches!(byte, 0x21..=0x7e) || byte == b':')
}

/// Offset of the first byte at or after `from` that may not stand in a request target: anything but visible ASCII, and
/// the number sign, with which a fragment starts.
pub(crate) fn find_target_end(bytes: &[u8], from: usize) -> Option<usize> {
    let words = |word| below(word, 0x21) | equal(word, 0x7f) | equal(word, b'#') | (word & HIGH);
    find(bytes, from, words, |byte| !matches!(byte, 0x21..=0x7e) || byte == b'#')
}

/// The bytes without spaces and tabs at both ends (OWS, RFC 9110 5.6.3).
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list, trimmed, empty ones included.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// Whether the byte is a control byte other than HTAB.
pub(crate) fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Eight bytes at a time: `hits` marks the high bit of suspicious bytes of a word, of which the lowest is always a true
/// one; `is_hit` has the last word on that byte.
fn find(bytes: &[u8], from: usize, hits: impl Fn(u64) -> u64, is_hit: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let marked = hits(u64::from_le_bytes(*word));
        if marked == 0 {
            at += 8;
            continue;
        }
        at += (marked.trailing_zeros() / 8) as usize;
        if bytes.get(at).is_some_and(|&byte| is_hit(byte)) {
            return Some(at);
        }
        at += 1;
    }
    let tail = bytes.get(at..)?;
    tail.iter().position(|&byte| is_hit(byte)).map(|offset| at + offset)
}

/// High bits of the bytes below `limit` (at most 0x80). Borrows can mark bytes above the lowest marked one wrongly.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH
}

/// High bits of the bytes equal to `byte`. Borrows can mark bytes above the lowest marked one wrongly.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut next = 0;
    while next < others.len() {
        table[others[next] as usize] = true;
        next += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every offset of a long enough run is found exactly where it is, or not at all.
    fn check(find: fn(&[u8], usize) -> Option<usize>, is_hit: fn(u8) -> bool) {
        for byte in 0..=255u8 {
            for at in 0..40 {
                let mut bytes = [b'a'; 40];
                bytes[at] = byte;
                for from in 0..=at {
                    assert_eq!(find(&bytes, from), is_hit(byte).then_some(at), "byte {byte} at {at} from {from}");
                }
                assert_eq!(find(&bytes, at + 1), None, "byte {byte} before the start");
            }
        }
    }

    #[test]
    fn control_bytes_are_found() {
        check(find_control, |byte| byte != b'\t' && byte.is_ascii_control());
    }

    #[test]
    fn ends_of_targets_are_found() {
        check(find_target_end, |byte| !byte.is_ascii_graphic() || byte == b'#');
    }

    #[test]
    fn ends_of_names_are_found() {
        check(find_name_end, |byte| !byte.is_ascii_graphic() || byte == b':');
    }

    #[test]
    fn a_tab_hides_no_byte_behind_it() {
        assert_eq!(find_control(b"\t\t\t\x00aaaaaaaa", 0), Some(3));
        assert_eq!(find_control(b"\t\x1f\x7f\x80\xff\x20aaaaaaa", 0), Some(1));
        assert_eq!(find_control(b"\x80\xff\x20\x21\t\t\t\tbbbbbbbbb", 0), None);
    }
}
