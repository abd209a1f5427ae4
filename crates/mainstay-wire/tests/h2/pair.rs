//! Two of our ends against each other.

use mainstay_wire::h2::{Code, Limits, Opens, Role};

use super::support::{End, carry, fields, request};

fn pair(limits: Limits) -> (End, End) {
    (End::new(Role::Client, limits), End::new(Role::Server, limits))
}

/// A call with interim response, bodies and trailers both ways, as both ends saw it.
fn conversation(cut: usize) -> (Vec<String>, Vec<String>) {
    let (mut client, mut server) = pair(Limits::default());
    let id = client.connection.open(false).unwrap();
    assert!(client.connection.headers(
        id,
        request(&[("te", "trailers"), ("x-long", &"a1Z~".repeat(60))]).iter(),
        false
    ));
    assert_eq!(client.connection.data(id, b"hello ", false), 6);
    assert_eq!(client.connection.data(id, b"world", true), 5);
    carry(&mut client, &mut server, cut);
    assert!(server.connection.headers(id, fields(&[(":status", "103"), ("link", "</a>")]).iter(), false));
    assert!(server.connection.headers(
        id,
        fields(&[(":status", "200"), ("content-type", "application/grpc")]).iter(),
        false
    ));
    assert_eq!(server.connection.data(id, b"answer", false), 6);
    assert!(server.connection.headers(id, fields(&[("grpc-status", "0"), ("grpc-message", "")]).iter(), true));
    carry(&mut client, &mut server, cut);
    assert_eq!((client.connection.streams(), server.connection.streams()), (0, 0));
    assert!(client.connection.is_acknowledged() && server.connection.is_acknowledged());
    (client.messages(), server.messages())
}

#[test]
fn a_call_is_the_same_however_it_is_cut() {
    let whole = conversation(usize::MAX);
    assert_eq!(whole.1.len(), 2, "{whole:?}");
    assert!(whole.1[0].starts_with("head 1 false false :method=POST :scheme=http :path=/service/Method "));
    assert_eq!(whole.1[1], "data 1: hello world.");
    assert_eq!(
        whole.0,
        [
            "head 1 false true :status=103 link=</a>",
            "head 1 false false :status=200 content-type=application/grpc",
            "data 1: answer",
            "trailers 1 grpc-status=0 grpc-message=",
        ]
    );
    for cut in 1..40 {
        assert_eq!(conversation(cut), whole, "in pieces of {cut}");
    }
}

#[test]
fn windows_hold_back_what_is_not_released() {
    let limits = Limits { stream_window: 1000, ..Limits::default() };
    let (mut client, mut server) = pair(limits);
    carry(&mut client, &mut server, usize::MAX);
    let id = client.connection.open(false).unwrap();
    server.releases = false;
    assert!(client.connection.headers(id, request(&[]).iter(), false));
    let body = vec![b'x'; 2500];
    assert_eq!(client.connection.data(id, &body, true), 1000, "as much as the stream's window");
    assert_eq!(client.connection.data(id, &body[1000..], true), 0);
    carry(&mut client, &mut server, usize::MAX);
    server.connection.release(id, 400);
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.connection.room(id), 0, "given back in halves of a window");
    server.connection.release(id, 600);
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.connection.data(id, &body[1000..], true), 1000);
    carry(&mut client, &mut server, usize::MAX);
    server.connection.release(id, 1000);
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.connection.data(id, &body[2000..], true), 500);
    carry(&mut client, &mut server, usize::MAX);
    let body: usize =
        server.messages().iter().filter_map(|line| line.split_once(": ")).map(|(_, data)| data.len()).sum();
    assert_eq!(body, 2500 + ".".len());
}

#[test]
fn the_connection_s_window_is_shared() {
    let limits = Limits { stream_window: 60_000, connection_window: 65_535, ..Limits::default() };
    let (mut client, mut server) = pair(limits);
    carry(&mut client, &mut server, usize::MAX);
    server.releases = false;
    let body = vec![b'x'; 60_000];
    let ids = [client.connection.open(false).unwrap(), client.connection.open(false).unwrap()];
    for id in ids {
        assert!(client.connection.headers(id, request(&[]).iter(), false));
    }
    assert_eq!(client.connection.data(ids[0], &body, false), 60_000);
    assert_eq!(client.connection.data(ids[1], &body, false), 5535);
    carry(&mut client, &mut server, usize::MAX);
    server.connection.release(ids[0], 60_000);
    carry(&mut client, &mut server, usize::MAX);
    assert!(client.seen.contains(&"window 0".to_owned()));
    assert_eq!(client.connection.room(ids[1]), 54_465);
}

/// Streams of which nothing goes on keep so much of the connection's window for good.
fn beside_stuck_streams(stuck: usize, limits: Limits) -> usize {
    let (mut client, mut server) = pair(limits);
    carry(&mut client, &mut server, usize::MAX);
    server.releases = false;
    let mut open = || {
        let id = client.connection.open(false).unwrap();
        assert!(client.connection.headers(id, request(&[]).iter(), false));
        id
    };
    let (ids, moving): (Vec<u32>, u32) = ((0..stuck).map(|_| open()).collect(), open());
    for id in ids {
        assert_eq!(client.connection.data(id, &[b'x'; 10_000], false), 10_000);
        carry(&mut client, &mut server, usize::MAX);
    }
    let mut sent = 0;
    while sent < 200_000 {
        let more = client.connection.data(moving, &[b'x'; 1000], false);
        if more == 0 {
            break;
        }
        sent += more;
        carry(&mut client, &mut server, usize::MAX);
        server.connection.release(moving, more);
        carry(&mut client, &mut server, usize::MAX);
    }
    sent
}

#[test]
fn streams_that_stand_still_stop_no_other() {
    let limits = Limits { stream_window: 10_000, connection_window: 65_535, ..Limits::default() };
    for stuck in [0, 4, 6] {
        assert_eq!(beside_stuck_streams(stuck, limits), 200_000, "{stuck}");
    }
    let limits = Limits { connection_opens: Opens::OnReceipt, ..limits };
    for stuck in [0, 6, 100] {
        assert_eq!(beside_stuck_streams(stuck, limits), 200_000, "{stuck}");
    }
}

#[test]
fn large_field_sections_take_several_frames() {
    let limits = Limits::default();
    let (mut client, mut server) = pair(limits);
    let long = "é~".repeat(6000);
    let id = client.connection.open(false).unwrap();
    assert!(client.connection.headers(id, request(&[("x-long", &long)]).iter(), true));
    carry(&mut client, &mut server, 1000);
    assert!(server.messages()[0].ends_with(&long), "18 KB of fields in two frames");
    let id = client.connection.open(false).unwrap();
    let too_long = "0".repeat(40_000);
    assert!(client.connection.headers(id, request(&[("x-long", &too_long)]).iter(), true));
    carry(&mut client, &mut server, 1000);
    assert_eq!(server.messages()[1], "too large 3 true");
    assert!(server.connection.headers(id, fields(&[(":status", "431")]).iter(), true), "which is answered");
    carry(&mut client, &mut server, 1000);
    assert_eq!(client.messages(), ["head 3 true false :status=431"]);
}

#[test]
fn no_more_streams_than_allowed() {
    let limits = Limits { streams: 2, ..Limits::default() };
    let (mut client, mut server) = pair(limits);
    let hasty: Vec<_> = (0..3).map(|_| client.connection.open(false).unwrap()).collect();
    for id in &hasty {
        assert!(client.connection.headers(*id, request(&[]).iter(), true));
    }
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.messages(), ["reset 5 refused_stream"], "opened before the settings came");
    assert_eq!(client.connection.open(false), None);
    assert!(server.connection.headers(hasty[0], fields(&[(":status", "204")]).iter(), true));
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.connection.open(false), Some(7));
}

#[test]
fn an_end_that_is_announced_loses_nothing() {
    let (mut client, mut server) = pair(Limits::default());
    carry(&mut client, &mut server, usize::MAX);
    let first = client.connection.open(false).unwrap();
    assert!(client.connection.headers(first, request(&[]).iter(), true));
    server.connection.announce_end();
    let announced = server.give();
    carry(&mut client, &mut server, usize::MAX);
    client.take(&announced).unwrap();
    assert_eq!(client.messages(), ["goaway 2147483647 no_error"]);
    assert_eq!(client.connection.open(false), None, "nothing new is begun");
    server.connection.go_away(Code::NO_ERROR);
    assert!(server.connection.headers(first, fields(&[(":status", "200")]).iter(), true), "what was begun is answered");
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.messages()[1..], ["goaway 1 no_error", "head 1 true false :status=200"]);
}

#[test]
fn what_was_not_taken_is_never_told() {
    let (mut client, mut server) = pair(Limits::default());
    carry(&mut client, &mut server, usize::MAX);
    server.connection.go_away(Code::NO_ERROR);
    let late = client.connection.open(false).unwrap();
    assert!(client.connection.headers(late, request(&[]).iter(), true));
    carry(&mut client, &mut server, usize::MAX);
    assert!(server.messages().is_empty(), "so that the client may do it again elsewhere");
    assert_eq!(client.messages(), ["goaway 0 no_error"]);
}

#[test]
fn a_reset_crosses_what_is_on_its_way() {
    let (mut client, mut server) = pair(Limits::default());
    let id = client.connection.open(false).unwrap();
    assert!(client.connection.headers(id, request(&[]).iter(), false));
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.connection.data(id, b"late", false), 4);
    assert!(client.connection.headers(id, fields(&[("x-trailer", "1")]).iter(), true));
    server.connection.reset(id, Code::CANCEL);
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(server.messages().len(), 1, "{:?}", server.messages());
    assert_eq!(client.messages(), ["reset 1 cancel"]);
    let next = client.connection.open(false).unwrap();
    assert!(client.connection.headers(next, request(&[("x-trailer", "1")]).iter(), true), "the tables are in step");
    carry(&mut client, &mut server, usize::MAX);
    assert!(server.messages()[1].ends_with(" x-trailer=1"));
}

#[test]
fn answers_to_head_have_no_body_whatever_they_say() {
    let (mut client, mut server) = pair(Limits::default());
    let id = client.connection.open(true).unwrap();
    assert!(client.connection.headers(id, request(&[]).iter(), true));
    carry(&mut client, &mut server, usize::MAX);
    assert!(server.connection.headers(id, fields(&[(":status", "200"), ("content-length", "5")]).iter(), true));
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.messages(), ["head 1 true false :status=200 content-length=5"]);
}

#[test]
fn a_ping_comes_back() {
    let (mut client, mut server) = pair(Limits::default());
    carry(&mut client, &mut server, usize::MAX);
    server.connection.ping(*b"01234567");
    carry(&mut client, &mut server, 1);
    assert_eq!(server.messages(), ["pong [48, 49, 50, 51, 52, 53, 54, 55]"]);
}
