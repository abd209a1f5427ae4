//! The other side of the admin listener: one request, for the command line.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::place::Place;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// Why there is none.
#[derive(Debug)]
pub enum ClientError {
    /// Nothing listens at any of these places.
    NothingRuns(Vec<Place>),
    /// Something does, but could not be asked.
    Failed(Place, io::Error),
    /// The environment gives a place that is none.
    NoPlace(String),
}

/// Asks the Mainstay at `place`, or where `MAINSTAY_ADMIN` says, or at the first of the usual places where one runs.
///
/// # Errors
/// Nothing runs there, or it does not answer.
pub fn ask(place: Option<&Place>, method: &str, target: &str) -> Result<Answer, ClientError> {
    let given = place.cloned().map_or_else(Place::from_environment, |place| Ok(Some(place)));
    let given = given.map_err(ClientError::NoPlace)?;
    let is_given = given.is_some();
    let places = given.map_or_else(Place::usual, |place| vec![place]);
    for one in &places {
        let connected = if is_given || !one.exists() || one.is_trusted() {
            connect(one)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "its directory belongs to somebody else"))
        };
        match connected {
            Ok(mut stream) => {
                let answer = exchange(stream.as_mut(), method, target);
                return answer.map_err(|error| ClientError::Failed(one.clone(), error));
            }
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(ClientError::Failed(one.clone(), error)),
        }
    }
    Err(ClientError::NothingRuns(places))
}

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

fn connect(place: &Place) -> io::Result<Box<dyn Duplex>> {
    match place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(WITHIN))?;
            stream.set_write_timeout(Some(WITHIN))?;
            Ok(Box::new(stream))
        }
        Place::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, CONNECT_WITHIN)?;
            stream.set_read_timeout(Some(WITHIN))?;
            stream.set_write_timeout(Some(WITHIN))?;
            Ok(Box::new(stream))
        }
    }
}

/// Whether a connection failed because nobody is there.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory)
}

fn exchange(stream: &mut dyn Duplex, method: &str, target: &str) -> io::Result<Answer> {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: mainstay\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes)?;
    let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not one of Mainstay's");
    let text = String::from_utf8(bytes).map_err(|_| nonsense())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(nonsense)?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(nonsense)?;
    Ok(Answer { status, body: body.to_owned() })
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(place, _) => write!(f, "could not ask the Mainstay at {place}"),
            Self::NoPlace(fault) => f.write_str(fault),
            Self::NothingRuns(places) => {
                f.write_str("no Mainstay runs at ")?;
                for (index, place) in places.iter().enumerate() {
                    write!(f, "{}{place}", if index == 0 { "" } else { " or " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(_, error) => Some(error),
            Self::NothingRuns(_) | Self::NoPlace(_) => None,
        }
    }
}

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Longest silence; a little more than the server gives a whole connection.
const WITHIN: Duration = Duration::from_secs(65);

/// Largest answer read, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
