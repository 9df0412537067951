//! A child process whose output is read as it comes, and which never outlives its test.

use core::fmt;
use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use gridmate_runtime::Instant;
use gridmate_runtime::driver::Clock;

/// A running example.
pub(crate) struct Process {
    child: Child,
    clock: Clock,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// What was read so far.
    seen: Vec<String>,
}

/// What a process has come to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
}

/// Runs to the end.
pub(crate) fn run(args: &[&str], within: Duration) -> Run {
    Process::start(args).finish(within)
}

impl Process {
    /// The arena.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_example("arena", args, Stdio::null())
    }

    /// The chat, to which lines can be [said](Self::say).
    pub(crate) fn start_chat(args: &[&str]) -> Self {
        Self::start_example("chat", args, Stdio::piped())
    }

    fn start_example(name: &str, args: &[&str], stdin: Stdio) -> Self {
        let mut child = Command::new(examples().join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
            .args(args)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let (lines, stdout) = channel();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        wait_elsewhere(move || output.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        let (text, stderr) = channel();
        let mut errors = child.stderr.take().expect("it is piped");
        wait_elsewhere(move || {
            let mut all = String::new();
            let _ = errors.read_to_string(&mut all);
            let _ = text.send(all);
        });
        Self { child, clock: Clock::start(), stdout, stderr, seen: Vec::new() }
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("it reads");
    }

    /// Ends its input.
    pub(crate) fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str, within: Duration) -> String {
        let deadline = self.clock.now() + within;
        loop {
            match self.stdout.recv_timeout(deadline - self.clock.now()) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => {
                    let _ = self.child.kill();
                    let errors = self.stderr.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
                    panic!("no line with `{text}` ({error}):\n{}\n{errors}", self.seen.join("\n"));
                }
            }
        }
    }

    /// Waits until it ends by itself.
    pub(crate) fn finish(mut self, within: Duration) -> Run {
        let deadline = self.clock.now() + within;
        // Its outputs close when it ends, and when its own children have.
        loop {
            match self.stdout.recv_timeout(deadline - self.clock.now()) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end after {within:?}:\n{}", self.seen.join("\n")),
            }
        }
        let stderr = self.rest_of_stderr(deadline);
        let code = self.child.wait().expect("it was not waited for before").code();
        Run { code, stdout: core::mem::take(&mut self.seen), stderr }
    }

    /// Ends it without a warning.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Ends it without a warning, and waits until its children have noticed.
    pub(crate) fn kill_and_wait_for_heirs(mut self, within: Duration) {
        self.child.kill().expect("it is running");
        let deadline = self.clock.now() + within;
        self.rest_of_stderr(deadline);
    }

    /// Its child processes, in the order they were started.
    #[cfg(target_os = "linux")]
    pub(crate) fn children(&self) -> Vec<u32> {
        let id = self.id();
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("Linux lists them");
        list.split_whitespace().map(|id| id.parse().expect("a number")).collect()
    }

    fn rest_of_stderr(&self, deadline: Instant) -> String {
        self.stderr.recv_timeout(deadline - self.clock.now()).expect("its standard error closes in time")
    }
}

/// Ends a process that is not our own child, without a warning.
#[cfg(target_os = "linux")]
pub(crate) fn kill(id: u32) {
    let status = Command::new("kill").args(["-9", &id.to_string()]).status().expect("there is a `kill`");
    assert!(status.success());
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Run {
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.last().map_or("", String::as_str)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n{}\n{}", self.code, self.stdout.join("\n"), self.stderr)
    }
}

fn wait_elsewhere(work: impl FnOnce() + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "pipes block: each needs someone who waits for it")]
    std::thread::spawn(work);
}

/// Where the examples' programs are, built once. Cargo builds a package's own binaries for its tests, but neither examples nor those of
/// other packages, so it is asked to: with the profile and in the directory that this test itself was built with.
fn examples() -> &'static Path {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        // <target>/<profile>/deps/process-<hash>
        let test = std::env::current_exe().expect("we are running");
        let built = test.ancestors().nth(2).expect("tests are three levels deep");
        let (target, folder) = (built.parent().expect("so is this"), built.file_name().expect("a profile's folder"));
        let profile = if folder == "debug" { "dev".as_ref() } else { folder };
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--package", "gridmate-examples", "--example", "arena", "--example", "chat"])
            .args(["--profile".as_ref(), profile, "--target-dir".as_ref(), target.as_os_str()])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the examples do not build");
        built.join("examples")
    })
}
