//! Whoever else is on the network: floods, forgeries, and what was said before, said again.

use std::collections::VecDeque;
use std::net::SocketAddr;

use gridmate_runtime::carrier::Endpoint;
use gridmate_runtime::{Instant, Rng, limits};

use crate::carrier_support::{address, config};
use crate::plan::up_to;
use crate::wire::{handshake_key, tag};

/// Datagrams of others that it remembers, count.
const MEMORY: usize = 600;

pub struct Stranger {
    rng: Rng,
    /// A hello that is in order but for its cookie, which is not there.
    hello: Vec<u8>,
    /// From where, to which node, what.
    heard: VecDeque<(SocketAddr, usize, Vec<u8>)>,
}

/// A datagram that somebody else sends: from where, to which node, what.
pub type Forgery = (SocketAddr, usize, Vec<u8>);

impl Stranger {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x57A4_6E12);
        let (mut endpoint, mut hello) = (Endpoint::new(config(), rng.next_u64()), Vec::new());
        endpoint.connect(Instant::ZERO, address(0), &u32::MAX.to_le_bytes()).expect("nothing is in the way");
        endpoint.poll_transmit(Instant::ZERO, &mut hello).expect("a hello is due");
        Self { rng, hello, heard: VecDeque::new() }
    }

    /// Somebody nobody knows.
    fn anywhere(&mut self) -> SocketAddr {
        let host = u8::try_from(1 + self.rng.below(200)).unwrap();
        SocketAddr::from(([203, 0, 113, host], u16::try_from(1_024 + self.rng.below(5_000)).unwrap()))
    }

    pub fn listen(&mut self, from: SocketAddr, to: usize, datagram: &[u8]) {
        if self.heard.len() == MEMORY {
            let forgotten = up_to(&mut self.rng, MEMORY as u64);
            self.heard.swap_remove_back(forgotten);
        }
        self.heard.push_back((from, to, datagram.to_vec()));
    }

    /// A hello that shows no cookie, or one that is made up.
    pub fn hello(&mut self) -> Vec<u8> {
        let mut hello = self.hello.clone();
        hello[19..27].copy_from_slice(&self.rng.next_u64().to_le_bytes());
        if self.rng.chance(0.5) {
            hello[30..50].iter_mut().for_each(|byte| *byte = self.rng.next_u64().to_le_bytes()[0]);
        }
        let seal = tag(handshake_key(), None, &hello);
        hello[1..5].copy_from_slice(&seal);
        hello
    }

    pub fn flood(&mut self) -> (SocketAddr, Vec<u8>) {
        (self.anywhere(), self.hello())
    }

    /// The next datagram to a node at one of these addresses; whether it was heard before.
    pub fn forge(&mut self, homes: &[SocketAddr]) -> (Forgery, bool) {
        let to = up_to(&mut self.rng, homes.len() as u64);
        let from = if self.rng.chance(0.6) { homes[up_to(&mut self.rng, homes.len() as u64)] } else { self.anywhere() };
        match self.rng.below(8) {
            0 => ((from, 0, self.hello()), false),
            1..4 => {
                let mut bytes = vec![0; up_to(&mut self.rng, limits::DATAGRAM_BYTES_MAX as u64 + 50)];
                bytes.iter_mut().for_each(|byte| *byte = self.rng.next_u64().to_le_bytes()[0]);
                if let Some(kind) = bytes.first_mut() {
                    *kind = [4, 5, 6, 7, 8, 9, *kind | 0x80, *kind][up_to(&mut self.rng, 8)];
                }
                ((from, to, bytes), false)
            }
            _ if self.heard.is_empty() => ((from, to, Vec::new()), false),
            again => {
                let (source, to, bytes) = self.heard[up_to(&mut self.rng, self.heard.len() as u64)].clone();
                ((if again < 7 { source } else { from }, to, bytes), true)
            }
        }
    }
}
