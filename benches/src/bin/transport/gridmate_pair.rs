//! Ours: an endpoint over a UDP driver at each end. The far end connects.

use std::net::SocketAddr;
use std::time::{Duration, Instant as Deadline};

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, ChannelId, CongestionConfig, ConnectionId, Endpoint};
use gridmate_runtime::driver::{Clock, Driver, UdpConfig, UdpDriver};

use crate::pair::{End, FRAME, Pair};

/// Of the default configuration.
pub const RELIABLE: ChannelId = ChannelId(0);
const UNRELIABLE: ChannelId = ChannelId(1);

/// How long a message may take that another thread brings.
const PATIENCE: Duration = Duration::from_secs(1);

/// Two endpoints with one connection.
pub struct Gridmate {
    ends: [Side; 2],
    channel: ChannelId,
    threaded: bool,
    clock: Clock,
    /// By how much the ends' time is before the clock.
    ahead: Duration,
}

struct Side {
    endpoint: Endpoint,
    driver: UdpDriver,
    to: Option<ConnectionId>,
    datagram: Vec<u8>,
}

/// The defaults, but that nothing limits how much is sent: the load is a flood that waits for nobody, with pauses while others have
/// their turn, and neither enet nor renet has anything that would hold it back.
fn carrier() -> CarrierConfig {
    let mut config = CarrierConfig::new(7);
    config.congestion = CongestionConfig::Unlimited;
    config
}

impl Gridmate {
    /// Sockets that the caller's thread serves, or network threads that do.
    pub fn new(reliable: bool, threaded: bool) -> Self {
        let config = UdpConfig { polled: !threaded, ..UdpConfig::default() };
        let ends = [1, 2].map(|seed| Side {
            endpoint: Endpoint::new(carrier(), seed),
            driver: UdpDriver::with_config(SocketAddr::from(([127, 0, 0, 1], 0)), config).expect("a socket"),
            to: None,
            datagram: Vec::new(),
        });
        let channel = if reliable { RELIABLE } else { UNRELIABLE };
        let mut pair = Self { ends, channel, threaded, clock: Clock::start(), ahead: Duration::ZERO };
        let (address, now) = (pair.ends[0].driver.local_addr(), pair.now());
        let _ = pair.ends[1].endpoint.connect(now, address, b"").expect("an endpoint that can connect");
        let deadline = Deadline::now() + PATIENCE;
        while pair.ends.iter().any(|end| end.to.is_none()) {
            assert!(Deadline::now() < deadline, "gridmate did not connect");
            pair.step();
        }
        pair
    }

    fn now(&self) -> Instant {
        self.clock.now() + self.ahead
    }

    fn step(&mut self) {
        let now = self.now();
        for side in &mut self.ends {
            side.receive(now, &mut |_| {});
            side.flush(now);
        }
    }
}

impl Side {
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(&[u8])) {
        let Self { endpoint, driver, to, .. } = self;
        driver.receive(now, &mut |from, datagram| endpoint.handle_datagram(now, from, datagram)).expect("a socket");
        endpoint.handle_timeout(now);
        while let Some(event) = endpoint.poll_event() {
            match event {
                CarrierEvent::Message { bytes, .. } => {
                    sink(&bytes);
                    endpoint.recycle(bytes);
                }
                CarrierEvent::Incoming { connection, .. } => {
                    endpoint.accept(now, connection, b"").expect("one who waits");
                }
                CarrierEvent::Connected { connection, .. } => *to = Some(connection),
                CarrierEvent::Disconnected { reason, .. } => panic!("disconnected: {reason:?}"),
                _ => {}
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        while let Some(to) = self.endpoint.poll_transmit(now, &mut self.datagram) {
            self.driver.send(now, to, &self.datagram).expect("a socket");
        }
        self.driver.flush(now).expect("a socket");
    }
}

impl Pair for Gridmate {
    fn send(&mut self, from: End, message: &[u8]) {
        let side = &mut self.ends[from as usize];
        let to = side.to.expect("a connection");
        side.endpoint.send(to, self.channel, message, None).expect("room in the queue");
    }

    fn flush(&mut self, end: End) {
        let now = self.now();
        self.ends[end as usize].flush(now);
    }

    fn receive(&mut self, end: End, expected: usize, sink: &mut dyn FnMut(&[u8])) {
        let now = self.now();
        if !self.threaded {
            return self.ends[end as usize].receive(now, sink);
        }
        // There is nothing to wait on; a game would do its work meanwhile, and look once a frame.
        let (mut arrived, deadline) = (0, now + PATIENCE);
        loop {
            let now = self.now();
            self.ends[end as usize].receive(now, &mut |message| {
                arrived += 1;
                sink(message);
            });
            if arrived >= expected || now > deadline {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn idle(&mut self) -> Duration {
        self.ahead += FRAME;
        self.step();
        FRAME
    }
}
