//! ENet, as rusty_enet has it. The far end connects.

use std::cell::Cell;
use std::net::UdpSocket;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rusty_enet::{Event, Host, HostSettings, Packet, PacketKind, PeerID};

use crate::pair::{End, FRAME, Pair, socket};

/// Two hosts with one peer each.
pub struct Enet {
    hosts: [Host<UdpSocket>; 2],
    kind: PacketKind,
    /// By how much its clock is before the real one.
    ahead: Rc<Cell<Duration>>,
}

impl Enet {
    /// Connected when it returns.
    pub fn new(reliable: bool) -> Self {
        let ahead = Rc::new(Cell::new(Duration::ZERO));
        let start = Instant::now();
        let mut hosts = [(); 2].map(|()| {
            let ahead = Rc::clone(&ahead);
            let time = Box::new(move || start.elapsed() + ahead.get());
            let settings = HostSettings { peer_limit: 1, channel_limit: 1, time, ..HostSettings::default() };
            Host::new(socket().expect("a socket"), settings).expect("a host")
        });
        let address = hosts[0].socket().local_addr().expect("an address");
        hosts[1].connect(address, 1, 0).expect("a peer to spare");
        let kind = if reliable { PacketKind::Reliable } else { PacketKind::Unreliable { sequenced: true } };
        let mut pair = Self { hosts, kind, ahead };
        for _ in 0..100 {
            pair.idle();
            if pair.hosts.iter().all(|host| host.peer(PeerID(0)).connected()) {
                return pair;
            }
        }
        panic!("enet did not connect");
    }
}

impl Pair for Enet {
    fn send(&mut self, from: End, message: &[u8]) {
        let packet = Packet::new(message, self.kind);
        self.hosts[from as usize].peer_mut(PeerID(0)).send(0, &packet).expect("a connected peer");
    }

    fn flush(&mut self, end: End) {
        self.hosts[end as usize].flush();
    }

    fn receive(&mut self, end: End, _: usize, sink: &mut dyn FnMut(&[u8])) {
        while let Some(event) = self.hosts[end as usize].service().expect("a host that runs") {
            match event {
                Event::Receive { packet, .. } => sink(packet.data()),
                Event::Connect { .. } => {}
                Event::Disconnect { .. } => panic!("enet lost its connection"),
            }
        }
    }

    fn idle(&mut self) -> Duration {
        self.ahead.set(self.ahead.get() + FRAME);
        for end in [End::Near, End::Far] {
            self.receive(end, 0, &mut |_| {});
            self.flush(end);
        }
        FRAME
    }
}
