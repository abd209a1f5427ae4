//! What breaks a rule ends its stream or its connection, with the code that RFC 9113 gives it.

use mainstay_wire::h2::{Limits, PREFACE, Role};

use super::support::{End, frame, request};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

/// A field block of a whole request, as literals.
fn block(more: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in request(more).iter() {
        bytes.push(0);
        for text in [field.name, field.value] {
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

/// What a server says of the frames, behind a good start: its last event or its end.
fn verdict(frames: &[Vec<u8>]) -> String {
    let mut answers = Vec::new();
    for cut in [usize::MAX, 1] {
        let mut server = End::new(Role::Server, Limits::default());
        server.releases = false;
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[]));
        bytes.extend(frames.concat());
        let mut result = Ok(());
        for piece in bytes.chunks(cut) {
            result = server.take(piece);
            if result.is_err() {
                break;
            }
        }
        answers.push(match result {
            Err(ended) => format!("{}: {}", ended.code, ended.why),
            Ok(()) => server.seen.last().cloned().unwrap_or_default(),
        });
    }
    assert_eq!(answers[0], answers[1], "the same at once and byte by byte");
    answers.swap_remove(0)
}

fn open(end: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | end, 1, &block(&[]))
}

fn check(frames: &[Vec<u8>], expect: &str) {
    assert_eq!(verdict(frames), expect, "{frames:02x?}");
}

#[test]
fn connections_that_do_not_begin_well() {
    for (bytes, expect) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), "protocol_error: the connection does not start with the preface of HTTP/2"),
        ([PREFACE.to_vec(), frame(PING, 0, 0, &[0; 8])].concat(), "protocol_error: the first frame is not SETTINGS"),
        ([PREFACE.to_vec(), frame(SETTINGS, 1, 0, &[])].concat(), "protocol_error: the first frame is not SETTINGS"),
    ] {
        let ended = End::new(Role::Server, Limits::default()).take(&bytes).unwrap_err();
        assert_eq!(format!("{}: {}", ended.code, ended.why), expect);
    }
}

#[test]
fn frames_of_a_wrong_size() {
    let long = vec![DATA_HEAD_OF_16385.to_vec()];
    check(&long, "frame_size_error: a frame is larger than was allowed");
    check(&[frame(SETTINGS, 0, 0, &[0; 5])], "frame_size_error: SETTINGS of a wrong size");
    check(&[frame(SETTINGS, 1, 0, &[0; 6])], "frame_size_error: an acknowledgement of SETTINGS has a payload");
    check(&[frame(PING, 0, 0, &[0; 7])], "frame_size_error: PING of a wrong size");
    check(&[frame(GOAWAY, 0, 0, &[0; 7])], "frame_size_error: GOAWAY of a wrong size");
    check(&[frame(WINDOW, 0, 0, &[0; 3])], "frame_size_error: WINDOW_UPDATE of a wrong size");
    check(&[open(0), frame(RESET, 0, 1, &[0; 3])], "frame_size_error: RST_STREAM of a wrong size");
    check(&[open(0), frame(PRIORITY, 0, 1, &[0; 4])], "broken 1 frame_size_error: PRIORITY of a wrong size");
    check(&[frame(HEADERS, PADDED | END_HEADERS, 1, &[])], "frame_size_error: HEADERS is too short");
    check(&[frame(HEADERS, WITH_PRIORITY, 1, &[0; 4])], "frame_size_error: HEADERS is too short");
}

#[test]
fn frames_where_they_must_not_be() {
    let never_opened = "protocol_error: a frame on a stream that was never opened";
    check(&[frame(DATA, 0, 1, b"x")], never_opened);
    check(&[frame(DATA, 0, 0, b"x")], never_opened);
    check(&[frame(RESET, 0, 1, &[0; 4])], never_opened);
    check(&[frame(WINDOW, 0, 1, &[0, 0, 0, 1])], never_opened);
    check(&[open(0), frame(WINDOW, 0, 2, &[0, 0, 0, 1])], never_opened);
    check(&[frame(SETTINGS, 0, 1, &[])], "protocol_error: SETTINGS on a stream");
    check(&[frame(PING, 0, 1, &[0; 8])], "protocol_error: PING on a stream");
    check(&[frame(GOAWAY, 0, 1, &[0; 8])], "protocol_error: GOAWAY on a stream");
    check(&[frame(HEADERS, END_HEADERS, 0, &block(&[]))], "protocol_error: HEADERS on stream 0");
    check(&[frame(PRIORITY, 0, 0, &[0; 5])], "protocol_error: PRIORITY on stream 0");
    check(&[frame(PUSH, 0, 1, &[0; 4])], "protocol_error: PUSH_PROMISE, which was never allowed");
    check(&[frame(CONTINUATION, 0, 1, &[])], "protocol_error: CONTINUATION without a field block");
    let half = frame(HEADERS, 0, 1, &block(&[])[..4]);
    check(&[half.clone(), frame(PING, 0, 0, &[0; 8])], "protocol_error: another frame within a field block");
    check(&[half, frame(CONTINUATION, 0, 3, &[])], "protocol_error: another frame within a field block");
    let even = frame(HEADERS, END_HEADERS, 2, &block(&[]));
    check(&[even], "protocol_error: HEADERS on a stream that cannot be opened");
    let third = frame(HEADERS, END_HEADERS, 3, &block(&[]));
    check(&[third, open(0)], "protocol_error: HEADERS on a stream that cannot be opened");
}

#[test]
fn what_comes_behind_the_end() {
    let after_end = "broken 1 stream_closed: DATA behind the end of a stream";
    check(&[open(END_STREAM), frame(DATA, 0, 1, b"x")], after_end);
    let head = "broken 1 stream_closed: HEADERS behind the end of a stream";
    check(&[open(END_STREAM), open(0)], head);
    let reset = frame(RESET, 0, 1, &[0, 0, 0, 8]);
    check(&[open(0), reset.clone(), frame(DATA, 0, 1, b"x")], "reset 1 cancel");
    check(&[open(0), reset.clone(), open(0)], "reset 1 cancel");
    check(&[open(0), reset, frame(WINDOW, 0, 1, &[0, 0, 0, 1])], "reset 1 cancel");
}

#[test]
fn padding_and_priorities() {
    check(&[open(0), frame(DATA, PADDED, 1, &[2, b'x', 0, 0])], "data 1: x");
    check(&[open(0), frame(DATA, PADDED | END_STREAM, 1, &[2, b'x', 0, 0])], "data 1: x.");
    check(&[open(0), frame(DATA, PADDED | END_STREAM, 1, &[1, 0])], "data 1: .");
    check(&[open(0), frame(DATA, END_STREAM, 1, &[])], "data 1: .");
    check(&[open(0), frame(DATA, PADDED, 1, &[4, b'x', 0, 0])], "protocol_error: more padding than payload");
    check(&[open(0), frame(DATA, PADDED, 1, &[])], "protocol_error: more padding than payload");
    check(&[frame(HEADERS, PADDED | END_HEADERS, 1, &[9, 0])], "protocol_error: more padding than payload");
    let itself = [&[0, 0, 0, 1, 7][..], &block(&[])].concat();
    let depends = "broken 1 protocol_error: a stream that depends on itself";
    check(&[frame(HEADERS, WITH_PRIORITY | END_HEADERS, 1, &itself)], depends);
    check(&[open(0), frame(PRIORITY, 0, 1, &[0x80, 0, 0, 1, 7])], depends);
}

#[test]
fn windows_and_settings_beyond_their_bounds() {
    let nothing = "protocol_error: WINDOW_UPDATE by nothing";
    check(&[frame(WINDOW, 0, 0, &[0; 4])], nothing);
    check(&[open(0), frame(WINDOW, 0, 1, &[0; 4])], &format!("broken 1 {nothing}"));
    let too_large = "flow_control_error: a window larger than a window can be";
    check(&[frame(WINDOW, 0, 0, &[0x7F, 0xFF, 0xFF, 0xFF])], too_large);
    check(&[open(0), frame(WINDOW, 0, 1, &[0x7F, 0xFF, 0xFF, 0xFF])], &format!("broken 1 {too_large}"));
    let setting = |id: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat());
    check(&[setting(2, 2)], "protocol_error: a setting beyond its bounds");
    check(&[setting(4, 1 << 31)], "flow_control_error: a setting beyond its bounds");
    check(&[setting(5, 16_383)], "protocol_error: a setting beyond its bounds");
    check(&[setting(5, 1 << 24)], "protocol_error: a setting beyond its bounds");
    check(&[setting(99, 1)], "settings");
    check(&[open(0), frame(WINDOW, 0, 1, &[0x7F, 0xFF, 0, 0]), setting(4, 131_072)], too_large);
    let piece = frame(DATA, 0, 1, &[0; 16_384]);
    let five: Vec<_> = std::iter::once(open(0)).chain(std::iter::repeat_n(piece, 4)).collect();
    check(&five, "broken 1 flow_control_error: more data than the stream's window");
}

#[test]
fn messages_that_are_malformed() {
    let head = |more: &[(&str, &str)], end| frame(HEADERS, END_HEADERS | end, 1, &block(more));
    let check_head = |more: &[(&str, &str)], why: &str| {
        check(&[head(more, 0)], &format!("broken 1 protocol_error: {why}"));
    };
    check_head(&[("X-A", "1")], "a field name that is no token in lower case");
    check_head(&[("connection", "close")], "a field about the connection");
    check_head(&[("x", "a\r\nb: c")], "a control byte in a field value");
    let short = "broken 1 protocol_error: a body is shorter than its content-length";
    check(&[head(&[("content-length", "5")], END_STREAM)], short);
    check(&[head(&[("content-length", "5")], 0), frame(DATA, END_STREAM, 1, b"1234")], short);
    let long = "broken 1 protocol_error: a body is longer than its content-length";
    check(&[head(&[("content-length", "3")], 0), frame(DATA, 0, 1, b"1234")], long);
    let second = "broken 1 protocol_error: a second head that is not the end of its stream";
    check(&[open(0), open(0)], second);
    let pseudo = "broken 1 protocol_error: a pseudo-header field in trailers";
    check(&[open(0), open(END_STREAM)], pseudo);
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0, 1, b'x', 1, b'1']);
    check(&[open(0), trailers], "trailers 1 x=1");
    check(&[frame(HEADERS, END_HEADERS, 1, &[0x80])], "compression_error: a field block cannot be read");
}

/// The head of a DATA frame with one byte more than is allowed.
const DATA_HEAD_OF_16385: [u8; 9] = [0, 0x40, 0x01, DATA, 0, 0, 0, 0, 1];
