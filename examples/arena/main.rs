//! A small space battle over UDP, between processes: hundreds of asteroids of the host's, a ship for every client, shots as
//! RPCs. In the end the world stops, and every process must hold the same, bit for bit.
//!
//! `cargo run --release --example arena` starts a host and eight clients on this machine; `--help` lists what can be changed.
//!
//! | file | what |
//! |---|---|
//! | `chunks` | what travels: start here |
//! | `rules`, `bot` | how things move, who shoots at whom |
//! | `host`, `client`, `seat` | the two roles, and what they have in common |
//! | `launcher`, `verdict`, `table`, `report` | starting processes, comparing them, showing numbers |
//! | `cli` | the command line |

mod bot;
mod chunks;
mod cli;
mod client;
mod host;
mod launcher;
mod report;
mod rules;
mod seat;
mod table;
mod verdict;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use cli::{Command, Options, Role};
use report::{Line, say};

fn main() -> ExitCode {
    match cli::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            say(cli::help().trim_end());
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => run(&options),
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    if options.reporting.is_some() {
        end_with_the_launcher();
    }
    let result = match options.role {
        Role::Launch => launcher::run(options),
        Role::Host(address) => host::run(options, address),
        Role::Join(address) => client::run(options, address).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if options.reporting.is_some() {
                say(Line::Failed(error.to_string()));
            } else {
                complain(&error.to_string());
            }
            ExitCode::FAILURE
        }
    }
}

/// A launcher holds the other end of our standard input. When that closes it is gone, however it went, and so are we.
fn end_with_the_launcher() {
    #[expect(clippy::disallowed_methods, reason = "pipes block: each needs someone who waits for it")]
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}

fn complain(error: &str) {
    let _ = writeln!(std::io::stderr(), "arena: {error}");
}
