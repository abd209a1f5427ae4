//! A PostgreSQL of one's own for as long as standard input is open. Prints its URL.

use std::process::ExitCode;

use mainstay_testkit::Postgres;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings: Vec<String> = std::env::args().skip(1).collect();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = match Postgres::start_with(&settings).await {
        Ok(server) => server,
        Err(trouble) => {
            eprintln!("{trouble}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", server.url("postgres"));
    // Whatever ends it ends the server.
    let _ended = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await;
    ExitCode::SUCCESS
}
