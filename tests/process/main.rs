//! Real sockets and clocks. Real processes over loopback UDP: the examples, run as people run them, and killed as machines kill them.
//!
//! Every wait ends: with what was waited for, or with a failure that shows all that was printed.

mod paced;
mod process;
mod voices;

use core::time::Duration;

use process::{Process, run};

/// Three seconds of silence (the arena's patience on a good link), and room for a busy machine.
const SILENCE: Duration = Duration::from_secs(12);
/// A whole run of a few seconds, with the same room.
const RUN: Duration = Duration::from_secs(60);

#[test]
fn converges_and_says_so_in_its_last_line() {
    let run = run(&["--clients", "3", "--seconds", "2"], RUN);
    assert_eq!((run.code, run.last_line()), (Some(0), "converged: 4/4 nodes, 404 replicas"), "{run}");
    assert_eq!(run.stderr, "");
}

#[test]
fn converges_in_bad_weather() {
    let weather = ["--loss", "0.2", "--latency", "80", "--jitter", "30"];
    let run = run(&[&["--clients", "3", "--seconds", "2"][..], &weather].concat(), RUN);
    assert_eq!((run.code, run.last_line()), (Some(0), "converged: 4/4 nodes, 404 replicas"), "{run}");
}

#[test]
fn a_host_alone_agrees_with_itself() {
    let run = run(&["--clients=0", "--seconds=1", "--asteroids=0"], RUN);
    assert_eq!((run.code, run.last_line()), (Some(0), "converged: 1/1 nodes, 1 replicas"), "{run}");
}

#[test]
fn a_killed_client_is_missed_and_the_rest_converges() {
    let (mut host, address) = host(&["--clients", "3", "--seconds", "8", "--asteroids", "50"]);
    let mut clients: Vec<_> = (0..3).map(|_| Process::start(&["--join", &address, "--seconds", "8"])).collect();
    let joined = clients[1].wait_for("joined ", SILENCE);
    let member = joined.rsplit(' ').next().unwrap().to_owned();
    host.wait_for("playing for ", SILENCE);
    for client in &mut clients {
        client.wait_for("the match is playing", SILENCE);
    }
    let victim = clients.remove(1);
    let ship = format!("the ship of bot-{} is gone", victim.id());
    let victim_id = victim.id();
    victim.kill();
    host.wait_for(&format!("{member} bot-{} left: it fell silent", victim_id), SILENCE);
    for client in &mut clients {
        client.wait_for(&ship, SILENCE);
    }
    for client in clients {
        let run = client.finish(RUN);
        assert_eq!(run.code, Some(0), "{run}");
    }
    let run = host.finish(RUN);
    assert_eq!((run.code, run.last_line()), (Some(0), "converged: 3/3 nodes, 53 replicas"), "{run}");
}

#[test]
fn without_their_host_clients_end_and_say_why() {
    let (mut host, address) = host(&["--clients", "2", "--seconds", "60", "--asteroids", "50"]);
    let mut clients: Vec<_> = (0..2).map(|_| Process::start(&["--join", &address])).collect();
    host.wait_for("playing for ", SILENCE);
    for client in &mut clients {
        client.wait_for("the match is playing", SILENCE);
    }
    host.kill();
    for client in clients {
        let run = client.finish(SILENCE);
        assert_eq!((run.code, run.stderr.as_str()), (Some(1), "arena: host lost: it fell silent\n"), "{run}");
    }
}

#[test]
fn whoever_cannot_join_hears_why() {
    let (mut host, address) = host(&["--clients", "1", "--seconds", "30", "--asteroids", "0"]);
    let _client = Process::start(&["--join", &address]);
    host.wait_for("playing for ", SILENCE);
    let run = Process::start(&["--join", &address]).finish(SILENCE);
    let refusal = format!("arena: cannot join {address}: the host refused: the other end is full\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), refusal.as_str()), "{run}");

    host.kill();
    let run = Process::start(&["--join", &address]).finish(SILENCE);
    let silence = format!("arena: cannot join {address}: the host could not be reached: it fell silent\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), silence.as_str()), "{run}");
}

#[test]
fn three_people_chat() {
    let mut ada = Process::start_chat(&["ada"]);
    let address = ada.wait_for("at ", SILENCE).trim_start_matches("at ").to_owned();
    let mut bob = Process::start_chat(&["bob", &address]);
    ada.wait_for("bob is here", SILENCE);
    bob.wait_for("ada is here", SILENCE);
    let mut eve = Process::start_chat(&["eve", &address]);
    ada.wait_for("eve is here", SILENCE);
    bob.wait_for("eve is here", SILENCE);
    eve.wait_for("bob is here", SILENCE);
    for n in 0..20 {
        bob.say(&format!("line {n}"));
    }
    eve.say("\u{7}hello");
    ada.say("welcome");
    for n in 0..20 {
        assert_eq!(ada.wait_for("bob: ", SILENCE), format!("bob: line {n}"));
        assert_eq!(eve.wait_for("bob: ", SILENCE), format!("bob: line {n}"));
    }
    bob.wait_for("ada: welcome", SILENCE);
    bob.hang_up();
    ada.wait_for("bob left: it left", SILENCE);
    let run = bob.finish(SILENCE);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.iter().any(|line| line == "eve: \\u{7}hello"), "{run}");
    ada.hang_up();
    let (ada, eve) = (ada.finish(SILENCE), eve.finish(SILENCE));
    assert_eq!((ada.code, eve.code), (Some(0), Some(1)), "{ada}{eve}");
    assert!(eve.stderr.contains("Shutdown"), "{eve}");
}

#[test]
fn a_busy_port_is_named() {
    let (_host, address) = host(&["--clients", "1"]);
    let run = run(&["--host", &address], SILENCE);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.starts_with(&format!("arena: cannot bind {address}: ")), "{run}");
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
}

#[test]
fn bad_flags_cost_one_line_and_exit_2() {
    for (args, complaint) in [
        (&["--clients", "65"][..], "`--clients` expects 0 to 64, found `65`"),
        (&["--clients=-1"], "`--clients` expects 0 to 64, found `-1`"),
        (&["--seconds", "0"], "`--seconds` expects 1 to 3600, found `0`"),
        (&["--hz", "241"], "`--hz` expects 1 to 240, found `241`"),
        (&["--asteroids", "many"], "`--asteroids` expects 0 to 20000, found `many`"),
        (&["--loss", "0.95"], "`--loss` expects 0 to 0.9, found `0.95`"),
        (&["--latency", "2001"], "`--latency` expects 0 to 2000, found `2001`"),
        (&["--jitter"], "`--jitter` needs a value"),
        (&["--join", "localhost"], "`--join` expects an address like 127.0.0.1:4000, found `localhost`"),
        (&["--host", "127.0.0.1:0", "--join", "127.0.0.1:1"], "`--host` and `--join` exclude each other"),
        (&["--warp", "9"], "unknown flag `--warp`; --help lists them"),
        (&["fast"], "unknown flag `fast`; --help lists them"),
    ] {
        let run = run(args, SILENCE);
        assert_eq!((run.code, run.stderr), (Some(2), format!("arena: {complaint}\n")), "{args:?}");
        assert!(run.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn help_explains_every_flag() {
    let run = run(&["--help"], SILENCE);
    assert_eq!(run.code, Some(0));
    let flags = "--clients --seconds --hz --asteroids --seed --loss --latency --jitter --host --join --help";
    for flag in flags.split(' ') {
        let line = run.stdout.iter().find(|line| line.trim_start().starts_with(flag));
        assert!(line.is_some_and(|line| line.len() > 20), "{flag}: {run}");
    }
}

#[test]
fn children_end_with_a_killed_launcher() {
    let mut launcher = Process::start(&["--clients", "3", "--seconds", "60"]);
    launcher.wait_for("playing for ", SILENCE);
    // The children have inherited its standard error: that ends when the last of them does.
    launcher.kill_and_wait_for_heirs(SILENCE);
}

#[test]
#[cfg(target_os = "linux")]
fn a_launcher_names_the_child_that_died() {
    let mut launcher = Process::start(&["--clients", "2", "--seconds", "60"]);
    launcher.wait_for("playing for ", SILENCE);
    let children = launcher.children();
    assert_eq!(children.len(), 3);
    // The host was started first, so this is the second client.
    process::kill(children[2]);
    let run = launcher.finish(SILENCE);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.starts_with("arena: client-2 ended without a report"), "{run}");
}

/// A host on a free port, and where it is.
fn host(args: &[&str]) -> (Process, String) {
    let mut host = Process::start(&[&["--host", "127.0.0.1:0"], args].concat());
    let line = host.wait_for("hosting at ", SILENCE);
    let address = line.trim_start_matches("hosting at ").split(',').next().unwrap().to_owned();
    (host, address)
}
