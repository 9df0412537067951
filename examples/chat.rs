//! A chat. `chat ada` hosts it and says where; `chat bob 127.0.0.1:4000` joins there. What is typed everyone hears; the end of the
//! input leaves.
#![expect(clippy::print_stdout, reason = "a chat talks")]
use std::sync::mpsc::{TryRecvError, channel};

use gridmate_runtime::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let config = NodeConfig::new(Registry::builder().build()?).name(args.next().unwrap_or_else(|| "somebody".into()));
    let socket = UdpDriver::bind("127.0.0.1:0".parse()?)?;
    let mut node = match args.next() {
        Some(host) => Node::join(socket, host.parse()?, config)?,
        None => Node::host(socket, config)?,
    };
    println!("at {}", node.local_addr());

    let (typed, lines) = channel();
    #[expect(clippy::disallowed_methods, reason = "the terminal blocks: it needs someone who waits for it")]
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).for_each(|line| drop(typed.send(line))));
    let mut ticker = Ticker::per_second(Clock::start(), 30.try_into()?);
    loop {
        let now = ticker.wait().now;
        node.tick(now)?;
        while let Some(event) = node.poll_event() {
            match event {
                NodeEvent::Message { from, bytes, .. } => {
                    let name = node.member(from).map_or("somebody", |member| &member.name);
                    println!("{name}: {}", String::from_utf8_lossy(&bytes).escape_debug());
                }
                NodeEvent::Session(SessionEvent::MemberJoined { name, .. }) => println!("{name} is here"),
                NodeEvent::Session(SessionEvent::MemberLeft { name, reason, .. }) => println!("{name} left: {reason}"),
                NodeEvent::Session(SessionEvent::HostLost { reason }) => return Err(reason.into()),
                NodeEvent::Session(SessionEvent::JoinFailed { error }) => return Err(error.into()),
                _ => {}
            }
        }
        if node.local_member() == MemberId::NONE {
            continue; // Not joined yet: what was typed can wait.
        }
        match lines.try_recv() {
            Ok(line) => node.broadcast(UserChannel::Ordered, line.as_bytes())?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                node.leave(now);
                return (0..5).try_for_each(|_| Ok(node.tick(ticker.wait().now)?)); // Goodbyes are said a few times.
            }
        }
    }
}
