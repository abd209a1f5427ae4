//! Reading a field block.

use std::fmt;

use super::super::fields::Fields;
use super::table::{Table, entry_size};
use super::{huffman, integer, statics};

/// A block that cannot be read. The table is then out of step with the sender's, so the connection ends
/// (COMPRESSION_ERROR, RFC 9113 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// An integer that ends early or is too large.
    Integer,
    /// A string that ends early or is wrongly coded.
    Text,
    /// An index that neither table has.
    Index,
    /// A change of the table's size that is not at the start of a block, or beyond what was allowed.
    TableSize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "an integer in a field block is malformed",
            Self::Text => "a string in a field block is malformed",
            Self::Index => "a field block refers to an entry that does not exist",
            Self::TableSize => "a field block changes the table's size where or beyond what is allowed",
        })
    }
}

impl std::error::Error for Malformed {}

/// Bounds on one field section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// Sum of all fields' sizes, each counted with 32 more, as SETTINGS_MAX_HEADER_LIST_SIZE counts them.
    pub size: usize,
    /// Most fields.
    pub fields: usize,
}

/// One direction's state.
#[derive(Clone, Debug)]
pub struct Decoder {
    table: Table,
    /// What the other side was told it may use at most.
    allowed: usize,
}

impl Decoder {
    /// With a table of at most `allowed` bytes, which is our SETTINGS_HEADER_TABLE_SIZE.
    #[must_use]
    pub fn new(allowed: usize) -> Self {
        Self { table: Table::new(allowed), allowed }
    }

    /// Reads one whole block into `out`, which is cleared. `Ok(false)`: it was beyond the limits, so that `out` lacks
    /// fields, but the table is in step and the connection goes on.
    ///
    /// # Errors
    /// The connection is to be ended.
    pub fn decode(&mut self, block: &[u8], limits: ListLimits, out: &mut Fields) -> Result<bool, Malformed> {
        out.clear();
        let mut list = List { out, limits, size: 0, count: 0 };
        let mut rest = block;
        let mut at_start = true;
        while let Some(first) = rest.first().copied() {
            rest = if first & 0x80 != 0 {
                self.indexed(rest, &mut list)?
            } else if first & 0xE0 == 0x20 {
                if !at_start {
                    return Err(Malformed::TableSize);
                }
                rest = self.resize(rest)?;
                continue;
            } else if first & 0x40 != 0 {
                self.literal(rest, 6, Indexing::Add, &mut list)?
            } else {
                let indexing = if first & 0x10 != 0 { Indexing::Never } else { Indexing::Without };
                self.literal(rest, 4, indexing, &mut list)?
            };
            at_start = false;
        }
        Ok(!list.is_full())
    }

    fn resize<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Malformed> {
        let (size, rest) = integer::read(bytes, 5).ok_or(Malformed::Integer)?;
        let size = size as usize;
        if size > self.allowed {
            return Err(Malformed::TableSize);
        }
        self.table.set_most(size);
        Ok(rest)
    }

    fn indexed<'b>(&self, bytes: &'b [u8], list: &mut List<'_>) -> Result<&'b [u8], Malformed> {
        let (index, rest) = integer::read(bytes, 7).ok_or(Malformed::Integer)?;
        let index = index as usize;
        let (name, value) = self.entry(index)?;
        if list.is_full() {
            // Nothing is copied: a block of one-byte references to long entries costs no more than its own length.
            return Ok(rest);
        }
        let at = list.out.text().len();
        list.out.text().extend_from_slice(name);
        list.out.text().extend_from_slice(value);
        list.add(at, name.len(), false, static_hint(index, name));
        Ok(rest)
    }

    fn literal<'b>(
        &mut self,
        bytes: &'b [u8],
        prefix: u32,
        indexing: Indexing,
        list: &mut List<'_>,
    ) -> Result<&'b [u8], Malformed> {
        let (index, rest) = integer::read(bytes, prefix).ok_or(Malformed::Integer)?;
        let index = index as usize;
        let at = list.out.text().len();
        let rest = if index == 0 {
            string(rest, list.out.text())?
        } else {
            let name = self.entry(index)?.0;
            list.out.text().extend_from_slice(name);
            rest
        };
        let name = list.out.text().len() - at;
        let rest = string(rest, list.out.text())?;
        let written = list.out.text().get(at..).unwrap_or_default();
        let (name_text, value_text) = written.split_at(name);
        let hint = static_hint(index, name_text);
        if indexing == Indexing::Add {
            self.table.add(name_text, value_text);
        }
        list.add(at, name, indexing == Indexing::Never, hint);
        Ok(rest)
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), Malformed> {
        if index > statics::LENGTH {
            return self.table.get(index - statics::LENGTH - 1).ok_or(Malformed::Index);
        }
        statics::get(index).ok_or(Malformed::Index)
    }
}

/// What a literal asks of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Add,
    Without,
    Never,
}

/// The section being read, and how far it is beyond its limits.
struct List<'o> {
    out: &'o mut Fields,
    limits: ListLimits,
    size: usize,
    count: usize,
}

impl List<'_> {
    /// Whether it is beyond its limits already.
    fn is_full(&self) -> bool {
        self.size > self.limits.size || self.count > self.limits.fields
    }

    /// Keeps the field whose text starts at `at`, if it is within the limits.
    fn add(&mut self, at: usize, name: usize, never: bool, hint: u8) {
        let text = self.out.text();
        self.size += entry_size(text.get(at..).unwrap_or_default(), &[]);
        self.count += 1;
        if self.is_full() {
            self.out.forget(at);
        } else {
            self.out.record(at, name, never, hint);
        }
    }
}

/// The static name a field was sent with, or what its name says when it was not.
fn static_hint(index: usize, name: &[u8]) -> u8 {
    match u8::try_from(index) {
        Ok(index) if index > 0 && usize::from(index) <= statics::LENGTH => match index {
            // The first entry of the names that have several.
            2..=3 => 2,
            4..=5 => 4,
            6..=7 => 6,
            8..=14 => 8,
            other => other,
        },
        _ => statics::find_name(name),
    }
}

/// Reads a string to the end of `out`, and gives the bytes behind it.
fn string<'b>(bytes: &'b [u8], out: &mut Vec<u8>) -> Result<&'b [u8], Malformed> {
    let coded = bytes.first().ok_or(Malformed::Text)? & 0x80 != 0;
    let (length, rest) = integer::read(bytes, 7).ok_or(Malformed::Integer)?;
    let (text, rest) = rest.split_at_checked(length as usize).ok_or(Malformed::Text)?;
    if coded {
        huffman::decode(text, out).map_err(|huffman::Malformed| Malformed::Text)?;
    } else {
        out.extend_from_slice(text);
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ListLimits = ListLimits { size: 4096, fields: 64 };

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn read(decoder: &mut Decoder, hex: &str) -> Result<String, Malformed> {
        let mut out = Fields::new();
        assert!(decoder.decode(&bytes(hex), LIMITS, &mut out)?);
        let lines = out
            .iter()
            .map(|field| format!("{}: {}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value)));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn the_rfc_s_requests() {
        let expected = [
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com",
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache",
            ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value",
        ];
        let plain = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ];
        let coded = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ];
        for blocks in [plain, coded] {
            let mut decoder = Decoder::new(4096);
            for (block, expect) in blocks.iter().zip(expected) {
                assert_eq!(read(&mut decoder, block).as_deref(), Ok(expect));
            }
        }
    }

    #[test]
    fn the_rfc_s_responses_with_eviction() {
        let mut decoder = Decoder::new(256);
        let first = read(
            &mut decoder,
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        );
        assert!(first.unwrap().starts_with(":status: 302\ncache-control: private\n"));
        assert!(read(&mut decoder, "4883 640e ffc1 c0bf").unwrap().starts_with(":status: 307\n"));
        assert_eq!(decoder.table.len(), 4);
    }

    #[test]
    fn what_is_refused() {
        for (block, expect) in [
            ("80", Malformed::Index),
            ("be", Malformed::Index),
            ("ff80808080 01", Malformed::Integer),
            ("41", Malformed::Text),
            ("410f77", Malformed::Text),
            ("4181ff", Malformed::Text),
            ("82 20", Malformed::TableSize),
            ("3fe2 1f", Malformed::TableSize),
        ] {
            assert_eq!(read(&mut Decoder::new(4096), block), Err(expect), "{block}");
        }
        assert!(read(&mut Decoder::new(4096), "20 3fe1 1f 82").is_ok(), "to nothing and back at the start");
    }

    #[test]
    fn beyond_the_limits_the_table_stays_in_step() {
        let mut decoder = Decoder::new(4096);
        let mut out = Fields::new();
        let tight = ListLimits { size: 60, fields: 64 };
        let block = bytes("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d");
        assert_eq!(decoder.decode(&block, tight, &mut out), Ok(false));
        assert_eq!(out.len(), 1, "the first fits");
        assert_eq!(read(&mut decoder, "be").as_deref(), Ok(":authority: www.example.com"));
        let few = ListLimits { size: 4096, fields: 2 };
        assert_eq!(decoder.decode(&block, few, &mut out), Ok(false));
    }
}
