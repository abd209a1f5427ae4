use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CheckFault, MAX_BODY, Stream};
use crate::params::Pattern;

/// Sends, and reads until what came is as expected. What must *not* come is judged by the first bytes: there is no
/// telling when a node is done speaking.
pub(super) async fn check(
    mut stream: Box<dyn Stream>,
    send: &[u8],
    expect: Option<&Pattern>,
) -> Result<(), CheckFault> {
    if !send.is_empty() {
        stream.write_all(send).await.map_err(|error| CheckFault::broken(&error))?;
    }
    let Some(expect) = expect else { return Ok(()) };
    let mut came = Vec::new();
    loop {
        let room = u64::try_from(MAX_BODY - came.len()).unwrap_or(0);
        let read = (&mut stream).take(room).read_buf(&mut came).await.map_err(|error| CheckFault::broken(&error))?;
        if read == 0 {
            return Err(if came.is_empty() { CheckFault::Closed } else { CheckFault::Answer });
        }
        match (expect.matches(&came), expect) {
            (true, _) => return Ok(()),
            (false, Pattern::Not(_)) => return Err(CheckFault::Answer),
            (false, _) => {}
        }
    }
}
