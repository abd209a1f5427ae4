//! Integers with a prefix (RFC 7541 5.1).

/// Reads an integer whose first `prefix` bits (1 to 8) are the low bits of the first byte. Gives it and the bytes behind
/// it; `None` when the bytes end within it, or when it is larger than anything that can be meant.
pub(super) fn read(bytes: &[u8], prefix: u32) -> Option<(u32, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let full = (1_u32 << prefix) - 1;
    let mut value = u32::from(*first) & full;
    if value < full {
        return Some((value, rest));
    }
    for shift in [0_u32, 7, 14, 21] {
        let (byte, later) = rest.split_first()?;
        rest = later;
        value += u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Writes an integer behind the bits that `first` has above the prefix.
pub(super) fn write(first: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let full = (1_usize << prefix) - 1;
    if value < full {
        out.push(first | (value & 0xFF) as u8);
        return;
    }
    out.push(first | (full & 0xFF) as u8);
    let mut left = value - full;
    while left >= 0x80 {
        out.push((left & 0x7F) as u8 | 0x80);
        left >>= 7;
    }
    out.push((left & 0x7F) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_s_examples() {
        for (value, prefix, bytes) in [(10, 5, &[10_u8][..]), (1337, 5, &[31, 154, 10]), (42, 8, &[42])] {
            let mut out = Vec::new();
            write(0, prefix, value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(read(bytes, prefix), Some((u32::try_from(value).unwrap(), &[][..])));
        }
    }

    #[test]
    fn what_is_written_is_read_and_no_piece_of_it() {
        for prefix in 1..=8 {
            for value in (0..600).chain([16_383, 16_384, 65_535, 1 << 20, (1 << 28) - 1]) {
                let mut out = Vec::new();
                write(0, prefix, value, &mut out);
                let cut: Vec<_> = (0..out.len()).map(|end| read(&out[..end], prefix)).collect();
                assert!(cut.iter().all(Option::is_none), "{value} cut short");
                out.push(7);
                assert_eq!(read(&out, prefix), Some((u32::try_from(value).unwrap(), &[7_u8][..])));
            }
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert_eq!(read(&[0xFF, 0x80, 0x80, 0x80, 0x80, 0x01], 8), None);
        assert_eq!(read(&[0xFF; 12], 8), None);
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F], 8), Some((255 + (1 << 28) - 1, &[][..])));
    }
}
