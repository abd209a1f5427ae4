//! The table of directives. Where it says nothing else, the meaning is nginx's.

use super::table::place::{
    EVENTS, FREE, HTTP, LOCATION, MAIN, MATCH, SERVER, STREAM, STREAM_MATCH, STREAM_SERVER, STREAM_UPSTREAM, UPSTREAM,
};
use super::table::{ANY, Known, Treat, Verdict};

use Verdict::{Fits, Note, Refused};

const HSL: u16 = HTTP | SERVER | LOCATION;
const SL: u16 = SERVER | LOCATION;
const HS: u16 = HTTP | SERVER;
const S: u16 = STREAM | STREAM_SERVER;
const UP: u16 = UPSTREAM | STREAM_UPSTREAM;

/// Every directive that may stand in a file.
pub(super) const KNOWN: &[Known] = &[
    // The process.
    note("user", MAIN, (1, 2), "Mainstay runs as the user that starts it"),
    note(
        "worker_processes",
        MAIN,
        (1, 1),
        "Mainstay starts a worker on each core; `workers` of `[run]` says otherwise",
    ),
    note("worker_cpu_affinity", MAIN, (1, ANY), PROCESS),
    note("worker_priority", MAIN, (1, 1), PROCESS),
    note("worker_rlimit_core", MAIN, (1, 1), PROCESS),
    note("worker_rlimit_nofile", MAIN, (1, 1), "Mainstay raises its limit of open files as far as it may"),
    used("worker_shutdown_timeout", MAIN, (1, 1)),
    note("working_directory", MAIN, (1, 1), PROCESS),
    note("pid", MAIN, (1, 1), "Mainstay writes no pid file; its service manager knows its process"),
    note("lock_file", MAIN, (1, 1), PROCESS),
    note("daemon", MAIN, (1, 1), "Mainstay stays in the foreground"),
    note("master_process", MAIN, (1, 1), "Mainstay is one process"),
    many(note("load_module", MAIN, (1, 1), "nothing is loaded; what Mainstay can do is built in")),
    many(note("env", MAIN, (1, 1), PROCESS)),
    note("thread_pool", MAIN, (2, 3), PROCESS),
    note("pcre_jit", MAIN, (1, 1), PROCESS),
    note("timer_resolution", MAIN, (1, 1), PROCESS),
    note("debug_points", MAIN, (1, 1), PROCESS),
    many(note("error_log", MAIN | HSL | S, (1, 2), "Mainstay logs to standard error; `to` of `[log]` names a file")),
    block("events", MAIN, (0, 0), EVENTS),
    note("worker_connections", EVENTS, (1, 1), "Mainstay bounds connections per listener: `connections` of `[limit]`"),
    note("use", EVENTS, (1, 1), PROCESS),
    note("multi_accept", EVENTS, (1, 1), PROCESS),
    note("accept_mutex", EVENTS, (1, 1), "each worker has its own listening sockets"),
    note("accept_mutex_delay", EVENTS, (1, 1), "each worker has its own listening sockets"),
    note("worker_aio_requests", EVENTS, (1, 1), PROCESS),
    many(note("debug_connection", EVENTS, (1, 1), PROCESS)),
    block("http", MAIN, (0, 0), HTTP),
    block("stream", MAIN, (0, 0), STREAM),
    refused_block("mail", MAIN, (0, 0), "Mainstay carries no mail"),
    // Servers and locations.
    many(block("server", HTTP, (0, 0), SERVER)),
    many(used("listen", SERVER | STREAM_SERVER, (1, ANY))),
    many(used("server_name", SERVER, (1, ANY))),
    many(block("location", SL, (1, 2), LOCATION)),
    used("internal", LOCATION, (0, 0)),
    used("return", SL, (1, 2)),
    many(used("error_page", HSL, (2, ANY))),
    used("proxy_intercept_errors", HSL, (1, 1)),
    used("default_type", HSL, (1, 1)),
    many(used("add_header", HSL, (2, 3))),
    many(used("mirror", HSL, (1, 1))),
    values("mirror_request_body", HSL, &[("on", Fits), ("off", Refused("copies are made with their body"))]),
    refused_block("if", SL, (1, ANY), "conditions are not supported"),
    refused_block("limit_except", LOCATION, (1, ANY), "Mainstay does not restrict methods"),
    // What clients may do.
    used("client_max_body_size", HSL, (1, 1)),
    used("client_header_timeout", HS, (1, 1)),
    used("client_body_timeout", HSL, (1, 1)),
    used("send_timeout", HSL, (1, 1)),
    used("keepalive_timeout", HSL, (1, 2)),
    used("keepalive_requests", HSL, (1, 1)),
    used("large_client_header_buffers", HS, (2, 2)),
    note("keepalive_time", HSL | UPSTREAM, (1, 1), "connections are bounded by idle time and requests, not by age"),
    values("keepalive_disable", HSL, &[("none", Fits), ("msie6", Note("nobody is refused keep-alive"))]),
    fits("client_header_buffer_size", HS, (1, 1)),
    fits("client_body_buffer_size", HSL, (1, 1)),
    fits("client_body_temp_path", HSL, (1, 4)),
    fits("client_body_in_single_buffer", HSL, (1, 1)),
    values("client_body_in_file_only", HSL, &[("off", Fits), ("on", Refused(FILES)), ("clean", Refused(FILES))]),
    fits("connection_pool_size", HS, (1, 1)),
    fits("request_pool_size", HS, (1, 1)),
    fits("lingering_close", HSL, (1, 1)),
    fits("lingering_time", HSL, (1, 1)),
    fits("lingering_timeout", HSL, (1, 1)),
    fits("reset_timedout_connection", HSL, (1, 1)),
    // How bytes reach the client.
    values("sendfile", HSL, SWITCH),
    fits("sendfile_max_chunk", HSL, (1, 1)),
    values("tcp_nopush", HSL, SWITCH),
    values("tcp_nodelay", HSL | S, SWITCH),
    fits("aio", HSL, (1, 1)),
    fits("directio", HSL, (1, 1)),
    fits("output_buffers", HSL, (2, 2)),
    fits("postpone_output", HSL, (1, 1)),
    values("chunked_transfer_encoding", HSL, &[("on", Fits), ("off", Refused("HTTP/1.1 needs it"))]),
    values("server_tokens", HSL, &[("on", Fits), ("off", Fits), ("build", Fits)]),
    values("etag", HSL, SWITCH),
    fits("if_modified_since", HSL, (1, 1)),
    fits("max_ranges", HSL, (1, 1)),
    free("types", HSL, (0, 0)),
    values("charset", HSL, &[("off", Fits), ("utf-8", Note(AS_GIVEN)), ("UTF-8", Note(AS_GIVEN))]),
    values("gzip", HSL, &[("off", Fits), ("on", Note("answers go on as the node gives them, not compressed"))]),
    fits("gzip_types", HSL, (1, ANY)),
    fits("gzip_min_length", HSL, (1, 1)),
    fits("gzip_comp_level", HSL, (1, 1)),
    fits("gzip_proxied", HSL, (1, ANY)),
    fits("gzip_vary", HSL, (1, 1)),
    fits("gzip_buffers", HSL, (2, 2)),
    fits("gzip_disable", HSL, (1, ANY)),
    fits("gzip_http_version", HSL, (1, 1)),
    fits("types_hash_max_size", HSL, (1, 1)),
    fits("types_hash_bucket_size", HSL, (1, 1)),
    fits("server_names_hash_max_size", HTTP, (1, 1)),
    fits("server_names_hash_bucket_size", HTTP, (1, 1)),
    fits("variables_hash_max_size", HTTP | STREAM, (1, 1)),
    fits("variables_hash_bucket_size", HTTP | STREAM, (1, 1)),
    fits("map_hash_max_size", HTTP | STREAM, (1, 1)),
    fits("map_hash_bucket_size", HTTP | STREAM, (1, 1)),
    values("absolute_redirect", HSL, SWITCH),
    values("server_name_in_redirect", HSL, &[("off", Fits), ("on", Note("redirects carry the text they are given"))]),
    values("port_in_redirect", HSL, SWITCH),
    values("merge_slashes", HS, &[("off", Fits), ("on", Note("paths are compared and passed on as they come"))]),
    values("underscores_in_headers", HS, &[("on", Fits), ("off", Note("fields with underscores go on to the node"))]),
    values(
        "ignore_invalid_headers",
        HS,
        &[
            ("on", Note("a request with an invalid field gets 400")),
            ("off", Refused("a request with an invalid field gets 400")),
        ],
    ),
    values("recursive_error_pages", HSL, &[("off", Fits), ("on", Refused("an error page has no error page"))]),
    // Logs.
    many(note("log_format", HTTP | STREAM, (2, ANY), "Mainstay's access log has a form of its own")),
    many(used("access_log", HSL | S, (1, ANY))),
    values("log_not_found", HSL, SWITCH),
    values("log_subrequest", HSL, SWITCH),
    fits("open_log_file_cache", HSL | S, (1, 4)),
    // Files, which Mainstay serves none of.
    refused("root", HSL, (1, 1), FILES),
    refused("alias", LOCATION, (1, 1), FILES),
    refused("try_files", SL, (2, ANY), FILES),
    refused("autoindex", HSL, (1, 1), FILES),
    note("index", HSL, (1, ANY), FILES),
    fits("open_file_cache", HSL, (1, 2)),
    fits("open_file_cache_errors", HSL, (1, 1)),
    fits("open_file_cache_min_uses", HSL, (1, 1)),
    fits("open_file_cache_valid", HSL, (1, 1)),
    // Towards nodes.
    used("proxy_pass", LOCATION, (1, 1)),
    used("proxy_next_upstream", HSL, (1, ANY)),
    used("proxy_next_upstream_tries", HSL | S, (1, 1)),
    used("proxy_next_upstream_timeout", HSL | S, (1, 1)),
    used("proxy_connect_timeout", HSL | S, (1, 1)),
    used("proxy_send_timeout", HSL, (1, 1)),
    used("proxy_read_timeout", HSL, (1, 1)),
    many(used("proxy_set_header", HSL, (2, 2))),
    values(
        "proxy_http_version",
        HSL,
        &[
            ("1.0", Note("nodes are spoken to in HTTP/1.1, on connections that are kept")),
            ("1.1", Fits),
            ("2", Refused("`proxy_pass` speaks HTTP/1.1 to nodes; `grpc_pass` speaks HTTP/2")),
        ],
    ),
    values("proxy_buffering", HSL, SWITCH),
    used("proxy_request_buffering", HSL, (1, 1)),
    fits("proxy_buffer_size", HSL | S, (1, 1)),
    fits("proxy_buffers", HSL, (2, 2)),
    fits("proxy_busy_buffers_size", HSL, (1, 1)),
    fits("proxy_max_temp_file_size", HSL, (1, 1)),
    fits("proxy_temp_file_write_size", HSL, (1, 1)),
    fits("proxy_temp_path", HSL, (1, 4)),
    fits("proxy_headers_hash_max_size", HSL, (1, 1)),
    fits("proxy_headers_hash_bucket_size", HSL, (1, 1)),
    values(
        "proxy_ignore_client_abort",
        HSL,
        &[("off", Fits), ("on", Refused("a request whose client has left is given up"))],
    ),
    values("proxy_pass_request_headers", HSL, &[("on", Fits), ("off", Refused("requests go on with their fields"))]),
    values("proxy_pass_request_body", HSL, &[("on", Fits), ("off", Refused("requests go on with their body"))]),
    values("proxy_socket_keepalive", HSL | S, SWITCH),
    values("proxy_redirect", HSL, &[("off", Fits), ("default", Note("Location goes on as the node gives it"))]),
    values("proxy_cookie_domain", HSL, &[("off", Fits)]),
    values("proxy_cookie_path", HSL, &[("off", Fits)]),
    values("proxy_cache", HSL, &[("off", Fits)]),
    values("proxy_store", HSL, &[("off", Fits)]),
    values("proxy_force_ranges", HSL, &[("off", Fits)]),
    many(fits("proxy_ignore_headers", HSL, (1, ANY))),
    many(fits("proxy_pass_header", HSL, (1, 1))),
    many(used("health_check", LOCATION | STREAM_SERVER, (0, ANY))),
    // Pools.
    many(block("upstream", HTTP, (1, 1), UPSTREAM)),
    many(block("upstream", STREAM, (1, 1), STREAM_UPSTREAM)),
    many(used("server", UP, (1, ANY))),
    used("keepalive", UPSTREAM, (1, 2)),
    used("keepalive_requests", UPSTREAM, (1, 1)),
    used("keepalive_timeout", UPSTREAM, (1, 1)),
    used("least_conn", UP, (0, 0)),
    used("ip_hash", UPSTREAM, (0, 0)),
    used("hash", UP, (1, 2)),
    used("random", UP, (0, 2)),
    used("queue", UPSTREAM, (1, 2)),
    fits("zone", UP, (1, 2)),
    refused("least_time", UP, (1, 2), "nodes are not picked by their times; `least_conn` is near to it"),
    refused("sticky", UPSTREAM, (1, ANY), "sessions are not pinned; `hash` keeps a key on one node"),
    refused("ntlm", UPSTREAM, (0, 0), "connections are not pinned to clients"),
    refused("state", UP, (1, 1), "nodes are read from the configuration only"),
    many(note("resolver", HSL | S | UP, (1, ANY), "names are looked up by the system's resolver")),
    note("resolver_timeout", HSL | S | UP, (1, 1), "names are looked up in the background; nothing waits for them"),
    // Checks.
    many(block("match", HTTP, (1, 1), MATCH)),
    many(block("match", STREAM, (1, 1), STREAM_MATCH)),
    many(used("status", MATCH, (1, ANY))),
    many(used("header", MATCH, (1, ANY))),
    many(used("body", MATCH, (2, 2))),
    many(refused("require", MATCH, (1, ANY), "variables of an answer are not compared")),
    used("send", STREAM_MATCH, (1, 1)),
    used("expect", STREAM_MATCH, (1, 2)),
    // TCP.
    many(block("server", STREAM, (0, 0), STREAM_SERVER)),
    used("proxy_pass", STREAM_SERVER, (1, 1)),
    used("proxy_timeout", S, (1, 1)),
    used("proxy_next_upstream", S, (1, 1)),
    values("proxy_half_close", S, &[("on", Fits), ("off", Note("when one side ends, the other may still speak"))]),
    values("proxy_protocol", S, &[("off", Fits), ("on", Refused("sessions go on without a PROXY header"))]),
    values("ssl_preread", S, &[("off", Fits), ("on", Refused(TLS))]),
    used("proxy_ssl", S, (1, 1)),
    used("ssl_handshake_timeout", S, (1, 1)),
    fits("preread_buffer_size", S, (1, 1)),
    fits("preread_timeout", S, (1, 1)),
    // TLS.
    many(used("ssl_certificate", HS | S, (1, 1))),
    many(used("ssl_certificate_key", HS | S, (1, 1))),
    used("ssl_client_certificate", HS | S, (1, 1)),
    used("ssl_trusted_certificate", HS | S, (1, 1)),
    used("ssl_crl", HS | S, (1, 1)),
    used("ssl_verify_client", HS | S, (1, 1)),
    used("ssl_protocols", HS | S, (1, ANY)),
    note("ssl_ciphers", HS | S, (1, 1), CIPHERS),
    note("ssl_ecdh_curve", HS | S, (1, 1), CIPHERS),
    note("ssl_dhparam", HS | S, (1, 1), CIPHERS),
    note("ssl_verify_depth", HS | S, (1, 1), "chains are followed as far as they lead"),
    fits("ssl_prefer_server_ciphers", HS | S, (1, 1)),
    fits("ssl_session_cache", HS | S, (1, 2)),
    note("ssl_session_timeout", HS | S, (1, 1), SESSIONS),
    values("ssl_session_tickets", HS | S, &[("on", Fits), ("off", Note(SESSIONS))]),
    fits("ssl_buffer_size", HS, (1, 1)),
    values("ssl_early_data", HS, &[("off", Fits), ("on", Note("requests are not taken before the handshake is done"))]),
    values("ssl_stapling", HS, &[("off", Fits), ("on", Note("no OCSP answers are sent along"))]),
    many(used("proxy_ssl_certificate", HSL | S, (1, 1))),
    many(used("proxy_ssl_certificate_key", HSL | S, (1, 1))),
    used("proxy_ssl_trusted_certificate", HSL | S, (1, 1)),
    used("proxy_ssl_crl", HSL | S, (1, 1)),
    used("proxy_ssl_verify", HSL | S, (1, 1)),
    used("proxy_ssl_name", HSL | S, (1, 1)),
    used("proxy_ssl_server_name", HSL | S, (1, 1)),
    used("proxy_ssl_protocols", HSL | S, (1, ANY)),
    note("proxy_ssl_ciphers", HSL | S, (1, 1), CIPHERS),
    note("proxy_ssl_verify_depth", HSL | S, (1, 1), "chains are followed as far as they lead"),
    values("proxy_ssl_session_reuse", HSL | S, &[("on", Fits), ("off", Note(SESSIONS))]),
    // HTTP/2 and calls of gRPC.
    used("http2", HS, (1, 1)),
    used("grpc_pass", LOCATION, (1, 1)),
    used("grpc_next_upstream", HSL, (1, ANY)),
    used("grpc_next_upstream_tries", HSL, (1, 1)),
    used("grpc_next_upstream_timeout", HSL, (1, 1)),
    used("grpc_connect_timeout", HSL, (1, 1)),
    used("grpc_send_timeout", HSL, (1, 1)),
    used("grpc_read_timeout", HSL, (1, 1)),
    many(used("grpc_set_header", HSL, (2, 2))),
    used("grpc_intercept_errors", HSL, (1, 1)),
    fits("grpc_buffer_size", HSL, (1, 1)),
    values("grpc_socket_keepalive", HSL, SWITCH),
    many(fits("grpc_ignore_headers", HSL, (1, ANY))),
    many(fits("grpc_pass_header", HSL, (1, 1))),
    many(refused("grpc_hide_header", HSL, (1, 1), "the node's fields go on to the client")),
    refused("grpc_bind", HSL, (1, 2), "connections to nodes leave from the address the system picks"),
    many(used("grpc_ssl_certificate", HSL, (1, 1))),
    many(used("grpc_ssl_certificate_key", HSL, (1, 1))),
    used("grpc_ssl_trusted_certificate", HSL, (1, 1)),
    used("grpc_ssl_crl", HSL, (1, 1)),
    used("grpc_ssl_verify", HSL, (1, 1)),
    used("grpc_ssl_name", HSL, (1, 1)),
    used("grpc_ssl_server_name", HSL, (1, 1)),
    used("grpc_ssl_protocols", HSL, (1, ANY)),
    note("grpc_ssl_ciphers", HSL, (1, 1), CIPHERS),
    note("grpc_ssl_verify_depth", HSL, (1, 1), "chains are followed as far as they lead"),
    values("grpc_ssl_session_reuse", HSL, &[("on", Fits), ("off", Note(SESSIONS))]),
    // What is known and not done.
    many(refused("rewrite", SL, (2, 3), "targets go on byte for byte; `proxy_pass` with a path swaps a prefix")),
    many(refused("set", SL, (2, 2), VARIABLES)),
    many(Known { opens: FREE, ..used("map", HTTP, (2, 2)) }),
    many(refused_block("map", STREAM, (2, 2), VARIABLES)),
    many(refused_block("geo", HTTP | STREAM, (1, 2), VARIABLES)),
    many(refused_block("split_clients", HTTP | STREAM, (2, 2), VARIABLES)),
    many(refused("allow", HSL | S, (1, 1), ACCESS)),
    many(refused("deny", HSL | S, (1, 1), ACCESS)),
    refused("satisfy", HSL, (1, 1), ACCESS),
    many(refused("proxy_hide_header", HSL, (1, 1), "the node's fields go on to the client")),
    refused("proxy_method", HSL, (1, 1), "requests keep their method"),
    refused("proxy_set_body", HSL, (1, 1), "requests keep their body"),
    refused("proxy_bind", HSL | S, (1, 2), "connections to nodes leave from the address the system picks"),
    refused("proxy_limit_rate", HSL, (1, 1), RATES),
    refused("proxy_upload_rate", S, (1, 1), RATES),
    refused("proxy_download_rate", S, (1, 1), RATES),
    many(refused("sub_filter", HSL, (2, 2), "answers go on as the node gives them")),
    refused("expires", HSL, (1, 2), "answers go on as the node gives them; `add_header` adds a field"),
    refused("stub_status", SL, (0, 1), "Mainstay's admin listener has `/metrics` and `/status`"),
    many(refused("set_real_ip_from", HSL | S, (1, 1), "the client is who connects")),
    refused("real_ip_header", HSL, (1, 1), "the client is who connects"),
];

/// Names that are nginx's and begin so, with why they are refused.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    ("ssl", TLS),
    ("proxy_ssl", TLS),
    ("http2_", "what a client may do over HTTP/2 is bounded by `streams` and the other keys of `[limit]`"),
    ("http3", OVER_TCP),
    ("quic", OVER_TCP),
    ("grpc_", "this is not supported"),
    ("fastcgi_", TO_NODES),
    ("uwsgi_", TO_NODES),
    ("scgi_", TO_NODES),
    ("memcached_", TO_NODES),
    ("proxy_cache", "answers are not kept"),
    ("proxy_cookie", "answers go on as the node gives them"),
    ("auth_", ACCESS),
    ("limit_", RATES),
    ("perl", "there is no scripting"),
    ("js_", "there is no scripting"),
    ("lua_", "there is no scripting"),
];

/// What a word of an `nginx.conf` outside every block can be; tells such a file from others.
pub(super) fn is_main(name: &str) -> bool {
    name == "include" || KNOWN.iter().any(|known| known.name == name && known.within & MAIN != 0)
}

const fn row(name: &'static str, within: u16, args: (usize, usize), treat: Treat) -> Known {
    Known { name, within, args, treat, many: false, opens: 0 }
}

const fn used(name: &'static str, within: u16, args: (usize, usize)) -> Known {
    row(name, within, args, Treat::Used)
}

const fn block(name: &'static str, within: u16, args: (usize, usize), opens: u16) -> Known {
    Known { opens, ..row(name, within, args, Treat::Used) }
}

const fn free(name: &'static str, within: u16, args: (usize, usize)) -> Known {
    Known { opens: FREE, ..row(name, within, args, Treat::All(Fits)) }
}

const fn fits(name: &'static str, within: u16, args: (usize, usize)) -> Known {
    row(name, within, args, Treat::All(Fits))
}

const fn note(name: &'static str, within: u16, args: (usize, usize), why: &'static str) -> Known {
    row(name, within, args, Treat::All(Note(why)))
}

const fn refused(name: &'static str, within: u16, args: (usize, usize), why: &'static str) -> Known {
    row(name, within, args, Treat::All(Refused(why)))
}

const fn refused_block(name: &'static str, within: u16, args: (usize, usize), why: &'static str) -> Known {
    Known { opens: FREE, ..refused(name, within, args, why) }
}

const fn values(name: &'static str, within: u16, values: &'static [(&'static str, Verdict)]) -> Known {
    row(name, within, (1, 1), Treat::Values(values))
}

const fn many(known: Known) -> Known {
    Known { many: true, ..known }
}

const SWITCH: &[(&str, Verdict)] = &[("on", Fits), ("off", Fits)];
const PROCESS: &str = "it is about nginx's own process";
const FILES: &str = "Mainstay serves and keeps no files";
const CIPHERS: &str = "Mainstay speaks the ciphers of TLS 1.3 and the safe ones of 1.2, and no others";
const SESSIONS: &str = "sessions may be gone on with; what was shown in them is judged again";
const TLS: &str = "this is not supported; `stream` carries TLS through untouched";
const VARIABLES: &str = "variables of one's own are not supported";
const ACCESS: &str = "Mainstay does not decide who may do what";
const OVER_TCP: &str = "Mainstay speaks HTTP/1 and HTTP/2 over TCP";
const TO_NODES: &str = "Mainstay speaks HTTP/1 and HTTP/2 to nodes";
const RATES: &str = "rates are not limited";
const AS_GIVEN: &str = "answers go on as the node gives them";
