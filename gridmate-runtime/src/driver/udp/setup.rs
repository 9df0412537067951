//! Wishes for the network thread, made by that thread: which processor it stays on, and who goes first.

use std::io;

use super::{Setting, ThreadSetup, UdpConfig};

/// Does what `config` wishes for the calling thread, as far as the system lets it.
pub(super) fn apply(config: &UdpConfig) -> ThreadSetup {
    ThreadSetup { cpu: outcome(config.cpu.map(pin)), priority: outcome(config.priority.map(set_niceness)) }
}

fn outcome(result: Option<io::Result<()>>) -> Setting {
    match result {
        None => Setting::NotAsked,
        Some(Ok(())) => Setting::Done,
        Some(Err(error)) => Setting::Refused(error.kind()),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn pin(cpu: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// To this system "the calling process" is the calling thread.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_niceness(niceness: i32) -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, niceness)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn pin(_: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_niceness(_: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
