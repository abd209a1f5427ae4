//! Why bytes were refused.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $status:literal, $name:literal, $text:literal;)*) => {
        /// Why a head or a chunked body was refused. After a fault the connection cannot be used any further: where the
        /// next message would start is not known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $variant,)*
        }

        impl Fault {
            /// All of them, e.g. to register a counter for each.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Status to answer a client with when its request has this fault. The same fault in a node's response is
            /// the node's, hence 502.
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }

            /// Name for metrics, in snake case.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl fmt::Display for Fault {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

faults! {
    /// More blank lines in front of a request than are overlooked (RFC 9112 2.2).
    BlankLines = 400, "blank_lines", "too many blank lines before the request line";
    /// The method is not a token.
    BadMethod = 400, "bad_method", "the method is not a token";
    /// A TLS handshake (RFC 8446 5.1), whose first byte no method has.
    TlsHandshake = 400, "tls_handshake", "the client speaks TLS, this listener does not";
    /// `CONNECT`: Mainstay is not a tunnel to anywhere.
    ConnectMethod = 501, "connect_method", "CONNECT is not supported";
    /// `TRACE`: it sends credentials back to whoever asks.
    TraceMethod = 501, "trace_method", "TRACE is not supported";
    /// Not `method SP target SP version` (RFC 9112 3), which HTTP/0.9 is not either.
    BadRequestLine = 400, "bad_request_line", "the request line is not method, target and version with one space between";
    /// A byte that may not stand in a target (control, space, not ASCII), or a form that is none of RFC 9112 3.2.
    BadTarget = 400, "bad_target", "the request target is malformed";
    /// A fragment, which no client may send (RFC 9112 3.2).
    FragmentInTarget = 400, "fragment_in_target", "the request target has a fragment";
    /// `*` with a method other than OPTIONS (RFC 9112 3.2.4).
    BadAsterisk = 400, "bad_asterisk", "the target * goes with OPTIONS only";
    /// An absolute-form target whose authority is empty, has user information or is malformed (RFC 9110 4.2).
    BadAuthority = 400, "bad_authority", "the authority of the request target is malformed";
    /// Not `HTTP/` digit `.` digit.
    BadVersion = 400, "bad_version", "the HTTP version is malformed";
    /// A well-formed version other than 1.x.
    UnsupportedVersion = 505, "unsupported_version", "the HTTP version is not supported";
    /// The preface of an HTTP/2 connection (RFC 9113 3.4).
    Http2Preface = 505, "http2_preface", "the client speaks HTTP/2, this listener HTTP/1";
    /// The request line is longer than allowed.
    RequestLineTooLong = 414, "request_line_too_long", "the request line is too long";
    /// The head is longer than allowed.
    HeadTooLarge = 431, "head_too_large", "the head is too large";
    /// The head has more fields than allowed.
    TooManyFields = 431, "too_many_fields", "the head has too many fields";
    /// CR without LF.
    BareCr = 400, "bare_cr", "a carriage return without a line feed";
    /// LF without CR.
    BareLf = 400, "bare_lf", "a line feed without a carriage return";
    /// A line that goes on from the one before (RFC 9112 5.2), or white space before the first field.
    ObsFold = 400, "obs_fold", "a line starts with white space";
    /// White space between field name and colon (RFC 9112 5.1).
    SpaceBeforeColon = 400, "space_before_colon", "white space between a field name and its colon";
    /// A field without a name.
    EmptyFieldName = 400, "empty_field_name", "a field name is empty";
    /// A field name that is not a token.
    BadFieldName = 400, "bad_field_name", "a field name is not a token";
    /// A line without a colon.
    MissingColon = 400, "missing_colon", "a field line has no colon";
    /// NUL or another control byte in a field value or reason phrase.
    ControlByte = 400, "control_byte", "a control byte in a field value";
    /// `Content-Length` is not a decimal number.
    BadContentLength = 400, "bad_content_length", "Content-Length is not a number";
    /// `Content-Length` does not fit a signed 64-bit number.
    ContentLengthOverflow = 400, "content_length_overflow", "Content-Length is too large a number";
    /// More than one `Content-Length`, equal or not, on lines of their own or in a list.
    TwoContentLengths = 400, "two_content_lengths", "more than one Content-Length";
    /// `Content-Length` together with `Transfer-Encoding` (RFC 9112 6.3).
    LengthAndCoding = 400, "length_and_coding", "Content-Length together with Transfer-Encoding";
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 6.1).
    CodingInHttp10 = 400, "coding_in_http10", "Transfer-Encoding in HTTP/1.0";
    /// A transfer coding other than `chunked` (RFC 9112 6.1).
    UnknownCoding = 501, "unknown_coding", "a transfer coding other than chunked";
    /// Another transfer coding after `chunked`.
    CodingNotFinal = 400, "coding_not_final", "chunked is not the last transfer coding";
    /// `chunked` twice.
    RepeatedCoding = 400, "repeated_coding", "chunked is applied more than once";
    /// `Transfer-Encoding` is not a list of transfer codings.
    BadCoding = 400, "bad_coding", "Transfer-Encoding is malformed";
    /// HTTP/1.1 without `Host` (RFC 9112 3.2).
    NoHost = 400, "no_host", "the Host field is missing";
    /// More than one `Host` (RFC 9112 3.2).
    TwoHosts = 400, "two_hosts", "more than one Host field";
    /// `Host` is empty or not a host with an optional port.
    BadHost = 400, "bad_host", "the Host field is malformed";
    /// `Connection` is not a list of tokens.
    BadConnection = 400, "bad_connection", "the Connection field is malformed";
    /// `Connection` has more entries than are looked at.
    TooManyOptions = 431, "too_many_options", "the Connection field has too many entries";
    /// `Connection` of a request lists a field the message cannot be understood without.
    ConnectionListsFraming = 400, "connection_lists_framing", "the Connection field lists a field that must not be removed";
    /// An expectation other than `100-continue` (RFC 9110 10.1.1).
    UnknownExpectation = 417, "unknown_expectation", "an expectation other than 100-continue";
    /// Not `HTTP/1.x SP code [SP reason]` (RFC 9112 4).
    BadStatusLine = 400, "bad_status_line", "the status line is malformed";
    /// An interim response that announces a body (RFC 9112 6.1).
    BodyOnInterim = 400, "body_on_interim", "a 1xx response announces a body";
    /// A chunk size that is empty or has a byte that is no hexadecimal digit (RFC 9112 7.1).
    BadChunkSize = 400, "bad_chunk_size", "a chunk size is malformed";
    /// A chunk size of more than 16 digits, or beyond a signed 64-bit number.
    ChunkSizeOverflow = 400, "chunk_size_overflow", "a chunk size is too large a number";
    /// A chunk extension that breaks the grammar (RFC 9112 7.1.1).
    BadChunkExtension = 400, "bad_chunk_extension", "a chunk extension is malformed";
    /// More bytes of chunk extensions than allowed.
    ChunkExtensionsTooLong = 400, "chunk_extensions_too_long", "chunk extensions are too long";
    /// The data of a chunk is not followed by CRLF.
    MissingChunkEnd = 400, "missing_chunk_end", "chunk data is not followed by a line end";
    /// The trailer section is longer than allowed.
    TrailersTooLarge = 431, "trailers_too_large", "the trailer section is too large";
    /// A trailer field that has a meaning for framing, routing, credentials or how the message is to be read
    /// (RFC 9110 6.5.1).
    ForbiddenTrailer = 400, "forbidden_trailer", "a field that must not be sent as a trailer";
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_labels_and_statuses_are_errors() {
        let mut names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit()))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(Fault::ALL.iter().all(|fault| (400..600).contains(&fault.status())));
    }
}
