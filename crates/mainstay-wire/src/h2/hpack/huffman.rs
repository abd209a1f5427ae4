//! The Huffman code of RFC 7541, appendix B. It is canonical, so the lengths alone give all of it.

/// Why coded bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Decodes `coded` to the end of `out`.
///
/// # Errors
/// The end-of-string symbol, padding of more than seven bits, or padding that is not all ones (RFC 7541 5.2). `out` then
/// has what came before it.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut rest = coded.iter();
    // The bits not yet decoded, from the highest down; the rest are zeros.
    let mut bits = 0_u64;
    let mut have = 0_u32;
    loop {
        while have <= 56 {
            let Some(byte) = rest.next() else { break };
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let (symbol, length) = first_symbol(bits);
        if length > have {
            let padding = if have == 0 { 0 } else { bits >> (64 - have) };
            return if have < 8 && padding == (1 << have) - 1 { Ok(()) } else { Err(Malformed) };
        }
        let Ok(byte) = u8::try_from(symbol) else { return Err(Malformed) };
        out.push(byte);
        bits <<= length;
        have -= length;
    }
}

/// So many bytes `plain` has when it is coded.
pub(super) fn coded_length(plain: &[u8]) -> usize {
    let bits: usize = plain.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Codes `plain` to the end of `out`.
pub(super) fn encode(plain: &[u8], out: &mut Vec<u8>) {
    let mut bits = 0_u64;
    let mut have = 0_u32;
    for byte in plain {
        let symbol = usize::from(*byte);
        bits = (bits << LENGTHS[symbol]) | u64::from(TABLES.codes[symbol]);
        have += u32::from(LENGTHS[symbol]);
        while have >= 8 {
            have -= 8;
            out.push(((bits >> have) & 0xFF) as u8);
        }
    }
    if have > 0 {
        let padded = (bits << (8 - have)) | (0xFF >> have);
        out.push((padded & 0xFF) as u8);
    }
}

/// The symbol that `bits` start with, and how many of them are its code.
fn first_symbol(bits: u64) -> (u16, u32) {
    let (symbol, length) = TABLES.short[(bits >> 56) as usize];
    if length != 0 {
        return (symbol, u32::from(length));
    }
    let mut length = SHORT + 1;
    while length < LONGEST {
        let code = (bits >> (64 - length)) as u32;
        let row = TABLES.rows[length];
        if code < row.first + row.count {
            return (TABLES.order[(row.index + code - row.first) as usize], length as u32);
        }
        length += 1;
    }
    let row = TABLES.rows[LONGEST];
    let code = (bits >> (64 - LONGEST)) as u32;
    (TABLES.order[(row.index + code - row.first) as usize], LONGEST as u32)
}

/// The codes of one length.
#[derive(Clone, Copy)]
struct Row {
    /// The first of them.
    first: u32,
    /// How many there are.
    count: u32,
    /// Where their symbols start in [`Tables::order`].
    index: u32,
}

struct Tables {
    /// The code of each symbol.
    codes: [u32; SYMBOLS],
    /// Symbols by length of code, then by value.
    order: [u16; SYMBOLS],
    /// By length of code.
    rows: [Row; LONGEST + 1],
    /// Symbol and length of code by the next eight bits; length 0: the code is longer.
    short: [(u16, u8); 256],
}

const fn tables() -> Tables {
    let mut made = Tables {
        codes: [0; SYMBOLS],
        order: [0; SYMBOLS],
        rows: [Row { first: 0, count: 0, index: 0 }; LONGEST + 1],
        short: [(0, 0); 256],
    };
    let mut code = 0_u32;
    let mut index = 0;
    let mut length = 1;
    while length <= LONGEST {
        code <<= 1;
        made.rows[length] = Row { first: code, count: 0, index: index as u32 };
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                made.codes[symbol] = code;
                made.order[index] = symbol as u16;
                made.rows[length].count += 1;
                if length <= SHORT {
                    let spare = SHORT - length;
                    let mut next = (code as usize) << spare;
                    let end = next + (1 << spare);
                    while next < end {
                        made.short[next] = (symbol as u16, length as u8);
                        next += 1;
                    }
                }
                code += 1;
                index += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    made
}

static TABLES: Tables = tables();

/// Bytes and the end of a string.
const SYMBOLS: usize = 257;

/// Bits of the longest code.
const LONGEST: usize = 30;

/// Bits looked up at once.
const SHORT: usize = 8;

/// Bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(coded, &mut out).ok().map(|()| out)
    }

    #[test]
    fn the_code_is_complete_and_the_rfc_s() {
        let kraft: u64 = LENGTHS.iter().map(|length| 1_u64 << (LONGEST - usize::from(*length))).sum();
        assert_eq!(kraft, 1 << LONGEST, "every string of bits starts with one code");
        for (symbol, code) in [(b'0', 0x0), (b'a', 0x3), (b'%', 0x15), (b':', 0x5c), (b'X', 0xfc), (b'\0', 0x1ff8)] {
            assert_eq!(TABLES.codes[usize::from(symbol)], code, "{}", char::from(symbol));
        }
        assert_eq!((TABLES.codes[10], TABLES.codes[249], TABLES.codes[256]), (0x3fff_fffc, 0xfff_fffe, 0x3fff_ffff));
    }

    #[test]
    fn the_rfc_s_examples() {
        for (plain, coded) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
            (
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ),
        ] {
            let mut out = Vec::new();
            encode(plain.as_bytes(), &mut out);
            let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, coded);
            assert_eq!(coded_length(plain.as_bytes()), out.len());
            assert_eq!(decoded(&out).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn every_byte_comes_back_next_to_every_other() {
        for first in 0..=255_u8 {
            let plain: Vec<u8> = (0..=255_u8).flat_map(|second| [first, second]).collect();
            let mut coded = Vec::new();
            encode(&plain, &mut coded);
            assert_eq!(decoded(&coded), Some(plain));
        }
    }

    #[test]
    fn only_short_padding_of_ones_ends_a_string() {
        assert_eq!(decoded(&[]), Some(Vec::new()));
        assert_eq!(decoded(&[0x1f]), Some(b"a".to_vec()), "three ones");
        assert_eq!(decoded(&[0x1e]), None, "padding with a zero");
        assert_eq!(decoded(&[0x1f, 0xff]), None, "a byte of padding");
        assert_eq!(decoded(&[0xff]), None, "padding alone, of eight bits");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "the end-of-string symbol");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc]), None, "half of a code of thirty bits");
    }
}
