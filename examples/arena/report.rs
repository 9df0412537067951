//! What a process tells: lines for the launcher that started it, or words for a person.

use core::fmt;
use core::str::FromStr;
use std::io::Write as _;
use std::net::SocketAddr;

/// One line from a child to its launcher. `Display` writes what `FromStr` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The host can be joined here.
    Listening(SocketAddr),
    /// How far the host is: a word, and what part of it is done, per mille.
    Progress { phase: String, permille: u32 },
    /// Numbers of one node, counted from its start.
    Status(Status),
    /// The digest of one replica.
    Replica { id: String, digest: u64 },
    /// The digest of all of them, and how many they are. The last word of a report.
    Digest { digest: u64, replicas: usize },
    /// Something to be passed on to a person.
    Note(String),
    /// Why it gives up.
    Failed(String),
}

/// Numbers of one node, counted from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// When they were taken, microseconds of the node's own clock.
    pub(crate) at: u64,
    /// Mean over its connections, microseconds; 0 before one was measured.
    pub(crate) rtt: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) replicas: usize,
    pub(crate) rpcs: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "listening {address}"),
            Self::Progress { phase, permille } => write!(f, "progress {phase} {permille}"),
            Self::Status(Status { at, rtt, bytes_in, bytes_out, replicas, rpcs }) => {
                write!(f, "status {at} {rtt} {bytes_in} {bytes_out} {replicas} {rpcs}")
            }
            Self::Replica { id, digest } => write!(f, "replica {id} {digest:016x}"),
            Self::Digest { digest, replicas } => write!(f, "digest {digest:016x} {replicas}"),
            Self::Note(text) => write!(f, "note {text}"),
            Self::Failed(text) => write!(f, "failed {text}"),
        }
    }
}

/// The line is none that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotALine;

impl FromStr for Line {
    type Err = NotALine;

    fn from_str(line: &str) -> Result<Self, NotALine> {
        let (kind, rest) = line.split_once(' ').ok_or(NotALine)?;
        let mut words = rest.split(' ');
        let mut word = || words.next().ok_or(NotALine);
        Ok(match kind {
            "listening" => Self::Listening(number(word()?)?),
            "progress" => Self::Progress { phase: word()?.to_owned(), permille: number(word()?)? },
            "status" => Self::Status(Status {
                at: number(word()?)?,
                rtt: number(word()?)?,
                bytes_in: number(word()?)?,
                bytes_out: number(word()?)?,
                replicas: number(word()?)?,
                rpcs: number(word()?)?,
            }),
            "replica" => Self::Replica { id: word()?.to_owned(), digest: hex(word()?)? },
            "digest" => Self::Digest { digest: hex(word()?)?, replicas: number(word()?)? },
            "note" => Self::Note(rest.to_owned()),
            "failed" => Self::Failed(rest.to_owned()),
            _ => return Err(NotALine),
        })
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, NotALine> {
    word.parse().map_err(|_| NotALine)
}

fn hex(word: &str) -> Result<u64, NotALine> {
    u64::from_str_radix(word, 16).map_err(|_| NotALine)
}

/// Where a role's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Voice {
    /// To the launcher.
    Machine,
    /// To whoever started the role by hand.
    Human,
}

impl Voice {
    /// A line that only a launcher wants.
    pub(crate) fn report(self, line: &Line) {
        if matches!(self, Self::Machine) {
            say(line);
        }
    }

    /// A line for people; a launcher passes it on.
    pub(crate) fn note(self, text: impl fmt::Display) {
        match self {
            Self::Machine => say(Line::Note(text.to_string())),
            Self::Human => say(text),
        }
    }
}

/// Prints a line. Once nobody reads any more there is no point in going on.
pub(crate) fn say(line: impl fmt::Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_they_were_written() {
        let status = Status { at: 1, rtt: 2, bytes_in: 3, bytes_out: 4, replicas: 5, rpcs: 6 };
        for line in [
            Line::Listening("127.0.0.1:4000".parse().unwrap()),
            Line::Progress { phase: "playing".to_owned(), permille: 512 },
            Line::Status(status),
            Line::Replica { id: "#3.17".to_owned(), digest: u64::MAX },
            Line::Digest { digest: 7, replicas: 409 },
            Line::Note("#3 bot left: it fell silent".to_owned()),
            Line::Failed("host lost: it fell silent".to_owned()),
        ] {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
        assert_eq!("status 1 2 x".parse::<Line>(), Err(NotALine));
        assert_eq!("".parse::<Line>(), Err(NotALine));
    }
}
