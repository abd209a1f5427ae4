//! The store in PostgreSQL.

mod admin;
mod faults;
mod fencing;
mod kit;
mod load;
mod tls;

use crate::suite::conforms;
pub(crate) use kit::Kit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let Some(kit) = Kit::start("it_conforms", &[]).await else { return };
    conforms(|| kit.store()).await;
}
