//! Writing heads: runs of kept lines, and lines of our own.

use super::scan::{is_control, is_token};

/// Copies a head but for some parts, what is between them in one go.
pub(crate) struct Runs<'a> {
    head: &'a [u8],
    out: &'a mut Vec<u8>,
    from: usize,
}

impl<'a> Runs<'a> {
    /// Before the first byte of `head`.
    pub(crate) fn new(head: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self { head, out, from: 0 }
    }

    /// Leaves this part out. Parts come in order.
    pub(crate) fn leave_out(&mut self, start: usize, end: usize) {
        self.copy_to(start);
        self.from = end;
    }

    /// Copies what comes before `end`, and gives the output, for lines in between or after it.
    pub(crate) fn copy_to(&mut self, end: usize) -> &mut Vec<u8> {
        self.out.extend_from_slice(self.head.get(self.from..end).unwrap_or_default());
        self.from = end;
        self.out
    }
}

/// Writes a field line. A name that is no token writes nothing, and a control byte in the value becomes a space: values
/// may be made of parts of a request, and a line of ours must stay one line.
pub fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if !is_token(name) {
        return;
    }
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    if value.iter().any(|&byte| is_control(byte)) {
        out.extend(value.iter().map(|&byte| if is_control(byte) { b' ' } else { byte }));
    } else {
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a `Content-Length` line.
pub(crate) fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Writes a field whose value is a list, of the members that are `true`; nothing when there is none.
pub(crate) fn list_field(out: &mut Vec<u8>, name: &[u8], members: &[(bool, &[u8])]) {
    let mut separator = &b": "[..];
    for (_, member) in members.iter().filter(|(is_member, _)| *is_member) {
        if separator == b": " {
            out.extend_from_slice(name);
        }
        out.extend_from_slice(separator);
        out.extend_from_slice(member);
        separator = b", ";
    }
    if separator != b": " {
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes a number in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    let mut rest = number;
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 909, 65536, u64::MAX] {
            let mut out = b"x".to_vec();
            decimal(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
    }

    #[test]
    fn a_value_never_becomes_a_second_line() {
        let mut out = Vec::new();
        write_field(&mut out, b"X-A", b"1\r\nX-B: 2\0");
        write_field(&mut out, b"X-C: 1\r\nX-D", b"3");
        assert_eq!(out, b"X-A: 1  X-B: 2 \r\n");
    }

    #[test]
    fn lists_without_members_are_not_written() {
        let check = |members: &[(bool, &[u8])], expect: &str| {
            let mut out = Vec::new();
            list_field(&mut out, b"L", members);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(&[(false, b"a"), (false, b"b")], "");
        check(&[(false, b"a"), (true, b"b")], "L: b\r\n");
        check(&[(true, b"a"), (true, b"b")], "L: a, b\r\n");
    }
}
