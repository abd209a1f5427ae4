//! A stream that is opened again where it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::grpc::{Channel, Code, Status};
use super::super::participant::path;
use super::super::proto::{CompletionStreamRequest, CompletionStreamResponse};
use super::Ending;
use super::book::Book;

/// Keeps it open until all ends.
pub(super) async fn keep(
    channel: Arc<Channel>,
    book: Arc<Book>,
    number: usize,
    party: String,
    user: String,
    mut ending: watch::Receiver<Ending>,
) {
    let mut request = CompletionStreamRequest { user_id: user, parties: vec![party], begin_exclusive: 0 };
    let work = async {
        loop {
            follow(&channel, &book, number, &mut request).await;
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        _ = ending.wait_for(|ending| *ending == Ending::All) => {}
    }
}

/// Reads it from where it was, once.
async fn follow(channel: &Channel, book: &Book, number: usize, request: &mut CompletionStreamRequest) {
    let mut stream = match channel.stream(path::COMPLETION_STREAM, request).await {
        Ok(stream) => stream,
        Err(status) => {
            book.pages().refused = Some(status);
            return;
        }
    };
    if let Some(track) = book.pages().streams.get_mut(number) {
        track.opened.push(Instant::now());
    }
    let status = loop {
        match stream.next::<CompletionStreamResponse>().await {
            Ok(Some(CompletionStreamResponse { completion: Some(completion) })) => {
                request.begin_exclusive = completion.offset;
                *book.pages().seen.entry(completion.command_id).or_default() += 1;
            }
            Ok(Some(_)) => {}
            Ok(None) => break Status::new(Code::Ok, ""),
            Err(status) => break status,
        }
    };
    let mut pages = book.pages();
    pages.refused = Some(status.clone());
    if let Some(track) = pages.streams.get_mut(number) {
        track.ended.push((Instant::now(), status));
    }
}

/// Before it is opened again.
const AGAIN: Duration = Duration::from_millis(50);
