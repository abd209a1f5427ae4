use mainstay_core::Moment;
use mainstay_io::clock;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// A task that ends when this is dropped.
#[must_use = "dropping it ends the task"]
#[derive(Debug)]
pub(super) struct Task(pub(super) AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until `due` (`None`: for ever). False when `wake` came first: the schedule may have changed.
pub(super) async fn wait(due: Option<Moment>, wake: &Notify) -> bool {
    let Some(due) = due else {
        wake.notified().await;
        return false;
    };
    let rest = due.since(clock::now());
    if rest.is_zero() {
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(rest) => true,
        () = wake.notified() => false,
    }
}
