//! A stream on which a node tells that its health has changed, so that the next check need not wait for its turn. What is
//! told is a hint: a frozen node tells nothing, and an overloaded one late. So checks decide, as they do where nobody
//! watches.

use std::sync::Arc;
use std::time::Duration;

use mainstay_io::clock;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::probe::{self, CheckFault};
use super::prober::Key;

/// Watches until the plan no longer wants it.
pub(super) async fn run(shared: Arc<Shared>, key: Key) {
    loop {
        let Some((job, service)) = shared.board().watch(key) else { return };
        let mut begun = false;
        let told = |status| {
            begun = true;
            shared.board().told(key, Some(status == SERVING), clock::now());
        };
        let over = timeout(RENEWED, probe::watch(&job, &service, told)).await;
        let pause = match over {
            // Something between may have forgotten the connection, which nobody would notice.
            Err(_) => Duration::ZERO,
            Ok(CheckFault::Call(UNIMPLEMENTED)) => {
                let (service, node) = (&*service, job.host.as_str());
                tracing::info!(node, service, "node cannot be watched (UNIMPLEMENTED): it is asked at its turns alone");
                LATER
            }
            Ok(_) => {
                if begun {
                    shared.board().told(key, None, clock::now());
                }
                PAUSE
            }
        };
        sleep(pause).await;
    }
}

/// A status of `grpc.health.v1`.
const SERVING: u8 = 1;
/// A status of gRPC.
const UNIMPLEMENTED: u8 = 12;
/// How long a stream is kept before another takes its place.
const RENEWED: Duration = Duration::from_secs(300);
/// Time from the end of a stream to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where the node cannot be watched. Another version of it may.
const LATER: Duration = Duration::from_secs(600);
