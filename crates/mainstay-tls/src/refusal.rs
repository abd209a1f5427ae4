//! Why there is no encrypted connection, in few words.

use rustls::{AlertDescription, CertificateError, Error};

/// Why a handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Text came where TLS was expected.
    PlainText,
    /// Something came that is no TLS.
    NotTls,
    /// The peer ended the connection in the handshake.
    Ended,
    /// It took too long.
    Slow,
    /// No version or cipher of TLS that both know.
    Incompatible,
    /// No protocol above TLS that both know (ALPN).
    NoProtocol,
    /// The peer showed no certificate where it had to.
    NoCertificate,
    /// Its certificate was signed by nobody who is trusted, or an intermediate certificate is missing.
    UnknownIssuer,
    /// Its certificate has expired.
    Expired,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate was revoked.
    Revoked,
    /// Whether its certificate was revoked is not known: a list is missing or has expired.
    RevocationUnknown,
    /// Its certificate has another name.
    WrongName,
    /// Its certificate is of no use for another reason.
    BadCertificate,
    /// The peer does not accept what it was shown, and says so.
    RefusedByPeer,
    /// The peer broke the protocol, or something else went wrong.
    Failed,
}

impl Refusal {
    /// What an error of a handshake is called.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidCertRevocationList(_) => Self::RevocationUnknown,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::NoApplicationProtocol => Self::NoProtocol,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
                Self::Incompatible
            }
            Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Self::NoProtocol,
            Error::AlertReceived(_) => Self::RefusedByPeer,
            _ => Self::Failed,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. }
            | CertificateError::ApplicationVerificationFailure => Self::WrongName,
            _ => Self::BadCertificate,
        }
    }

    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::PlainText,
        Self::NotTls,
        Self::Ended,
        Self::Slow,
        Self::Incompatible,
        Self::NoProtocol,
        Self::NoCertificate,
        Self::UnknownIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::WrongName,
        Self::BadCertificate,
        Self::RefusedByPeer,
        Self::Failed,
    ];

    /// As metrics and the log call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainText => "plain_text",
            Self::NotTls => "not_tls",
            Self::Ended => "ended",
            Self::Slow => "slow",
            Self::Incompatible => "incompatible",
            Self::NoProtocol => "no_protocol",
            Self::NoCertificate => "no_certificate",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::WrongName => "wrong_name",
            Self::BadCertificate => "bad_certificate",
            Self::RefusedByPeer => "refused_by_peer",
            Self::Failed => "failed",
        }
    }

    /// What happened, for the log: a phrase of which the peer is the subject.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::PlainText => "speaks plain text where TLS is spoken",
            Self::NotTls => "sends what is no TLS",
            Self::Ended => "ended the connection in the handshake",
            Self::Slow => "took too long for the handshake",
            Self::Incompatible => "has no version or cipher of TLS in common with this side",
            Self::NoProtocol => "has no protocol (ALPN) in common with this side",
            Self::NoCertificate => "shows no certificate",
            Self::UnknownIssuer => {
                "shows a certificate that leads to no anchor: another authority, or an intermediate certificate is missing"
            }
            Self::Expired => "shows a certificate that has expired",
            Self::NotYetValid => "shows a certificate that is not valid yet",
            Self::Revoked => "shows a certificate that was revoked",
            Self::RevocationUnknown => "shows a certificate for whose issuer there is no valid revocation list",
            Self::WrongName => "shows a certificate of another name",
            Self::BadCertificate => "shows a certificate that is of no use here",
            Self::RefusedByPeer => "refuses this side: its certificate, or that it shows none",
            Self::Failed => "broke the handshake",
        }
    }
}
