//! `[tls.NAME]`.

use super::kinds::{Flag, Text, Texts, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::Tls;

/// `[tls.NAME]`
pub(in crate::config) static TLS: &[Setting<Tls>] = &[
    Setting {
        key: "cert",
        field: &Of(|tls: &mut Tls| &mut tls.cert, Texts("a path or a list of them")),
        default: Standard::Words("none; listeners must have one"),
        example: r#""server.crt""#,
        doc: "Files of certificates in PEM, each with those that lead to a root behind it. A listener with several shows \
              the one that has the name the client asks for, else the first. To nodes: what they are shown if they ask.",
    },
    Setting {
        key: "key",
        field: &Of(|tls: &mut Tls| &mut tls.key, Texts("a path or a list of them")),
        default: Standard::Words("the file of `cert`"),
        example: r#""server.key""#,
        doc: "Files of their keys in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted), in the order of `cert`.",
    },
    Setting {
        key: "client_ca",
        field: &Of(|tls: &mut Tls| &mut tls.client_ca, Texts("a path or a list of them")),
        default: Standard::Words("none: clients show no certificate"),
        example: r#""ca.crt""#,
        doc: "Listeners: files of anchors. Clients must show a certificate that leads to one of them. An intermediate \
              certificate may be one, without its root.",
    },
    Setting {
        key: "client",
        field: &Of(|tls: &mut Tls| &mut tls.client, Text("`\"required\"` or `\"optional\"`")),
        default: Standard::Words("`\"required\"`"),
        example: r#""optional""#,
        doc: "Listeners with `client_ca`: whether a client without a certificate is let in. One with a certificate that \
              is not good never is.",
    },
    Setting {
        key: "client_names",
        field: &Of(|tls: &mut Tls| &mut tls.client_names, Texts("a name or a list of them")),
        default: Standard::Words("any name"),
        example: r#"["participant1", "*.bank-a.example"]"#,
        doc: "Listeners with `client_ca`: names of which a client's certificate must have one, as its common name, an \
              alternative name or its whole subject. `*` stands for any run of characters without a dot.",
    },
    Setting {
        key: "identity",
        field: &Of(|tls: &mut Tls| &mut tls.identity, Text("a field name")),
        default: Standard::Words("none"),
        example: r#""X-Client-Name""#,
        doc: "HTTP listeners with `client_ca`: the request field that tells nodes the common name of the client's \
              certificate (or its first alternative name). What a client itself sends in it is always taken away.",
    },
    Setting {
        key: "handshake",
        field: &Of(|tls: &mut Tls| &mut tls.handshake, Time),
        default: Standard::Time(defaults::HANDSHAKE),
        example: r#""5s""#,
        doc: "Listeners: longest time for a handshake. To nodes it is a part of the pool's `connect`.",
    },
    Setting {
        key: "ca",
        field: &Of(|tls: &mut Tls| &mut tls.ca, Texts("a path or a list of them")),
        default: Standard::Words("must be set for pools, unless `verify = \"off\"`"),
        example: r#""ca.crt""#,
        doc: "Pools: files of anchors that the nodes' certificates must lead to.",
    },
    Setting {
        key: "verify",
        field: &Of(|tls: &mut Tls| &mut tls.verify, Text("`\"full\"` or `\"off\"`")),
        default: Standard::Words("`\"full\"`"),
        example: r#""off""#,
        doc: "Pools: whether nodes' certificates are verified. With `\"off\"` whoever gets in between reads and changes \
              all that is sent, and `check` says so.",
    },
    Setting {
        key: "name",
        field: &Of(|tls: &mut Tls| &mut tls.name, Text("a host name or an address")),
        default: Standard::Words("the host that each node is configured with"),
        example: r#""sequencer.internal""#,
        doc: "Pools: the name that nodes' certificates must have, as an alternative name, and that is asked for (SNI).",
    },
    Setting {
        key: "sni",
        field: &Of(|tls: &mut Tls| &mut tls.sni, Flag),
        default: Standard::Words("`true`"),
        example: "false",
        doc: "Pools: whether nodes are told the name that is asked for.",
    },
    Setting {
        key: "crl",
        field: &Of(|tls: &mut Tls| &mut tls.crl, Texts("a path or a list of them")),
        default: Standard::Words("none: nothing counts as revoked"),
        example: r#"["intermediate.crl", "root.crl"]"#,
        doc: "Files of revocation lists in PEM. With any, each certificate below an anchor must have a list of its issuer \
              that has not expired and does not name it.",
    },
    Setting {
        key: "versions",
        field: &Of(|tls: &mut Tls| &mut tls.versions, Texts("`\"1.3\"`, `\"1.2\"` or both")),
        default: Standard::Words("`[\"1.3\", \"1.2\"]`"),
        example: r#""1.3""#,
        doc: "Versions of TLS that are spoken.",
    },
];
