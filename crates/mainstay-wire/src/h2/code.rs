//! Why a stream or a connection ended (RFC 9113 7).

use std::fmt;

/// An error code as RST_STREAM and GOAWAY carry it. Unknown ones are kept: they go on as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Not an error: the end in good order.
    pub const NO_ERROR: Self = Self(0);
    /// The protocol was broken in a way no other code names.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// Something unexpected inside.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// More was sent than the window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(4);
    /// A frame for a stream that its sender had closed.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame has a wrong size.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// Nothing was done for the stream: it is safe to repeat.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is no longer wanted.
    pub const CANCEL: Self = Self(8);
    /// A field block cannot be read.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// The connection of a CONNECT broke.
    pub const CONNECT_ERROR: Self = Self(10);
    /// The other side asks for too much.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(12);
    /// HTTP/1.1 is wanted for this request.
    pub const HTTP_1_1_REQUIRED: Self = Self(13);

    /// Name for logs and metrics, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "no_error",
            1 => "protocol_error",
            2 => "internal_error",
            3 => "flow_control_error",
            4 => "settings_timeout",
            5 => "stream_closed",
            6 => "frame_size_error",
            7 => "refused_stream",
            8 => "cancel",
            9 => "compression_error",
            10 => "connect_error",
            11 => "enhance_your_calm",
            12 => "inadequate_security",
            13 => "http_1_1_required",
            _ => "unknown",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "unknown" => write!(f, "error {:#x}", self.0),
            name => f.write_str(name),
        }
    }
}
