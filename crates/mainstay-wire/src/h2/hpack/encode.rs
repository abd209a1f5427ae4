//! Writing a field block.

use super::super::fields::Field;
use super::table::{Table, entry_size};
use super::{huffman, integer, statics};

/// One direction's state.
#[derive(Clone, Debug)]
pub struct Encoder {
    table: Table,
    /// The smallest and the last bound to be told to the other side at the start of the next block (RFC 7541 4.2).
    resize: Option<(usize, usize)>,
    /// However much the other side allows, no more is used.
    most: usize,
}

impl Encoder {
    /// With a table of at most `most` bytes, of which the protocol's initial 4,096 are allowed at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let start = most.min(INITIAL);
        let resize = (start != INITIAL).then_some((start, start));
        Self { table: Table::new(start), resize, most }
    }

    /// The other side's SETTINGS_HEADER_TABLE_SIZE.
    pub fn allow(&mut self, size: usize) {
        let size = size.min(self.most);
        if size == self.table.most() && self.resize.is_none() {
            return;
        }
        self.table.set_most(size);
        let smallest = self.resize.map_or(size, |(smallest, _)| smallest.min(size));
        self.resize = Some((smallest, size));
    }

    /// Starts a block at the end of `out`; [`field`](Self::field) goes on.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        let Some((smallest, last)) = self.resize.take() else { return };
        if smallest < last {
            integer::write(0x20, 5, smallest, out);
        }
        integer::write(0x20, 5, last, out);
    }

    /// Writes one field.
    pub fn field(&mut self, field: Field<'_>, out: &mut Vec<u8>) {
        let Field { name, value, never_indexed, .. } = field;
        let static_name = if field.static_name == 0 { statics::find_name(name) } else { field.static_name };
        if never_indexed {
            return literal(0x10, 4, usize::from(static_name), name, value, out);
        }
        if let Some(index) = statics::find_value(static_name, value) {
            return integer::write(0x80, 7, index, out);
        }
        let known = if self.table.len() == 0 { None } else { self.table.find(name, value) };
        if let Some(Ok(place)) = known {
            return integer::write(0x80, 7, statics::LENGTH + 1 + place, out);
        }
        let name_index = match known {
            _ if static_name != 0 => usize::from(static_name),
            Some(Err(place)) => statics::LENGTH + 1 + place,
            _ => 0,
        };
        if self.is_worth_keeping(name, value) {
            literal(0x40, 6, name_index, name, value, out);
            self.table.add(name, value);
        } else {
            literal(0, 4, name_index, name, value, out);
        }
    }

    /// Whether the same field is likely to be sent again soon, and leaves room for others.
    fn is_worth_keeping(&self, name: &[u8], value: &[u8]) -> bool {
        !CHANGING.contains(&name) && entry_size(name, value) <= self.table.most() / 4
    }
}

fn literal(first: u8, prefix: u32, name_index: usize, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    integer::write(first, prefix, name_index, out);
    if name_index == 0 {
        string(name, out);
    }
    string(value, out);
}

/// Coded where that is shorter.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::coded_length(text);
    if coded < text.len() {
        integer::write(0x80, 7, coded, out);
        huffman::encode(text, out);
    } else {
        integer::write(0, 7, text.len(), out);
        out.extend_from_slice(text);
    }
}

/// The table's bound before any SETTINGS (RFC 9113 6.5.2).
const INITIAL: usize = 4096;

/// Fields whose value is another each time: keeping them would drive out what is used again.
const CHANGING: &[&[u8]] = &[
    b"age",
    b"content-length",
    b"content-range",
    b"date",
    b"etag",
    b"expires",
    b"grpc-status-details-bin",
    b"grpc-timeout",
    b"if-modified-since",
    b"if-none-match",
    b"last-modified",
    b"range",
    b"set-cookie",
    b"traceparent",
    b"x-request-id",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::fields::Fields;
    use super::super::decode::{Decoder, ListLimits};
    use super::*;

    const LIMITS: ListLimits = ListLimits { size: usize::MAX, fields: usize::MAX };

    fn plain(name: &'static str, value: &'static str) -> Field<'static> {
        Field { name: name.as_bytes(), value: value.as_bytes(), never_indexed: false, static_name: 0 }
    }

    #[test]
    fn a_second_request_is_a_byte_a_field() {
        let request = [
            plain(":method", "POST"),
            plain(":scheme", "http"),
            plain(":path", "/com.daml.ledger.api.v1.CommandService/SubmitAndWait"),
            plain(":authority", "ledger:4001"),
            plain("content-type", "application/grpc"),
            plain("te", "trailers"),
        ];
        let mut encoder = Encoder::new(4096);
        let mut lengths = Vec::new();
        for _ in 0..2 {
            let mut out = Vec::new();
            encoder.start(&mut out);
            request.iter().for_each(|field| encoder.field(*field, &mut out));
            lengths.push(out.len());
        }
        assert!(lengths[0] > 40);
        assert_eq!(lengths[1], request.len());
    }

    #[test]
    fn secrets_marked_so_stay_out_of_the_table() {
        let mut encoder = Encoder::new(4096);
        let secret = Field { never_indexed: true, ..plain("authorization", "Bearer abc") };
        for _ in 0..2 {
            let mut out = Vec::new();
            encoder.field(secret, &mut out);
            assert_eq!(out[..2], [0x1f, 23 - 15], "a literal that is never indexed, with a name of the static table");
        }
        let mut out = Vec::new();
        let mut fields = Fields::new();
        encoder.field(secret, &mut out);
        Decoder::new(4096).decode(&out, LIMITS, &mut fields).unwrap();
        assert!(fields.iter().all(|field| field.never_indexed), "and it is known to be one at the other end");
    }

    #[test]
    fn a_smaller_table_is_told_before_the_next_field() {
        let mut encoder = Encoder::new(4096);
        let mut decoder = Decoder::new(4096);
        let send = |encoder: &mut Encoder, decoder: &mut Decoder| {
            let (mut out, mut fields) = (Vec::new(), Fields::new());
            encoder.start(&mut out);
            encoder.field(plain("x-a", "1"), &mut out);
            assert_eq!(decoder.decode(&out, LIMITS, &mut fields), Ok(true));
            assert_eq!(fields.get(b"x-a"), Some(&b"1"[..]));
            out
        };
        send(&mut encoder, &mut decoder);
        encoder.allow(0);
        encoder.allow(200);
        assert_eq!(send(&mut encoder, &mut decoder)[..2], [0x20, 0x3f], "to nothing, then to 200");
        assert_eq!(send(&mut encoder, &mut decoder)[0] & 0x80, 0x80, "and known again");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            blocks in prop::collection::vec(
                prop::collection::vec((0..6_usize, 0..5_usize, any::<bool>()), 0..12), 1..40),
            sizes in prop::collection::vec(prop::option::of(0..5000_usize), 40),
        ) {
            let names: [&[u8]; 6] = [b":path", b"x-long-name-of-a-field", b"content-type", b"b", b"date", b":status"];
            let values: [&[u8]; 5] = [b"", b"200", b"application/grpc+proto", &[0xFF; 90], b"/"];
            let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(8192));
            let mut fields = Fields::new();
            for (block, size) in blocks.iter().zip(sizes) {
                if let Some(size) = size {
                    encoder.allow(size);
                }
                let mut out = Vec::new();
                encoder.start(&mut out);
                let sent: Vec<_> = block.iter().map(|(name, value, never)| {
                    Field { name: names[*name], value: values[*value], never_indexed: *never, static_name: 0 }
                }).collect();
                sent.iter().for_each(|field| encoder.field(*field, &mut out));
                prop_assert_eq!(decoder.decode(&out, LIMITS, &mut fields), Ok(true));
                let same = fields.iter().zip(&sent).all(|(got, sent)| {
                    got.name == sent.name && got.value == sent.value && got.never_indexed == sent.never_indexed
                });
                prop_assert!(same && fields.len() == sent.len());
            }
        }
    }
}
