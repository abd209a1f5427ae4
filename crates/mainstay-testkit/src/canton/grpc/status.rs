//! How a call ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderMap, HeaderValue};
use prost::Message as _;

use super::super::proto::{Any, Details};

/// A status code of gRPC: those that the model has a use for, and any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are gRPC's own names")]
pub enum Code {
    Ok,
    Cancelled,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    Unimplemented,
    Internal,
    Unavailable,
    Unauthenticated,
    Other(u32),
}

impl Code {
    /// Its number.
    pub fn number(self) -> u32 {
        NUMBERS
            .iter()
            .find(|(_, code)| *code == self)
            .map_or_else(|| if let Self::Other(number) = self { number } else { UNKNOWN }, |(number, _)| *number)
    }

    fn of(number: u32) -> Self {
        NUMBERS.iter().find(|(of, _)| *of == number).map_or(Self::Other(number), |(_, code)| *code)
    }
}

/// How a call ended, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its code.
    pub code: Code,
    /// What was said with it.
    pub message: String,
    /// What stands behind it, for programs (`grpc-status-details-bin`).
    pub details: Vec<Any>,
    /// Whether the other side said so. Otherwise the call was cut, and this is what the client makes of it.
    pub said: bool,
}

impl Status {
    /// A status that a server gives.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), said: true }
    }

    /// The end of a call that the other side did not end properly.
    pub(super) fn cut(message: impl Into<String>) -> Self {
        Self { said: false, ..Self::new(Code::Unavailable, message) }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, detail: Any) -> Self {
        self.details.push(detail);
        self
    }

    /// As trailers.
    pub(super) fn write(&self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(self.code.number()));
        if let Ok(message) = HeaderValue::from_str(&escaped(&self.message))
            && !self.message.is_empty()
        {
            trailers.insert("grpc-message", message);
        }
        if !self.details.is_empty() {
            let code = i32::try_from(self.code.number()).unwrap_or_default();
            let details = Details { code, message: self.message.clone(), details: self.details.clone() };
            if let Ok(value) = HeaderValue::from_str(&STANDARD_NO_PAD.encode(details.encode_to_vec())) {
                trailers.insert("grpc-status-details-bin", value);
            }
        }
        trailers
    }

    /// Read from trailers, or from a head that is trailers too; nothing when there is none in them.
    pub(super) fn read(fields: &HeaderMap) -> Option<Self> {
        let text = |name| fields.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let code = Code::of(text("grpc-status")?.parse().ok()?);
        let details = text("grpc-status-details-bin")
            .and_then(|value| STANDARD_NO_PAD.decode(value.trim_end_matches('=')).ok())
            .and_then(|bytes| Details::decode(bytes.as_slice()).ok())
            .map(|details| details.details)
            .unwrap_or_default();
        let message = text("grpc-message").map(plain).unwrap_or_default();
        Some(Self { code, message, details, said: true })
    }
}

/// Percent-encoded as `grpc-message` wants it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let hex = [ahead.next(), ahead.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        match (byte, hex) {
            (b'%', [Some(high), Some(low)]) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const NUMBERS: &[(u32, Code)] = &[
    (0, Code::Ok),
    (1, Code::Cancelled),
    (3, Code::InvalidArgument),
    (4, Code::DeadlineExceeded),
    (5, Code::NotFound),
    (6, Code::AlreadyExists),
    (8, Code::ResourceExhausted),
    (9, Code::FailedPrecondition),
    (10, Code::Aborted),
    (12, Code::Unimplemented),
    (13, Code::Internal),
    (14, Code::Unavailable),
    (16, Code::Unauthenticated),
];
const UNKNOWN: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_wire() {
        let any = Any { type_url: "type.googleapis.com/x".to_owned(), value: vec![0, 255, 7] };
        for status in [
            Status::new(Code::Ok, ""),
            Status::new(Code::Unavailable, "100 % of ü\nare away"),
            Status::new(Code::Other(15), "lost").with(any),
        ] {
            assert_eq!(Status::read(&status.write()), Some(status));
        }
        assert_eq!(Status::read(&HeaderMap::new()), None);
    }
}
