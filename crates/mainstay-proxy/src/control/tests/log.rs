//! What the log says of a change.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mainstay_core::Moment;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

use super::harness::checked;
use crate::control::board::Board;
use crate::control::probe::CheckFault;
use crate::control::prober::Ended;

/// Keeps events as lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn each_change_is_one_line_with_node_pool_and_reason() {
    let address: SocketAddr = ([127, 0, 0, 1], 9).into();
    let lines = Lines::default();
    subscriber::with_default(lines.clone(), || {
        let mut board = Board::new(Arc::default());
        board.adopt(checked(&[address], |checker| checker.fall = 2), Moment::ZERO);
        let key = board.pools[0][0].checks[0];
        for (millis, fault) in [(1, None), (2, Some(503)), (3, Some(503)), (4, Some(503)), (5, None), (6, None)] {
            let now = Moment::from_millis(millis);
            let fault = fault.map(CheckFault::Status);
            board.ended(key, Ended { now, took: Duration::ZERO, fault });
        }
        board.set_drained(&address.to_string(), true, Moment::from_millis(7));
    });
    let node = format!("pool=\"p\" node=\"{address}\"");
    let expect = [
        format!("WARN message=node is out {node} reason=\"check /upcheck: status 503 (2 of 2)\""),
        format!("INFO message=node is in {node}"),
        format!("INFO message=node is draining {node} reason=\"drained by an operator\""),
    ];
    assert_eq!(*lines.0.lock().unwrap(), expect);
}
