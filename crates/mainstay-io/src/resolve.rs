//! Names to addresses, through the system's resolver (hosts file, DNS, whatever the machine is set up for).

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Looks names up on the blocking pool, a bounded number at a time: the system's resolver cannot be cancelled, so a
/// look-up that ran out of time goes on holding its place until the resolver gives up by itself.
#[derive(Clone, Debug)]
pub struct Resolver {
    places: Arc<Semaphore>,
}

impl Resolver {
    /// A resolver with at most `at_once` look-ups under way.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once)) }
    }

    /// The addresses of `host`, in the resolver's order, each once; waits for a place and an answer at most `within`.
    ///
    /// # Errors
    /// Why there is no address.
    pub async fn resolve(&self, host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
        match tokio::time::timeout(within, self.look_up(host.to_owned(), port)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(ResolveError::Empty { host: host.to_owned() }),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(source)) => Err(ResolveError::Failed { host: host.to_owned(), source }),
            Err(_) => Err(ResolveError::TimedOut { host: host.to_owned(), within }),
        }
    }

    async fn look_up(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let found = tokio::task::spawn_blocking(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(unique);
            drop(place);
            found
        });
        found.await.map_err(io::Error::other)?
    }
}

/// Why a name gave no address.
#[derive(Debug)]
pub enum ResolveError {
    /// The resolver said no; `source` has its words.
    Failed {
        /// The name.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// The name exists and has no address.
    Empty {
        /// The name.
        host: String,
    },
    /// The resolver did not answer in time.
    TimedOut {
        /// The name.
        host: String,
        /// The time it had.
        within: Duration,
    },
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { host, .. } => write!(f, "look up {host}"),
            Self::Empty { host } => write!(f, "{host} has no address"),
            Self::TimedOut { host, within } => {
                write!(f, "look up {host}: no answer in {}", mainstay_core::Span(*within))
            }
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(source),
            Self::Empty { .. } | Self::TimedOut { .. } => None,
        }
    }
}

fn unique(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn names_and_numbers_resolve() {
        let resolver = Resolver::new(2);
        for (host, expect) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let found = resolver.resolve(host, 80, WITHIN).await.expect(host);
            assert_eq!(found, vec![expect.parse().expect("an address")], "{host}");
        }
        let found = resolver.resolve("localhost", 81, WITHIN).await.expect("localhost");
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 81), "{found:?}");
        assert_eq!(found, unique(found.iter().copied()), "an address came twice");
    }

    #[tokio::test]
    async fn a_bad_name_says_which() {
        let error = Resolver::new(1).resolve("no such name", 80, WITHIN).await.expect_err("no such name");
        assert!(matches!(&error, ResolveError::Failed { .. }), "{error:?}");
        assert_eq!(error.to_string(), "look up no such name");
    }

    #[tokio::test]
    async fn without_a_place_the_time_runs_out() {
        let within = Duration::from_millis(20);
        let error = Resolver::new(0).resolve("localhost", 80, within).await.expect_err("no place");
        assert_eq!(error.to_string(), "look up localhost: no answer in 20 ms");
    }

    #[test]
    fn each_address_is_kept_once_and_in_order() {
        let parse = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let (a, b) = (parse("10.0.0.1:1"), parse("10.0.0.2:1"));
        assert_eq!(unique([b, a, b, a].into_iter()), vec![b, a]);
    }
}
