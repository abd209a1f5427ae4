//! Replicas of a participant of Canton: which calls are repeated after one has refused.

use std::time::Duration;

use http::Response;
use mainstay_io::lines::{LineWriter, Target};
use mainstay_proxy::access::{AccessSender, Format};
use mainstay_proxy::counters::{Failure, Repeated};
use mainstay_proxy::params::{Failback, Kind, Plan, Policy};
use tokio::sync::mpsc::UnboundedReceiver;

use super::kit::{Asked, call, client, node, plan2, read, send};
use crate::rig::{counted, forwarding, http, start_logged, stop, timeout};

const PASSIVE: &str = "NODE_IS_PASSIVE_REPLICA(1,abc): Cannot process submitted command.";
const READ: &str = "/com.daml.ledger.api.v2.StateService/GetLedgerEnd";
const SUBMIT: &str = "/com.daml.ledger.api.v2.CommandService/SubmitAndWait";
const ALLOCATE: &str = "/com.daml.ledger.api.v2.admin.PartyManagementService/AllocateParty";

/// How the first replica ends a call.
#[derive(Clone, Copy, Debug)]
enum End {
    /// By a status and nothing else.
    Status(u8, &'static str),
    /// By a status behind a head.
    Trailers(u8),
    /// By a status in a head that a body follows.
    Begun(u8),
    /// By breaking it off.
    Reset,
}

/// A submission with this command id, in its envelope.
fn submission(id: &str) -> Vec<u8> {
    let commands = [&[0x1A, u8::try_from(id.len()).unwrap()], id.as_bytes(), b"\x22\x03..."].concat();
    let message = [&[0x0A, u8::try_from(commands.len()).unwrap()], &commands[..]].concat();
    [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()], &message[..]].concat()
}

fn refuse((request, mut respond): Asked, end: End) {
    let head = Response::builder().header("content-type", "application/grpc");
    match end {
        End::Status(status, message) => {
            let head = head.header("grpc-status", status.to_string()).header("grpc-message", message);
            respond.send_response(head.body(()).unwrap(), true).unwrap();
        }
        End::Trailers(status) => {
            let mut down = respond.send_response(head.body(()).unwrap(), false).unwrap();
            down.send_trailers(super::kit::trailers(&status.to_string())).unwrap();
        }
        End::Begun(status) => {
            let head = head.header("grpc-status", status.to_string()).body(()).unwrap();
            respond.send_response(head, false).unwrap().send_data("more".into(), true).unwrap();
        }
        End::Reset => respond.send_reset(h2::Reason::INTERNAL_ERROR),
    }
    drop(request);
}

/// Plays one call that the first replica ends like this; says what was counted as repeated.
async fn play(path: &str, body: &[u8], end: End, change: impl FnOnce(&mut Plan)) -> Option<&'static str> {
    let ((one, mut first), (two, mut second)) = (node().await, node().await);
    let mut plan = plan2(&[one, two]);
    plan.pools[0].kind = Kind::Canton;
    plan.pools[0].policy = Policy::Primary { failback: Failback::After(Duration::ZERO) };
    forwarding(&mut plan).retry.commands = true;
    change(&mut plan);
    http(&mut plan).access_log = true;
    let log = std::env::temp_dir().join(format!("mainstay-canton-{}-{}.log", std::process::id(), one.port()));
    let (writer, sender) = LineWriter::start("access", Target::File(log.clone()), 1 << 20).unwrap();
    let front = start_logged(plan, Some(AccessSender::new(Format::Text, sender))).await;
    let mut client = client(&front).await;
    let (answer, mut up) = client.send_request(call(path).body(()).unwrap(), false).unwrap();
    send(&mut up, body, true).await;
    let mut asked = timeout(first.recv()).await.unwrap();
    let all = &mut asked.0;
    let mut seen = Vec::new();
    while let Some(piece) = timeout(all.body_mut().data()).await {
        seen.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(seen, body);
    refuse(asked, end);
    let mut answer = std::pin::pin!(timeout(answer));
    let status = tokio::select! {
        Some((request, mut respond)) = second.recv() => {
            assert_eq!(read(request.into_body()).await.0, body, "it is the same call");
            let head = Response::builder().header("content-type", "application/grpc").header("grpc-status", "0");
            respond.send_response(head.body(()).unwrap(), true).unwrap();
            answer.await.unwrap().headers()["grpc-status"].clone()
        }
        answer = &mut answer => {
            let answer = answer.unwrap();
            match answer.headers().get("grpc-status") {
                Some(status) => status.clone(),
                None => read(answer.into_body()).await.1.unwrap()["grpc-status"].clone(),
            }
        }
    };
    let counted = counted(&front, |reading| reading.listeners["listener"].requests.get() == 1).await;
    let repeated = &counted.pools["pool"].repeated;
    let of = |what, name| (repeated.get(what) == 1).then_some(name);
    let told = of(Repeated::Read, "read").or(of(Repeated::Command, "command"));
    assert_eq!(status == "0", told.is_some(), "{path} {end:?}");
    let failed = |kind| counted.nodes.values().map(|node| node.failures.get(kind)).sum::<u64>();
    if let (End::Status(..), Some(_)) = (end, told) {
        let is_passive = matches!(end, End::Status(_, PASSIVE));
        assert_eq!((failed(Failure::Passive), failed(Failure::Unavailable)), (is_passive.into(), (!is_passive).into()));
    }
    assert!(must_be_alone(&mut first, &mut second), "it was sent once more");
    stop(front).await;
    assert!(writer.stop(Duration::from_secs(5)), "the log is written");
    let line = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let how = match (told, end) {
        (None, _) => "200 ",
        (_, End::Status(_, PASSIVE)) => "passive,",
        (_, End::Status(..)) => "unavailable,",
        (_, End::Trailers(_) | End::Begun(_) | End::Reset) => "broken,",
    };
    let is_reset = told.is_none() && matches!(end, End::Reset);
    assert!(is_reset || line.contains(&format!("via={one}/{how}")), "{line}");
    told
}

fn must_be_alone(first: &mut UnboundedReceiver<Asked>, second: &mut UnboundedReceiver<Asked>) -> bool {
    first.try_recv().is_err() && second.try_recv().is_err()
}

#[tokio::test]
async fn a_call_is_repeated_only_where_that_is_safe() {
    let (read, command) = (Some("read"), Some("command"));
    let passive = End::Status(14, PASSIVE);
    for (path, body, end, expect) in [
        (READ, submission(""), passive, read),
        (READ, submission(""), End::Status(14, "upstream is away"), read),
        (READ, submission(""), End::Reset, read),
        // An answer has begun, or it is another one.
        (READ, submission(""), End::Trailers(14), None),
        (READ, submission(""), End::Begun(14), None),
        (READ, submission(""), End::Status(5, "LEDGER_PRUNED"), None),
        (READ, submission(""), End::Status(1, "Node is shutting down"), None),
        (SUBMIT, submission("pay-1"), passive, command),
        (SUBMIT, submission("pay-1"), End::Status(14, "upstream is away"), command),
        (SUBMIT, submission("pay-1"), End::Reset, command),
        (SUBMIT, submission("pay-1"), End::Status(10, "SUBMISSION_ALREADY_IN_FLIGHT(2,a)"), None),
        // Nobody would see that it came twice.
        (SUBMIT, submission(""), passive, None),
        (SUBMIT, submission("")[..3].to_vec(), passive, None),
        (ALLOCATE, submission("pay-1"), passive, None),
        (ALLOCATE, submission("pay-1"), End::Reset, None),
    ] {
        assert_eq!(play(path, &body, end, |_| {}).await, expect, "{path} {end:?}");
    }
}

#[tokio::test]
async fn a_rule_is_needed_for_commands_and_a_kind_for_all() {
    let passive = End::Status(14, PASSIVE);
    let body = submission("pay-1");
    let plain = |plan: &mut Plan| plan.pools[0].kind = Kind::Any;
    assert_eq!(play(READ, &body, passive, plain).await, None);
    assert_eq!(play(SUBMIT, &body, passive, plain).await, None);
    assert_eq!(play(SUBMIT, &body, End::Reset, plain).await, None);
    let reads_only = |plan: &mut Plan| forwarding(plan).retry.commands = false;
    assert_eq!(play(SUBMIT, &body, passive, reads_only).await, None);
    assert_eq!(play(READ, &body, passive, reads_only).await, Some("read"));
    // What is not at hand any more cannot be looked at, nor sent.
    let small = |plan: &mut Plan| forwarding(plan).retry.buffer = 8;
    assert_eq!(play(SUBMIT, &body, passive, small).await, None);
    let once = |plan: &mut Plan| forwarding(plan).retry.tries = 1;
    assert_eq!(play(READ, &body, passive, once).await, None);
    let prefixed = |plan: &mut Plan| forwarding(plan).prefix = Some("/other/".into());
    assert_eq!(play(READ, &body, passive, prefixed).await, None);
}
