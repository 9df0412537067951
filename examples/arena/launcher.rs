//! Starts a host and its clients as processes, watches them, and judges whether they agree.

use core::time::Duration;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use gridmate_runtime::Instant;
use gridmate_runtime::driver::Clock;

use crate::cli::Options;
use crate::report::{Line, Status, say};
use crate::seat::Failure;
use crate::table::{Row, Table};
use crate::verdict::{Report, Verdict};

/// How often the launcher looks up when nobody says anything.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs a whole match; true if everyone held the same in the end.
pub(crate) fn run(options: &Options) -> Result<bool, Failure> {
    let mut launcher = Launcher::new(options)?;
    let clock = Clock::start();
    let began = clock.now();
    let mut deadline = began + options.deadline();
    while !launcher.processes.iter().all(|process| process.ended) {
        launcher.listen()?;
        let now = clock.now();
        if now >= deadline {
            return Err(launcher.name_the_missing(now - began).into());
        }
        if launcher.processes[0].ended {
            // Whoever is still there has noticed by then, or never will.
            deadline = deadline.min(now + options.timeout() * 2);
        }
        launcher.draw(now, false);
    }
    launcher.draw(clock.now(), true);
    let mut reports = launcher.processes.iter().map(|process| (process.name.as_str(), &process.report));
    let host = reports.next().ok_or("no host was started")?;
    let verdict = Verdict::of(host, reports);
    say(&verdict);
    Ok(verdict.agreed())
}

struct Launcher<'a> {
    options: &'a Options,
    processes: Vec<Process>,
    lines: Receiver<(usize, Said)>,
    /// For the processes still to be started.
    to_us: Sender<(usize, Said)>,
    phase: String,
    permille: u32,
    table: Table,
}

/// What a process's output comes to.
enum Said {
    Line(String),
    /// It has closed its output: it is over, or as good as.
    Closed,
}

/// A child process; killed when dropped. It also ends by itself when its standard input closes, so it ends with us even if
/// we get no chance to drop anything.
struct Process {
    name: String,
    child: Child,
    ended: bool,
    status: Option<Status>,
    row: Row,
    report: Report,
}

impl<'a> Launcher<'a> {
    /// With a host running; the clients follow when it says where.
    fn new(options: &'a Options) -> Result<Self, Failure> {
        let (to_us, lines) = channel();
        let mut launcher = Self {
            options,
            processes: Vec::new(),
            lines,
            to_us,
            phase: "starting".to_owned(),
            permille: 0,
            table: Table::new(),
        };
        launcher.start("host".to_owned(), "--host", "127.0.0.1:0")?;
        Ok(launcher)
    }

    fn start(&mut self, name: String, role: &str, address: &str) -> Result<(), Failure> {
        let index = self.processes.len();
        let mut child = Command::new(std::env::current_exe()?)
            .args(self.options.to_args())
            .args([role, address, "--report", &index.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let output = child.stdout.take().ok_or("a child without a standard output")?;
        let to_us = self.to_us.clone();
        #[expect(clippy::disallowed_methods, reason = "pipes block: each needs someone who waits for it")]
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = to_us.send((index, Said::Line(line)));
            }
            let _ = to_us.send((index, Said::Closed));
        });
        self.processes.push(Process {
            row: Row::new(&name),
            name,
            child,
            ended: false,
            status: None,
            report: Report::default(),
        });
        Ok(())
    }

    /// Takes in what the children have said by now; waits a little if that is nothing.
    fn listen(&mut self) -> Result<(), Failure> {
        let mut next = match self.lines.recv_timeout(LOOK_EVERY) {
            Ok(said) => Some(said),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
        };
        while let Some((index, said)) = next {
            match said {
                Said::Line(line) => self.heed(index, &line)?,
                Said::Closed => self.bury(index)?,
            }
            next = self.lines.try_recv().ok();
        }
        Ok(())
    }

    fn heed(&mut self, index: usize, line: &str) -> Result<(), Failure> {
        let process = &mut self.processes[index];
        match line.parse() {
            Ok(Line::Listening(address)) => self.start_clients(address)?,
            Ok(Line::Progress { phase, permille }) => (self.phase, self.permille) = (phase, permille),
            Ok(Line::Status(status)) => {
                if let Some(before) = process.status.replace(status) {
                    process.row.update(&before, &status, self.phase == "playing");
                }
            }
            Ok(Line::Replica { id, digest }) => drop(process.report.replicas.insert(id, digest)),
            Ok(Line::Digest { digest, .. }) => process.report.digest = Some(digest),
            Ok(Line::Note(text)) => self.table.note(&text),
            Ok(Line::Failed(text)) => return Err(format!("{}: {text}", process.name).into()),
            Err(_) => return Err(format!("{} said something strange: {line}", process.name).into()),
        }
        Ok(())
    }

    fn start_clients(&mut self, host: SocketAddr) -> Result<(), Failure> {
        (1..=self.options.clients)
            .try_for_each(|number| self.start(format!("client-{number}"), "--join", &host.to_string()))
    }

    /// A process has closed its output.
    fn bury(&mut self, index: usize) -> Result<(), Failure> {
        let process = &mut self.processes[index];
        process.ended = true;
        let status: ExitStatus = process.child.wait()?;
        if !status.success() || process.report.digest.is_none() {
            return Err(format!("{} ended without a report ({status})", process.name).into());
        }
        Ok(())
    }

    fn draw(&mut self, now: Instant, last: bool) {
        let total = f64::from(self.options.seconds);
        let played = total * f64::from(self.permille) / 1_000.0;
        let rows = self.processes.iter().map(|process| &process.row);
        if last {
            self.table.finish(rows);
        } else {
            self.table.draw(now, &self.phase, played, total, rows);
        }
    }

    fn name_the_missing(&self, after: Duration) -> String {
        let missing: Vec<_> = self.processes.iter().filter(|p| !p.ended).map(|p| p.name.as_str()).collect();
        format!("no end after {:.0} s; still running: {}", after.as_secs_f64(), missing.join(", "))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
