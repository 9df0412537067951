//! The command line: a table of flags, and what they come to.

use core::fmt::Display;
use core::num::NonZeroU32;
use core::ops::RangeInclusive;
use core::str::FromStr;
use core::time::Duration;
use std::net::SocketAddr;

/// What to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Start a host and its clients as processes, watch them, judge.
    Launch,
    /// Host at this address.
    Host(SocketAddr),
    /// Join the host at this address.
    Join(SocketAddr),
}

/// Everything the command line says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) role: Role,
    pub(crate) clients: usize,
    pub(crate) seconds: u32,
    pub(crate) hz: NonZeroU32,
    pub(crate) asteroids: usize,
    pub(crate) seed: u64,
    pub(crate) loss: f64,
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    /// Set for processes that a launcher has started: which one this is, the host being 0. They write lines for it.
    pub(crate) reporting: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            role: Role::Launch,
            clients: 8,
            seconds: 10,
            hz: NonZeroU32::new(30).expect("30 is not 0"),
            asteroids: 400,
            seed: 1,
            loss: 0.0,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            reporting: None,
        }
    }
}

/// What a command line comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Run(Options),
    Help,
}

/// A flag as `--help` shows it. The launcher's own `--report` is not for people and not among them.
struct Flag {
    name: &'static str,
    value: &'static str,
    help: &'static str,
}

const FLAGS: &[Flag] = &[
    Flag { name: "--clients", value: "N", help: "clients to start, or (--host) to wait for, 0 to 64 [8]" },
    Flag { name: "--seconds", value: "S", help: "how long to play, 1 to 3600 [10]" },
    Flag { name: "--hz", value: "H", help: "ticks per second, 1 to 240 [30]" },
    Flag { name: "--asteroids", value: "N", help: "asteroids of the host's, 0 to 20000 [400]" },
    Flag { name: "--seed", value: "S", help: "seed of all that is left to chance [1]" },
    Flag { name: "--loss", value: "P", help: "share of datagrams to lose, each way, 0 to 0.9 [0]" },
    Flag { name: "--latency", value: "MS", help: "milliseconds to hold datagrams back, each way, 0 to 2000 [0]" },
    Flag { name: "--jitter", value: "MS", help: "milliseconds more at most, each way, 0 to 2000 [0]" },
    Flag { name: "--host", value: "ADDR", help: "only host, at this address: --host 0.0.0.0:4000" },
    Flag { name: "--join", value: "ADDR", help: "only be a client, of the host there: --join 192.168.0.7:4000" },
    Flag { name: "--help", value: "", help: "show this" },
];

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "A small space battle: one host with asteroids, clients with ships, bots at the stick.\n\
         Without --host or --join it starts all of them as processes on this machine, and checks that they agree in the end.\n\
         \n\
         usage: arena [FLAGS]      (--flag value or --flag=value)\n\n",
    );
    for Flag { name, value, help } in FLAGS {
        text.push_str(&format!("  {:<16} {help}\n", format!("{name} {value}")));
    }
    text.push_str("\nexit status: 0 all agree; 1 they do not, or something broke; 2 the command line makes no sense\n");
    text
}

/// Reads the arguments, without the program's name. An error is one line.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut args = args.into_iter();
    let (mut host, mut join) = (None, None);
    while let Some(arg) = args.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        if flag == "--help" || flag == "-h" {
            return Ok(Command::Help);
        }
        if flag != "--report" && !FLAGS.iter().any(|known| known.name == flag) {
            return Err(format!("unknown flag `{flag}`; --help lists them"));
        }
        let value = inline.or_else(|| args.next()).ok_or_else(|| format!("`{flag}` needs a value"))?;
        match flag {
            "--clients" => options.clients = within(flag, &value, 0..=64)?,
            "--seconds" => options.seconds = within(flag, &value, 1..=3_600)?,
            "--hz" => {
                let hz = within(flag, &value, 1..=240)?;
                options.hz = NonZeroU32::new(hz).ok_or("`--hz` is zero")?;
            }
            "--asteroids" => options.asteroids = within(flag, &value, 0..=20_000)?,
            "--seed" => options.seed = within(flag, &value, 0..=u64::MAX)?,
            "--loss" => options.loss = within(flag, &value, 0.0..=0.9)?,
            "--latency" => options.latency = Duration::from_millis(within(flag, &value, 0..=2_000)?),
            "--jitter" => options.jitter = Duration::from_millis(within(flag, &value, 0..=2_000)?),
            "--host" => host = Some(address(flag, &value)?),
            "--join" => join = Some(address(flag, &value)?),
            _ => options.reporting = Some(within(flag, &value, 0..=u64::MAX)?),
        }
    }
    options.role = match (host, join) {
        (Some(_), Some(_)) => return Err("`--host` and `--join` exclude each other".to_owned()),
        (Some(address), None) => Role::Host(address),
        (None, Some(address)) => Role::Join(address),
        (None, None) => Role::Launch,
    };
    Ok(Command::Run(options))
}

fn within<T: FromStr + PartialOrd + Display>(flag: &str, text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let expected = || format!("`{flag}` expects {} to {}, found `{text}`", range.start(), range.end());
    let value = text.parse().map_err(|_| expected())?;
    if range.contains(&value) { Ok(value) } else { Err(expected()) }
}

fn address(flag: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{flag}` expects an address like 127.0.0.1:4000, found `{text}`"))
}

impl Options {
    /// The flags that make a child process play the same game.
    pub(crate) fn to_args(&self) -> Vec<String> {
        [
            ("--clients", self.clients.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--hz", self.hz.to_string()),
            ("--asteroids", self.asteroids.to_string()),
            ("--seed", self.seed.to_string()),
            ("--loss", self.loss.to_string()),
            ("--latency", self.latency.as_millis().to_string()),
            ("--jitter", self.jitter.as_millis().to_string()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect()
    }

    /// One tick.
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_secs(1) / self.hz.get()
    }

    /// How often something must be said, on average, until both it and its answer get through.
    fn tries(&self) -> f64 {
        (1.0 - self.loss).powi(-2)
    }

    /// About what a message there and an answer back take, repetitions of what gets lost included.
    pub(crate) fn round_trip(&self) -> Duration {
        ((self.latency + self.jitter + self.tick()) * 2).mul_f64(self.tries())
    }

    /// How long a peer may be silent, or a host not answer, before it counts as lost. A joiner knocks four times a second:
    /// five times as long as it takes on average is enough for nearly all.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(3) + self.round_trip() * 2 + Duration::from_millis(1_250).mul_f64(self.tries() - 1.0)
    }

    /// How long the stopped world may take until everyone holds the same.
    pub(crate) fn settle_limit(&self) -> Duration {
        Duration::from_secs(10) + self.round_trip() * 20
    }

    /// How long a whole run may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs(20 + u64::from(self.seconds)) + self.settle_limit() + self.timeout() * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(str::to_owned))? {
            Command::Run(options) => Ok(options),
            Command::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn both_spellings_of_a_value() {
        assert_eq!(options(""), Ok(Options::default()));
        assert_eq!(options("--clients 3 --loss=0.25").map(|o| (o.clients, o.loss)), Ok((3, 0.25)));
        assert_eq!(options("--join [::1]:9").map(|o| o.role), Ok(Role::Join("[::1]:9".parse().unwrap())));
    }

    #[test]
    fn errors_name_the_flag_and_what_it_expects() {
        assert_eq!(options("--clients 65"), Err("`--clients` expects 0 to 64, found `65`".to_owned()));
        assert_eq!(options("--loss NaN"), Err("`--loss` expects 0 to 0.9, found `NaN`".to_owned()));
        assert_eq!(options("--hz"), Err("`--hz` needs a value".to_owned()));
        assert_eq!(options("--sped 3"), Err("unknown flag `--sped`; --help lists them".to_owned()));
        assert!(options("--host 1.2.3.4:5 --join 1.2.3.4:5").is_err());
    }

    #[test]
    fn children_read_what_the_launcher_passes_on() {
        let given = options("--clients 2 --seconds 5 --hz 60 --asteroids 9 --seed 7 --loss 0.1 --latency 8 --jitter 4");
        let given = given.unwrap();
        assert_eq!(options(&given.to_args().join(" ")), Ok(given));
    }
}
