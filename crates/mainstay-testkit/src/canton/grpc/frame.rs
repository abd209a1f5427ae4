//! Messages on the wire: a byte that says whether it is compressed, four with its length, and the message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;

use super::status::{Code, Status};

/// A message with its head.
pub(super) fn write(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(HEAD + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // It grows as needed.
    let _never = message.encode(&mut bytes);
    bytes.freeze()
}

/// What has come of the messages in one direction.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: BytesMut,
}

impl Reader {
    /// Takes what has come.
    pub(super) fn take(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [compressed, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if compressed != 0 {
            return Err(Status::new(Code::Unimplemented, "compressed messages are not taken"));
        }
        if length > LARGEST {
            return Err(Status::new(Code::ResourceExhausted, "the message is too large"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.bytes.advance(HEAD);
        Ok(Some(self.bytes.split_to(length).freeze()))
    }
}

const HEAD: usize = 5;
/// Largest message that is taken.
const LARGEST: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_pieces() {
        let whole = [write(&"one".to_owned()), write(&String::new()), write(&"three".to_owned())].concat();
        for cut in 1..whole.len() {
            let (mut reader, mut found) = (Reader::default(), Vec::new());
            for piece in whole.chunks(cut) {
                reader.take(piece);
                while let Some(message) = reader.next().expect("no fault") {
                    found.push(String::decode(message).expect("a text"));
                }
            }
            assert_eq!(found, ["one", "", "three"], "cut at {cut}");
        }
    }

    #[test]
    fn what_is_too_large_or_compressed_is_refused() {
        for (head, code) in [([1, 0, 0, 0, 0], Code::Unimplemented), ([0, 1, 0, 0, 0], Code::ResourceExhausted)] {
            let mut reader = Reader::default();
            reader.take(&head);
            assert_eq!(reader.next().expect_err("refused").code, code);
        }
    }
}
