//! What a guard and a sentinel say to each other: lines of text.

use std::fmt;

use mainstay_core::Moment;
use mainstay_core::guard::Ending;

/// What a guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Run until `until`, freeze then, kill at `kill_at`. The first one starts the command.
    Allow { until: Moment, kill_at: Moment },
    /// Freeze now, kill at `kill_at`.
    Freeze { kill_at: Moment },
    /// Send the stop signal, once, and kill at `by`.
    Stop { by: Moment },
    /// Kill.
    Kill,
}

/// What a sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The command runs.
    Started { pid: u32 },
    /// An order was carried out. Proof that the sentinel lives.
    Heard,
    /// The command has ended; so many processes of it had not.
    Ended { ending: Ending, left: usize },
    /// Nothing of it is left. The last word.
    Gone,
    /// Something went wrong. It goes on trying.
    Trouble(String),
}

impl Order {
    /// Reads a line without its end.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = words.next()?;
        let mut moment = || words.next()?.parse().ok().map(Moment::from_nanos);
        let order = match name {
            "allow" => Self::Allow { until: moment()?, kill_at: moment()? },
            "freeze" => Self::Freeze { kill_at: moment()? },
            "stop" => Self::Stop { by: moment()? },
            "kill" => Self::Kill,
            _ => return None,
        };
        words.next().is_none().then_some(order)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { until, kill_at } => writeln!(f, "allow {} {}", until.as_nanos(), kill_at.as_nanos()),
            Self::Freeze { kill_at } => writeln!(f, "freeze {}", kill_at.as_nanos()),
            Self::Stop { by } => writeln!(f, "stop {}", by.as_nanos()),
            Self::Kill => writeln!(f, "kill"),
        }
    }
}

impl Word {
    /// Reads a line without its end.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match name {
            "started" => Self::Started { pid: rest.parse().ok()? },
            "heard" => Self::Heard,
            "gone" => Self::Gone,
            "trouble" => Self::Trouble(rest.to_owned()),
            "ended" => {
                let (left, how) = rest.split_once(' ')?;
                Self::Ended { ending: parse_ending(how)?, left: left.parse().ok()? }
            }
            _ => return None,
        })
    }
}

fn parse_ending(text: &str) -> Option<Ending> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match kind {
        "unstarted" => Ending::Unstarted,
        "code" => Ending::Code(rest.parse().ok()?),
        "signal" => Ending::Signal(rest.parse().ok()?),
        "failed" => Ending::Failed(rest.into()),
        _ => return None,
    })
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { pid } => writeln!(f, "started {pid}"),
            Self::Heard => writeln!(f, "heard"),
            Self::Gone => writeln!(f, "gone"),
            Self::Trouble(text) => writeln!(f, "trouble {}", in_one_line(text)),
            Self::Ended { ending: Ending::Code(code), left } => writeln!(f, "ended {left} code {code}"),
            Self::Ended { ending: Ending::Signal(signal), left } => writeln!(f, "ended {left} signal {signal}"),
            Self::Ended { ending: Ending::Unstarted, left } => writeln!(f, "ended {left} unstarted"),
            Self::Ended { ending: Ending::Failed(why), left } => {
                writeln!(f, "ended {left} failed {}", in_one_line(why))
            }
        }
    }
}

fn in_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Makes lines of bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes more bytes.
    ///
    /// # Errors
    /// A line is longer than any that is ever sent.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MOST && !self.0.contains(&b'\n') { Err(TooLong) } else { Ok(()) }
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.0.drain(..=end).collect();
        Some(String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned())
    }
}

/// A line that never ends.
#[derive(Debug)]
pub(crate) struct TooLong;

/// Longest line, in bytes.
const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        let (a, b) = (Moment::from_nanos(17), Moment::from_nanos(u64::MAX));
        let orders =
            [Order::Allow { until: a, kill_at: b }, Order::Freeze { kill_at: b }, Order::Stop { by: a }, Order::Kill];
        for order in orders {
            assert_eq!(Order::parse(order.to_string().trim_end()), Some(order));
        }
        for wrong in ["", "allow", "allow 1", "allow 1 2 3", "allow 1 x", "freeze -1", "kill 1", "Kill"] {
            assert_eq!(Order::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        let words = [
            Word::Started { pid: 12 },
            Word::Heard,
            Word::Gone,
            Word::Trouble("a b  c".into()),
            Word::Ended { ending: Ending::Code(-1), left: 0 },
            Word::Ended { ending: Ending::Signal(9), left: 3 },
            Word::Ended { ending: Ending::Failed("no such file".into()), left: 0 },
            Word::Ended { ending: Ending::Unstarted, left: 0 },
        ];
        for word in words {
            assert_eq!(Word::parse(word.to_string().trim_end()), Some(word.clone()));
        }
        assert_eq!(Word::Trouble("two\nlines".into()).to_string(), "trouble two lines\n");
        for wrong in ["", "ended", "ended 1", "ended 1 code", "ended 1 code x", "started", "hear"] {
            assert_eq!(Word::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        for cut in 0..11 {
            let (mut lines, text) = (Lines::default(), b"kill\nheard\n");
            let (first, second) = text.split_at(cut);
            lines.push(first).unwrap();
            let mut seen: Vec<String> = std::iter::from_fn(|| lines.next()).collect();
            lines.push(second).unwrap();
            seen.extend(std::iter::from_fn(|| lines.next()));
            assert_eq!(seen, ["kill", "heard"], "cut at {cut}");
        }
        assert!(Lines::default().push(&[b'x'; MOST + 1]).is_err());
    }
}
