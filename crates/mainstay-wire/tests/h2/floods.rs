//! Floods are cut, and honest traffic of the same kinds of frames is not.

use mainstay_wire::h2::{Code, Flood, Limits, PREFACE, Role};

use super::support::{End, carry, fields, frame, request};

fn server() -> End {
    let mut server = End::new(Role::Server, Limits::default());
    server.take(&[PREFACE.to_vec(), frame(4, 0, 0, &[])].concat()).unwrap();
    server
}

/// Sends the frames over and over; says how often they were borne, and how the flood is called. What the server has to
/// send is taken away, as a client does that reads.
fn flood(mut frames: impl FnMut(u32) -> Vec<u8>) -> (u32, Option<Flood>) {
    let mut server = server();
    for turn in 0..100_000 {
        if let Err(ended) = server.take(&frames(turn)) {
            assert_eq!(ended.code, Code::ENHANCE_YOUR_CALM);
            assert!(server.give().len() < 1 << 20);
            return (turn, ended.flood);
        }
        server.seen.clear();
        server.give();
    }
    panic!("never cut");
}

/// A request as one block of literals, so that it needs no table.
fn head(stream: u32, flags: u8) -> Vec<u8> {
    let block = b"\x83\x86\x84\x41\x01a";
    frame(1, flags, stream, block)
}

/// A request whose body is longer than it says, which is why the server resets its stream.
fn broken(stream: u32) -> Vec<u8> {
    let block = b"\x83\x86\x84\x41\x01a\x0f\x0d\x011";
    [frame(1, 4, stream, block), frame(0, 0, stream, b"xx")].concat()
}

#[test]
fn each_kind_is_cut_by_its_name() {
    let check = |expect: Flood, frames: &mut dyn FnMut(u32) -> Vec<u8>| {
        let (borne, kind) = flood(frames);
        assert_eq!(kind, Some(expect));
        assert!((100..10_000).contains(&borne), "{expect:?} was borne {borne} times");
    };
    check(Flood::Ping, &mut |_| frame(6, 0, 0, &[0; 8]));
    check(Flood::Settings, &mut |_| frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]));
    check(Flood::Other, &mut |_| frame(2, 0, 1, &[0, 0, 0, 3, 1]));
    check(Flood::Other, &mut |_| frame(77, 0, 0, b"whatever"));
    check(Flood::WindowUpdate, &mut |_| frame(8, 0, 0, &[0, 0, 0, 1]));
    check(Flood::Reset, &mut |turn| {
        let id = 2 * turn + 1;
        [head(id, 5), frame(3, 0, id, &[0, 0, 0, 8])].concat()
    });
    check(Flood::EmptyData, &mut |turn| if turn == 0 { head(1, 4) } else { frame(0, 0, 1, &[]) });
    check(Flood::LateData, &mut |turn| if turn == 0 { broken(1) } else { frame(0, 0, 1, &[0; 16_384]) });
    check(Flood::LateData, &mut |turn| if turn == 0 { broken(1) } else { frame(0, 1, 1, &[]) });
    check(Flood::Broken, &mut |turn| frame(1, 5, 2 * turn + 1, b"\x83\x86"));
    check(Flood::Continuation, &mut |turn| if turn == 0 { head(1, 0) } else { frame(9, 0, 1, &[]) });
    check(Flood::LargeHead, &mut |turn| frame(1, 5, 2 * turn + 1, &bomb()));
}

/// A head that names one field of 4 KB, and then that field again and again.
fn bomb() -> Vec<u8> {
    let mut block = b"\x83\x86\x84\x41\x01a\x40\x01x\x7f\xa1\x1e".to_vec();
    block.extend_from_slice(&[b'v'; 4000]);
    block.extend_from_slice(&[0xbe; 12_000]);
    block
}

#[test]
fn heads_that_are_too_large_are_cut_although_each_is_answered() {
    let mut server = server();
    let answer = fields(&[(":status", "431")]);
    let borne = (0..10_000).find(|turn| {
        let id = 2 * turn + 1;
        let taken = server.take(&frame(1, 5, id, &bomb()));
        server.connection.headers(id, answer.iter(), true);
        server.seen.clear();
        server.give();
        taken.is_err_and(|ended| ended.flood == Some(Flood::LargeHead))
    });
    assert!(borne.is_some_and(|borne| borne > 100), "{borne:?}");
}

#[test]
fn what_was_under_way_when_a_stream_was_reset_is_free() {
    let mut server = server();
    for turn in 0..2_000 {
        let id = 2 * turn + 1;
        server.take(&broken(id)).unwrap();
        assert_eq!(server.seen.last().unwrap().split(' ').next(), Some("broken"), "{:?}", server.seen);
        // All that is left of the window, and the end.
        let window = usize::try_from(Limits::default().stream_window).unwrap() - 2;
        for bytes in [16_384, 16_384, 16_384, window - 3 * 16_384] {
            server.take(&frame(0, 0, id, &vec![0; bytes])).unwrap();
        }
        server.take(&frame(0, 1, id, &[])).unwrap();
        server.seen.clear();
        server.give();
    }
}

#[test]
fn a_field_block_without_end_is_cut_by_its_size() {
    let (borne, kind) = flood(|turn| if turn == 0 { head(1, 0) } else { frame(9, 0, 1, &[0; 16_384]) });
    assert_eq!((borne, kind), (2, Some(Flood::Continuation)));
}

#[test]
fn references_to_long_entries_cost_no_memory() {
    let mut server = server();
    server.take(&frame(1, 5, 1, &bomb())).unwrap();
    assert_eq!(server.seen.last().unwrap(), "too large 1 true");
    assert!(server.connection.fields().iter().map(|field| field.value.len()).sum::<usize>() < 40_000);
}

#[test]
fn honest_traffic_is_not_cut() {
    let (mut client, mut server) =
        (End::new(Role::Client, Limits::default()), End::new(Role::Server, Limits::default()));
    carry(&mut client, &mut server, usize::MAX);
    let ok = fields(&[(":status", "200")]);
    for turn in 0..5_000_u32 {
        let id = client.connection.open(false).unwrap();
        client.connection.headers(id, request(&[]).iter(), false);
        client.connection.data(id, &[b'x'; 5000], true);
        if turn % 10 == 0 {
            client.connection.ping([0; 8]);
        }
        carry(&mut client, &mut server, usize::MAX);
        if turn % 20 == 0 {
            client.connection.reset(id, Code::CANCEL);
        } else {
            server.connection.headers(id, ok.iter(), false);
            server.connection.data(id, &[b'y'; 5000], true);
        }
        carry(&mut client, &mut server, usize::MAX);
        client.seen.clear();
        server.seen.clear();
    }
}
