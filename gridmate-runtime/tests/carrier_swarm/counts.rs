//! The laws by name, and how often each was looked at: a law that was never tested held by accident.

use std::fmt;

use crate::swarm_support::Tally;

/// What has to hold in every world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// A reliable ordered channel has delivered a prefix of what was sent on it.
    C1,
    /// A reliable unordered channel delivers every message exactly once.
    C2,
    /// A sequenced channel only goes forward.
    C3,
    /// An unreliable channel delivers what was sent, unaltered, at most once.
    C4,
    /// A receipt comes once, and "delivered" means that.
    C5,
    /// Nothing is delivered that this peer did not send in this connection, and no peer appears that did not come.
    C6,
    /// No packet number is used twice under one key, and no key, nonce or secret by two connections.
    C7,
    /// What waited for room is sent in the end.
    C8,
    /// A connection that is over says goodbye three times at most, and nothing else.
    C9,
    /// An address that has not proven itself gets little.
    C10,
    /// Queues stay within their bounds, and strangers occupy nothing.
    C11,
    /// Deadlines lie ahead, and are few when there is nothing to do.
    C12,
    /// Session time never goes back, and is right once the network is.
    Clock,
    /// A connection ends only for a reason.
    Life,
}

pub const LAWS: [Law; 14] = [
    Law::C1,
    Law::C2,
    Law::C3,
    Law::C4,
    Law::C5,
    Law::C6,
    Law::C7,
    Law::C8,
    Law::C9,
    Law::C10,
    Law::C11,
    Law::C12,
    Law::Clock,
    Law::Life,
];

/// What happened, besides laws being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    Datagrams,
    Arrivals,
    Lost,
    Doubled,
    HeldBack,
    Damaged,
    Sessions,
    Messages,
    /// Longer than one datagram.
    Fragmented,
    ReceiptsTrue,
    ReceiptsFalse,
    Rebindings,
    Moves,
    Crashes,
    Partings,
    Blackouts,
    /// A reliable queue was full, or the network took no more.
    HeldUp,
    /// Ordered messages known to be there that wait for an earlier one of their channel.
    Blocked,
    Forged,
    Replayed,
    Goodbyes,
    Challenges,
    Wakeups,
}

pub const HAPPENED: [Happened; 23] = [
    Happened::Datagrams,
    Happened::Arrivals,
    Happened::Lost,
    Happened::Doubled,
    Happened::HeldBack,
    Happened::Damaged,
    Happened::Sessions,
    Happened::Messages,
    Happened::Fragmented,
    Happened::ReceiptsTrue,
    Happened::ReceiptsFalse,
    Happened::Rebindings,
    Happened::Moves,
    Happened::Crashes,
    Happened::Partings,
    Happened::Blackouts,
    Happened::HeldUp,
    Happened::Blocked,
    Happened::Forged,
    Happened::Replayed,
    Happened::Goodbyes,
    Happened::Challenges,
    Happened::Wakeups,
];

impl Law {
    /// How often it is looked at in a world at least, on average over many: a third of what it was when this was written.
    pub const fn least(self) -> u64 {
        match self {
            Self::C1 => 120,
            Self::C2 => 60,
            Self::C3 | Self::C4 => 30,
            Self::C5 => 500,
            Self::C6 | Self::C11 => 700,
            Self::C7 | Self::C9 => 200,
            Self::C8 => 12,
            Self::C10 => 12,
            Self::C12 => 250,
            Self::Clock => 500,
            Self::Life => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    laws: [u64; LAWS.len()],
    happened: [u64; HAPPENED.len()],
    /// Of every datagram sent, in order.
    digest: u32,
    /// Longest time from the end of all trouble until everything was delivered, and worst error of session time,
    /// microseconds; most deadlines of an idle second.
    pub slowest: u64,
    pub worst_clock: u64,
    pub busiest_idle: u64,
}

impl Counts {
    /// Looks at a law.
    #[track_caller]
    pub fn hold(&mut self, law: Law, holds: bool, otherwise: impl FnOnce() -> String) {
        self.laws[law as usize] += 1;
        assert!(holds, "{law:?} does not hold: {}", otherwise());
    }

    pub fn note(&mut self, what: Happened) {
        self.happened[what as usize] += 1;
    }

    /// A datagram was sent.
    pub fn digest(&mut self, datagram: &[u8]) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.digest);
        hasher.update(datagram);
        self.digest = hasher.finalize();
    }

    pub fn law(&self, law: Law) -> u64 {
        self.laws[law as usize]
    }

    pub fn happened(&self, what: Happened) -> u64 {
        self.happened[what as usize]
    }
}

impl Tally for Counts {
    fn add(&mut self, other: &Self) {
        self.laws.iter_mut().zip(other.laws).for_each(|(sum, more)| *sum += more);
        self.happened.iter_mut().zip(other.happened).for_each(|(sum, more)| *sum += more);
        self.digest ^= other.digest;
        self.slowest = self.slowest.max(other.slowest);
        self.worst_clock = self.worst_clock.max(other.worst_clock);
        self.busiest_idle = self.busiest_idle.max(other.busiest_idle);
    }

    fn check(&self, worlds: u64) {
        for law in LAWS {
            let (least, looks) = (worlds * law.least(), self.law(law));
            assert!(looks >= least, "{law:?}: looked at {looks} times in {worlds} worlds, not {least}");
        }
        for what in HAPPENED {
            let times = self.happened(what);
            assert!(times > worlds / 20, "{what:?}: {times} times in {worlds} worlds");
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in HAPPENED {
            write!(f, "{what:?} {}, ", self.happened(what))?;
        }
        write!(f, "\n  laws:")?;
        for law in LAWS {
            write!(f, " {law:?} {}", self.law(law))?;
        }
        write!(
            f,
            "\n  all delivered {} ms after the trouble ended, session time wrong by {} us, {} deadlines in an idle second",
            self.slowest / 1_000,
            self.worst_clock,
            self.busiest_idle
        )
    }
}
