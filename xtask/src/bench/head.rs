//! Just enough HTTP/1 to know where a message ends.

use memchr::memmem;

/// Length of the head with its blank line, when it is complete.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a field.
pub(super) fn field<'b>(head: &'b [u8], name: &str) -> Option<&'b [u8]> {
    head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        start.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
    })
}

/// `Content-Length`, when there is one and it is a number.
pub(super) fn length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(field(head, "content-length")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_and_the_length() {
        let check = |text: &str, ends: Option<usize>, says: Option<usize>| {
            assert_eq!((end(text.as_bytes()), length(text.as_bytes())), (ends, says), "{text:?}");
        };
        check("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nbody", Some(39), Some(12));
        check("HTTP/1.1 200 OK\r\nContent-Length:7\r\nA: b\r\n", None, Some(7));
        check("HTTP/1.1 200 OK\r\nContent-Lengths: 7\r\n\r\n", Some(39), None);
        check("HTTP/1.1 200 OK\r\nX-Content-Length: 7\r\n\r\n", Some(40), None);
        check("", None, None);
    }
}
